"""Full fine-tuning: every weight of the backbone trains, without prompts."""

from torch import nn

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.methods.base import Artifacts, Method


class Full(Method):
    """`method: full`."""

    trains_backbone = True
    words = "the backbone"
    shardable = False
    alone = "trains every weight of the backbone, which leaves nothing to join it"

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        backbone.model.requires_grad_(True)
        self._weights = list(backbone.parameters())  # a list: the backbone is not a submodule of the method

    def trained(self) -> list[nn.Parameter]:
        return [weight for weight in self._weights if weight.requires_grad]
