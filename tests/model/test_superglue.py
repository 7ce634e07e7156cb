"""A submission to the SuperGLUE server: a file for each task, in the published form."""

import json
import zipfile

import pytest

from ptv2.errors import UserError
from ptv2.model.superglue import FORMS, SuperglueZip

FILES = "BoolQ CB COPA MultiRC ReCoRD RTE WiC WSC AX-b AX-g".split()


def choice(index):
    return {"index": index, "text": "x"}


def answer(paragraph, question, answer):
    return {"paragraph": paragraph, "question": question, "answer": answer}


CASES = {  # name of the card: (idx, prediction) of each row, lines of the file
    "superglue/boolq": ([(0, "True"), (1, "False")], [{"idx": 0, "label": "true"}, {"idx": 1, "label": "false"}]),
    "superglue/wic": ([(7, "False")], [{"idx": 7, "label": "false"}]),
    "superglue/wsc": ([(0, "True")], [{"idx": 0, "label": "True"}]),
    "superglue/cb": ([(0, "neutral")], [{"idx": 0, "label": "neutral"}]),
    "superglue/rte": ([(0, "not_entailment")], [{"idx": 0, "label": "not_entailment"}]),
    "superglue/axb": ([(0, "entailment")], [{"idx": 0, "label": "entailment"}]),
    "superglue/axg": ([(5, "entailment")], [{"idx": 5, "label": "entailment"}]),
    "superglue/copa": ([(0, choice(1)), (1, choice(0))], [{"idx": 0, "label": 1}, {"idx": 1, "label": 0}]),
    "superglue/record": (
        [({"passage": 3, "query": 9}, "Ann"), ({"passage": 3, "query": 10}, "Zoë")],
        [{"idx": 9, "label": "Ann"}, {"idx": 10, "label": "Zoë"}],
    ),
    "superglue/multirc": (
        [(answer(0, 0, 0), "True"), (answer(0, 0, 1), "False"), (answer(0, 1, 2), "True"), (answer(4, 2, 3), "False")],
        [
            {
                "idx": 0,
                "passage": {
                    "questions": [
                        {"idx": 0, "answers": [{"idx": 0, "label": 1}, {"idx": 1, "label": 0}]},
                        {"idx": 1, "answers": [{"idx": 2, "label": 1}]},
                    ]
                },
            },
            {"idx": 4, "passage": {"questions": [{"idx": 2, "answers": [{"idx": 3, "label": 0}]}]}},
        ],
    ),
}


def submit(path, card, answers, name=None):
    with SuperglueZip(path, {"task": card}, name) as file:
        for row, (idx, prediction) in enumerate(answers):
            file.add({"row": row, "idx": idx, "prediction": prediction})
    assert not path.with_name("s.zip.part").exists()
    return file.said


def read(path):
    with zipfile.ZipFile(path) as file:
        return {name: [json.loads(line) for line in file.read(name).decode().splitlines()] for name in file.namelist()}


@pytest.mark.parametrize("card", CASES)
def test_a_file_has_the_published_form(card, tmp_path):
    answers, lines = CASES[card]
    submit(tmp_path / "s.zip", card, answers)
    assert read(tmp_path / "s.zip") == {f"{FORMS[card.partition('/')[2]][0]}.jsonl": lines}


def test_tasks_are_gathered_in_one_zip(tmp_path):
    for card, (answers, _) in CASES.items():
        said = submit(tmp_path / "s.zip", card, answers)
        if card == "superglue/wic":
            assert said.endswith("s.zip: WiC.jsonl; not in it yet: " + ", ".join(
                f"{name}.jsonl" for name in FILES if name not in ("BoolQ", "WiC")))  # fmt: skip
    assert said.endswith(": MultiRC.jsonl") and sorted(read(tmp_path / "s.zip")) == sorted(f"{n}.jsonl" for n in FILES)
    submit(tmp_path / "s.zip", "superglue/wsc", [(3, "False")])  # again: it is replaced
    assert (
        read(tmp_path / "s.zip")["WSC.jsonl"] == [{"idx": 3, "label": "False"}] and len(read(tmp_path / "s.zip")) == 10
    )


def test_a_model_of_rte_answers_the_diagnostics(tmp_path):
    submit(tmp_path / "s.zip", "superglue/rte", [(0, "entailment")], "AX-b")
    assert list(read(tmp_path / "s.zip")) == ["AX-b.jsonl"]


@pytest.mark.parametrize(
    ("card", "answers", "name", "said"),
    [
        (
            "glue/mnli",
            [(0, "neutral")],
            None,
            "task 'task': its card 'glue/mnli' is no task of SuperGLUE; SuperGLUE has",
        ),
        ("superglue/rte", [(0, "entailment")], "AXb", "no file 'AXb' in a submission; did you mean 'AX-b'"),
        ("superglue/boolq", [(0, "yes")], None, "BoolQ.jsonl: row 0: 'yes' is none of the labels False, True"),
        ("superglue/cb", [(0, "neutral"), (0, "neutral")], None, "CB.jsonl: idx 0 occurs twice; give each row once"),
        ("superglue/record", [(0, "Ann")], None, "ReCoRD.jsonl: its answers or idx are not those of ReCoRD"),
        ("superglue/copa", [(0, "0")], None, "COPA.jsonl: its answers or idx are not those of COPA"),
    ],
)
def test_what_cannot_be_submitted_leaves_the_zip_as_it_was(card, answers, name, said, tmp_path):
    submit(tmp_path / "s.zip", "superglue/wic", [(1, "True")])
    before = (tmp_path / "s.zip").read_bytes()
    with pytest.raises(UserError) as error:
        submit(tmp_path / "s.zip", card, answers, name)
    assert said in str(error.value) and (tmp_path / "s.zip").read_bytes() == before


def test_rows_without_idx_and_files_that_are_no_zip_are_refused(tmp_path):
    with pytest.raises(UserError, match="row 4: has no field idx"):
        SuperglueZip(tmp_path / "s.zip", {"task": "boolq"}).add({"row": 4, "prediction": "True"})
    with pytest.raises(UserError, match=r"'\.jsonl' is no ending of a zip"):
        SuperglueZip(tmp_path / "s.jsonl", {"task": "boolq"})
    (tmp_path / "s.zip").write_text("no zip")
    with pytest.raises(UserError, match=r"s\.zip: is no zip of a submission"):
        submit(tmp_path / "s.zip", "superglue/wic", [(1, "True")])
    assert (tmp_path / "s.zip").read_text() == "no zip"
