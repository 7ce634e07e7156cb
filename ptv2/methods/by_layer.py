"""What a method holds for single layers of the backbone, under the names that the layers have there."""

from collections.abc import Mapping

from torch import nn


class ByLayer(nn.Module):
    """Modules by the dotted names of the layers that they belong to, as submodules of the same path.

    Args:
        modules: name of the layer in the model -> what belongs to it.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        for name, module in modules.items():
            *path, last = name.split(".")
            holder: nn.Module = self
            for part in path:
                if part not in holder._modules:
                    holder.add_module(part, nn.Module())
                holder = holder.get_submodule(part)
            holder.add_module(last, module)


def shapes_by_layer(modules: Mapping[str, nn.Module]) -> list[tuple[str, str]]:
    """Describe the parameters of such modules for a dry run, layers of one name and shape in one line."""
    counts: dict[tuple[str, str], int] = {}
    for name, module in modules.items():
        for part, parameter in module.named_parameters():
            key = f"{name.rpartition('.')[2]}.{part}", str(tuple(parameter.shape))
            counts[key] = counts.get(key, 0) + 1
    return [(f"{name} of {count} layers", shape) for (name, shape), count in counts.items()]
