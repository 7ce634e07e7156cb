"""What is proposed for a task, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ptv2.guess.fields import Field
from ptv2.kinds.templates import Row


@dataclass(frozen=True)
class Seen:
    """What was looked at.

    Args:
        rows: a sample of them.
        fields: of these rows, by name.
        blank: fields that some row of any split lacks.
    """

    rows: Sequence[Row]
    fields: dict[str, Field]
    blank: frozenset[str] = frozenset()

    def of(self, *forms: str) -> list[Field]:
        """List the fields of these forms that do not only tell rows apart."""
        return [field for field in self.fields.values() if field.form in forms and not field.is_identity]


@dataclass(frozen=True)
class Proposal:
    """The part of a card that follows from the rows.

    Args:
        kind: of the task.
        inputs: role -> field or template.
        label: field of the answer.
        metrics: the first one chooses the checkpoint.
        why: reasons, a sentence each.
        labels: names of the labels; None: the kind has none, or they are read from the training rows.
        options: settings of the kind.
    """

    kind: str
    inputs: dict[str, str]
    label: str
    metrics: list[str]
    why: list[str]
    labels: list[str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
