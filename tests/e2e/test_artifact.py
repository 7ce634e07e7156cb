"""What others do with a prompt folder: score it, predict with it, and what they may get wrong."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from scene import files, write_rows
from transformers import AutoTokenizer, BertModel

TASKS = ["topics", "ratings", "names"]


@pytest.fixture
def copied(finished, tmp_path):
    """The prompt folder of a finished run, alone and to be changed."""
    return lambda task="topics": shutil.copytree(finished(task) / "prompt", tmp_path / "prompt")


@pytest.fixture
def rows(cards):
    """The test rows of a task as its file holds them, and without their answers."""

    def read(task, label=None):
        path = cards[task].parent / task / "test.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_scores_as_the_run_did(ptv2, finished, cards, task):
    results = json.loads((finished(task) / "results.json").read_text())
    for split in ("validation", "test"):
        said = ptv2("evaluate", "--artifact", finished(task), "--task", cards[task], "--split", split, "--json")
        assert said.code == 0 and said.err == ""
        assert json.loads(said.out)["scores"] == results["scores"][split][task]


def test_evaluate_cuts_texts_where_the_run_did(ptv2, write_config, cards, tmp_path):
    assert ptv2("fit", "--config", write_config(), "task.max_length=5").code == 0
    folder = tmp_path / "runs" / "topics"
    results = json.loads((folder / "results.json").read_text())
    said = ptv2("evaluate", "--artifact", folder, "--task", cards["topics"], "--json")
    assert json.loads(said.out)["scores"] == results["scores"]["test"]["topics"]


def test_evaluate_shows_a_table(ptv2, copied, cards):
    said = ptv2("evaluate", "--artifact", copied(), "--task", cards["topics"])
    assert said.code == 0 and "topics, test" in said.out and "accuracy" in said.out and "macro_f1" in said.out


def test_evaluate_takes_other_rows(ptv2, copied, cards, rows, tmp_path):
    (tmp_path / "mine").mkdir()
    write_rows(tmp_path / "mine" / "test.jsonl", rows("topics")[:3])
    other = f"task.dataset.path={tmp_path}/mine"
    said = ptv2("evaluate", "--artifact", copied(), "--task", cards["topics"], "--json", other)
    assert said.code == 0 and json.loads(said.out)["scores"]["accuracy"] in (0, 1 / 3, 2 / 3, 1)


@pytest.mark.parametrize("task", TASKS)
def test_predict_reproduces_the_predictions_of_the_run(ptv2, finished, copied, cards, task):
    said = ptv2("predict", "--artifact", copied(task), "--input", cards[task].parent / task / "test.jsonl")
    assert said.code == 0 and said.err == ""
    assert said.out == (finished(task) / "predictions" / f"{task}.test.jsonl").read_text()


def test_predict_needs_no_answers_and_reads_standard_input(spawn, finished, rows):
    unanswered = "".join(json.dumps({"text": row["text"], "id": row["id"]}) + "\n\n" for row in rows("topics"))
    said = spawn("predict", "--artifact", finished("topics"), "--input", "-", stdin=unanswered)
    assert said.code == 0 and said.err == ""
    written = (finished("topics") / "predictions" / "topics.test.jsonl").read_text().splitlines()
    answered = [json.loads(line) for line in said.out.splitlines()]
    gold = [json.loads(line) for line in written]
    assert answered == [{key: value for key, value in line.items() if key != "gold"} for line in gold]
    assert [line["gold"] for line in gold] == [row["label"] for row in rows("topics")]
    first = answered[0]
    assert list(first) == ["row", "id", "prediction", "scores"] and first["row"] == first["id"] == 0
    assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert first["prediction"] == max(first["scores"], key=first["scores"].get)


def test_predict_in_bfloat16(ptv2, finished, cards):
    argv = ("--artifact", finished("topics"), "--input", cards["topics"].parent / "topics" / "test.jsonl")
    said = ptv2("predict", *argv, "backbone.dtype=bfloat16")
    assert said.code == 0 and len(said.out.splitlines()) == 16


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"text": "a"}\n{"text": \n', ":2: not valid JSON"),
        ('["a"]\n', ":1: a line must be a JSON object"),
        ('{"text": "a"}\n{"txt": "b"}\n', ":2: field 'text' is missing, only txt"),
        ('{"text": "a"}\n{}\n', ":2: field 'text' is missing, the row holds nothing"),
        ('{"text": "a"}\n\n{"text": ""}\n', ":3: field 'text' is empty"),
        ('{"text": "a"}\n{"text": null}\n', ":2: field 'text' is missing"),
        ('{"text": "a"}\n{"text": {"b": 1}}\n', ":2: field 'text' holds an object"),
        ('{"text": "a"}\n{"text": ["b", null]}\n', ":2: field 'text' holds a list with null or an object in it"),
        ('{"text": "a"}\n' + "[" * 100_000 + "\n", ":2: not readable JSON"),
        ("\n", ": holds no rows"),
        (b'{"text": "caf\xe9"}\n', ":1: not UTF-8"),
    ],
)
def test_a_faulty_input_line(ptv2, finished, tmp_path, text, says):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = ptv2("predict", "--artifact", finished("topics"), "--input", path)
    assert said.code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"error: {path}{says}")


def test_a_row_is_read_as_training_reads_it_whatever_stands_beside_it(ptv2, finished, tmp_path):
    """A number is written as it stands, a list is joined; no row's answer depends on its neighbours."""
    texts = ["cat dog", 36893488147419103232, ["cat", "dog"], 7]
    answers = []
    for name, asked in {"together": texts, "alone": texts[2:3], "text": ["cat dog", "36893488147419103232"]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in asked))
        said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / f"{name}.jsonl")
        assert said.code == 0, said.err
        answers.append([json.loads(line)["scores"]["animal"] for line in said.out.splitlines()])
    together, (alone,), written = answers
    assert together[:2] == pytest.approx(written, abs=2e-6) and together[2] == pytest.approx(alone, abs=2e-6)


def test_an_input_with_a_byte_order_mark_is_read(ptv2, finished, tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a cat"}\r\n')
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / "rows.jsonl")
    assert said.code == 0 and len(said.out.splitlines()) == 1


@pytest.fixture
def refused(ptv2, cards, tmp_path):
    """What predict and evaluate say, which must be the same line, of an artifact that must be refused."""

    def run(folder, *argv, task="topics", command="predict"):
        before = files(folder) if folder.is_dir() else None
        given = {"predict": ("--input", cards["topics"].parent / "topics" / "test.jsonl")}
        given["evaluate"] = ("--task", cards[task])
        said = ptv2(command, "--artifact", folder, *given[command], *argv)
        assert said.code == 2 and said.out == "" and len(said.err.splitlines()) == 1, said
        assert before is None or files(folder) == before
        return said.err.removeprefix("error: ").strip()

    return run


def test_no_artifact(refused, tmp_path):
    says = f"{tmp_path}: no artifact here (artifact.json is missing); give a run's prompt/ folder"
    assert refused(tmp_path) == refused(tmp_path, command="evaluate") == says
    assert "no artifact here" in refused(tmp_path / "none")


def change(folder, **keys):
    about = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps(about | keys))


def test_a_damaged_artifact(refused, copied):
    folder = copied()
    weights = folder / "weights.safetensors"
    whole, about = weights.read_bytes(), (folder / "artifact.json").read_text()
    weights.write_bytes(whole[:-100])
    assert f"{folder}: cannot be read" in refused(folder)
    weights.unlink()
    assert f"{folder}: cannot be read" in refused(folder)
    weights.write_bytes(whole)
    (folder / "artifact.json").write_text(about[:100])
    assert f"{folder}: cannot be read" in refused(folder)
    (folder / "artifact.json").write_text("[]")
    assert f"{folder}: cannot be read" in refused(folder)
    (folder / "artifact.json").write_text('{"format": 1}')
    assert f"{folder}: cannot be read" in refused(folder)
    for part in (
        {"labels": {}},
        {"labels": None},
        {"labels": {"topics": 3}},
        {"config": None},
        {"config": {"tasks": {}}},
        {"backbone": {}},
        {"backbone": "x"},
    ):
        (folder / "artifact.json").write_text(about)
        change(folder, **part)
        says = f"{folder}: cannot be read (artifact.json has no readable {next(iter(part))}); copy it again"
        assert refused(folder) == refused(folder, command="evaluate") == says
    (folder / "artifact.json").write_text(about)
    change(folder, format=99)
    assert refused(folder) == f"{folder}: has format 99, this version reads 1"


def test_weights_that_do_not_fit(refused, copied):
    folder = copied()
    weights = load_file(folder / "weights.safetensors")
    save_file(weights | {"prompt.rows.rows.1": weights["prompt.rows.rows.1"][:2]}, folder / "weights.safetensors")
    assert "'prompt.rows.rows.1' is (2, 32), the model needs (4, 32)" in refused(folder)
    save_file({k: v for k, v in weights.items() if "rows.1" not in k}, folder / "weights.safetensors")
    assert "1 tensors missing, 0 unknown (first: prompt.rows.rows.1)" in refused(folder)


def test_another_backbone(refused, copied, tiny_bert, tmp_path):
    folder, other = copied(), tmp_path / "other-bert"
    model = BertModel.from_pretrained(tiny_bert)
    model.embeddings.word_embeddings.weight.data[0, 0] += 1
    model.save_pretrained(other)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(other)
    says = (
        f"was made for backbone '{tiny_bert}', whose weights differ from those of '{other}'; load it with {tiny_bert}"
    )
    assert refused(folder, f"backbone.name={other}") == f"{folder}: {says}"
    assert refused(folder, f"backbone.name={other}", command="evaluate") == f"{folder}: {says}"


def test_another_tokenizer(refused, copied, tiny_bert, tmp_path):
    folder, other = copied(), shutil.copytree(tiny_bert, tmp_path / "other-bert")
    vocabulary = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(vocabulary.replace('"cat"', '"cab"'))
    assert f"whose tokenizer differ from those of '{other}'" in refused(folder, f"backbone.name={other}")


def test_a_backbone_that_is_not_here(refused, copied, tmp_path):
    said = refused(copied(), f"backbone.name={tmp_path}/gone")
    assert "backbone.name" in said and "no such folder" in said and str(tmp_path / "gone") in said


def test_another_kind_of_task(refused, copied):
    said = refused(copied(), task="ratings", command="evaluate")
    assert "was trained for kind 'cls', card 'ratings' is of kind 'regression'" in said


def test_other_labels(refused, copied):
    said = refused(copied(), "task.labels=[fruit, animal]", command="evaluate")
    assert "was trained with labels animal, fruit, card 'topics' has fruit, animal" in said


def test_rows_with_another_label(refused, copied, rows, tmp_path):
    (tmp_path / "mine").mkdir()
    write_rows(tmp_path / "mine" / "test.jsonl", [*rows("topics")[:2], {"text": "a", "label": "tool"}])
    said = refused(copied(), f"task.dataset.path={tmp_path}/mine", command="evaluate")
    assert said.startswith(f"{tmp_path}/mine/test.jsonl:3: unknown label 'tool' for artifact")


def test_a_task_that_the_artifact_has_not(refused, copied):
    folder = copied()
    says = f"{folder}: holds no task 'names'; valid: topics"
    assert refused(folder, "--task", "names") == says
    assert refused(folder, "--head", "names", command="evaluate") == says


def test_a_split_that_the_card_has_not(refused, copied, rows, tmp_path):
    (tmp_path / "mine").mkdir()
    write_rows(tmp_path / "mine" / "train.jsonl", rows("topics"))
    said = refused(copied(), f"task.dataset.path={tmp_path}/mine", command="evaluate")
    assert said.startswith("topics.dataset: has no rows for test")


def test_a_device_that_is_not_here(refused, copied):
    said = refused(copied(), "--device", "warp")
    assert said.startswith("command line: argument --device: device 'warp' cannot be used")


def test_an_input_that_is_missing(ptv2, finished, tmp_path):
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / "none.jsonl")
    assert said.code == 2 and said.err == f"error: {tmp_path}/none.jsonl: no such file\n"


def test_a_key_that_the_artifact_has_not(refused, copied):
    assert "unknown key 'prompt.lenght'; did you mean 'length'?" in refused(copied(), "prompt.lenght=3")
