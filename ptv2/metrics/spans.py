"""Scores of tag sequences over whole spans."""

import warnings

from ptv2.metrics.split import Split


def span_f1(split: Split) -> float:
    """Micro F1 over whole entities (type and both ends), as conlleval and seqeval count them.

    A type without B- or I- before it (Few-NERD) counts as inside: neighbours of one type are one entity.
    """
    from seqeval.metrics import f1_score

    predictions, references = (
        [[_prefixed(t) for t in tags] for tags in rows] for rows in (split.predictions, split.references)
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns where nothing is predicted or a tag set has no prefix
        return float(f1_score(references, predictions))


def span_f1_no_v(split: Split) -> float:
    """`span_f1` without the predicate's own spans, which are given away by the input (semantic roles)."""
    predicted, gold = (
        [[_no_v(tag) for tag in tags] for tags in rows] for rows in (split.predictions, split.references)
    )
    return span_f1(Split(predicted, gold, split.names))


def _prefixed(tag: str) -> str:
    return tag if tag == "O" or tag[1:2] == "-" else f"I-{tag}"


def _no_v(tag: str) -> str:
    return "O" if tag in ("B-V", "I-V") else tag
