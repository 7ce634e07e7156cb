"""Scores of generated text against one or more references, as fractions.

BLEU and chrF are sacrebleu's corpus scores (Post 2018), ROUGE is Google's implementation with stemming (Lin 2004), both
with the tokenizer that fits the texts; see `ptv2/metrics/tokens.py`.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, zip_longest
from typing import Any

from ptv2.metrics import tokens
from ptv2.metrics.split import Split


def bleu(split: Split) -> float:
    """Compute corpus BLEU-4; rows may differ in their number of references."""
    from sacrebleu.metrics.bleu import BLEU

    name = bleu_settings(split)["tokenizer"]
    if name == "char" and (language := tokens.code_of(split.language)) in ("ja", "ko"):
        missing = f"{language}-mecab is not installed (pip install 'sacrebleu[{language}]')"
        warnings.warn(f"bleu compares characters: sacrebleu's {missing}", stacklevel=2)
    metric = BLEU(tokenize=name)
    if max(len(metric.tokenizer(text).split()) for text in _texts(split)) < metric.max_ngram_order:
        warnings.warn("bleu is 0: no reference has 4 tokens; use chrf or rouge_l", stacklevel=2)
    return metric.corpus_score(list(split.predictions), _streams(split.references)).score / 100


def chrf(split: Split) -> float:
    """Compute corpus chrF2 (characters, no words)."""
    import sacrebleu

    return sacrebleu.corpus_chrf(list(split.predictions), _streams(split.references)).score / 100


Statistics = tuple[list[list[float]], Callable[[Any], float]]


def bleu_statistics(split: Split) -> Statistics:
    """Return sacrebleu's counts of each row, and what computes `bleu` from their sums."""
    from sacrebleu.metrics.bleu import BLEU

    return _statistics(BLEU(tokenize=bleu_settings(split)["tokenizer"]), split)


def chrf_statistics(split: Split) -> Statistics:
    """Return sacrebleu's counts of each row, and what computes `chrf` from their sums."""
    from sacrebleu.metrics.chrf import CHRF

    return _statistics(CHRF(), split)


def _statistics(metric: Any, split: Split) -> Statistics:
    """Take what sacrebleu's own bootstrap takes: statistics of the rows, whose sums are those of the corpus."""
    rows = metric._extract_corpus_statistics(list(split.predictions), _streams(split.references))
    return rows, lambda sums: metric._compute_score_from_stats(list(map(int, sums))).score / 100


def rouge1(split: Split) -> float:
    """Compute ROUGE-1 F1, the best reference of each row, averaged."""
    return _rouge("rouge1", split)


def rouge2(split: Split) -> float:
    """Compute ROUGE-2 F1, the best reference of each row, averaged."""
    return _rouge("rouge2", split)


def rouge_l(split: Split) -> float:
    """Compute ROUGE-L F1 (longest common subsequence), the best reference of each row, averaged."""
    return _rouge("rougeL", split)


def perplexity(split: Split) -> float:
    """Compute exp of the mean negative log-likelihood per target token, end of text included."""
    count = sum(side.get("tokens", 0) for side in split.sides)
    if not count:
        return math.nan
    try:
        return math.exp(sum(side["nll"] for side in split.sides) / count)
    except OverflowError:  # a model that gives the targets a probability near zero, e.g. after a wrong lr
        return math.inf


def bleu_settings(split: Split) -> dict[str, str]:
    """Name what BLEU chose for a split: sacrebleu's tokenizer."""
    return {"tokenizer": tokens.bleu_tokenizer(split.language, _texts(split))}


def rouge_settings(split: Split) -> dict[str, str]:
    """Name what ROUGE chose for a split: how texts are tokenised."""
    return {"tokenizer": tokens.rouge_tokenizer(split.language, _texts(split))}


def _texts(split: Split) -> Iterator[str]:
    return chain.from_iterable(split.references)


def _streams(references: Sequence[Sequence[str]]) -> list[list[Any]]:
    """Make one list per reference number, as sacrebleu takes them; None where a row has fewer."""
    return [list(stream) for stream in zip_longest(*references)]


class _Tokenizer:
    """rouge-score's interface of a tokenizer: words in the way of a language, or symbols."""

    def __init__(self, language: str | None, words: bool):
        self.language, self.words = language, words

    def tokenize(self, text: str) -> Sequence[str]:
        return tokens.rouge_tokens(text, self.language) if self.words else tokens.symbols(text)


@cache
def _scorer(name: str, language: str | None, words: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], tokenizer=_Tokenizer(language, words))


def _rouge(name: str, split: Split) -> float:
    """Compute the mean over rows. A reference without a word, such as one of emoji, is compared by its symbols."""
    language = split.language

    def f1(prediction: str, reference: str) -> float:
        scorer = _scorer(name, language, words=bool(tokens.rouge_tokens(reference, language)))
        return scorer.score(reference, prediction)[name].fmeasure

    bare = sum(
        not any(tokens.rouge_tokens(r, language) or tokens.symbols(r) for r in refs) for refs in split.references
    )
    if bare:
        what = f"{bare} of {len(split.references)} rows have no reference with a word or symbol: they score 0 in ROUGE"
        warnings.warn(what, stacklevel=3)
    if language is None and tokens.share_of_accents(_texts(split)) > 0.01:
        what = "ROUGE drops letters with accents, as rouge-score does; with `language` in the card it keeps words whole"
        warnings.warn(what, stacklevel=3)
    return sum(max(f1(prediction, ref) for ref in refs) for prediction, refs in split.rows()) / len(split.references)
