"""Kinds of task: one file a kind, its features and its head side by side. `KINDS` names them.

A new kind is one file and one entry here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
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
from ptv2.kinds.verbalizer import TemplateFeatures, VerbalizerHead


@dataclass(frozen=True)
class Kind:
    """What a kind of task is made of."""

    features: type[Features]  # rows <-> features
    head: type[Head]  # what reads the backbone
    templated: "Kind | None" = None  # what replaces both where a card has a template with a mask


KINDS: dict[str, Kind] = {
    "cls": Kind(ClsFeatures, ClsHead, Kind(TemplateFeatures, VerbalizerHead)),
    "regression": Kind(RegressionFeatures, RegressionHead),
    "multilabel": Kind(MultilabelFeatures, MultilabelHead),
    "tagging": Kind(TaggingFeatures, TaggingHead),
    "choice": Kind(ChoiceFeatures, ChoiceHead),
    "cloze": Kind(ClozeFeatures, ClozeHead),
    "span": Kind(SpanFeatures, SpanHead),
    "seq2seq": Kind(Seq2SeqFeatures, Seq2SeqHead),
}


def kind_of(card: TaskCard) -> Kind:
    """Return the features and the head of a card: its kind's, or those for its template.

    Raises:
        UserError: a template, and the kind has none.
    """
    kind = KINDS[card.kind]
    if card.options.get("template") is None:
        return kind
    if kind.templated is None:
        what = f"task '{card.name}' is of kind '{card.kind}': a mask holds the answer of kind 'cls' alone"
        raise UserError(
            what, where="ptuning.template", do="set it to null: the prompt stands in front of the text then"
        )
    return kind.templated


def reads_of(cards: Iterable[TaskCard]) -> str:
    """Say what these tasks need of the backbone.

    `logits` if any of them generates, `answer` if any is read from the language model at one place, else `states`.
    """
    needs = {kind_of(card).head.reads for card in cards}
    return next((reads for reads in ("logits", "answer") if reads in needs), "states")
