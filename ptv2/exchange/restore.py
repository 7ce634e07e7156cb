"""What installing prompts changes in a model, noted before and put back on `detach`."""

import warnings
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from ptv2.backbone.injection import PLACE

HOOKS = ("_forward_pre_hooks", "_forward_hooks")
"""Where torch keeps the hooks of a module, by their ids."""


class Before:
    """A model as it is now.

    Args:
        model: the user's, before anything is installed.
    """

    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.kernel = model.config._attn_implementation
        self.generation = getattr(model, "generation_config", None)
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.classes = {module: type(module) for module in model.modules()}  # DeBERTa's attention is given another
        self.children = {module: dict(module._modules) for module in model.modules()}  # ALBERT's depths are set apart
        self.groups = getattr(model.config, "num_hidden_groups", None)
        self.versions = {parameter: parameter._version for parameter in model.parameters()}
        self.hooks = {id_ for kept in self._hooks() for id_ in kept}
        self.ours: set[int] | None = None  # unknown while we install
        self.savers: list[RemovableHandle] = []

    def _hooks(self) -> list[dict[int, Any]]:
        return [getattr(module, name) for module in self.model.modules() for name in HOOKS]

    def _new(self) -> set[int]:
        return {id_ for kept in self._hooks() for id_ in kept} - self.hooks

    def installed(self) -> None:
        """Tell which of the hooks are ours, and let what trained before train again."""
        self.ours = self._new()
        for module, children in self.children.items():
            if any(module._modules.get(name) is not child for name, child in children.items()):
                self.savers.append(module.register_state_dict_post_hook(_copy_repeats))
        for parameter in self.trained:
            parameter.requires_grad_(True)
        if self.generation is not None:
            self.model.generation_config = self.generation

    def warn_of_changes(self, known: set[str]) -> None:
        """Warn where weights have been trained beside the prompt, but for those that are known to be kept."""
        trained = [
            name
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad and name not in known
            if self.versions.get(parameter, parameter._version) != parameter._version
        ]
        if trained:
            what = f"weights of the model itself have been trained ({trained[0]}), and an artifact holds none of them"
            warnings.warn(f"{what}: freeze them (requires_grad_(False)), or save the model too", stacklevel=4)

    def put_back(self) -> None:
        """Leave the model as it was."""
        if self.ours is None:
            self.installed()
        for kept in self._hooks():
            for id_ in set(kept) & (self.ours or set()):
                del kept[id_]
        for saver in self.savers:
            saver.remove()
        for module in self.model.modules():
            module.__dict__.pop(PLACE, None)
        for module, children in self.children.items():
            for name, child in children.items():
                if module._modules.get(name) is not child:
                    module._modules[name] = child
        for module, kind in self.classes.items():
            module.__class__ = kind
        if self.groups is not None:
            self.model.config.num_hidden_groups = self.groups
        if self.model._can_set_attn_implementation():
            self.model.set_attn_implementation(self.kernel or "sdpa")


def _copy_repeats(module: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    """Give each depth of ALBERT numbers of its own in a state dict, as its config says: files refuse shared ones."""
    seen: set[int] = set()
    for name in [name for name in state if name.startswith(prefix)]:
        if state[name].data_ptr() in seen:
            state[name] = state[name].clone()
        seen.add(state[name].data_ptr())


def is_attached(model: nn.Module) -> bool:
    """Tell whether prompts are installed in the model."""
    return any(hasattr(module, PLACE) for module in model.modules())
