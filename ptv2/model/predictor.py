"""`ptv2.load`: artifacts joined to their backbone, ready to answer and score rows from Python or the command line."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ptv2.artifact.files import read_artifact
from ptv2.backbone import Backbone
from ptv2.config.overrides import as_overrides
from ptv2.config.run import PredictionsConfig
from ptv2.data.loaders import Loaders
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.kinds.options import check_fields
from ptv2.model.cards import card_to_score, choose_task
from ptv2.model.collect import collect
from ptv2.model.load import artifact_config, artifact_tasks, load_artifact_backbone, load_module, merged
from ptv2.model.predictions import Record, prediction_records
from ptv2.model.prompted import PromptedModel
from ptv2.model.routing import beginnings, usable_rows
from ptv2.model.scored import Scored, scored
from ptv2.rows.asked import Asked, of_python
from ptv2.rows.columns import add_tags, refuse_unfit, rows_of
from ptv2.runtime.device import check_device

INPUT = "input"  # the split that a user's rows are


class Predictor:
    """One artifact, or several that share their backbone, which is loaded when it is first needed.

    Args:
        paths: run folders, or their `prompt/` folders.
        overrides: of keys in the artifact's config, as `key=value` or as a mapping.
        device: that the backbone computes on.
        imports: Python files with methods, kinds or metrics that the artifact needs.
        allow_other_precision: take a backbone saved in another precision, if it is the same once both are cast.

    Raises:
        UserError: no artifact there, a damaged one, several that one pass cannot serve, or a device that is not there.
    """

    def __init__(
        self,
        *paths: str | Path,
        overrides: Iterable[str] | Mapping[str, Any] = (),
        device: str = "cpu",
        imports: Sequence[str] = (),
        allow_other_precision: bool = False,
    ):
        check_device(device)
        self.artifact = merged([read_artifact(path) for path in paths])
        self.config = artifact_config(self.artifact, as_overrides(overrides), imports)
        self.device, self.allow_other_precision = device, allow_other_precision

    # -- what it holds -------------------------------------------------------------------------------------------------

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return list(self.artifact.tasks)

    @property
    def task(self) -> str:
        """The name of the only task.

        Raises:
            UserError: there are several.
        """
        return choose_task(self.tasks, None, str(self.artifact.path))

    @property
    def labels(self) -> list[str] | None:
        """Label names of the only task; None for a kind without labels."""
        return self.labels_of(self.task)

    def labels_of(self, task: str) -> list[str] | None:
        """Return the label names of a task; None for a kind without labels."""
        return self.artifact.about["labels"][self.artifact.check_task(task)]

    @cached_property
    def backbone(self) -> Backbone:
        return load_artifact_backbone(self.artifact, self.config, self.allow_other_precision)

    @cached_property
    def data(self) -> dict[str, TaskData]:
        return artifact_tasks(self.artifact, self.config, self.backbone)

    @cached_property
    def module(self) -> PromptedModel:
        return load_module(self.artifact, self.config, self.backbone, dict(self.data))

    # -- answers -------------------------------------------------------------------------------------------------------

    def predict(
        self,
        rows: Iterable[Mapping[str, Any]],
        task: str | None = None,
        on_bad_row: str = "error",
        *,
        top: int | None = PredictionsConfig.top,
        with_inputs: bool = False,
    ) -> list[Record | None]:
        """Answer rows, each with the fields that its task's card reads.

        Args:
            rows: plain dicts; where there are several tasks, their field `task` says of which.
            task: of all rows, instead of that field.
            on_bad_row: error, or skip: None stands where a row cannot be used.
            top: number of highest scores that a record holds; None: all.
            with_inputs: whether records hold the fields that the card reads.

        Returns:
            A record per row, in order, as `python -m ptv2.predict` prints them; see docs/predictions.md.

        Raises:
            UserError: a row that cannot be used, counted from 0; an unknown task.
        """
        if on_bad_row not in ("error", "skip"):
            raise UserError(f"is '{on_bad_row}'", where="on_bad_row", do=nearest(on_bad_row, ("error", "skip")))
        if top is not None and (type(top) is not int or top < 1):
            raise UserError(f"is {top!r}", where="top", do="give a number from 1, or None for all")
        asked = of_python(rows)
        found = self.answer(asked, task, on_bad_row == "skip", PredictionsConfig(top, with_inputs))
        return [found.get(number) for number in range(len(asked.rows))]

    def answer(
        self,
        asked: Asked,
        task: str | None = None,
        skip: bool = False,
        shown: PredictionsConfig | None = None,
    ) -> dict[int, Record]:
        """Return records by the number of their row; with `skip`, unusable rows are marked in `asked` instead.

        Raises:
            UserError: a row that cannot be used, or with `skip` none that can.
        """
        ((_, records),) = self.stream([asked], task, skip, shown)
        return records

    def stream(
        self,
        parts: Iterable[Asked],
        task: str | None = None,
        skip: bool = False,
        shown: PredictionsConfig | None = None,
    ) -> Iterator[tuple[Asked, dict[int, Record]]]:
        """Yield rows that come in parts with their records, as `answer` does, in the memory of a part.

        Raises:
            UserError: a row that cannot be used, or with `skip` none of all parts that can.
        """
        count, bad, first = 0, 0, None
        for asked in parts:
            if not skip:
                asked.check()
            yield asked, self._answer(asked, task, skip, shown or PredictionsConfig())
            count, bad = count + len(asked.rows), bad + len(asked.bad)
            first = first or next(((asked.name, asked.bad[i]) for i in sorted(asked.bad)), None)
        if first is not None and bad == count:
            name, error = first
            raise UserError(f"none of the {count} rows can be used (the first: {error})", where=name, do="correct them")

    def _answer(self, asked: Asked, task: str | None, skip: bool, shown: PredictionsConfig) -> dict[int, Record]:
        for data in self.data.values():  # those of an earlier call, which may have been refused
            data.drop(INPUT)
        usable = usable_rows(asked, self.data, task, skip, str(self.artifact.path), INPUT)
        for name, (_, rows) in usable.items():
            self.data[name].put(INPUT, rows)
        routed = {name: numbers for name, (numbers, _) in usable.items() if numbers}
        return self._answered(asked, routed, task, shown)

    def _answered(
        self, asked: Asked, routed: dict[str, list[int]], task: str | None, shown: PredictionsConfig
    ) -> dict[int, Record]:
        """Make the records of rows that are in the data of their tasks."""
        module, data, found = self.module, Loaders(self.data, self.config), {}
        for reads in dict.fromkeys(module.heads[name].reads for name in routed):  # they read other things of a pass
            names = [name for name in routed if module.heads[name].reads == reads]
            found |= collect(module, data.joint_dataloader(names, INPUT), self.device)
        module.outputs.update(found)
        records: dict[int, Record] = {}
        for name, numbers in routed.items():
            first, sources = beginnings(asked, numbers, name if len(self.tasks) > 1 and task is None else None)
            made = prediction_records(module, name, INPUT, shown, first, sources)
            records |= dict(zip(numbers, made, strict=True))
        return records

    # -- scores --------------------------------------------------------------------------------------------------------

    def score(
        self, rows: Iterable[Mapping[str, Any]] | str, split: str = "test", task: str | None = None
    ) -> dict[str, float]:
        """Score rows that hold their answers, or a split of a task card, and return a value per metric.

        Args:
            rows: plain dicts, or the name of a card.
            split: of the card.
            task: which of several answers them.

        Raises:
            UserError: a row that cannot be used, an unknown label, or a card that the artifact cannot answer.
        """
        if isinstance(rows, str):
            return self.score_card(rows, split, task).scores
        asked, name = of_python(rows), choose_task(self.tasks, task, str(self.artifact.path))
        own, numbers = self.data[name], range(len(asked.rows))
        asked.check()
        if not asked.rows:
            raise UserError("there are no rows", where="score", do="give at least one")
        add_tags(asked, numbers, own.card, scored=True)
        refuse_unfit(asked, numbers, own.features.fields(), own.card.label)
        asked.check()
        fields = set().union(*asked.rows)
        check_fields(own.card.options, fields, f"{own.card.name}.options")
        data = TaskData(
            own.card,
            own.tokenizer,
            labels=own.labels,
            splits=(),
            decoder_only=own.features.decoder_only,
            notices_to=sys.stderr,
        )
        data.put(INPUT, data.features.prepare(rows_of(asked, numbers, fields, INPUT)))
        return self._scored(name, data, INPUT).scores

    def score_card(
        self,
        card: str | None = None,
        split: str = "test",
        task: str | None = None,
        overrides: Sequence[str] = (),
        rows: Path | None = None,
    ) -> Scored:
        """Score a split of a card, all of its rows unless an override limits them (`data.limit.test=100`).

        Args:
            card: its name or file; None: that of the task.
            split: train, validation or test.
            task: which of the artifact's tasks answers it; None: the one that was trained on it, or the only one.
            overrides: those that begin with `task.` change the card.
            rows: a file or a folder with the rows of the split, instead of the card's own.

        Raises:
            UserError: a card that the artifact cannot answer, or rows that cannot be used.
        """
        name, config = card_to_score(self.artifact, card, task, overrides, self.config.imports, rows, split)
        (chosen,) = config.tasks.values()
        data = TaskData(
            chosen,
            self.backbone.tokenizer,
            config.data.limit,
            config.seed,
            config.data.seed,
            self.artifact.labels(name),
            splits=(split,),
            decoder_only=not self.backbone.is_encoder_decoder,
            notices_to=sys.stderr,
        )
        return self._scored(name, data, split)

    def _scored(self, name: str, data: TaskData, split: str) -> Scored:
        return scored(
            self.artifact, self.module, Loaders(self.data | {name: data}, self.config), name, split, self.device
        )


def load(
    *paths: str | Path,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    device: str = "cpu",
    imports: Sequence[str] = (),
    allow_other_precision: bool = False,
) -> Predictor:
    """Load artifacts and their backbone, ready to answer rows; see `Predictor`.

    Raises:
        UserError: any reason why they cannot be used.
    """
    made = Predictor(
        *paths, overrides=overrides, device=device, imports=imports, allow_other_precision=allow_other_precision
    )
    _ = made.module  # what is wrong is said here
    return made
