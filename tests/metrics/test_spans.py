"""Tags read as spans, in every scheme, against seqeval's strict readers of whole sequences and its lenient one."""

import random

import pytest
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from ptv2.errors import UserError
from ptv2.metrics.spans import PREFIXES, scheme_of, spans
from ptv2.metrics.split import Split
from ptv2.metrics.table import score

STRICT = {"iob1": IOB1, "bio": IOB2, "iobes": IOBES, "bilou": BILOU}
ENDS = {"bio": "BIIB", "iobes": "BIES", "bilou": "BILU", "bmes": "BMES"}  # first, inner, last, only word


def drawn(draw: random.Random) -> tuple[int, list[tuple[str, int, int]]]:
    """A sentence's number of words, and spans in it that do not overlap and often touch."""
    words, found = 0, []
    for _ in range(draw.randint(0, 5)):
        words += draw.choice([0, 0, 1, 2])
        length = draw.randint(1, 4)
        found.append((draw.choice(["PER", "LOC", "C-A1"]), words, words + length - 1))
        words += length
    return words + draw.randint(1, 2), found


def tagged(words: int, wanted: list[tuple[str, int, int]], scheme: str) -> list[str]:
    """The tags of these spans."""
    tags = ["O"] * words
    for name, first, last in wanted:
        if scheme == "iob1":
            touches = first > 0 and tags[first - 1].endswith(f"-{name}")
            prefixes = ("B" if touches else "I") + "I" * (last - first)
        else:
            begin, inner, end, only = ENDS[scheme]
            prefixes = only if first == last else begin + inner * (last - first - 1) + end
        tags[first : last + 1] = [f"{prefix}-{name}" for prefix in prefixes]
    return tags


@pytest.mark.parametrize("scheme", ["iob1", *ENDS])
def test_spans_written_in_a_scheme_are_read_back(scheme):
    draw = random.Random(0)
    for _ in range(200):
        words, wanted = drawn(draw)
        tags = tagged(words, wanted, scheme)
        assert spans(tags, scheme) == wanted
        if scheme in STRICT:
            theirs = [entity.to_tuple()[1:] for entity in Entities([tags], STRICT[scheme]).entities[0]]
            assert [(name, first, end - 1) for name, first, end in theirs] == wanted


@pytest.mark.parametrize(("scheme", "prefixes"), [("iob1", "BI"), ("bio", "BI"), ("iobes", "BIES")])
def test_sequences_that_break_the_scheme_are_read_as_conlleval_does(scheme, prefixes):
    draw = random.Random(1)
    names = ["O", *(f"{prefix}-{name}" for prefix in prefixes for name in ("PER", "LOC"))]
    for _ in range(300):
        tags = draw.choices(names, k=draw.randint(1, 10))
        assert spans(tags, scheme) == get_entities(tags)


@pytest.mark.parametrize("scheme", ["bilou", "bmes"])
def test_schemes_with_other_letters_are_read_as_iobes(scheme):
    draw = random.Random(2)
    iobes = {prefix: iobes for prefix, iobes in PREFIXES[scheme].items() if prefix != "W"}
    for _ in range(300):
        prefixes = draw.choices(list(iobes), k=draw.randint(1, 8))
        names = draw.choices(["PER", "LOC"], k=len(prefixes))
        tags = [f"{prefix}-{name}" for prefix, name in zip(prefixes, names, strict=True)]
        wanted = [f"{iobes[prefix]}-{name}" for prefix, name in zip(prefixes, names, strict=True)]
        assert spans(tags, scheme) == spans(wanted, "iobes")


@pytest.mark.parametrize(
    ("tags", "scheme", "wanted"),
    [
        (["U-PER", "U-PER", "O"], "bilou", [("PER", 0, 0), ("PER", 1, 1)]),
        (["I-PER", "B-PER", "I-LOC"], "iob1", [("PER", 0, 0), ("PER", 1, 1), ("LOC", 2, 2)]),
        (["art-film", "art-film", "O", "art-music"], "type", [("art-film", 0, 1), ("art-music", 3, 3)]),
        (["E-mail", "E-mail", "phone"], "type", [("E-mail", 0, 1), ("phone", 2, 2)]),
        (["B-PER", "I-PER", "MISC", "MISC"], "bio", [("PER", 0, 1), ("MISC", 2, 3)]),
        (["B", "I", "B", "O"], "bio", [("_", 0, 1), ("_", 2, 2)]),
        (["S", "B", "M", "E"], "bmes", [("_", 0, 0), ("_", 1, 3)]),
    ],
)
def test_spans_by_hand(tags, scheme, wanted):
    assert spans(tags, scheme) == wanted


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        ("O B-PER I-PER", "bio"),
        ("O I-PER", "bio"),
        ("O B-PER I-PER E-PER S-PER", "iobes"),
        ("O S-PER", "iobes"),
        ("O B-PER I-PER L-PER U-PER", "bilou"),
        ("O U-PER", "bilou"),
        ("O B-PER M-PER E-PER S-PER", "bmes"),
        ("O B-PER M-PER E-PER W-PER", "bmes"),
        ("O art-film art-music", "type"),
        ("O E-mail phone", "type"),
        ("O B-PER I-PER MISC", "bio"),
        ("O B I", "bio"),
        ("B M E S", "bmes"),
        ("O A B C", "type"),
        ("O", "type"),
    ],
)
def test_label_names_tell_the_scheme(names, scheme):
    assert scheme_of(names.split()) == scheme


@pytest.mark.parametrize("names", ["O B-PER X-PER", "O U-PER S-PER", "O L-PER M-PER"])
def test_prefixes_of_no_scheme_are_refused(names):
    with pytest.raises(UserError, match=r"task\.labels: the tags have the prefixes ., ., which belong to no scheme"):
        scheme_of(names.split())


def test_the_label_names_decide_how_a_split_is_read():
    """Of the two neighbours one is found; read as BIO tags of an unknown prefix, they would be one span."""
    gold, found = [["U-PER", "U-PER", "O", "O"]], [["U-PER", "O", "O", "O"]]
    names = ["B-ORG", "L-ORG", "O", "U-LOC", "U-PER"]
    assert score(["span_f1"], Split(found, gold, names))["span_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("scheme", ["bio", "iobes"])
def test_f1_is_that_of_seqeval(scheme):
    draw = random.Random(3)
    gold = [tagged(*drawn(draw), scheme) for _ in range(50)]
    names = sorted({tag for tags in gold for tag in tags})
    found = [[draw.choice([tag, tag, draw.choice(names)]) for tag in tags] for tags in gold]
    value = score(["span_f1"], Split(found, gold, names))["span_f1"]
    assert 0.1 < value < 0.9
    assert value == pytest.approx(f1_score(gold, found))


def test_no_span_at_all_scores_nothing():
    assert score(["span_f1"], Split([["O"]], [["O"]])) == {"span_f1": 0}
