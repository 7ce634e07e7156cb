"""What the model writes, verbatim, in TensorBoard's text tab after each validation."""

import html
import re
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

SHOWN = 4  # rows per task


class Samples(Callback):
    """Show source, reference and generated text of the first rows of each generating task.

    All ranks generate, as each may hold a part of the backbone; the board of rank zero alone is a file.
    """

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if trainer.sanity_checking or not boards:
            return
        for name, data in module.tasks.items():
            if module.heads[name].reads == "logits" and "validation" in data.rows:
                text = self._table(module, name)
                for board in boards:
                    board.experiment.add_text(f"samples/{name}", text, trainer.global_step)  # as its scores

    def _table(self, module: Any, name: str) -> str:
        data = module.tasks[name]
        encoded = data.encoded("validation")
        features = [encoded[i] for i in range(min(SHOWN, len(encoded)))]
        batch = data.features.collate(features) | {"task": name}
        batch = {k: v.to(module.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        with torch.no_grad():
            written = module.heads[name].generate(module.backbone, module.prompts(batch), batch)
        rows = ["| source | reference | generated |", "|---|---|---|"]
        for feature, text in zip(features, written, strict=True):
            ids = feature["input_ids"][: feature.get("source_length")]
            source = module.backbone.tokenizer.decode(ids, skip_special_tokens=True)
            reference = data.features.reference(data.rows["validation"].data[feature["row"]])[0]
            rows.append("| " + " | ".join(_cell(part) for part in (source, reference, text)) + " |")
        return "\n".join(rows)


def _cell(text: str) -> str:
    """Escape the text so that a table's cell shows it as it is: TensorBoard reads Markdown."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text, quote=False)).replace("\n", "<br>")
