"""One example of a task, in and out: the row, its tokens with their labels, and the answer decoded back from these."""

import json
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import yaml

from ptv2.config.cards import TaskCard
from ptv2.kinds.features import IGNORE, Feature, Features
from ptv2.rows.rows import Rows

WIDTH = 110


LONGEST = 400  # characters of a field that are shown


Shown = tuple[list[str], dict[str, Any]]
"""Lines about a feature, and what a head that makes no mistake would decode for it."""


def card_lines(card: TaskCard) -> list[str]:
    """The card with all its keys."""
    text = yaml.safe_dump(asdict(card), sort_keys=False, allow_unicode=True, default_flow_style=None, width=WIDTH)
    return text.rstrip().split("\n")


def example_lines(features: Features, rows: Rows, index: int) -> list[str]:
    """A row as it is read, what the backbone and the loss get of it, and both ways to its answer.

    Raises:
        UserError: the row cannot be used.
    """
    row, where = rows.data[index], partial(rows.where, index)
    found = features.encode(row, where, True, rows.split == "train")
    lines = ["", f"row {index} of {rows.split}, {where()}:"]
    lines += [_wrapped(f"{name}: {_short(value)}") for name, value in row.items()]
    show = KINDS.get(features.card.kind, _plain)
    outputs = []
    for number, feature in enumerate(found, start=1):
        about, output = show(features, row, feature)
        lines += ["", f"feature {number} of {len(found)}:" if len(found) > 1 else "feature:", *map(_wrapped, about)]
        outputs.append(output)
    lines += ["", f"answer of the row: {_short(features.reference(row))}"]
    if all(outputs):
        lines.append(f"decoded back:      {_short(features.prediction(row, outputs))}")
    return lines


def _cls(features: Features, row: dict, feature: Feature) -> Shown:
    name = features.labels.names[feature["labels"]]
    return [_tokens(features, feature["input_ids"]), f"label {feature['labels']}: {name}"], {"label": name}


def _regression(features: Features, row: dict, feature: Feature) -> Shown:
    return _plain(features, row, feature)[0], {"value": feature["labels"]}


def _multilabel(features: Features, row: dict, feature: Feature) -> Shown:
    names = [name for name, there in zip(features.labels.names, feature["labels"], strict=True) if there]
    return [_tokens(features, feature["input_ids"]), f"labels: {', '.join(names) or 'none'}"], {"labels": names}


def _tagging(features: Features, row: dict, feature: Feature) -> Shown:
    """Pieces as `piece/tag`; those without a tag carry no loss."""
    names = features.labels.names
    tags = [None if label == IGNORE else names[label] for label in feature["labels"]]
    pieces = [f"{p}/{t}" if t else p for p, t in zip(_pieces(features, feature["input_ids"]), tags, strict=True)]
    words = zip(feature["words"], feature["first_pieces"], strict=True)
    return [f"tokens ({len(pieces)}): {' '.join(pieces)}"], {"tags": {word: tags[place] for word, place in words}}


def _choice(features: Features, row: dict, feature: Feature) -> Shown:
    lines = [_tokens(features, ids, f"choice {i}, tokens") for i, ids in enumerate(feature["input_ids"])]
    return [*lines, f"label: choice {feature['labels']}"], {"index": feature["labels"]}


def _cloze(features: Features, row: dict, feature: Feature) -> Shown:
    lines = [_tokens(features, feature["input_ids"]), f"label: {feature['labels']} (1: this entity is an answer)"]
    return lines, {"yes": float(feature["labels"]), "entity": feature["entity"]}


def _span(features: Features, row: dict, feature: Feature) -> Shown:
    start, end = feature["labels"]
    characters = feature["offsets"][start][0], feature["offsets"][end][1]
    pieces = " ".join(_pieces(features, feature["input_ids"])[start : end + 1])
    lines = [_tokens(features, feature["input_ids"])]
    silent = {"spans": [(0, 0, 0.0)], "null": 1.0, "tuned": 0.0}
    if characters[0] < 0:  # the first token is none of the context's
        return [*lines, "label: the first token (no answer in this window)"], silent
    lines.append(f"label: tokens {start} to {end} ({pieces}), characters {characters[0]} to {characters[1]}")
    return lines, silent | {"spans": [(*characters, 1.0)], "null": 0.0}


def _seq2seq(features: Features, row: dict, feature: Feature) -> Shown:
    ids = [label for label in feature["labels"] if label != IGNORE]
    source = feature["input_ids"][: feature.get("source_length")]
    lines = [_tokens(features, source, "source, tokens"), _tokens(features, ids, "target, tokens")]
    return lines, {"text": features.tokenizer.decode(ids, skip_special_tokens=True).strip()}


def _plain(features: Features, row: dict, feature: Feature) -> Shown:
    return [_tokens(features, feature["input_ids"]), f"label: {feature['labels']}"], {}


KINDS: dict[str, Callable[[Features, dict, Feature], Shown]] = {
    "cls": _cls,
    "regression": _regression,
    "multilabel": _multilabel,
    "tagging": _tagging,
    "choice": _choice,
    "cloze": _cloze,
    "span": _span,
    "seq2seq": _seq2seq,
}
"""How a kind's features are shown; a kind that is not here shows its tokens and its labels as they are."""


def _pieces(features: Features, ids: list[int]) -> list[str]:
    return [features.tokenizer.decode([i]).strip().replace("\n", "\\n") for i in ids]


def _tokens(features: Features, ids: list[int], title: str = "tokens") -> str:
    return f"{title} ({len(ids)}): {' '.join(_pieces(features, ids))}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    rest = len(text) - LONGEST
    return f"{text[:LONGEST]} ... ({rest} characters more)" if rest > 40 else text


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
