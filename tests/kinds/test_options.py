"""Options of a card: unknown names and values that cannot work are refused, for every kind."""

from dataclasses import replace

import pytest

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card
from ptv2.kinds.options import check_fields
from ptv2.metrics.table import metrics_of

FAULTS = {
    "cls": [("grup", ["idx"], "did you mean 'group'?"), ("group", "idx", "list one or more fields")],
    "regression": [("word", {}, "did you mean 'words'?"), ("words", {"a": "b"}, "write what to read")],
    "multilabel": [("threshold", 0.3, "valid: ")],
    "tagging": [
        ("span_column", "entities", "did you mean 'spans_column'?"),
        ("token_column", "0", "use a whole number"),
        ("tag_column", True, "use a whole number"),
        ("spans_column", 3, "name a field"),
    ],
    "choice": [("label_on", "x", "did you mean 'label_in'?"), ("label_in", ["a"], "name a field")],
    "cloze": [
        ("placholder", "_", "did you mean 'placeholder'?"),
        ("placeholder", " ", "not only spaces"),
        ("replace", {"a": 1}, "by what"),
    ],
    "span": [
        ("strid", 3, "did you mean 'stride'?"),
        ("stride", -1, "0 or more"),
        ("null_threshold", float("nan"), "use a number, or validation"),
    ],
    "seq2seq": [
        ("max_target_lenght", 8, "did you mean 'max_target_length'?"),
        ("genration", {"num_beams": 4}, "did you mean 'generation'?"),
        ("max_target_length", 1, "2 or more"),
        ("separator", 3, "in quotes"),
        ("group_by", ["a"], "name a field"),
        ("references", 3, "name a field"),
        ("generation", "num_beams=4", "in braces"),
    ],
}
"""By kind: an option, its value, and what the message says."""


def card(kind: str, options: dict) -> TaskCard:
    inputs = {role: role for role in KINDS[kind].features.roles}
    metrics = metrics_of(kind)[:1]
    return TaskCard(name="mine", kind=kind, inputs=inputs, metrics=metrics, options=options)


def test_every_kind_has_its_faults():
    assert FAULTS.keys() == KINDS.keys()


@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind, faults in FAULTS.items() for fault in faults])
def test_an_option_that_cannot_be_is_refused_by_its_name(kind, fault):
    option, value, advice = fault
    with pytest.raises(UserError, match=rf"^mine\.options: (unknown option '{option}'|{option} is '.*'); ") as error:
        check_card(card(kind, {option: value}))
    assert advice in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_null_are_as_if_left_out(kind):
    check_card(card(kind, dict.fromkeys(KINDS[kind].features.valid_options)))


@pytest.mark.parametrize("kind", KINDS)
def test_label_names_belong_to_kinds_that_have_labels(kind):
    named = replace(card(kind, {}), labels=["O", "B-a", "I-a"] if kind == "tagging" else ["a", "b"])
    if KINDS[kind].features.has_labels():
        check_card(named)
    else:
        with pytest.raises(UserError, match=rf"^mine\.labels: kind '{kind}' has no label names; leave it out"):
            check_card(named)


@pytest.mark.parametrize(
    "options, says",
    [
        ({"references": "refrences"}, r"options\.references: no column 'refrences'; did you mean 'references'\?"),
        ({"group": ["id.part", "idd.part"]}, r"options\.group: no column 'idd\.part'"),
        ({"group_by": "source"}, r"options\.group_by: no column 'source'"),
        ({"words": {"references": {}, "idd": {}}}, r"options\.words: no column 'idd'; did you mean 'id'\?"),
    ],
)
def test_a_field_that_an_option_names_is_there(options, says):
    check_fields({"references": "references", "group": ["id.part"], "stride": 3}, ["references", "id"], "mine.options")
    with pytest.raises(UserError, match=says):
        check_fields(options, ["references", "id"], "mine.options")
