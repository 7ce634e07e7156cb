"""Every variant of disentangled attention takes prompts: a prompt has no position, so its position terms are zero.

The reference is textbook code (see `deberta_by_hand.py`) in a model that ptv2 never touched. The variant in which v3 is
published stands among the families of the other golden tests.
"""

from typing import Any

import pytest
import torch
from deberta_by_hand import join_by_hand
from families import SIZES, make_batch, make_prompt, make_tokenizer, open_gates, real, split_heads, stir
from torch import Tensor
from transformers import AutoModel, DebertaConfig, DebertaV2Config, PreTrainedModel

from ptv2.backbone import Backbone, Injection, SitePrompt
from ptv2.errors import UserError

V1, V2 = DebertaConfig, DebertaV2Config
RELATIVE = {"relative_attention": True, "position_biased_input": False}
BOTH = RELATIVE | {"pos_att_type": "c2p|p2c"}
VARIANTS: dict[str, tuple[type, dict[str, Any]]] = {
    "v2: c2p and p2c": (V2, BOTH),
    "v2: c2p alone": (V2, RELATIVE | {"pos_att_type": "c2p"}),
    "v2: p2c alone": (V2, RELATIVE | {"pos_att_type": "p2c"}),
    "v2: no position terms": (V2, RELATIVE),
    "v2: shared keys, buckets": (V2, BOTH | {"share_att_key": True, "position_buckets": 4}),
    "v2: a short table": (V2, BOTH | {"max_relative_positions": 3}),
    "v2: absolute positions": (V2, {"pos_att_type": "c2p|p2c"}),
    "v2: a convolution": (V2, BOTH | {"conv_kernel_size": 3, "conv_act": "gelu"}),
    "v1: c2p and p2c": (V1, BOTH),
    "v1: c2p alone": (V1, RELATIVE | {"pos_att_type": "c2p"}),
    "v1: p2c alone": (V1, RELATIVE | {"pos_att_type": "p2c"}),
    "v1: a short table": (V1, BOTH | {"max_relative_positions": 3}),
    "v1: absolute positions": (V1, {}),
    "v1: talking heads": (V1, BOTH | {"talking_head": True}),
}
variants = pytest.mark.parametrize("variant", VARIANTS)
pytestmark = pytest.mark.filterwarnings("ignore:.*has no SDPA in transformers")
DEPTH, WIDTH = SIZES["num_hidden_layers"], SIZES["hidden_size"]


def make_variant(variant: str) -> PreTrainedModel:
    config, changes = VARIANTS[variant]
    torch.manual_seed(0)
    return stir(AutoModel.from_config(config(**SIZES | changes)).eval())


def make_pair(variant: str) -> tuple[Backbone, PreTrainedModel]:
    """The model as ptv2 uses it, and the same one untouched, frozen too: torch multiplies as what trains demands."""
    return Backbone(make_variant(variant), make_tokenizer("bert")), make_variant(variant).requires_grad_(False)


def random_pairs(rows: int = 1, seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    """A key and a value [rows, H, 5, D] for each layer."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(2, rows, 5, WIDTH, generator=generator) for _ in range(DEPTH)]
    return [tuple(torch.cat([split_heads(row) for row in part]) for part in pair) for pair in drawn]


@variants
@torch.no_grad()
def test_injector_equals_concatenation(variant):
    backbone, model = make_pair(variant)
    given = random_pairs()
    join_by_hand(model, given)
    for lengths in [(9, 6, 3), (7, 7)]:
        batch = make_batch("roberta", lengths)  # without token types
        states = backbone(batch, Injection([SitePrompt(*pair) for pair in given])).last_BTD
        torch.testing.assert_close(
            real(states, batch), real(model(**batch).last_hidden_state, batch), atol=2e-5, rtol=0
        )
        assert (real(states, batch) - real(backbone(batch).last_BTD, batch)).abs().max() > 0.1


@variants
@torch.no_grad()
def test_without_prompts_both_are_the_model(variant):
    """The textbook itself is right, and an untrained gated prompt changes no bit."""
    (backbone, model), batch = make_pair(variant), make_batch("roberta")
    bare = model(**batch).last_hidden_state
    assert torch.equal(backbone(batch).last_BTD, bare)
    assert torch.equal(backbone(batch, make_prompt(backbone, gate=True)(3)).last_BTD, bare)
    nothing = [(key[:, :, :0], value[:, :, :0]) for key, value in random_pairs()]
    by_hand = join_by_hand(model, nothing)(**batch).last_hidden_state
    torch.testing.assert_close(real(by_hand, batch), real(bare, batch), atol=2e-5, rtol=0)


@variants
def test_rows_of_a_batch_have_prompts_and_gradients_of_their_own(variant):
    (backbone, model), batch = make_pair(variant), make_batch("roberta")
    ours, theirs = ([tuple(t.requires_grad_() for t in pair) for pair in random_pairs(rows=3)] for _ in range(2))
    real(backbone(batch, Injection([SitePrompt(*pair) for pair in ours])).last_BTD, batch).pow(2).mean().backward()
    real(join_by_hand(model, theirs)(**batch).last_hidden_state, batch).pow(2).mean().backward()
    for pair, expected in zip(ours, theirs, strict=True):
        for tensor, wanted in zip(pair, expected, strict=True):
            assert wanted.grad.abs().max() > 1e-4
            torch.testing.assert_close(tensor.grad, wanted.grad, atol=1e-5, rtol=0)


@variants
@pytest.mark.parametrize("config", [{"gate": True}, {"form": "hidden"}], ids=["gate", "hidden"])
def test_gradient_checkpointing_changes_no_gradient(variant, config):
    found = []
    for checkpointing in (False, True):
        (backbone, _), batch = make_pair(variant), make_batch("roberta")
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt = open_gates(make_prompt(backbone.train(), **config), 0.5)
        torch.manual_seed(7)
        real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
    for gradient, wanted in zip(*found, strict=True):
        assert wanted.abs().max() > 0
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@variants
@torch.no_grad()
def test_with_mixed_precision_it_computes_in_bfloat16_and_stays_close(variant):
    """`trainer.precision=bf16-mixed`: queries come in float32, as their bias does, and scores in bfloat16."""
    (backbone, _), batch = make_pair(variant), make_batch("roberta")
    prompt = make_prompt(backbone, std=0.5)
    states = real(backbone(batch, prompt(3)).last_BTD, batch)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = real(backbone(batch, prompt(3)).last_BTD, batch)
    assert 0 < (mixed - states).abs().mean() < 0.1


@variants
@torch.no_grad()
def test_hidden_vectors_go_through_the_layers_own_projections(variant):
    backbone, model = make_pair(variant)
    prompt = make_prompt(backbone, form="hidden")
    for ours, row_PW, layer in zip(prompt(1).sites, prompt.rows.rows, model.encoder.layer, strict=True):
        module = layer.attention.self
        if isinstance(model.config, V1):
            weight = module.in_proj.weight.view(4, 3, -1, WIDTH)  # a head's query, key and value beside each other
            key_PW, value_PW = row_PW @ weight[:, 1].flatten(0, 1).T, row_PW @ weight[:, 2].flatten(0, 1).T
            value_PW = value_PW + module.v_bias
        else:
            key_PW, value_PW = module.key_proj(row_PW), module.value_proj(row_PW)
        torch.testing.assert_close(ours.key_BGPD, split_heads(key_PW), atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.value_BGPE, split_heads(value_PW), atol=1e-5, rtol=0)


def test_official_positions_need_a_table():
    """With positions in the attention alone, an offset would be silently ignored; with a table it counts."""
    relative, absolute = (Backbone(make_variant(v), make_tokenizer("bert")) for v in list(VARIANTS)[0:7:6])
    with pytest.raises(UserError, match=r"prompt.position_offset.*'deberta-v2' numbers its positions itself"):
        relative.position_shift = 5
    absolute.position_shift = 5
    batch, prompt = make_batch("roberta"), make_prompt(absolute)
    with torch.no_grad():
        shifted = absolute(batch, prompt(3)).last_BTD
        absolute.position_shift = 0
        assert (shifted - absolute(batch, prompt(3)).last_BTD).abs().max() > 1e-2
