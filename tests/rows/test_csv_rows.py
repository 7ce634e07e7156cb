import warnings

import pytest

from ptv2.errors import UserError
from ptv2.rows.csv_rows import read_csv


def read(path, content, **form):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, **form)


@pytest.mark.parametrize("cell", ["00123", "1.50", "1e5", "2024-05-01", "True", "NA", "None", "nan", " a ", "+4"])
def test_a_cell_is_the_text_that_stands_there(tmp_path, cell):
    table, _ = read(tmp_path / "a.csv", f"text,label\n{cell},1\n")
    assert table.to_list() == [{"text": cell, "label": "1"}]


def test_an_empty_cell_is_missing(tmp_path):
    table, _ = read(tmp_path / "a.csv", 'a,b,c\n1,,""\n')
    assert table[0] == {"a": "1", "b": None, "c": None}


FORMS = {
    "plain": ("a.csv", "text,label\nx y,1\nz,2\n", {}),
    "Windows, with a mark at the start": ("a.csv", "\ufefftext,label\r\nx y,1\r\nz,2\r\n", {}),
    "lines of an old Mac": ("a.csv", "text,label\rx y,1\rz,2\r", {}),
    "an ending in capitals": ("A.TSV", "text\tlabel\nx y\t1\nz\t2\n", {}),
    "quoted": ("a.csv", '"text","label"\n"x y","1"\n"z",2\n', {}),
    "a blank behind each comma": ("a.csv", 'text, label\n"x y", "1"\nz, 2\n', {}),
    "a blank behind each comma, quoted": ("a.csv", '"text", "label"\n"x y", "1"\n"z", "2"\n', {}),
    "blanks in the header": ("a.csv", " text , label \nx y,1\nz,2\n", {}),
    "blank lines": ("a.csv", "\ntext,label\n\nx y,1\n   \nz,2\n\n", {}),
    "columns without a name": ("a.csv", ",text,label,\n0,x y,1,\n1,z,2,\n", {}),
    "no line end": ("a.csv", "text,label\nx y,1\nz,2", {}),
    "tabs": ("a.tsv", "text\tlabel\nx y\t1\nz\t2\n", {}),
    "semicolons": ("a.csv", "text;label\nx y;1\nz;2\n", {"delimiter": ";"}),
    "tabs in a .csv": ("a.csv", "text\tlabel\nx y\t1\nz\t2\n", {"delimiter": "tab"}),
    "tabs, quoted": ("a.tsv", '"text"\t"label"\n"x y"\t1\nz\t2\n', {"quoting": "minimal"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_csv_is_read(tmp_path, form):
    name, content, options = FORMS[form]
    assert read(tmp_path / name, content, **options)[0].to_list() == [
        {"text": "x y", "label": "1"},
        {"text": "z", "label": "2"},
    ]


def test_quotation_marks_are_characters_in_tsv(tmp_path):
    table, lines = read(tmp_path / "a.tsv", 'text\tlabel\n"open\t1\na "b" c\t2\n')
    assert table["text"] == ['"open', 'a "b" c'] and list(lines) == [2, 3]
    table, _ = read(tmp_path / "a.csv", 'text,label\n"open,1\n', quoting="none")
    assert table["text"] == ['"open']


@pytest.mark.parametrize(
    ("header", "names"), [('id, "text, long"', ["id", "text, long"]), ('id,"a, b"', ["id", "a, b"])]
)
def test_a_comma_in_a_columns_name_may_be_in_quotation_marks(tmp_path, header, names):
    table, _ = read(tmp_path / "a.csv", f"{header}\n1, 2\n")
    assert table.column_names == names and table[names[1]][0] == ("2" if ", " in header[:5] else " 2")


def test_a_cell_of_tsv_that_looks_quoted_is_said_to_be_read_as_it_stands(tmp_path):
    content = 'text\tlabel\n"He said ""hi"""\t1\n"open\t2\n'
    with pytest.warns(
        UserWarning, match=r"a.tsv:2: a cell stands in .* set task.dataset.quoting to minimal, or to none"
    ):
        table, _ = read(tmp_path / "a.tsv", content)
    assert table["text"][0] == '"He said ""hi"""'
    with warnings.catch_warnings(action="error"):
        read(tmp_path / "a.tsv", content, quoting="none")
        read(tmp_path / "b.tsv", 'text\tlabel\n"word"\t1\n')


def test_a_cell_may_be_long_and_hold_line_breaks_and_lines_are_counted(tmp_path):
    long = "x" * 200_000
    table, lines = read(tmp_path / "a.csv", f'text,label\n"{long}\n""y"", z",1\n\nb,2\n')
    assert table["text"] == [f'{long}\n"y", z', "b"] and list(lines) == [2, 5]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "text,label\na,1\nwell, it rains,1\n", ":3: 3 cell(s), the header has 2; put cells that hold ','"),
        ("a.csv", "text,label\na,1\nb\n", ":3: 1 cell(s), the header has 2"),
        ("a.tsv", "text\tlabel\na\tb\t1\n", ":2: 3 cell(s), the header has 2; a cell cannot hold a tab"),
        ("a.csv", 'text,label\na,1\n"b,2\nc,3\n', ":3: cannot be read as CSV"),
        ("a.csv", 'text,label\na,1\n"b" c,2\n', ":3: cannot be read as CSV"),
        ("a.csv", "text;label\na;1\n", ":1: one column, 'text;label'; set task.dataset.delimiter=';'"),
        ("a.csv", "text\tlabel\na\t1\n", ":1: one column, 'text label'; set task.dataset.delimiter=tab"),
        ("a.tsv", "text,label\na,1\n", ":1: one column, 'text,label'; set task.dataset.delimiter=','"),
        ("a.csv", b"text,label\na,1\ncaf\xe9,2\n", ":3: not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_line(tmp_path, name, content, says):
    with pytest.raises(UserError) as error:
        read(tmp_path / name, content)
    assert str(error.value).startswith(f"{tmp_path / name}{says}")


@pytest.mark.parametrize(("key", "value"), [("delimiter", ""), ("delimiter", ";;"), ("quoting", "no")])
def test_an_option_that_is_none_is_refused_by_name(tmp_path, key, value):
    with pytest.raises(UserError, match=rf"^task\.dataset\.{key}: .*'{value}'"):
        read(tmp_path / "a.csv", "text,label\na,1\n", **{key: value})


def test_a_column_that_stands_twice_is_left_out_and_noted(tmp_path):
    table, _ = read(tmp_path / "a.csv", "text,x,x\na,1,2\n")
    assert table.to_list() == [{"text": "a"}] and table.faults == {"x": (0, "appears twice in the header")}


@pytest.mark.parametrize("form", [{}, {"delimiter": ";"}])
def test_a_first_line_that_names_the_delimiter_is_refused(tmp_path, form):
    with pytest.raises(UserError, match=r"a.csv:1: the first line names the delimiter, .*; remove this line"):
        read(tmp_path / "a.csv", "sep=;\ntext;label\nx y;1\n", **form)


def test_a_column_may_be_called_like_the_line_that_names_the_delimiter(tmp_path):
    table, _ = read(tmp_path / "a.csv", "sep=,text\n1,a\n")
    assert table.to_list() == [{"sep=": "1", "text": "a"}]


def test_a_blank_cell_of_one_column_is_a_row_and_a_blank_line_is_none(tmp_path):
    table, lines = read(tmp_path / "a.csv", 'text\ngood\n""\n\n  \nbad\n')
    assert table.to_list() == [{"text": "good"}, {"text": None}, {"text": "  "}, {"text": "bad"}]
    assert list(lines) == [2, 3, 5, 6]
