"""Text generation by a prompted language model: what decides how it writes, and the call itself.

Shapes: B batch, S source tokens, T target tokens.
"""

from typing import Any

from transformers import GenerationConfig, PreTrainedModel

IDS = (
    "bos_token_id", "eos_token_id", "pad_token_id",
    "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id",
)  # fmt: skip
"""Settings that belong to the model as its vocabulary does: which token begins a text, ends it, names its language."""


def keep_ids_alone(model: PreTrainedModel) -> None:
    """Drop what a checkpoint says of how to write (beams, lengths, penalties, sampling): the card decides that."""
    before = getattr(model, "generation_config", None)
    if before is not None:
        ids = {name: getattr(before, name, None) for name in IDS}
        model.generation_config = GenerationConfig(**{name: value for name, value in ids.items() if value is not None})


def in_force(model: PreTrainedModel, settings: dict[str, Any]) -> dict[str, Any]:
    """List all that decides how `generate` writes with these settings; the rest has transformers' defaults."""
    ids = {name: getattr(model.generation_config, name) for name in IDS}
    joint = ids | {name: value for name, value in settings.items() if value is not None}
    return {name: value for name, value in joint.items() if value is not None}
