"""An artifact is pushed to the hub and loaded from there: a stand-in of its HTTP API answers."""

import re
import shutil
import threading
from pathlib import Path

import pytest
import yaml
from hub_stand_in import Hub
from huggingface_hub import constants

import ptv2
from ptv2.artifact.card import metadata
from ptv2.artifact.files import read_artifact
from ptv2.artifact.hub import fetched
from ptv2.commands import export, predict, shell
from ptv2.config.load import load_config
from ptv2.model.build import named_artifacts
from ptv2.runtime.network import hub_answers

OLD = Path(__file__).parents[1] / "artifacts"
TOKEN = "hf_" + "a" * 34


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = Hub(TOKEN)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub_answers.cache_clear()
    yield server
    hub_answers.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def command(module, *argv) -> None:
    shell.run(module.main, module.command_line(), [str(word) for word in argv])


def refused(capsys, module, *argv) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        command(module, *argv)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1 and said.startswith("error: ")
    return said.removeprefix("error: ")


def front_matter(page: str) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n\n# ", page, flags=re.S)[1])


@pytest.fixture
def pushed(hub, tmp_path, capsys):
    """The repository of a run folder."""
    shutil.copytree(OLD / "shared", tmp_path / "runs" / "mine" / "prompt")
    (tmp_path / "runs" / "mine" / "config.yaml").write_text("seed: 3\n")
    command(export, "--artifact", tmp_path / "runs" / "mine", "--push", "me/topics", "--license", "apache-2.0")
    assert capsys.readouterr().out == f"pushed: {hub.address}/me/topics\n"
    return hub.repositories["me/topics"]


def test_what_is_pushed_is_loaded_and_predicts_the_same(hub, pushed, capsys):
    assert hub.commits == [
        ("me/topics", "Artifact shared", ["README.md", "artifact.json", "config.yaml", "weights.safetensors"])
    ]
    rows = [{"task": "topics", "text": "a red plum fig pear"}, {"task": "names", "tokens": ["the", "dog"]}]
    backbone = {"backbone.name": str(OLD / "backbone")}
    wanted = ptv2.load(OLD / "shared", overrides=backbone).predict(rows)
    assert ptv2.load("hub:me/topics", overrides=backbone).predict(rows) == wanted
    assert ptv2.load(f"hub:me/topics@{hub.sha('me/topics')}", overrides=backbone).predict(rows) == wanted
    capsys.readouterr()
    command(predict, "--artifact", "hub:me/topics", "--input", OLD / "rows.jsonl", f"backbone.name={OLD / 'backbone'}")
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_run_starts_from_an_artifact_on_the_hub(pushed, tmp_path):
    config = yaml.safe_load((OLD / "begun" / "config.yaml").read_text())
    config["prompt"]["init"] = "artifact:hub:me/topics"
    (tmp_path / "next.yaml").write_text(yaml.safe_dump(config))
    (artifact,) = named_artifacts(load_config(tmp_path / "next.yaml")).values()
    assert artifact.weights.keys() == read_artifact(OLD / "shared").weights.keys()


def test_the_page_is_a_model_card(hub, pushed, tmp_path):
    page = pushed["README.md"].decode()
    values = front_matter(page)
    assert values == {
        "library_name": "ptv2",
        "license": "apache-2.0",
        "metrics": ["span_f1", "accuracy", "macro_f1"],
        "tags": ["p-tuning-v2", "prompt-tuning", "deep"],
    }  # its backbone and its rows are folders of the machine that trained it: the hub has none of these names
    assert "python -m ptv2.predict --artifact hub:me/topics --input rows.jsonl" in page
    assert "python -m ptv2.fit --config config.yaml" in page
    assert "| task | split | rows | metric | score |" in page


def test_what_is_on_the_hub_is_named_in_the_card():
    about = read_artifact(OLD / "shared").about
    about["backbone"]["name"] = "FacebookAI/roberta-large"
    about["config"]["tasks"]["topics"]["dataset"]["path"] = "nyu-mll/glue"
    about["config"]["tasks"]["names"]["dataset"]["path"] = "json"
    values = metadata(about)
    assert (values["base_model"], values["base_model_relation"]) == ("FacebookAI/roberta-large", "adapter")
    assert values["datasets"] == ["nyu-mll/glue"] and "license" not in values


def test_a_second_push_replaces_the_files(hub, pushed, tmp_path, capsys):
    command(export, "--artifact", OLD / "hidden", "--push", "me/topics")
    assert "no licence is stated" in capsys.readouterr().out
    assert read_artifact("hub:me/topics").about == read_artifact(OLD / "hidden").about


def test_what_was_fetched_is_read_without_a_network(hub, pushed, monkeypatch):
    read_artifact("hub:me/topics")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert read_artifact("hub:me/topics").tasks
    with pytest.raises(ptv2.UserError, match="hub:me/other: HF_HUB_OFFLINE is set, and it is not in the cache"):
        fetched("hub:me/other")


def test_a_private_repository_needs_the_token(hub, monkeypatch):
    ptv2.push(OLD / "task", "me/mine", private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 34)
    with pytest.raises(ptv2.UserError, match="no such repository on the hub that you may read"):
        read_artifact("hub:me/mine")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub.private["me/mine"] and read_artifact("hub:me/mine").tasks


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("hub:me/nothing", "hub:me/nothing: no such repository on the hub that you may read; "),
        ("hub:me/topics@v9", "hub:me/topics@v9: has no revision 'v9'; "),
        ("hub:me/../topics", "hub:me/../topics: is no repository's name; write hub:ORG/NAME"),
        ("hub:", "hub:: is no repository's name; write hub:ORG/NAME"),
        ("hub:me/empty", "hub:me/empty: holds no artifact"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(hub, pushed, place, words, capsys):
    hub.repositories["me/empty"], hub.private["me/empty"] = {"README.md": b"#"}, False
    assert refused(capsys, predict, "--artifact", place, "--input", OLD / "rows.jsonl").startswith(words)


def test_a_push_that_cannot_be_is_said_in_one_line(hub, capsys, monkeypatch):
    def push(*more, name="me/topics", artifact=OLD / "shared"):
        return refused(capsys, export, "--artifact", artifact, "--push", name, *more)

    assert push(name="topics") == "push: 'topics' is no repository's name; write ORG/NAME\n"
    assert "no artifact here" in push(artifact=OLD)
    assert "--form is given with --push" in push("--form", "peft")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 34)
    assert push() == "push: the hub refuses the token for me/topics; use one that may write there\n"
    monkeypatch.delenv("HF_TOKEN")
    assert push() == "push: there is no token for the hub; log in (hf auth login), or set HF_TOKEN\n"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert push() == "push: the hub is not reachable; check the network and HF_HUB_OFFLINE\n"
    assert hub.repositories == {}


def test_an_export_needs_a_form_and_a_folder(capsys):
    assert "--form is missing; give it, or --push ORG/NAME" in refused(capsys, export, "--artifact", OLD / "shared")
