"""A prompt at the input layer: what heads read behind it, padding, recomputed layers, tasks in one batch, starts."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_model, real
from seq2seq_models import make_lm_backbone, make_lm_batch
from soft_prompts import TASKS, P, make_soft_prompt, one_row

from ptv2.backbone import Injection, InputPrompt
from ptv2.errors import UserError

CLOSE = {"atol": 1e-5, "rtol": 0}
ROWS = torch.tensor([2, 0, 1])  # the task of each row of the batch
WITH_POOLER = ["bert", "roberta", "xlm-roberta", "albert", "albert-groups"]


def joined(model, batch, vectors_PW, **settings):
    """The bare model on embeddings joined by hand."""
    embedded_BTW = model.get_input_embeddings()(batch["input_ids"])
    rows = len(embedded_BTW)
    inputs = {"inputs_embeds": torch.cat([vectors_PW.expand(rows, -1, -1), embedded_BTW], dim=1)}
    inputs["attention_mask"] = torch.cat([torch.ones(rows, P, dtype=torch.long), batch["attention_mask"]], dim=1)
    if "token_type_ids" in batch:
        inputs["token_type_ids"] = torch.cat([torch.zeros(rows, P, dtype=torch.long), batch["token_type_ids"]], dim=1)
    return model(**inputs, **settings)


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_states_are_those_of_vectors_joined_by_hand(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_batch(family)
    prompt = make_soft_prompt(backbone)
    states = backbone(batch, prompt(3))
    expected_BTD = joined(make_model(family), batch, prompt.rows.rows[0]).last_hidden_state[:, P:]
    torch.testing.assert_close(real(states.last_BTD, batch), real(expected_BTD, batch), **CLOSE)
    assert states.mask_BT is batch["attention_mask"]


@pytest.mark.parametrize("family", WITH_POOLER)
@torch.no_grad()
def test_what_is_pooled_is_the_first_token_of_the_text(family):
    backbone, batch, model = make_backbone(family), make_batch(family), make_model(family)
    prompt = make_soft_prompt(backbone)
    first_BD = joined(model, batch, prompt.rows.rows[0]).last_hidden_state[:, P]
    dense = model.pooler if family.startswith("albert") else model.pooler.dense
    torch.testing.assert_close(backbone(batch, prompt(3)).pooled_BD, torch.tanh(dense(first_BD)), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_states_do_not_depend_on_padding(family):
    backbone, batch, wider = make_backbone(family), make_batch(family), make_batch(family, width=20)
    prompt = make_soft_prompt(backbone)
    alone = torch.cat([backbone(one_row(batch, row), prompt(1)).last_BTD[0] for row in range(3)])
    for padded in (batch, wider):
        torch.testing.assert_close(real(backbone(padded, prompt(3)).last_BTD, padded), alone, **CLOSE)


@pytest.mark.parametrize("family", [*FAMILIES, "gpt2", "t5"])
def test_gradient_checkpointing_changes_no_gradient(family):
    of_lm = family in ("gpt2", "t5")
    gradients = []
    for checkpointing in (False, True):
        backbone = (make_lm_backbone if of_lm else make_backbone)(family)
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt, batch = make_soft_prompt(backbone), (make_lm_batch if of_lm else make_batch)(family)
        backbone.train()
        torch.manual_seed(7)
        real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        assert all(parameter.grad is None for parameter in backbone.parameters())
        gradients.append(prompt.rows.rows[0].grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("prompt", [{}, {"residual": 8}], ids=str)
@pytest.mark.parametrize("sharing", ["shared", "task", "shared+task"])
def test_a_mixed_batch_equals_each_task_alone(sharing, prompt):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = make_soft_prompt(backbone, sharing=sharing, **prompt)
    mixed = backbone(batch, prompt(3, ROWS)).last_BTD
    alone = [backbone(one_row(batch, row), prompt(1, task)).last_BTD[0] for row, task in enumerate(ROWS.tolist())]
    torch.testing.assert_close(real(mixed, batch), torch.cat(alone), **CLOSE)
    first, other = (prompt(1, task).inputs.vectors_BPW for task in (0, 1))
    assert torch.equal(first, other) == (sharing == "shared")


def test_idle_tasks_get_no_gradient():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = make_soft_prompt(backbone, sharing="shared+task")
    real(backbone(batch, prompt(3, torch.tensor([1, 1, 0]))).last_BTD, batch).pow(3).sum().backward()
    learned = {name: all(p.grad is not None for p in prompt.own[name].parameters()) for name in TASKS}
    assert learned == {"first": True, "second": True, "third": False}


@torch.no_grad()
def test_vectors_stand_where_tokens_are_marked():
    backbone, batch, model = make_backbone("bert"), make_batch("bert"), make_model("bert")
    at_BT = torch.zeros(3, 9, dtype=torch.bool)
    places = [(0, 4), (1, 5), (1, 2)]  # of each row, from left to right
    for row, columns in enumerate(places):
        at_BT[row, list(columns)] = True
    vectors_BPW = torch.randn(3, 2, 32)
    states = backbone(batch, Injection(inputs=InputPrompt(vectors_BPW, at_BT)))
    embedded_BTW = model.get_input_embeddings()(batch["input_ids"])
    for row, columns in enumerate(places):
        for number, column in enumerate(columns):
            embedded_BTW[row, column] = vectors_BPW[row, number]
    rest = {key: batch[key] for key in ("attention_mask", "token_type_ids")}
    expected = model(inputs_embeds=embedded_BTW, **rest)
    torch.testing.assert_close(real(states.last_BTD, batch), real(expected.last_hidden_state, batch), **CLOSE)
    torch.testing.assert_close(states.pooled_BD, expected.pooler_output, **CLOSE)


# -- where it starts ---------------------------------------------------------------------------------------------------


def start(backbone, labels=(), **prompt):
    """The vectors that training starts from, of one prompt and a task with these labels."""
    made = make_soft_prompt(backbone, tasks=["first"], stirred=False, **prompt)
    made.learn_labels({"first": labels})
    return made.rows.rows[0].detach()


def embedded(backbone, text):
    ids = backbone.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"][0]
    return backbone.model.get_input_embeddings()(ids).detach()


def test_drawn_starts():
    backbone = make_backbone("electra")
    uniform = start(backbone, init="uniform")
    assert uniform.shape == (P, 16) and uniform.abs().max() <= 0.5 and uniform.abs().mean() > 0.15
    assert (start(backbone, init="zero") == 0).all()
    assert 0.05 < start(backbone, init="normal", init_std=0.1).std() < 0.2


def test_words_are_their_token_embeddings():
    backbone = make_backbone("bert")
    assert torch.equal(start(backbone, init="text:a good film"), embedded(backbone, "a good film a"))
    table = {tuple(row.tolist()) for row in backbone.model.get_input_embeddings().weight}
    drawn = {tuple(row.tolist()) for row in start(backbone, init="vocab")}
    assert drawn <= table and len(drawn) == P


def test_labels_are_cycled_and_one_of_several_tokens_is_their_mean():
    backbone = make_backbone("bert")
    good, zap = embedded(backbone, "good"), embedded(backbone, "zap").mean(0, keepdim=True)
    assert len(embedded(backbone, "zap")) == 3
    expected = torch.cat([good, zap, good, zap])
    torch.testing.assert_close(start(backbone, ["good", "zap"], init="labels"), expected)
    with pytest.raises(UserError, match="task 'first' has no labels to start from; use vocab"):
        start(backbone, init="labels")


def test_a_residual_prompt_is_itself_and_what_its_network_makes_of_it():
    prompt = make_soft_prompt(make_backbone("bert"), residual=8)
    (held_PW,), (down, _, up, norm) = prompt.rows.rows, prompt.rows.project
    made_PW = torch.relu(held_PW @ down.weight.T + down.bias) @ up.weight.T + up.bias
    centred_PW = made_PW - made_PW.mean(1, keepdim=True)
    normed_PW = centred_PW / (centred_PW.pow(2).mean(1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(prompt(1).inputs.vectors_BPW[0], held_PW + normed_PW)
    exported = prompt.exported()
    assert list(exported) == ["rows.rows.0"]
    torch.testing.assert_close(exported["rows.rows.0"], held_PW + normed_PW)
