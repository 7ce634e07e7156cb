"""What is frozen: any Hugging Face model, with prompts installed in its attention."""

from ptv2.backbone.attention import SitePrompt
from ptv2.backbone.backbone import INPUTS, Backbone, Prompts, States
from ptv2.backbone.load import (
    is_encoder_decoder,
    load_backbone,
    load_tokenizer,
    quiet_transformers,
    tokenizer_fingerprint,
)
from ptv2.backbone.sites import Observation, Site

__all__ = [
    "INPUTS", "Backbone", "Observation",
    "Prompts", "Site", "SitePrompt", "States",
    "is_encoder_decoder", "load_backbone", "load_tokenizer", "quiet_transformers", "tokenizer_fingerprint",
]  # fmt: skip
