"""Full fine-tuning: every weight of the backbone trains, without prompts."""

from torch import nn

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method


class Full(Method):
    """`method: full`."""

    trains_backbone = True
    shardable = False

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        backbone.model.requires_grad_(True)
        self._weights = list(backbone.parameters())  # a list: the backbone is not a submodule of the method

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        check_trainable(config)

    def trained(self) -> list[nn.Parameter]:
        return [weight for weight in self._weights if weight.requires_grad]


def check_trainable(config: Config) -> None:
    """Refuse to train a backbone in half precision.

    Raises:
        UserError: its weights are not float32.
    """
    if config.backbone.dtype != "float32":
        raise UserError(
            f"method '{config.method}' trains the backbone, which is {config.backbone.dtype}",
            where="backbone.dtype",
            do="use backbone.dtype=float32 (and trainer.precision=bf16-mixed for speed)",
        )
