"""Whatever rows are written in a format are read back; whatever bytes a file holds, it is read or refused."""

import csv
import gzip
import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptv2.errors import UserError
from ptv2.rows.conll import Columns
from ptv2.rows.files import Form, read_file
from ptv2.rows.parquet_rows import dataset_of

QUICK = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LONG = settings(QUICK, max_examples=400, derandomize=False)

text = st.text(max_size=8)
name = text.filter(lambda value: value.strip() == value and value.isprintable() and value != "")
number = st.integers() | st.floats(allow_nan=False)
value = st.recursive(
    st.none() | st.booleans() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
json_rows = st.lists(st.dictionaries(name, value, min_size=1, max_size=4), min_size=2, max_size=5)
line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\0"), max_size=8)


def columns(cell, cells=1):
    """Rows of the same fields, each with a cell."""
    names = st.lists(
        name.filter(lambda n: '"' not in n and not set(n) & set(",;|\t")), min_size=2, max_size=4, unique=True
    )
    return names.flatmap(lambda ns: st.lists(st.fixed_dictionaries({n: cell for n in ns}), min_size=1, max_size=5))


def read(path, content: bytes, format: str, **form) -> list[dict]:
    path.write_bytes(content)
    data = read_file(path, Form(format, **form)).data
    return (dataset_of([data])[0] if format == "parquet" else data).to_list()


def in_utf8(content: str) -> bytes:
    """The bytes of a text; a text that begins with U+FEFF stands behind a mark, as the first one is not text."""
    return content.encode("utf-8-sig" if content.startswith("\ufeff") else "utf-8")


def same(one, two) -> bool:
    """Equal, true and 1 apart, and infinite numbers equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


def full(rows) -> list[dict]:
    """The rows with every field that one of them has."""
    names = dict.fromkeys(field for row in rows for field in row)
    return [names | row for row in rows]


def json_lines(tmp_path, rows, ascii, packed):
    content = "\n".join(json.dumps(row, ensure_ascii=ascii) for row in rows).encode()
    found = read(tmp_path / "a", gzip.compress(content) if packed else content, "json")
    assert same(found, full(rows))


def json_array(tmp_path, rows, indent):
    assert same(read(tmp_path / "a", json.dumps(rows, indent=indent).encode(), "json"), full(rows))


def csv_cells(tmp_path, rows, delimiter, end):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, rows[0], delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    found = read(tmp_path / "a.csv", file.getvalue().encode(), "csv", delimiter=delimiter)
    assert found == [{field: cell or None for field, cell in row.items()} for row in rows]


def tsv_cells(tmp_path, rows):
    content = "".join(
        "\t".join(cells) + "\n" for cells in [rows[0], *([row[field] for field in rows[0]] for row in rows)]
    )
    found = read(tmp_path / "a.tsv", in_utf8(content), "csv")
    assert found == [{field: cell or None for field, cell in row.items()} for row in rows]


def conll_columns(tmp_path, rows):
    content = "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in rows)
    found = read(tmp_path / "a", in_utf8(content), "conll", columns=Columns("w", "t"))
    assert found == [{"w": [word for word, _ in row], "t": [tag for _, tag in row]} for row in rows]


def parquet_columns(tmp_path, rows):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert same(read(tmp_path / "a", file.getvalue(), "parquet"), rows)


word = line.map(str.strip).filter(lambda w: w and not w.startswith(("#", "-DOCSTART-")) and "\t" not in w)
PROPERTIES = [
    (json_lines, (json_rows, st.booleans(), st.booleans())),
    (json_array, (json_rows, st.sampled_from([None, 0, 2]))),
    (
        csv_cells,
        (columns(text.filter(lambda t: "\0" not in t)), st.sampled_from(",;|\t"), st.sampled_from(["\n", "\r\n"])),
    ),
    (tsv_cells, (columns(line),)),
    (conll_columns, (st.lists(st.lists(st.tuples(word, st.sampled_from(["O", "B-X", "N"])), min_size=1), min_size=1),)),
    (parquet_columns, (st.sampled_from([text, st.integers(-(2**63), 2**63 - 1), st.lists(text)]).flatmap(columns),)),
]


def tried(property, drawn, tmp_path, profile):
    @profile
    @given(st.tuples(*drawn))
    def check(arguments):
        property(tmp_path, *arguments)

    check()


@pytest.mark.parametrize(("property", "drawn"), PROPERTIES, ids=lambda p: getattr(p, "__name__", ""))
def test_rows_are_read_back_as_they_were_written(tmp_path, property, drawn):
    tried(property, drawn, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize(("property", "drawn"), PROPERTIES, ids=lambda p: getattr(p, "__name__", ""))
def test_rows_are_read_back_as_they_were_written_many_times(tmp_path, property, drawn):
    tried(property, drawn, tmp_path, LONG)


def test_a_first_word_that_is_a_byte_order_mark(tmp_path):
    conll_columns(tmp_path, [[("\ufeff", "O")], [("\ufeff", "B-X")]])


def parquet_bytes() -> bytes:
    file = io.BytesIO()
    rows = {"text": ["a", "b"] * 9, "tags": [["O"], []] * 9, "n": [1, None] * 9, "raw": [b"\xff", b"a"] * 9}
    pq.write_table(pa.table(rows), file)
    return file.getvalue()


SQUAD = {"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": []}]}]}]}
SEEDS = {
    "json": [
        b'{"text": "a", "tags": ["O"]}\n{"text": "\\ud83d", "n": 1.5}\n',
        json.dumps(SQUAD).encode(),
        b'[{"a": {}}]',
    ],
    "csv": [b'text,label\n"a ""b""",1\nc,2\n', "\ufefftext;label\r\né;1\r\n".encode()],
    "conll": [b"# id 1\nAnn B-PER\nsings O\n\n1-2\tx\tO\n", b"-DOCSTART- O\n\n# O\n"],
    "parquet": [parquet_bytes()],
}
SEEDS |= {format: [*seeds, gzip.compress(seeds[0], mtime=0)] for format, seeds in SEEDS.items()}


def damaged(format):
    """A file of the format: whole, cut, with other bytes in it, or no such file at all."""
    seed = st.sampled_from(SEEDS[format])
    cut = st.tuples(seed, st.floats(0, 1)).map(lambda drawn: drawn[0][: int(len(drawn[0]) * drawn[1])])
    place = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=3))
    other = st.tuples(seed, st.lists(place, min_size=1, max_size=3)).map(lambda drawn: replaced(*drawn))
    return seed | cut | other | st.binary(max_size=60) | text.map(str.encode)


def replaced(content: bytes, places) -> bytes:
    for place, new in places:
        at = math.floor(place * len(content))
        content = content[:at] + new + content[at + len(new) :]
    return content


def read_or_refused(tmp_path, format, content):
    try:
        rows = read(tmp_path / "a", content, format)
    except UserError as error:
        assert str(error).startswith(str(tmp_path / "a")) and "\n" not in str(error)
    else:
        assert rows and all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("format", SEEDS)
def test_any_bytes_are_rows_or_refused(tmp_path, format):
    @settings(QUICK, max_examples=80)
    @given(damaged(format))
    def check(content):
        read_or_refused(tmp_path, format, content)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("format", SEEDS)
def test_any_bytes_are_rows_or_refused_many_times(tmp_path, format):
    @settings(LONG, max_examples=1500)
    @given(damaged(format))
    def check(content):
        read_or_refused(tmp_path, format, content)

    check()
