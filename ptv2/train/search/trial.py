"""One trial of a search: a run in a folder of its own, and how it ended."""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from optuna.trial import TrialState
from safetensors import SafetensorError

from ptv2.config.schema import Config
from ptv2.errors import Broken, Unreachable, UserError
from ptv2.metrics.table import goodness
from ptv2.runtime.files import write_text
from ptv2.train.callbacks.reports import Pruned, Reports
from ptv2.train.fit import fit
from ptv2.train.search.plan import Plan
from ptv2.train.search.study import Claimed, SharedStudy


@dataclass(frozen=True)
class End:
    """How a trial ended."""

    state: TrialState
    score: float | None = None  # the mean over the tasks at the best validation, higher is better; pruned: the last
    reason: str | None = None  # why it has none, or was ended early


def run_trial(plan: Plan, study: SharedStudy, claimed: Claimed) -> End:
    """Run a trial to its end, or read how it ended where its process could not tell any more.

    What the run prints goes to `trials/<number>.log`.

    Raises:
        UserError: a fault of the machine, or the rows have changed; the trial stays open and is resumed.
        Stopped: a signal asked for it; the same.
    """
    folder = plan.folder / "trials" / str(claimed.number)
    if claimed.hopeless is not None:
        return End(TrialState.FAIL, reason=claimed.hopeless)
    if (pruned := folder / "pruned.json").is_file():
        held = json.loads(pruned.read_text(encoding="utf-8"))
        return End(TrialState.PRUNED, held["score"], held["reason"])
    try:
        with printing_to(folder.with_suffix(".log")):
            config = plan.trial_config(claimed.number, claimed.params)
            results = fit(config, [Reports(study.reporter(claimed.number))])
    except Pruned as end:
        about = {"reason": str(end), "validations": end.validations, "score": end.score}
        write_text(pruned, json.dumps(about, indent=2) + "\n")
        return End(TrialState.PRUNED, end.score, str(end))
    except UserError as error:
        # Values that cannot be used and a loss that diverges belong to the trial, a disk or hub that fails does not.
        if isinstance(error, Broken | Unreachable) or isinstance(error.__cause__, OSError | SafetensorError):
            raise
        return End(TrialState.FAIL, reason=str(error))
    except torch.OutOfMemoryError:
        return End(TrialState.FAIL, reason="the device's memory is too small")
    finally:
        gc.collect()  # the run's model, before the next one is loaded
        torch.cuda.empty_cache()
    study.check_rows(results.get("rows", {}))
    study.note_scored(sum(task["validation"]["rows"] for task in results.get("data", {}).values()))
    score = score_of(results, config)
    if math.isnan(score):
        return End(TrialState.FAIL, reason="its validation score is not a number")
    return End(TrialState.COMPLETE, score)


def score_of(results: dict[str, Any], config: Config) -> float:
    """Return what `validation/score` was at the best step: the mean of the tasks' first metrics, higher is better."""
    scores = results["scores"]["validation"]
    first = [(config.tasks[task].metrics[0], values) for task, values in scores.items()]
    return sum(goodness(metric, values[metric]) for metric, values in first) / len(first)


@contextmanager
def printing_to(path: Path) -> Iterator[None]:
    """Write to the end of a file what is printed inside the block, warnings too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield
