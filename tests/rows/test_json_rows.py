import json
from math import inf

import pytest

from ptv2.errors import UserError
from ptv2.rows.json_rows import read_json
from ptv2.rows.table import Table

ROWS = [{"text": "a", "label": 1}, {"text": "b", "label": 0}, {"text": "c", "label": 1}]


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_json(path)[0].to_list()


def refused(path, content) -> str:
    with pytest.raises(UserError) as error:
        read(path, content)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value).removeprefix(str(path))


VALUES = {
    "a date": "2024-05-01",
    "a time": "2024-05-01T10:00:00Z",
    "a number in quotes": "00123",
    "an empty text": "",
    "text that is JSON": '{"a": 1}',
    "text that is null": "null",
    "true": True,
    "a large number": 2**70,
    "a fraction": 0.1 + 0.2,
    "a whole fraction": 1.0,
    "null": None,
    "nested": {"a": [{"b": None}, [1, "1", 1.0, True]]},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("other", [7, "x", ["y"], None])
def test_a_value_is_read_as_it_stands_whatever_other_rows_hold(tmp_path, value, other):
    rows = [{"v": value}, {"v": other}]
    (first, second) = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert json.dumps(first["v"]) == json.dumps(value) and second["v"] == other


def test_a_field_may_appear_late_and_is_missing_before(tmp_path):
    assert read(tmp_path / "a.jsonl", '{"a": 1}\n{"a": 2, "late": [1, "x"]}') == [
        {"a": 1, "late": None},
        {"a": 2, "late": [1, "x"]},
    ]


def test_nan_is_a_missing_value_as_pandas_writes_it(tmp_path):
    assert read(tmp_path / "a.jsonl", '{"a": NaN, "b": -Infinity}') == [{"a": None, "b": -inf}]


BY_ROW = {str(i): row for i, row in enumerate(ROWS)}
BY_COLUMN = {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}
FORMS = {
    "lines": "\n".join(map(json.dumps, ROWS)),
    "lines of Windows, with a mark at the start": "\ufeff" + "\r\n".join(map(json.dumps, ROWS)) + "\r\n",
    "lines with blank ones": "\n\n".join(map(json.dumps, ROWS)),
    "an array": json.dumps(ROWS),
    "an array over lines": json.dumps(ROWS, indent=2),
    "an array with a row a line": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]",
    "a wrapped array": json.dumps({"version": 1, "data": ROWS}),
    "the rows of the hub's viewer": json.dumps({"rows": [{"row_idx": i, "row": row} for i, row in enumerate(ROWS)]}),
    "pandas, by column": json.dumps(BY_COLUMN),
    "pandas, by column, over lines": json.dumps(BY_COLUMN, indent=1),
    "pandas, by index": json.dumps(BY_ROW),
    "pandas, split": json.dumps({"columns": ["text", "label"], "data": [list(row.values()) for row in ROWS]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_document_of_a_known_form_is_read_as_its_rows(tmp_path, form):
    assert read(tmp_path / "a.json", FORMS[form]) == ROWS


def test_one_row_is_a_row_even_where_its_fields_are_lists(tmp_path):
    row = {"tokens": ["Ann", "sings"], "tags": ["B-PER", "O"], "answers": {"text": ["Ann"], "answer_start": [0]}}
    assert read(tmp_path / "a.jsonl", json.dumps(row)) == [row]
    assert read(tmp_path / "a.json", json.dumps(row, indent=2)) == [row]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "What follows?", "examples": [{"text": "one"}, {"text": "two"}]},
        {"question": "What follows?", "examples": [{"q": "one"}]},
        {"text": "a", "data": [{"text": "b"}]},
    ],
)
def test_one_row_may_hold_a_list_of_examples(tmp_path, row):
    assert read(tmp_path / "a.jsonl", json.dumps(row)) == [row]


def test_a_document_may_say_of_what_its_examples_are(tmp_path):
    about = {"name": "sky", "version": 1, "description": "blue or not"}
    assert read(tmp_path / "a.json", json.dumps(about | {"examples": ROWS})) == ROWS


ARTICLE = {
    "title": "Rain",
    "paragraphs": [
        {
            "context": "It rains in Oslo.",
            "qas": [
                {"id": "1", "question": "Where?", "answers": [{"text": "Oslo", "answer_start": 12}]},
                {"id": "2", "question": "Who?", "answers": [], "is_impossible": True, "plausible_answers": []},
            ],
        }
    ],
}


@pytest.mark.parametrize("content", [{"version": "2.0", "data": [ARTICLE]}, [ARTICLE], ARTICLE])
def test_the_form_of_squads_site_is_read_as_one_question_a_row(tmp_path, content):
    rows = read(tmp_path / "squad.json", json.dumps(content))
    assert [row["question"] for row in rows] == ["Where?", "Who?"]
    assert rows[0]["answers"] == {"text": ["Oslo"], "answer_start": [12]}
    assert rows[1]["answers"] == {"text": [], "answer_start": []} and rows[1]["is_impossible"] is True
    assert {row["context"] for row in rows} == {"It rains in Oslo."} and {row["title"] for row in rows} == {"Rain"}


def test_paragraphs_without_questions_are_a_field_as_any_other(tmp_path):
    rows = [{"question": "q", "paragraphs": ["one", "two"]}] * 2
    assert read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))) == rows


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"a": 1}\n{"a": \n{"a": 2}', ":2: not valid JSON"),
        ('{"a": 1\n{"a": 2}', ":1: not valid JSON"),
        ('{\n "a": 1,\n "b": x\n}', ":3: not valid JSON"),
        ('{"a": 1}\n["b"]', ":2: not a JSON object"),
        ('[{"a": 1}, 5]', ", row 1: not a JSON object"),
        ('{"a": 1}\n{"a": 1, "b": 2, "a": 3}', ":2: 'a' appears twice"),
        ('{"a": 1}\n{"b": {"a": 1, "a": 3}}', ":2: 'a' appears twice"),
        ('{"a": 1' + "0" * 5000 + "}", ":1: not readable JSON"),
        ('{"a": ' + "[" * 100_000, ":1: not readable JSON"),
        (b'{"a": "caf\xe9"}', ":1: not UTF-8 text; save the file as UTF-8"),
        ('{"a": "x"}'.encode("utf-16"), ":1: UTF-16 text; save the file as UTF-8"),
        ('{"text": {"0": "a", "1": "b"}, "label": {"0": 1}}', ": columns of different rows (text, label)"),
        ('{"columns": ["a"], "data": [[1], [1, 2]]}', ", row 1: 2 values for 1 columns"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', ", row 0, paragraph 0: no 'context' in the nested form"),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": 1}]}]}]}', "paragraph 0: no 'question'"),
        ("version https://git-lfs.github.com/spec/v1\n", ": not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(tmp_path, content, says):
    assert says in refused(tmp_path / "a.json", content) or "git-lfs" in str(content)


def test_half_a_character_is_kept_and_noted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x", "b": "\\ud83d\\ude00"}\n{"a": "x", "b": ["\\ud83d"]}\n')
    table, _ = read_json(path)
    assert table[0]["b"] == "😀" and table[1]["b"] == ["\ud83d"]
    assert table.faults == {"b": (1, "holds half a character (a lone surrogate)")}


def test_a_table_is_cut_and_joined_as_a_list_is():
    table = Table(ROWS)
    assert (len(table), table[-1], table["text"], list(table)) == (3, ROWS[2], ["a", "b", "c"], ROWS)
    assert table.select([2, 0]).select([1]).to_list() == [ROWS[0]]
    with pytest.raises(IndexError):
        table[3]
    with pytest.raises(KeyError):
        table["none"]
