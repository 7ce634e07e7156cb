"""Form `llama-state`: a prompt as the state of a sequence of P tokens, which llama.cpp reads into its cache.

f32.bin, f16.bin         for a cache of this type, by `llama_state_seq_load_file`; tokens follow from position P on
f32-flash.bin, ...       the same for a context with flash attention, whose values lie the other way
state.json               what they are for: backbone, task, P, the layout of keys, and the release of llama.cpp

llama.cpp numbers this layout and reads no other number. It was written down from what the release named here saves, and
is tried there (experiments/judges). Where a GGUF has the query and key weights of a family permuted, so that a rotary
pair lies side by side, keys are permuted likewise.

Shapes: L layers, P positions, G key/value heads, D width of a key, N = G * D.
"""

import json
import struct
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ptv2.errors import UserError
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import KeysValues, Source, keys_values, one_length

FORMAT = 1
RELEASE, PACKAGE = "v0.5.0", "node-llama-cpp 3.22.1"
"""The release of llama.cpp that the files are for, and the package in which it was tried."""
VERSION = 3  # of such files, LLAMA_STATE_SEQ_VERSION of llama.h
MAGIC = 0x67677371  # "ggsq", LLAMA_STATE_SEQ_MAGIC of llama.h
TYPES = {torch.float32: 0, torch.float16: 1}
"""The numbers of ggml's types (ggml.h)."""
PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}
"""Family -> whether its GGUF has rotary pairs side by side."""


def write_llama_state(source: Source, folder: Path) -> None:
    """Write the files.

    Raises:
        UserError: a family whose layout is not known, layers that differ, or more than keys and values.
    """
    held = keys_values(source, "llama-state")
    family = source.backbone.model.config.model_type
    if family not in PERMUTED:
        what = f"the layout of family '{family}' in a GGUF is not known here"
        do = f"use --form kv; it is known of {', '.join(PERMUTED)}"
        raise UserError(what, where=source.path, do=do)
    P = one_length(source, held, "a state of llama.cpp")
    held = for_cache(source, held)
    token = cast(int, source.backbone.tokenizer.eos_token_id or 0)
    for dtype, name in ((torch.float32, "f32"), (torch.float16, "f16")):
        for flash in (False, True):
            states = [_laid_out(kv, dtype, PERMUTED[family]) for kv in held]
            (folder / f"{name}{'-flash' * flash}.bin").write_bytes(state_file(states, [token] * P, flash))
    about = {
        "format": FORMAT,
        "engine": {"program": "llama.cpp", "release": RELEASE, "state": VERSION, "tried with": PACKAGE},
        "backbone": source.artifact.about["backbone"],
        "task": source.task,
        "positions": P,
        "layers": len(held),
        "keys": "rotary pairs side by side" if PERMUTED[family] else "rotary pairs half a width apart",
    }
    (folder / "state.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    source.notes.append(f"for llama.cpp {RELEASE}, tried with {PACKAGE}: a release with another layout refuses it")
    if source.head.reads == "states":
        source.notes.append(f"the head of '{source.task}' is left out: the form holds keys and values alone")


def side_by_side(key_GPD: Tensor) -> Tensor:
    """Put the pairs (i, i + D/2) of transformers' layout side by side."""
    return key_GPD.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)


def _laid_out(kv: KeysValues, dtype: torch.dtype, permuted: bool) -> tuple[Tensor, Tensor]:
    """Return keys and values [P, N], a position's heads behind each other."""
    key_GPD = side_by_side(kv.key_GPD) if permuted else kv.key_GPD
    pair = [states.transpose(0, 1).flatten(1).to(dtype).cpu().contiguous() for states in (key_GPD, kv.value_GPE)]
    return pair[0], pair[1]


def state_file(states: list[tuple[Tensor, Tensor]], tokens: list[int], flash: bool) -> bytes:
    """Write what `llama_state_seq_save_file` would, of sequence 0.

    Args:
        states: keys and values [P, N] of each layer, in the type of the cache.
        tokens: P ids that stand for the positions where an engine asks which they are.
        flash: values lie by position; else by their number in it.
    """
    count = len(tokens)
    parts = [struct.pack(f"<3I{count}i", MAGIC, VERSION, count, *tokens)]
    parts.append(struct.pack("<2I", 1, count))  # streams, cells of the first
    parts += [struct.pack("<iIi", position, 1, 0) for position in range(count)]  # of one sequence, number 0
    parts.append(struct.pack("<2I", not flash, len(states)))
    for key_PN, _ in states:
        parts += [struct.pack("<iQ", TYPES[key_PN.dtype], key_PN[0].nbytes), key_PN.numpy().tobytes()]
    for _, value_PN in states:
        if flash:
            parts.append(struct.pack("<iQ", TYPES[value_PN.dtype], value_PN[0].nbytes))
            parts.append(value_PN.numpy().tobytes())
        else:
            parts.append(struct.pack("<i2I", TYPES[value_PN.dtype], value_PN.itemsize, value_PN.shape[1]))
            parts.append(value_PN.T.contiguous().numpy().tobytes())
    return b"".join(parts)
