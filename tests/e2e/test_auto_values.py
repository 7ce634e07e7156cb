"""`auto`: the values that a run chose stand in its config and in the artifact, and stay."""

import json

import pytest
import yaml

from ptv2.config.load import load_config
from ptv2.model.auto import steps_per_epoch, train_features


def test_auto_becomes_a_number_that_the_run_keeps(ptv2, write_config):
    config = write_config(prompt={"length": "auto"}, trainer={"max_epochs": 1})
    assert ptv2("fit", "--config", config, "--dry-run").code == 0
    said = ptv2("fit", "--config", config)
    assert (said.code, said.err) == (0, "")
    run = config.parent / "runs" / "topics"
    assert yaml.safe_load((run / "config.yaml").read_text())["prompt"]["length"] == 16
    assert json.loads((run / "prompt" / "artifact.json").read_text())["config"]["prompt"]["length"] == 16
    assert "is finished" in ptv2("fit", "--config", config).out
    assert "is finished" in ptv2("fit", "--config", config, "prompt.length=16").out
    said = ptv2("fit", "--config", config, "prompt.length=8")
    assert said.code == 2 and "another config (prompt.length differ)" in said.err


def test_auto_is_the_length_of_the_artifact_that_a_prompt_starts_from(ptv2, write_config, finished):
    config = write_config(
        prompt={"length": "auto", "init": f"artifact:{finished('topics')}"},
        trainer={"max_epochs": 1},
        run={"name": "next", "log_every": 1},
    )
    run = config.parent / "runs" / "next"
    said = ptv2("fit", "--config", config, f"run.folder={config.parent / 'runs'}")
    assert said.code == 0, said.err
    assert yaml.safe_load((run / "config.yaml").read_text())["prompt"]["length"] == 4


UNSET = {"preset": "auto", "prompt": {}, "head": {}, "optim": {}}


def test_a_run_chooses_what_nothing_sets_says_why_and_keeps_it(ptv2, write_config):
    config = write_config(**UNSET, trainer={"accelerator": "cpu"})
    said = ptv2("fit", "--config", config, "data.batch_size=2")
    assert (said.code, said.err) == (0, "")
    assert "  optim.lr 0.001: values+slots, cls, 48 rows: " in said.out
    held = yaml.safe_load((config.parent / "runs" / "topics" / "config.yaml").read_text())
    assert held["prompt"]["form"] == ["values", "slots"] and held["prompt"]["length"] == 16
    assert (held["optim"]["lr"], held["optim"]["head_lr"], held["head"]["pooling"]) == (0.001, 0.002, "mean")
    assert held["trainer"]["max_epochs"] == 17 and "preset" not in held and "auto" not in held
    about = json.loads((config.parent / "runs" / "topics" / "prompt" / "artifact.json").read_text())
    assert about["config"]["optim"] == held["optim"] and about["config"]["prompt"]["form"] == ["values", "slots"]
    again = ptv2("fit", "--config", config, "data.batch_size=2")
    assert again.code == 0 and "is finished" in again.out and "chosen" not in again.out


def test_a_run_that_began_with_other_values_keeps_them(ptv2, write_config):
    """Such as one of a version that chose nothing."""
    config = write_config(**UNSET, trainer={"max_epochs": 1})
    assert ptv2("fit", "--config", config, "preset=official", "--dry-run").code == 0
    assert ptv2("fit", "--config", config, "preset=official").code == 0
    said = ptv2("fit", "--config", config)
    assert said.code == 0 and "is finished" in said.out
    said = ptv2("fit", "--config", config, "run.overwrite=true")
    assert said.code == 0 and "prompt.form [values, slots]: " in said.out


def test_a_rate_that_is_given_is_for_keys_and_values(ptv2, write_config):
    config = write_config(**(UNSET | {"optim": {"lr": 0.02}}), trainer={"max_epochs": 1})
    said = ptv2("fit", "--config", config, "--dry-run")
    assert "  prompt.form kv: the official form, as optim.lr is given" in said.out and "optim.lr" not in said.out.split(
        ":"
    )


@pytest.mark.parametrize(
    ("card", "rows"),
    [
        (
            {"kind": "span", "inputs": {"question": "question", "context": "context"}, "label": "answers"},
            [{"question": "red cow", "context": "cow " * 40, "answers": {"text": ["cow"], "answer_start": [0]}}] * 8,
        ),
        (
            {"kind": "cloze", "inputs": {"text": "t", "query": "q", "entities": "e"}, "label": "a"},
            [{"t": "red cow", "q": "@placeholder", "e": list("abcd"), "a": ["a"]}] * 8,
        ),
        (
            {"kind": "seq2seq", "inputs": {"source": "t"}, "label": "a"},
            [{"t": "red cow", "a": ["cow", "red", "a cow", "red red"]}] * 8,
        ),
    ],
    ids=["windows", "entities", "references"],
)
def test_steps_are_those_of_the_features_that_rows_become(card, rows, tiny_bert, tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    metrics = {"span": ["squad_f1"], "cloze": ["squad_em"], "seq2seq": ["perplexity"]}[card["kind"]]
    card |= {"dataset": {"path": "json", "data_files": {"train": "rows.jsonl"}}, "metrics": metrics, "max_length": 24}
    card |= {"options": {"stride": 8}} if card["kind"] == "span" else {}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "run.yaml").write_text(f"task: {tmp_path / 'card.yaml'}\ndata: {{batch_size: 4}}\n")
    config = load_config(tmp_path / "run.yaml", [f"backbone.name={tiny_bert}"])
    steps = steps_per_epoch(config, train_features(config, {"card": 8}, decoder_only=False))
    assert steps == {"span": 6, "cloze": 8, "seq2seq": 8}[card["kind"]]
