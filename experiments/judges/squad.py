"""SQuAD's exact match and F1 beside the official script's rules, written a second time (`squad_rules.py`)."""

import random
from collections.abc import Iterator, Sequence
from statistics import mean

from experiments.judges.judge import Case, Judge
from experiments.judges.sources import read
from experiments.judges.squad_rules import exact_and_f1
from ptv2.metrics.qa import squad_em, squad_f1
from ptv2.metrics.split import Split

Rows = Sequence[tuple[str, list[str]]]  # answer, gold answers

EDGES: dict[str, Rows] = {
    "articles and punctuation": [("The cat!", ["cat"]), ("an a the", ["the"]), ("a.n apple", ["an apple"])],
    "articles alone are no answer": [("the", []), ("the", ["the"]), ("", ["a"])],
    "no answer": [("", []), ("yes", []), ("", ["yes"])],
    "hyphens and apostrophes": [("state-of-the-art", ["state of the art"]), ("cat's", ["cats"])],
    "repeated words": [("very very good", ["very good"]), ("good", ["good good good"])],
    "several gold answers": [("red hen", ["hen", "a red hen", "cow"]), ("b", ["", "the", "b"])],
    "white space": [("red\u00a0hen", ["red hen"]), ("red\n hen\t", ["red hen"]), ("  ", [])],
    "other scripts": [("Ünïcode É", ["ünïcode é"]), ("你好", ["你好。"]), ("“quoted”", ["quoted"]), ("İ", ["i̇"])],
    "numbers": [("1,000", ["1000"]), ("$5.5", ["55"]), ("3–4", ["34"])],
}
PIECES = [*"a an the The cat Cat. hen red ! - x-y 's 1,0 É".split(), "", "  ", "a\u00a0b", "\n"]
ROWS = 20_000


def both(name: str, rows: Rows) -> Iterator[Case]:
    """Compare the scores of these rows together."""
    split = Split([answer for answer, _ in rows], [gold for _, gold in rows])
    theirs = [exact_and_f1(answer, gold) for answer, gold in rows]
    of = f"{len(rows):,} answers"
    yield Case(f"{name}: exact match", of, mean(exact for exact, _ in theirs), squad_em(split))
    yield Case(f"{name}: F1", of, mean(f1 for _, f1 in theirs), squad_f1(split))


def drawn() -> Rows:
    """Draw answers from pieces that the rules treat in different ways."""
    draw = random.Random(0)

    def text() -> str:
        return draw.choice((" ", "")).join(draw.choices(PIECES, k=draw.randint(0, 5)))

    return [(text(), [text() for _ in range(draw.randint(0, 3))]) for _ in range(ROWS)]


def cases() -> Iterator[Case]:
    for name in ("squad", "squad_v2"):
        draw, rows = random.Random(name), []
        for row in read(name, "validation"):
            gold, words = row["answers"]["text"], row["context"].split()
            start = draw.randrange(len(words))
            near = " ".join([*gold[:1], words[start]]) if draw.random() < 0.5 else " ".join(words[start : start + 3])
            rows.append(("" if draw.random() < 0.2 else near, gold))
        yield from both(f"{name}, drawn answers", rows)
    for name, rows in EDGES.items():
        yield from both(name, rows)
    yield from both("random answers", drawn())
    yield max(
        (case for row in drawn() for case in both("random answers, one by one, the furthest", [row])),
        key=lambda case: case.difference or 0.0,
    )


JUDGE = Judge(
    "official rules",
    "Questions about a passage: SQuAD",
    "Exact match and F1 of version 2.0. The rules are a second implementation in experiments/judges, from the script's "
    "description; answers to the published questions are drawn from passage and gold answer.",
    ("ptv2",),
    1e-12,
    cases,
)
