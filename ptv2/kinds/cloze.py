"""Cloze questions over entities (ReCoRD): which of the row's entities fills the gap of the query.

Shapes: B entities of all rows of a batch.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.config.cards import TaskCard
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError
from ptv2.kinds.features import Explained, Feature, Features, Row
from ptv2.kinds.grading import CLOZE
from ptv2.kinds.options import COMMON, CUT, FILLED, TEXTS
from ptv2.kinds.templates import Part, joined, names_of, value_at
from ptv2.kinds.texts import PooledHead
from ptv2.rows.rows import Rows


class ClozeFeatures(Features):
    r"""inputs: `text`, the passage, `query`, and `entities`, a field with a list; label: the list of gold answers.

    As the official code: one feature per entity, the pair (passage, query with the entity in the gap), labelled 1 if
    the entity is an answer. The entity that the head finds most likely is the prediction.
    `options.placeholder` is the gap ("@placeholder"); `options.replace` says what to write for parts of the passage
    (ReCoRD's summary points: {"@highlight\n": "- "}).
    """

    grading = CLOZE

    roles = ("text", "query", "entities")
    several = True
    trivial = "the entity that is named most often"
    valid_options = COMMON | CUT | {"placeholder": FILLED, "replace": TEXTS}

    @classmethod
    def has_labels(cls) -> bool:
        return False

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        passage, query = self.parts("text", row, where), self.parts("query", row, where)
        for old, new in (self.card.options.get("replace") or {}).items():
            passage = _replaced(passage, old, new)
        gap = self.card.options.get("placeholder") or "@placeholder"
        if gap not in joined(query):
            raise UserError(f"field '{self.card.inputs['query']}' has no '{gap}'", where=where(), do="mark the gap")
        entities = self._texts(row, self.card.inputs["entities"], where)
        answers = self._texts(row, self.card.label, where) if labelled else []
        if training and labelled and not set(entities) & set(answers):
            raise UserError("no entity is an answer", where=where(), do="add the answer to the entities")
        features = []
        for number, entity in enumerate(entities):
            features.append(self.fitted(passage, _replaced(query, gap, entity)) | {"entity": number})
            if labelled:
                features[-1]["labels"] = int(entity in answers)
        return features

    @classmethod
    def may_be_cut(cls, card: TaskCard) -> list[str]:
        return [name for role in ("text", "query") for name in names_of(card.inputs[role])]

    def _texts(self, row: Row, field: str, where: Callable[[], str]) -> list[str]:
        texts = value_at(row, field)
        if not isinstance(texts, list) or not texts or any(not isinstance(t, str) or not t.strip() for t in texts):
            raise UserError(
                f"field '{field}' does not hold a list of texts", where=where(), do="give it one or more texts"
            )
        return texts

    def reference(self, row: Row) -> list[str]:
        return self._texts(row, self.card.label, lambda: self.card.name)

    def prediction(self, row: Row, outputs: list[Any]) -> str:
        """Choose the likeliest entity, the first of several equal ones."""
        best = max(outputs, key=lambda output: (output["yes"], -output["entity"]))
        return value_at(row, self.card.inputs["entities"])[best["entity"]]

    def shown(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return how likely each entity is."""
        entities = value_at(row, self.card.inputs["entities"])
        in_order = sorted(outputs, key=lambda output: output["entity"])
        return {"scores": {entities[output["entity"]]: round(output["yes"], 6) for output in in_order}}

    def guesses(self, rows: Rows, training: list[list[str]], references: list[list[str]]) -> list[str]:
        """Guess the entity that the passage names most often."""
        passages = [self.text("text", row, lambda: self.card.name) for row in rows]
        named = [value_at(row, self.card.inputs["entities"]) for row in rows]
        return [
            max(entities, key=partial(_times_named, text=text)) for text, entities in zip(passages, named, strict=True)
        ]

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Collate as usual, with `entity_B`, the number of the entity in its row."""
        return super().collate(features, length) | {"entity_B": torch.tensor([f["entity"] for f in features])}

    def explain(self, row: Row, feature: Feature) -> Explained:
        lines = [self.tokens(feature["input_ids"]), f"label: {feature['labels']} (1: this entity is an answer)"]
        return lines, {"yes": float(feature["labels"]), "entity": feature["entity"]}


def _times_named(entity: str, text: str) -> tuple[int, int]:
    """Count how often a text names an entity, as words of its own, and as a part of others."""
    return len(re.findall(rf"(?<!\w){re.escape(entity)}(?!\w)", text)), text.count(entity)


def _replaced(parts: list[Part], old: str, new: str) -> list[Part]:
    """Return the parts with another text for `old`, which may reach over several: they are one then."""
    made = [replace(part, text=part.text.replace(old, new)) for part in parts]
    text = joined(parts).replace(old, new)
    return made if joined(made) == text else [Part(text, parts[0].field)]


class ClozeHead(PooledHead):
    """dropout -> Linear to no and yes on the pooled vector; cross-entropy per entity (the official code)."""

    votes = ("mean", "majority")

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__(config, backbone, classes=2)

    def loss(self, logits_B2: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.cross_entropy(logits_B2, batch["labels"])

    def decode(self, logits_B2: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        yes_B = logits_B2.softmax(-1)[:, 1].tolist()
        return [{"entity": n, "yes": yes} for n, yes in zip(batch["entity_B"].tolist(), yes_B, strict=True)]
