"""Form `kv`: the keys and values of every layer in one safetensors file, for any program with a cache.

kv.safetensors   `<place>.<layer>` [2, G, P, D] in float32: keys, then values, of G key/value heads and P positions;
                 where keys and values differ in width, `<place>.<layer>.key` and `.value`, [G, P, D] each
kv.json          what they are for: backbone, task, P, the position of the first real token
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ptv2.errors import UserError
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import Source, keys_values

FORMAT = 1


def write_kv(source: Source, folder: Path) -> None:
    """Write the two files.

    Keys are those of a cache whose P positions come first, with tokens from P on, where the family's positions allow
    it; else the tokens begin where they were trained, and `first_position` says so.

    Raises:
        UserError: a prompt that is more than keys and values.
    """
    held = keys_values(source, "kv")
    first_position = source.positions
    lengths = {kv.length for kv in held}
    if not source.backbone.is_encoder_decoder and len(lengths) == 1:
        try:
            held, first_position = for_cache(source, held), lengths.pop()
        except UserError as error:
            source.notes.append(f"tokens begin at position {first_position}, beside the keys: {error}")
    elif len(lengths) > 1:
        why = "layers have unlike numbers of positions"
        source.notes.append(f"tokens begin at position {first_position}, beside the keys: {why}")
    tensors: dict[str, Tensor] = {}
    for kv in held:
        name = f"{kv.site.place}.{kv.site.layer}"
        if kv.site.key_dim == kv.site.value_dim:
            tensors[name] = torch.stack([kv.key_GPD, kv.value_GPE]).cpu()
        else:
            tensors |= {f"{name}.key": kv.key_GPD.cpu().contiguous(), f"{name}.value": kv.value_GPE.cpu().contiguous()}
    about = {
        "format": FORMAT,
        "backbone": source.artifact.about["backbone"],
        "task": source.task,
        "labels": source.artifact.about["labels"][source.task],
        "first_position": first_position,
        "layers": [
            {"place": kv.site.place, "layer": kv.site.layer, "positions": kv.length, "heads": kv.site.kv_heads}
            for kv in held
        ],
    }
    save_file(tensors, folder / "kv.safetensors", metadata={"format": "pt"})
    (folder / "kv.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if source.head.reads == "states":
        source.notes.append(f"the head of '{source.task}' is left out: the form holds keys and values alone")
