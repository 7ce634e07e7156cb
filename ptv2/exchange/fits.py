"""Whether a plain transformers model is the backbone that an artifact was made with."""

import warnings
from collections.abc import Mapping
from typing import cast

import torch
from transformers import PreTrainedModel

from ptv2.artifact.artifact import Artifact
from ptv2.backbone.load import auto_class, weights_fingerprint
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.kinds import reads_of


def root_of(
    model: PreTrainedModel, artifacts: Mapping[str, Artifact], configs: Mapping[str, Config]
) -> PreTrainedModel:
    """Return the part of the model whose attention the prompts were trained in.

    It is the model below its head, and of an encoder-decoder whose states were read, the encoder.

    Raises:
        UserError: some artifacts read the encoder alone, others encoder and decoder.
    """
    base = cast(PreTrainedModel, model.base_model)
    if not model.config.is_encoder_decoder:
        return base
    reads = {name: reads_of(config.tasks.values()) for name, config in configs.items()}
    encoder = [name for name, read in reads.items() if read == "states"]
    if not encoder:
        return base
    if len(encoder) < len(reads):
        other = next(name for name in reads if name not in encoder)
        what = f"is for the encoder alone, {artifacts[other].path} for encoder and decoder"
        raise UserError(what, where=artifacts[encoder[0]].path, do="attach each in a separate call")
    return cast(PreTrainedModel, model.get_encoder())


def check_weights(artifact: Artifact, reads: str, model: PreTrainedModel, root: PreTrainedModel) -> None:
    """Refuse a model with other weights than the artifact's backbone; warn where they cannot be compared.

    Args:
        artifact: as read.
        reads: what its heads read of the backbone.
        model: the user's.
        root: the part of it that takes the prompts.

    Raises:
        UserError: another family, or other weights.
    """
    made = artifact.about["backbone"]
    family = root.config.model_type
    if made.get("family", family) != family:
        what = f"was made for backbone '{made['name']}' of family {made['family']}, the model is of family {family}"
        raise UserError(what, where=artifact.path, do=f"load {made['name']}")
    part = root if reads == "states" else model
    drawn = {name.removeprefix("backbone.model.") for name in artifact.state("backbone.model.")}
    weights = {name: weight for name, weight in part.state_dict().items() if name not in drawn}
    half, stored = str(part.dtype).removeprefix("torch."), made.get("dtype")
    if weights_fingerprint(weights) == made["weights"]:
        return
    if made.get(f"weights_{half}") == weights_fingerprint(weights, part.dtype):
        return
    lacking = sorted(_names(part, reads) - set(weights) - drawn)
    if lacking or half != (stored or half):
        why = f"it has no {lacking[0]}" if lacking else f"they were {stored} and are {half}"
        what = f"{artifact.path}: the model's weights cannot be compared with those of {made['name']}: {why}"
        warnings.warn(what, stacklevel=4)
        return
    do = f"load {made['name']}" + (f" at revision {made['revision']}" if made.get("revision") else "")
    raise UserError(
        f"was made for backbone '{made['name']}', whose weights differ from this model's", artifact.path, do
    )


def _names(part: PreTrainedModel, reads: str) -> set[str]:
    """List the weights of the class that ptv2 loads to read so."""
    with torch.device("meta"):
        whole = auto_class(part.config, reads).from_config(part.config)
    return set((whole.get_encoder() if reads == "states" and whole.config.is_encoder_decoder else whole).state_dict())
