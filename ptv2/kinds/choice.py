"""Multiple choice: one of the 2..N choices of a row, whose number may differ from row to row.

Shapes: B rows, S choices of all rows of a batch, N choices of the row that has most.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ptv2.backbone import Backbone
from ptv2.config.cards import TaskCard
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError
from ptv2.kinds.ensemble import joint_softmax
from ptv2.kinds.features import Explained, Feature, Features, Row
from ptv2.kinds.grading import BY_CHOICE
from ptv2.kinds.options import COMMON, CUT, FIELD, Option
from ptv2.kinds.templates import Part, fields_of, names_of, value_at
from ptv2.kinds.texts import PooledHead
from ptv2.rows.arrays import Encoded, column, counts
from ptv2.rows.labels import text_of
from ptv2.rows.rows import Rows

CHOICE = "{choice}"


def _counts_from(value: Any) -> bool:
    letter = isinstance(value, str) and re.fullmatch("[A-Za-z]", value) is not None
    return letter or (type(value) is int and value >= 0)


FIRST = Option(_counts_from, "use a whole number, 0 or more, or a letter in quotes")


class ChoiceFeatures(Features):
    """inputs: `text`, the stem, and the choices; label: the index of the right one.

    The choices are a list (`choices: candidate_answers`, dotted where it is nested: `choices.text`), or roles of their
    own (`choice1`, `choice2`, ...: fields or templates; a row may lack the last ones). Each choice is read as the
    pair (stem, choice), as in the official code, or as one text where the stem's template says `{choice}`.
    `options.label_in`: the field with the choices' letters, where the label is a letter. `options.first` (0): the label
    of the first choice (WinoGrande: 1), from which answers are counted, too; A: the label is A, B, C, .... `truncate`:
    a field of the stem, or `choice`.

    A row is one feature, whose `input_ids` are a list of encodings; `collate` lays them one after the other, so that a
    row's choices share a batch.
    """

    grading = BY_CHOICE

    optional_roles = ("choices", "choice[0-9]+")
    trivial = "the place that is right most often"
    valid_options = COMMON | CUT | {"label_in": FIELD, "first": FIRST}

    @classmethod
    def has_labels(cls) -> bool:
        return False

    @classmethod
    def check_inputs(cls, card: TaskCard) -> None:
        if "choices" in card.inputs and (one := next((r for r in card.inputs if r[len("choice") :].isdigit()), None)):
            what = f"both 'choices' and '{one}' name the choices"
            raise UserError(what, where=f"{card.name}.inputs", do="keep the list, or one input for each choice")

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        choices = self._choices(row, where)
        right = self._right(row, choices, where) if labelled else None
        encodings = [self._encode_choice(choice, row, where) for choice in choices]
        feature: Feature = {key: [encoding[key] for encoding in encodings] for key in encodings[0]}
        feature["cut"] = sum(feature["cut"])
        # Groups rows of like cost: a batch pads every choice to its longest one.
        feature["length"] = len(choices) * max(map(len, feature["input_ids"]))
        return [feature if right is None else feature | {"labels": right}]

    def extent(self, encoded: Encoded) -> tuple[np.ndarray, list[np.ndarray]]:
        texts = counts(encoded, "input_ids")
        return texts, [column(encoded, "length") // texts]

    def _encode_choice(self, choice: str, row: Row, where: Callable[[], str]) -> Feature:
        stem = self.parts("text", row | {"choice": choice}, where)
        return self.fitted(stem) if CHOICE in self.card.inputs["text"] else self.fitted(stem, [Part(choice, "choice")])

    @classmethod
    def may_be_cut(cls, card: TaskCard) -> list[str]:
        return list(dict.fromkeys([*names_of(card.inputs["text"]), "choice"]))

    def _choices(self, row: Row, where: Callable[[], str]) -> list[str]:
        """Return the texts of a row's choices."""
        if "choices" in self.card.inputs:
            field = self.card.inputs["choices"]
            choices = value_at(row, field)
            if not isinstance(choices, list):
                raise UserError(
                    f"field '{field}' does not hold a list of choices", where=where(), do="give a list of texts"
                )
        else:
            roles = self._roles()
            named = [fields_of(self.card.inputs[role]) for role in roles]
            present = [all(value_at(row, name) is not None for name in names) for names in named]
            count = max((i for i, there in enumerate(present, start=1) if there), default=0)
            choices = [self.text(role, row, where) for role in roles[:count]]
        if len(choices) < 2:
            raise UserError(f"{len(choices)} choice(s)", where=where(), do="give at least 2, or remove the row")
        for number, choice in enumerate(choices):
            if choice is None or not str(choice).strip():
                raise UserError(f"choice {number} is empty", where=where(), do="remove the row or give it a text")
        return [str(choice) for choice in choices]

    def _roles(self) -> list[str]:
        """`choice1`, `choice2`, ... in the order of their numbers."""
        roles = [role for role in self.card.inputs if role.removeprefix("choice").isdigit()]
        return sorted(roles, key=lambda role: int(role.removeprefix("choice")))

    def _right(self, row: Row, choices: list[str], where: Callable[[], str]) -> int:
        """Return the index of the right choice."""
        field, value = self.card.label, row.get(self.card.label)
        if value is None:
            raise UserError(f"field '{field}' is missing", where=where())
        named = self.card.options.get("label_in")
        letters = self._letters(row, len(choices))
        if letters is None:
            if named:
                what = f"field '{named}' does not hold a list of letters"
                raise UserError(what, where=where(), do="correct options.label_in, or the row")
            names = [str(self._first() + i) for i in range(len(choices))]
        elif len(letters) == len(choices):
            names = letters
        else:
            what = f"{len(choices)} choices and {len(letters)} of '{named}'"
            raise UserError(what, where=where(), do="give each choice its letter")
        value = str(int(value)) if isinstance(value, bool) and letters is None else text_of(value)
        if value not in names:
            hint = " (-1 marks hidden test labels)" if value == "-1" else ""
            what = f"no choice is right: field '{field}' is '{value}'{hint}, the choices are {', '.join(names)}"
            do = "correct the row or remove it"
            if value in choices and not named and "choices" in self.card.inputs:
                do = f"set options.label_in={self.card.inputs['choices']}, as the label is a choice's text"
            raise UserError(what, where=where(), do=do)
        return names.index(value)

    def _first(self) -> int:
        """Return the number of the first choice."""
        first = self.card.options.get("first", 0)
        return 0 if isinstance(first, str) else first

    def _letters(self, row: Row, count: int) -> list[str] | None:
        """Return the letters of a row's choices, where its label is one of them."""
        field, first = self.card.options.get("label_in"), self.card.options.get("first")
        if not field and isinstance(first, str):
            alphabet = ascii_lowercase if first.islower() else ascii_uppercase
            return list(alphabet[alphabet.index(first) :][:count])
        letters = value_at(row, field) if field else None
        return [text_of(letter) for letter in letters] if isinstance(letters, list) else None

    def reference(self, row: Row) -> dict[str, Any]:
        choices = self._choices(row, lambda: self.card.name)
        return self._answer(row, choices, self._right(row, choices, lambda: self.card.name))

    def prediction(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        return self._answer(row, self._choices(row, lambda: self.card.name), outputs[0]["index"])

    def _answer(self, row: Row, choices: list[str], index: int) -> dict[str, Any]:
        """Write an answer that a reader understands: {"index": 1, "letter": "B", "text": ...}."""
        letters = self._letters(row, len(choices))
        return (
            {"index": self._first() + index}
            | ({"letter": letters[index]} if letters else {})
            | {"text": choices[index]}
        )

    def shown(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return how likely each choice is, numbered as the label is."""
        scores = outputs[0]["scores"].items()
        return {"scores": {str(self._first() + int(i)): round(p, 6) for i, p in scores}}

    def guesses(self, rows: Rows, training: list[dict[str, Any]], references: list[Any]) -> list[dict[str, Any]]:
        """Choose for every row the index that is right most often in the training rows, or else the first."""
        place = Counter(answer["index"] for answer in training).most_common(1)[0][0] - self._first()
        listed = ((row, self._choices(row, lambda: self.card.name)) for row in rows)
        return [self._answer(row, choices, place if place < len(choices) else 0) for row, choices in listed]

    def fields(self) -> set[str]:
        letters = self.card.options.get("label_in")
        return (super().fields() | (fields_of(letters) if letters else set())) - {"choice"}

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Collate inputs [S, T] of all choices, row by row; `choices_B`, their number per row; row and labels [B]."""
        keys = [key for key in self.tokenizer.model_input_names if key in features[0]]
        choices = [
            {key: feature[key][i] for key in keys} | {"row": feature["row"]}
            for feature in features
            for i in range(len(feature["input_ids"]))
        ]
        batch = super().collate(choices, length)
        batch["row"] = torch.tensor([feature["row"] for feature in features])
        batch["choices_B"] = torch.tensor([len(feature["input_ids"]) for feature in features])
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([feature["labels"] for feature in features])
        return batch

    def explain(self, row: Row, feature: Feature) -> Explained:
        lines = [self.tokens(ids, f"choice {i}, tokens") for i, ids in enumerate(feature["input_ids"])]
        return [*lines, f"label: choice {feature['labels']}"], {"index": feature["labels"]}


class ChoiceHead(PooledHead):
    """dropout -> Linear to one score on the pooled vector; cross-entropy over the row's own choices."""

    smooths = True
    votes = ("mean", "majority")

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__(config, backbone, classes=1)

    def loss(self, logits_S1: Tensor, batch: dict[str, Any]) -> Tensor:
        logits_BN, smoothing = by_row(logits_S1, batch["choices_B"]), self.label_smoothing
        loss = F.cross_entropy(logits_BN, batch["labels"])
        if not smoothing:
            return loss
        alike_BN = -logits_BN.log_softmax(-1).masked_fill(logits_BN == -math.inf, 0)  # of the row's own choices
        return (1 - smoothing) * loss + smoothing * (alike_BN.sum(1) / batch["choices_B"]).mean()

    def joint(self, members: list[Tensor], batch: dict[str, Any], vote: str) -> Tensor:
        members_KBN = torch.stack([by_row(logits_S1, batch["choices_B"]) for logits_S1 in members])
        joint_BN = joint_softmax(members_KBN, vote == "majority")
        real_BN = torch.arange(joint_BN.shape[1], device=joint_BN.device) < batch["choices_B"][:, None]
        return joint_BN[real_BN][:, None]

    def decode(self, logits_S1: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        rows_BN, counts = by_row(logits_S1, batch["choices_B"]).softmax(-1).tolist(), batch["choices_B"].tolist()
        rows = [row[:count] for row, count in zip(rows_BN, counts, strict=True)]
        return [{"index": row.index(max(row)), "scores": {str(i): p for i, p in enumerate(row)}} for row in rows]


def by_row(logits_S1: Tensor, choices_B: Tensor) -> Tensor:
    """Lay the scores out as [B, N]: a row with fewer than N choices is padded with -inf, which no softmax sees."""
    scores = list(logits_S1[:, 0].split(choices_B.tolist()))
    return pad_sequence(scores, batch_first=True, padding_value=-math.inf)
