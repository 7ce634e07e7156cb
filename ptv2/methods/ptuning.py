"""Method `ptuning`: virtual tokens out of a small recurrent network, at the places that a template names.

P-Tuning (Liu et al. 2021, "GPT Understands, Too"): the embeddings of the virtual tokens are the outputs of a two-layer
bidirectional LSTM and an MLP over learned embeddings, computed away after training. With a template, the answer is read
from the language model at its mask (`ptv2/kinds/verbalizer.py`); without one, the virtual tokens stand in front of the
text and the task has its usual head. The few-shot mode of the paper tunes the backbone beside them. Paper and authors'
code were not read for this: layers and their default starts follow PEFT's prompt encoder, and are otherwise recalled.

Shapes: P virtual tokens, W width of an embedding.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.config.places import WHERE, virtual_tokens
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, check_trainable
from ptv2.methods.prompt import SoftPrompt
from ptv2.methods.rates import studied


class PTuning(SoftPrompt):
    """Virtual tokens for one task or several.

    Args:
        config: `ptuning` says encoder and template; `prompt.length` counts where there is no template.
        backbone: frozen, unless `ptuning.tune_backbone` trains it.
        artifacts: those that `prompt.init` names.
    """

    rate = studied(0.003, 1e-3, 1e-2, "trec | ptuning | accuracy | 0.904 ± 0.023")
    takes_template = True
    alone = "reads its answers at the places of a template"
    shardable = False  # it may train the backbone

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        self.encoder = config.ptuning
        super().__init__(config, backbone, artifacts)
        self.in_front = any(not card.options.get("template") for card in config.tasks.values())
        self._weights: list[nn.Parameter] = []  # a list: the backbone is not a submodule of the method
        if config.ptuning.tune_backbone:
            self._weights = list(backbone.model.requires_grad_(True).parameters())

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        ptuning, prompt = config.ptuning, config.prompt
        if ptuning.verbalizer and not ptuning.template:
            do = 'write e.g. ptuning.template: "{prompt:3} {text} {mask}"'
            raise UserError("a verbalizer needs a template with a {mask}", where=WHERE, do=do)
        if ptuning.tune_backbone:
            check_trainable(config)
        if ptuning.encoder == "none":
            return
        if ptuning.hidden == 1:
            raise UserError(
                "is 1: each direction of the LSTM has half of it", where="ptuning.hidden", do="use 2 or more"
            )
        plain = PromptConfig()
        for key in ("init", "init_std", "residual", "ensemble"):
            if getattr(prompt, key) != getattr(plain, key):
                what = f"is {getattr(prompt, key)}, and the vectors come out of ptuning.encoder={ptuning.encoder}"
                raise UserError(what, where=f"prompt.{key}", do="leave it out, or use ptuning.encoder=none")

    @staticmethod
    def length(config: Config) -> int:
        """Count the virtual tokens.

        Raises:
            UserError: there are none, or not as many in the templates of all tasks.
        """
        counts = {name: card.options.get("template") for name, card in config.tasks.items()}
        counts = {name: virtual_tokens(template) for name, template in counts.items() if template}
        for name, count in counts.items():
            if not count:
                what = f"the template of task '{name}' has no virtual tokens for the encoder to make"
                raise UserError(what, where=WHERE, do="put e.g. {prompt:3} into it")
        if len(set(counts.values())) > 1:
            what = "the tasks' templates have " + ", ".join(f"{count} ({name})" for name, count in counts.items())
            raise UserError(f"{what} virtual tokens", where=WHERE, do="give each as many")
        return next(iter(counts.values())) if counts else SoftPrompt.length(config)

    @classmethod
    def tunes_backbone(cls, config: Mapping[str, Any]) -> bool:
        return bool(config["ptuning"]["tune_backbone"])

    def positions(self) -> int:
        return self.lengths[0] if self.in_front else 0

    def trained(self) -> list[nn.Parameter]:
        return [*super().trained(), *(weight for weight in self._weights if weight.requires_grad)]

    def _new_vectors(self, backbone: Backbone, task: str | None = None) -> nn.Module:
        if self.encoder.encoder == "none":
            return super()._new_vectors(backbone, task)
        size, hidden = (self.lengths[0], self.widths[0]), self.encoder.hidden or self.widths[0]
        return EncodedVectors(*size, hidden) if self.encoder.encoder == "lstm" else MlpVectors(*size, hidden)

    def exported_config(self, plain: dict[str, Any]) -> dict[str, Any]:
        plain = super().exported_config(plain)
        return plain | {"ptuning": plain["ptuning"] | {"encoder": "none"}}


class EncodedVectors(nn.Module):
    """Vectors [P, W] out of Embedding(P, W) -> 2-layer bidirectional LSTM -> Linear -> ReLU -> Linear.

    The LSTM has half of `hidden` in each direction. P virtual tokens are one sequence, whatever stands between them.
    """

    def __init__(self, length: int, width: int, hidden: int):
        super().__init__()
        both = 2 * (hidden // 2)
        self.embedding = nn.Embedding(length, width)
        self.lstm = nn.LSTM(width, both // 2, num_layers=2, bidirectional=True, batch_first=True)
        self.project = nn.Sequential(nn.Linear(both, both), nn.ReLU(), nn.Linear(both, width))

    def forward(self) -> list[Tensor]:
        # Without gradients torch takes another kernel, and an artifact would not answer as its run to the last bit.
        with torch.enable_grad():
            return [self.project(self.lstm(self.embedding.weight[None])[0][0])]


class MlpVectors(nn.Module):
    """Vectors [P, W] out of Embedding(P, W) -> Linear -> ReLU -> Linear."""

    def __init__(self, length: int, width: int, hidden: int):
        super().__init__()
        self.embedding = nn.Embedding(length, width)
        self.project = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self) -> list[Tensor]:
        return [self.project(self.embedding.weight)]
