"""The command for task cards: list, show, check; and templates over nested rows."""

import json
import os
import re
from pathlib import Path

import pytest

from ptv2.commands import shell as command
from ptv2.commands import tasks as cards
from ptv2.commands.task_check import answers_of
from ptv2.config.cards import list_cards
from ptv2.errors import UserError
from ptv2.kinds.templates import fields_of, fill

KINDS = {
    "cls": ("{text: text}", "label", "[cat, dog]", {"text": "a cat eats", "label": 1}, "dog"),
    "regression": ("{text: text}", "score", "null", {"text": "a cat", "score": 1.5}, "1.5"),
    "multilabel": ("{text: text}", "labels", "[x, y]", {"text": "a cat", "labels": ["y"]}, '["y"]'),
    "tagging": (
        "{tokens: tokens}",
        "tags",
        "[O, B-PER, I-PER]",
        {"tokens": ["Ann", "sees", "Oslo"], "tags": ["B-PER", "O", "O"]},
        '["B-PER", "O", "O"]',
    ),
    "choice": (
        "{text: stem, choices: ends.text}",
        "right",
        "null",
        {"stem": "a cat eats", "ends": {"text": ["a plum", "an apple"]}, "right": 1},
        '{"index": 1, "text": "an apple"}',
    ),
    "span": (
        "{question: question, context: context}",
        "answers",
        "null",
        {"question": "a cat?", "context": "Ann sees a cat.", "answers": {"text": ["a cat"], "answer_start": [9]}},
        "a cat",
    ),
    "seq2seq": (
        "{source: '{triples: | }'}",
        "said.text",
        "null",
        {"triples": [["Ann", "sees", "Bob"], ["Bob", "eats", "a fig"]], "said": {"text": ["ann sees bob"]}},
        "ann sees bob",
    ),
    "cloze": (
        "{text: text, query: query, entities: names}",
        "answers",
        "null",
        {"text": "Ann sees Bob", "query": "@placeholder eats", "names": ["Ann", "Bob"], "answers": ["Bob"]},
        "Bob",
    ),
}
"""By kind: inputs, label and labels of a card, a row of it, and the answer as `show` prints it."""

METRICS = {
    "regression": "pearson", "multilabel": "micro_f1", "tagging": "span_f1", "span": "squad_f1", "cloze": "squad_f1",
    "seq2seq": "bleu",
}  # fmt: skip


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A folder of cards, one for each kind, and a folder of data sets of the same names."""
    for kind, (inputs, label, labels, row, _) in KINDS.items():
        columns = json.dumps(list(row))
        card = f"kind: {kind}\ndataset: {{path: json, columns: {columns}}}\ninputs: {inputs}\nlabel: {label}\n"
        card += f"labels: {labels}\nmetrics: [{METRICS.get(kind, 'accuracy')}]\nmax_length: 32\n"
        card += "options: {stride: 4}\n" if kind == "span" else ""
        card += "label_ids: true\n" if kind == "cls" else ""
        (tmp_path / "cards" / "mine").mkdir(parents=True, exist_ok=True)
        (tmp_path / "cards" / "mine" / f"my_{kind}.yaml").write_text(card)
        write(tmp_path / "data" / f"my_{kind}" / "train.jsonl", [row, row])
    monkeypatch.setenv("PTV2_TASKS", str(tmp_path / "cards"))
    return tmp_path


def write(file: Path, rows: list[dict]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(capsys, *argv: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    code = 0
    try:
        command.run(cards.main, cards.command_line(), [str(arg) for arg in argv])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


def test_list_has_every_card(mine, capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0 and all(name in out for name in list_cards())


def test_list_filters_by_kind(mine, capsys):
    some = ("list", "mine/my_cls", "mine/my_multilabel", "--kind")
    code, out, _ = run(capsys, *some, "multilabel")
    assert code == 0 and "mine/my_multilabel" in out and "mine/my_cls" not in out
    code, _, err = run(capsys, *some, "multilable")
    assert code == 2 and "did you mean 'multilabel'?" in err


def test_list_reports_a_card_that_cannot_be_read_and_goes_on(mine, capsys):
    (mine / "cards" / "mine" / "broken.yaml").write_text("kind: cls\nmetric: [accuracy]\n")
    code, out, err = run(capsys, "list", "mine/broken", "mine/my_cls")
    assert code == 2 and "mine/my_cls" in out
    assert err.count("\n") == 1 and "broken.yaml: unknown key 'metric'" in err


@pytest.mark.parametrize("kind", KINDS)
def test_show_gives_an_example_and_decodes_it_back(kind, mine, capsys, tiny_bert):
    arguments = ("show", f"mine/my_{kind}", "--data", mine / "data", "--backbone", tiny_bert)
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert f"kind: {kind}" in out and "train.jsonl:1:" in out
    assert re.search(r"tokens \(\d+\): \[CLS\]", out)
    back = re.search(r"decoded back: +(.*)", out)
    assert back is not None and back[1] == KINDS[kind][-1]


def test_show_names_labels_at_their_tokens(mine, capsys, tiny_bert):
    common = ("--data", mine / "data", "--backbone", tiny_bert)
    assert "ann/B-PER sees/O oslo/O" in run(capsys, "show", "mine/my_tagging", *common)[1]
    assert "label 1: dog" in run(capsys, "show", "mine/my_cls", *common)[1]
    assert "(a cat), characters 9 to 14" in run(capsys, "show", "mine/my_span", *common)[1]
    assert "ann [UNK] sees [UNK] bob [UNK] bob" in run(capsys, "show", "mine/my_seq2seq", *common)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show",), "0 cards"),
        (("show", "mine/my_clss"), "did you mean 'mine/my_cls'?"),
        (("show", "mine/my_cls", "--row", "2"), "--row: train has rows 0 to 1"),
        (("show", "mine/my_cls", "--split", "test"), "has no split 'test'"),
        (("show", "mine/my_cls", "task.max_lenght=8"), "did you mean 'max_length'?"),
        (("check", "mine/my_cls", "metrics=[acuracy]"), "did you mean 'accuracy'?"),
    ],
)
def test_mistakes_are_one_line(arguments, says, mine, capsys, tiny_bert):
    code, _, err = run(capsys, *arguments, "--data", mine / "data", "--backbone", tiny_bert)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1 and says in err


def test_check_counts_rows_lengths_and_answers(mine, capsys, tiny_bert):
    rows = [{"text": "a cat eats", "label": "cat"}] * 3 + [{"text": "the dog " * 20, "label": "dog"}]
    write(mine / "data" / "my_cls" / "train.jsonl", rows)
    code, out, err = run(capsys, "check", "mine/my_cls", "--data", mine / "data", "--backbone", tiny_bert)
    assert (code, err) == (0, "")
    cells = [cell.strip() for cell in re.search(r"│ mine/my_cls.*", out)[0].strip("│ ").split("│")]
    assert cells == ["mine/my_cls", "train", "4", "0", "4", "32", "12", "25.0%", "cat 75%, dog 25%"]


def test_check_of_every_kind_passes(mine, capsys, tiny_bert):
    names = [f"mine/my_{kind}" for kind in KINDS]
    code, out, err = run(capsys, "check", *names, "--data", mine / "data", "--backbone", tiny_bert)
    assert (code, err) == (0, "") and all(name in out for name in names)


def test_check_names_bad_rows_and_fails(mine, capsys, tiny_bert):
    file = mine / "data" / "my_cls" / "train.jsonl"
    write(file, [{"text": "a cat", "label": "cat"}, {"text": " ", "label": "cat"}, {"text": "a dog", "label": "cow"}])
    common = ("--data", mine / "data", "--backbone", tiny_bert)
    code, out, err = run(capsys, "check", "mine/my_cls", "mine/my_tagging", *common)
    assert code == 2 and err == "error: mine/my_cls: 2 of 3 train rows cannot be used\n"
    assert f"{file}:2: field 'text' is empty" in out and f"{file}:3: unknown label 'cow'" in out
    assert run(capsys, "check", "mine/my_cls", "on_bad_row=skip", *common)[0] == 0
    assert run(capsys, "check", "mine/my_cls", "on_bad_row=skip", "bad_row_limit=1", *common)[0] == 2


def test_check_goes_on_after_a_card_that_cannot_be_loaded(mine, capsys, tiny_bert):
    (mine / "data" / "my_cls" / "train.jsonl").write_text("{")
    code, out, err = run(
        capsys, "check", "mine/my_cls", "mine/my_tagging", "--data", mine / "data", "--backbone", tiny_bert
    )
    assert code == 2 and err.startswith("error: mine/my_cls: ") and err.count("\n") == 1 and "train.jsonl:1" in err
    assert "mine/my_tagging" in out


def test_check_refuses_what_fit_would_for_want_of_training_rows(mine, capsys, tiny_bert):
    (mine / "data" / "my_cls" / "train.jsonl").rename(mine / "data" / "my_cls" / "validation.jsonl")
    code, _, err = run(capsys, "check", "mine/my_cls", "--data", mine / "data", "--backbone", tiny_bert)
    assert (code, err.count("\n")) == (2, 1) and "mine/my_cls: its dataset: has no training rows" in err


def test_what_is_out_of_reach_is_not_checked(mine, capsys, tiny_bert):
    code, out, err = run(capsys, "check", "glue/qnli", "mine/my_cls", "--backbone", tiny_bert)
    assert (code, err) == (0, "")
    assert "glue/qnli: nyu-mll/glue/qnli split 'train': the hub is not reachable" in out
    assert "mine/my_cls: the card names no files" in out


def test_a_card_may_name_its_folder(mine, capsys, tiny_bert):
    (mine / "data" / "my_cls").rename(mine / "data" / "pets")
    file = mine / "cards" / "mine" / "my_cls.yaml"
    file.write_text(file.read_text().replace("{path: json,", "{path: json, local: pets,"))
    code, out, _ = run(capsys, "check", "mine/my_cls", "--data", mine / "data", "--backbone", tiny_bert)
    assert code == 0 and "not checked" not in out


def test_answers_in_a_few_words():
    tags = [["B-PER", "I-PER", "O"], ["O"], ["B-LOC"]]
    assert answers_of(tags, named=True) == "PER 50%, LOC 50%, 33% of the rows without"
    assert answers_of([["a", "b"], []], named=False) == "1.0 a row, 50% of the rows without"
    assert answers_of([0.5, 1.5], named=False) == "0.5 to 1.5, mean 1.00"
    assert answers_of([], named=True) == "-"


def test_templates_reach_into_rows_and_join_lists():
    row = {"a": {"b": "x", "c": ["y", "z"]}, "triples": [["s", "p", "o"], ["t", "q", 1]]}
    assert fill("{a.b} and {a.c: + }", row, lambda: "here") == "x and y + z"
    assert fill("a.c", row, lambda: "here") == "y z"
    assert fill("{triples: | }", row, lambda: "here") == "s : p : o | t : q : 1"
    assert fields_of("{a.b} and {triples: | }") == {"a.b", "triples"} and fields_of("a.c") == {"a.c"}
    with pytest.raises(UserError, match=r"here: field 'a.d' is missing"):
        fill("{a.d}", row, lambda: "here")
    with pytest.raises(UserError, match=r"field 'a' is empty"):
        fill("a", {"a": []}, lambda: "here")


@pytest.mark.slow
def test_check_passes_on_all_the_data_there_is(capsys):
    if "PTV2_DATA" not in os.environ:
        pytest.skip("PTV2_DATA names no folder of labelled data")
    code, out, err = run(capsys, "check")
    assert (code, err) == (0, "")
    assert {"generation/dart", "superglue/wsc", "qa/squad"} <= set(re.findall(r"│ (\S+)", out))
