"""Metrics against the libraries whose numbers papers report."""

import math
import random

import pytest
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from ptv2.errors import UserError
from ptv2.metrics.split import Split
from ptv2.metrics.table import notices, score

NAMES = ["no", "maybe", "yes"]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@pytest.fixture(params=range(3))
def draw(request):
    return random.Random(request.param)


def test_classification(draw):
    gold, found = (draw.choices(NAMES, k=60) for _ in range(2))
    assert score(["accuracy", "f1", "macro_f1", "matthews"], Split(found, gold, NAMES)) == pytest.approx(
        {
            "accuracy": accuracy_score(gold, found),
            "f1": f1_score(gold, found, labels=["yes"], average="macro"),
            "macro_f1": f1_score(gold, found, average="macro"),
            "matthews": matthews_corrcoef(gold, found),
        }
    )


def test_regression(draw):
    gold = [draw.randint(0, 10) / 2 for _ in range(60)]  # with ties
    found = [value + draw.gauss(0, 2) for value in gold]
    assert score(["pearson", "spearman"], Split(found, gold)) == pytest.approx(
        {"pearson": pearsonr(found, gold)[0], "spearman": spearmanr(found, gold)[0]}, abs=1e-6
    )


def test_tagging(draw):
    gold = [draw.choices(TAGS, k=draw.randint(1, 12)) for _ in range(30)]
    found = [[draw.choice([tag, "O"]) for tag in tags] for tags in gold]
    assert score(["span_f1"], Split(found, gold, TAGS))["span_f1"] == pytest.approx(seqeval_f1(gold, found))


def test_a_span_counts_only_whole():
    gold, half = [["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]]
    assert score(["span_f1"], Split(half, gold)) == {"span_f1": 0}
    assert score(["span_f1"], Split([["O", "O", "O"]], gold)) == {"span_f1": 0}
    assert score(["span_f1"], Split(gold, gold)) == {"span_f1": 1}


def test_accuracy_counts_words_of_a_sentence_and_whole_sets_of_labels():
    gold, found = [["DET", "NOUN", "VERB"], ["NOUN"]], [["DET", "NOUN", "NOUN"], ["VERB"]]
    assert score(["accuracy"], Split(found, gold, by_word=True)) == {"accuracy": 2 / 4}
    assert score(["accuracy"], Split(found, gold)) == {"accuracy": 0}


def test_answers_that_do_not_vary_have_no_correlation():
    assert score(["pearson", "spearman"], Split([2.0, 2.0], [1.0, 3.0])) == {"pearson": 0, "spearman": 0}
    assert score(["pearson"], Split([2.0], [1.0])) == {"pearson": 0}
    assert score(["matthews"], Split(["yes", "yes"], ["yes", "no"], NAMES)) == {"matthews": 0}


@pytest.mark.parametrize(
    ("found", "gold"), [("nnnn", "nnny"), ("nnny", "nnnn"), ("nnnn", "nnnn"), ("yyyy", "nnnn"), ("nnyy", "nynn")]
)
def test_matthews_of_two_labels_is_scikit_learns_at_its_ends(found, gold):
    value = score(["matthews"], Split(list(found), list(gold), ["n", "y"]))["matthews"]
    assert value == pytest.approx(matthews_corrcoef(list(gold), list(found)), abs=1e-6) and isinstance(value, float)


def test_numbers_of_many_digits_are_compared_whole():
    gold = [1.7e9 + i for i in range(40)]
    found = [1.7e9 + i * 7 % 40 for i in range(40)]
    assert score(["pearson", "spearman"], Split(found, gold)) == pytest.approx(
        {"pearson": pearsonr(found, gold)[0], "spearman": spearmanr(found, gold)[0]}, abs=1e-6
    )


def test_ranks_of_many_equal_numbers(draw):
    gold = [5.0 if draw.random() < 0.6 else float(draw.randint(1, 4)) for _ in range(80_000)]
    found = [value + draw.gauss(0, 1) for value in gold]
    assert score(["spearman"], Split(found, gold))["spearman"] == pytest.approx(spearmanr(found, gold)[0], abs=1e-9)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_no_number_predicted_has_no_correlation_and_a_constant_has_none_of_rounding(metric):
    nan = float("nan")
    assert math.isnan(score([metric], Split([1.0, nan, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]))[metric])
    for rows in range(2, 60):
        assert score([metric], Split([0.1] * rows, [0.7] * rows)) == {metric: 0}
        assert score([metric], Split([0.1] * rows, [0.7 + row for row in range(rows)])) == {metric: 0}
    assert score([metric], Split([1.0, 2.0], [1.0, 2.0]))[metric] == pytest.approx(1, abs=1e-12)


def test_a_score_of_some_rows_says_of_how_many():
    found = notices(["squad_f1", "has_answer_f1", "no_answer_f1"], [["a"], [], ["b"]])
    assert found == ["has_answer_f1 is of 2 row(s)", "no_answer_f1 is of 1 row(s)"]


def test_names_and_rows_are_needed():
    with pytest.raises(UserError, match=r"unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        score(["acuracy"], Split(["yes"], ["yes"], NAMES))
    with pytest.raises(UserError, match="no rows to score"):
        score(["accuracy"], Split([], [], NAMES))
