import bz2
import gzip
import json
import lzma
import warnings

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.rows import folders
from ptv2.rows.class_names import class_names
from ptv2.rows.sources import load_rows

ROWS = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


def card(path, **dataset):
    keys = {"kind": "cls", "metrics": ["accuracy"], "inputs": {"text": "text"}}
    return make_card({"name": "example", "dataset": {"path": str(path), **dataset}, **keys})


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(source, split):
    rows = load_rows(source, split)
    return rows and rows.data.to_list()


def refused(source, split="train") -> str:
    with pytest.raises(UserError) as error:
        load_rows(source, split)
    return str(error.value)


@pytest.mark.parametrize("name", ["validation", "dev", "val", "valid"])
def test_validation_has_several_names_and_the_one_taken_is_said_once(tmp_path, capfd, name):
    folders.say.cache_clear()
    put(tmp_path / "train.jsonl", ROWS)
    put(tmp_path / f"{name}.jsonl", ROWS[:1])
    assert [read(card(tmp_path), "validation") for _ in range(2)] == [ROWS[:1]] * 2
    said = f"{tmp_path}/{name}.jsonl is read as validation\n" if name != "validation" else ""
    assert capfd.readouterr().err == said


@pytest.mark.parametrize("name", ["Train.jsonl", "TRAIN.JSONL"])
def test_names_of_files_may_be_in_capitals(tmp_path, capfd, name):
    folders.say.cache_clear()
    put(tmp_path / name, ROWS)
    put(tmp_path / "test.jsonl", ROWS[:1])
    assert (read(card(tmp_path), "train"), read(card(tmp_path), "test")) == (ROWS, ROWS[:1])
    assert capfd.readouterr().err == f"{tmp_path}/{name} is read as train\n"


def test_two_files_for_one_split_are_refused(tmp_path):
    put(tmp_path / "dev.jsonl", ROWS)
    put(tmp_path / "validation.csv", ROWS)
    assert "validation.csv and dev.jsonl are both validation; keep one" in refused(card(tmp_path))


@pytest.mark.parametrize("other", ["train.csv", "train.json", "train.jsonl.gz"])
def test_one_split_in_two_formats_is_refused(tmp_path, other):
    put(tmp_path / "train.jsonl", ROWS)
    (tmp_path / other).write_text("older rows")
    assert f"train.jsonl and {other} are both train; keep one" in refused(card(tmp_path))


PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("packed", PACKED)
def test_a_compressed_file_is_unpacked_and_knows_its_lines(tmp_path, packed):
    file, content = tmp_path / f"train.jsonl.{packed}", "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    file.write_bytes(PACKED[packed](content))
    for source in (card(tmp_path), card("json", data_files={"train": str(file)})):
        rows = load_rows(source, "train")
        assert rows.data.to_list() == ROWS and rows.where(1) == f"{file}:2"
    file.write_bytes(PACKED[packed](content)[:-5])
    assert refused(card(tmp_path)).startswith(f"{file}: cannot be read (")


@pytest.mark.parametrize("ending", ["csv", "tsv", "conll"])
def test_every_text_format_may_be_compressed(tmp_path, ending):
    content = {"csv": "tokens,label\na,O\n", "tsv": "tokens\tlabel\na\tO\n", "conll": "a O\n"}[ending]
    (tmp_path / f"train.{ending}.gz").write_bytes(gzip.compress(content.encode()))
    tokens = {"inputs": {"tokens": "tokens"}} if ending == "conll" else {}
    assert (
        len(load_rows(make_card({"name": "x", "dataset": {"path": str(tmp_path)}, **tokens, **KIND}), "train").data)
        == 1
    )


KIND = {"kind": "tagging", "metrics": ["span_f1"]}

LAYOUTS = {
    "shards": ["data/train-{}-of-00002.parquet", "data/validation-{}-of-00002.parquet"],
    "shards at the top": ["train-{}-of-00002.parquet", "validation-{}-of-00002.parquet"],
    "shards of a configuration": ["en/train-{}-of-00002.parquet", "en/dev-{}-of-00002.parquet"],
    "the parquet branch": ["default/train/{}.parquet", "default/validation/{}.parquet"],
    "folders of splits": ["train/{}.parquet", "val/{}.parquet"],
    "shards of JSON lines": ["data/train-{}-of-00002.jsonl", "data/validation-{}-of-00002.jsonl"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_from_the_hub_is_read_with_all_its_shards(tmp_path, layout):
    for name in LAYOUTS[layout]:
        for i, row in enumerate(ROWS):
            put(tmp_path / name.format(f"{i:05}"), [row])
    assert read(card(tmp_path), "train") == read(card(tmp_path), "validation") == ROWS
    assert read(card(tmp_path), "test") is None


def test_a_missing_shard_is_named(tmp_path):
    put(tmp_path / "data/train-00001-of-00002.parquet", ROWS)
    assert "data: train-00000-of-00002.parquet is missing; fetch all files" in refused(card(tmp_path))


def test_configurations_are_not_mixed(tmp_path):
    for i, name in enumerate(("de", "en")):
        put(tmp_path / f"{name}/train/0000.parquet", ROWS[i : i + 1])
    assert "several configurations; valid: de, en, as task.dataset.name" in refused(card(tmp_path))
    assert read(card(tmp_path, name="en"), "train") == ROWS[1:]


def test_a_split_of_the_hub_may_have_another_name(tmp_path):
    for name, row in zip(("train", "validation_matched"), ROWS, strict=True):
        put(tmp_path / f"data/{name}-00000-of-00001.parquet", [row])
    assert read(card(tmp_path, splits={"validation": "validation_matched"}), "validation") == ROWS[1:]


def test_data_files_are_looked_for_in_the_folder(tmp_path):
    for name in ("one", "two"):
        put(tmp_path / f"{name}.jsonl", ROWS)
    files = card(tmp_path, data_files={"train": "*.jsonl"})
    assert read(files, "train") == ROWS * 2 and read(files, "test") is None


@pytest.mark.parametrize("whole", [True, False])
def test_what_save_to_disk_wrote_is_read_with_the_names_of_its_ids(tmp_path, whole):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    data = Dataset.from_list([{"text": "a", "label": 1}], features=features)
    (DatasetDict({"train": data, "dev": data}) if whole else data).save_to_disk(tmp_path / "d")
    rows = load_rows(card(tmp_path / "d"), "train")
    assert rows.data.to_list() == [{"text": "a", "label": 1}]
    assert class_names(rows.data, "label") == ["no", "yes"]
    assert (read(card(tmp_path / "d"), "validation") is not None) == whole
    assert load_rows(card(tmp_path / "d"), "train").fingerprint == rows.fingerprint


def test_a_folder_or_archive_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    assert "a.jsonl: is a folder" in refused(card("json", data_files={"train": str(tmp_path / "a.jsonl")}))
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(30))
    assert "a.zip: a zip archive; unpack it" in refused(card("json", data_files={"train": str(tmp_path / "a.zip")}))
    (tmp_path / "b.jsonl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "a Git LFS pointer" in refused(card("json", data_files={"train": str(tmp_path / "b.jsonl")}))


def test_a_split_of_a_folder_is_left_out_by_null(tmp_path):
    for split in ("train", "test"):
        put(tmp_path / f"{split}.jsonl", ROWS)
    without = card(tmp_path, data_files={"test": None})
    assert load_rows(without, "test") is None and read(without, "train") == ROWS


@pytest.mark.parametrize(
    "files, splits, expected",
    [
        (["train"], {"train": "train[:80%]", "validation": "train[80%:]"}, [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9], None]),
        (["train"], {"train": "train", "validation": "train[7:]"}, [[*range(10)], [7, 8, 9], None]),
        (["train"], {"train": "train[:2]+train[4:6]", "test": "train[9:]"}, [[0, 1, 4, 5], None, [9]]),
        (["train", "dev"], {"train": "train", "test": "validation"}, [[*range(10)], [*range(10)], [*range(10)]]),
        (["train", "dev"], {"train": "train[:8]", "validation": "train[8:]"}, [[*range(10)], [*range(10)], None]),
        (["train"], {"train": "train", "validation": None}, [[*range(10)], None, None]),
    ],
)
def test_a_split_without_a_file_of_its_own_is_a_part_of_another(tmp_path, files, splits, expected):
    for name in files:
        put(tmp_path / f"{name}.jsonl", [{"text": str(i)} for i in range(10)])
    rows = [read(card(tmp_path, splits=splits), split) for split in ("train", "validation", "test")]
    assert [found and [int(row["text"]) for row in found] for found in rows] == expected


@pytest.mark.parametrize(
    ("train", "validation", "shared"),
    [
        ("train", "train[7:]", True),
        ("train[:80%]", "train[70%:]", True),
        ("train[:8]", "train", True),
        ("train[:80%]", "train[80%:]", False),
        ("train[8:]", "train[:80%]", False),
        ("whole", "train[7:]", True),  # a name on the hub; here it is the file of the split
    ],
)
def test_rows_of_a_part_that_train_has_too_are_said(tmp_path, train, validation, shared):
    put(tmp_path / "train.jsonl", [{"text": str(i)} for i in range(10)])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_rows(card(tmp_path, splits={"train": train, "validation": validation}), "validation")
    assert any("validation has rows that train has, too" in str(warning.message) for warning in said) == shared


def test_the_rows_of_a_part_keep_their_lines(tmp_path):
    put(tmp_path / "train.jsonl", ROWS)
    part = load_rows(card(tmp_path, splits={"train": "train[:1]", "validation": "train[1:]"}), "validation")
    assert part is not None and part.where(0) == f"{tmp_path / 'train.jsonl'}:2"


@pytest.mark.parametrize(
    "text, message",
    [
        ("train[80", "is not a split"),
        ("train[2:]", "takes none of the 2 rows"),
        ("train+test", "several splits"),
        ("train+tset", "several splits"),
    ],
)
def test_a_part_that_cannot_be_is_refused(tmp_path, text, message):
    put(tmp_path / "train.jsonl", ROWS)
    assert message in refused(card(tmp_path, splits={"train": "train", "validation": text}), "validation")
