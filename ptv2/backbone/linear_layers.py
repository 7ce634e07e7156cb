"""Linear layers of a backbone by what they do: which one makes the queries, the keys, the values, ... in every family.

They are found beside the sites, by the names that families give them.
"""

from collections.abc import Sequence
from typing import cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from ptv2.backbone.feed_forward import feed_forward_of
from ptv2.backbone.sites import Site

NAMES: dict[str, tuple[str, ...]] = {  # role -> what the layer is called below its attention module
    "query": ("query", "q_lin", "q_proj", "query_proj", "q"),
    "key": ("key", "k_lin", "k_proj", "key_proj", "k"),
    "value": ("value", "v_lin", "v_proj", "value_proj", "v"),
    # GPT-2; GPT-NeoX, Falcon, BLOOM; ModernBERT; Phi-3; DeBERTa v1: one layer makes all three
    "query_key_value": ("c_attn", "query_key_value", "Wqkv", "qkv_proj", "in_proj"),
    "attention_output": ("out_lin", "out_proj", "o_proj", "o", "c_proj", "Wo", "dense"),
}
BESIDE = "output.dense"  # BERT and its relatives have the output of attention beside its module
ROLES = (*NAMES, "first", "second")
"""Of attention and of the feed-forward layer behind it."""


def by_role(model: nn.Module, sites: Sequence[Site]) -> dict[str, dict[str, nn.Module]]:
    """Find the linear layers of each role: role -> name in the model -> layer; a role that there is not is empty."""
    found: dict[str, dict[str, nn.Module]] = {role: {} for role in ROLES}
    names = {module: name for name, module in model.named_modules()}

    def keep(role: str, layer: nn.Module | None) -> bool:
        if layer is None or not is_linear(layer):
            return False
        found[role][names[layer]] = layer
        return True

    for site in sites:
        inside = dict(site.module.named_modules())
        for role, candidates in NAMES.items():
            any(keep(role, inside.get(name)) for name in candidates)
        around = names[site.module].rpartition(".")[0]
        beside = dict(model.get_submodule(around).named_modules()).get(BESIDE)
        if not any(name in inside for name in NAMES["attention_output"]):
            keep("attention_output", beside)
        layer = feed_forward_of(model, site) if site.place != "cross" else None
        if layer is not None:
            keep("first", layer.first)
            keep("second", layer.last)
    return found


def in_layers(model: nn.Module) -> dict[str, nn.Module]:
    """List every linear layer within the model's stacks of layers by its name: not the pooler, not the LM head."""
    stacks = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList))
    return {name: layer for name, layer in model.named_modules() if is_linear(layer) and name.startswith(stacks)}


def is_linear(module: nn.Module | None) -> bool:
    """Tell whether a module is a linear layer, GPT-2's own included."""
    return isinstance(module, (nn.Linear, Conv1D))


def width_of(layer: nn.Module) -> int:
    """Return the width of a linear layer's output."""
    return cast(int, layer.nf if isinstance(layer, Conv1D) else layer.out_features)
