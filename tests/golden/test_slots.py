"""Slots equal plain weights: P more neurons in each feed-forward layer of a model that ptv2 never touched."""

import pytest
import torch
import torch.nn.functional as F
from families import make_backbone, make_prompt
from forms_scene import ALL, bare_model, make, read, read_plain
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt

# Where a family has its feed-forward layers: layer, first linear layer, last one, the gate's if it has one of its own.
NEURONS = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "electra", "deberta-v2"), ("intermediate.dense", "output.dense", None)
    ),
    "distilbert": ("ffn.lin1", "ffn.lin2", None),
    "albert": ("ffn", "ffn_output", None),
    "albert-groups": ("ffn", "ffn_output", None),
    "modernbert": ("mlp.Wi", "mlp.Wo", "fused"),
    "t5": ("DenseReluDense.wi", "DenseReluDense.wo", None),
    "mt5": ("DenseReluDense.wi_1", "DenseReluDense.wo", "DenseReluDense.wi_0"),
    "bart": ("fc1", "fc2", None),
    "gpt2": ("mlp.c_fc", "mlp.c_proj", None),
    **dict.fromkeys(("llama", "qwen3", "mistral"), ("mlp.up_proj", "mlp.down_proj", "mlp.gate_proj")),
}


def widen(linear: nn.Module, more_NW: Tensor, at_output: bool) -> None:
    """Put more neurons at the end of a linear layer's output, or of its input."""
    weight = linear.weight.T if isinstance(linear, Conv1D) else linear.weight
    weight = torch.cat([weight, more_NW]) if at_output else torch.cat([weight, more_NW.T], dim=1)
    linear.weight = nn.Parameter(weight.T.contiguous() if isinstance(linear, Conv1D) else weight)
    if at_output and linear.bias is not None:
        linear.bias = nn.Parameter(F.pad(linear.bias, (0, len(more_NW))))
    if isinstance(linear, Conv1D) and at_output:
        linear.nf += len(more_NW)


def with_more_neurons(family: str, prompt: DeepPrompt) -> PreTrainedModel:
    """The plain model whose feed-forward layers hold the slots as neurons."""
    model, (first, last, gate) = bare_model(family), NEURONS[family]
    ends = (first, last) if gate in (None, "fused") else (first, last, gate)
    layers = [module for module in model.modules() if all(_has(module, name) for name in ends)]
    for layer, (part, held) in zip(layers, zip(prompt.parts, prompt.rows.rows, strict=True), strict=False):
        keys, *gates, values = held.split(part.slot.site.width, dim=1)
        up, down = layer.get_submodule(first), layer.get_submodule(last)
        if gate == "fused":  # its first half goes through the activation, the second multiplies
            half = len(up.weight) // 2
            up.weight = nn.Parameter(torch.cat([up.weight[:half], keys, up.weight[half:], gates[0]]))
        elif gate is not None:  # the layer's `gate` goes through the activation
            widen(layer.get_submodule(gate), keys, at_output=True)
            widen(up, gates[0], at_output=True)
        else:
            widen(up, keys, at_output=True)
        widen(down, values, at_output=False)
    return model


def _has(module: nn.Module, name: str) -> bool:
    return name in dict(module.named_modules())


@pytest.mark.parametrize("family", ALL)
@torch.no_grad()
def test_slots_are_more_neurons_of_the_feed_forward_layers(family):
    backbone, prompt = make(family, form="slots")
    if family.startswith("albert"):  # its depths share their weights, so one plain layer holds the slots of all
        for held in prompt.rows.rows:
            held.copy_(prompt.rows.rows[0])
    ours = read(family, backbone, prompt(3))
    torch.testing.assert_close(ours, read_plain(family, with_more_neurons(family, prompt)), atol=2e-5, rtol=1e-5)
    assert (ours - read(family, backbone)).abs().max() > 0.1


def test_slots_are_as_many_numbers_as_keys_and_values():
    sizes = {
        form: sum(p.numel() for p in make("bert", form=form, length=8)[1].parameters()) for form in ("kv", "slots")
    }
    memory = sum(p.numel() for p in make("bert", form="memory")[1].parameters())
    assert sizes["kv"] == sizes["slots"] == 2 * 8 * 3 * 32
    assert memory == 3 * 4 * 8 * 8 == 2 * 4 * 3 * 32  # P = D / 2 positions


def test_a_layer_that_is_not_known_is_refused():
    backbone = make_backbone("bert")
    for name, module in list(backbone.model.named_modules()):
        if name.endswith("intermediate"):
            module.wide = module.dense
            del module.dense
    with pytest.raises(UserError, match=r"prompt\.form: no feed-forward layer .* beside BertSelfAttention"):
        make_prompt(backbone, form="slots")
