"""Rows that cannot be used: the line is named, and nothing is written."""

import json

import pytest
import yaml


@pytest.fixture
def refused(ptv2, write_config, cards, tmp_path):
    """Run fit on a task after a change of one split's text; the one line it says, from the file's name on."""

    def run(task, change, split="train", *argv):
        folder = tmp_path / task
        folder.mkdir()
        for source in sorted((cards[task].parent / task).iterdir()):
            text = source.read_text()
            changed = change(text) if source.stem == split else text
            if changed is not None:
                (folder / source.name).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        said = ptv2("fit", "--config", write_config(task), f"task.dataset.path={folder}", *argv)
        assert said.code == 2, said
        lines = said.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), said.err
        assert not (tmp_path / "runs").exists()
        return lines[0].removeprefix("error: ").replace(f"{folder}/", "")

    return run


def line(number, **changes):
    """A change of one line: a field with another value, or without one (None)."""

    def change(text):
        lines = text.splitlines()
        row = json.loads(lines[number - 1]) | changes
        lines[number - 1] = json.dumps({key: value for key, value in row.items() if value is not None})
        return "\n".join(lines) + "\n"

    return change


def replaced(number, new):
    return lambda text: "\n".join(new if i == number else old for i, old in enumerate(text.splitlines(), 1)) + "\n"


FAULTS = [
    ("topics", replaced(3, '{"text": "a'), "train.jsonl:3: not valid JSON"),
    ("topics", replaced(3, '["a"]'), "train.jsonl:3: not a JSON object"),
    ("topics", lambda text: text.encode() + b'{"text": "caf\xe9", "label": "fruit"}\n', "train.jsonl:49: not UTF-8"),
    ("topics", lambda text: "", "train.jsonl: "),
    ("topics", line(5, text=None), "train.jsonl:5: field 'text' is missing"),
    ("topics", line(5, text=" "), "train.jsonl:5: field 'text' is empty; remove the row or give it a text"),
    ("topics", line(5, text={"en": "a"}), "train.jsonl:5: field 'text' holds an object; name what to read"),
    ("topics", line(5, label=None), "train.jsonl:5: field 'label' does not hold a label"),
    ("topics", line(5, label=""), "train.jsonl:5: field 'label' does not hold a label"),
    ("topics", lambda text: text.replace("animal", "fruit"), "topics.label: the training rows hold 1 label(s)"),
    ("ratings", line(2, score=None), "train.jsonl:2: field 'score' holds no number"),
    ("ratings", line(2, score=10**400), "train.jsonl:2: field 'score' is 1000"),
    ("ratings", line(2, score=1e39), "train.jsonl:2: field 'score' is 1e+39, which is too large"),
    ("ratings", line(2, score="high"), "train.jsonl:2: field 'score' is 'high', not a number"),
    ("ratings", replaced(2, '{"first": "a", "second": "b", "score": NaN}'), "train.jsonl:2: "),
    ("names", line(4, tags=["O"]), "train.jsonl:4: "),
    ("names", line(4, tags=None), "train.jsonl:4: "),
    ("names", line(4, tokens=[]), "train.jsonl:4: field 'tokens' does not hold words"),
    ("names", line(4, tokens="Ann sees"), "train.jsonl:4: field 'tokens' does not hold words"),
    ("names", line(4, tokens=["Ann", ""], tags=["B-PER", "O"]), "train.jsonl:4: field 'tokens' holds an empty word"),
    ("names", line(4, tokens=["Ann"], tags=["B-PRS"]), "train.jsonl:4: unknown label 'B-PRS' for card 'names'"),
]


@pytest.mark.parametrize(("task", "change", "says"), FAULTS, ids=[says for *_, says in FAULTS])
def test_a_training_row(refused, task, change, says):
    assert refused(task, change).startswith(says)


def test_tags_are_counted(refused):
    said = refused("names", line(4, tokens=["Ann", "sees", "Bob"], tags=["B-PER", "O"]))
    assert said == "train.jsonl:4: 3 words and 2 tags; give one tag per word"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_only_another_split_has(refused, split):
    said = refused("topics", line(7, label="animals"), split)
    assert said == (
        f"{split}.jsonl:7: unknown label 'animals' for the training split of 'topics'; did you mean 'animal'?; if it "
        "is a label without training rows, name all in the card, labels: [...]"
    )


def test_a_hidden_test_label(refused):
    said = refused("topics", lambda text: text.replace('"animal"', "-1").replace('"fruit"', "-1"), "test")
    assert said.startswith("test.jsonl:1: unknown label '-1' (-1 marks hidden test labels)")


def test_a_split_that_is_missing(refused):
    assert refused("topics", lambda text: None, "train").startswith("tasks.topics.dataset: has no training rows")


def test_a_column_that_is_missing(refused):
    said = refused("topics", lambda text: text, "train", "task.dataset.columns=[txt, label]")
    assert said.startswith("train.jsonl:1: no column 'txt', only id, text, label; did you mean 'text'?")


def test_a_field_of_the_card_that_no_row_has(refused):
    said = refused("topics", lambda text: text, "train", "task.inputs.text=sentence")
    assert said.startswith("train.jsonl:1: field 'sentence' is missing")


def test_a_label_field_that_no_row_has(refused):
    said = refused("topics", lambda text: text, "train", "task.label=topic")
    assert said.startswith("train.jsonl:1: no column 'topic', only id, text, label; correct `label` in the card")


def test_a_file_that_is_missing(ptv2, write_config, cards, tmp_path):
    files = {"train": str(cards["topics"].parent / "topics" / "train.jsonl"), "test": str(tmp_path / "none.jsonl")}
    card = yaml.safe_load(cards["topics"].read_text()) | {"dataset": {"path": "json", "data_files": files}}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    said = ptv2("fit", "--config", write_config(), f"task={tmp_path}/card.yaml")
    assert said.code == 2
    do = "correct dataset.data_files: a card's files are looked for beside it, then from where the command runs"
    assert said.err == f"error: {tmp_path}/none.jsonl: no such file; {do}\n"


def test_csv_labels_with_a_gap_are_numbers_with_a_point(ptv2, write_config, tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na cat,1\na fig,0\nthe cow,\n")
    card = {"kind": "cls", "dataset": {"path": str(tmp_path)}, "inputs": {"text": "text"}, "metrics": ["accuracy"]}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    said = ptv2("fit", "--config", write_config(), f"task={tmp_path}/card.yaml")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"error: {tmp_path}/train.csv:4: field 'label' does not hold a label; give it one")
