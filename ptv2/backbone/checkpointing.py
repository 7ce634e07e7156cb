"""Gradient checkpointing: layers are computed again in the backward pass, with the prompts of their forward pass."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from ptv2.backbone.injection import PLACE, PromptState
from ptv2.errors import UserError


def checkpoint_layers(
    model: PreTrainedModel, state: PromptState, compiled: bool = False, chosen: Sequence[nn.Module] | None = None
) -> None:
    """Recompute the model's layers in the backward pass.

    Args:
        model: its sites are installed.
        state: the prompts in force.
        compiled: the model is or will be compiled; its graph holds the prompts, and torch allows no contexts in it.
        chosen: those of `layers_of` that are recomputed; None: all.

    Raises:
        UserError: no layers are found.
    """

    def contexts():
        return nullcontext(), state.use(state.injection)

    settings: dict[str, Any] = {"use_reentrant": False} | ({} if compiled else {"context_fn": contexts})
    layers = layers_of(model)
    if model.supports_gradient_checkpointing and (chosen is None or all(map(_switch, layers))):
        # transformers before 5.23 has it under the old name, which is on its way out since.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable(settings)
        # transformers makes the embeddings' output require a gradient; prompts need none below their lowest layer.
        model.disable_input_require_grads()
        for layer in [] if chosen is None else [layer for layer in layers if layer not in chosen]:
            for part in _switch(layer):
                part.gradient_checkpointing = False
        return
    if not layers:
        raise UserError(
            f"backbone family '{model.config.model_type}' has no list of layers that could be recomputed",
            where="backbone.gradient_checkpointing",
            do="set it to false",
        )
    for layer in layers:
        if chosen is None or layer in chosen:
            _checkpoint(layer, settings)


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    """List the layers that hold the sites, in the order of their lists: an encoder's before a decoder's."""
    stacks = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    outer = [stack for name, stack in stacks if not any(name.startswith(f"{other}.") for other, _ in stacks)]
    return [layer for stack in outer for layer in stack if any(hasattr(part, PLACE) for part in layer.modules())]


def _switch(layer: nn.Module) -> list[GradientCheckpointingLayer]:
    """List the parts of a layer that transformers recomputes or not, each by a switch of its own."""
    return [part for part in layer.modules() if isinstance(part, GradientCheckpointingLayer)]


def _checkpoint(layer: nn.Module, settings: dict[str, Any]) -> None:
    """Checkpoint one layer in train mode, as transformers' own layers do."""
    plain = layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(plain, *args, **settings, **kwargs) if layer.training else plain(*args, **kwargs)

    layer.forward = forward
