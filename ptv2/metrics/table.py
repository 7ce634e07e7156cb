"""Scores of a whole split: each metric takes all predictions and all references, so no batch boundary shows.

Values are fractions (0.97, not 97) or correlations. A card's first metric chooses the checkpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import not_
from typing import Any

from ptv2.errors import UserError, nearest
from ptv2.metrics.groups import em_question, gender_parity
from ptv2.metrics.labels import (
    accuracy,
    f1,
    f1_settings,
    macro_f1,
    macro_f1_multilabel,
    matthews,
    micro_f1,
    pearson,
    spearman,
)
from ptv2.metrics.qa import cmrc_em, cmrc_f1, has_answer_f1, no_answer_f1, squad_em, squad_f1
from ptv2.metrics.spans import span_f1, span_f1_no_v, span_settings
from ptv2.metrics.split import Split
from ptv2.metrics.text import bleu, bleu_settings, chrf, perplexity, rouge1, rouge2, rouge_l, rouge_settings


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        function: the score of a split.
        kinds: the kinds of task that it scores.
        higher_is_better: whether the checkpoint with the highest value is the best.
        needs_text: False for a metric of what the model thinks of the references alone: no text has to be generated
            for it, and a baseline, which has no model, has no such score.
        settings: what the function takes from the split's names or references, such as a tokenizer; None: nothing.
        counts: whether a row with this reference counts; None: all do.
    """

    function: Callable[[Split], float]
    kinds: tuple[str, ...]
    higher_is_better: bool = True
    needs_text: bool = True
    settings: Callable[[Split], dict[str, str]] | None = None
    counts: Callable[[Any], bool] | None = None

    def also(self, kind: str) -> "Metric":
        """Return the same metric for one more kind."""
        return replace(self, kinds=(*self.kinds, kind))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, kinds=("cls", "choice", "multilabel", "tagging")),
    "f1": Metric(f1, kinds=("cls",), settings=f1_settings),
    "f1a": Metric(f1, kinds=("cls",), settings=f1_settings),  # what MultiRC calls F1 over all answers
    "macro_f1": Metric(macro_f1, kinds=("cls",)),
    "matthews": Metric(matthews, kinds=("cls",)),
    "em_question": Metric(em_question, kinds=("cls",)),
    "gender_parity": Metric(gender_parity, kinds=("cls",)),
    "pearson": Metric(pearson, kinds=("regression",)),
    "spearman": Metric(spearman, kinds=("regression",)),
    "micro_f1": Metric(micro_f1, kinds=("multilabel",)),
    "macro_f1_multilabel": Metric(macro_f1_multilabel, kinds=("multilabel",)),
    "span_f1": Metric(span_f1, kinds=("tagging",), settings=span_settings),
    "span_f1_no_v": Metric(span_f1_no_v, kinds=("tagging",), settings=span_settings),
    "squad_em": Metric(squad_em, kinds=("span", "cloze", "seq2seq")),
    "squad_f1": Metric(squad_f1, kinds=("span", "cloze", "seq2seq")),
    "has_answer_f1": Metric(has_answer_f1, kinds=("span",), counts=bool),
    "no_answer_f1": Metric(no_answer_f1, kinds=("span",), counts=not_),
    "cmrc_em": Metric(cmrc_em, kinds=("span",)),
    "cmrc_f1": Metric(cmrc_f1, kinds=("span",)),
    "bleu": Metric(bleu, kinds=("seq2seq",), settings=bleu_settings),
    "chrf": Metric(chrf, kinds=("seq2seq",)),
    "rouge1": Metric(rouge1, kinds=("seq2seq",), settings=rouge_settings),
    "rouge2": Metric(rouge2, kinds=("seq2seq",), settings=rouge_settings),
    "rouge_l": Metric(rouge_l, kinds=("seq2seq",), settings=rouge_settings),
    "perplexity": Metric(perplexity, kinds=("seq2seq",), higher_is_better=False, needs_text=False),
}


def metrics_of(kind: str) -> list[str]:
    """List the names of the metrics that score a kind of task."""
    return [name for name, metric in METRICS.items() if kind in metric.kinds]


def metric(name: str, where: str = "task.metrics") -> Metric:
    """Return the metric of this name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in METRICS:
        raise UserError(f"unknown metric '{name}'", where=where, do=nearest(name, METRICS))
    return METRICS[name]


def score(metrics: Sequence[str], split: Split) -> dict[str, float]:
    """Compute each of the named metrics over a split.

    Raises:
        UserError: an unknown metric, or nothing to score.
    """
    if not split.references:
        raise UserError("no rows to score", where="task.dataset")
    return {name: metric(name).function(split) for name in metrics}


def settings(metrics: Sequence[str], split: Split) -> dict[str, dict[str, str]]:
    """Tell what the metrics took from a split to score it by, for those that take anything."""
    return {name: choose(split) for name in metrics if (choose := metric(name).settings)}


def notices(metrics: Sequence[str], references: Sequence[Any]) -> list[str]:
    """Say of how many rows those of the metrics are that some rows do not count for."""
    counted = {name: counts for name in metrics if (counts := metric(name).counts) is not None}
    return [f"{name} is of {sum(map(counts, references)):,} row(s)" for name, counts in counted.items()]


def goodness(name: str, value: float) -> float:
    """Turn the value so that higher is better: what chooses a checkpoint."""
    return value if METRICS[name].higher_is_better else -value
