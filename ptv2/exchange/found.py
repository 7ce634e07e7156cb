"""What is found in a folder that another program wrote: a PEFT adapter, or a checkpoint of the official P-Tuning v2.

Shapes: P prompt positions, L layers, D width of the keys of a position (and of its values).
"""

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ptv2.errors import UserError

PREFIXES, SOFT = ("PREFIX_TUNING", "CARTRIDGE"), ("PROMPT_TUNING", "P_TUNING")
PEFT_TYPES = (*PREFIXES, *SOFT, "LORA")
MORE_THAN_LORA = (
    "use_dora", "rank_pattern", "alpha_pattern", "lora_bias", "use_qalora", "use_bdlora", "alora_invocation_tokens",
    "arrow_config", "kasa_config", "monteclora_config", "trainable_token_indices", "layer_replication",
    "target_parameters",
)  # fmt: skip
"""Settings of PEFT's LoRA with which a layer computes, or has, more than two matrices of one rank."""
OF_OTHER_WEIGHTS = ("pissa", "corda", "olora", "loftq", "lora_ga")
"""Beginnings of `init_lora_weights` with which PEFT takes the start of LoRA out of the backbone's weights."""
OFFICIAL = "prefix_encoder."
"""How the official code calls what it trains (model/prefix_encoder.py of THUDM/P-tuning-v2)."""
FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass
class Found:
    """The parts of a foreign folder, and the config that a run of ptv2 would have trained them with."""

    path: Path
    what: str  # in words
    settings: dict[str, Any]
    prompt: Tensor | None = None  # [P, 2 * L * D] of a prefix, [P, W] at the input
    lora: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # layer -> A, B; names as in the other program
    rest: dict[str, Tensor] = field(default_factory=dict)  # heads and backbone, under their names in the model
    base: str = ""  # the model that it says it was trained on


def find(path: Path) -> Found:
    """Read a PEFT folder, or a folder or file of the official code.

    Raises:
        UserError: neither, an adapter of another type, or a file that cannot be read.
    """
    if (path / "adapter_config.json").is_file():
        return _peft(path)
    file = path if path.is_file() else next((path / name for name in FILES if (path / name).is_file()), None)
    if file is None:
        what = "holds neither an adapter of PEFT (adapter_config.json) nor a checkpoint (pytorch_model.bin)"
        raise UserError(what, where=path, do="give the folder that one of them wrote")
    return _official(path, _read(file))


def _read(file: Path) -> dict[str, Tensor]:
    """Read tensors by name; no code in a file is run."""
    try:
        held = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise UserError(f"cannot be read ({reason})", where=file, do="copy it again") from error
    tensors = {name: t for name, t in held.items() if isinstance(t, Tensor)} if isinstance(held, Mapping) else {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(f"'{name}' is not finite", where=file, do="copy it again, or train it again")
    return tensors


# -- PEFT --------------------------------------------------------------------------------------------------------------


def _peft(path: Path) -> Found:
    try:
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        kind = config["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("cannot be read (adapter_config.json)", where=path, do="copy it again") from error
    if kind not in PEFT_TYPES:
        what = f"is a PEFT adapter of type {kind}"
        raise UserError(what, where=path, do=f"these can be converted: {', '.join(PEFT_TYPES)}")
    files = ("adapter_model.safetensors", "adapter_model.bin")
    file = next((path / name for name in files if (path / name).is_file()), None)
    if file is None:
        raise UserError(f"has no {files[0]}", where=path, do="copy it again")
    tensors = _read(file)
    found = Found(path, f"PEFT {kind}", {}, base=str(config.get("base_model_name_or_path") or ""))
    if kind == "LORA":
        found.settings = _lora_settings(path, config)
        _take_lora(found, {name.removeprefix("base_model.model."): t for name, t in tensors.items()})
        return found
    found.prompt = tensors.pop("prompt_embeddings", None)
    if found.prompt is None:
        raise UserError("holds no prompt_embeddings", where=file, do="save it with save_pretrained of PEFT")
    P = _count(path, config, "num_virtual_tokens")
    if len(found.prompt) % P:
        what = f"holds {len(found.prompt)} positions, and num_virtual_tokens is {P}"
        raise UserError(what, where=path, do="copy both of its files again")
    if len(found.prompt) != P:
        what = f"has prompts for {len(found.prompt) / P:g} parts of the model, of which ptv2 reads one"
        raise UserError(what, where=path, do="convert an adapter of a model that is an encoder or a decoder")
    if kind in PREFIXES and config.get("num_transformer_submodules", 1) != 1:
        what = "is a prefix of an encoder-decoder, of whose layers PEFT prompts some twice and some not"
        raise UserError(what, where=path, do="convert an adapter of a model that is an encoder or a decoder")
    found.settings = _prefix_settings(P) if kind in PREFIXES else {"method": "prompt", "prompt.length": P}
    found.rest = {name.removeprefix("base_model."): tensor for name, tensor in tensors.items()}
    return found


def _positive(path: Path, config: Mapping[str, Any], key: str) -> float:
    """Return a number of adapter_config.json.

    Raises:
        UserError: there is none above 0.
    """
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UserError(f"'{key}' is {value!r}", where=path / "adapter_config.json", do="copy it again")
    return value


def _count(path: Path, config: Mapping[str, Any], key: str) -> int:
    """Return a whole number of adapter_config.json.

    Raises:
        UserError: there is none above 0.
    """
    value = _positive(path, config, key)
    if value != int(value):
        raise UserError(f"'{key}' is {value!r}", where=path / "adapter_config.json", do="copy it again")
    return int(value)


def _prefix_settings(length: int) -> dict[str, Any]:
    """Of keys and values in every layer, in a cache: tokens begin at P."""
    return {"method": "deep", "prompt.length": length, "prompt.form": "kv", "prompt.position_offset": True}


def _lora_settings(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of `lora`, for an adapter that is plain LoRA.

    Raises:
        UserError: it has something that ptv2's layers have not.
    """
    rank, alpha = _count(path, config, "r"), _positive(path, config, "lora_alpha")
    odd = [key for key in MORE_THAN_LORA if config.get(key)]
    if config.get("bias", "none") != "none":
        odd.append("bias")
    if odd:
        do = "convert an adapter of one rank for all layers, without biases"
        raise UserError(f"is LoRA with {odd[0]}, which ptv2 does not have", where=path, do=do)
    if (start := str(config.get("init_lora_weights")).lower()).startswith(OF_OTHER_WEIGHTS):
        what = f"is LoRA with init_lora_weights={start}, beside which the backbone has other weights than its own"
        do = "save it as plain LoRA (save_pretrained with path_initial_model_for_weight_conversion), or merged"
        raise UserError(what, where=path, do=do)
    alpha = alpha * math.sqrt(rank) if config.get("use_rslora") else alpha  # scaled by alpha / sqrt(rank)
    return {"method": "lora", "lora.rank": rank, "lora.alpha": float(alpha)}


def _take_lora(found: Found, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        layer, _, part = name.removesuffix(".weight").rpartition(".lora_")
        if part in ("A", "B"):
            found.lora.setdefault(layer, {})[part] = tensor
        elif "lora_" in name:
            what = f"has '{name}', and ptv2 adapts linear layers alone"
            raise UserError(what, where=found.path, do="leave embeddings out of target_modules")
        else:
            found.rest[name] = tensor
    torn = [layer for layer, parts in found.lora.items() if len(parts) < 2]
    if torn or not found.lora:
        what = f"has one of two matrices of '{torn[0]}'" if torn else "holds no matrices of LoRA"
        raise UserError(what, where=found.path, do="copy it again")


# -- the official code -------------------------------------------------------------------------------------------------


def _official(path: Path, tensors: dict[str, Tensor]) -> Found:
    """Fold the projection, where there is one: Embedding -> Linear -> Tanh -> Linear (prefix_projection)."""
    own = {name.removeprefix(OFFICIAL): t for name, t in tensors.items() if name.startswith(OFFICIAL)}
    if "embedding.weight" not in own:
        what = f"has no {OFFICIAL}embedding.weight, so it is no checkpoint of the official P-Tuning v2"
        raise UserError(what, where=path, do="give a folder that it wrote with --prefix")
    prompt = own["embedding.weight"].float()
    if "trans.0.weight" in own:
        for layer in ("trans.0", "trans.2"):
            if f"{layer}.weight" not in own or f"{layer}.bias" not in own:
                raise UserError(f"has no whole {OFFICIAL}{layer}", where=path, do="copy it again")
        first, last = (own[f"{layer}.weight"].double() for layer in ("trans.0", "trans.2"))
        hidden = torch.tanh(prompt.double() @ first.T + own["trans.0.bias"].double())
        prompt = (hidden @ last.T + own["trans.2.bias"].double()).float()
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(OFFICIAL)}
    return Found(path, "official P-Tuning v2", _prefix_settings(len(prompt)), prompt, {}, rest)
