"""Scores as functions of sums over rows, so that a resampled score is a weighted sum and not another pass over texts.

A metric that is no such function is computed anew on the resampled rows, see `ptv2.metrics.resample`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ptv2.metrics.labels import f1_settings
from ptv2.metrics.spans import span_settings, spans
from ptv2.metrics.split import Split
from ptv2.metrics.table import METRICS
from ptv2.metrics.text import bleu_statistics, chrf_statistics

Array = np.ndarray


@dataclass(frozen=True)
class Sums:
    """What each row adds, [rows, K], and the score that sums [..., K] of it mean."""

    rows_NK: Array
    score: Callable[[Array], Array]


MEANS = ("squad_em", "squad_f1", "cmrc_em", "cmrc_f1", "rouge1", "rouge2", "rouge_l", "has_answer_f1", "no_answer_f1")
"""Metrics that are means over the rows which they count; so is accuracy, unless a row has an answer for each word."""


STATISTICS = {"bleu": bleu_statistics, "chrf": chrf_statistics}
"""Metrics of sacrebleu -> its statistics of each row, and the score of their sums."""


def sums_of(metric: str, split: Split) -> Sums | None:
    """Return a metric of a split as sums over its rows; None for a metric that is none."""
    if metric in MEANS or (metric == "accuracy" and not split.by_word):
        return Sums(_means(metric, split), _ratio)
    if metric == "accuracy":
        pairs = [[p == gold for p, gold in zip(*row, strict=True)] for row in split.rows()]
        return Sums(np.array([[sum(row), len(row)] for row in pairs], float), _ratio)
    if metric in ("span_f1", "span_f1_no_v"):
        return Sums(_span_counts(split, "V" if metric == "span_f1_no_v" else None), _ratio)
    if metric in ("f1", "f1a"):
        positive = f1_settings(split)["positive"]
        found = [({0} if p == positive else set(), {0} if gold == positive else set()) for p, gold in split.rows()]
        return Sums(_f1_counts(found), _ratio)
    if metric == "micro_f1":
        return Sums(_f1_counts([(set(p), set(gold)) for p, gold in split.rows()]), _ratio)
    if metric == "macro_f1":
        return Sums(_by_label(split), _mean_f1)
    if metric in STATISTICS:
        rows, score = STATISTICS[metric](split)
        return Sums(np.array(rows, float), lambda sums: np.apply_along_axis(score, -1, sums))
    if metric == "perplexity":
        rows = [[side.get("nll", 0.0), side.get("tokens", 0)] for side in split.sides]
        return Sums(np.array(rows, float), lambda sums: np.exp(_ratio(sums)))
    return None


def _ratio(sums: Array) -> Array:
    """Return the first over the second; 0 where there is nothing to count."""
    return np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)


def _means(metric: str, split: Split) -> Array:
    function = METRICS[metric].function
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were shown when the split was scored
        values = [
            function(replace(split, predictions=[p], references=[gold], sides=split.sides[i : i + 1]))
            for i, (p, gold) in enumerate(split.rows())
        ]
    return np.array([[value, 1.0] for value in values])


def _span_counts(split: Split, without: str | None) -> Array:
    scheme = span_settings(split)["scheme"]
    rows = []
    for tags in split.rows():
        found, gold = ({span for span in spans(side, scheme) if span[0] != without} for side in tags)
        rows.append((found, gold))
    return _f1_counts(rows)


def _f1_counts(rows: list[tuple[set, set]]) -> Array:
    """F1 is twice what both have over what each has, summed over rows."""
    return np.array([[2 * len(found & gold), len(found) + len(gold)] for found, gold in rows], float)


def _by_label(split: Split) -> Array:
    """Count for each label whether a row has it twice (right), predicted, and as its reference: [rows, labels * 3]."""
    ids = {name: i for i, name in enumerate(split.names)}
    predicted_NC, gold_NC = (
        np.eye(len(ids))[[ids[name] for name in answers]] for answers in (split.predictions, split.references)
    )
    return np.stack([predicted_NC * gold_NC, predicted_NC, gold_NC], axis=-1).reshape(len(predicted_NC), -1)


def _mean_f1(sums: Array) -> Array:
    """Average the labels' F1; a label that is neither predicted nor a reference is left out."""
    right, predicted, gold = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3), -1, 0)
    there = predicted + gold > 0
    f1 = np.divide(2 * right, predicted + gold, out=np.zeros_like(right), where=there)
    return f1.sum(-1) / np.maximum(there.sum(-1), 1)
