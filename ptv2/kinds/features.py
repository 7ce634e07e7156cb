"""What every kind of task turns rows into, and back: features for the backbone, predictions for the metrics."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError, nearest
from ptv2.kinds.cut import encode_cut
from ptv2.kinds.grading import EQUAL
from ptv2.kinds.options import COMMON, Option, check_options
from ptv2.kinds.templates import Part, Row, fields_of, joined, names_of, parts_of, value_at
from ptv2.rows.arrays import Encoded, column
from ptv2.rows.labels import Labels, missing
from ptv2.rows.rows import Rows

Feature = dict[str, Any]
Explained = tuple[list[str], dict[str, Any]]
"""Lines about a feature, and what a head that makes no mistake would decode for it (empty: unknown)."""

IGNORE = -100  # a label position that carries no loss


class Features(ABC):
    """Rows <-> features of one task.

    A row may become several features (windows, choices). Each feature carries `row`, the number of the row it came
    from, so that predictions find their way back.
    """

    version = 2  # of the code below: part of the key under which features are cached
    roles: tuple[str, ...] = ("text",)  # the inputs that a card must name
    optional_roles: tuple[str, ...] = ()  # regular expressions of those that it may name
    valid_options: Mapping[str, Option] = COMMON  # what a card may set
    first_name: str | None = None  # of the names that the training rows give: what an unsure head should say
    answers = "label"  # what they are, for advice on the length of prompts: label | words | passage | text
    trivial = "the commonest label"  # what `guesses` answers, in words
    by_word = False  # whether each word of a row has an answer of its own
    repeats = True  # whether a label may stand twice in a row
    several = False  # whether a training row may become several features
    one_name = False  # whether each row is given one of a set of names
    grading = EQUAL  # how wrong an answer is, for those who look at mistakes
    limits: tuple[str, ...] = ("cut",)  # what features count of a row that a limit took: tokens, words, answers

    def __init__(
        self, card: TaskCard, tokenizer: PreTrainedTokenizerBase, labels: Labels | None, decoder_only: bool = False
    ):
        check_options(card.options, self.valid_options, f"{card.name}.options")
        self.card, self.tokenizer, self.decoder_only = card, tokenizer, decoder_only
        self._labels = labels

    @property
    def labels(self) -> Labels:
        """The task's label names; only kinds that `has_labels` have any."""
        assert self._labels is not None  # such a kind is given them
        return self._labels

    @classmethod
    def label_values(cls, value: object, field: str, where: Callable[[], str]) -> list[object]:
        """List the labels in a row's answer; those of the training rows are the task's where the card names none.

        Raises:
            UserError: the answer has another form; `where()` says which row it is.
        """
        return [one_label(value, field, where)]

    @classmethod
    def check_inputs(cls, card: TaskCard) -> None:
        """Refuse inputs that exclude each other."""
        return

    @classmethod
    def check_names(cls, card: TaskCard, names: list[str]) -> None:
        """Refuse label names that the card's metrics or options cannot work with."""
        return

    @classmethod
    def has_labels(cls) -> bool:
        """Tell whether the kind predicts one of a set of names."""
        return True

    def prepare(self, rows: Rows) -> Rows:
        """Make the rows that are encoded and scored of those that were read."""
        return rows

    def notices(self, encoded: Encoded) -> list[str]:
        """List what a user should know about a split's features: how many rows lose what to a limit."""
        if not (cut := lost(encoded, "cut")):
            return []
        most = max(cut.values())
        what = f"{share(cut, encoded)} rows are longer than max_length={self.card.max_length} and were cut"
        return [f"{what}, by {most} token{'s' * (most > 1)} at most"]

    def extent(self, encoded: Encoded) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return what makes a batch large: how many texts each feature is, and the widths that it is padded to.

        A batch is as wide, in each of the widths (of sources, of targets), as the widest of its features.
        """
        lengths = column(encoded, "length")
        return np.ones_like(lengths), [lengths]

    @abstractmethod
    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        """Make the features of one row, `input_ids` and, where `labelled`, `labels` among their keys.

        `training` is for kinds whose training rows differ from those that are scored, e.g. one per reference.

        Raises:
            UserError: the row cannot be used; `where()` says which it is.
        """

    def reference(self, row: Row) -> Any:
        """Return the gold answer in the form that the metrics compare."""
        return self.labels.names[self.labels.id(row[self.card.label], self.card.name)]

    def prediction(self, row: Row, outputs: list[Any]) -> Any:
        """Make one prediction from what the head decoded for the row's features."""
        return outputs[0]["label"]

    def scored_names(self) -> list[str]:
        """List the label names in the order that metrics take them in."""
        return self._labels.names if self._labels is not None else []

    def positive(self) -> str | None:
        """Name the label that a metric of two classes counts, where the card has such a metric."""
        return None

    def longest(self) -> int:
        """Return the largest number of tokens that the backbone has to read at once."""
        return self.card.max_length

    def text(self, role: str, row: Row, where: Callable[[], str]) -> str:
        """Return an input's text, see `parts`."""
        return joined(self.parts(role, row, where))

    def parts(self, role: str, row: Row, where: Callable[[], str]) -> list[Part]:
        """Return the parts of an input's text: its template filled from the row.

        `options.words` says what to write for a field's values: {question: {cause: because, effect: so}}.

        Raises:
            UserError: a field is missing or empty, or holds a value that `options.words` does not name.
        """
        replaced = {}
        for field, words in (self.card.options.get("words") or {}).items():
            if (value := value_at(row, field)) is None:
                continue
            words = {str(name): word for name, word in words.items()}
            if str(value) not in words:
                raise UserError(f"field '{field}' is '{value}'", where=where(), do=nearest(value, words))
            replaced[field] = words[str(value)]
        return parts_of(self.card.inputs[role], row | replaced, where)

    def fitted(self, *texts: list[Part], room: int | None = None) -> Feature:
        """Encode a text or a pair within `max_length` tokens, or within `room`; `cut` counts the tokens lost.

        `options.truncate` names the field that is shortened first, see `encode_cut`.
        """
        return encode_cut(
            self.tokenizer, texts, self.card.max_length if room is None else room, self.card.options.get("truncate")
        )

    @classmethod
    def may_be_cut(cls, card: TaskCard) -> list[str]:
        """List the fields that `options.truncate` may name."""
        return [name for template in card.inputs.values() for name in names_of(template)]

    def fields(self) -> set[str]:
        """List the fields of a row, dotted where nested, that the inputs are made of."""
        return set().union(*(fields_of(template) for template in self.card.inputs.values()))

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Collate a batch: token inputs padded to the longest feature, or to `length`; labels by `collate_labels`."""
        inputs = [{k: f[k] for k in self.tokenizer.model_input_names if k in f} for f in features]
        padding = "longest" if length is None else "max_length"
        batch = dict(self.tokenizer.pad(inputs, padding=padding, max_length=length, return_tensors="pt"))
        batch["row"] = torch.tensor([f["row"] for f in features])
        if "labels" in features[0]:
            batch["labels"] = self.collate_labels([f["labels"] for f in features], batch["input_ids"].shape[1])
        return batch

    def collate_labels(self, labels: list[Any], length: int) -> torch.Tensor:
        """Collate the labels of a batch whose inputs are `length` tokens long."""
        return torch.tensor(labels)

    def side(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return what metrics need beside prediction and reference, by name: a log-likelihood, a group, ...

        `group` is what stands in the fields that `options.group` lists, e.g. [idx.paragraph, idx.question].
        """
        fields = self.card.options.get("group")
        return {"group": tuple(_plain(value_at(row, field)) for field in fields)} if fields else {}

    def shown(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return what a line of predictions holds beside the prediction: scores, where the kind has them."""
        scores = outputs[0].get("scores")
        return {"scores": {name: round(value, 6) for name, value in scores.items()}} if scores else {}

    def tune(self, rows: Rows, outputs: dict[int, list[Any]], references: list[Any]) -> float | None:
        """Choose on the validation rows what is not learned by gradient, e.g. a threshold; None: nothing.

        The head keeps it in its buffer `tuned`, and what it decodes carries it as `tuned`.
        """
        return None

    def guesses(self, rows: Rows, training: list[Any], references: list[Any]) -> list[Any]:
        """Predict without a model, one answer per row; kinds that guess from the row itself replace this one."""
        return self.baseline(training, references)

    def baseline(self, training: list[Any], references: list[Any]) -> list[Any]:
        """Predict without a model, one answer per reference, from the training references: the majority label."""
        return [Counter(training).most_common(1)[0][0]] * len(references)

    # -- shown to people ---------------------------------------------------------------------------------------------

    def explain(self, row: Row, feature: Feature) -> Explained:
        """Describe a feature as `ptv2.tasks show` prints it, with the output that makes it the row's answer again."""
        return [self.tokens(feature["input_ids"]), f"label: {feature['labels']}"], {}

    def tokens(self, ids: list[int], title: str = "tokens") -> str:
        """Write token ids as a line of text."""
        return f"{title} ({len(ids)}): {' '.join(self.pieces(ids))}"

    def pieces(self, ids: list[int]) -> list[str]:
        """Return the text of each token."""
        texts = [cast(str, self.tokenizer.decode([i])) for i in ids]  # a list only of several sequences
        return [text.strip().replace("\n", "\\n") for text in texts]


def lost(encoded: Encoded, limit: str) -> dict[int, int]:
    """Return the rows of which a limit took something, and the most that it took of a feature."""
    counts: dict[int, int] = {}
    if limit in encoded.column_names:
        taken = column(encoded, limit)
        some = taken.nonzero()[0]
        for row, count in zip(column(encoded, "row")[some].tolist(), taken[some].tolist(), strict=True):
            counts[row] = max(count, counts.get(row, 0))
    return counts


def share(some: dict[int, int], encoded: Encoded) -> str:
    """`3 of 12`, of the rows that were encoded."""
    return f"{len(some)} of {len(np.unique(column(encoded, 'row')))}"


def one_label(value: object, field: str, where: Callable[[], str]) -> object:
    """Read a single label.

    Raises:
        UserError: there is none, or a list or an object.
    """
    if missing(value):
        do = "give it one; a split without labels is left out by task.dataset.data_files.SPLIT=null"
        raise UserError(f"field '{field}' does not hold a label", where=where(), do=do)
    if isinstance(value, (str, bool, int, float)):
        return value
    form = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__
    raise UserError(f"field '{field}' holds {form}, not one label", where=where(), do="write a name or a number")


def _plain(value: Any) -> Any:
    """Return a value that can be compared and written: a list or an object as its JSON text."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, list | dict) else value
