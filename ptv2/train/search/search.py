"""Run a search, alone or beside other processes, and write what it found.

<folder>/trials/<number>/      the run folder of a trial; `pruned.json` says that the search ended it early
         trials/<number>.log   what its run printed
         trials.md             the table of all trials
         best.yaml             the config of the best one, which runs as it is
"""

import os
from collections.abc import Callable
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ptv2.config.cards import SPLITS
from ptv2.config.load import comparable
from ptv2.config.overrides import as_overrides
from ptv2.config.text import dump
from ptv2.errors import UserError
from ptv2.model.build import build
from ptv2.rows.sources import load_rows
from ptv2.runtime.files import write_text
from ptv2.runtime.scheduler import check_allocation
from ptv2.train.board.tensorboard import write_hparams
from ptv2.train.search.draw import propose
from ptv2.train.search.plan import Params, Plan
from ptv2.train.search.study import SharedStudy, check_folder
from ptv2.train.search.trial import run_trial

WORDS = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def open_study(plan: Plan) -> SharedStudy:
    """Make the search's folder, or join a search that has begun.

    Raises:
        UserError: the folder is not this search's, or a run could not be trained or scored; nothing is written then.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        do = "start it without torchrun; --jobs N trains N of them at a time"
        raise UserError("a search trains each run on one device", where="command line", do=do)
    check_allocation(plan.config.trainer)
    begun = check_folder(plan)
    rows = rows_of(plan, build_first=not begun)
    study = SharedStudy(plan)
    study.check_rows(rows)
    return study


def rows_of(plan: Plan, build_first: bool) -> dict[str, dict[str, str]]:
    """Return the fingerprints of the rows by task and split.

    Args:
        plan: the search.
        build_first: build the first run, too, to find what it gets wrong before anything is written.

    Raises:
        UserError: the rows or the backbone cannot be read, or a task has no validation rows.
    """
    config = plan.trial_config(0, propose(plan, []) or {})
    if build_first:
        rows = {name: data.sources for name, data in build(config).tasks.items()}
    else:
        found = {name: {split: load_rows(card, split) for split in SPLITS} for name, card in config.tasks.items()}
        rows = {name: {split: rows.fingerprint for split, rows in own.items() if rows} for name, own in found.items()}
    for name, splits in rows.items():
        if "validation" not in splits:
            do = "name a validation split or file: a search is scored on it"
            raise UserError("has no validation rows", where=f"tasks.{name}.dataset", do=do)
    return rows


def search(study: SharedStudy, say: Callable[[str], None]) -> None:
    """Run trials until none is left, and say of each how it ended.

    Raises:
        UserError: a fault of the machine, or rows that have changed; the same command resumes.
    """
    plan = study.plan
    while (claimed := study.claim()) is not None:
        what = f"trial {claimed.number}: {' '.join(as_overrides(claimed.params))}"
        say(f"{what} {'goes on' if claimed.resumed else 'begins'}")
        end = run_trial(plan, study, claimed)
        if end.score is not None:
            write_hparams(plan.folder / "trials" / str(claimed.number), claimed.params, {"search/score": end.score})
        study.tell(claimed.number, end.state, end.score, end.reason)
        write_found(study)
        scored = "" if end.score is None else f", score {end.score:.4f}"
        say(f"{what} {WORDS[end.state]}{scored}{f' ({end.reason})' if end.reason else ''}")


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """Choose the trial of the highest score among those that ran to their end, the first of equal ones."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(finished, key=lambda trial: trial.value or 0.0, default=None)


def table_of(plan: Plan, trials: list[FrozenTrial]) -> tuple[list[str], list[list[Any]]]:
    """Make the columns and rows of the table of trials, the best first."""
    columns = ["trial", "state", "score", *plan.space, "validations", "why"]
    order = {state: i for i, state in enumerate(WORDS)}
    rows = [
        [
            str(trial.number),
            WORDS[trial.state],
            trial.value,
            *(str(trial.params[key]) for key in plan.space),
            len(trial.intermediate_values),
            trial.user_attrs.get("reason", ""),
        ]
        for trial in sorted(trials, key=lambda trial: (order[trial.state], -(trial.value or 0.0), trial.number))
    ]
    return columns, rows


def write_found(study: SharedStudy) -> None:
    """Write the table of trials and, once there is one, the config of the best."""
    plan = study.plan
    with study.claims.alone():
        trials = study.trials()
        columns, rows = table_of(plan, trials)
        lines = [f"# {plan.config.run.name}: {len(trials)} of {plan.trials} trials by score on {study.scored()}", ""]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in (columns, ["---"] * len(columns), *rows)]
        write_text(plan.folder / "trials.md", "\n".join([*lines, ""]))
        if (best := best_of(trials)) is not None:
            write_text(plan.folder / "best.yaml", _best(plan, best, study.scored()))


def at_ends(plan: Plan, params: Params) -> list[str]:
    """List the keys whose best value lies at an end of what was searched."""
    return [key for key, values in plan.space.items() if values.at_end(params[key])]


def _best(plan: Plan, trial: FrozenTrial, scored: str) -> str:
    what = f"score {trial.value:.4f} on {scored}"
    about = f"# Trial {trial.number} of {plan.config.run.name}, the best one: {what}.\n"
    return about + dump(comparable(plan.best_config(trial.params)))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")
