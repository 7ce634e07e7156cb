"""Form `cartridge`: a prompt as Tokasaurus serves it, in the format of the cartridges code (HazyResearch/cartridges).

cartridge.pt   frozen_keys, frozen_values, trainable_keys, trainable_values: a list of tensors [1, G, P, D], one a
               layer, G key/value heads; the first position counts as frozen. Plain tensors in lists, nothing of ptv2.
config.yaml    how many positions there are, and of which model

Read in those projects' sources (cartridges/cache.py; tokasaurus/manager/types.py and input_building.py), not run in
them: they need a GPU. Tokasaurus keeps a cache in pages and lets the tokens begin behind the last page of a cartridge,
so P fills whole pages.
"""

from pathlib import Path

import torch
import yaml

from ptv2.errors import UserError
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import Source, keys_values, one_length

PAGE = 16  # tokens in a page of Tokasaurus, unless it is started with another page_size


def write_cartridge(source: Source, folder: Path) -> None:
    """Write the two files.

    Raises:
        UserError: not a decoder, layers that differ, or a P that leaves a page half empty.
    """
    held = keys_values(source, "cartridge")
    P = one_length(source, held, "a cartridge")
    if P % PAGE:
        what = f"has {P} positions, and Tokasaurus fills whole pages of {PAGE}"
        raise UserError(what, where=source.path, do=f"train with a prompt.length that {PAGE} divides, or use --form kv")
    tensors: dict[str, list[torch.Tensor]] = {}
    pairs = [(kv.key_GPD.cpu(), kv.value_GPE.cpu()) for kv in for_cache(source, held)]
    for name, states in zip(("keys", "values"), zip(*pairs, strict=True), strict=True):
        tensors[f"frozen_{name}"] = [layer[None, :, :1].clone() for layer in states]
        tensors[f"trainable_{name}"] = [layer[None, :, 1:].clone() for layer in states]
    torch.save(tensors, folder / "cartridge.pt")
    about = {
        "kv_cache_initializer": {"max_tokens": P, "num_frozen_tokens": 1},
        "model": {"pretrained_model_name_or_path": source.backbone.name},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
