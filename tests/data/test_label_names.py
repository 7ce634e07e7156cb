"""Labels found in rows of every form: rows are looked at before their labels are, and each split has its own names."""

import json

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from ptv2.config.cards import make_card
from ptv2.data.bad_rows import bad_rows
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError

INPUTS = {"tagging": {"tokens": "tokens"}, "span": {"question": "text", "context": "text"}}
METRICS = {"multilabel": "micro_f1", "tagging": "span_f1", "span": "squad_f1", "regression": "pearson"}


def task(folder, tokenizer, kind="cls", **keys):
    card = {
        "name": "mine",
        "kind": kind,
        "dataset": {"path": str(folder)},
        "inputs": INPUTS.get(kind, {"text": "text"}),
    }
    keys = {"metrics": [METRICS.get(kind, "accuracy")], "options": {"stride": 1} if kind == "span" else {}} | keys
    return TaskData(make_card(card | keys), tokenizer)


def write(folder, answers, split="train"):
    rows = [{"text": "the cat eats", "tokens": ["the", "cat"], "label": answer} for answer in answers]
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


SHAPES = {
    "cls": [["a"], {"name": "a"}, None, ""],
    "multilabel": ["a", 1, {"a": True}, ["a", ["b"]], ["a", None]],
    "tagging": [None, 1, "B-PER O", [["O"], ["O"]], ["O", None], {"tags": ["O", "O"]}],
    "regression": [None, [1.0], {"score": 1}, "high", True],
    "span": [
        None,
        "cat",
        {"text": ["cat"], "answer_start": [None]},
        {"text": ["cat"], "answer_start": ["four"]},
        {"text": ["cat"], "answer_start": [4.5]},
        {"text": ["cat"], "answer_start": None},
        {"text": [["cat"]], "answer_start": [[4]]},
    ],
}
"""By kind: answers of a form that is not the kind's."""


@pytest.mark.parametrize(("kind", "answer"), [(kind, answer) for kind in SHAPES for answer in SHAPES[kind]], ids=str)
def test_a_column_of_another_form_is_refused_by_its_line(tmp_path, tokenizer, kind, answer):
    write(tmp_path, [answer, answer])
    with pytest.raises(UserError, match=r"train\.jsonl:1\b"):
        task(tmp_path, tokenizer, kind).encoded("train")


def test_a_row_of_another_form_is_one_bad_row(tmp_path, tokenizer):
    write(tmp_path, [["B-PER", "O"], None, ["O", "O"]])
    data = task(tmp_path, tokenizer, "tagging")
    assert data.label_names() == ["O", "B-PER"]
    assert list(bad_rows(data.features, data.rows["train"])) == [1]


def test_offsets_may_be_texts(tmp_path, tokenizer):
    write(tmp_path, [{"text": ["cat"], "answer_start": ["4"]}])
    assert task(tmp_path, tokenizer, "span").encoded("train")[0]["labels"] != [0, 0]


def parquet(folder, split, names, ids, kind="cls"):
    label = List(ClassLabel(names=names)) if kind != "cls" else ClassLabel(names=names)
    features = Features({"text": Value("string"), "tokens": List(Value("string")), "label": label})
    columns = {"text": ["the cat"] * len(ids), "tokens": [["the", "cat"]] * len(ids), "label": ids}
    Dataset.from_dict(columns, features=features).to_parquet(str(folder / f"{split}.parquet"))


@pytest.mark.parametrize("labels", [None, ["pos", "neutral", "neg"], ["neg", "neutral", "pos"]])
@pytest.mark.parametrize("label_ids", [False, True])
def test_ids_go_through_the_names_of_their_own_split(tmp_path, tokenizer, labels, label_ids):
    parquet(tmp_path, "train", ["neg", "neutral", "pos"], [2, 0, 1])
    parquet(tmp_path, "validation", ["pos", "neg", "neutral"], [0, 1, 2])
    data = task(tmp_path, tokenizer, labels=labels, label_ids=label_ids)
    assert data.label_names() == (labels or ["neg", "neutral", "pos"])
    assert data.references("train") == data.references("validation") == ["pos", "neg", "neutral"]
    assert data.encoded("train")["labels"][:] == data.encoded("validation")["labels"][:]


@pytest.mark.parametrize("kind", ["multilabel", "tagging"])
def test_lists_of_ids_do_too(tmp_path, tokenizer, kind):
    parquet(tmp_path, "train", ["O", "B-PER"], [[0, 1]], kind)
    parquet(tmp_path, "validation", ["B-PER", "O"], [[1, 0]], kind)
    data = task(tmp_path, tokenizer, kind)
    assert data.references("train") == data.references("validation") == [["O", "B-PER"]]


def test_classes_of_other_names_are_ids_only_where_the_card_says_so(tmp_path, tokenizer):
    parquet(tmp_path, "train", ["100", "101"], [1, 0])
    with pytest.raises(
        UserError, match=r"the classes of 'label' are 100, 101 here, and story, sports .* label_ids: true"
    ):
        task(tmp_path, tokenizer, labels=["story", "sports"])
    assert task(tmp_path, tokenizer, labels=["story", "sports"], label_ids=True).references("train") == [
        "sports",
        "story",
    ]


def test_f1_is_a_score_of_two_labels(tmp_path, tokenizer):
    write(tmp_path, ["a", "b", "c"])
    with pytest.raises(UserError, match=r"mine\.metrics: 'f1' is a score of two labels, and there are 3; use macro_f1"):
        task(tmp_path, tokenizer, metrics=["f1"])


@pytest.mark.parametrize(("options", "positive", "score"), [({}, "b", 0.8), ({"positive": "a"}, "a", 0.0)])
def test_the_positive_label_can_be_chosen(tmp_path, tokenizer, options, positive, score):
    write(tmp_path, ["a", "b", "b"])
    data = task(tmp_path, tokenizer, metrics=["f1"], options=options)
    outputs = {row: [{"label": "b"}] for row in range(3)}
    assert data.features.positive() == positive and data.label_names() == ["a", "b"]
    assert data.score("train", outputs) == {"f1": pytest.approx(score)}


def test_a_positive_label_that_is_none_is_refused(tmp_path, tokenizer):
    write(tmp_path, ["good", "bad"])
    with pytest.raises(UserError, match=r"mine\.options\.positive: unknown label 'god' .*; did you mean 'good'\?"):
        task(tmp_path, tokenizer, metrics=["f1"], options={"positive": "god"})


def test_a_bare_yes_as_the_positive_label_is_told_from_a_truth_value(tmp_path, tokenizer):
    write(tmp_path, ["yes", "no"])
    with pytest.raises(
        UserError, match=r"positive: no label is true, as YAML reads yes, .*; write the label in quotes"
    ):
        task(tmp_path, tokenizer, metrics=["f1"], options={"positive": True})
