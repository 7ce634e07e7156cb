import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.rows.class_names import class_names
from ptv2.rows.parquet_rows import dataset_of, read_parquet
from ptv2.rows.sources import load_rows


def written(path, columns) -> pa.Table:
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return read_parquet(path)


OBJECT = pa.struct([("t", pa.timestamp("us")), ("x", pa.float32())])
COLUMNS = {
    "binary": (pa.array(["é".encode(), None]), ["é", None]),
    "binary of one length": (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
    "lists of binary": (pa.array([[b"a", b"b"], []]), [["a", "b"], []]),
    "objects of binary": (pa.array([{"x": b"a"}, None]), [{"x": "a"}, None]),
    "large text": (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
    "categories": (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    "dates": (pa.array([datetime.date(2024, 5, 1), None]), ["2024-05-01", None]),
    "times": (pa.array([datetime.datetime(2024, 5, 1, 10), None], pa.timestamp("s")), ["2024-05-01 10:00:00", None]),
    "decimals": (pa.array([Decimal("1.50"), None]), ["1.50", None]),
    "numbers of 32 bits": (pa.array([0.1, None], pa.float32()), [0.1, None]),
    "numbers of 16 bits": (pa.array(np.array([0.1, 2], np.float16)), [0.1, 2.0]),
    "lists of numbers of 32 bits": (pa.array([[0.1], None], pa.list_(pa.float32())), [[0.1], None]),
    "objects of times": (
        pa.array([{"t": datetime.datetime(2024, 5, 1, 10), "x": 0.1}, None], OBJECT),
        [{"t": "2024-05-01 10:00:00", "x": 0.1}, None],
    ),
    "lists of objects": (pa.array([[{"t": None, "x": 0.1}], []], pa.list_(OBJECT)), [[{"t": None, "x": 0.1}], []]),
    "lengths of time": (pa.array([datetime.timedelta(seconds=5), None]), ["0:00:05", None]),
    "short numbers": (pa.array([1, 2], pa.int8()), [1, 2]),
    "truth values": (pa.array([True, None]), [True, None]),
    "nothing": (pa.nulls(2), [None, None]),
    "answers": (pa.array([{"text": ["a"], "answer_start": [1]}] * 2), [{"text": ["a"], "answer_start": [1]}] * 2),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_read_by_the_type_that_the_file_says(tmp_path, kind):
    column, values = COLUMNS[kind]
    data, faults = dataset_of([written(tmp_path / "a.parquet", {"x": column, "n": [1, 2]})])
    assert data["x"][:] == values and not faults


def test_parts_of_a_column_are_read_as_the_whole(tmp_path):
    rows = [[{"t": None, "x": i / 10}] if i % 3 else None for i in range(7)]
    table = pa.table({"x": pa.array(rows, pa.list_(OBJECT))})
    whole = dataset_of([table])[0]["x"][:]
    assert dataset_of([table[:3], table[3:]])[0]["x"][:] == whole == rows


UNREADABLE = {
    "bytes": pa.array([b"a", b"\xff\xd8"]),
    "a map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
}


def card_of(file, field):
    dataset = {"path": "parquet", "data_files": {"train": str(file)}}
    keys = {"kind": "cls", "metrics": ["accuracy"], "label": "n", "inputs": {"text": field}}
    return make_card({"name": "example", "dataset": dataset, **keys})


def test_bytes_that_are_no_text_are_refused_where_the_card_reads_them(tmp_path):
    file = tmp_path / "a.parquet"
    written(file, {"text": ["a", "b"], "image": pa.array([b"a", b"\xff\xd8"]), "n": [1, 2]})
    assert load_rows(card_of(file, "text"), "train").data.column_names == ["text", "n"]
    with pytest.raises(UserError, match=rf"^{file}, row 1: field 'image' cannot be read as text \(it is binary"):
        load_rows(card_of(file, "image"), "train")


def test_names_of_ids_are_kept(tmp_path):
    features = Features({"label": ClassLabel(names=["no", "yes"]), "tags": List(ClassLabel(names=["O", "B"]))})
    Dataset.from_dict({"label": [1, 0], "tags": [[0], [1, 0]]}, features=features).to_parquet(tmp_path / "a.parquet")
    tables = [read_parquet(tmp_path / "a.parquet")] * 2
    data, _ = dataset_of(tables)
    assert class_names(data, "label") == ["no", "yes"] and class_names(data, "tags") == ["O", "B"]
    assert data["label"][:] == [1, 0, 1, 0] and data["tags"][1] == [1, 0]


def test_files_whose_names_of_ids_differ_are_not_mixed(tmp_path):
    for i, names in enumerate((["no", "yes"], ["yes", "no"])):
        features = Features({"n": ClassLabel(names=names), "text": Value("string")})
        Dataset.from_dict({"n": [1], "text": ["a"]}, features=features).to_parquet(tmp_path / f"{i}.parquet")
    with pytest.raises(UserError, match=r"field 'n' the files declare different names for its ids"):
        load_rows(card_of(tmp_path / "*.parquet", "text"), "train")


def test_shards_may_differ_in_columns_and_in_the_width_of_a_type(tmp_path):
    first = written(tmp_path / "0.parquet", {"x": pa.array([1], pa.int32()), "y": pa.nulls(1), "z": ["a"]})
    second = written(tmp_path / "1.parquet", {"x": pa.array([2], pa.int64()), "y": ["b"], "w": [3]})
    data, faults = dataset_of([first, second])
    assert data.to_list() == [{"x": 1, "y": None, "z": "a", "w": None}, {"x": 2, "y": "b", "z": None, "w": 3}]
    assert not faults


def test_types_that_do_not_go_together_are_left_out_and_noted(tmp_path):
    tables = [written(tmp_path / f"{i}.parquet", {"x": [x], "y": ["a"]}) for i, x in enumerate((1, "one"))]
    data, faults = dataset_of(tables)
    assert data.to_list() == [{"y": "a"}] * 2 and list(faults) == ["x"]


@pytest.mark.parametrize("content", [b"PAR1", b"text,label\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.parquet: cannot be read as Parquet \("):
        read_parquet(tmp_path / "a.parquet")


def test_a_column_that_stands_twice_is_left_out(tmp_path):
    names = ["text", "id", "id"]
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], names=names)
    data, faults = dataset_of([written(tmp_path / "a.parquet", table)])
    assert data.column_names == ["text"] and faults == {"id": (0, "appears twice in the file")}


@pytest.mark.parametrize(
    ("values", "row"),
    [([b"\xff", b"a"], 0), ([b"a", b"\xff", b"b", b"\xfe"], 1), ([b"a", None, b"\xff"], 2), ([b"\xff"], 0)],
)
def test_the_first_row_that_is_no_text_is_named(tmp_path, values, row):
    before = written(tmp_path / "a.parquet", {"text": [b"a"] * 5})
    _, faults = dataset_of([before, written(tmp_path / "b.parquet", {"text": pa.array(values)})])
    assert faults["text"][0] == 5 + row and "Invalid UTF8" in faults["text"][1]
