"""Kinds of task: one file a kind, its features and its head side by side. `KINDS` names them.

A new kind is one file and one entry here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ptv2.kinds.choice import ChoiceFeatures, ChoiceHead
from ptv2.kinds.cloze import ClozeFeatures, ClozeHead
from ptv2.kinds.cls import ClsFeatures, ClsHead
from ptv2.kinds.features import Features
from ptv2.kinds.head import Head
from ptv2.kinds.multilabel import MultilabelFeatures, MultilabelHead
from ptv2.kinds.regression import RegressionFeatures, RegressionHead
from ptv2.kinds.seq2seq import Seq2SeqFeatures, Seq2SeqHead
from ptv2.kinds.span.features import SpanFeatures
from ptv2.kinds.span.head import SpanHead
from ptv2.kinds.tagging import TaggingFeatures, TaggingHead


@dataclass(frozen=True)
class Kind:
    """What a kind of task is made of."""

    features: type[Features]  # rows <-> features
    head: type[Head]  # what reads the backbone


KINDS: dict[str, Kind] = {
    "cls": Kind(ClsFeatures, ClsHead),
    "regression": Kind(RegressionFeatures, RegressionHead),
    "multilabel": Kind(MultilabelFeatures, MultilabelHead),
    "tagging": Kind(TaggingFeatures, TaggingHead),
    "choice": Kind(ChoiceFeatures, ChoiceHead),
    "cloze": Kind(ClozeFeatures, ClozeHead),
    "span": Kind(SpanFeatures, SpanHead),
    "seq2seq": Kind(Seq2SeqFeatures, Seq2SeqHead),
}


def reads_of(kinds: Iterable[str]) -> str:
    """Say what tasks of these kinds need of the backbone: `logits` if any of them generates, else `states`."""
    return "logits" if any(KINDS[kind].head.reads == "logits" for kind in kinds) else "states"
