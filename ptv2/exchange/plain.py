"""A backbone as the plain transformers model that it came from, with a task's head where that model can hold it."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from ptv2.backbone.attention import REGISTERED
from ptv2.errors import UserError
from ptv2.exchange.heads import PutHead, put_head
from ptv2.exchange.source import Source
from ptv2.kinds import KINDS

AUTO: dict[str, Any] = {
    "SequenceClassification": AutoModelForSequenceClassification,
    "TokenClassification": AutoModelForTokenClassification,
    "QuestionAnswering": AutoModelForQuestionAnswering,
}


def plain_config(source: Source) -> PretrainedConfig:
    """Return the config of the backbone's model, without what ptv2 set there."""
    config = copy.deepcopy(source.backbone.model.config)
    config._attn_implementation = _kernel(source)
    return config


def _kernel(source: Source) -> str:
    names = {ours: name for name, ours in REGISTERED.items()}
    return names.get(str(source.backbone.model.config._attn_implementation), "eager")


def plain_model(
    source: Source,
    config: PretrainedConfig | None = None,
    weights: Mapping[str, Tensor] | None = None,
    with_head: bool = True,
) -> tuple[PreTrainedModel, PutHead | None]:
    """Make the plain model, in eval mode.

    Args:
        source: read.
        config: of the model; None: the backbone's.
        weights: of the backbone's model by name; None: its own.
        with_head: give it the task's head, if it can be.

    Returns:
        The model, and its head where it holds the task's; why it does not is noted.

    Raises:
        UserError: the backbone is the encoder of an encoder-decoder, which is no model of its own.
    """
    backbone, config = source.backbone, config or plain_config(source)
    weights = backbone.model.state_dict() if weights is None else weights
    settings = {"dtype": backbone.model.dtype, "attn_implementation": _kernel(source)}
    if source.head.reads != "states":
        kind: Any = type(backbone.model)
        model = kind._from_config(config, **settings).eval()
        model.load_state_dict(weights, strict=False)
        model.tie_weights()
        return model, None
    whole: Any = AutoModel._model_mapping[type(config)]
    if type(backbone.model) not in (whole if isinstance(whole, tuple) else (whole,)):
        what = f"its backbone is the encoder of a {config.model_type}, which is no model of its own"
        raise UserError(what, where=source.path, do="use ptv2.attach")
    if with_head and (held := _with_head(source, config, weights, settings)) is not None:
        return held
    model = AutoModel.from_config(config, **settings).eval()
    model.load_state_dict(weights)
    return model, None


def _with_head(
    source: Source, config: PretrainedConfig, weights: Mapping[str, Tensor], settings: dict[str, Any]
) -> tuple[PreTrainedModel, PutHead] | None:
    """Make the model with the task's head, or note why it cannot be."""
    kind = source.artifact.tasks[source.task]["kind"]
    answers = KINDS[kind].head.plain_class
    try:
        if answers is None or type(config) not in AUTO[answers]._model_mapping:
            raise UserError(f"transformers has no head for a task of kind '{kind}' on family '{config.model_type}'")
        config = copy.deepcopy(config)
        config.num_labels = len(source.head.out.bias)
        if config.pad_token_id is None:  # by which causal models find the last token of a row
            config.pad_token_id = source.backbone.tokenizer.pad_token_id
        model = AUTO[answers].from_config(config, **settings).eval()
        own = model.base_model.state_dict()
        with torch.no_grad():
            for name, weight in weights.items():
                if name in own:
                    own[name].copy_(weight)
        return model, put_head(model, source.artifact, source.task, backbone=False)
    except UserError as error:
        why = str(error).removeprefix(f"head of '{source.task}': ")
        source.notes.append(f"the head of '{source.task}' is left out: {why}")
        return None
