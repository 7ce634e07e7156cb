"""The tensors that a checkpoint and an artifact hold: all that is trained, or was drawn at random.

On disk the method's tensors are called `prompt.*`, whatever the method.
"""

from typing import cast

from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.errors import UserError

IN_MODULE, ON_DISK = "method.", "prompt."


def on_disk(name: str) -> str:
    """Return the name on disk of a tensor of the module."""
    return ON_DISK + name.removeprefix(IN_MODULE) if name.startswith(IN_MODULE) else name


def in_module(name: str) -> str:
    """Return the name in the module of a tensor on disk."""
    return IN_MODULE + name.removeprefix(ON_DISK) if name.startswith(ON_DISK) else name


def kept_names(module: nn.Module) -> list[str]:
    """List the names, in the module's state dict, of the tensors that are kept."""
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    fresh = {f"backbone.model.{name}" for name in cast(Backbone, module.backbone).fresh}
    state = module.state_dict()
    return [name for name in state if name in trained | fresh or not name.startswith("backbone.")]


def kept_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the kept tensors by their names on disk."""
    state = module.state_dict()
    return {on_disk(name): state[name].detach() for name in kept_names(module)}


def load_kept(module: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load what `kept_state` gave.

    Raises:
        UserError: a tensor is missing, left over, or of another shape.
    """
    check_kept(module, state, where)
    module.load_state_dict({in_module(name): tensor for name, tensor in state.items()}, strict=False)


def check_kept(module: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Refuse what `load_kept` cannot load."""
    own, do = kept_state(module), "use the config it was made with"
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or extra:
        problem = f"{len(missing)} tensors missing, {len(extra)} unknown (first: {(missing + extra)[0]})"
        raise UserError(problem, where=where, do=do)
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            problem = f"'{name}' is {tuple(tensor.shape)}, the model needs {tuple(own[name].shape)}"
            raise UserError(problem, where=where, do=do)
