"""Which labels a task has: an artifact's, its card's, its data set's, or those that stand in its training rows."""

from functools import partial

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds.features import Features
from ptv2.rows.class_names import class_names
from ptv2.rows.labels import Labels, check_numbers, labels_for
from ptv2.rows.rows import Rows


def find_labels(card: TaskCard, kind: type[Features], splits: dict[str, Rows], fixed: Labels | None = None) -> Labels:
    """Find the labels of a task.

    Args:
        card: the task.
        kind: what knows the form of an answer.
        splits: the rows by split; without training rows, those of the first split count.
        fixed: of an artifact.

    Raises:
        UserError: there is no column with labels, it holds fewer than two, or numbers that can be read in two ways.
    """
    if fixed is not None:
        return Labels(fixed.names, fixed.origin, card.label_ids)
    rows = splits.get("train") or next(iter(splits.values()))
    if card.label not in rows.data.column_names:
        if card.labels is not None:  # the rows are refused by their lines
            return labels_for(card)
        have = ", ".join(rows.data.column_names)
        do = f"correct `label` in the card {card.name}"
        raise UserError(f"no column '{card.label}', only {have}", where=rows.where(0), do=do)
    names = class_names(rows.data, card.label)
    if card.labels is None and names is None:
        values, fault = label_values(kind, rows, card.label)
        try:
            return labels_for(card, values, first=kind.first_name)
        except UserError as error:
            raise fault or error from error
    labels = labels_for(card, names=names)
    if names is None:
        check_numbers(labels, lambda: label_values(kind, rows, card.label)[0])
    return labels


def label_values(kind: type[Features], rows: Rows, field: str) -> tuple[list[object], UserError | None]:
    """Collect the labels of rows that hold some in the kind's form, and what is wrong with the first other row."""
    values: list[object] = []
    fault = None
    for index, value in enumerate(rows.data[field]):
        try:
            values += kind.label_values(value, field, partial(rows.where, index))
        except UserError as error:
            fault = fault or error
    return values, fault
