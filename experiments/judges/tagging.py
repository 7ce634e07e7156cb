"""Span F1 beside conlleval: predictions of a simple tagger on published sets, known edge cases, random tags.

The tagger gives each word the tag that it has most often in the training rows: it writes many sequences that break
their scheme, such as an I- behind O, which is where programs differ.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from experiments.judges.judge import Case, Judge
from experiments.judges.sources import read
from ptv2.config.cards import make_card, read_card
from ptv2.metrics.spans import span_f1
from ptv2.metrics.split import Split

Sentences = Sequence[Sequence[str]]

EDGES: dict[str, tuple[list[str], list[str]]] = {  # name: gold, predicted
    "I- behind O begins a span": (["O", "B-P", "I-P"], ["O", "I-P", "I-P"]),
    "I- of another type begins a span": (["B-P", "B-L", "O"], ["B-P", "I-L", "O"]),
    "B- behind B-": (["B-P", "B-P", "O"], ["B-P", "I-P", "O"]),
    "IOB1: I- begins, B- divides": (["I-P", "B-P", "O"], ["I-P", "B-P", "I-P"]),
    "half of a span": (["B-P", "I-P", "I-P"], ["B-P", "I-P", "O"]),
    "a wrong type over the right words": (["B-P", "I-P", "O"], ["B-L", "I-L", "O"]),
    "a span at the end": (["O", "O", "B-P"], ["O", "O", "B-P"]),
    "a type with a hyphen": (["B-E-mail", "I-E-mail", "O"], ["B-E-mail", "I-E-mail", "B-X-ray"]),
    "nothing is predicted": (["B-P", "O", "O"], ["O", "O", "O"]),
    "there is no span at all": (["O", "O"], ["O", "O"]),
    "prefixes alone": (["B", "I", "O", "B"], ["B", "I", "O", "I"]),
    "IOBES": (["S-P", "O", "B-L", "E-L"], ["S-P", "O", "B-L", "I-L"]),
    "IOBES: E- behind O": (["O", "B-P", "E-P"], ["O", "O", "E-P"]),
    "IOBES: S- behind I-": (["B-P", "E-P", "S-P"], ["B-P", "I-P", "S-P"]),
}
PREFIXES = {"BIO": "BI", "IOBES": "BIES"}
SEQUENCES = 2000  # random ones of each scheme


def conlleval_f1(gold: Sentences, predicted: Sentences) -> float:
    """Score as conlleval does: a word a line, gold and predicted tag at its end, an empty line between sentences."""
    from conlleval import evaluate

    lines = []
    for wanted, found in zip(gold, predicted, strict=True):
        lines += [f"w {g} {p}" for g, p in zip(wanted, found, strict=True)] + [""]
    return evaluate(lines)["overall"]["chunks"]["evals"]["f1"]


def our_f1(gold: Sentences, predicted: Sentences) -> float:
    return span_f1(Split([list(tags) for tags in predicted], [list(tags) for tags in gold], by_word=True))


def tag_words(rows: Sequence[tuple[list[str], list[str]]], asked: Sequence[list[str]]) -> list[list[str]]:
    """Give each word its commonest tag in the rows; a word that is not in them is O."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in rows:
        for word, tag in zip(words, tags, strict=True):
            counts[word.lower()][tag] += 1
    usual = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return [[usual.get(word.lower(), "O") for word in words] for words in asked]


def cases() -> Iterator[Case]:
    for name, card_name in (("conll2003", "ner/conll2003"), ("wnut_17", "ner/wnut_17")):
        card = make_card(read_card(card_name))
        labels, tokens, tags = card.labels or [], card.inputs["tokens"], card.label
        train, test = (
            [(row[tokens], [labels[tag] if isinstance(tag, int) else tag for tag in row[tags]]) for row in rows]
            for rows in (read(name, "train"), read(name, "test"))
        )
        gold = [tags for _, tags in test]
        predicted = tag_words(train, [words for words, _ in test])
        yield Case(name, f"{len(gold):,} sentences", conlleval_f1(gold, predicted), our_f1(gold, predicted))
    for name, (wanted, found) in EDGES.items():
        yield Case(name, "1 sentence", conlleval_f1([wanted], [found]), our_f1([wanted], [found]))
    for scheme, prefixes in PREFIXES.items():
        yield furthest(f"random {scheme} tags", prefixes)


def furthest(name: str, prefixes: str) -> Case:
    """Compare random sentences one by one, and return the one on which the two are furthest apart."""
    draw = random.Random(name)
    tags = ["O", "O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in "PL")]
    found = []
    for _ in range(SEQUENCES):
        length = draw.randint(1, 8)
        gold, predicted = (draw.choices(tags, k=length) for _ in range(2))
        gold[0] = f"{prefixes[-1]}-P"  # so that the tags tell their scheme
        found.append(Case(name, f"{SEQUENCES:,} sentences, the furthest", conlleval_f1([gold], [predicted]),
                          our_f1([gold], [predicted])))  # fmt: skip
    return max(found, key=lambda case: case.difference or 0.0)


JUDGE = Judge(
    "conlleval",
    "Span F1",
    "F1 over whole spans. Of conll2003 and wnut_17, predictions of a tagger that gives each word its commonest tag.",
    ("conlleval", "seqeval"),
    1e-12,
    cases,
)
