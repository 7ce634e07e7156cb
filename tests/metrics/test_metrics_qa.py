"""The official SQuAD and CMRC 2018 scores, on cases worked by hand and against a second implementation."""

import random

import pytest
from torchmetrics.functional.text import squad

from ptv2.metrics.qa import cmrc_em, cmrc_f1, has_answer_f1, no_answer_f1, normalise, squad_em, squad_f1
from ptv2.metrics.split import Split
from ptv2.metrics.table import METRICS, score

CASES = [  # prediction, gold answers, exact match, F1
    ("Norman", ["Norman"], 1, 1),
    ("the Normans.", ["A Normans"], 1, 1),  # articles and punctuation do not count
    ("NORMANS,  france", ["normans France"], 1, 1),
    ("an apple a day", ["apple day"], 1, 1),
    ("theory", ["the ory"], 0, 0),  # an article is a whole word
    ("in France", ["France"], 0, 2 / 3),
    ("10th century in France", ["the 10th century", "France"], 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
    ("France", ["Paris", "France", "in France"], 1, 1),  # the best gold answer counts
    ("to to be", ["to be be"], 0, 2 / 3),  # a shared word counts as often as both have it
    ("Rome", ["Oslo"], 0, 0),
    ("", [], 1, 1),
    ("Rome", [], 0, 0),
    ("", ["Rome"], 0, 0),
    ("the", [], 1, 1),  # nothing is left of it
    ("Rome", ["the", "Rome"], 1, 1),  # a gold answer of which nothing is left is none
    ("", ["the", "Rome"], 0, 0),
    ("U.S.", ["US"], 1, 1),
    ("“Rome”", ["Rome"], 0, 0),  # the script knows ASCII punctuation alone
]


@pytest.mark.parametrize(("prediction", "gold", "em", "f1"), CASES)
def test_squad_by_hand(prediction, gold, em, f1):
    assert squad_em(Split([prediction], [gold])) == em
    assert squad_f1(Split([prediction], [gold])) == pytest.approx(f1)


def test_squad_is_the_mean_over_rows_and_over_the_two_kinds_of_rows():
    predictions, gold = [case[0] for case in CASES], [case[1] for case in CASES]
    with_answer = [case for case in CASES if case[1]]
    without = [case for case in CASES if not case[1]]
    assert squad_em(Split(predictions, gold)) == pytest.approx(sum(case[2] for case in CASES) / len(CASES))
    assert squad_f1(Split(predictions, gold)) == pytest.approx(sum(case[3] for case in CASES) / len(CASES))
    assert has_answer_f1(Split(predictions, gold)) == pytest.approx(
        sum(case[3] for case in with_answer) / len(with_answer)
    )
    assert no_answer_f1(Split(predictions, gold)) == pytest.approx(sum(case[3] for case in without) / len(without))
    assert no_answer_f1(Split(["x"], [["x"]])) == has_answer_f1(Split([""], [[]])) == 0


def test_squad_equals_torchmetrics():
    draw = random.Random(0)
    words = ["the", "a", "An", "Rome", "rome,", "Oslo", "in", "10th", "century", "U.S.", "-", "(1999)", "é"]

    def text() -> str:
        return " ".join(draw.choices(words, k=draw.randint(1, 5)))

    predictions = [text() for _ in range(400)]
    gold = [[g for g in (text() for _ in range(draw.randint(1, 4))) if normalise(g)] or ["Rome"] for _ in predictions]
    second = squad(
        [{"prediction_text": p, "id": str(i)} for i, p in enumerate(predictions)],
        [{"answers": {"text": g, "answer_start": [0] * len(g)}, "id": str(i)} for i, g in enumerate(gold)],
    )
    assert 100 * squad_em(Split(predictions, gold)) == pytest.approx(second["exact_match"].item(), abs=1e-4)
    assert 100 * squad_f1(Split(predictions, gold)) == pytest.approx(second["f1"].item(), abs=1e-4)
    assert 20 < second["f1"] < 80


@pytest.mark.parametrize(
    ("prediction", "gold", "em", "f1"),
    [
        ("重生者", ["重生者"], 1, 1),
        ("《泡泡战士》", ["泡泡战士"], 1, 1),
        ("1998年，北京", ["1998年北京"], 1, 1),
        ("北京市", ["北京"], 0, 2 * 2 / (3 + 2)),
        ("在北京", ["北京市"], 0, 2 * 2 / (3 + 3)),
        ("北x京", ["北京"], 0, 2 * 1 / (3 + 2)),  # the longest run, not the longest subsequence
        ("由Nexon开发", ["nexon开发"], 0, 2 * 3 / (4 + 3)),  # a Latin word is one segment, case does not count
        ("Nexon Korea", ["Nexon"], 0, 2 * 1 / (2 + 1)),
        ("3.5米", ["3.5米"], 1, 1),
        ("3.5米", ["4.5米"], 0, 2 * 1 / (2 + 2)),  # a number is one segment
        ("踢爆", ["救援", "踢爆", "为踢爆"], 1, 1),
        ("救援", ["踢爆"], 0, 0),
        ("", ["踢爆"], 0, 0),
        ("北京(市)", ["北京市"], 0, 2 * 2 / (5 + 3)),  # ASCII brackets are not on the script's list
    ],
)
def test_cmrc_by_hand(prediction, gold, em, f1):
    assert cmrc_em(Split([prediction], [gold])) == em
    assert cmrc_f1(Split([prediction], [gold])) == pytest.approx(f1)


def test_the_table_of_metrics_has_them():
    names = ["squad_em", "squad_f1", "has_answer_f1", "no_answer_f1", "cmrc_em", "cmrc_f1"]
    assert set(names) <= set(METRICS)
    assert score(names, Split(["Rome"], [["Rome"]])) == dict.fromkeys(names, 1.0) | {"no_answer_f1": 0.0}
