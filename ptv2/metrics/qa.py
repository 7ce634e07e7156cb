"""Scores of extractive question answering: predictions are texts, references are lists of gold texts ([]: no answer).

SQuAD: the official script of version 2.0 (Rajpurkar et al. 2018), whose scores on answerable rows are those of version
1.1. CMRC 2018: the script of github.com/ymcui/cmrc2018. All values are fractions.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import cache

from ptv2.metrics.split import Split


def squad_em(split: Split) -> float:
    """Compute the share of rows whose answer equals a gold one after normalisation."""
    return _mean([_best(_exact, p, gold) for p, gold in split.rows()])


def squad_f1(split: Split) -> float:
    """Compute F1 over the words that the answer shares with its closest gold answer, averaged over rows."""
    return _mean([row_f1(p, gold) for p, gold in split.rows()])


def has_answer_f1(split: Split) -> float:
    """Compute `squad_f1` of the rows that have an answer; 0 where there are none."""
    return _mean([row_f1(p, gold) for p, gold in split.rows() if gold])


def no_answer_f1(split: Split) -> float:
    """Compute `squad_f1` of the rows without an answer: the share predicted to have none; 0 without such rows."""
    return _mean([row_f1(p, gold) for p, gold in split.rows() if not gold])


def cmrc_em(split: Split) -> float:
    """Compute the share of rows whose answer equals a gold one without case and punctuation."""
    same = (any(_bare(p) == _bare(g) for g in gold) for p, gold in split.rows())
    return _mean([float(equal) for equal in same])


def cmrc_f1(split: Split) -> float:
    """Compute F1 over the longest run of Chinese characters and Latin words shared with the closest gold answer."""
    return _mean([max((_run_f1(_segments(p), _segments(g)) for g in gold), default=0.0) for p, gold in split.rows()])


def row_f1(prediction: str, gold: Sequence[str]) -> float:
    """Compute `squad_f1` of one row."""
    return _best(_word_f1, prediction, gold)


def normalise(text: str) -> str:
    """Normalise as SQuAD does: lower case, no punctuation, no articles, single spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _best(measure, prediction: str, gold: Sequence[str]) -> float:
    golds = [text for text in map(normalise, gold) if text] or [""]
    predicted = normalise(prediction)
    return max(measure(predicted, text) for text in golds)


def _exact(prediction: str, gold: str) -> float:
    return float(prediction == gold)


def _word_f1(prediction: str, gold: str) -> float:
    predicted, wanted = prediction.split(), gold.split()
    if not predicted or not wanted:
        return float(predicted == wanted)
    return _f1(sum((Counter(predicted) & Counter(wanted)).values()), len(predicted), len(wanted))


CMRC_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""What the script drops. It lists a two-character ellipsis too, which no single character equals."""


def _bare(text: str) -> str:
    return "".join(c for c in text.lower().strip() if c not in CMRC_PUNCTUATION)


def _segments(text: str) -> list[str]:
    """Split into Chinese characters one by one, and the words between them.

    The script finds words with NLTK's `word_tokenize`. This is its word tokeniser without the sentence splitter in
    front, which needs a download and matters only to an answer that holds several Latin sentences.
    """
    segments: list[str] = []
    for part in re.split(r"([\u4e00-\u9fa5])", _bare(text)):
        segments += [part] if re.fullmatch(r"[\u4e00-\u9fa5]", part) else _word_tokenizer().tokenize(part)
    return segments


@cache
def _word_tokenizer():
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def _run_f1(predicted: list[str], wanted: list[str]) -> float:
    longest, previous = 0, [0] * (len(wanted) + 1)
    for segment in predicted:
        current = [0] + [before + 1 if segment == w else 0 for w, before in zip(wanted, previous, strict=False)]
        longest, previous = max(longest, *current), current
    return _f1(longest, len(predicted), len(wanted))


def _f1(same: int, predicted: int, wanted: int) -> float:
    return 2 * same / (predicted + wanted) if same else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
