"""What a prompt changes: the backbone's states of a few fixed texts with the prompt, less those with an untrained one.

Two prompts are alike where they change the states in the same direction, whatever their vectors look like and however
they are shaped. A random start changes states too, and two runs of one seed start alike: what is compared is the
distance from the mean of freshly drawn starts, and a change counts by the share of it that exceeds theirs. So untrained
prompts are like nothing, of equal and of unequal seeds. Prompts that were trained for a few steps from one start are
alike whatever their tasks, so a new task is not matched this way, see `probe.py`.

Shapes: B texts, T tokens, D width of what is read, M = its numbers over all tokens of all texts.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.backbone.families import position_limit
from ptv2.config.schema import Config
from ptv2.methods import METHODS
from ptv2.methods.vectors import VectorMethod
from ptv2.model.outside import TEXTS

TOKENS = 48  # of a text that are read, at most
DRAWS = 6  # untrained prompts whose mean is no change
LOGITS = 512  # of the vocabulary, evenly spaced: what is read of an encoder-decoder, whose decoder is prompted too


@dataclass(frozen=True)
class Change:
    """A change [M] of the states, and the share of it (0 to 1) that a random start does not explain."""

    states_M: Tensor
    share: float

    def likeness(self, other: "Change") -> float:
        """Return the cosine between two changes, times the share of each that is not chance."""
        cosine = torch.nn.functional.cosine_similarity(self.states_M, other.states_M, dim=0, eps=1e-12)
        return float(cosine) * self.share * other.share


class Meter:
    """Measure the changes of prompts of one shape on one backbone.

    Args:
        config: says method and shape of the prompts; what only training needs of it (projection, gate, start) counts
            for nothing.
        backbone: frozen; its real tokens start where those of the prompts that were measured last do.
    """

    def __init__(self, config: Config, backbone: Backbone):
        self.config = plain(config)
        self.backbone = backbone
        backbone.position_shift = 0
        self.method = _made(self.config, backbone)
        self.position_shift = backbone.position_shift
        limit = position_limit(backbone.model)
        tokens = TOKENS if limit is None else min(TOKENS, limit // 2)  # the same for all prompts, which take some, too
        backbone.check_length(tokens, self.method.positions(), "similarity")
        read = backbone.tokenizer(
            list(TEXTS), truncation=True, max_length=tokens, padding=True, padding_side="right", return_tensors="pt"
        )
        self.inputs: dict[str, Any] = {key: read[key].to(backbone.device) for key in ("input_ids", "attention_mask")}
        self._untrained: tuple[Tensor, float] | None = None

    def of(self, vectors_PF: list[Tensor]) -> Change:
        """Measure a prompt."""
        mean_M, noise = self.untrained()
        change_M = self.states(vectors_PF) - mean_M
        energy = float(change_M.square().sum())
        return Change(change_M, max(0.0, 1 - noise / energy) if energy > 0 else 0.0)

    def untrained(self) -> tuple[Tensor, float]:
        """Return the mean states [M] of untrained prompts, and the largest squared distance of one from the others."""
        if self._untrained is None:
            seen = torch.stack([self.states(drawn(self.config, self.backbone, seed)) for seed in range(DRAWS)])
            others = (seen.sum(0) - seen) / (DRAWS - 1)
            self._untrained = seen.mean(0), float((seen - others).square().sum(1).max())
        return self._untrained

    @torch.no_grad()
    def states(self, vectors_PF: list[Tensor]) -> Tensor:
        """Return what the backbone makes of all real tokens with these vectors: [M] in float32, an ensemble's mean."""
        self.method.start_from(vectors_PF)
        self.backbone.position_shift, training = self.position_shift, self.backbone.training
        self.backbone.eval()
        prompts, copies = self.method(len(self.inputs["input_ids"])), self.method.copies
        inputs = {key: torch.cat([held] * copies) for key, held in self.inputs.items()}
        if self.backbone.is_encoder_decoder:
            read = self.backbone(inputs | {"labels": inputs["input_ids"]}, prompts, "logits").logits_BTV
            read_BTD = read[..., :: max(1, read.shape[-1] // LOGITS)]
        else:
            read_BTD = self.backbone(inputs, prompts).last_BTD
        self.backbone.train(training)
        return read_BTD[inputs["attention_mask"].bool()].float().view(copies, -1).mean(0).cpu()


def plain(config: Config) -> Config:
    """Return the config of the prompt alone, as an artifact holds it: without what only training needs of it."""
    made = {"init": "zero", "sharing": "shared", "train": "all", "norm": "none"}
    prompt = replace(config.prompt, projection=None, residual=None, gate=False, **made)
    (name,) = [method for method in config.methods if METHODS[method].has_prompts]
    name = METHODS[name].folded_into or name
    return replace(config, method=name, prompt=prompt, ptuning=replace(config.ptuning, encoder="none"))


def drawn(config: Config, backbone: Backbone, seed: int) -> list[Tensor]:
    """Draw the vectors of an untrained prompt of a plain config, without touching the generator of training."""
    config = replace(config, prompt=replace(config.prompt, init="normal"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _made(config, backbone).folded()


def _made(config: Config, backbone: Backbone) -> VectorMethod:
    return cast(VectorMethod, METHODS[config.methods[0]](config, backbone)).to(backbone.device).eval()
