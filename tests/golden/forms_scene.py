"""A backbone with a prompt of some forms, and what heads read of it, with ptv2 and without."""

import torch
from families import FAMILIES as ENCODERS
from families import make_backbone, make_batch, make_model, make_prompt, real
from seq2seq_models import FAMILIES as LANGUAGE_MODELS
from seq2seq_models import make_lm, make_lm_backbone, make_lm_batch, make_lm_prompt
from torch import Tensor
from transformers import PreTrainedModel

from ptv2.backbone import Backbone, Injection
from ptv2.methods.deep.prompt import DeepPrompt

ALL = [*ENCODERS, *LANGUAGE_MODELS]


def make(family: str, stirred: bool = True, **config) -> tuple[Backbone, DeepPrompt]:
    """A backbone and a prompt whose numbers matter."""
    is_encoder = family in ENCODERS
    backbone = make_backbone(family) if is_encoder else make_lm_backbone(family)
    prompt = make_prompt(backbone, **config) if is_encoder else make_lm_prompt(backbone, **config)
    if stirred:
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in prompt.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return backbone, prompt


def bare_model(family: str) -> PreTrainedModel:
    return make_model(family) if family in ENCODERS else make_lm(family)


def read(family: str, backbone: Backbone, prompts: Injection | None = None) -> Tensor:
    """What heads read at real tokens: states of an encoder, logits of a language model."""
    if family in ENCODERS:
        batch = make_batch(family)
        return real(backbone(batch, prompts).last_BTD, batch)
    batch = make_lm_batch(family)
    logits_BTV = backbone(batch, prompts, "logits").logits_BTV
    return logits_BTV[(batch["labels"] != -100) if "labels" in batch else batch["attention_mask"].bool()]


def read_plain(family: str, model: PreTrainedModel) -> Tensor:
    """The same of a model without ptv2."""
    if family in ENCODERS:
        batch = make_batch(family)
        return real(model(**batch).last_hidden_state, batch)
    batch = make_lm_batch(family)
    logits_BTV = model(**batch).logits
    return logits_BTV[(batch["labels"] != -100) if "labels" in batch else batch["attention_mask"].bool()]
