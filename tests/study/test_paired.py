"""Differences are paired by row and seed: checked against hand-made cases and against scoring each resample anew."""

import numpy as np
import pytest

from ptv2.metrics import resample
from ptv2.metrics.split import Split
from ptv2.metrics.sums import sums_of
from ptv2.metrics.table import METRICS
from ptv2.study.paired import difference

YES_NO = ("yes", "no")


def answers(text, gold):
    """A split of rows whose label is yes (1) or no (0)."""
    read = {"1": "yes", "0": "no"}
    return Split([read[c] for c in text], [read[c] for c in gold], YES_NO, [{}] * len(gold))


def test_the_difference_is_that_of_the_means_over_seeds():
    gold = "1111"
    pairs = [(answers("1111", gold), answers("1100", gold)), (answers("1110", gold), answers("1110", gold))]
    found, _ = difference("accuracy", pairs)
    assert found.value == pytest.approx(0.25) and found.seeds == 2
    assert found.low <= 0.25 <= found.high


def test_the_resamples_of_two_rows_are_those_that_can_be_counted_by_hand():
    # We are right on one row of two and the reference on none: drawn with replacement, it is in 0, 1 or 2 of 2 places.
    found, resampled = difference("accuracy", [(answers("10", "11"), answers("00", "11"))])
    values, counts = np.unique(resampled, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / len(resampled) == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_seeds_are_resampled_too_and_the_same_for_both_methods():
    # On one row nothing is left to chance but the seed: +1 with the first, 0 with the second.
    pairs = [(answers("1", "1"), answers("0", "1")), (answers("0", "1"), answers("0", "1"))]
    _, resampled = difference("accuracy", pairs)
    values, counts = np.unique(resampled, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / len(resampled) == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_what_both_find_hard_cancels():
    # Both miss the same half of the rows; we miss one row less. Unpaired, the interval would be some .2 wide.
    gold = "1" * 100
    ours, theirs = answers("1" * 51 + "0" * 49, gold), answers("1" * 50 + "0" * 50, gold)
    found, _ = difference("accuracy", [(ours, theirs)])
    assert (found.low, found.value, found.high) == (0.0, pytest.approx(0.01), pytest.approx(0.03))
    same, _ = difference("accuracy", [(theirs, theirs)])
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_many_rows_are_drawn_in_parts_and_the_same(monkeypatch):
    gold = "1" * 50
    pair = answers("1" * 30 + "0" * 20, gold), answers("01" * 25, gold)
    _, whole = difference("accuracy", [pair, pair])
    monkeypatch.setattr(resample, "AT_ONCE", 120)  # 2 resamples of 50 rows
    _, parts = difference("accuracy", [pair, pair])
    assert np.array_equal(whole, parts)
    monkeypatch.setattr(resample, "DRAWN", 50 * 300)
    assert len(difference("accuracy", [pair])[1]) == 300


def test_rows_of_a_group_are_drawn_together():
    sides = [{"group": ("a",)}, {"group": ("a",)}, {"group": ("b",)}, {"group": ("b",)}]
    ours, theirs = (Split([*text], [*"1111"], ("0", "1"), sides) for text in ("1100", "0000"))
    for metric in ("accuracy", "em_question"):
        _, resampled = difference(metric, [(ours, theirs)])
        assert set(resampled.tolist()) == {0.0, 0.5, 1.0}  # never .25: one row of a group alone


def test_other_rows_have_no_difference():
    assert difference("accuracy", [(answers("1", "1"), answers("1", "0"))]) is None


TAGS = [("B-PER", "O"), ("B-LOC", "I-LOC"), ("O", "O"), ("B-PER", "I-PER")]
TEXTS = ["the cat sat on the mat", "a dog ran away quickly today", "birds fly", "fish swim in the sea"]
NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
SPLITS = {
    "accuracy": Split([*"ababba"], [*"aabbab"], ("a", "b")),
    "f1": Split([*"ababba"], [*"aabbab"], ("a", "b")),
    "macro_f1": Split([*"ababba"], [*"aabbab"], ("a", "b")),
    "matthews": Split([*"ababba"], [*"aabbab"], ("a", "b")),
    "micro_f1": Split([["a"], ["a", "b"], [], ["b"]], [["a"], ["a"], ["b"], ["b"]], ("a", "b")),
    "span_f1": Split([TAGS[i] for i in (0, 1, 2, 2)], TAGS, NAMES, by_word=True),
    "span_f1_no_v": Split([TAGS[i] for i in (0, 1, 2, 2)], TAGS, NAMES, by_word=True),
    "squad_f1": Split(["the cat", "a dog", "", "sea"], [["cat"], ["dog ran"], [], ["the sea", "water"]]),
    "squad_em": Split(["the cat", "a dog", "", "sea"], [["cat"], ["dog ran"], [], ["the sea", "water"]]),
    "rouge_l": Split(["the cat sat", "a dog", "bird flies", "fish"], [[text] for text in TEXTS]),
    "bleu": Split(["the cat sat on a mat", *TEXTS[1:]], [[text] for text in TEXTS]),
    "chrf": Split(["the cat sat on a mat", *TEXTS[1:]], [[text, "more"] for text in TEXTS]),
    "perplexity": Split(
        [""] * 3, [["x"]] * 3, sides=[{"nll": n, "tokens": t} for n, t in ((3.0, 2), (8.0, 5), (1.0, 1))]
    ),
    "pearson": Split([1.0, 2.0, 2.5, 4.0], [1.0, 3.0, 2.0, 5.0]),
}


@pytest.mark.parametrize("metric", SPLITS)
def test_sums_over_all_rows_are_the_metric(metric):
    split, sums = SPLITS[metric], sums_of(metric, SPLITS[metric])
    if sums is None:
        assert metric in ("matthews", "pearson")
    else:
        assert sums.score(sums.rows_NK.sum(0)) == pytest.approx(METRICS[metric].function(split))


@pytest.mark.parametrize("metric", [metric for metric in SPLITS if sums_of(metric, SPLITS[metric])])
def test_a_resample_by_sums_is_the_metric_of_the_drawn_rows(metric):
    split, sums = SPLITS[metric], sums_of(metric, SPLITS[metric])
    drawn = np.random.default_rng(1).integers(len(split.references), size=len(split.references))
    sides = [split.sides[i] for i in drawn] if split.sides else []
    rows = [split.predictions[i] for i in drawn], [split.references[i] for i in drawn]
    anew = METRICS[metric].function(Split(*rows, split.names, sides, split.by_word))
    assert sums.score(sums.rows_NK[drawn].sum(0)) == pytest.approx(anew)


@pytest.mark.parametrize("metric", SPLITS)
def test_a_method_does_not_differ_from_itself(metric):
    found, _ = difference(metric, [(SPLITS[metric], SPLITS[metric])])
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_an_infinite_score_has_no_difference():
    likely, impossible = ({"nll": nll, "tokens": 2} for nll in (1.0, float("inf")))
    pair = Split(["a"] * 2, [["a"]] * 2, sides=[likely] * 2), Split(["a"] * 2, [["a"]] * 2, sides=[impossible] * 2)
    assert difference("perplexity", [pair]) is None
