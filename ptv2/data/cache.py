"""Features of all rows of a split, tokenised once and cached by their content."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ptv2.backbone import tokenizer_fingerprint
from ptv2.errors import UserError
from ptv2.kinds.features import Feature, Features
from ptv2.kinds.templates import Row
from ptv2.rows.arrays import Columns
from ptv2.rows.rows import Rows
from ptv2.runtime.progress import Progress

if TYPE_CHECKING:
    from datasets import Dataset

READER = 3  # version of the code that reads files: what it makes of the same bytes


def encode(features: Features, rows: Rows, labelled: bool = True, training: bool = False) -> "Dataset":
    """Encode all rows: one or more features per row, in the rows' order; cached by `features_fingerprint`."""
    from datasets import Dataset

    card, fingerprint = features.card, features_fingerprint(features, rows, labelled, training)
    folder = cache_folder()
    cached = folder / f"{fingerprint}.arrow"
    one = nullcontext() if cached.is_file() else only_one(cached)
    with one, own_progress(f"tokenising {card.name} {rows.split}", len(rows.data)) as progress:
        work = partial(
            _encode_rows, features=features, rows=rows, labelled=labelled, training=training, progress=progress
        )
        return Dataset.from_dict({"index": range(len(rows.data))}).map(
            work,
            batched=True,
            batch_size=200,
            remove_columns=["index"],
            cache_file_name=str(cached),
            new_fingerprint=fingerprint,
        )


def features_fingerprint(features: Features, rows: Rows, labelled: bool = True, training: bool = False) -> str:
    """Compute a hash of what features follow from: rows, tokenizer, what matters of the card, the code's version."""
    card = features.card
    key = {
        "rows": rows.fingerprint,
        "reader": READER,
        "tokenizer": tokenizer_fingerprint(features.tokenizer),
        "inputs": features.tokenizer.model_input_names,  # one backbone takes token types, another does not
        "card": {
            k: v
            for k, v in asdict(card).items()
            if k in ("kind", "inputs", "label", "label_ids", "max_length", "options")
        },
        "labels": features.labels.names if features.has_labels() else None,
        "version": features.version,
        "labelled": labelled,
        "training": training,
        "decoder_only": features.decoder_only,
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:32]


def encode_now(features: Features, rows: Rows, labelled: bool = True, training: bool = False) -> Columns:
    """Encode all rows as `encode` does, in memory."""
    return Columns(_encode_rows({"index": list(range(len(rows.data)))}, features, rows, labelled, training))


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Let one process at a time make `file`: of several ranks or runs the first tokenises and the others read.

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


@contextmanager
def own_progress(what: str, total: int) -> Iterator[Progress]:
    """Say how far a `map` of the datasets library is, in the place of its own bar."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with Progress(what, total) as progress:
            yield progress
    finally:
        if shown:
            datasets.enable_progress_bars()


def _encode_rows(
    batch: dict[str, list[int]],
    features: Features,
    rows: Rows,
    labelled: bool,
    training: bool,
    progress: Progress | None = None,
) -> dict[str, list]:
    encoded: dict[str, list] = {}
    for feature in features_of(features, rows, batch["index"], labelled, training):
        for name, value in feature.items():
            encoded.setdefault(name, []).append(value)
    if progress is not None:
        progress.add(len(batch["index"]))
    return encoded


def features_of(
    features: Features, rows: Rows, numbers: Sequence[int], labelled: bool = True, training: bool = False
) -> Iterator[Feature]:
    """Yield the features of these rows, each with the number of its row and its length in tokens.

    Raises:
        UserError: a row cannot be used.
    """
    for index, row in zip(numbers, rows.data.select(numbers), strict=True):
        for feature in features.encode(cast(Row, row), partial(rows.where, index), labelled, training):
            feature["row"] = index
            feature.setdefault("length", len(feature["input_ids"]))
            yield feature


def cache_folder() -> Path:
    """Return the folder of tokenised features: PTV2_CACHE, or one beside the datasets library's cache."""
    from datasets import config

    return Path(os.environ.get("PTV2_CACHE") or Path(config.HF_DATASETS_CACHE) / "ptv2")
