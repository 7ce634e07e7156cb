"""What is frozen: any Hugging Face model, with prompts installed in its attention."""

from ptv2.backbone.backbone import INPUTS, KNOWN, PLACES, Backbone
from ptv2.backbone.check import space_before
from ptv2.backbone.injection import Call, Injection, InputPrompt, Memory, SitePrompt, Slots
from ptv2.backbone.load import (
    backbone_about,
    backbone_size,
    check_writer,
    is_encoder_decoder,
    load_backbone,
    load_tokenizer,
    position_count,
    quiet_transformers,
    tokenizer_fingerprint,
)
from ptv2.backbone.sites import Observation, Site
from ptv2.backbone.states import States

__all__ = [
    "INPUTS", "KNOWN", "PLACES", "Backbone", "Call", "Injection", "InputPrompt", "Memory", "Observation", "Site",
    "SitePrompt", "Slots", "States", "backbone_about", "backbone_size", "check_writer", "is_encoder_decoder",
    "load_backbone", "load_tokenizer", "position_count", "quiet_transformers", "space_before", "tokenizer_fingerprint",
]  # fmt: skip
