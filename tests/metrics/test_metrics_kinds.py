"""Metrics of SuperGLUE, semantic roles and multi-label classification against scikit-learn, seqeval and by hand."""

import random

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import f1_score, matthews_corrcoef

from ptv2.errors import UserError
from ptv2.metrics.split import Split
from ptv2.metrics.table import score

TYPES = ["A0", "A1", "AM-TMP", "V"]


def tags(draw: random.Random) -> list[str]:
    names = ["O"] * 4 + [f"{prefix}-{kind}" for prefix in "BI" for kind in TYPES]
    return draw.choices(names, k=draw.randint(1, 12))


@pytest.mark.parametrize("seed", range(5))
def test_roles_without_the_predicate(seed):
    draw = random.Random(seed)
    gold = [tags(draw) for _ in range(20)]
    found = [[draw.choice([tag, "O", "B-V"]) for tag in row] for row in gold]

    def spans(rows):
        return {(i, *span) for i, row in enumerate(rows) for span in get_entities(row) if span[0] != "V"}

    right = len(spans(gold) & spans(found))
    wanted = 2 * right / (len(spans(gold)) + len(spans(found)))
    values = score(["span_f1", "span_f1_no_v"], Split(found, gold))
    assert values["span_f1_no_v"] == pytest.approx(wanted)
    assert values["span_f1_no_v"] != values["span_f1"]


def test_types_without_a_prefix_are_inside():
    gold, found = ["art-film", "art-film", "O", "art-music"], ["art-film", "O", "O", "art-music"]
    assert score(["span_f1"], Split([found], [gold])) == {"span_f1": 0.5}
    assert score(["span_f1"], Split([gold], [gold])) == {"span_f1": 1.0}


@pytest.mark.parametrize("seed", range(5))
def test_multilabel_f1(seed):
    draw = random.Random(seed)
    names = ["joy", "fear", "anger", "none of these"]
    gold, found = ([[name for name in names[:3] if draw.random() < 0.4] for _ in range(30)] for _ in range(2))
    ones = [[[int(name in row) for name in names] for row in rows] for rows in (gold, found)]
    values = score(["micro_f1", "macro_f1_multilabel", "accuracy"], Split(found, gold, names))
    assert values["micro_f1"] == pytest.approx(f1_score(*ones, average="micro"))
    assert values["macro_f1_multilabel"] == pytest.approx(f1_score(*ones, average="macro", zero_division=0))
    assert values["accuracy"] == pytest.approx(sum(g == f for g, f in zip(gold, found, strict=True)) / 30)


def test_multilabel_f1_of_nothing():
    assert score(["micro_f1", "macro_f1_multilabel"], Split([[]], [[]], ["joy", "fear"])) == {
        "micro_f1": 0,
        "macro_f1_multilabel": 0,
    }


def multirc(draw: random.Random):
    """Answers of twelve questions of four paragraphs, each row with what `Features.side` says of it."""
    groups = [(paragraph, question) for paragraph in range(4) for question in range(3)]
    sides = [{"group": draw.choice(groups)} for _ in range(60)]
    return sides, *(draw.choices(["False", "True"], k=60) for _ in range(2))


@pytest.mark.parametrize("seed", range(3))
def test_multirc(seed):
    sides, found, gold = multirc(random.Random(seed))
    found = [g if random.Random(i).random() < 0.8 else f for i, (f, g) in enumerate(zip(found, gold, strict=True))]
    values = score(["f1a", "em_question"], Split(found, gold, ["False", "True"], sides))
    assert values["f1a"] == pytest.approx(f1_score(gold, found, pos_label="True"))
    questions = {side["group"] for side in sides}
    right = [
        all(f == g for f, g, side in zip(found, gold, sides, strict=True) if side["group"] == question)
        for question in questions
    ]
    assert values["em_question"] == pytest.approx(sum(right) / len(questions))


def test_em_question_by_hand():
    sides = [{"group": (0, 1)}, {"group": (0, 1)}, {"group": (0, 2)}]
    assert score(["em_question"], Split(["no", "yes", "yes"], ["no", "no", "yes"], (), sides)) == {"em_question": 0.5}


def test_gender_parity_compares_pairs():
    sides = [{"group": (index,)} for index in (5, 0, 4, 1, 7)]  # 7 has lost its partner
    found = ["yes", "yes", "yes", "no", "no"]
    assert score(["gender_parity"], Split(found, found, (), sides)) == {"gender_parity": 0.5}
    assert score(["gender_parity"], Split(["yes"], ["yes"], (), [{"group": (3,)}])) == {"gender_parity": 0}


@pytest.mark.parametrize("metric", ["em_question", "gender_parity"])
@pytest.mark.parametrize("side", [{}, {"group": (None,)}])
def test_a_group_is_needed(metric, side):
    with pytest.raises(UserError, match=rf"task.options.group: metric '{metric}' needs the group of every row"):
        score([metric], Split(["yes"], ["yes"], (), [side]))


@pytest.mark.parametrize("seed", range(3))
def test_cb_and_axb(seed):
    draw = random.Random(seed)
    names = ["entailment", "contradiction", "neutral"]
    gold, found = (draw.choices(names, k=56) for _ in range(2))
    values = score(["macro_f1", "matthews"], Split(found, gold, names))
    assert values["macro_f1"] == pytest.approx(f1_score(gold, found, average="macro"))
    assert values["matthews"] == pytest.approx(matthews_corrcoef(gold, found), abs=1e-6)
