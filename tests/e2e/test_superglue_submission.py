"""`ptv2.predict --superglue-zip`: from published rows to the file that the server takes."""

import json
import zipfile

import pytest
import yaml
from scene import make_config, write_rows


@pytest.fixture
def boolq(ptv2, tmp_path, tiny_bert):
    """The run folder of a card named as SuperGLUE's BoolQ, and the published form of its rows."""
    rows = [
        {"question": f"is a {word}", "passage": "the cat eats", "idx": i, "label": i % 2}
        for i, word in enumerate("cat dog cow hen apple pear plum fig".split() * 2)
    ]
    (tmp_path / "rows").mkdir()
    for split in ("train", "validation"):
        write_rows(tmp_path / "rows" / f"{split}.jsonl", rows)
    card = {"kind": "cls", "dataset": {"path": str(tmp_path / "rows")}, "label": "label", "labels": ["False", "True"]}
    card |= {"label_ids": True, "inputs": {"text": "question", "pair": "passage"}, "metrics": ["accuracy"]}
    file = tmp_path / "rows" / "boolq.yaml"
    file.write_text(yaml.safe_dump(card | {"max_length": 24}))
    said = ptv2("fit", "--config", make_config(tmp_path, tiny_bert, file, trainer={"max_epochs": 1}))
    assert said.code == 0, said.err
    test = [{key: value for key, value in row.items() if key != "label"} for row in rows]
    return tmp_path / "runs" / "boolq", write_rows(tmp_path / "test.jsonl", test)


def test_answers_become_a_submission(ptv2, boolq, tmp_path):
    run, rows = boolq
    said = ptv2("predict", "--artifact", run, "--input", rows, "--superglue-zip", tmp_path / "s.zip")
    assert (said.code, said.err) == (0, "") and said.out.startswith(
        f"{tmp_path / 's.zip'}: BoolQ.jsonl; not in it yet: CB"
    )
    with zipfile.ZipFile(tmp_path / "s.zip") as file:
        lines = [json.loads(line) for line in file.read("BoolQ.jsonl").decode().splitlines()]
    printed = [json.loads(line) for line in ptv2("predict", "--artifact", run, "--input", rows).out.splitlines()]
    assert lines == [{"idx": one["idx"], "label": one["prediction"].lower()} for one in printed] and len(lines) == 16
    said = ptv2("predict", "--artifact", run, "--input", rows, "--superglue-zip", tmp_path / "s.zip", "--task", "boolq")
    assert said.code == 0, said.err
    wrong = ptv2("predict", "--artifact", run, "--input", rows, "--superglue-zip", "s.zip", "--output", "a.csv")
    assert wrong.code == 2 and wrong.err == "error: command line: --output and --superglue-zip; give one of them\n"
    alone = ptv2("predict", "--artifact", run, "--input", rows, "--superglue-name", "CB")
    assert alone.code == 2 and "--superglue-name without --superglue-zip; name the zip" in alone.err
