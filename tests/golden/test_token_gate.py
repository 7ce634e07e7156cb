"""The token gate equals its definition, in a textbook's attention that is told what each layer was called with.

Keys and values of position p are weighted by 2 * sigmoid(h . w_p), h the state of the text's first token as the layer's
attention reads it.
"""

import math

import pytest
import torch
from families import FAMILIES, HEADS, WIDTH, make_backbone, make_batch, make_model, make_prompt, real, split_heads
from seq2seq_models import make_lm_backbone, make_lm_prompt
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.prefix import Prefix

BY_INTERFACE = [family for family in FAMILIES if family != "deberta-v2"]  # its own code calls no attention function


def stirred(prompt: DeepPrompt) -> DeepPrompt:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in prompt.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return prompt


class Textbook:
    """softmax(q k^T / sqrt(d)) v, with the next layer's rows of [key, value, gate] in front, weighted one by one."""

    def __init__(self) -> None:
        self.rows: list[Tensor] = []
        self.reads: Tensor | None = None  # what the layer's attention module was called with

    def see(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        self.reads = args[0] if args else kwargs["hidden_states"]

    def __call__(self, module, query, key, value, attention_mask, **_):
        row_PF = self.rows.pop(0)
        assert self.reads is not None
        fronts = []
        for first_W in self.reads[:, 0]:
            weights = [2 / (1 + math.exp(-float(first_W @ gate_W))) for gate_W in row_PF[:, 2 * WIDTH :]]
            scaled = row_PF[:, : 2 * WIDTH] * torch.tensor(weights)[:, None]
            fronts.append((split_heads(scaled[:, :WIDTH]), split_heads(scaled[:, WIDTH:])))
        key = torch.cat([torch.cat([front[0] for front in fronts]), key], dim=2)
        value = torch.cat([torch.cat([front[1] for front in fronts]), value], dim=2)
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        if attention_mask is not None:
            hidden = torch.zeros_like(scores, dtype=torch.bool)
            hidden[..., len(row_PF) :] = ~attention_mask
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        return (scores.softmax(dim=3) @ value).transpose(1, 2), None


textbook = Textbook()
AttentionInterface.register("golden_token_gate", textbook)
AttentionMaskInterface.register("golden_token_gate", sdpa_mask)


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", BY_INTERFACE)
@torch.no_grad()
def test_positions_are_weighted_by_the_first_tokens_state(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_batch(family)
    prompt = stirred(make_prompt(backbone, token_gate=True))
    states = backbone(batch, prompt(3)).last_BTD

    model = make_model(family)
    names = [name for name, module in backbone.model.named_modules() if module in [s.module for s in backbone.sites]]
    plain = dict(model.named_modules())
    for name in names:
        if name in plain:  # ALBERT's depths share a module there
            plain[name].register_forward_pre_hook(textbook.see, with_kwargs=True)
    model.set_attn_implementation("golden_token_gate")
    textbook.rows = list(prompt.rows.rows)
    expected = model(**batch).last_hidden_state
    assert not textbook.rows
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=2e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_an_untrained_gate_is_the_prompt_without_one_to_the_bit(family):
    backbone, batch = make_backbone(family), make_batch(family)
    gated, plain = make_prompt(backbone, token_gate=True), make_prompt(backbone)
    assert torch.equal(backbone(batch, gated(3)).last_BTD, backbone(batch, plain(3)).last_BTD)
    assert gated.rows.rows[0].shape == (5, 3 * WIDTH) and plain.rows.rows[0].shape == (5, 2 * WIDTH)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_from_the_start(family):
    backbone, batch = make_backbone(family), make_batch(family)
    prompt = make_prompt(backbone, token_gate=True)
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
    for row_PF in prompt.rows.rows:
        assert row_PF.grad[:, 2 * WIDTH :].abs().amax(1).min() > 0  # every position of every layer


@torch.no_grad()
def test_each_text_weighs_for_itself_whatever_stands_beside_it():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = stirred(make_prompt(backbone, token_gate=True))
    together = backbone(batch, prompt(3)).last_BTD
    for row, length in enumerate((9, 6, 3)):
        alone = {name: states[row : row + 1, :length] for name, states in batch.items()}
        torch.testing.assert_close(together[row, :length], backbone(alone, prompt(1)).last_BTD[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_it_goes_with_a_gate_of_the_mass():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = stirred(make_prompt(backbone, token_gate=True, gate=True))
    for gate in prompt.gates:
        gate.zero_()
    assert [gate.shape for gate in prompt.gates] == [(HEADS,)] * 3
    assert torch.equal(backbone(batch, prompt(3)).last_BTD, backbone(batch).last_BTD)


@torch.no_grad()
def test_an_encoder_of_an_encoder_decoder_takes_it_and_decoders_do_not():
    backbone = make_lm_backbone("t5")
    assert make_lm_prompt(backbone, token_gate=True, length={"encoder": 3})(2).sites[0].token_gate_BPW is not None
    for family, place in (("t5", "decoder"), ("bart", "decoder"), ("llama", "decoder")):
        with pytest.raises(UserError, match=f"prompt.token_gate: reads the state .* in {place} attention; set it to"):
            make_lm_prompt(make_lm_backbone(family), token_gate=True, length=3)


@pytest.mark.parametrize(
    "config", [{"form": "hidden"}, {"form": "memory"}, {"projection": 8}, {"norm": "layer"}], ids=str
)
def test_forms_for_which_it_is_not_defined_are_refused(config):
    with pytest.raises(UserError, match=r"prompt.token_gate: weighs keys and values that are learned themselves; use"):
        DeepPrompt.check(Config(prompt=PromptConfig(token_gate=True, **config)))
    with pytest.raises(UserError, match=r"prompt.token_gate: weighs keys"):
        Prefix.check(Config(method="prefix", prompt=PromptConfig(token_gate=True)))
    with pytest.raises(UserError, match=r"prompt.sharing: 'keys' shares keys that are learned themselves"):
        DeepPrompt.check(Config(prompt=PromptConfig(token_gate=True, sharing="keys")))
