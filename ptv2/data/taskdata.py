"""One task's data: rows of each split, their features (cached by content), references and baseline."""

import sys
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from transformers import PreTrainedTokenizerBase

from ptv2.config.cards import SPLITS, TaskCard
from ptv2.data.bad_rows import bad_rows
from ptv2.data.cache import encode, encode_now, features_fingerprint
from ptv2.data.label_names import find_labels
from ptv2.errors import UserError
from ptv2.kinds import kind_of
from ptv2.kinds.check import check_card, check_names
from ptv2.kinds.features import Features, lost
from ptv2.kinds.options import check_fields
from ptv2.metrics.resample import confidence
from ptv2.metrics.split import Split
from ptv2.metrics.table import METRICS, notices, score, settings
from ptv2.rows.arrays import Encoded
from ptv2.rows.class_names import named
from ptv2.rows.labels import Labels
from ptv2.rows.rows import Rows
from ptv2.rows.sources import load_rows


class TaskData:
    """Rows and features of one task.

    Args:
        card: the task.
        tokenizer: the backbone's.
        limit: split -> largest number of rows.
        seed: draws the training rows that `limit` keeps.
        eval_seed: draws the other rows that it keeps: runs of several seeds are scored on the same ones.
        labels: fixed by an artifact; None: the card's, or those of the training rows.
        splits: which splits to load.
        labelled: whether the rows hold answers.
        decoder_only: whether the backbone reads source and target as one sequence.
        notices_to: where it is said what a limit took; None: standard output.
    """

    def __init__(
        self,
        card: TaskCard,
        tokenizer: PreTrainedTokenizerBase,
        limit: dict[str, int] | None = None,
        seed: int = 0,
        eval_seed: int = 0,
        labels: Labels | None = None,
        splits: tuple[str, ...] = SPLITS,
        labelled: bool = True,
        decoder_only: bool = False,
        notices_to: TextIO | None = None,
    ):
        check_card(card)
        self.card, self.tokenizer, self.labelled, self.notices_to = card, tokenizer, labelled, notices_to
        self.rows: dict[str, Rows] = {}
        for split in splits:
            rows = load_rows(card, split)
            if rows is not None:
                self.rows[split] = rows
        self.sources = {split: rows.fingerprint for split, rows in self.rows.items()}  # as read, before `limit`
        if splits and not self.rows:
            do = "name its file in the card" + (", or use another split" if len(splits) == 1 else "")
            raise UserError(f"has no rows for {' or '.join(splits)}", where=f"{card.name}.dataset", do=do)
        if labelled and splits:
            columns = [name for rows in self.rows.values() for name in rows.data.column_names]
            check_fields(card.options, columns, f"{card.name}.options")
        kind = kind_of(card).features
        self.labels = find_labels(card, kind, self.rows, labels) if kind.has_labels() else None
        if self.labels is not None and labelled:
            check_names(card, self.labels.names)
            self.rows = {split: named(rows, card.label, self.labels, kind.repeats) for split, rows in self.rows.items()}
        self.features: Features = kind(card, tokenizer, self.labels, decoder_only)
        self.counts: dict[str, dict[str, int]] = {}  # by split: rows `of` which some were taken, and `bad` ones
        for split, rows in self.rows.items():  # rows are grouped before they are drawn: no reference is lost
            own = seed if split == "train" else eval_seed
            prepared = self.features.prepare(rows)
            self.rows[split] = prepared.draw((limit or {}).get(split), own)
            self.counts[split] = {"of": len(prepared.data), "bad": 0}
        if card.on_bad_row == "skip":
            self.rows = {split: self._without_bad(rows) for split, rows in self.rows.items()}
        self._encoded: dict[str, Encoded] = {}
        self._put: set[str] = set()
        self._said: set[str] = set()  # splits of which it was said what a limit took

    def check_trains(self, where: str) -> None:
        """Refuse a data set without training rows.

        Raises:
            UserError: it has none; `where` names it.
        """
        if "train" not in self.rows:
            raise UserError("has no training rows", where=where, do="name a train split or file")

    def put(self, split: str, rows: Rows) -> None:
        """Take rows that stand in no data set, instead of those that the split had; their features are in no cache."""
        self.rows[split] = rows
        self._put.add(split)
        self._encoded.pop(split, None)

    def drop(self, split: str) -> None:
        """Forget the rows of a split, if there are any."""
        self.rows.pop(split, None)
        self._encoded.pop(split, None)

    def encoded(self, split: str) -> Encoded:
        """Return the features of a split, tokenised now or read from the cache.

        Raises:
            UserError: a row cannot be used.
        """
        if split not in self._encoded:
            made = encode_now if split in self._put else encode
            encoded = made(self.features, self.rows[split], self.labelled, split == "train")
            for notice in self.features.notices(encoded) if split not in self._said else []:
                print(f"{self.card.name} {split}: {notice}", file=self.notices_to or sys.stdout, flush=True)
                self._said.add(split)
            self._encoded[split] = encoded
        return self._encoded[split]

    def fingerprint(self, split: str) -> str | None:
        """Return what the features of a split are known by; None for rows that stand in no data set."""
        if split in self._put:
            return None
        return features_fingerprint(self.features, self.rows[split], self.labelled, split == "train")

    def _without_bad(self, rows: Rows) -> Rows:
        bad = bad_rows(self.features, rows, self.labelled)
        if not bad:
            return rows
        first = next(iter(bad.values()))
        none = len(bad) == len(rows.data)
        if none or len(bad) > self.card.bad_row_limit:
            raise UserError(
                f"{len(bad)} of {len(rows.data)} {rows.split} rows cannot be used (the first: {first})",
                where=self.card.name,
                do="correct them" + ("" if none else f", or raise bad_row_limit ({self.card.bad_row_limit})"),
            )
        self.counts[rows.split]["bad"] = len(bad)
        warnings.warn(f"{self.card.name}: {len(bad)} bad {rows.split} rows skipped (the first: {first})", stacklevel=2)
        return rows.select([i for i in range(len(rows.data)) if i not in bad])

    def about(self, split: str) -> dict[str, Any]:
        """Say of which rows a split's scores are: how many of how many, and what bad rows and limits took.

        `cut` counts the rows of which a limit takes something, and `notices` says what.
        """
        encoded, own = self.encoded(split), self.counts.get(split, {})
        cut = set().union(*(lost(encoded, limit) for limit in self.features.limits))
        count = len(self.rows[split].data)
        about = {"rows": count, "of": own.get("of", count), "bad": own.get("bad", 0), "cut": len(cut)}
        some = [name for name in self.card.metrics if split != "train" and METRICS[name].counts is not None]
        scored = notices(some, self.references(split)) if some else []
        return about | {"notices": [*self.features.notices(encoded), *scored]}

    def references(self, split: str) -> list[Any]:
        """Return the gold answer of each row."""
        return [self.features.reference(row) for row in self.rows[split]]

    def score(self, split: str, outputs: dict[int, list[Any]], metrics: list[str] | None = None) -> dict[str, float]:
        """Compute the card's metrics (or these) over a split, from what the head decoded for each row."""
        return score(metrics or self.card.metrics, self.scored(split, outputs))

    def scored(self, split: str, outputs: dict[int, list[Any]]) -> Split:
        """Return what the metrics compare, from what the head decoded for each row."""
        rows = self.rows[split]
        predictions = [self.features.prediction(row, outputs[i]) for i, row in enumerate(rows)]
        sides = [self.features.side(row, outputs[i]) for i, row in enumerate(rows)]
        return self._split(predictions, self.references(split), sides)

    def scoring(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return what the metrics take from a split to score it by, by split and metric, such as BLEU's tokenizer."""
        splits = sorted(set(self.rows) - {"train"})
        return {split: settings(self.card.metrics, self._split([], self.references(split))) for split in splits}

    def intervals(self, scored: Split) -> dict[str, list[float] | None]:
        """Return the 95 % interval of each of the card's metrics over resampled rows; None where there is none."""
        found = {metric: confidence(metric, scored) for metric in self.card.metrics}
        return {metric: list(ends) if ends is not None else None for metric, ends in found.items()}

    def tune(self, split: str, outputs: dict[int, list[Any]]) -> float | None:
        """Return what the kind chooses on a scored split, see `Features.tune`."""
        return self.features.tune(self.rows[split], outputs, self.references(split))

    def baseline_scores(self) -> dict[str, dict[str, float]]:
        """Score answers without a model, by split: the training rows' majority label, or what the kind has instead."""
        scores, training = {}, self.references("train")
        for split in set(self.rows) - {"train"}:
            gold = self.references(split)
            guesses = self.features.guesses(self.rows[split], training, gold)
            sides = [self.features.side(row, []) for row in self.rows[split]]
            metrics = [metric for metric in self.card.metrics if METRICS[metric].needs_text]
            scores[split] = score(metrics, self._split(guesses, gold, sides))
        return scores

    def _split(self, predictions: list[Any], references: list[Any], sides: Sequence[dict[str, Any]] = ()) -> Split:
        return Split(
            predictions, references, self.features.scored_names(), sides, self.features.by_word, self.card.language
        )

    def label_names(self) -> list[str]:
        return self.labels.names if self.labels is not None else []
