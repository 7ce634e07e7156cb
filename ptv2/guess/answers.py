"""Kinds that the field of the answer gives away: a label, several, a number, or a text."""

import re
from collections.abc import Collection
from itertools import pairwise

from ptv2.errors import UserError
from ptv2.guess.fields import Field, flat
from ptv2.guess.inputs import MOST, blank_texts, is_dense, is_record, joined, sources, text_roles, texts_beside
from ptv2.guess.layouts import check_ranked
from ptv2.guess.names import (
    ANSWERS,
    ASIDE,
    EXPLAINS,
    FILED,
    LABEL,
    OPINION,
    PERSON,
    PLACE,
    QUANTITY,
    QUESTION,
    READ,
    SCORE,
    TITLE,
    TOPIC,
    WRITTEN,
    WRONG,
    is_named,
)
from ptv2.guess.proposal import Proposal, Seen
from ptv2.guess.unclear import check_flags, check_single, is_flag, no_answer

NO_LABEL = ("-", "--", "?", "n/a", "na", "nan", "null")  # as SNLI's "-", of rows whose annotators disagree
MOST_LABELS = 1000
NAMED = 200  # labels that are listed in a card
NOTED = 0.1  # share of the rows that have a text, from which it is said that it is not read
TITLE_WORDS = 15  # a headline or summary of fewer is the title of a text that a topic is of
NUMBERS = 20  # numbers that differ, from which they are a quantity


def by_answer(seen: Seen) -> Proposal:
    """Propose the kind that the field of the answer shows.

    Raises:
        UserError: no field looks like an answer.
    """
    classes = [field for field in seen.of("text", "whole", "truth") if _is_label(field, seen)]
    quantities = [field for field in seen.of("number", "whole") if field.distinct >= NUMBERS and field.filled > 0.9]
    quantities = [field for field in quantities if not is_named(field.name, PLACE)]
    numbers = [field for field in quantities if field.form == "number" or field not in classes]
    few = [field for field in seen.of("number") if 2 < field.distinct < NUMBERS and field.filled > 0.9]  # half stars
    steps = [field for field in (*numbers, *few) if not field.nested]
    several = [field for field in seen.of("texts", "wholes") if _is_labels(field)]
    written = [field for field in seen.of("text", "texts") if field.filled > 0.9 and _may_be_written(field)]
    rich = [field for field in seen.of("text", "texts", "lists") if field.is_rich]
    labelled = [_best(found, LABEL) for found in (classes, several, steps)]
    if labelled[0] is not None and labelled[0].name.lower().endswith("target"):  # of an opinion
        labelled[0] = _best(classes, OPINION) or labelled[0]
    if (found := _proposed(seen, *labelled)) is not None:
        return found
    target, topics = _best(written, WRITTEN), [_best(found, TOPIC) for found in (classes, several, steps)]
    if topics[0] is not None and is_named(topics[0].name, FILED):
        scores = [field for field in steps if field.form == "number" and is_named(field.name, SCORE)]
        topics = [None, None, scores[0]] if scores else topics
    if target is None and any(map(is_record, rich)):
        told = [field for field in written if field in rich and not is_record(field)]
        target = max(told, key=lambda field: field.words, default=None)
    inside = [field for field in seen.of("text", "whole", "truth") if field.nested and is_named(field.name, TOPIC)]
    titled = target is not None and any([*topics, *inside]) and _is_titled(seen, target)
    if target is not None and not titled and sources(seen, target):
        named = (
            "is named as texts are that are written" if is_named(target.name, WRITTEN) else "tells of data beside it"
        )
        return generation(seen, target, f"'{target.name}' {named}")
    if (found := _proposed(seen, *topics)) is not None:
        return found
    if titled and inside:
        raise no_answer(seen, inside)
    if (quantity := _best(steps, QUANTITY)) is not None:
        return regression(seen, quantity)
    if classes and not any(field.form != "text" for field in rich):
        check_flags(classes)
        return classification(seen, _likeliest(classes), classes)
    check_ranked(seen)
    several = [field for field in several if not _is_parallel(field, seen)]
    if several and any(field.form == "text" and field not in several for field in rich):
        return multilabel(seen, several[-1])
    last = [field for field in rich if not (is_named(field.name, QUESTION) or is_named(field.name, READ))]
    if len(rich) >= 2 and last and last[-1].form in ("text", "texts"):
        return generation(seen, last[-1], f"'{last[-1].name}' is the last of {len(rich)} texts")
    if rich and (several or numbers):
        found = _proposed(seen, None, several[-1] if several else None, numbers[-1] if numbers else None)
        assert found is not None  # there is one of them
        return found
    named = [(field.name.rpartition(".")[2], field) for field in seen.fields.values()]
    raise no_answer(seen, [field for names in (LABEL, TOPIC) for name, field in named if names.fullmatch(name)])


def _is_titled(seen: Seen, target: Field) -> bool:
    """Tell whether a text is the title of what a topic is of, or has nothing but titles and names beside it."""
    if TITLE.fullmatch(target.name.rpartition(".")[2]) and target.words < TITLE_WORDS:
        return True
    return all(is_named(field.name, TITLE) or is_named(field.name, PERSON) for field in sources(seen, target))


def _is_parallel(labels: Field, seen: Seen) -> bool:
    """Tell whether lists go with other lists of the row, item by item: several questions a row, and their answers."""
    sizes = [len(value or []) for value in labels.values]
    others = [field for field in seen.of("texts", "lists") if field is not labels and not field.nested]
    return any([len(value or []) for value in field.values] == sizes for field in others)


def _may_be_written(field: Field) -> bool:
    """Tell whether texts may be ones to write: of some words, or single words that seldom repeat and are named so."""
    return field.is_rich or (is_named(field.name, WRITTEN) and field.distinct > 0.5 * len(field.values))


def _likeliest(classes: list[Field]) -> Field:
    """Choose a label by its values, as no name tells it: words rather than numbers, few, and not whose row it is."""
    for holds in (
        lambda field: not is_named(field.name, ASIDE),
        lambda field: field.form != "whole" or field.names,
        lambda field: field.form != "whole" or field.distinct < NUMBERS,
    ):
        classes = [field for field in classes if holds(field)] or classes
    return classes[-1]


def _proposed(seen: Seen, label: Field | None, labels: Field | None, number: Field | None) -> Proposal | None:
    if label is not None:
        number = next((field for field in seen.of("number") if _decides(field, label)), None)
        return classification(seen, label) if number is None else regression(seen, number, label)
    if labels is not None:
        return multilabel(seen, labels)
    return regression(seen, number) if number is not None else None


def _best(fields: list[Field], names: re.Pattern[str]) -> Field | None:
    """Choose the field that is named as an answer is, the shortest name first."""
    found = [field for field in fields if is_named(field.name, names)]
    return min(found, key=lambda field: len(field.name), default=None)


def _is_label(field: Field, seen: Seen) -> bool:
    """Tell whether the values are names that rows share."""
    if field.names:
        return True
    alone = field.words <= RICH_LABEL or field.distinct <= 20
    few = 2 <= field.distinct <= min(MOST_LABELS, len(seen.rows) // 2)
    return field.filled > 0.9 and few and alone and not field.nested and not field.is_time


RICH_LABEL = 5  # words of a label's name, where there are many labels


def _is_labels(field: Field) -> bool:
    """Tell whether lists hold names that rows share."""
    few = 2 <= len(field.counts) <= MOST_LABELS and 2 * len(field.counts) <= sum(field.counts.values())
    short = max((len(name.split()) for name in field.counts), default=0) <= RICH_LABEL
    return bool(field.names) or (few and short and not field.nested)


def _decides(number: Field, label: Field) -> bool:
    """Tell whether a label says no more than in which interval a number lies."""
    if number.distinct < NUMBERS or number.filled < 1:
        return False
    ranges: dict[str, list[float]] = {}
    for value, name in zip(number.values, label.values, strict=True):
        ranges.setdefault(str(name), []).append(float(value))
    ends = sorted((min(values), max(values)) for values in ranges.values())
    return len(ends) < NUMBERS and all(a[1] < b[0] for a, b in pairwise(ends))


def classification(seen: Seen, label: Field, candidates: Collection[Field] = ()) -> Proposal:
    """Propose one label a row, that of the `candidates` which none of their names chose."""
    check_single(label)
    why = [f"'{label.name}' holds one of {label.distinct} labels, which rows share"]
    names = next((field for field in seen.of("text") if _names(field, label)), None)
    if names is not None:
        why.append(f"'{names.name}' names the numbers of '{label.name}' one to one, so it is read instead")
        label = names
    if passed := [field.name for field in candidates if field is not label and not is_flag(field)]:
        hold = f"{', '.join(map(repr, passed))} hold{'s' if len(passed) == 1 else ''} values that rows share, too"
        why.append(f"{hold}: change `label` to learn {'that' if len(passed) == 1 else 'one of those'}")
    if others := [field.name for field in seen.of("whole", "truth") if field is not label and is_flag(field)]:
        hold = f"{', '.join(map(repr, others))} hold{'s' if len(others) == 1 else ''} a 0 or 1 a row, too"
        why.append(f"{hold}: change `label` to learn that, or write all as a list of labels a row (kind multilabel)")
    if odd := [name for name in label.counts if name.lower() in NO_LABEL]:
        why.append(f"'{odd[0]}' is one of them: where it says that there is no label, remove these rows")
    (_, most), *_ = label.counts.most_common(1)
    metrics = ["accuracy"] if label.distinct == 2 else ["accuracy", "macro_f1"]
    if most > 0.8 * label.counts.total():
        metrics = ["macro_f1", "accuracy"]
        why.append(f"one label is that of {most / label.counts.total():.0%} of the rows, so macro F1 comes first")
    return Proposal("cls", _text_inputs(seen, {label.name}, label), label.name, metrics, why)


def _names(field: Field, label: Field) -> bool:
    """Tell whether a field has one name for each number of the label."""
    if label.form != "whole" or field.distinct != label.distinct or field.filled < 1:
        return False
    return len(set(zip(map(str, label.values), map(str, field.values), strict=True))) == label.distinct


def regression(seen: Seen, number: Field, label: Field | None = None) -> Proposal:
    """Propose a number a row."""
    low, high = min(map(float, filter(_there, number.values))), max(map(float, filter(_there, number.values)))
    why = [f"'{number.name}' holds {number.distinct} numbers from {low:g} to {high:g}"]
    if label is not None:
        why.append(f"'{label.name}' only says in which part of them a row's lies: change kind and label to learn that")
    taken = {number.name} | ({label.name} if label is not None else set())
    return Proposal("regression", _text_inputs(seen, taken), number.name, ["pearson", "spearman"], why)


def _there(value: object) -> bool:
    return value is not None


def multilabel(seen: Seen, labels: Field) -> Proposal:
    """Propose a list of labels a row, or a 0 or 1 for each label."""
    widths = {len(value) for value in labels.values if value is not None}
    vectors = labels.form == "wholes" and set(labels.counts) <= {"0", "1"} and len(widths) == 1
    # A bare 0 or 1 as a name would be taken for a number.
    names = [f"label {i}" for i in range(widths.pop())] if vectors else None
    many = f"a 0 or 1 for each of {len(names)} labels" if names else f"lists of {len(labels.counts)} labels"
    why = [f"'{labels.name}' holds {many}"]
    if names:
        why.append("their names are not in the rows: write them into `labels`")
    metrics = ["micro_f1", "macro_f1_multilabel"]
    return Proposal("multilabel", _text_inputs(seen, {labels.name}), labels.name, metrics, why, labels=names)


def generation(seen: Seen, target: Field, why: str) -> Proposal:
    """Propose a text to write."""
    if TOPIC.fullmatch(target.name):
        check_single(target)
    read, options = sources(seen, target), {}
    reasons = [why, f"it is written from {', '.join(repr(field.name) for field in read)}"]
    source = joined(read, "\n")
    references = next(
        (name for name, field in seen.fields.items() if name == "references" and target.name != name), None
    )
    if references is not None:
        options["references"] = references
    plain = len(read) == 1 and read[0].form == "text" and target.form == "text"
    if plain and read[0].distinct < 0.8 * len(seen.rows):
        options["group_by"] = read[0].name
        reasons.append(f"rows share a '{read[0].name}': scored together, with all their texts as references")
    if (passage := next((field for field in read if _holds(field, target)), None)) is not None:
        need = "kind span marks it there, if rows hold {text: [...], answer_start: [...]}"
        reasons.append(f"'{target.name}' stands in '{passage.name}': {need}")
    short = target.words <= 5
    metrics = ["perplexity", "rouge_l", "squad_f1"] if short else ["perplexity", "rouge_l", "bleu", "chrf"]
    return Proposal("seq2seq", {"source": source}, target.name, metrics, reasons, options=options)


def _holds(field: Field, target: Field) -> bool:
    """Tell whether a longer text holds the target, in nearly every row."""
    pairs = list(zip(field.values, target.values, strict=True))
    inside = sum(isinstance(a, str) and isinstance(b, str) and b in a and len(a) > 2 * len(b) for a, b in pairs)
    return inside > 0.9 * len(pairs)


def _text_inputs(seen: Seen, taken: set[str], label: Field | None = None) -> dict[str, str]:
    """Say what is read beside the answer, and not what tells it.

    Raises:
        UserError: nothing is.
    """
    texts = texts_beside(seen, taken)
    if label is not None:
        texts = [field for field in texts if not _tells(field, label)]
    if texts:
        return text_roles(texts)
    lists = [field for field in seen.of("texts") if field.is_rich and field.name not in taken]
    if lists:
        return {"text": joined(lists[:1])}
    if (part := next((field for field in blank_texts(seen, taken) if field.filled > 0.5), None)) is not None:
        what = f"'{min(taken)}' looks like an answer to '{part.name}', which is blank in {_blank(part)} of the rows"
        raise UserError(what, do="remove these rows, or give them a text")
    short = texts_beside(seen, taken, short=True)
    if not short:
        raise UserError(f"'{min(taken)}' looks like an answer, but no field holds a text", do="give each row a text")
    return text_roles(short)


def unread(seen: Seen, read: Collection[str]) -> list[str]:
    """Say of which texts nothing is read: some rows lack them, they explain the answer, or there are too many."""
    left = [field.name for field in seen.of("text") if field.is_rich and field.name not in read]
    why = [f"'{name}' explains the answer, so it is not read" for name in left if is_named(name, EXPLAINS)]
    why += [f"'{name}' holds wrong answers, so it is not read" for name in left if is_named(name, WRONG)]
    if len(read) > MOST:
        tells = (EXPLAINS, WRONG, ANSWERS)  # the answer, or what it is not
        more = [name for name in left if not any(is_named(name, names) for names in tells)]
        more = [name for name in more if seen.fields[name].filled >= 0.95]
        why += [f"{MOST} texts are read, not {', '.join(more)}: write them into `inputs`"] if more else []
    return why + [
        f"'{field.name}' is blank in {_blank(field)} of the rows, so it is not read"
        for field in blank_texts(seen, read)
        if field.filled >= NOTED
    ]


def _blank(field: Field) -> str:
    return f"{1 - field.filled:.0%}"


def _tells(field: Field, label: Field) -> bool:
    """Tell whether a field's few values each stand with one label."""
    pairs = set(zip(map(str, field.values), map(str, label.values), strict=True))
    return len(pairs) == field.distinct <= 2 * label.distinct and field.distinct < len(label.values) // 2


def language(seen: Seen, label: str) -> str | None:
    """Name the language of texts that are scored, where their script tells it."""
    return "zh" if is_dense([seen.fields[label]]) and not _kana(seen.fields[label]) else None


def _kana(field: Field) -> bool:
    return any(re.search(r"[\u3040-\u30ff]", str(value)) for value in list(flat(field.values))[:200])
