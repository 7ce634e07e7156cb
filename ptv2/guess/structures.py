"""Kinds that the structure of a row gives away: spans of a context, tags of words, gaps, choices."""

import re
from collections.abc import Callable
from itertools import combinations

from ptv2.errors import UserError
from ptv2.guess.choices import choice_fields, choice_list
from ptv2.guess.fields import Field
from ptv2.guess.inputs import alone, is_dense
from ptv2.guess.layouts import check_layout, check_related
from ptv2.guess.proposal import Proposal, Seen
from ptv2.kinds.span.answers import answers_of
from ptv2.kinds.tag_scheme import OUTSIDE, check_tags
from ptv2.rows.spans import END, START, TYPE

GAP = re.compile(r"@placeholder|\[MASK\]|<mask>|\[BLANK\]|<blank>|_{2,}|XXXX+", re.IGNORECASE)
MOST_TAGS = 400  # that differ


def by_structure(seen: Seen) -> Proposal | None:
    """Propose the kind that the rows' structure shows; None where they have none of these.

    Raises:
        UserError: their structure is one that no card reads.
    """
    check_related(seen)
    finders: list[Callable[[Seen], Proposal | None]] = [span, tagging, spans, cloze, choice_list, choice_fields]
    found = next((found for find in finders if (found := find(seen)) is not None), None)
    if found is None:
        check_layout(seen)
    return found


def span(seen: Seen) -> Proposal | None:
    """Find answers with offsets into a text of the same row."""
    for field in seen.of("object", "objects"):
        answers = []
        for row in seen.rows:
            try:
                answers.append(answers_of(row, field.name, str))
            except UserError:
                answers.append(([], []))
        if not any(texts for texts, _ in answers):
            continue
        texts = [other for other in seen.of("text") if not other.nested]
        context = max(texts, key=lambda text: _standing(text, answers), default=None)
        if context is None or len(texts) < 2 or (share := _standing(context, answers)) < 0.8:
            continue
        question = _question([text for text in texts if text is not context])
        all_answered = all(found for found, _ in answers)
        longest = max(len(text) for found, _ in answers for text in found)
        dense = is_dense([context])
        metrics = ["cmrc_f1", "cmrc_em"] if dense else ["squad_f1", "squad_em"]
        why = [f"the answers in '{field.name}' stand in '{context.name}' at their offsets, in {share:.0%} of the rows"]
        options: dict = {"answerable": True} if all_answered else {}
        if all_answered:
            why.append("every question has an answer")
        else:
            metrics += [] if dense else ["has_answer_f1", "no_answer_f1"]
            without = sum(not found for found, _ in answers) / len(answers)
            why.append(f"{without:.0%} of the questions have no answer")
        if share < 1:
            options["find_answers"] = True
            why.append("answers that are not at their offset are looked for (find_answers)")
        if dense and longest > 30:
            options["max_answer_tokens"] = min(128, longest)
        return Proposal(
            "span", {"question": alone(question), "context": alone(context)}, field.name, metrics, why, options=options
        )
    return None


def _standing(context: Field, answers: list[tuple[list[str], list[int]]]) -> float:
    """Return the share of the answers that stand at their offset."""
    pairs = [
        str(text).startswith(answer, start) if text is not None and start >= 0 else False
        for text, (found, starts) in zip(context.values, answers, strict=True)
        for answer, start in zip(found, starts, strict=True)
    ]
    return sum(pairs) / max(1, len(pairs))


def _question(texts: list[Field]) -> Field:
    """Choose the field of the question: by its name, by its marks, or the one that differs most."""
    named = [text for text in texts if re.search("question|query", text.name, re.IGNORECASE)]
    marked = [
        text for text in texts if sum(str(v).strip()[-1:] in "?？" for v in text.values if v) > len(text.values) / 2
    ]
    return (named or marked or sorted(texts, key=lambda text: -text.distinct))[0]


def tagging(seen: Seen) -> Proposal | None:
    """Find a list of words and a list of as many tags."""
    lists = [field for field in seen.of("texts", "wholes") if not field.nested]
    pairs = []
    for one, other in combinations(lists, 2):
        tokens, tags = (one, other) if len(one.counts) >= len(other.counts) else (other, one)
        if (one.name, other.name) == ("tokens", "tags"):  # as the columns of a CoNLL file are called
            tokens, tags = one, other
        few = len(tags.counts) <= MOST_TAGS and 2 * len(tags.counts) <= sum(tags.counts.values())
        if tokens.form == "texts" and few and len(tags.counts) > 1 and _are_words(tokens) and _aligned(tokens, tags):
            pairs.append((tokens, tags))
    if not pairs or sum(map(len, filter(None, pairs[0][0].values))) <= 1.5 * len(seen.rows):
        return None
    most = max((words for words, _ in pairs), key=lambda words: len(words.counts))  # words differ more than their tags
    pairs = [pair for pair in pairs if pair[0] is most]
    tokens, tags = max(pairs, key=lambda pair: (*_rank(pair[1]), lists.index(pair[1])))
    why = [f"'{tags.name}' holds one of {len(tags.counts)} tags for each word of '{tokens.name}'"]
    if len(pairs) > 1:
        others = ", ".join(dict.fromkeys(f"'{other.name}'" for _, other in pairs if other is not tags))
        why.append(f"{others} hold tags, too: change `label` to learn those")
    inputs = {"tokens": tokens.name}
    metrics = ["span_f1"] if _spans(tags) else ["accuracy"]
    if metrics == ["accuracy"]:
        why.append("the tags are no spans (no O, or no known scheme), so words are scored")
    predicate = next((field for field in seen.of("whole") if _points(field, tags)), None)
    if predicate is not None:
        inputs["predicate"] = predicate.name
        why.append(f"'{predicate.name}' points at a word that has the same tag in each row: the predicate")
        metrics += ["span_f1_no_v"] if "B-V" in tags.counts else []
    return Proposal("tagging", inputs, tags.name, metrics, why, labels=_tags(tags))


def _aligned(tokens: Field, tags: Field) -> bool:
    pairs = list(zip(tokens.values, tags.values, strict=True))
    equal = sum(isinstance(a, list) and isinstance(b, list) and len(a) == len(b) for a, b in pairs)
    return equal >= 0.95 * len(pairs)


def _spans(tags: Field) -> bool:
    """Tell whether tags are read as spans."""
    try:
        check_tags(list(tags.names or tags.counts), "")
    except UserError:
        return False
    return True


def _rank(tags: Field) -> tuple[bool, bool, bool]:
    """Say what makes tags likely to be the answer: a name of entities, spans, a name of parts of speech."""
    named = re.search("ner|entit|slot", tags.name, re.IGNORECASE) is not None
    return named, _spans(tags), re.fullmatch("u?pos(_tags?)?", tags.name, re.IGNORECASE) is not None


def _are_words(tokens: Field) -> bool:
    """Tell whether the texts of lists are words; a number of words may be one, such as 10 000."""
    return sum(count for text, count in tokens.counts.items() if " " in text.strip()) <= 0.05 * tokens.counts.total()


def _points(field: Field, tags: Field) -> bool:
    """Tell whether a number is in each row the place of a word with the same tag, which is not that of most words."""
    at = []
    for place, found in zip(field.values, tags.values, strict=True):
        if not isinstance(place, int) or not isinstance(found, list) or not 0 <= place < len(found):
            return False
        at.append(found[place])
    return len(set(at)) == 1 and at[0] != tags.counts.most_common(1)[0][0]


def _tags(tags: Field) -> list[str] | None:
    if tags.names:
        return None
    return sorted(tags.counts, key=lambda tag: (tag != OUTSIDE, tag.partition("-")[2], tag))


def spans(seen: Seen) -> Proposal | None:
    """Find annotated spans, of words or of the characters of a text."""
    for field in seen.of("objects", "lists"):
        items = [item for value in field.values for item in (value or [])]
        if not items or not all(_is_span(item) for item in items):
            continue
        last = max(item[1] if isinstance(item, list) else next(item[k] for k in END if k in item) for item in items)
        texts = [text for text in seen.of("text") if text.words >= 2 and not text.nested]
        words = [words for words in seen.of("texts") if not words.nested]
        options = {"spans_column": field.name}
        if words:
            inputs, over = {"tokens": words[0].name}, words[0]
        elif texts:
            over = max(texts, key=lambda text: text.words)
            free = next(name for name in ("tokens", "words", "span_tokens") if name not in seen.fields)
            inputs, options["text_column"] = {"tokens": free}, over.name
        else:
            continue
        why = [f"'{field.name}' holds spans (start, end, type) of '{over.name}', up to {last}; tags are made of them"]
        label = "tags" if "tags" not in seen.fields else "span_tags"
        return Proposal("tagging", inputs, label, ["span_f1"], why, options=options)
    return None


def _is_span(item: object) -> bool:
    if isinstance(item, dict):
        return all(any(key in item for key in keys) for keys in (START, END, TYPE))
    return (
        isinstance(item, list) and len(item) == 3 and all(type(n) is int for n in item[:2]) and isinstance(item[2], str)
    )


def cloze(seen: Seen) -> Proposal | None:
    """Find a query with a gap, a list of entities and the ones among them that fill it."""
    lists = [field for field in seen.of("texts") if field.filled > 0.95]
    for query in seen.of("text"):
        marks = {found[0] for value in query.values if value and (found := GAP.search(str(value)))}
        if len(marks) != 1 or not all(value and min(marks) in str(value) for value in query.values):
            continue
        for entities in lists:
            answers = next((other for other in lists if other is not entities and _among(other, entities)), None)
            passages = [text for text in seen.of("text") if text is not query and text.words > query.words]
            if answers is None or not passages:
                continue
            gap, passage = min(marks), max(passages, key=lambda text: text.words)
            options = {} if gap == "@placeholder" else {"placeholder": gap}
            why = [f"each '{query.name}' has the gap {gap}, which '{answers.name}' of '{entities.name}' fill"]
            inputs = {"text": alone(passage), "query": alone(query), "entities": entities.name}
            return Proposal("cloze", inputs, answers.name, ["squad_f1", "squad_em"], why, options=options)
    return None


def _among(some: Field, all_of_them: Field) -> bool:
    pairs = list(zip(some.values, all_of_them.values, strict=True))
    inside = sum(bool(a) and bool(b) and len(a) < len(b) and {*a} <= {*b} for a, b in pairs)
    return inside >= 0.9 * len(pairs)
