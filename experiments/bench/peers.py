"""What others do with the same rows: PEFT, the official recipe and full fine-tuning, by transformers' Trainer.

Shapes: B batch, T tokens, P prompt positions, L layers, H heads, D width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    DynamicCache,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from experiments.bench.gate import Gate
from experiments.bench.plan import ROWS, Group
from experiments.bench.systems import ENDLESS, config_of, new_folder, steps, tasks_of
from ptv2.backbone.demo import model_folder
from ptv2.backbone.load import load_language_model
from ptv2.data.taskdata import TaskData

CLASSES = {
    "cls": (AutoModelForSequenceClassification, "SEQ_CLS", DataCollatorWithPadding),
    "tagging": (AutoModelForTokenClassification, "TOKEN_CLS", DataCollatorForTokenClassification),
    "span": (AutoModelForQuestionAnswering, "QUESTION_ANS", DataCollatorWithPadding),
}


def trainer(group: Group, options: Mapping[str, Any], gate: Gate) -> None:
    """Train by `Trainer` at its defaults (`group`: rows of like length in a batch), saving nothing."""
    config = config_of(group, {})
    ((name, data),) = tasks_of(config).items()
    gate.steps = steps({name: data}, config.data.batch_size)
    method = options["method"]
    model, collator = peer(group, data, method)
    made = TrainingArguments(
        output_dir=new_folder(),
        per_device_train_batch_size=config.data.batch_size,
        max_steps=ENDLESS,
        learning_rate=5e-5 if method == "full" else 5e-3,
        train_sampling_strategy="group_by_length" if options.get("group") else "random",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    rows: Any = [
        plain(feature, data.card.kind, ROWS[group.rows].official_length if method == "official" else None)
        for feature in data.encoded("train")
    ]
    Trainer(model, made, data_collator=collator, train_dataset=rows, callbacks=[Asking(gate)]).train()


class Asking(TrainerCallback):
    """Ask the gate before each step."""

    def __init__(self, gate: Gate):
        self.gate = gate

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.gate()


def peer(group: Group, data: TaskData, method: str) -> tuple[nn.Module, Any]:
    """Make the model that a method trains, and what collates its batches."""
    tokenizer, rows = data.features.tokenizer, ROWS[group.rows]
    if data.card.kind == "seq2seq":
        model, task_type = load_language_model(config_of(group, {}).backbone), "CAUSAL_LM"
        assert model is not None  # it has the head that it was pretrained with
        model.is_quantized = False  # its file was: the weights are plain ones now, which the Trainer does not know
        collator: Any = DataCollatorForSeq2Seq(tokenizer)
    else:
        auto, task_type, collate = CLASSES[data.card.kind]
        where = model_folder(rows.backbone.removeprefix("demo:"))
        plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # as for the others
        official = method == "official"
        padding = {"padding": "max_length", "max_length": rows.official_length} if official else {}
        collator = collate(tokenizer, **padding)
        labels = {"num_labels": len(data.label_names())} if data.card.kind != "span" else {}
        if official:
            return OfficialPrefix(AutoModel.from_pretrained(where, **plain), group.length, data), collator
        model = auto.from_pretrained(where, **plain, **labels)
    assert isinstance(model, PreTrainedModel)
    if method == "prefix":
        return get_peft_model(model, PrefixTuningConfig(task_type=task_type, num_virtual_tokens=group.length)), collator
    if method == "lora":
        return get_peft_model(model, LoraConfig(task_type=task_type)), collator
    return model, collator


class OfficialPrefix(nn.Module):
    """The official recipe: Embedding(P, 2 * L * D), repeated for the batch, dropped, handed over as a cache.

    Written anew after the published description; heads as that of each kind of task.
    """

    def __init__(self, model: PreTrainedModel, length: int, data: TaskData):
        super().__init__()
        self.model, self.length, self.kind = model.requires_grad_(False), length, data.card.kind
        sizes = model.config
        self.layers, self.heads, self.width = sizes.num_hidden_layers, sizes.num_attention_heads, sizes.hidden_size
        self.prefix = nn.Embedding(length, 2 * self.layers * self.width)
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(self.width, 2 if self.kind == "span" else len(data.label_names()))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss of a batch, with a text's logits; the Trainer drops columns that are no argument."""
        B, places = len(input_ids), torch.arange(self.length, device=input_ids.device)
        prefix_BPF = self.prefix(places.expand(B, -1))
        prefix = self.dropout(prefix_BPF.view(B, self.length, 2 * self.layers, self.heads, self.width // self.heads))
        pairs = prefix.permute(2, 0, 3, 1, 4).split(2)
        seen_BK = torch.cat([attention_mask.new_ones(B, self.length), attention_mask], dim=1)
        cache = DynamicCache([(key, value) for key, value in pairs])
        read = self.model(input_ids, attention_mask=seen_BK, past_key_values=cache)
        if self.kind == "cls" and labels is not None:
            logits_BC = self.out(self.dropout(read.pooler_output))
            return {"loss": nn.functional.cross_entropy(logits_BC, labels), "logits": logits_BC}
        logits_BTC = self.out(self.dropout(read.last_hidden_state))
        if labels is not None:
            return {"loss": nn.functional.cross_entropy(logits_BTC.flatten(0, 1), labels.flatten())}
        ends = zip(logits_BTC.unbind(-1), (start_positions, end_positions), strict=True)
        losses = [nn.functional.cross_entropy(logits_BT, end_B) for logits_BT, end_B in ends if end_B is not None]
        return {"loss": torch.stack(losses).mean()}


def plain(feature: Mapping[str, Any], kind: str, most: int | None) -> dict[str, Any]:
    """Make a row of what a model reads, cut to `most` tokens."""
    row = {name: feature[name][:most] for name in ("input_ids", "attention_mask")}
    if kind == "span":
        row["start_positions"], row["end_positions"] = feature["labels"]
    else:
        row["labels"] = feature["labels"][:most] if kind == "tagging" else feature["labels"]
    return row
