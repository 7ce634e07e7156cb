"""One task's data: rows of each split, their features (cached by content), references and baseline."""

import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ptv2.backbone import tokenizer_fingerprint
from ptv2.data.features import FEATURES, Feature, Features
from ptv2.data.features.base import check_template
from ptv2.data.labels import Labels, class_names, labels_for
from ptv2.data.rows import Rows, load_rows
from ptv2.errors import UserError, nearest
from ptv2.metrics import METRICS, SIDE_METRICS, TEXT_FREE, score
from ptv2.task import SPLITS, TaskCard


class TaskData:
    """Rows and features of one task.

    Args:
        card: the task.
        tokenizer: the backbone's.
        limit: split -> at most so many rows.
        seed: of the draw behind `limit`.
        labels: fixed by an artifact; None: the card's, or those of the training rows.
        splits: which splits to load.
        labelled: whether the rows hold answers.
        decoder_only: whether the backbone reads source and target as one sequence.
    """

    def __init__(
        self,
        card: TaskCard,
        tokenizer: PreTrainedTokenizerBase,
        limit: dict[str, int] | None = None,
        seed: int = 0,
        labels: Labels | None = None,
        splits: tuple[str, ...] = SPLITS,
        labelled: bool = True,
        decoder_only: bool = False,
    ):
        check_card(card)
        self.card, self.tokenizer, self.labelled = card, tokenizer, labelled
        self.rows: dict[str, Rows] = {}
        for split in splits:
            rows = load_rows(card, split)
            if rows is not None:
                self.rows[split] = rows
        if splits and not self.rows:
            raise UserError(f"has no rows for {' or '.join(splits)}", where=f"{card.name}.dataset")
        kind = FEATURES[card.kind]
        if labels is None and kind.has_labels():
            first = self.rows.get("train") or next(iter(self.rows.values()))
            if card.labels is None and card.label not in first.data.column_names:
                have = ", ".join(first.data.column_names)
                do = f"correct the label of the card, {card.name}"
                raise UserError(f"no column '{card.label}', only {have}", where=first.where(0), do=do)
            values = kind.label_values(card, first.data) if card.labels is None else ()
            labels = labels_for(card, values, class_names(first.data, card.label))
        self.labels = labels
        self.features: Features = kind(card, tokenizer, labels, decoder_only)
        for split, rows in self.rows.items():  # rows are grouped before they are drawn: no reference gets lost
            self.rows[split] = self.features.prepare(rows).draw((limit or {}).get(split), seed)
        if card.on_bad_row == "skip":
            self.rows = {split: self._without_bad(rows) for split, rows in self.rows.items()}
        self._encoded: dict[str, Dataset] = {}

    def encoded(self, split: str) -> Dataset:
        """The features of a split, tokenised now or read from the cache.

        Raises:
            UserError: a row cannot be used.
        """
        if split not in self._encoded:
            encoded = encode(self.features, self.rows[split], self.labelled, split == "train")
            for notice in self.features.notices(encoded):
                print(f"{self.card.name} {split}: {notice}", flush=True)
            self._encoded[split] = encoded
        return self._encoded[split]

    def _without_bad(self, rows: Rows) -> Rows:
        bad = bad_rows(self.features, rows, self.labelled)
        if not bad:
            return rows
        first = next(iter(bad.values()))
        if len(bad) > self.card.bad_row_limit or len(bad) == len(rows.data):
            raise UserError(
                f"{len(bad)} of {len(rows.data)} {rows.split} rows cannot be used (the first: {first})",
                where=self.card.name,
                do=f"mend them, or raise bad_row_limit ({self.card.bad_row_limit})",
            )
        warnings.warn(f"{self.card.name}: {len(bad)} bad {rows.split} rows left out (the first: {first})", stacklevel=2)
        return rows.select([i for i in range(len(rows.data)) if i not in bad])

    def references(self, split: str) -> list[Any]:
        """The gold answer of each row."""
        return [self.features.reference(row) for row in self.rows[split].data]

    def score(self, split: str, outputs: dict[int, list[Any]], metrics: list[str] | None = None) -> dict[str, float]:
        """The card's metrics (or these) over a split, from what the head decoded for each row."""
        rows = self.rows[split].data
        predictions = [self.features.prediction(row, outputs[i]) for i, row in enumerate(rows)]
        sides = [self.features.side(row, outputs[i]) for i, row in enumerate(rows)]
        return score(metrics or self.card.metrics, predictions, self.references(split), self.label_names(), sides)

    def tune(self, split: str, outputs: dict[int, list[Any]]) -> float | None:
        """What the kind chooses on a scored split, see `Features.tune`."""
        return self.features.tune(self.rows[split].data, outputs, self.references(split))

    def baseline_scores(self) -> dict[str, dict[str, float]]:
        """Scores without a model, by split: the majority label of the training rows, or what the kind has instead."""
        scores, training = {}, self.references("train")
        for split in set(self.rows) - {"train"}:
            gold = self.references(split)
            guesses = self.features.guesses(self.rows[split].data, training, gold)
            sides = [self.features.side(row, []) for row in self.rows[split].data]
            metrics = [metric for metric in self.card.metrics if metric not in TEXT_FREE]
            scores[split] = score(metrics, guesses, gold, self.label_names(), sides)
        return scores

    def label_names(self) -> list[str]:
        return self.labels.names if self.labels is not None else []


def check_card(card: TaskCard) -> None:
    """Names in a card that only the code can check.

    Raises:
        UserError: unknown kind or metric, a metric of another kind, or inputs that are not the kind's or no templates.
    """
    if card.kind not in FEATURES:
        raise UserError(f"unknown kind '{card.kind}'", where=f"{card.name}.kind", do=nearest(card.kind, FEATURES))
    kind = FEATURES[card.kind]
    for metric in card.metrics:
        if metric not in METRICS | SIDE_METRICS:
            do = nearest(metric, METRICS | SIDE_METRICS)
            raise UserError(f"unknown metric '{metric}'", where=f"{card.name}.metrics", do=do)
        if metric not in kind.metrics:
            what = f"metric '{metric}' does not score kind '{card.kind}'"
            raise UserError(what, where=f"{card.name}.metrics", do=f"use {', '.join(kind.metrics)}")
    for role in kind.roles:
        if role not in card.inputs:
            do = f"name the field, e.g. inputs: {{{role}: {role}}}"
            raise UserError(f"no input '{role}'", where=f"{card.name}.inputs", do=do)
    for role, template in card.inputs.items():
        check_template(template, f"{card.name}.inputs.{role}")
        if not any(fnmatch(role, pattern) for pattern in kind.roles + kind.optional_roles):
            do = nearest(role, kind.roles + kind.optional_roles)
            raise UserError(f"unknown input '{role}'", where=f"{card.name}.inputs", do=do)


def tried(features: Features, rows: Rows, labelled: bool = True) -> Iterator[tuple[int, list[Feature] | UserError]]:
    """The features of each row, or why it has none."""
    for index, row in enumerate(rows.data):
        try:
            yield index, features.encode(row, partial(rows.where, index), labelled, rows.split == "train")
        except UserError as error:
            yield index, error


def bad_rows(features: Features, rows: Rows, labelled: bool = True) -> dict[int, str]:
    """The rows that cannot be used: number -> why."""
    return {i: str(found) for i, found in tried(features, rows, labelled) if isinstance(found, UserError)}


def encode(features: Features, rows: Rows, labelled: bool = True, training: bool = False) -> Dataset:
    """Features of all rows, one or more per row, in the rows' order.

    The cache's key is the content: rows, tokenizer, the parts of the card that matter, and the version of the code.
    """
    card = features.card
    key = {
        "rows": rows.fingerprint,
        "tokenizer": tokenizer_fingerprint(features.tokenizer),
        "card": {k: v for k, v in asdict(card).items() if k in ("kind", "inputs", "label", "max_length", "options")},
        "labels": features.labels.names if features.labels else None,
        "version": features.version,
        "labelled": labelled,
        "training": training,
        "decoder_only": features.decoder_only,
    }
    fingerprint = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:32]
    folder = cache_folder()
    cached = folder / f"{fingerprint}.arrow"
    with nullcontext() if cached.is_file() else only_one(cached):
        return rows.data.map(
            partial(_encode_rows, features=features, rows=rows, labelled=labelled, training=training),
            with_indices=True,
            batched=True,
            batch_size=200,
            remove_columns=rows.data.column_names,
            cache_file_name=str(cached),
            new_fingerprint=fingerprint,
            desc=f"tokenising {card.name} {rows.split}",
        )


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """One process at a time makes `file`: of several ranks or runs the first tokenises and the others read.

    Raises:
        UserError: its folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_suffix(".lock").open("w")
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=file.parent, do="set PTV2_CACHE") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the process ends, however it ends
        yield


def _encode_rows(
    batch: dict[str, list], indices: list[int], features: Features, rows: Rows, labelled: bool, training: bool
) -> dict[str, list]:
    encoded: dict[str, list] = {}
    for offset, index in enumerate(indices):
        row = {name: values[offset] for name, values in batch.items()}
        for feature in features.encode(row, partial(rows.where, index), labelled, training):
            feature["row"] = index
            feature.setdefault("length", len(feature["input_ids"]))
            for name, value in feature.items():
                encoded.setdefault(name, []).append(value)
    return encoded


def cache_folder() -> Path:
    """Where tokenised features are kept: PTV2_CACHE, or a folder beside the datasets library's cache."""
    return Path(os.environ.get("PTV2_CACHE") or Path(datasets.config.HF_DATASETS_CACHE) / "ptv2")
