"""Every logger that `run.loggers` names has the same curves, each step once, also of a run that was killed."""

import csv
import json
import math
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import Callback
from scene import make_config, write_cards

from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.train.fit import fit
from ptv2.train.loggers.make import last_logged
from ptv2.train.loggers.tracker import IDS, OPENERS, Tracker


class Killed(Callback):
    """End a process at a step behind its last checkpoint."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_step == 9:
            raise RuntimeError("killed")


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def config(tmp_path, tiny_bert, cards, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when trackio is imported, by one test here
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = make_config(tmp_path, tiny_bert, cards["topics"])
    return lambda *more: load_config(path, ["run.loggers=[jsonl, tensorboard]", "board.views=[layers]", *more])


def jsonl(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Curves by name: what every logger is compared with."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        step = values.pop("step")
        for name, value in values.items():
            curves.setdefault(name, []).append((step, value))
    return curves


def of_csv(folder: Path):
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = set(rows[0]) - {"step"}
    return {name: [(int(row["step"]), float(row[name])) for row in rows if row[name]] for name in names}


def of_mlflow(folder: Path):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.parent.absolute() / 'mlflow.db'}")
    run = client.get_run(json.loads((folder / IDS).read_text())["mlflow"])
    assert run.info.run_name == "topics" and run.data.params["optim.lr"] == "0.02" and run.info.status == "FINISHED"
    return {
        name: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def of_wandb(folder: Path):
    """Curves of all segments of the offline run, which `wandb sync` appends to each other."""
    from wandb.proto.wandb_internal_pb2 import Record

    curves = {}
    held = json.loads((folder / IDS).read_text())["wandb"]
    segments = sorted(folder.glob(f"wandb/offline-run-*-{held}/run-{held}.wandb"))
    assert len(segments) == 2
    for data in (data for path in segments for data in records(path.read_bytes())):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            values = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
            for name, value in values.items():
                curves.setdefault(name, []).append((values["trainer/global_step"], value))
    return curves


def records(data: bytes):
    """The records of a .wandb file, whose format is that of a log of LevelDB behind a header of seven bytes."""
    at, whole = 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:  # a block's rest that holds no head
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole of a record, or its end
            yield whole
            whole = b""


def of_trackio(folder: Path):
    from trackio.sqlite_storage import SQLiteStorage

    held, curves = json.loads((folder / IDS).read_text())["trackio"], {}
    for log in SQLiteStorage.get_logs("ptv2", held):
        for name, value in log.items():
            if isinstance(value, float):
                curves.setdefault(name, []).append((log["step"], value))
    return curves


READ = {"csv": of_csv, "mlflow": of_mlflow, "wandb": of_wandb, "trackio": of_trackio}
KINDS = [
    pytest.param(
        kind, marks=pytest.mark.skipif(kind in OPENERS and not find_spec(kind), reason=f"{kind} not installed")
    )
    for kind in READ
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_and_resumed_run_has_each_step_once_under_the_same_names(kind, config, tmp_path):
    asked = config(f"run.loggers=[jsonl, {kind}]")
    folder = tmp_path / "runs" / "topics"
    with pytest.raises(RuntimeError, match="killed"):
        fit(asked, [Killed()])
    results = fit(asked)
    expected, curves = jsonl(folder), READ[kind](folder)
    assert [step for step, _ in expected["train/loss"]] == list(range(1, 13))
    for name, curve in expected.items():
        assert [step for step, _ in curves[name]] == [step for step, _ in curve], name
        assert all(math.isclose(a, b, rel_tol=1e-6) for (_, a), (_, b) in zip(curves[name], curve, strict=True)), name
    assert "layers/norm/encoder.00" in curves and "speed/rows_per_second" in curves
    if kind != "csv":
        ((step, value),) = curves["final/test/topics/accuracy"]
        assert step == 12 and value == pytest.approx(results["scores"]["test"]["topics"]["accuracy"])


@pytest.mark.parametrize("kind", list(OPENERS))
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_written(kind, config, tmp_path, monkeypatch):
    monkeypatch.setattr("ptv2.train.loggers.tracker.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"run.loggers: '{kind}' needs .*; pip install 'ptv2\[{kind}\]'"):
        fit(config(f"run.loggers=[{kind}]"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("run.loggers=[tensorbord]", "'run.loggers' holds 'tensorbord'; did you mean 'tensorboard'?"),
        ("run.loggers=[csv, csv]", "'run.loggers' holds 'csv' twice"),
        ("board.views=[answer]", "'board.views' holds 'answer'; did you mean 'answers'?"),
    ],
)
def test_words_that_mean_nothing_are_refused(override, says, config):
    with pytest.raises(UserError) as error:
        config(override)
    assert says in str(error.value)


class Noted:
    version = "one"

    def __init__(self):
        self.lines = []

    def log_metrics(self, metrics, step):
        self.lines.append((step, metrics))


def test_a_validation_that_a_killed_run_did_not_end_is_logged_by_the_next(config, tmp_path, monkeypatch):
    lines = [{"step": 3, "train/loss": 0.5}, {"step": 3, "validation/loss": 0.6}, {"step": 6, "train/loss": 0.4}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 7')
    noted = Noted()
    monkeypatch.setitem(OPENERS, "mlflow", lambda *_: noted)
    tracker = Tracker("mlflow", config(), tmp_path, last_logged(tmp_path))
    tracker.log_metrics({"train/loss": 0.4}, 6)
    tracker.log_metrics({"validation/loss": 0.5, "train/loss": 0.4}, 6)
    tracker.log_metrics({"train/loss": 0.3}, 7)
    assert noted.lines == [(6, {"validation/loss": 0.5}), (7, {"train/loss": 0.3})]


def test_a_run_without_loggers_writes_no_curves_and_may_be_resumed_with_some(config, tmp_path):
    folder = tmp_path / "runs" / "topics"
    with pytest.raises(RuntimeError, match="killed"):
        fit(config("run.loggers=[]"), [Killed()])
    assert not list(folder.glob("events.*")) and not (folder / "metrics.jsonl").exists()
    fit(config("run.loggers=[jsonl]"))
    assert [step for step, _ in jsonl(folder)["train/loss"]] == list(range(7, 13))
