"""Scores of generated text against one or more references, as fractions.

BLEU and chrF are sacrebleu's corpus scores (Post 2018), ROUGE is Google's implementation with stemming (Lin 2004).
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

Texts = Sequence[str]


References = Sequence[Sequence[str]]


def bleu(predictions: Texts, references: References, names: Sequence[str] = ()) -> float:
    """Corpus BLEU-4 with sacrebleu's 13a tokenisation; rows may differ in their number of references."""
    import sacrebleu

    return sacrebleu.corpus_bleu(list(predictions), _streams(references)).score / 100


def chrf(predictions: Texts, references: References, names: Sequence[str] = ()) -> float:
    """Corpus chrF2 (characters, no words)."""
    import sacrebleu

    return sacrebleu.corpus_chrf(list(predictions), _streams(references)).score / 100


def rouge1(predictions: Texts, references: References, names: Sequence[str] = ()) -> float:
    """ROUGE-1 F1, the best reference of each row, averaged."""
    return _rouge("rouge1", predictions, references)


def rouge2(predictions: Texts, references: References, names: Sequence[str] = ()) -> float:
    """ROUGE-2 F1, the best reference of each row, averaged."""
    return _rouge("rouge2", predictions, references)


def rouge_l(predictions: Texts, references: References, names: Sequence[str] = ()) -> float:
    """ROUGE-L F1 (longest common subsequence), the best reference of each row, averaged."""
    return _rouge("rougeL", predictions, references)


def perplexity(predictions: Texts, references: References, sides: Sequence[dict[str, Any]]) -> float:
    """Exp of the mean negative log-likelihood per target token, end of text included."""
    tokens = sum(side.get("tokens", 0) for side in sides)
    if not tokens:
        return math.nan
    try:
        return math.exp(sum(side["nll"] for side in sides) / tokens)
    except OverflowError:  # a model that gives the targets no chance, e.g. after a wrong lr
        return math.inf


def _streams(references: References) -> list[list[str | None]]:
    """One list per reference number, as sacrebleu takes them; None where a row has fewer."""
    return [list(stream) for stream in zip_longest(*references)]


@cache
def _scorer(name: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], use_stemmer=True)


def _rouge(name: str, predictions: Texts, references: References) -> float:
    score = _scorer(name).score
    best = [max(score(ref, p)[name].fmeasure for ref in refs) for p, refs in zip(predictions, references, strict=True)]
    return sum(best) / len(best)
