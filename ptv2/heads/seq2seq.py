"""Text generation by the backbone's own language model: nothing to learn here, the prompt does the work.

Shapes: B batch, T target (or input) positions, V vocabulary.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import Backbone, Prompts, States
from ptv2.config import HeadConfig
from ptv2.data.features import IGNORE
from ptv2.errors import Joint
from ptv2.heads.base import Head


class Seq2SeqHead(Head):
    """Cross-entropy over the target's tokens; text by `generate`, with the family's cache."""

    reads = "logits"

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        nn.Module.__init__(self)  # no layer of its own
        self.decoder_only = not backbone.is_encoder_decoder
        self.settings: dict[str, Any] = {}  # of transformers' `generate`, from the card

    def forward(self, states: States) -> Tensor | None:
        """The logits; None for an encoder-decoder's rows without a target."""
        return states.logits_BTV.float() if states.logits_BTV is not None else None

    def loss(self, logits_BTV: Tensor, batch: dict[str, Any]) -> Tensor:
        logits_BTV, labels_BT = self._aligned(logits_BTV, batch["labels"])
        return F.cross_entropy(logits_BTV.flatten(0, 1), labels_BT.flatten(), ignore_index=IGNORE)

    def terms(self, batch: dict[str, Any]) -> int:
        labels_BT = batch["labels"][:, 1:] if self.decoder_only else batch["labels"]
        return int((labels_BT != IGNORE).sum())

    def decode(self, logits_BTV: Tensor | None, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """Negative log-likelihood of each row's target and its number of tokens."""
        if "labels" not in batch:
            return [{} for _ in batch["row"]]
        logits_BTV, labels_BT = self._aligned(logits_BTV, batch["labels"])
        nll_BT = F.cross_entropy(logits_BTV.transpose(1, 2), labels_BT, ignore_index=IGNORE, reduction="none")
        counts = (labels_BT != IGNORE).sum(1).tolist()
        return [{"nll": nll, "tokens": n} for nll, n in zip(nll_BT.sum(1).tolist(), counts, strict=True)]

    def generate(self, backbone: Backbone, prompts: Prompts, batch: dict[str, Any]) -> list[str]:
        """The text the model writes for each row's source."""
        if self.decoder_only:
            inputs = {"input_ids": batch["source_ids"], "attention_mask": batch["source_mask"]}
        else:
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
        settings = self.settings | ({"tokenizer": backbone.tokenizer} if "stop_strings" in self.settings else {})
        device, sampling = inputs["input_ids"].device, bool(settings.get("do_sample"))
        # The seed is the rows' own: what was written can be written again, and training goes on as if nothing had been.
        with torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=sampling):
            if sampling:
                torch.manual_seed(int(batch["row"][0]))
            try:
                ids_BT = backbone.generate(inputs, prompts, settings)
            except (ValueError, TypeError) as error:  # transformers looks at some values only when it generates
                what = f"`generate` refuses these settings ({error})"
                raise Joint(what, where="task.options.generation", do="correct them") from error
        texts = backbone.tokenizer.batch_decode(ids_BT, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _aligned(self, logits_BTV: Tensor, labels_BT: Tensor) -> tuple[Tensor, Tensor]:
        """A decoder-only model's logits at t are about the token at t + 1."""
        return (logits_BTV[:, :-1], labels_BT[:, 1:]) if self.decoder_only else (logits_BTV, labels_BT)
