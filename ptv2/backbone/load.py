"""Loading a backbone and its tokenizer by name, and fingerprints that tell whether two are the same."""

import hashlib
import json
from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import constants
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers import modeling_gguf_pytorch_utils as gguf
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from ptv2.backbone import demo
from ptv2.backbone.backbone import Backbone
from ptv2.backbone.check import fit_tokenizer
from ptv2.backbone.families import set_dropout
from ptv2.backbone.half import chosen_dtype
from ptv2.backbone.quantize import check_quantize, quantize
from ptv2.config.schema import BackboneConfig
from ptv2.errors import UserError
from ptv2.runtime.network import hub_answers

HALVES = (torch.float16, torch.bfloat16)


def load_backbone(config: BackboneConfig, reads: str = "states", casts: bool = False) -> Backbone:
    """Load the backbone that `config` names: frozen, in eval mode, its attention ready for prompts.

    Weights are read in the dtype they are stored in, fingerprinted, cast once to `config.dtype`, and quantised if asked
    for. For heads that read `states`, an encoder-decoder is its encoder alone; for those that read `logits`, the whole
    language model; for an `answer`, the masked language model, or a decoder's causal one. With `casts`, weights are
    fingerprinted in the half precisions too, in which they may be saved again elsewhere.

    Raises:
        UserError: not found or not reachable, a damaged file, a family that cannot be prompted, or no way to quantise.
    """
    if config.quantize:
        check_quantize(config.quantize)
    where, hf_config = _source(config), _load_config(config)
    tokenizer = load_tokenizer(config, hf_config)
    try:
        if config.dropout is not None and not set_dropout(hf_config, config.dropout) and config.dropout:
            raise UserError(f"family '{hf_config.model_type}' has no hidden dropout", where="backbone.dropout")
        auto = auto_class(hf_config, reads)
        loaded: Any = auto.from_pretrained(**where, config=hf_config, dtype="auto", output_loading_info=True)
        model, info = loaded  # a pair, with output_loading_info
    except RuntimeError as error:  # transformers lists the weights in a report of many lines
        raise _not_loaded(config.name, "weights of another shape than its config.json says") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise _not_loaded(config.name, error) from error
    if len(info["missing_keys"]) > len(model.state_dict()) / 2:
        raise _not_loaded(config.name, f"its weights are not those of a {hf_config.model_type}")
    if reads == "answer":
        _check_language_head(model, info["missing_keys"], config.name)
    missing = {id(weight) for name, weight in model.state_dict(keep_vars=True).items() if name in info["missing_keys"]}
    if reads == "states" and hf_config.is_encoder_decoder:
        model = model.get_encoder()
    fresh = sorted(name for name, weight in model.state_dict(keep_vars=True).items() if id(weight) in missing)
    weights = {k: v for k, v in model.state_dict().items() if k not in fresh}
    fingerprint, stored = weights_fingerprint(weights), {"dtype": _name(model.dtype)}
    for dtype in HALVES if casts else ():
        stored[f"weights_{_name(dtype)}"] = weights_fingerprint(weights, dtype)
    del weights
    model = model.to(_dtype(config)).eval()
    packed = quantize(model, config.quantize, fresh) if config.quantize else 0
    backbone = Backbone(model, tokenizer, config.name, config.attention, fresh, fingerprint)
    backbone.stored, backbone.packed = stored, packed
    if reads == "logits" and not backbone.can_generate:
        raise _cannot_generate(hf_config.model_type)
    if config.gradient_checkpointing:
        backbone.enable_gradient_checkpointing(config.compile)
    if config.unpad:
        if config.compile:
            what = "and backbone.compile exclude each other: each batch has another number of real tokens"
            raise UserError(what, where="backbone.unpad", do="use one of them")
        backbone.unpad()
    if config.compile:
        backbone.model.compile(dynamic=True)
    return backbone


def load_language_model(config: BackboneConfig) -> PreTrainedModel | None:
    """Load the backbone with the head that it was pretrained with, masked or causal; None where it has none.

    Raises:
        UserError: not found or not reachable.
    """
    hf_config = _load_config(config)
    auto = next((a for a in (AutoModelForMaskedLM, AutoModelForCausalLM) if type(hf_config) in a._model_mapping), None)
    if auto is None or hf_config.is_encoder_decoder:
        return None
    try:
        loaded: Any = auto.from_pretrained(**_source(config), config=hf_config, dtype="auto", output_loading_info=True)
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        raise _not_loaded(config.name, error) from error
    model, info = loaded  # a pair, with output_loading_info
    body = f"{model.base_model_prefix}."
    if any(not name.startswith(body) for name in info["missing_keys"]):  # the checkpoint holds no head
        return None
    return model.to(_dtype(config)).eval()


def auto_class(config: PretrainedConfig, reads: str) -> Any:
    """Return the class that loads what heads read.

    Raises:
        UserError: the family has no such model.
    """
    if reads == "states":
        return AutoModel
    if reads == "logits":
        language_model = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        if type(config) not in language_model._model_mapping:
            raise _cannot_generate(config.model_type)
        return language_model
    found = [auto for auto in (AutoModelForMaskedLM, AutoModelForCausalLM) if type(config) in auto._model_mapping]
    if config.is_encoder_decoder or not found:
        why = "is an encoder-decoder" if config.is_encoder_decoder else "has no language model"
        do = "a template needs a masked language model (bert, roberta, ...) or a causal one (gpt2, llama, ...)"
        raise UserError(f"backbone family '{config.model_type}' {why}", where="backbone.name", do=do)
    return found[0]


def _check_language_head(model: Any, missing: Iterable[str], name: str) -> None:
    """Refuse a language model whose head was drawn at random.

    Raises:
        UserError: names the first weight that the checkpoint lacks.
    """
    lacking = sorted(key for key in missing if not key.startswith(f"{model.base_model_prefix}."))
    if lacking:
        what = f"'{name}' was saved without its masked-language-model head (no {lacking[0]}), which a template needs"
        raise UserError(what, where="backbone.name", do="use a checkpoint that has it, or ptuning.template=null")


def load_tokenizer(config: BackboneConfig, hf_config: PretrainedConfig | None = None) -> PreTrainedTokenizerBase:
    """Load the backbone's tokenizer and set it up for the backbone, see `check.py`.

    Args:
        config: names the backbone.
        hf_config: transformers' config of it, where it is read already.

    Raises:
        UserError: not found or not reachable, or it has tokens that the backbone has no embedding for.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(**_source(config), use_fast=True)
    except (OSError, ValueError) as error:
        raise _not_loaded(config.name, error) from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # what transformers makes of missing files
        raise _not_loaded(config.name, "it has no vocabulary")
    return fit_tokenizer(tokenizer, hf_config or _load_config(config), config.name)


def is_encoder_decoder(config: BackboneConfig) -> bool:
    """Tell whether the backbone has an encoder and a decoder, from its config alone.

    Raises:
        UserError: not found or not reachable.
    """
    return _load_config(config).is_encoder_decoder


def backbone_about(config: BackboneConfig) -> tuple[str, bool]:
    """Return the backbone's family, and whether it is a decoder alone, from its config.

    Raises:
        UserError: not found or not reachable.
    """
    found = _load_config(config)
    return found.model_type, not found.is_encoder_decoder and type(found) not in MODEL_FOR_MASKED_LM_MAPPING


def check_writer(config: BackboneConfig) -> None:
    """Refuse a backbone that writes no texts, by its config alone.

    Raises:
        UserError: it is an encoder; not found or not reachable.
    """
    family, decoder_only = backbone_about(config)
    if not decoder_only and not is_encoder_decoder(config):
        raise _cannot_generate(family)


def position_count(config: BackboneConfig) -> int | None:
    """Return how many positions the backbone's config names; None where it names none.

    Raises:
        UserError: not found or not reachable.
    """
    return getattr(_load_config(config), "max_position_embeddings", None)


def backbone_size(config: BackboneConfig) -> int:
    """Count the backbone's parameters, from its config alone: no weights are read.

    Raises:
        UserError: not found or not reachable.
    """
    with torch.device("meta"):
        model = AutoModel.from_config(_load_config(config))
    return sum(parameter.numel() for parameter in model.parameters())


def quiet_transformers() -> None:
    """Switch off load reports and progress bars of transformers: the commands print themselves what was loaded."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # a conversion's own bar, which nothing else switches off
    setattr(gguf, "tqdm", transformers.utils.logging.tqdm)  # noqa: B010  (the name is private to the module)


def weights_fingerprint(weights: dict[str, Tensor], dtype: torch.dtype | None = None) -> str:
    """Compute the sha256 over names, dtypes, shapes and bytes of the weights, cast to `dtype` if one is given."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        if dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Compute the sha256 over what decides a text's token ids: vocabulary, merges, normalisation, special tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        state = json.loads(backend.to_str())
        for key in ("truncation", "padding"):  # set by the last call, not by the vocabulary
            state.pop(key, None)
    else:
        state = tokenizer.get_vocab()
    special = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
    text = json.dumps([state, special], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _load_config(config: BackboneConfig) -> PretrainedConfig:
    where = _source(config)
    try:
        if "gguf_file" not in where:
            return AutoConfig.from_pretrained(**where)
        file = Path(where["pretrained_model_name_or_path"], where["gguf_file"])
        return deepcopy(_gguf_config(file.stat().st_mtime_ns if file.is_file() else None, **where))
    except (OSError, ValueError) as error:
        raise _not_loaded(config.name, error) from error


@lru_cache(maxsize=4)
def _gguf_config(changed: int | None, **where: Any) -> PretrainedConfig:
    """Read the config of a GGUF file: seconds, as its vocabulary comes first; `changed` tells files apart."""
    return AutoConfig.from_pretrained(**where)


def _dtype(config: BackboneConfig) -> torch.dtype:
    """Return the dtype of the weights; a run has put one in the place of `auto`, a single prediction may not have."""
    return getattr(torch, chosen_dtype()[0] if config.dtype == "auto" else config.dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _source(config: BackboneConfig) -> dict[str, Any]:
    """Make the arguments of `from_pretrained` that say where the files are."""
    name, file = config.name, config.gguf_file
    if name.startswith("demo:"):
        demo_name = name.removeprefix("demo:")
        name, file = str(demo.model_folder(demo_name)), demo.gguf_file(demo_name)
    elif name.startswith((".", "/", "~")):
        name = str(Path(name).expanduser())
        if not Path(name).is_dir():
            raise UserError(f"no such folder '{name}'", where="backbone.name", do="correct the path, or give a hub id")
    elif not Path(name).is_dir():
        hub_answers()  # where it does not, only the cache is looked at from now on
    where: dict[str, Any] = {"pretrained_model_name_or_path": name, "revision": config.revision}
    return where | ({"gguf_file": file} if file else {})


def _cannot_generate(family: str) -> UserError:
    return UserError(
        f"backbone family '{family}' cannot generate text",
        where="backbone.name",
        do="a seq2seq task needs an encoder-decoder (t5, bart, ...) or a decoder (gpt2, llama, qwen2, ...)",
    )


def _not_loaded(name: str, error: object) -> UserError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    do = "check the name and the network"
    if constants.HF_HUB_OFFLINE and not Path(name).expanduser().is_dir():
        why = "HF_HUB_OFFLINE is set" if hub_answers() else "the hub does not answer"
        reason = f"{why}, and it is not in the cache" if isinstance(error, OSError) else reason
        do = "fetch it with python -m ptv2.prepare where there is a network"
    return UserError(
        f"cannot load '{name}' ({reason})",
        where="backbone.name",
        do=f"{do}, or give a local folder, or demo:minilm-l6",
    )
