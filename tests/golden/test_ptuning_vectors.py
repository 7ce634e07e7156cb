"""P-Tuning (v1): the encoder of virtual tokens, where they stand, and the labels' words at the mask, by hand."""

import pytest
import torch
from families import CONFIGS, make_backbone, make_batch, make_tokenizer, real
from seq2seq_models import make_lm, save_lm
from training import build, load, logits, run_config, stir, train
from transformers import AutoModelForMaskedLM

from ptv2.artifact.files import write_artifact
from ptv2.config.schema import Config, PromptConfig, PTuningConfig
from ptv2.methods.ptuning import PTuning
from ptv2.model.artifact_of import artifact_of

CLOSE = {"atol": 1e-5, "rtol": 0}
TEMPLATE = "{prompt:2} {text} it was {prompt:1} {mask}"
WORDS = {"no": ["bad", "dull"], "so": "fine", "yes": ["good"]}


def masked_lm(family, seed=0):
    """The family's masked language model, far from symmetric."""
    kind, values = CONFIGS[family]
    torch.manual_seed(seed)
    return stir(AutoModelForMaskedLM.from_config(kind(**values))).eval()


def make(family, folder, template=TEMPLATE, words=WORDS, **ptuning):
    """The parts of a run with a template."""
    if family == "gpt2":
        save_lm("gpt2", folder / "backbone")
    else:
        masked_lm(family).save_pretrained(folder / "backbone")
        make_tokenizer(family).save_pretrained(folder / "backbone")
    ptuning = {"template": template, "verbalizer": words} | ptuning
    more = {"prompt": {"dropout": 0.0}, "task": {"max_length": 60}}
    return build(run_config(family, folder, method="ptuning", ptuning=ptuning, **more))


def encoder(backbone, kind="lstm", **ptuning):
    config = Config(
        method="ptuning", prompt=PromptConfig(length=3, dropout=0.0), ptuning=PTuningConfig(kind, **ptuning)
    )
    torch.manual_seed(2)
    return PTuning(config, backbone).eval()


def lstm_by_hand(x_PW, lstm):
    """A two-layer bidirectional LSTM, gate by gate."""
    for layer in range(2):
        directions = []
        for suffix, order in (("", range(len(x_PW))), ("_reverse", reversed(range(len(x_PW))))):
            w_in, w_state = (getattr(lstm, f"weight_{name}_l{layer}{suffix}") for name in ("ih", "hh"))
            bias = getattr(lstm, f"bias_ih_l{layer}{suffix}") + getattr(lstm, f"bias_hh_l{layer}{suffix}")
            state = cell = torch.zeros(w_state.shape[1])
            states = {}
            for place in order:
                enter, forget, new, leave = (w_in @ x_PW[place] + w_state @ state + bias).chunk(4)
                cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
                states[place] = state = leave.sigmoid() * cell.tanh()
            directions.append(torch.stack([states[place] for place in range(len(x_PW))]))
        x_PW = torch.cat(directions, dim=1)
    return x_PW


def test_virtual_tokens_are_what_the_lstm_and_the_network_make_of_the_embedding():
    method = encoder(make_backbone("bert"))
    rows, (down, _, up) = method.rows, method.rows.project
    hidden_PW = lstm_by_hand(rows.embedding.weight, rows.lstm)
    expected_PW = torch.relu(hidden_PW @ down.weight.T + down.bias) @ up.weight.T + up.bias
    torch.testing.assert_close(method(1).inputs.vectors_BPW[0], expected_PW, **CLOSE)


@pytest.mark.parametrize("kind", ["lstm", "mlp"])
def test_the_gradient_reaches_the_base_embedding(kind):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    method = encoder(backbone, kind, hidden=10)
    real(backbone(batch, method(3)).last_BTD, batch).pow(3).mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in method.parameters())
    assert (method.rows.embedding.weight.grad.abs().amax(1) > 0).all()


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "albert", "modernbert"])
@torch.no_grad()
def test_logits_are_the_mean_of_the_words_logits_at_the_mask(family, tmp_path):
    """Embeddings stand at the template's places, in a batch with padding; written out with the bare model."""
    parts = make(family, tmp_path)
    module, tokenizer = parts.module.eval(), make_tokenizer(family)
    (vectors_PW,) = module.method.folded()
    batch = next(iter(parts.data.eval_dataloader("cls", "validation")))
    logits_BC, model = module(batch), masked_lm(family)
    embed = model.get_input_embeddings()
    assert 0 in batch["attention_mask"]

    for row, logits_C in zip(batch["row"].tolist(), logits_BC, strict=True):
        text = parts.tasks["cls"].rows["validation"].data[row]["text"]
        ids = [tokenizer(words, add_special_tokens=False)["input_ids"] for words in (text, "it was")]
        cls, sep, mask = (torch.tensor([i]) for i in tokenizer.convert_tokens_to_ids(
            [tokenizer.cls_token, tokenizer.sep_token, tokenizer.mask_token]))  # fmt: skip
        embedded_TW = torch.cat(
            [embed(cls), vectors_PW[:2], embed(torch.tensor(ids[0] + ids[1])), vectors_PW[2:], embed(mask), embed(sep)]
        )
        at_mask_V = model(inputs_embeds=embedded_TW[None]).logits[0, -2]
        words = [["bad", "dull"], ["fine"], ["good"]]
        expected_C = [at_mask_V[tokenizer.convert_tokens_to_ids(of_label)].mean() for of_label in words]
        torch.testing.assert_close(logits_C, torch.stack(expected_C), **CLOSE)


@torch.no_grad()
def test_a_causal_model_answers_with_the_next_word(tmp_path):
    """It has no mask: the logits behind the last token are read."""
    parts = make("gpt2", tmp_path, "{text} {prompt:3}{mask}", {"no": ["a", "b"], "so": "c", "yes": "d"})
    module, model = parts.module.eval(), make_lm("gpt2")
    tokenizer, (vectors_PW,) = module.backbone.tokenizer, module.method.folded()
    batch = next(iter(parts.data.eval_dataloader("cls", "validation")))
    for row, logits_C in zip(batch["row"].tolist(), module(batch), strict=True):
        ids = tokenizer(parts.tasks["cls"].rows["validation"].data[row]["text"], return_tensors="pt")["input_ids"][0]
        embedded_TW = torch.cat([model.get_input_embeddings()(ids), vectors_PW])
        next_V = model(inputs_embeds=embedded_TW[None]).logits[0, -1]
        a, b, c, d = (next_V[tokenizer(word)["input_ids"][0]] for word in "abcd")
        torch.testing.assert_close(logits_C, torch.stack([(a + b) / 2, c, d]), **CLOSE)


def test_the_encoder_is_computed_away_on_export(tmp_path):
    parts = make("bert", tmp_path)
    train(parts)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")
    loaded = load(tmp_path / "prompt")
    assert [name for name, _ in loaded.method.named_parameters()] == ["rows.rows.0"]
    for got, wanted in zip(logits(loaded, parts), logits(parts.module, parts), strict=True):
        assert torch.equal(got, wanted)


def test_gradient_checkpointing_and_the_logits_of_one_column(tmp_path):
    parts = make("bert", tmp_path)
    module, batch = parts.module.eval(), next(iter(parts.data.eval_dataloader("cls", "validation")))
    seen = []
    hook = module.backbone.model.get_output_embeddings().register_forward_hook(
        lambda _, __, out: seen.append(out.shape)
    )
    plain = torch.autograd.grad(module(batch).sum(), list(module.method.parameters()))
    hook.remove()
    assert [shape[1] for shape in seen] == [1]
    module.backbone.enable_gradient_checkpointing()
    module.backbone.train()
    for part in module.backbone.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    again = torch.autograd.grad(module(batch).sum(), list(module.method.parameters()))
    for got, wanted in zip(again, plain, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
