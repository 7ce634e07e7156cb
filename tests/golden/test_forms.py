"""Each form of a deep prompt equals its definition, written out head by head on a model that ptv2 never touched.

Maps of the values are checked against plain weights too, slots in a file of their own. For maps and memory at once the
reference is an attention function of this file.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from deberta_by_hand import join_by_hand
from families import FAMILIES as ENCODERS
from families import make_batch
from forms_scene import ALL, bare_model, make, read, read_plain
from seq2seq_models import FAMILIES as LANGUAGE_MODELS
from seq2seq_models import make_lm_batch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ptv2.backbone import Injection
from ptv2.config.cards import TaskCard
from ptv2.config.methods import MemoryConfig
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt

BESIDE = ["memory", "values", "queries"]
PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "identity": lambda q: q,
    "elu+1": lambda q: torch.where(q > 0, q + 1, q.exp()),
}


@pytest.mark.parametrize("form", [*BESIDE, "slots", [*BESIDE, "slots"]], ids=str)
@pytest.mark.parametrize("family", ALL)
@torch.no_grad()
def test_an_untrained_prompt_is_the_bare_backbone_to_the_bit(family, form):
    backbone, prompt = make(family, stirred=False, form=form)
    assert torch.equal(read(family, backbone, prompt(3)), read(family, backbone))


# -- maps and memory ---------------------------------------------------------------------------------------------------


class ByHead:
    """Attention with the next site's matrices, one head after the other."""

    given: Iterator[dict[str, list[Tensor]]] = iter(())
    phi: Callable[[Tensor], Tensor] = torch.tanh

    def __call__(self, module, query, key, value, attention_mask, **kwargs):
        matrices, mapped_query, mapped_value = next(self.given), query.clone(), value.clone()
        for head, matrix in enumerate(matrices.get("queries", [])):
            mapped_query[:, head] = query[:, head] + query[:, head] @ matrix
        for head, matrix in enumerate(matrices.get("values", [])):
            mapped_value[:, head] = value[:, head] + value[:, head] @ matrix
        out, weights = sdpa_attention_forward(module, mapped_query, key, mapped_value, attention_mask, **kwargs)
        read = [type(self).phi(query[:, head]) @ matrix for head, matrix in enumerate(matrices.get("memory", []))]
        return (out + torch.stack(read, dim=2) if read else out), weights


by_head = ByHead()
AttentionInterface.register("golden_by_head", by_head)
AttentionMaskInterface.register("golden_by_head", sdpa_mask)


def matrices_of(prompt: DeepPrompt) -> list[dict[str, list[Tensor]]]:
    """A site's matrices, by form and head, out of the prompt's numbers."""
    sites: dict[int, dict[str, list[Tensor]]] = {}
    for part, held in zip(prompt.parts, prompt.rows.rows, strict=True):
        site = part.slot.site
        heads = site.kv_heads if part.name == "values" else site.heads
        width = held.shape[1] // heads
        own = [held[:, head * width : (head + 1) * width] for head in range(heads)]
        sites.setdefault(part.slot.index, {})[part.name] = own
    return [sites[index] for index in range(len(sites))]


def read_by_head(family: str, prompt: DeepPrompt, phi: str = "tanh") -> Tensor:
    model = bare_model(family)
    if family == "deberta-v2":  # its own code does not use the interface
        nothing = (torch.zeros(1, 4, 0, 8), torch.zeros(1, 4, 0, 8))
        return read_plain(family, join_by_hand(model, [nothing] * 3, matrices_of(prompt)))
    model.set_attn_implementation("golden_by_head")
    by_head.given, ByHead.phi = iter(matrices_of(prompt)), staticmethod(PHI[phi])
    out = read_plain(family, model)
    assert next(by_head.given, None) is None  # every site took its own
    return out


@pytest.mark.parametrize("form", [*BESIDE, BESIDE], ids=str)
@pytest.mark.parametrize("family", ALL)
@torch.no_grad()
def test_maps_and_memory_equal_their_definition(family, form):
    backbone, prompt = make(family, form=form)
    ours = read(family, backbone, prompt(3))
    torch.testing.assert_close(ours, read_by_head(family, prompt), atol=2e-5, rtol=1e-5)
    assert (ours - read(family, backbone)).abs().max() > 0.1  # it is not for show


@pytest.mark.parametrize("phi", PHI)
@torch.no_grad()
def test_the_memory_reads_through_its_feature_map(phi):
    backbone, prompt = make("bert", form="memory", memory=MemoryConfig(phi=phi))
    torch.testing.assert_close(read("bert", backbone, prompt(3)), read_by_head("bert", prompt, phi), atol=2e-5, rtol=0)


@torch.no_grad()
def test_a_memory_of_low_rank_is_the_product_of_its_factors():
    backbone, prompt = make("bert", form="memory", memory=MemoryConfig(rank=3, scale=0.5))
    whole, full = make("bert", form="memory")
    assert [tuple(held.shape) for held in prompt.rows.rows] == [(3, 4 * (8 + 8))] * 3
    for low, matrix in zip(prompt.rows.rows, full.rows.rows, strict=True):
        for head in range(4):
            down_RD, up_RE = low[:, 8 * head : 8 * head + 8], low[:, 32 + 8 * head : 32 + 8 * head + 8]
            matrix[:, 8 * head : 8 * head + 8] = 0.5 * down_RD.T @ up_RE
    torch.testing.assert_close(read("bert", backbone, prompt(3)), read("bert", whole, full(3)), atol=2e-5, rtol=1e-5)


VALUE_PROJECTIONS = {"bert": "self.value", "llama": "v_proj", "qwen3": "v_proj", "t5": "v", "bart": "v_proj"}


@pytest.mark.parametrize("family", VALUE_PROJECTIONS)
@torch.no_grad()
def test_a_map_of_values_merges_into_the_value_projection(family):
    """One block per value head: W becomes (I + M)^T W, also where several query heads share it."""
    backbone, prompt = make(family, form="values")
    model = bare_model(family)
    names = {id(module): name for name, module in backbone.model.named_modules()}
    for part, held in zip(prompt.parts, prompt.rows.rows, strict=True):
        site = part.slot.site
        attention = model.get_submodule(names[id(site.module)])
        value = attention.get_submodule(VALUE_PROJECTIONS[family].rpartition(".")[2])
        for head in range(site.kv_heads):
            block = slice(head * site.value_dim, (head + 1) * site.value_dim)
            plus_one = torch.eye(site.value_dim) + held[:, block]
            value.weight[block] = plus_one.T @ value.weight[block]
            if value.bias is not None:
                value.bias[block] = value.bias[block] @ plus_one
    torch.testing.assert_close(read(family, backbone, prompt(3)), read_plain(family, model), atol=2e-5, rtol=1e-5)


# -- together ----------------------------------------------------------------------------------------------------------

UNION = ["kv", *BESIDE, "slots"]


@pytest.mark.parametrize("family", ["bert", "modernbert", "t5", "llama"])
def test_a_mixed_batch_is_each_row_alone(family):
    """Rows of two tasks, each with its own prompt in every form."""
    backbone, _ = make(family)
    settings = PromptConfig(form=UNION, sharing="task", length=3, dropout=0.0)
    prompt = DeepPrompt(Config(tasks={"one": TaskCard(), "two": TaskCard()}, prompt=settings), backbone).eval()
    with torch.no_grad():
        for parameter in prompt.parameters():
            parameter.normal_(std=0.3)
        mixed = read(family, backbone, prompt(3, torch.tensor([1, 0, 1])))
        first, second = read(family, backbone, prompt(3, 0)), read(family, backbone, prompt(3, 1))
    of_rows = _rows(family)
    expected = torch.where((of_rows == 1)[:, None], first, second)
    torch.testing.assert_close(mixed, expected, atol=2e-5, rtol=1e-5)
    assert (first - second).abs().max() > 0.1


def _rows(family: str) -> Tensor:
    """The row of each real token that `read` returns."""
    batch = make_batch(family) if family in ENCODERS else make_lm_batch(family)
    mask = (batch["labels"] != -100) if "labels" in batch else batch["attention_mask"].bool()
    return torch.arange(3)[:, None].expand(mask.shape)[mask]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", LANGUAGE_MODELS)
@torch.no_grad()
def test_generation_with_a_cache_writes_what_it_writes_without(family, beams):
    backbone, prompt = make(family, form=UNION)
    batch = make_lm_batch(family, left=True)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    common = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False, "pad_token_id": 0}
    with_cache = backbone.generate(inputs, prompt(3), common | {"use_cache": True})
    without = backbone.generate(inputs, prompt(3), common | {"use_cache": False})
    assert torch.equal(with_cache, without)
    assert not torch.equal(with_cache, backbone.generate(inputs, Injection(), common))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"form": "memory", "gate": True}, "prompt.gate: is for positions that queries attend to"),
        ({"form": ["slots", "values"], "position_offset": True}, "prompt.position_offset: is for positions"),
        ({"form": "values", "init": "text:good"}, "prompt.init: is for positions"),
        ({"form": ["kv", "memory"], "projection": 8}, "prompt.projection: is for the positions of"),
        ({"form": ["kv", "slots"], "residual": 8}, "prompt.residual: is for the positions of"),
        (
            {"residual": 8, "projection": 8},
            "prompt.residual: and prompt.projection are two ways to make the same vectors",
        ),
        ({"residual": 8, "init": "artifact:a"}, "prompt.residual: changes vectors from the first step on"),
        ({"residual": 8, "sharing": "keys"}, "prompt.sharing: 'keys' shares keys that are learned themselves"),
        ({"residual": 8, "token_gate": True}, "prompt.token_gate: weighs keys and values that are learned themselves"),
        ({"form": ["kv", "hidden"]}, "two ways to make the same keys and values"),
        ({"form": ["kv", "kv"]}, "a form is named twice"),
        ({"form": "memmory"}, "did you mean 'memory'"),
        ({"form": []}, "is not a form"),
    ],
)
def test_settings_that_do_not_fit_a_form_are_one_line(config, says):
    with pytest.raises(UserError) as error:
        DeepPrompt.check(Config(prompt=PromptConfig(**config)))
    assert says in str(error.value) and "\n" not in str(error.value)
