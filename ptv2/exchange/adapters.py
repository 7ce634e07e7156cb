"""What PEFT holds of an artifact: the prefix, vectors at the input or LoRA, as its settings and tensors.

Shapes: G key/value heads, P prompt positions, D width of a key, W width of the hidden states.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ptv2.backbone.families import repeats_layers
from ptv2.backbone.linear_layers import is_linear
from ptv2.backbone.sites import takes
from ptv2.errors import UserError
from ptv2.exchange.heads import PutHead
from ptv2.exchange.plain import plain_model
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import KeysValues, Source, keys_values
from ptv2.kinds import KINDS
from ptv2.methods.deep.vectors import to_official
from ptv2.methods.peft import Adapted, Lora, stored_in_out
from ptv2.methods.prompt import SoftPrompt
from ptv2.methods.ptuning import PTuning


@dataclass
class Adapter:
    """A folder of PEFT in the making.

    Args:
        model: the plain one that PEFT loads it on.
        head: of the task in this model, if it holds it.
        settings: of adapter_config.json that are the type's own.
        tensors: under PEFT's names.
        within: what PEFT calls the model in the names of a head's tensors.
        in_front: positions that its outputs have before those of the text.
    """

    model: PreTrainedModel
    head: PutHead | None
    settings: dict[str, Any]
    tensors: dict[str, Tensor]
    within: str = "base_model"
    in_front: int = 0


def adapter_of(source: Source, kind: str) -> Adapter:
    """Make what the artifact's method is in PEFT.

    Args:
        source: read.
        kind: PREFIX_TUNING or CARTRIDGE, as which keys and values are written.

    Raises:
        UserError: a method, or a part of it, that PEFT cannot hold.
    """
    if source.predictor.config.backbone.quantize:
        what = "its backbone is quantised, and the folder is for a model in full"
        raise UserError(what, where=source.path, do="export with backbone.quantize=null")
    method = source.predictor.module.method
    if not isinstance(method, (SoftPrompt, Lora)):
        return _prefix(source, kind)
    if kind == "CARTRIDGE":
        what = f"holds method '{source.artifact.about['method']}', and a cartridge holds keys and values alone"
        raise UserError(what, where=source.path, do="use --form peft")
    return _at_input(source, method) if isinstance(method, SoftPrompt) else _low_rank(source, method)


# -- keys and values ---------------------------------------------------------------------------------------------------


def _prefix(source: Source, kind: str) -> Adapter:
    """PREFIX_TUNING and CARTRIDGE: a cache of P positions."""
    held = for_cache(source, _one_shape(source, keys_values(source, "peft")))
    model, head = plain_model(source)
    first, P = held[0].site, held[0].length
    vectors = [torch.cat([_flat(kv.key_GPD), _flat(kv.value_GPE)], dim=1) for kv in held]
    settings: dict[str, Any] = {
        "peft_type": kind,
        "num_virtual_tokens": P,
        "num_layers": len(held),
        "num_attention_heads": first.kv_heads,
        "token_dim": first.kv_heads * first.key_dim,
        "num_transformer_submodules": 1,
    }
    settings |= {"num_frozen_tokens": 1} if kind == "CARTRIDGE" else {"prefix_projection": False}
    return Adapter(model, head, settings, {"prompt_embeddings": to_official(vectors)})


def _flat(states_GPD: Tensor) -> Tensor:
    """[P, G * D], as PEFT lays a position out."""
    return states_GPD.transpose(0, 1).flatten(1)


def _one_shape(source: Source, held: list[KeysValues]) -> list[KeysValues]:
    """Refuse what does not fit PEFT's one tensor for all layers."""
    model, where = source.backbone.model, source.path
    family = model.config.model_type
    if model.config.is_encoder_decoder:
        what = f"family '{family}' has an encoder and a decoder, of which PEFT prompts the latter alone"
        raise UserError(what, where=where, do="use ptv2.attach")
    if not takes(source.backbone.reader, "past_key_values"):
        what = f"PEFT gives a prefix as a cache, and family '{family}' takes none"
        raise UserError(what, where=where, do="use ptv2.attach, or --form kv")
    if len(held) < len(source.backbone.sites) or len({kv.length for kv in held}) > 1:
        what = "PEFT prompts every layer with as many positions, and here they differ"
        raise UserError(what, where=where, do="use --form kv, or train with prompt.layers=all and one prompt.length")
    if len({(kv.site.kv_heads, kv.site.key_dim, kv.site.value_dim) for kv in held}) > 1 or (
        held[0].site.key_dim != held[0].site.value_dim
    ):
        what = f"PEFT holds keys and values of one width for all layers, and those of family '{family}' differ"
        raise UserError(what, where=where, do="use --form kv, or ptv2.attach")
    return held


# -- vectors at the input ----------------------------------------------------------------------------------------------


def _at_input(source: Source, method: SoftPrompt) -> Adapter:
    """PROMPT_TUNING: P vectors [P, W] in front of the text."""
    kind, where = source.artifact.tasks[source.task]["kind"], source.path
    if method.copies > 1:
        what = f"is an ensemble of {method.copies} prompts, and PEFT reads a row with one"
        raise UserError(what, where=where, do="train with prompt.ensemble=1, or use ptv2.load")
    config = source.predictor.config
    if config.tasks[source.task].options.get("template"):
        what = "its virtual tokens stand where a template says, and PEFT puts them in front of the text"
        raise UserError(what, where=where, do="train without ptuning.template, or use ptv2.load")
    if isinstance(method, PTuning) and config.ptuning.tune_backbone:
        what = "the backbone was trained beside the virtual tokens, and a folder of PEFT has no room for it"
        raise UserError(what, where=where, do="train with ptuning.tune_backbone=false, or use ptv2.load")
    pooled = KINDS[kind].head.plain_class == "SequenceClassification"
    model, head = plain_model(source, with_head=not pooled)
    if pooled:
        source.notes.append(
            f"the head of '{source.task}' is left out: it reads a token of the text by its place, "
            "where PEFT's models find one of the prompt's"
        )
    inputs = source.injection().inputs
    assert inputs is not None  # what this method gives
    vectors_PW = inputs.vectors_BPW[0].float()
    sizes = cast(Any, model.config)
    settings = {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": len(vectors_PW),
        "num_layers": sizes.num_hidden_layers,
        "num_attention_heads": sizes.num_attention_heads,
        "token_dim": vectors_PW.shape[1],
        "num_transformer_submodules": 1,
        "prompt_tuning_init": "RANDOM",
    }
    in_front = 0 if sizes.is_encoder_decoder else len(vectors_PW)  # the decoder does not read them
    return Adapter(model, head, settings, {"prompt_embeddings": vectors_PW}, in_front=in_front)


# -- LoRA --------------------------------------------------------------------------------------------------------------


def _low_rank(source: Source, method: Lora) -> Adapter:
    """LORA: two matrices for each adapted layer, in the place that the layer has in the plain model.

    Raises:
        UserError: the backbone runs a layer at several depths, which PEFT gives the same two.
    """
    if repeats_layers(source.backbone.model):
        family = source.backbone.model.config.model_type
        what = f"family '{family}' runs a layer at several depths, and PEFT has no LoRA of one depth alone"
        raise UserError(what, where=source.path, do="use --form transformers, or ptv2.load")
    model, head = plain_model(source)
    own = dict(model.named_modules())
    held = {name: adapted for name, adapted in method.layers.named_modules() if isinstance(adapted, Adapted)}
    held = {name if name in own else f"{model.base_model_prefix}.{name}": adapted for name, adapted in held.items()}
    short = sorted({name.rpartition(".")[2] for name in held})
    meant = {name for name, layer in own.items() if is_linear(layer) and name.rpartition(".")[2] in short}
    lora = source.predictor.config.lora
    settings = {
        "peft_type": "LORA",
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": short if meant == set(held) else sorted(held),
        "fan_in_fan_out": stored_in_out({name: own[name] for name in held}),
    }
    tensors = {
        f"base_model.model.{name}.lora_{part}.weight": cast(Tensor, getattr(adapted, part)).detach().float()
        for name, adapted in held.items()
        for part in ("A", "B")
    }
    return Adapter(model, head, settings, tensors, within="base_model.model")
