"""Label names and ids: rows may hold either; a task's card fixes their order, or the training rows do."""

from collections.abc import Iterable

from datasets import ClassLabel, Dataset

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError, nearest


class Labels:
    """The label names of a task in the order of their ids.

    Args:
        names: the names; a row may hold a name or an id.
        origin: what fixed them, for messages: the card, or the training split.
    """

    def __init__(self, names: list[str], origin: str):
        self.names = list(names)
        self.origin = origin
        self.ids = {name: i for i, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def id(self, value: object, where: str) -> int:
        """The id of a row's label.

        Raises:
            UserError: the label is not one of this task's.
        """
        value = _whole(value)
        if isinstance(value, str):
            if value in self.ids:
                return self.ids[value]
        elif isinstance(value, (bool, int)) and 0 <= int(value) < len(self.names):
            return int(value)
        hint = " (-1 marks hidden test labels)" if value == -1 else ""
        raise UserError(f"unknown label '{value}'{hint} for {self.origin}", where=where, do=nearest(value, self.names))


def class_names(data: Dataset, field: str) -> list[str] | None:
    """The names that a data set itself gives to the ids in a field, as those of the hub do; None where it has none."""
    feature = data.features.get(field)
    feature = getattr(feature, "feature", feature)  # of a list: what it holds
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def labels_for(card: TaskCard, training_values: Iterable[object], names: list[str] | None = None) -> Labels:
    """The labels of a card, or where it has none, the data set's own `names`, or those of the training rows, sorted.

    Raises:
        UserError: fewer than two labels.
    """
    if card.labels is not None:
        return Labels(card.labels, f"card '{card.name}'")
    if names is not None:
        return Labels(names, f"the data set of '{card.name}'")
    values = {_whole(value) for value in training_values} - {None, ""}  # a row without a label is refused by its line
    if all(isinstance(value, int) for value in values):
        names = [str(i) for i in range(max(values, default=-1) + 1)]
    else:
        names = sorted(str(value) for value in values)
    if "O" in names and card.kind == "tagging":  # first, so that an unsure head says "no entity"
        names = ["O", *(name for name in names if name != "O")]
    if len(names) < 2:
        raise UserError(
            f"the training rows hold {len(names)} label(s)", where=f"{card.name}.label", do="give at least 2"
        )
    return Labels(names, f"the training split of '{card.name}'")


def _whole(value: object) -> object:
    """1 for 1.0: a column of numbers with a gap is read as one of fractions."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
