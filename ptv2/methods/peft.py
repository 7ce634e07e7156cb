"""Methods `lora` and `ia3`, by the layers of PEFT.

PEFT replaces a linear layer by one of its own that holds it. Here its layer belongs to the method and computes in the
place of the frozen one, which stays where it is in the backbone: names, fingerprint and shards of the frozen weights do
not change, and what is trained is called `<layer>.A`, `<layer>.B` on disk, whatever PEFT calls it.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from ptv2.backbone import Backbone
from ptv2.backbone.linear_layers import by_role, in_layers
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.by_layer import ByLayer, shapes_by_layer
from ptv2.methods.rates import studied

if TYPE_CHECKING:
    from peft import PeftConfig

Layers = dict[str, nn.Module]


class PeftMethod(Method):
    """A method whose layers PEFT has."""

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        self.layers = ByLayer(inject(self.made(config, backbone), backbone.model))

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        if find_spec("peft") is None:
            what = f"method '{config.method_name}' needs the package peft, which is not installed"
            raise UserError(what, where="method", do="pip install 'ptv2[peft]'")

    def made(self, config: Config, backbone: Backbone) -> "PeftConfig":
        """Make PEFT's config.

        Raises:
            UserError: the backbone has no such layers.
        """
        raise NotImplementedError

    def shared(self) -> list[nn.Parameter]:
        return self.trained()

    def shapes(self) -> list[tuple[str, str]]:
        return shapes_by_layer({n: m for n, m in self.layers.named_modules() if isinstance(m, Adapted)})


class Lora(PeftMethod):
    """`method: lora`: W x + alpha / rank * B A x (Hu et al. 2022, section 4.1), B zero at the start."""

    rate = studied(0.003, 1e-3, 6e-3, "conll2004 | lora | span_f1 | 0.737 ± 0.008")
    words = "the low-rank matrices"

    def made(self, config: Config, backbone: Backbone) -> "PeftConfig":
        from peft import LoraConfig

        lora, layers = config.lora, lora_layers(config, backbone)
        return LoraConfig(
            r=lora.rank,
            lora_alpha=cast(int, lora.alpha),  # PEFT divides it by the rank
            lora_dropout=lora.dropout,
            target_modules=exactly(layers),
            fan_in_fan_out=stored_in_out(layers),
        )


class IA3(PeftMethod):
    """`method: ia3`: keys, values and the neurons of the feed-forward layer, each times a learned number, at first 1.

    Liu et al. 2022 (arXiv 2205.05638, section 3.3). Where one layer makes queries as well, these are too.
    """

    rate = studied(0.03, 1e-2, 3e-2, "trec | ia3 | accuracy | 0.945 ± 0.003")
    words = "the factors"
    in_layers = "scales inside of layers"

    def made(self, config: Config, backbone: Backbone) -> "PeftConfig":
        from peft import IA3Config

        roles = by_role(backbone.model, backbone.sites)
        attention = roles["key"] | roles["value"] or roles["query_key_value"]
        layers = attention | roles["second"]
        if not attention or not roles["second"]:
            missing = "feed-forward layer" if attention else "layers that make keys and values"
            what = f"the {missing} of backbone family '{backbone.model.config.model_type}' are not known"
            raise UserError(what, where="method", do=f"use lora, with lora.targets of {kinds_of(backbone)}")
        return IA3Config(
            target_modules=exactly(layers),
            feedforward_modules=exactly(roles["second"]),
            fan_in_fan_out=stored_in_out(layers),
        )


def lora_layers(config: Config, backbone: Backbone) -> Layers:
    """Find the layers that `lora.targets` means, by their names in the model.

    Raises:
        UserError: there are none.
    """
    roles, linear = by_role(backbone.model, backbone.sites), in_layers(backbone.model)
    chosen: Layers = {}
    for target in config.lora.chosen:
        if target == "linear":
            found = linear
        elif target == "qv":
            found = roles["query"] | roles["value"] or roles["query_key_value"]
        else:
            found = roles.get(target) or {n: m for n, m in linear.items() if f".{n}".endswith(f".{target}")}
        if not found:
            family = backbone.model.config.model_type
            what = f"backbone family '{family}' has no linear layers '{target}'"
            raise UserError(what, where="lora.targets", do=f"use linear, or some of {kinds_of(backbone)}")
        chosen |= found
    return chosen


def kinds_of(backbone: Backbone) -> str:
    """List the names of the backbone's linear layers, without their place."""
    return ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in in_layers(backbone.model)))


def exactly(layers: Mapping[str, nn.Module]) -> str:
    """Write a pattern that matches these names alone, as PEFT reads one."""
    return "|".join(map(re.escape, layers))


def stored_in_out(layers: Mapping[str, nn.Module]) -> bool:
    """Tell whether the weights are stored as [in, out], as GPT-2's are."""
    return any(isinstance(layer, Conv1D) for layer in layers.values())


# -- PEFT's layers -----------------------------------------------------------------------------------------------------

PARTS = {"lora_A": "A", "lora_B": "B", "ia3_l": "scale"}
"""PEFT's names of what is trained -> ours."""


class Adapted(nn.Module):
    """What is trained for one frozen layer, and its dropout, which is on in train mode; PEFT's layer uses them."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        for theirs, ours in PARTS.items():
            if (held := getattr(layer, theirs, None)) is not None:
                ((_, weight),) = held.named_parameters()
                self.register_parameter(ours, weight)
        self.dropout = getattr(layer, "lora_dropout", None)


def inject(config: "PeftConfig", model: nn.Module) -> dict[str, Adapted]:
    """Let PEFT make its layers, put the frozen ones back, and let each compute as PEFT's does."""
    from peft import inject_adapter_in_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    trains = {parameter: parameter.requires_grad for parameter in model.parameters()}
    inject_adapter_in_model(config, model)
    del model.peft_config
    made: dict[str, Any] = {name: layer for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)}
    for name, layer in made.items():
        frozen: nn.Module = layer.base_layer
        above, _, last = name.rpartition(".")
        setattr(model.get_submodule(above), last, frozen)
        del layer.base_layer  # a submodule; as a function, it can be the forward that is replaced
        layer.base_layer = frozen.forward
        frozen.forward = layer.forward
    for parameter, was in trains.items():  # PEFT freezes what another method of a union trains
        parameter.requires_grad_(was)
    # PEFT casts what it makes to the dtype of the frozen weights.
    return {name: Adapted(layer.float()) for name, layer in made.items()}
