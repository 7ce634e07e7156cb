"""Scores of generated text against one or more references, as fractions.

BLEU and chrF are sacrebleu's corpus scores (Post 2018), ROUGE is Google's implementation with stemming (Lin 2004).
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

from ptv2.metrics.split import Split


def bleu(split: Split) -> float:
    """Corpus BLEU-4 with sacrebleu's 13a tokenisation; rows may differ in their number of references."""
    import sacrebleu

    return sacrebleu.corpus_bleu(list(split.predictions), _streams(split.references)).score / 100


def chrf(split: Split) -> float:
    """Corpus chrF2 (characters, no words)."""
    import sacrebleu

    return sacrebleu.corpus_chrf(list(split.predictions), _streams(split.references)).score / 100


def rouge1(split: Split) -> float:
    """ROUGE-1 F1, the best reference of each row, averaged."""
    return _rouge("rouge1", split)


def rouge2(split: Split) -> float:
    """ROUGE-2 F1, the best reference of each row, averaged."""
    return _rouge("rouge2", split)


def rouge_l(split: Split) -> float:
    """ROUGE-L F1 (longest common subsequence), the best reference of each row, averaged."""
    return _rouge("rougeL", split)


def perplexity(split: Split) -> float:
    """Exp of the mean negative log-likelihood per target token, end of text included."""
    tokens = sum(side.get("tokens", 0) for side in split.sides)
    if not tokens:
        return math.nan
    try:
        return math.exp(sum(side["nll"] for side in split.sides) / tokens)
    except OverflowError:  # a model that gives the targets no chance, e.g. after a wrong lr
        return math.inf


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """One list per reference number, as sacrebleu takes them; None where a row has fewer."""
    return [list(stream) for stream in zip_longest(*references)]


@cache
def _scorer(name: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], use_stemmer=True)


def _rouge(name: str, split: Split) -> float:
    score = _scorer(name).score
    best = [max(score(ref, p)[name].fmeasure for ref in refs) for p, refs in split.rows()]
    return sum(best) / len(best)
