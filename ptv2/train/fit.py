"""Run a config to its end: train, score the best step, write results and artifact."""

import errno
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from safetensors import SafetensorError

from ptv2.artifact.files import write_artifact
from ptv2.config.schema import Config
from ptv2.errors import Joint, UserError
from ptv2.kinds.seq2seq import Seq2SeqHead
from ptv2.methods.vectors import VectorMethod
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import Parts, build
from ptv2.model.kept import check_kept, load_kept
from ptv2.model.state_cache import StateCache
from ptv2.rows.sources import load_rows
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text
from ptv2.runtime.memory import peak_memory
from ptv2.runtime.ranks import is_zero, silence_others, summed, together, wait
from ptv2.runtime.scheduler import check_allocation
from ptv2.train.board.tensorboard import final_scores, hparams, write_hparams
from ptv2.train.callbacks.checkpoint import Checkpoints
from ptv2.train.callbacks.known_states import KnownStates
from ptv2.train.checkpoint_file import read
from ptv2.train.choose import check_dtype, settled
from ptv2.train.ending import ended_by, planned_steps
from ptv2.train.folder import RunFolder
from ptv2.train.loggers.tracker import Tracker
from ptv2.train.resume import Start, find_start
from ptv2.train.retrieval import Retrieved, retrieve
from ptv2.train.scoring import not_learned, score_splits
from ptv2.train.trainer import make_trainer

FAULTS_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}


def fit(config: Config, callbacks: Sequence[Callback] = ()) -> dict[str, Any]:
    """Run a config to its end and return its results; a finished run's results are read, not made again.

    Args:
        config: of the run.
        callbacks: that stand in no config, such as a search's.

    Raises:
        UserError: anything the user got wrong; nothing is written then.
        Stopped: a signal asked for it; the same config resumes.
    """
    check_allocation(config.trainer)
    silence_others()
    config, chosen = settled(config)
    folder = RunFolder(config)
    folder.check()
    if config.run.overwrite and config.resume not in ("auto", "never"):
        do = "leave one of the two out, or go on in another run.name"
        raise UserError("run.overwrite=true starts from scratch, without this checkpoint", where="resume", do=do)
    if folder.finished:
        results = folder.read_results()
        check_rows(config, results.get("rows", {}))
        return results
    print("".join(f"{line}\n" for line in chosen), end="", flush=True)
    with folder, broken_machine(folder.path):
        return train_and_score(config, folder, callbacks)


def check_rows(config: Config, sources: dict[str, dict[str, str]]) -> None:
    """Refuse to give the results of a finished run for rows that it did not have.

    Args:
        config: of the run.
        sources: fingerprints of the rows that it had, by task and split, as far as it wrote them down.

    Raises:
        UserError: a split's rows differ.
    """
    for task, splits in sources.items():
        for split, fingerprint in splits.items():
            try:
                rows = load_rows(config.tasks[task], split)
            except UserError as error:
                warnings.warn(f"the results are those of rows that cannot be read now: {error}", stacklevel=2)
                return
            if rows is None or rows.fingerprint != fingerprint:
                what = f"the {split} rows have changed since the run was finished"
                do = "run it again with run.overwrite=true, or give the run another run.name"
                raise UserError(what, where=f"tasks.{task}.dataset", do=do)


@contextmanager
def broken_machine(folder: Path) -> Iterator[None]:
    """Report in one line the faults of the machine: a disk that fills up, a DataLoader worker that is killed.

    Raises:
        UserError: one of those.
    """
    do = "the same command resumes from the last checkpoint"
    try:
        yield
    except OSError as error:
        if error.errno not in FAULTS_OF_DISKS:
            raise
        raise UserError(f"cannot be written ({error.strerror})", where=error.filename or folder, do=do) from error
    except SafetensorError as error:
        raise UserError(f"cannot be written ({error})", where=folder, do=do) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        what = f"a DataLoader worker was killed ({str(error).splitlines()[0]})"
        raise UserError(what, where="data.workers", do=f"free some memory or set fewer data.workers; {do}") from error


class Run(NamedTuple):
    """All that a run needs before it writes anything."""

    parts: Parts
    trainer: L.Trainer
    checkpoints: Checkpoints
    start: Start | None  # what it resumes from
    retrieved: Retrieved | None  # what a prompt.init of retrieve: found


def prepare(config: Config, folder: RunFolder, callbacks: Sequence[Callback] = ()) -> Run:
    """Build a run and check what it resumes from; nothing is written.

    Args:
        config: of the run, resolved.
        folder: of the run, checked.
        callbacks: that stand in no config.

    Raises:
        UserError: anything that the user got wrong.
    """
    start = None if folder.afresh else find_start(config.resume, folder.checkpoints)
    retrieved = retrieve(config) if start is None and config.prompt.start.kind == "retrieve" else None
    parts = build(config if start is None else without_init(config))
    if retrieved is not None:
        cast(VectorMethod, parts.module.method.prompted).start_from(retrieved.vectors_PF)  # see check_alone
    check_trains(parts)
    if start is not None:
        start.check_data(parts.data.fingerprints())
        start.check_backbone(parts.module.backbone.fingerprint)
        start.check_end(config.trainer.get("max_steps") or -1)
        check_kept(parts.module, start.checkpoint["state_dict"], where=str(start.path))
    states = [KnownStates(StateCache(config, parts.module, parts.data))] if config.backbone.cache else []
    trainer, checkpoints = make_trainer(config, folder, parts, start, [*states, *callbacks])
    if start is not None:
        start.check_draw(parts.data.drawn(trainer.world_size))
    return Run(parts, trainer, checkpoints, start, retrieved)


def train_and_score(config: Config, folder: RunFolder, callbacks: Sequence[Callback] = ()) -> dict[str, Any]:
    """Train from the start or from a checkpoint, score the best step, and write the results and the artifact."""
    parts, trainer, checkpoints, start, retrieved = prepare(config, folder, callbacks)
    with together(trainer, parts.module), open_trackers(trainer):
        check_dtype(config)
        if is_zero():
            folder.open()
            for tracker in trackers(trainer):
                tracker.log_hyperparams(hparams(config))
            if retrieved is not None:
                print(retrieved, flush=True)
                found = {key: getattr(retrieved, key) for key in ("similarity", "weights", "left_out")}
                write_text(folder.retrieved_file, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        wait()
        return on_all_ranks(config, folder, parts, trainer, checkpoints, start, callbacks)


@contextmanager
def open_trackers(trainer: L.Trainer) -> Iterator[None]:
    """End the runs that trackers have open, whichever way this one ends."""
    status = "failed"
    try:
        yield
        status = "success"
    finally:
        for tracker in trackers(trainer):
            tracker.close(status)


def trackers(trainer: L.Trainer) -> list[Tracker]:
    """List those loggers that write outside of the run folder."""
    return [logger for logger in trainer.loggers if isinstance(logger, Tracker)]


def without_init(config: Config) -> Config:
    """Return the config of a resumed run: what it started from is in its checkpoint, and may not exist any more."""
    plain = {"init": "normal"} if config.prompt.start.earlier else {}
    return replace(config, prompt=replace(config.prompt, **plain), head=replace(config.head, init=None))


def check_trains(parts: Parts) -> None:
    """Refuse a task none of whose batches would train anything.

    Raises:
        UserError: a generating task, which has no head of its own, with nothing to train in prompt or backbone.
    """
    method = parts.module.method
    if method.trained():
        return
    for name, head in parts.module.heads.items():
        if head.reads == "logits":
            where = "prompt.train" if method.has_prompts else "method"
            do = "use prompt.train=all" if method.has_prompts else "use deep"
            raise UserError(f"nothing trains for the generating task '{name}'", where=where, do=do)


def on_all_ranks(
    config: Config,
    folder: RunFolder,
    parts: Parts,
    trainer: L.Trainer,
    checkpoints: Checkpoints,
    start: Start | None,
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    """Train and score on all ranks together. Rank zero writes."""
    parameters = parts.module.parameter_counts()  # of the whole backbone: later this rank may hold a part
    try:
        trainer.fit(parts.module, parts.data, ckpt_path=start.path if start else None, weights_only=True)
    except MisconfigurationException as error:
        raise Joint(str(error), where="trainer") from error
    except SystemExit:  # Lightning raises it for a second Ctrl-C
        if trainer.interrupted:
            raise KeyboardInterrupt("the same command resumes from the last checkpoint") from None
        raise
    seconds = checkpoints.seconds
    checkpoints.tidy(trainer)
    if checkpoints.best is not None:
        load_kept(parts.module, read(checkpoints.best)["state_dict"], where=str(checkpoints.best))
    results = {
        "name": config.run.name,
        "method": config.method_name,
        "seed": config.seed,
        "backbone": config.backbone.name,
        "tasks": {name: data.card.name for name, data in parts.tasks.items()},
        **score_splits(parts, folder, trainer.strategy.root_device),
        "data": {name: {split: data.about(split) for split in data.rows} for name, data in parts.tasks.items()},
        "scoring": {name: data.scoring() for name, data in parts.tasks.items()},
        "baseline": {name: data.baseline_scores() for name, data in parts.tasks.items()},
        "baseline_answer": {name: data.features.trivial for name, data in parts.tasks.items()},
        "best_step": trainer.global_step if checkpoints.best_step is None else checkpoints.best_step,
        "steps": trainer.global_step,
        "planned_steps": planned_steps(trainer),
        "ended_by": ended_by(trainer),
        "wall_seconds": round(seconds, 1),
        "tokens_per_second": round(summed([int(parts.module.tokens_seen)], parts.module.device)[0] / seconds, 1),
        "padding": parts.data.padding(trainer.world_size),
        "peak_memory": peak_memory(),
        "parameters": parameters,
        "rows": {name: data.sources for name, data in parts.tasks.items()},
        "environment": environment(),
    }
    heads = {name: parts.module.head(name) for name in parts.tasks}
    if written := {name: cast(Seq2SeqHead, head) for name, head in heads.items() if head.reads == "logits"}:
        backbone = parts.module.backbone
        results["generation"] = {name: backbone.generation(head.settings) for name, head in written.items()}
    if folder.retrieved_file.is_file():
        results["retrieved"] = json.loads(folder.retrieved_file.read_text(encoding="utf-8"))
    results["not_learned"] = not_learned(config, parts, results)
    if is_zero():
        write_artifact(artifact_of(parts.module, results, folder.prompt), folder.prompt)
        results["artifact_bytes"] = sum(file.stat().st_size for file in folder.prompt.rglob("*") if file.is_file())
        folder.write_results(results)
        if "tensorboard" in config.run.loggers and not callbacks:  # a search writes such a line for each of its trials
            write_hparams(folder.path, hparams(config), final_scores(results), results["steps"])
        for tracker in trackers(trainer):
            tracker.end(final_scores(results), results["steps"])
    return results
