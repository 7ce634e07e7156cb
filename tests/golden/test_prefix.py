"""Method `prefix` gives what PEFT's prefix tuning gives with the weights of its projection, and folds them away.

PEFT's prefix stands in the cache, so a decoder's positions are shifted by P to compare, see test_seq2seq_peft.py.
"""

import pytest
import torch
from families import make_backbone
from peft import PrefixTuningConfig, get_peft_model
from seq2seq_models import make_lm, make_lm_backbone, make_lm_batch

from ptv2.config.schema import Config, PromptConfig
from ptv2.methods.prefix import Prefix

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call

P, HIDDEN = 5, 12
CLOSE = {"atol": 1e-5, "rtol": 0}


def make_prefix(backbone, **prompt):
    return Prefix(Config(method="prefix", prompt=PromptConfig(length=P, dropout=0.0, **prompt)), backbone).eval()


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_logits_and_gradients_equal_those_of_peft(family):
    batch, model, backbone = make_lm_batch(family), make_lm(family), make_lm_backbone(family)
    sizes = {}
    if family == "qwen3":  # PEFT takes a head to be as wide as D / H
        sizes = {"token_dim": 2 * model.config.head_dim, "num_attention_heads": 2}
    settings = {"num_virtual_tokens": P, "prefix_projection": True, "encoder_hidden_size": HIDDEN}
    torch.manual_seed(5)
    peft = get_peft_model(model, PrefixTuningConfig(task_type="CAUSAL_LM", **settings, **sizes)).eval()
    theirs = peft.prompt_encoder["default"]
    prefix = make_prefix(backbone, projection=HIDDEN)
    backbone.position_shift = P
    ours = prefix.rows
    with torch.no_grad():
        ours.embedding.weight.copy_(theirs.embedding.weight)
        for mine, copied in ((ours.project[0], theirs.transform[0]), (ours.project[2], theirs.transform[2])):
            mine.load_state_dict(copied.state_dict())

    real = batch["attention_mask"] == 1
    logits, expected = backbone(batch, prefix(3), "logits").logits_BTV[real], peft(**batch).logits[real]
    torch.testing.assert_close(logits, expected, **CLOSE)
    logits.log_softmax(-1)[:, 7].mean().backward()
    expected.log_softmax(-1)[:, 7].mean().backward()
    pairs = [(ours.embedding, theirs.embedding), (ours.project[2], theirs.transform[2])]
    for mine, other in pairs:
        assert other.weight.grad.abs().max() > 1e-5
        torch.testing.assert_close(mine.weight.grad, other.weight.grad, **CLOSE)


def test_the_projection_is_512_wide_unless_it_is_said():
    backbone = make_backbone("bert")
    assert make_prefix(backbone).rows.project[0].out_features == 512
    assert make_prefix(backbone, projection=HIDDEN).rows.project[0].out_features == HIDDEN


@pytest.mark.parametrize(("length", "places"), [(P, 6), ({"encoder": 3, "decoder": 2}, 4)])
def test_encoder_decoder_and_cross_attention_are_prompted(length, places):
    backbone, batch = make_lm_backbone("t5"), make_lm_batch("t5")
    prompt = PromptConfig(length=length, dropout=0.0, projection=HIDDEN, init_std=1.0)
    prefix = Prefix(Config(method="prefix", prompt=prompt), backbone).eval()
    assert sum(site is not None for site in prefix(3).sites) == places
    backbone(batch, prefix(3), "logits").logits_BTV.pow(2).mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in prefix.rows.parameters())


@pytest.mark.parametrize("family", ["bert", "qwen3", "t5"])
def test_a_prefix_starts_from_the_keys_and_values_of_words_and_its_projection_trains(family):
    backbone = make_backbone(family) if family == "bert" else make_lm_backbone(family)
    words = "the film was good" if family == "bert" else "the cat sees a hen"
    prefix = make_prefix(backbone, init=f"text:{words}", projection=HIDDEN)
    ids = (backbone.tokenizer(words, add_special_tokens=False)["input_ids"] * P)[:P]
    seen = backbone.observe(torch.tensor(ids))
    for vector_PF, here in zip(prefix.rows(), seen, strict=True):
        of_words = [states[0].transpose(0, 1).flatten(1) for states in (here.call.key_BGSD, here.call.value_BGSE)]
        torch.testing.assert_close(vector_PF, torch.cat(of_words, dim=1), atol=1e-6, rtol=0)
    optimizer = torch.optim.SGD(prefix.trained(), lr=0.1)
    for _ in range(2):  # the last layer starts from zero, so the others move in the second step
        before = [parameter.detach().clone() for parameter in prefix.trained()]
        optimizer.zero_grad()
        sum(vector_PF.pow(2).sum() for vector_PF in prefix.rows()).backward()
        optimizer.step()
    assert all((parameter != old).any() for parameter, old in zip(prefix.trained(), before, strict=True))
    held = [vector_PF for name, vector_PF in prefix.exported().items() if name.startswith("rows.rows.")]
    assert len(prefix.exported()) == len(held) == len(seen)


def test_what_is_exported_is_a_prompt_of_keys_and_values():
    prefix = make_prefix(make_backbone("bert"))
    exported = prefix.exported()
    assert list(exported) == [f"rows.rows.{i}" for i in range(3)]
    assert all(torch.equal(exported[f"rows.rows.{i}"], vector_PF) for i, vector_PF in enumerate(prefix.rows()))
    assert prefix.exported_config({"method": "prefix", "seed": 1}) == {"method": "deep", "seed": 1}
