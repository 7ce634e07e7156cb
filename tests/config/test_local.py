"""Where a card's rows lie on this machine: beside the card, or in the folder of data sets PTV2_DATA."""

import pytest

from ptv2.config import local
from ptv2.config.load import load_config
from ptv2.errors import UserError

CARD = "kind: cls\ninputs: {text: text}\nmetrics: [accuracy]\ndataset: "
RUN = {"backbone": {"name": "demo:minilm-l6"}, "run": {"name": "a"}}


def put(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def dataset(task, *overrides):
    return load_config({"task": task, **RUN}, list(overrides)).tasks["mine"].dataset


@pytest.mark.parametrize(
    ("present", "named", "found"),
    [
        (["cards/a.csv"], "a.csv", "cards/a.csv"),
        (["a.csv"], "a.csv", "a.csv"),  # where the command runs
        (["cards/a.csv", "a.csv"], "a.csv", "cards/a.csv"),
        ([], "a.csv", "cards/a.csv"),
        (["cards/b/1.csv", "cards/b/2.csv"], "b/*.csv", "cards/b/*.csv"),
        (["cards/a.csv", "b.csv"], "[a.csv, b.csv]", ["cards/a.csv", "b.csv"]),
        (["a.csv"], "/a/full/path.csv", "/a/full/path.csv"),
    ],
)
def test_the_files_of_a_card_are_looked_for_beside_it_first(present, named, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in present:
        put(tmp_path / file)
    put(tmp_path / "cards" / "mine.yaml", f"{CARD}{{path: csv, data_files: {{train: {named}}}}}\n")
    assert dataset("cards/mine.yaml").data_files == {"train": found}


@pytest.mark.parametrize(
    ("present", "named", "found"),
    [
        ("cards/rows/train.csv", "rows", "cards/rows"),
        ("cards/rows/train.csv", "./rows", "cards/rows"),
        ("rows/train.csv", "./rows", "./rows"),
        ("rows/train.csv", "my/rows", "my/rows"),  # a set on the hub
        ("rows/train.csv", "../rows", "cards/../rows"),
    ],
)
def test_a_folder_of_rows_too(present, named, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / present)
    put(tmp_path / "cards" / "mine.yaml", f"{CARD}{{path: {named}}}\n")
    assert dataset("cards/mine.yaml").path == found


def test_an_override_names_files_from_where_the_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "cards" / "b.csv")
    put(tmp_path / "cards" / "mine.yaml", f"{CARD}{{path: csv, data_files: {{train: a.csv}}}}\n")
    changed = dataset("cards/mine.yaml", "task.dataset.data_files.train=b.csv")
    assert changed.data_files == {"train": "b.csv"}


def test_a_config_finds_its_card_beside_it(tmp_path, monkeypatch):
    put(tmp_path / "it" / "mine.yaml", f"{CARD}{{path: csv, data_files: {{train: a.csv}}}}\n")
    file = put(tmp_path / "it" / "run.yaml", "tasks: {mine: mine.yaml}\nbackbone: {name: demo:minilm-l6}\n")
    monkeypatch.chdir(tmp_path)
    assert load_config("it/run.yaml").tasks["mine"].dataset.data_files == {"train": "it/a.csv"}
    file.write_text("tasks: {mine: {card: mine.yaml, max_length: 9}}\nbackbone: {name: demo:minilm-l6}\n")
    assert load_config("it/run.yaml").tasks["mine"].max_length == 9


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of data sets with one that a card of the hub is of; the card `mine` of the hub too."""
    put(tmp_path / "sets" / "mine" / "train.jsonl")
    put(tmp_path / "cards" / "mine.yaml", f"{CARD}{{path: some/where, name: mine}}\n")
    monkeypatch.setenv("PTV2_TASKS", str(tmp_path / "cards"))
    monkeypatch.setenv("PTV2_DATA", str(tmp_path / "sets"))
    local._say.cache_clear()
    return tmp_path / "sets"


def test_local_rows_come_before_the_hub_and_it_is_said_once(data, capsys):
    for _ in range(2):
        assert dataset("mine").path == str(data / "mine")
    assert capsys.readouterr() == ("", f"mine: rows of {data}/mine (PTV2_DATA)\n")


@pytest.mark.parametrize(
    ("task", "overrides", "path"),
    [
        ("mine", ["task.dataset.path=other/place"], "other/place"),
        ("mine", ["tasks.mine.dataset.path=other/place"], "other/place"),
        ({"card": "mine", "dataset": {"path": "other/place"}}, [], "other/place"),
    ],
)
def test_what_a_run_says_comes_first(data, capsys, task, overrides, path):
    assert dataset(task, *overrides).path == path and capsys.readouterr().err == ""


def test_a_card_with_files_of_its_own_keeps_them(data, tmp_path, monkeypatch):
    put(tmp_path / "cards" / "mine.yaml", f"{CARD}{{path: csv, data_files: {{train: a.csv}}}}\n")
    assert dataset("mine").path == "csv"


def test_a_folder_of_data_sets_that_is_not_there_is_said(data, monkeypatch):
    monkeypatch.setenv("PTV2_DATA", "nowhere")
    with pytest.raises(UserError, match="PTV2_DATA: no such folder 'nowhere'"):
        dataset("mine")
