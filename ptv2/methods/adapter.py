"""Adapters: a bottleneck of two learned layers behind frozen ones, h + up(GELU(down(h))).

Behind every feed-forward layer (Pfeiffer et al. 2021, arXiv 2005.00247), or behind attention too (Houlsby et al. 2019,
arXiv 1902.00751): where the last linear layer of either leaves off, before dropout, residual and norm. PEFT has none.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.backbone.linear_layers import by_role, width_of
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.by_layer import ByLayer, shapes_by_layer
from ptv2.methods.rates import studied


class Adapter(Method):
    """`method: adapter`.

    Raises:
        UserError: a family whose layers are not known.
    """

    rate = studied(0.003, 1e-3, 3e-3, "trec | adapter | accuracy | 0.944 ± 0.005")
    words = "the bottlenecks"
    in_layers = "layers of its own"

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        roles = by_role(backbone.model, backbone.sites)
        behind = ["second"] if config.adapter.behind == "feed_forward" else ["attention_output", "second"]
        if missing := [role for role in behind if not roles[role]]:
            place = "attention" if missing[0] == "attention_output" else "the feed-forward layer"
            what = f"the last linear layer of {place} is not known for family '{backbone.model.config.model_type}'"
            raise UserError(what, where="method", do="use another method than adapter, e.g. lora")
        layers = {name: layer for role in behind for name, layer in roles[role].items()}
        made = {name: Bottleneck(width_of(layer), config.adapter.width) for name, layer in layers.items()}
        self.layers = ByLayer(made)
        for name, layer in layers.items():
            layer.register_forward_hook(made[name].behind)

    def shared(self) -> list[nn.Parameter]:
        return self.trained()

    def shapes(self) -> list[tuple[str, str]]:
        return shapes_by_layer({n: m for n, m in self.layers.named_modules() if isinstance(m, Bottleneck)})


class Bottleneck(nn.Module):
    """down and up; zero at the start."""

    def __init__(self, width: int, bottleneck: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Return what is added to the states, in their dtype."""
        return _linear(self.up, F.gelu(_linear(self.down, states)))

    def behind(self, module: nn.Module, args: Any, states: Tensor) -> Tensor:
        """Add to what the frozen layer returns: a forward hook."""
        return states + self(states)


def _linear(layer: nn.Linear, states: Tensor) -> Tensor:
    return F.linear(states, layer.weight.to(states.dtype), layer.bias.to(states.dtype))
