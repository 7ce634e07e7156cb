"""Sets of labels as people have them, and the text by which each is printed."""

from typing import Any

from hypothesis import strategies as st

ODD = ["NA", "nan", "null", "None", "no", "yes", "off", "007", "1e5", "12:30", "Ω", "日本語", "😀", "a" * 300, "-", "O"]
ALIKE = ["spam", "Spam", "SPAM", "not spam", "not  spam", "Not Spam"]

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)


def _whole(values: list[int]) -> bool:
    """A -1 among other numbers is refused: it may stand for no label."""
    return [value for value in values if value < 0] != [-1] or {*values} == {-1, 1}


def _several(values: st.SearchStrategy) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=2, max_size=5, unique=True)


LABELS = st.one_of(
    _several(st.integers(-9, 20)).filter(_whole),
    _several(st.integers(10**6, 10**12)),
    _several(st.integers(-8, 8).map(lambda n: n / 4)).filter(_whole),
    st.permutations([True, False]),
    _several(st.sampled_from(ODD)),
    _several(st.sampled_from(ALIKE)),
    _several(st.builds(" ".join, st.lists(WORDS.map(str.strip).filter(bool), min_size=1, max_size=3))),
)


def printed(label: Any) -> str:
    """How a label of JSON is written in CSV, and printed: as it stands, less the point of 1.0 and Python's capitals."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
