"""Scores of a whole split: each metric takes all predictions and all references, so no batch boundary shows.

Values are fractions (0.97, not 97) or correlations. A card's first metric chooses the checkpoint.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ptv2.errors import UserError, nearest
from ptv2.metrics.groups import em_question, gender_parity
from ptv2.metrics.labels import accuracy, f1, macro_f1, macro_f1_multilabel, matthews, micro_f1, pearson, spearman
from ptv2.metrics.qa import cmrc_em, cmrc_f1, has_answer_f1, no_answer_f1, squad_em, squad_f1
from ptv2.metrics.spans import span_f1, span_f1_no_v
from ptv2.metrics.text import bleu, chrf, perplexity, rouge1, rouge2, rouge_l

Metric = Callable[[Sequence[Any], Sequence[Any], Sequence[str]], float]  # predictions, references, label names


SideMetric = Callable[[Sequence[Any], Sequence[Any], Sequence[dict[str, Any]]], float]  # ... and the rows' sides


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "f1": f1,
    "f1a": f1,  # what MultiRC calls F1 over all answers
    "macro_f1": macro_f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "span_f1": span_f1,
    "span_f1_no_v": span_f1_no_v,
    "micro_f1": micro_f1,
    "macro_f1_multilabel": macro_f1_multilabel,
    "squad_em": squad_em,
    "squad_f1": squad_f1,
    "has_answer_f1": has_answer_f1,
    "no_answer_f1": no_answer_f1,
    "cmrc_em": cmrc_em,
    "cmrc_f1": cmrc_f1,
    "bleu": bleu,
    "chrf": chrf,
    "rouge1": rouge1,
    "rouge2": rouge2,
    "rouge_l": rouge_l,
}


SIDE_METRICS: dict[str, SideMetric] = {
    "perplexity": perplexity,
    "em_question": em_question,
    "gender_parity": gender_parity,
}
"""Metrics that need more about a row than its prediction and reference; see `Features.side`."""


LOWER_IS_BETTER = {"perplexity"}


TEXT_FREE = {"perplexity"}  # metrics of a generating task that need no generated text


def score(
    metrics: Sequence[str],
    predictions: Sequence[Any],
    references: Sequence[Any],
    names: Sequence[str] = (),
    sides: Sequence[dict[str, Any]] = (),
) -> dict[str, float]:
    """Each of the named metrics over a split.

    Raises:
        UserError: an unknown metric, or nothing to score.
    """
    if not references:
        raise UserError("no rows to score", where="task.dataset")
    values = {}
    for name in metrics:
        if name in METRICS:
            values[name] = METRICS[name](predictions, references, names)
        elif name in SIDE_METRICS:
            values[name] = SIDE_METRICS[name](predictions, references, sides)
        else:
            raise UserError(f"unknown metric '{name}'", where="task.metrics", do=nearest(name, METRICS | SIDE_METRICS))
    return values


def goodness(metric: str, value: float) -> float:
    """The value turned so that higher is better: what chooses a checkpoint."""
    return -value if metric in LOWER_IS_BETTER else value
