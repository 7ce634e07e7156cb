"""The card that is proposed for a file or a folder: the guessed kind, the labels that occur, and lengths that fit."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ptv2.data.bad_rows import tried
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.guess.answers import NAMED, by_answer, language, unread
from ptv2.guess.fields import Field, flat, look
from ptv2.guess.files import Found, find
from ptv2.guess.proposal import Proposal, Seen
from ptv2.guess.structures import by_structure
from ptv2.kinds import KINDS
from ptv2.kinds.templates import names_of, value_at
from ptv2.rows.labels import NUMBER, missing, text_of

LENGTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
TARGETS = (16, 32, 48, 64, 96, 128, 192, 256, 320)
MEASURED = 400  # rows of a split whose lengths are measured
SHOWN = 4  # labels that a sentence lists
KEPT = 0.99  # share of the rows that a length is to hold whole
FILLED_IN, NO_VALUE = "${", "???"  # what a card fills in, and what has no value there
PASSAGE = 384  # tokens of a window, as in the official code


@dataclass(frozen=True)
class Guess:
    """A card, and what it was made of.

    Args:
        card: plain values, without its lengths.
        found: the rows.
        fields: of the rows.
        why: reasons, a sentence each.
    """

    card: dict[str, Any]
    found: Found
    fields: dict[str, Field]
    why: list[str]


def guess(path: Path, name: str) -> Guess:
    """Propose a card for the rows of a file, or of a folder of splits.

    Raises:
        UserError: rows that cannot be read, or that no kind of task fits.
    """
    found = find(path)
    seen = _seen(found)
    try:
        proposal = by_structure(seen) or by_answer(seen)
    except UserError as error:
        raise UserError(str(error), where=path) from error
    _check_names(proposal, path)
    found = found.answered(proposal.options.get("spans_column", proposal.label))
    read = {name for template in proposal.inputs.values() for name in names_of(template)}
    why = [*found.why, *proposal.why, *unread(seen, {proposal.label, *read})]
    card = {"version": 1, "kind": proposal.kind, "dataset": found.dataset, "inputs": proposal.inputs}
    card |= {"label": proposal.label}
    if (labels := _labels(proposal, found, seen)) is not None:
        card["labels"] = labels
    card["metrics"] = proposal.metrics
    if KINDS[proposal.kind].features.answers == "text" and (code := language(seen, proposal.label)):
        card["language"] = code
    if options := found.options | proposal.options:
        card["options"] = options
    if labels is not None and (new := _new(found, proposal)):
        why.append(new)
    if labels is not None and (sorted_rows := _sorted(found, proposal)):
        why.append(sorted_rows)
    return Guess({"name": name} | card, found, seen.fields, why)


def _seen(found: Found) -> Seen:
    rows = found.sample()
    return Seen(rows, look(rows, found.names()), found.blank())


def _labels(proposal: Proposal, found: Found, seen: Seen) -> list[str] | None:
    """List the labels of all splits; None where there are too many, the data set names them, or the kind has none."""
    if not KINDS[proposal.kind].features.has_labels() or proposal.label not in seen.fields:
        return None
    if seen.fields[proposal.label].names:
        return None
    if not KINDS[proposal.kind].features.repeats and proposal.labels is not None:  # a set of labels a row
        return proposal.labels
    names = {text_of(value) for rows in found.splits.values() for value in _values(rows, proposal.label)}
    if not 2 <= len(names) <= NAMED or any(FILLED_IN in name or name == NO_VALUE for name in names):
        return None
    first = proposal.labels or []
    return [name for name in first if name in names] + sorted(names - set(first), key=_order)


def _check_names(proposal: Proposal, path: Path) -> None:
    """Refuse names of fields that a card would fill in.

    Raises:
        UserError: a field that is read is called so.
    """
    named = [proposal.label, *proposal.inputs.values(), *map(str, proposal.options.values())]
    if odd := next((name for name in named if FILLED_IN in name or name == NO_VALUE), None):
        what = f"a field is called '{odd}', and {FILLED_IN}...}} and {NO_VALUE} mean something else in a card"
        raise UserError(what, where=path, do="call it by another name")


def _new(found: Found, proposal: Proposal) -> str | None:
    """Say which labels no training row has."""
    first = found.first
    known = {text_of(value) for value in _values(first, proposal.label)}
    for split, rows in found.splits.items():
        new = sorted({text_of(value) for value in _values(rows, proposal.label)} - known)
        if new:
            listed = ", ".join(f"'{name}'" for name in new[:SHOWN]) + (", ..." if len(new) > SHOWN else "")
            return f"{listed} of the {split} rows {'is' if len(new) == 1 else 'are'} no label of the {first.split} rows"
    return None


def _values(rows: Any, field: str) -> Iterator[Any]:
    return (value for row in rows for value in flat([value_at(row, field)]) if not missing(value))


def _order(name: str) -> tuple[float, str]:
    return (float(name), "") if NUMBER.fullmatch(name) else (math.inf, name)


def _sorted(found: Found, proposal: Proposal) -> str | None:
    """Say so where neighbours have the same label far more often than by chance, and validation is the last tenth."""
    if "train" not in found.splits or "validation" in found.splits:
        return None
    values = [text_of(value) for value in _values(found.splits["train"], proposal.label)]
    shares = [count / len(values) for count in Counter(values).values()]
    by_chance = (len(values) - 1) * (1 - sum(share**2 for share in shares))
    if KINDS[proposal.kind].features.answers == "label" and sum(a != b for a, b in pairwise(values)) < by_chance / 4:
        return "the rows are sorted by label, so the last tenth has others than the rest: shuffle them first"
    return None


def with_lengths(card: dict[str, Any], data: TaskData, position_limit: int) -> tuple[dict[str, Any], str]:
    """Add lengths that hold nearly all rows whole, as measured on rows of each split.

    Args:
        card: plain values, without lengths.
        data: of the card, with the largest lengths.
        position_limit: most tokens that the backbone reads.

    Returns:
        The card, and why.
    """
    sources, targets, uncut, faults = [], [], [], []
    for rows in data.rows.values():
        step = max(1, len(rows.data) // MEASURED)
        sampled = rows.select(list(range(0, len(rows.data), step)))
        for _, features in tried(data.features, sampled):
            if isinstance(features, UserError):
                faults.append(features)
                continue
            for feature in features:
                ids = feature["input_ids"]
                longest = max(map(len, ids)) if isinstance(ids[0], list) else len(ids)
                sources.append(feature.get("source_length", longest))
                uncut.append(not feature.get("cut"))
                if data.features.answers == "text":
                    targets.append(sum(label != -100 for label in feature["labels"]))
    if not sources:
        raise UserError(f"no row can be used; the first: {faults[0]}", where=data.card.name)
    most = max((length for length in LENGTHS if length <= position_limit), default=position_limit)
    if data.features.answers == "passage":
        length, why = min(PASSAGE, most), f"passages are read in windows of {min(PASSAGE, most)} tokens, as usual"
    else:
        length = _fitting(sources, LENGTHS, most)
        whole = sum(n <= length and read for n, read in zip(sources, uncut, strict=True)) / len(sources)
        why = f"max_length {length}: {whole:.1%} of the texts are read whole, the longest has {max(sources)} tokens"
        why += " or more" if max(sources) >= max(LENGTHS) else ""
    made = {key: value for key, value in card.items() if key != "options"} | {"max_length": length}
    options = dict(card.get("options") or {})
    if data.features.answers == "passage" and length < PASSAGE:
        options.setdefault("stride", length // 4)
    if targets:
        target = options["max_target_length"] = _fitting(targets, TARGETS, max(TARGETS))
        whole = sum(n <= target for n in targets) / len(targets)
        why += f"; max_target_length {target} holds {whole:.1%} of the texts to write"
    return made | ({"options": options} if options else {}), why


def _fitting(lengths: list[int], choices: tuple[int, ...], most: int) -> int:
    """Choose the smallest length that holds nearly all."""
    wanted = sorted(lengths)[min(len(lengths) - 1, math.ceil(KEPT * len(lengths)) - 1)]
    return next((choice for choice in choices if wanted <= choice <= most), most)
