"""What each layer keeps for the backward pass, and how many layers to recompute so that it fits a budget."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


@dataclass
class Kept:
    """Bytes of one layer, of all its calls in a forward pass."""

    whole: int = 0  # what autograd keeps, weights aside
    entering: int = 0  # the states that enter: all that is kept where the layer is recomputed

    def extended(self, more: "Kept", times: int) -> "Kept":
        """Add so many times what another count, of one text more, has beyond this one."""
        whole, entering = more.whole - self.whole, more.entering - self.entering
        return Kept(self.whole + times * whole, self.entering + times * entering)


@contextmanager
def counting(model: nn.Module, layers: Sequence[nn.Module]) -> Iterator[list[Kept]]:
    """Count what the layers keep of the forward passes inside; what several of them share counts for the first."""
    found = [Kept() for _ in layers]
    inside: list[Kept] = []
    seen = {held.untyped_storage().data_ptr() for held in (*model.parameters(), *model.buffers())}
    alive: list[Tensor] = []  # as long as they live no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        gathered = isinstance(tensor, nn.Parameter) or isinstance(tensor._base, nn.Parameter)  # of a sharded layer
        if storage.data_ptr() not in seen and not gathered:
            seen.add(storage.data_ptr())
            alive.append(tensor)
            if inside:
                inside[-1].whole += storage.nbytes()
        return tensor

    def enter(kept: Kept, args: tuple, kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs.get("hidden_states")
        if isinstance(states, Tensor) and torch.is_grad_enabled():  # else nothing is kept
            kept.entering += states.untyped_storage().nbytes()
        inside.append(kept)

    hooks = []
    for kept, layer in zip(found, layers, strict=True):
        hook = layer.register_forward_pre_hook(
            lambda _, args, kwargs, kept=kept: enter(kept, args, kwargs), with_kwargs=True
        )
        hooks += [hook, layer.register_forward_hook(lambda *_: inside.pop() and None)]
    try:
        with saved_tensors_hooks(pack, lambda tensor: tensor), torch.compiler.set_stance("force_eager"):
            yield found
    finally:
        for hook in hooks:
            hook.remove()


def recomputed(layers: Sequence[Kept], budget: float) -> int:
    """Choose how many of the first layers that keep anything are recomputed: as few as fit the budget, else all.

    The first layers' turn in the backward pass comes last, when what the others keep is gone.

    Args:
        layers: in the order in which they run.
        budget: bytes.
    """
    return next((n for n in range(len(layers)) if peak(layers, n) <= budget), len(layers))


def peak(layers: Sequence[Kept], count: int) -> int:
    """Return the bytes that are kept at most where the first `count` layers are recomputed."""
    first, rest = layers[:count], layers[count:]
    entering = sum(min(layer.entering, layer.whole) for layer in first)
    return entering + max(sum(layer.whole for layer in rest), *(layer.whole for layer in first), 0)
