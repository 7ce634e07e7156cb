"""The lines that say what scores are of."""

import pytest

from ptv2.artifact.card import data_lines

NONE_LEFT_OUT = {"rows": 40, "of": 48, "bad": 0, "notices": []}


@pytest.mark.parametrize(
    ("data", "baseline", "said"),
    [
        ({"train": NONE_LEFT_OUT}, {"accuracy": 0.5}, ["t: trained on 40 of 48 rows; the trivial answer is cow"]),
        ({"train": NONE_LEFT_OUT}, {}, ["t: trained on 40 of 48 rows"]),
        ({"test": NONE_LEFT_OUT | {"bad": 3}}, {}, ["t: 3 bad test rows left out"]),
        ({"test": NONE_LEFT_OUT}, {}, []),
    ],
    ids=["all", "no score of a trivial answer", "not trained", "nothing to say"],
)
def test_what_scores_are_of(data, baseline, said):
    results = {"data": {"t": data}, "baseline": {"t": {"test": baseline}}, "baseline_answer": {"t": "cow"}}
    assert data_lines(results) == said
