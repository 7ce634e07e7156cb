"""Where a prompt starts: `normal`, `zero`, what the frozen backbone computes for a `text`, or for words of the `vocab`.

`artifact:<path>` is in test_saved_and_loaded.py.
"""

import pytest
import torch
import torch.nn.functional as F
from families import (
    DEPTH,
    FAMILIES,
    VOCABULARY,
    WIDTH,
    make_backbone,
    make_model,
    make_prompt,
    make_tokenizer,
    split_heads,
)
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from ptv2.errors import UserError

FORMS = pytest.mark.parametrize("form", ["kv", "hidden"])
TEXT = "a good film"


class Listener:
    """Attention of an untouched model that notes the keys and values of every layer."""

    heard: list[tuple[Tensor, Tensor]]

    def __call__(self, module, query, key, value, attention_mask, **_):
        self.heard.append((key, value))
        return F.scaled_dot_product_attention(query, key, value, attention_mask).transpose(1, 2), None


def overhear(module: nn.Module, args: tuple[Tensor, ...]) -> None:
    """The same for DeBERTa, by the projections of the states that arrive."""
    listener.heard.append((split_heads(module.key_proj(args[0][0])), split_heads(module.value_proj(args[0][0]))))


listener = Listener()
AttentionInterface.register("golden_listener", listener)
AttentionMaskInterface.register("golden_listener", sdpa_mask)


def frozen_keys_values(family: str, text: str) -> list[tuple[Tensor, Tensor]]:
    """What the frozen model has as keys and values at its layers when it reads the text alone."""
    ids_1T = make_tokenizer(family)(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    model = make_model(family)
    listener.heard = []
    if family == "deberta-v2":  # its own code does not use the interface
        for layer in model.encoder.layer:
            layer.attention.self.register_forward_pre_hook(overhear)
    else:
        model.set_attn_implementation("golden_listener")
    model(input_ids=ids_1T, attention_mask=torch.ones_like(ids_1T))
    return listener.heard


@FORMS
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_text_gives_the_keys_and_values_of_the_frozen_model(family, form):
    """The text is repeated to P tokens. The hidden form starts from the states that are projected to them."""
    prompt = make_prompt(make_backbone(family), length=5, init=f"text:{TEXT}", form=form)
    expected = frozen_keys_values(family, "a good film a good")
    assert len(expected) == DEPTH[family]
    for ours, (key, value) in zip(prompt(1).sites, expected, strict=True):
        assert key.shape[2] == 5
        torch.testing.assert_close(ours.key_BGPD, key, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.value_BGPE, value, atol=1e-5, rtol=0)


@FORMS
@torch.no_grad()
def test_a_longer_text_is_cut_and_shorter_layers_take_its_start(form):
    prompt = make_prompt(make_backbone("bert"), length=[2, 3], layers="top:2", init=f"text:{TEXT} it saw", form=form)
    _, *expected = frozen_keys_values("bert", TEXT)
    for ours, (key, _), length in zip(prompt(1).sites[1:], expected, (2, 3), strict=True):
        assert ours.key_BGPD.shape[2] == length
        torch.testing.assert_close(ours.key_BGPD, key[:, :, :length], atol=1e-5, rtol=0)


@pytest.mark.parametrize("init", [f"text:{TEXT}", "vocab"])
def test_the_backbone_is_read_without_dropout_and_left_as_it_was(init):
    backbone = make_backbone("bert").train()
    prompt, expected = make_prompt(backbone, init=init), make_prompt(make_backbone("bert"), init=init)
    for row, wanted in zip(prompt.rows.rows, expected.rows.rows, strict=True):
        assert torch.equal(row, wanted)
        assert row.is_leaf and row.requires_grad  # parameters of their own: no weight of the backbone hangs on them
    assert all(module.training for module in backbone.modules())


@torch.no_grad()
def test_vocab_takes_distinct_words_that_are_not_special():
    """In the hidden form, BERT's first layer holds the embeddings of what was drawn, so the ids can be read back."""
    backbone = make_backbone("bert")
    P, seen = 8, set()
    ids_V1 = torch.arange(VOCABULARY)[:, None]
    positions = [backbone.model.embeddings(ids_V1, position_ids=torch.full_like(ids_V1, p))[:, 0] for p in range(P)]
    for seed in range(3):
        rows_PD = make_prompt(backbone, seed=seed, length=P, init="vocab", form="hidden").rows.rows[0]
        distance_PV = torch.stack([(row - e).abs().amax(dim=1) for row, e in zip(rows_PD, positions, strict=True)])
        assert distance_PV.min(dim=1).values.max() < 1e-5
        ids = distance_PV.argmin(dim=1).tolist()
        assert len(set(ids)) == P
        assert not set(ids) & set(backbone.tokenizer.all_special_ids)
        seen.add(tuple(ids))
    assert len(seen) == 3  # another seed, other words


@torch.no_grad()
def test_a_prompt_longer_than_the_vocabulary_repeats_words():
    P = VOCABULARY + 7
    backbone = make_backbone("modernbert")  # its positions are no table that could end before
    assert [len(row) for row in make_prompt(backbone, length=P, init="vocab").rows.rows] == [P] * DEPTH["modernbert"]


@FORMS
@pytest.mark.parametrize("family", FAMILIES)
def test_normal_and_zero(family, form):
    backbone = make_backbone(family)
    width = WIDTH if form == "hidden" else 2 * WIDTH
    normal = make_prompt(backbone, length=60, std=0.02, form=form).rows.rows
    assert [row.shape for row in normal] == [(60, width)] * DEPTH[family]
    for row in normal:
        assert row.std().item() == pytest.approx(0.02, rel=0.1)
        assert row.mean().item() == pytest.approx(0.0, abs=0.002)
    assert (normal[0] - normal[1]).abs().max() > 0.01  # layers are drawn apart
    for row in make_prompt(backbone, length=60, init="zero", form=form).rows.rows:
        assert row.shape == (60, width) and not row.any()


@pytest.mark.parametrize(
    ("init", "says"),
    [
        ("norml", "did you mean 'normal'"),
        ("text:", "prompt.init"),
        ("text: ", "no tokens"),
        ("artifact:", "prompt.init"),
        ("artifact:nowhere", "nowhere.*no artifact here"),
    ],
)
def test_an_unknown_start_is_refused(init, says):
    with pytest.raises(UserError, match=says):
        make_prompt(make_backbone("bert"), init=init)
