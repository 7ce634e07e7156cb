"""The Optuna study of a search, shared by every process that works on it.

<folder>/search.yaml     what the processes must agree on, see `Plan.plain`
         study.jsonl     Optuna's journal of the trials, with its own lock for shared file systems
         .lock           which trials have a process that is alive, see `Claims`

A trial is written down whole, in one line of the journal, by the process that then runs it. A trial that is running in
the journal and whose number nobody holds was left behind by a process that ended: the next one takes it over, and its
run goes on in its folder.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ptv2.config.load import KEYS, comparable, make_config
from ptv2.config.merge import read_mapping
from ptv2.errors import UserError
from ptv2.runtime import lock
from ptv2.runtime.files import write_text
from ptv2.train.checkpoint_file import by_step
from ptv2.train.folder import differences
from ptv2.train.search.draw import distribution, propose
from ptv2.train.search.plan import Params, Plan

PRUNER = MedianPruner(n_startup_trials=5, n_warmup_steps=2)
"""Once five trials are finished, ends one whose best score is below their median after as many validations; never at
the first validation."""
NAME = "search"  # of the study, the only one in its journal
STARTS = 5  # of a trial's process without a checkpoint between them, before the trial is given up


@dataclass(frozen=True)
class Claimed:
    """A trial that this process runs."""

    number: int
    params: Params
    resumed: bool  # it was begun by a process that ended
    hopeless: str | None  # why it is not begun again


class SharedStudy:
    """The study in a search's folder: hands out trials and takes their results.

    Args:
        plan: the search.

    Raises:
        UserError: the folder holds something else, or a search of another config or space.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        optuna.logging.set_verbosity(logging.ERROR)
        try:
            plan.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            do = "choose another run.folder"
            raise UserError(f"cannot be written ({error.strerror})", where=plan.folder, do=do) from error
        self.claims = lock.Claims(plan.folder / lock.NAME)
        with self.claims.alone(), damaged(plan.folder):
            check_folder(plan)
            write_text(plan.folder / "search.yaml", plan.write())
            journal = str((plan.folder / "study.jsonl").absolute())
            _drop_partial_line(Path(journal))
            storage = JournalStorage(JournalFileBackend(journal, JournalFileOpenLock(journal)))
            known = {"study_name": NAME, "storage": storage, "sampler": RandomSampler(), "pruner": PRUNER}
            begun = any(study.study_name == NAME for study in storage.get_all_studies())
            self.study = optuna.load_study(**known) if begun else optuna.create_study(**known, direction="maximize")

    def trials(self) -> list[FrozenTrial]:
        """List the trials in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def claim(self) -> Claimed | None:
        """Take a trial that was left behind, or a new one; None where all are finished or have a process."""
        with self.claims.alone():
            trials = self.trials()
            for trial in trials:
                if trial.state == TrialState.RUNNING and self.claims.take(trial.number):
                    return Claimed(trial.number, trial.params, True, self._begin(trial))
            params = propose(self.plan, trials) if len(trials) < self.plan.trials else None
            if params is None:
                return None
            space = {key: distribution(values) for key, values in self.plan.space.items()}
            self.study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=space))
            self.claims.take(len(trials))
            return Claimed(len(trials), params, False, self._begin(self.trials()[-1]))

    def _begin(self, trial: FrozenTrial) -> str | None:
        """Note where a process begins with a trial, and say why if that has led nowhere too often."""
        step = max(by_step(self.plan.folder / "trials" / str(trial.number) / "checkpoints"), default=0)
        begun = [*trial.user_attrs.get("begun", []), step]
        self._trial(trial.number).set_user_attr("begun", begun)
        if begun[-STARTS - 1 :] != [step] * (STARTS + 1):
            return None
        return f"its process ended {STARTS} times behind step {step}"

    def reporter(self, number: int) -> Callable[[int, float], bool]:
        """Make what a trial's run reports to, see `Reports`."""
        trial, reported = self._trial(number), set(self.trials()[number].intermediate_values)

        def report(validation: int, score: float) -> bool:
            if validation not in reported:  # a resumed run repeats those behind its checkpoint
                trial.report(score, validation)
            return self.plan.prune and trial.should_prune()

        return report

    def check_rows(self, rows: dict[str, dict[str, str]]) -> None:
        """Refuse rows that are not those of the trials before: their scores would not compare.

        Args:
            rows: fingerprints by task and split. The first ones are noted.

        Raises:
            UserError: a split's rows differ.
        """
        held = self.study.user_attrs.get("rows")
        if held is None:
            self.study.set_user_attr("rows", rows)
        elif held != rows:
            name = " and ".join(differences(held, rows))
            do = "restore the old rows, or choose another run.name"
            raise UserError(
                f"the rows of {name} are not those that the search began with", where=self.plan.folder, do=do
            )

    def note_scored(self, rows: int) -> None:
        """Note how many validation rows a trial's score is of."""
        if self.study.user_attrs.get("scored") != rows:
            self.study.set_user_attr("scored", rows)

    def scored(self) -> str:
        """Say what the scores are of; without a number as long as no trial has ended."""
        rows = self.study.user_attrs.get("scored")
        return "validation rows" if rows is None else f"{rows:,} validation rows"

    def tell(self, number: int, state: TrialState, score: float | None = None, reason: str | None = None) -> None:
        """Write down how a trial ended, and with which score if it ran to its end. All else is written before this."""
        if reason is not None:
            self._trial(number).set_user_attr("reason", reason)
        self.study.tell(number, score if state == TrialState.COMPLETE else None, state)  # pruned: its last report
        self.claims.release(number)

    def _trial(self, number: int) -> Trial:
        return Trial(self.study, self.trials()[number]._trial_id)


def check_folder(plan: Plan) -> bool:
    """Refuse a folder that this search must not write to, and tell whether it holds this search.

    Raises:
        UserError: it holds something else, or a search of another config, space or sampler.
    """
    held = plan.folder / "search.yaml"
    if not held.is_file():
        if plan.folder.is_dir() and any(entry.name != lock.NAME for entry in plan.folder.iterdir()):
            raise UserError("is not empty and is no search", where=plan.folder, do="choose another run.name")
        return False
    kinds: Any = {"config": KEYS, "space": dict[str, str]}
    old = read_mapping(held, "a search", kinds)
    new = plan.plain()
    if isinstance(old.get("config"), dict):
        old["config"] = comparable(make_config(old["config"], where=str(held)))
    different = [name.removeprefix("config.") for name in differences(old, new)]
    if different:
        what = f"holds another search ({', '.join(different[:4])} differ)"
        raise UserError(what, where=plan.folder, do="give this one another run.name")
    return True


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """Report in one line a folder that cannot be written, or a journal that is none.

    Raises:
        UserError: one of those.
    """
    try:
        yield
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise UserError(what, where=error.filename or folder, do="choose another run.folder") from error
    except (ValueError, KeyError, AssertionError) as error:  # what a line that Optuna did not write leads to
        what = f"cannot be read ({type(error).__name__}: {error})"
        raise UserError(what, where=folder / "study.jsonl", do="restore it, or choose another run.name") from error


def _drop_partial_line(journal: Path) -> None:
    """Cut off the end of a line that a full disk left in the journal: a line behind it would not be read."""
    if not journal.is_file():
        return
    held = JournalFileOpenLock(str(journal))
    held.acquire()  # no other process is writing now
    try:
        with journal.open("rb+") as file:
            text = file.read()
            file.truncate(text.rfind(b"\n") + 1)
    finally:
        held.release()
