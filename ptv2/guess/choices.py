"""Multiple choice, as the structure of a row gives it away: a list of choices, or a field for each."""

from collections.abc import Sequence
from statistics import median

from ptv2.errors import UserError
from ptv2.guess.fields import Field
from ptv2.guess.inputs import alone, joined, texts_beside
from ptv2.guess.names import CHOICES, EXPLAINS, NUMBERED, PICKS, RIGHT, SPOKEN, is_named
from ptv2.guess.proposal import Proposal, Seen


def choice_list(seen: Seen) -> Proposal | None:
    """Find a list of choices, and the number or the letter of the right one."""
    for choices in sorted(seen.of("texts"), key=_are_letters):  # a list of texts comes before that of their letters
        if choices.distinct < 2 or not choices.in_all(lambda value: len(value) >= 2 and None not in value):
            continue
        lengths = [len(value or []) for value in choices.values]
        for answer in seen.of("whole", "text", "truth"):
            if not RIGHT.fullmatch(answer.name):
                continue
            named = next((other for other in seen.of("texts") if _letters(other, lengths, answer)), None)
            if named is None and _is_text_of(answer, [value or [] for value in choices.values]):
                named = choices
            first = None if named is not None else _first(answer, lengths)
            if named is None and (first is None or not (_are_named(choices) or _reach(answer, first, lengths))):
                continue
            options = {"label_in": named.name} if named is not None else {"first": first} if first else {}
            if answer.form == "truth" and not (_are_named(choices) and max(lengths) == 2):
                continue
            stem = texts_beside(seen, {choices.name, answer.name, *([named.name] if named else [])}, short=True)
            stem = [field for field in stem if not _tells(field, [value or [] for value in choices.values])]
            if not stem:
                continue
            spoken = [field for field in seen.of("texts") if field is not choices and is_named(field.name, SPOKEN)]
            stem = [field for field in spoken if field.is_rich and not field.nested] + stem
            what = (
                _counted(first) if named is None else f"a {'text' if named is choices else 'letter'} of '{named.name}'"
            )
            why = [f"'{choices.name}' lists {_range(lengths)} choices a row, and '{answer.name}' is {what}"]
            inputs = {"text": joined(stem), "choices": choices.name}
            return Proposal("choice", inputs, answer.name, ["accuracy"], why, options=options)
    return None


def choice_fields(seen: Seen) -> Proposal | None:
    """Find choices in fields of their own (choice1, choice2, ...), and the number of the right one.

    Raises:
        UserError: the right one is told by its text or its field's name alone.
    """
    groups: dict[str, list[Field]] = {}
    refused: UserError | None = None
    for field in seen.fields.values():
        found = NUMBERED.fullmatch(field.name)
        if found is not None and field.form in ("text", "whole", "number") and not is_named(field.name, EXPLAINS):
            groups.setdefault(found[1], []).append(field)
    for stem, fields in groups.items():
        named = CHOICES.fullmatch(stem.strip("_ -.")) is not None or (not stem and len(fields) > 2)
        fields = [field for field in fields if named or field.form == "text"]  # numbers are choices, too, if named so
        if len(fields) < 2:
            continue
        counts = [sum(field.values[i] is not None for field in fields) for i in range(len(seen.rows))]
        rows = [[field.values[i] for field in fields] for i in range(len(seen.rows))]
        names = ", ".join(field.name for field in fields)
        for answer in seen.of("whole", "truth", "text"):
            beside = texts_beside(seen, {answer.name, *(field.name for field in fields)}, short=True)
            beside = [field for field in beside if not _tells(field, rows)]
            if answer in fields or not RIGHT.fullmatch(answer.name) or not beside:
                continue
            called = {field.name.lower() for field in fields}
            by_name = len(answer.counts) > 1 and {value.lower() for value in answer.counts} <= called
            if not named and len(fields) == 2 and not by_name and not PICKS.fullmatch(answer.name):
                continue
            first = _first(answer, counts)
            if first is None and (by_name or (named and _is_text_of(answer, rows))):
                what = f"'{answer.name}' holds the {'name' if by_name else 'text'} of the right one of {names}"
                do = f"write its number into a field of its own: 1 for {fields[0].name}"
                refused = refused or UserError(what, do=do)
            if first is None or not (named or _reach(answer, first, counts)):
                continue
            why = [f"{names} are choices, and '{answer.name}' is {_counted(first)}"]
            inputs = {"text": joined(beside)} | {f"choice{i}": alone(f) for i, f in enumerate(fields, start=1)}
            return Proposal("choice", inputs, answer.name, ["accuracy"], why, options={"first": first} if first else {})
    if refused is not None:
        raise refused
    return None


def _letters(letters: Field, lengths: list[int], answer: Field) -> bool:
    """Tell whether a list names as many choices as there are, and the answer is among the names."""
    rows = zip(letters.values, lengths, answer.values, strict=True)
    fits = [isinstance(names, list) and len(names) == n and str(right) in names for names, n, right in rows]
    return sum(fits) >= 0.95 * len(fits) and _are_letters(letters)


def _are_letters(field: Field) -> bool:
    return max(map(len, field.counts), default=0) <= 2


def _is_text_of(answer: Field, choices: Sequence[Sequence[object]]) -> bool:
    """Tell whether an answer is, in nearly every row, the text of one of its choices, and not of the same in all."""
    if answer.form != "text" or answer.distinct < 2:
        return False
    rows = list(zip(answer.values, choices, strict=True))
    places = [row.index(value) for value, row in rows if value in row]
    return len(places) >= 0.95 * len(rows) and len(set(places)) > 1


def _tells(field: Field, choices: Sequence[Sequence[object]]) -> bool:
    """Tell whether a text that stands beside the answer is another form of it: a letter, or the text of a choice."""
    return _are_letters(field) or _is_text_of(field, choices)


def _first(answer: Field, lengths: list[int]) -> int | str | None:
    """Return the label of the first choice, 0, 1, A or a, where all answers are numbers or letters of choices."""
    if len(answer.counts) < 2:
        return None
    for letter in "Aa":
        if set(answer.counts) <= {chr(ord(letter) + i) for i in range(max(lengths))}:
            return letter
    if answer.form not in ("whole", "truth"):
        return None
    pairs = [(int(float(value)), n) for value, n in zip(answer.values, lengths, strict=True) if value is not None]
    if all(0 <= value < n for value, n in pairs):
        return 0 if any(value == 0 for value, _ in pairs) else 1
    return 1 if all(1 <= value <= n for value, n in pairs) and any(value < n for value, n in pairs) else None


def _are_named(choices: Field) -> bool:
    return any(map(CHOICES.fullmatch, choices.name.split(".")))


def _reach(answer: Field, first: int | str, lengths: list[int]) -> bool:
    """Tell whether answers reach the last item of most lists: classes beside the words of a text do not."""
    there = [value for value in answer.values if value is not None]
    if isinstance(first, str):
        return max(map(ord, there)) - ord(first) + 1 >= median(lengths)
    return max(int(float(value)) for value in there) - first + 1 >= median(lengths)


def _counted(first: int | str | None) -> str:
    return f"a letter from {first}" if isinstance(first, str) else f"a number from {first}"


def _range(lengths: list[int]) -> str:
    return f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
