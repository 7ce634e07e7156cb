"""How tasks share a prompt: what a row of a mixed batch sees is what it would see alone."""

from itertools import pairwise

import pytest
import torch
from families import fill_rows, make_backbone, make_batch, make_prompt, open_gates, real

from ptv2.config.cards import TaskCard
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt

P, TASKS = 5, ["first", "second", "third"]
ROWS = torch.tensor([2, 0, 1])  # the task of each row of the batch


def prompt_for(backbone, stirred=True, **config):
    """A prompt of three tasks whose parameters all differ."""
    torch.manual_seed(1)
    tasks = {name: TaskCard(name=name) for name in TASKS}
    prompt = DeepPrompt(Config(tasks, prompt=PromptConfig(**{"length": 5, "dropout": 0.0} | config)), backbone)
    if stirred:
        with torch.no_grad():
            for parameter in prompt.parameters():
                parameter.add_(torch.randn_like(parameter))
    return prompt


def one_row(batch, row):
    return {name: states[row : row + 1] for name, states in batch.items()}


PLAIN = [{}, {"gate": True}, {"layers": "top:2"}]
OTHERS = [
    {"token_gate": True},
    {"residual": 4},
    {"form": "hidden"},
    {"form": ["memory", "slots", "values"]},
    {"projection": 4},
    {"norm": "layer"},
]


@pytest.mark.parametrize(
    ("sharing", "config"),
    [(sharing, config) for sharing in ("shared", "task", "shared+task") for config in (*PLAIN, *OTHERS)]
    + [("keys", config) for config in PLAIN],
)
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_mixed_batch_equals_each_task_alone(family, config, sharing):
    backbone, batch = make_backbone(family), make_batch(family)
    prompt = prompt_for(backbone, sharing=sharing, **config)
    mixed = backbone(batch, prompt(3, ROWS)).last_BTD
    for row, task in enumerate(ROWS.tolist()):
        alone = backbone(one_row(batch, row), prompt(1, task)).last_BTD
        mask = batch["attention_mask"][row] == 1
        torch.testing.assert_close(mixed[row][mask], alone[0][mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [{}, {"form": "hidden"}, {"gate": True}])
@pytest.mark.parametrize("sharing", ["task", "shared+task"])
def test_tasks_see_different_prompts(sharing, config):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing=sharing, **config)
    states = [real(backbone(batch, prompt(3, task)).last_BTD, batch) for task in range(3)]
    assert all((a - b).abs().max() > 1e-2 for a, b in pairwise(states))


@pytest.mark.parametrize("sharing", ["task", "shared+task"])
def test_the_gradient_of_a_mixed_batch_is_the_sum_of_those_alone(sharing):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing=sharing)
    real(backbone(batch, prompt(3, ROWS)).last_BTD, batch).pow(3).sum().backward()
    mixed = [parameter.grad.clone() for parameter in prompt.parameters()]
    prompt.zero_grad()
    for row, task in enumerate(ROWS.tolist()):
        only = one_row(batch, row)
        real(backbone(only, prompt(1, task)).last_BTD, only).pow(3).sum().backward()
    for got, parameter in zip(mixed, prompt.parameters(), strict=True):
        torch.testing.assert_close(got, parameter.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_rows_are_their_definition(rank):
    """P_task = P_shared * (sum of u v^T), element by element (Wang et al. 2023, section 3.1)."""
    prompt = prompt_for(make_backbone("bert"), sharing="shared+task", rank=rank)
    for task in TASKS:
        own = prompt.own[task]
        for vector_PF, shared_PF, u_PR, v_FR in zip(
            prompt.task_vectors(task), prompt.rows.rows, own.u_PR, own.v_FR, strict=True
        ):
            matrix_PF = sum(torch.outer(u_PR[:, r], v_FR[:, r]) for r in range(rank))
            torch.testing.assert_close(vector_PF, shared_PF * matrix_PF)
            assert torch.linalg.matrix_rank(matrix_PF) == rank


@pytest.mark.parametrize("rank", [1, 3])
def test_every_task_starts_from_the_shared_rows(rank):
    prompt = prompt_for(make_backbone("bert"), stirred=False, sharing="shared+task", rank=rank)
    for task in TASKS:
        for row, shared in zip(prompt.task_vectors(task), prompt.rows.rows, strict=True):
            assert torch.equal(row, shared)


def test_every_rank_learns():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, stirred=False, sharing="shared+task", rank=3, init_std=1.0)
    real(backbone(batch, prompt(3, 1)).last_BTD, batch).pow(3).sum().backward()
    own = prompt.own["second"]
    assert all(factor.grad.abs().amax(dim=0).min() > 0 for factor in own.v_FR)


@pytest.mark.parametrize("sharing", ["shared", "task", "shared+task"])
def test_own_leaves_what_is_shared_as_it_is(sharing):
    prompt = prompt_for(make_backbone("bert"), sharing=sharing, gate=True, train="own")
    learned = {name.partition(".")[0] for name, p in prompt.named_parameters() if p.requires_grad}
    assert learned == {"shared": set(), "task": {"own", "gates"}, "shared+task": {"own", "gates"}}[sharing]


def test_idle_tasks_get_no_gradient():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = open_gates(prompt_for(backbone, sharing="shared+task"), 1.0)
    real(backbone(batch, prompt(3, 1)).last_BTD, batch).pow(3).sum().backward()
    assert all(p.grad is not None for p in prompt.own["second"].parameters())
    assert all(p.grad is None for name in ("first", "third") for p in prompt.own[name].parameters())


@pytest.mark.parametrize("per", ["example", "batch"])
def test_prompt_dropout_on_a_mixed_batch(per):
    prompt = prompt_for(make_backbone("bert"), sharing="task", dropout=0.5, dropout_per=per).train()
    masks = (prompt(3, ROWS).sites[0].key_BGPD == 0).flatten(1)
    same = [torch.equal(masks[i], masks[j]) for i, j in ((0, 1), (1, 2))]
    assert same == ([True, True] if per == "batch" else [False, False])


@torch.no_grad()
def test_shared_keys_stand_in_front_of_each_tasks_own_values():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing="keys")
    assert [tuple(keys.shape) for keys in prompt.rows.rows] == [(P, 32)] * 3
    for task, name in enumerate(TASKS):
        whole = make_prompt(backbone, length=P)
        fill_rows(whole, [torch.cat(pair, 1) for pair in zip(prompt.rows.rows, prompt.own[name].rows, strict=True)])
        ours, expected = (real(backbone(batch, made).last_BTD, batch) for made in (prompt(3, task), whole(3)))
        assert torch.equal(ours, expected)


def test_a_gradient_of_one_task_reaches_the_keys_and_its_own_values_alone():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing="keys")
    real(backbone(batch, prompt(3, 1)).last_BTD, batch).pow(3).sum().backward()
    assert all(keys.grad.abs().max() > 0 for keys in prompt.rows.rows)
    assert [p.grad is not None for name in TASKS for p in prompt.own[name].parameters()] == [False] * 3 + [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize(
    "config", [{"form": "hidden"}, {"projection": 4}, {"norm": "layer"}, {"form": ["kv", "memory"]}]
)
def test_shared_keys_are_learned_themselves(config):
    with pytest.raises(UserError, match="'keys' shares keys that are learned themselves"):
        DeepPrompt.check(Config(prompt=PromptConfig(sharing="keys", **config)))


@torch.no_grad()
def test_a_norm_is_a_layer_norm_of_keys_and_of_values():
    backbone = make_backbone("bert")
    prompt = make_prompt(backbone, length=P, norm="layer")
    for norm in prompt.rows.norms:
        norm.weight.uniform_(0.5, 2), norm.bias.normal_()
    norms = iter(prompt.rows.norms)
    for vector_PF, plain_PF in zip(prompt.folded(), prompt.rows.inner.rows, strict=True):
        for ours, half in zip(vector_PF.chunk(2, dim=1), plain_PF.chunk(2, dim=1), strict=True):
            norm, centred = next(norms), half - half.mean(1, keepdim=True)
            expected = centred / (centred.pow(2).mean(1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias
            torch.testing.assert_close(ours, expected)
    assert set(prompt.exported()) == {f"rows.rows.{i}" for i in range(3)}
