"""Gradient checkpointing: layers are computed again in the backward pass, with the prompts of their forward pass."""

from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ptv2.backbone.injection import PromptState
from ptv2.errors import UserError


def checkpoint_layers(model: PreTrainedModel, state: PromptState, compiled: bool = False) -> None:
    """Recompute the model's layers in the backward pass.

    Args:
        model: its sites are installed.
        state: the prompts in force.
        compiled: the model is or will be compiled; its graph holds the prompts, and torch allows no contexts in it.

    Raises:
        UserError: the family does not support it.
    """

    def contexts():
        return nullcontext(), state.use(state.injection)

    settings: dict[str, Any] = {"use_reentrant": False} | ({} if compiled else {"context_fn": contexts})
    if model.supports_gradient_checkpointing:
        model.activation_checkpointing_enable(settings)
        # transformers makes the embeddings' output require a gradient; prompts need none below their lowest layer.
        model.disable_input_require_grads()
        return
    layers = [layer for m in model.modules() for layer in getattr(m, "albert_layer_groups", ())]
    if not layers:
        raise UserError(
            f"backbone family '{model.config.model_type}' has no gradient checkpointing in transformers",
            where="backbone.gradient_checkpointing",
            do="set it to false",
        )
    for layer in layers:
        _checkpoint(layer, settings)


def _checkpoint(layer: nn.Module, settings: dict[str, Any]) -> None:
    """Checkpoint one layer in train mode, as transformers' own layers do; ALBERT's are not among them."""
    plain = layer.forward

    def forward(*args: Any, **kwargs: Any) -> Tensor:
        return checkpoint(plain, *args, **settings, **kwargs) if layer.training else plain(*args, **kwargs)

    layer.forward = forward
