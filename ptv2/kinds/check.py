"""What only the code can check in a card: its kind, metrics, inputs and options."""

import re

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError, nearest
from ptv2.kinds import KINDS, kind_of
from ptv2.kinds.options import check_options
from ptv2.kinds.templates import check_template
from ptv2.metrics.table import metric, metrics_of
from ptv2.rows.labels import check_by_id


def check_card(card: TaskCard) -> None:
    """Check the names in a card that only the code knows.

    Raises:
        UserError: unknown kind or metric, a metric of another kind, inputs that are not the kind's or not templates, or
            options that the kind does not have or cannot use.
    """
    if card.kind not in KINDS:
        raise UserError(f"unknown kind '{card.kind}'", where=f"{card.name}.kind", do=nearest(card.kind, KINDS))
    kind = kind_of(card).features
    for name in card.metrics:
        if card.kind not in metric(name, where=f"{card.name}.metrics").kinds:
            what = f"metric '{name}' does not score kind '{card.kind}'"
            raise UserError(what, where=f"{card.name}.metrics", do=f"use {', '.join(metrics_of(card.kind))}")
    for role in kind.roles:
        if role not in card.inputs:
            do = f"name the field, e.g. inputs: {{{role}: {role}}}"
            raise UserError(f"no input '{role}'", where=f"{card.name}.inputs", do=do)
    for role, template in card.inputs.items():
        check_template(template, f"{card.name}.inputs.{role}")
        if not any(re.fullmatch(pattern, role) for pattern in kind.roles + kind.optional_roles):
            do = nearest(role, kind.roles + kind.optional_roles)
            raise UserError(f"unknown input '{role}'", where=f"{card.name}.inputs", do=do)
    kind.check_inputs(card)
    if not kind.has_labels() and (card.labels is not None or card.label_ids):
        key = "labels" if card.labels is not None else "label_ids"
        what = f"kind '{card.kind}' has no label names"
        raise UserError(what, where=f"{card.name}.{key}", do="leave it out, or choose another kind")
    check_options(card.options, kind.valid_options, f"{card.name}.options")
    if (field := card.options.get("truncate")) is not None and field not in (named := kind.may_be_cut(card)):
        what = f"truncate is '{field}', which is no field of a text that is cut"
        raise UserError(what, where=f"{card.name}.options", do=nearest(field, named))


def check_names(card: TaskCard, names: list[str]) -> None:
    """Refuse label names that the card cannot work with.

    Raises:
        UserError: names that are numbers where rows may hold ids, a metric of two labels where there are more, a
            positive label that is not a label, or tags of no known scheme.
    """
    check_by_id(card, names)
    kind_of(card).features.check_names(card, names)
