"""The injector gives what PEFT's prefix tuning gives with the same numbers, and the numbers go both ways.

PEFT puts the prefix into a cache, so its real tokens start at position P: `prompt.position_offset` does the same. It
raises on DistilBERT, ALBERT and ModernBERT (PEFT 0.21.2), so these have no reference here.
"""

import pytest
import torch
from families import (
    DEPTH,
    NUMBERED,
    fill_rows,
    make_backbone,
    make_batch,
    make_model,
    make_prompt,
    random_rows,
    real,
)
from peft import PeftModel, PrefixTuningConfig, get_peft_model
from torch import Tensor

from ptv2.backbone import Backbone, Injection
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods import METHODS
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.deep.vectors import from_official, to_official

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call

PEFT_FAMILIES = ["bert", "roberta", "xlm-roberta", "electra"]
P = 5


def make_peft_batch(family: str) -> dict[str, Tensor]:
    """PEFT ignores token types (and warns), so there are none."""
    return {name: tensor for name, tensor in make_batch(family).items() if name != "token_type_ids"}


def make_peft(family: str, vectors_PF: list[Tensor] | None = None) -> PeftModel:
    """PEFT's prefix tuning of an untouched model, with our rows as its `prompt_embeddings`."""
    config = PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=P)
    model = get_peft_model(make_model(family), config).eval()
    if vectors_PF is not None:
        model.prompt_encoder["default"].load_prompt_embeddings(to_official(vectors_PF))
    return model


def ours(family: str, vectors_PF: list[Tensor], position_offset: bool) -> tuple[Backbone, DeepPrompt]:
    """Backbone and prompt as the method `deep` joins them."""
    backbone = make_backbone(family)
    config = Config(prompt=PromptConfig(length=P, position_offset=position_offset))
    return backbone, fill_rows(METHODS["deep"](config, backbone), vectors_PF).eval()


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_position_offset_equals_peft(family):
    batch, rows = make_peft_batch(family), random_rows(family, P)
    backbone, prompt = ours(family, rows, position_offset=True)
    with torch.no_grad():
        states = backbone(batch, prompt(3)).last_BTD
        expected = make_peft(family, rows)(**batch).last_hidden_state
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_without_the_offset_the_states_differ_from_peft(family):
    batch, rows = make_peft_batch(family), random_rows(family, P)
    backbone, prompt = ours(family, rows, position_offset=False)
    with torch.no_grad():
        states = backbone(batch, prompt(3)).last_BTD
        expected = make_peft(family, rows)(**batch).last_hidden_state
    assert (real(states, batch) - real(expected, batch)).abs().max() > 0.1


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_gradients_equal_those_of_peft(family):
    batch, rows = make_peft_batch(family), random_rows(family, P)
    backbone, prompt = ours(family, rows, position_offset=True)
    peft = make_peft(family, rows)

    real(backbone(batch, prompt(3)).last_BTD, batch).pow(2).mean().backward()
    real(peft(**batch).last_hidden_state, batch).pow(2).mean().backward()

    gradient = to_official([row.grad for row in prompt.rows.rows])
    torch.testing.assert_close(gradient, peft.prompt_encoder["default"].embedding.weight.grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_prompt_embeddings_round_trip(family):
    """PEFT's saved prompt -> our rows -> PEFT's prompt: the same bits, and the same states on the way."""
    batch, peft = make_peft_batch(family), make_peft(family)
    saved = peft.get_prompt_embedding_to_save("default").detach()
    backbone, prompt = ours(family, from_official(saved, layers=DEPTH[family]), position_offset=True)

    assert torch.equal(to_official(prompt.folded()), saved)
    with torch.no_grad():
        states = backbone(batch, prompt(3)).last_BTD
        expected = peft(**batch).last_hidden_state
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", NUMBERED)
def test_the_offset_moves_positions_alone(family):
    """Shifting by P equals an untouched model that is told positions P, P + 1, ... and given no prompt."""
    backbone, batch = make_backbone(family), make_batch(family)
    backbone.position_shift = P
    T = batch["input_ids"].shape[1]
    positions_BT = torch.arange(P, P + T).expand(3, T)
    if family in ("roberta", "xlm-roberta"):  # its first real position is padding_idx + 1
        positions_BT = torch.where(batch["attention_mask"].bool(), positions_BT + 2, 1)
    nothing = Injection([None] * len(backbone.sites))
    with torch.no_grad():
        states = backbone(batch, nothing).last_BTD
        expected = make_model(family)(**batch, position_ids=positions_BT).last_hidden_state
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


def test_a_projected_prompt_is_handed_to_peft_folded():
    prompt = make_prompt(make_backbone("bert"), length=P, projection=16)
    weight = to_official(prompt.folded())
    make_peft("bert").prompt_encoder["default"].load_prompt_embeddings(weight)  # refuses another shape
    assert weight.shape == (P, 2 * DEPTH["bert"] * 32)
