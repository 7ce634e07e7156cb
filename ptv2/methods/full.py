"""Full fine-tuning: every weight of the backbone trains, without prompts."""

from torch import nn

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.rates import studied


class Full(Method):
    """`method: full`."""

    rate = studied(0.0001, 5e-5, 2e-4, "trec | full | accuracy | 0.951 ± 0.006")
    trains_backbone = trains_all = True
    words = "the backbone"
    shardable = False
    alone = "trains every weight of the backbone, which leaves nothing to join it"

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        backbone.model.requires_grad_(True)
        self._weights = list(backbone.parameters())  # a list: the backbone is not a submodule of the method

    def trained(self) -> list[nn.Parameter]:
        return [weight for weight in self._weights if weight.requires_grad]
