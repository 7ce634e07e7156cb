"""Splits of local files that are made of another split's rows: `validation: train[90%:]`, `test: validation`.

The words are those of the datasets library, which also rounds: `train[:1000]`, `train[:45%]+train[50%:95%]`.
"""

from collections.abc import Callable
from itertools import product

from ptv2.config.cards import SPLITS, TaskCard
from ptv2.errors import UserError, nearest


def made_of(card: TaskCard, split: str, is_there: Callable[[str], bool]) -> tuple[str, str | None]:
    """Say of which split's file a split is made, and by which instruction.

    A file of its own comes first: what `splits` says is for sources without it. A split that has none and is a part of
    another's rows leaves the other with the rest, as `splits` says; as long as both have files, each is whole.

    Returns:
        The split whose file is read, and the instruction; None: the whole file.

    Raises:
        UserError: an instruction of more than one split, or that cannot be read.
    """
    mapping = {name: text for name, text in card.dataset.splits.items() if isinstance(text, str)}
    text = mapping.get(split)
    if text is None or text == split or not _bases(text) & set(SPLITS):
        return split, None
    where = f"{card.name}.dataset.splits.{split}"
    if is_there(split):
        taken = [name for name, other in mapping.items() if name != split and split in _bases(other)]
        parted = _bases(text) == {split} and any(not is_there(name) for name in taken)
        return split, _checked(text, where) if parted else None
    bases = _bases(text)
    if len(bases) > 1:
        raise UserError(f"is made of several splits of local files ({text})", where=where, do="name one of them")
    return bases.pop(), _checked(text, where)


def rows_of(text: str, count: int, where: str) -> list[int]:
    """List the rows that an instruction takes of the `count` rows of its split.

    Raises:
        UserError: it takes none.
    """
    rows = [row for _, part in _parts(text, count) for row in part]
    if not rows:
        raise UserError(f"'{text}' takes none of the {count} rows", where=where, do="take more of them")
    return rows


def of_train(card: TaskCard, split: str, count: int) -> bool:
    """Tell whether a part of a source of `count` rows has rows that training takes as well.

    Raises:
        UserError: the instruction of the training split cannot be read.
    """
    train, own = (card.dataset.splits.get(name) for name in ("train", split))
    if split == "train" or not isinstance(train, str) or not isinstance(own, str):
        return False
    train = _checked(train, f"{card.name}.dataset.splits.train") if _bases(train) & set(SPLITS) else "train"
    pairs = product(_parts(train, count), _parts(own, count))
    return any(a == b and range(max(x.start, y.start), min(x.stop, y.stop)) for (a, x), (b, y) in pairs)


def _parts(text: str, count: int) -> list[tuple[str, range]]:
    """List the parts of an instruction, as (split, rows), where a split has `count` rows."""
    from datasets import ReadInstruction

    parts = ReadInstruction.from_spec(text).to_absolute(dict.fromkeys(_bases(text), count))
    return [(part.splitname, range(count)[part.from_ : part.to]) for part in parts]


def _bases(text: str) -> set[str]:
    return {part.partition("[")[0].strip() for part in text.split("+")}


def _checked(text: str, where: str) -> str:
    from datasets import ReadInstruction

    try:
        ReadInstruction.from_spec(text)
    except (ValueError, AssertionError) as error:
        what = f"'{text}' is not a split or a part of one"
        raise UserError(what, where=where, do="write train, train[:90%] or train[1000:]") from error
    unknown = _bases(text) - set(SPLITS)
    if unknown:
        raise UserError(f"no split '{min(unknown)}'", where=where, do=nearest(min(unknown), SPLITS))
    return text
