"""Feed-forward layers that take more neurons: where each site's layer is, and hooks that add to its output.

The layer of a site is found by the names of its linear layers: each family's are in `LAYERS`. Dropout between its
activation and its last linear layer, which a few families have (T5), is not drawn for the added neurons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from ptv2.backbone.injection import Place, PromptState, SitePrompt, Slots
from ptv2.backbone.sites import Site
from ptv2.errors import UserError

LAYERS: tuple[tuple[str, str, bool], ...] = (  # first linear layer, last linear layer, whether a gate multiplies
    ("intermediate.dense", "output.dense", False),  # BERT, RoBERTa, ELECTRA, DeBERTa
    ("ffn", "ffn_output", False),  # ALBERT
    ("lin1", "lin2", False),  # DistilBERT
    ("fc1", "fc2", False),  # BART, OPT, Pegasus, Phi
    ("c_fc", "c_proj", False),  # GPT-2
    ("dense_h_to_4h", "dense_4h_to_h", False),  # GPT-NeoX, Falcon, BLOOM
    ("wi", "wo", False),  # T5
    ("wi_0", "wo", True),  # mT5, T5 1.1
    ("Wi", "Wo", True),  # ModernBERT, whose first layer holds the gate too
    ("gate_up_proj", "down_proj", True),  # Phi-3, GLM, likewise
    ("gate_proj", "down_proj", True),  # Llama, Qwen, Mistral, Gemma
)
ACTIVATIONS = ("act", "act_fn", "activation", "activation_fn", "intermediate_act_fn", "activation_func")


@dataclass
class FeedForward:
    """A feed-forward layer with its activation."""

    first: nn.Module
    last: nn.Module
    gated: bool
    activation: Callable[[Tensor], Tensor]


@dataclass
class _Added:
    """The hooks of one layer: they see its input, then add the slots' output to its own."""

    place: Place
    layer: FeedForward
    states: Tensor | None = field(default=None, repr=False)

    @property
    def slots(self) -> Slots | None:
        prompt: SitePrompt | None = self.place.prompt
        return prompt.slots if prompt is not None else None

    def see(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        self.states = args[0] if self.slots is not None else None

    def add(self, module: nn.Module, args: Any, out: Tensor) -> Tensor:
        slots, states, self.states = self.slots, self.states, None
        if slots is None or states is None:
            return out
        packing = self.place.state.injection.packing
        if packing is None or len(slots.key_BPW) == 1:
            return out + slots(states, self.layer.activation)
        added_BTW = slots(packing.rows(states.reshape(1, -1, states.shape[-1])), self.layer.activation)
        return out + packing.tokens(added_BTW).view_as(out)


def take_slots(model: nn.Module, state: PromptState, sites: Sequence[Site]) -> dict[int, FeedForward]:
    """Let the feed-forward layer behind each self-attention site take slots; once for a backbone.

    Returns:
        The layers by the index of their site; cross attention has none of its own.

    Raises:
        UserError: a layer that is not among the known ones, or has several experts.
    """
    found = {}
    for index, site in enumerate(sites):
        if site.place != "cross":
            if (layer := feed_forward_of(model, site)) is None:
                raise UserError(
                    f"no feed-forward layer that takes slots was found beside {type(site.module).__name__}",
                    where="prompt.form",
                    do="use a form without slots for this backbone family",
                )
            found[index] = layer
            added = _Added(Place(state, index), layer)
            layer.first.register_forward_pre_hook(added.see)
            layer.last.register_forward_hook(added.add)
    return found


def feed_forward_of(model: nn.Module, site: Site) -> FeedForward | None:
    """Find the feed-forward layer in the smallest module that holds it and the site; None where it is not known."""
    name = next(name for name, module in model.named_modules() if module is site.module)
    while name:
        name = name.rpartition(".")[0]
        around = model.get_submodule(name)
        layers = [layer for module in around.modules() for layer in _layers_in(module)]
        if len(layers) == 1:
            return layers[0]
        if layers:
            break
    return None


def _layers_in(module: nn.Module) -> list[FeedForward]:
    layers = []
    for first_name, last_name, gated in LAYERS:
        first, last = (_linear(module, name) for name in (first_name, last_name))
        if first is None or last is None:
            continue
        holder = module.get_submodule(first_name.rpartition(".")[0])
        activation = next((found for name in ACTIVATIONS if callable(found := getattr(holder, name, None))), None)
        if activation is not None:
            layers.append(FeedForward(first, last, gated, cast(Callable[[Tensor], Tensor], activation)))
    return layers


def _linear(module: nn.Module, name: str) -> nn.Module | None:
    """Return the linear layer of that name below the module, if there is one."""
    found = dict(module.named_modules()).get(name)
    return found if hasattr(found, "weight") else None
