"""From the spans of all windows to one answer: merging, the null threshold, and how it is chosen."""

import pytest
import torch
from span_scene import CONTEXT, card, row

from ptv2.kinds.span.answers import best_threshold, first_sentence, merge
from ptv2.kinds.span.features import SpanFeatures


def window(*spans, null=0.0, tuned=0.0):
    return {"spans": list(spans), "null": null, "tuned": tuned}


def test_windows_are_merged_by_the_best_span_and_the_lowest_null_score(tokenizer):
    outputs = [window((0, 3, 2.0), (4, 8, 1.0), null=9.0), window((4, 8, 3.0), (9, 10, 1.5), null=2.5)]
    spans, null = merge(outputs)
    assert spans == [(4, 8, 3.0), (0, 3, 2.0), (9, 10, 1.5)]
    assert null == 2.5
    features = SpanFeatures(card(), tokenizer, None)
    assert features.prediction(row(), outputs) == "sees"
    answer = features.answer(row(), outputs)
    scores = torch.tensor([3.0, 2.0, 1.5, 2.5])
    assert answer.probability == pytest.approx(scores.softmax(0)[0].item())
    assert answer.null_lead == -0.5
    assert features.shown(row(), outputs) == {
        "answer_start": 4,
        "score": round(answer.probability, 6),
        "null_score_diff": -0.5,
    }


@pytest.mark.parametrize(
    ("options", "tuned", "answered"),
    [
        ({}, 0.0, False),  # the official threshold is 0, and no answer leads by 1
        ({"null_threshold": 1.0}, 0.0, True),
        ({"null_threshold": 0.9}, 5.0, False),
        ({"null_threshold": "validation"}, 0.9, False),
        ({"null_threshold": "validation"}, 1.1, True),
        ({"answerable": True, "null_threshold": -9.0}, -9.0, True),
    ],
)
def test_the_threshold_decides_whether_there_is_an_answer(tokenizer, options, tuned, answered):
    features = SpanFeatures(card(**options), tokenizer, None)
    outputs = [window((0, 3, 2.0), null=3.0, tuned=tuned)]
    assert features.prediction(row(), outputs) == ("Ann" if answered else "")
    assert features.answer(row(), outputs).start == (0 if answered else None)
    assert ("null_score_diff" in features.shown(row(), outputs)) == (not options.get("answerable", False))


def test_the_tuned_threshold_has_the_best_f1_of_all():
    torch.manual_seed(0)
    leads = (torch.randn(60) * 3).round().tolist()  # with ties
    answered, silent = torch.rand(60).tolist(), (torch.rand(60) > 0.6).float().tolist()

    def total(threshold):
        return sum(s if lead > threshold else a for lead, a, s in zip(leads, answered, silent, strict=True))

    best = best_threshold(leads, answered, silent)
    assert total(best) == pytest.approx(max(total(t / 4) for t in range(-60, 60)))
    assert total(best) == total(torch.tensor(best).item())  # as the head keeps it
    assert best_threshold([1.0, 2.0], [0, 0], [1, 1]) < 1
    assert best_threshold([1.0, 2.0], [1, 1], [0, 0]) > 2


def test_tune_looks_at_f1_on_the_rows(tokenizer):
    rows = [row(["Ann"]), row(), row(["Bob"])]
    outputs = {
        0: [window((0, 3, 0.0), null=1.0)],
        1: [window((0, 3, 0.0), null=4.0)],
        2: [window((29, 32, 0.0), null=2.0)],
    }
    gold = [["Ann"], [], ["Bob"]]
    assert SpanFeatures(card(null_threshold="validation"), tokenizer, None).tune(rows, outputs, gold) == 3.0
    assert SpanFeatures(card(null_threshold=0.5), tokenizer, None).tune(rows, outputs, gold) is None
    assert SpanFeatures(card(answerable=True), tokenizer, None).tune(rows, outputs, gold) is None


def test_the_baseline_is_the_first_sentence_or_silence(tokenizer):
    features = SpanFeatures(card(), tokenizer, None)
    with_answer, without = row(["Ann"]), row()
    assert features.guesses([with_answer], [["x"]], [["Ann"]]) == [CONTEXT[: CONTEXT.find(".") + 1]]
    assert features.guesses([with_answer, without], [["x"]], [["Ann"], []]) == ["", ""]
    assert first_sentence(" It costs 3.5 euros. Really. ") == "It costs 3.5 euros."
    assert first_sentence("由韩国Nexon开发。台湾") == "由韩国Nexon开发。"
    assert first_sentence("no stop") == "no stop"
