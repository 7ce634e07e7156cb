"""What the model writes for the first validation rows of a generating task, verbatim."""

from typing import Any

import torch

from ptv2.train.board.text import cell, table

SHOWN = 4  # rows per task


@torch.no_grad()
def samples(module: Any, name: str) -> str:
    """Write a table of source, reference and generated text.

    All ranks generate, as each may hold a part of the backbone.
    """
    data = module.tasks[name]
    encoded = data.encoded("validation")
    features = [encoded[i] for i in range(min(SHOWN, len(encoded)))]
    batch = data.features.collate(features) | {"task": name}
    batch = {k: v.to(module.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
    written = module.heads[name].generate(module.backbone, module.prompts(batch), batch)
    rows = []
    for feature, text in zip(features, written, strict=True):
        ids = feature["input_ids"][: feature.get("source_length")]
        source = module.backbone.tokenizer.decode(ids, skip_special_tokens=True)
        reference = data.features.reference(data.rows["validation"].data[feature["row"]])[0]
        rows.append([cell(part) for part in (source, reference, text)])
    return table(["source", "reference", "generated"], rows)
