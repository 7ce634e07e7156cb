"""Forgetting: the loss of the backbone's language model on texts outside of the task, with the method and without it.

Masked language models predict 15 % of the tokens, the same ones for every method; decoders each next token; an
encoder-decoder the second half of a text from the first. Of an ensemble it is the mean over its prompts, each of which
reads all texts; a quantised backbone is compared with itself, both read by the language model's head as it was stored.
It is not defined for a backbone whose checkpoint holds no language model, and for a prompt at the places of a template,
which these texts have not.
Shapes: B batch, T tokens, V vocabulary, D width.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions as Given

from ptv2.backbone import Backbone
from ptv2.backbone.load import load_language_model
from ptv2.config.schema import Config
from ptv2.kinds.features import IGNORE
from ptv2.model.outside import TEXTS
from ptv2.model.prompted import PromptedModel

TOKENS = 64  # of a text that are read, at most
MASKED = 0.15


@torch.no_grad()
def outside_losses(
    config: Config, module: PromptedModel, bare: Backbone, task: str, texts: Sequence[str] = ()
) -> dict[str, float] | None:
    """Return the mean loss per predicted token, in nats: `on` with the method, `off` of the bare backbone.

    Of models that generate, the perplexities too. None where there is no language model, or a template.
    """
    if config.tasks[task].options.get("template"):
        return None
    length = min(TOKENS, config.tasks[task].max_length)
    batch = bare.tokenizer(
        list(texts or TEXTS),
        truncation=True,
        max_length=length,
        padding=True,
        padding_side="right",
        return_tensors="pt",
    )
    inputs: dict[str, Any] = {key: batch[key].to(module.backbone.device) for key in ("input_ids", "attention_mask")}
    inputs["task"] = task
    if module.head(task).reads == "logits":
        inputs, labels_BT, shifted = _generating(inputs, bare)
        on = module.backbone(inputs, module.prompts(inputs), "logits").logits_BTV
        off = bare(inputs, reads="logits").logits_BTV
    else:
        model: Any = load_language_model(config.backbone)
        if model is None:
            return None
        shifted = bare.is_causal
        labels_BT = _targets(inputs) if shifted else _mask(inputs, bare)
        logits = _head_of(model.to(module.backbone.device))
        off = logits(inputs, bare(inputs).last_BTD)
        prompts, inputs = module.prompts(inputs), module.inputs(inputs)
        on = logits(inputs, module.backbone(inputs, prompts).last_BTD)
    losses = {"on": _loss(on, labels_BT.repeat(len(on) // len(off), 1), shifted), "off": _loss(off, labels_BT, shifted)}
    if module.head(task).reads == "logits":
        losses |= {f"perplexity {side}": math.exp(min(losses[side], 700.0)) for side in ("on", "off")}
    return losses


def _generating(inputs: dict[str, Any], bare: Backbone) -> tuple[dict[str, Any], Tensor, bool]:
    """Return inputs, targets, and whether logits at t are about t + 1, for a model that generates."""
    if not bare.is_encoder_decoder:
        return inputs, _targets(inputs), True
    half = inputs["input_ids"].shape[1] // 2
    labels_BT = _targets(inputs)[:, half:]
    source = {key: inputs[key][:, :half] for key in ("input_ids", "attention_mask")}
    return inputs | source | {"labels": labels_BT}, labels_BT, False


def _targets(inputs: dict[str, Any]) -> Tensor:
    return inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, IGNORE)


def _mask(inputs: dict[str, Any], bare: Backbone) -> Tensor:
    """Mask tokens in place and return what they were; at least one a text."""
    ids_BT = inputs["input_ids"]
    special_BT = torch.isin(ids_BT, torch.tensor(bare.tokenizer.all_special_ids, device=ids_BT.device))
    drawn_BT = torch.rand(ids_BT.shape, generator=torch.Generator().manual_seed(0)).to(ids_BT.device)
    drawn_BT = drawn_BT.masked_fill(special_BT, 1.0)
    masked_BT = (drawn_BT < MASKED) | ((drawn_BT == drawn_BT.min(1, keepdim=True).values) & ~special_BT)
    labels_BT = ids_BT.masked_fill(~masked_BT, IGNORE)
    inputs["input_ids"] = ids_BT.masked_fill(masked_BT, bare.tokenizer.mask_token_id)
    return labels_BT


def _loss(logits_BTV: Tensor, labels_BT: Tensor, shifted: bool) -> float:
    if shifted:
        logits_BTV, labels_BT = logits_BTV[:, :-1], labels_BT[:, 1:]
    return F.cross_entropy(logits_BTV.float().flatten(0, 1), labels_BT.flatten(), ignore_index=IGNORE).item()


class _Body(nn.Module):
    """Stands where a language model's body was, and returns the states that it is given."""

    states_BTD: Tensor

    @property
    def decoder(self) -> "_Body":
        """The stack inside of the body, which OPT's language model calls."""
        return self

    def forward(self, *_: Any, **__: Any) -> Given:
        return Given(last_hidden_state=self.states_BTD)  # pyright: ignore[reportArgumentType]


def _head_of(model: Any) -> Callable[[dict[str, Any], Tensor], Tensor]:
    """Return a language model's head as a function of its inputs and the states of a body of ours."""
    body = _Body()
    setattr(model, model.base_model_prefix, body)

    def logits(inputs: dict[str, Any], states_BTD: Tensor) -> Tensor:
        body.states_BTD = states_BTD
        return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits

    return logits
