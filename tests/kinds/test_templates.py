"""Templates read any column, also one whose name has braces, brackets, colons or dots in it."""

import pytest

from ptv2.errors import UserError
from ptv2.kinds.templates import check_template, fields_of, fill, names_of, parts_of, quoted
from ptv2.rows.columns import column_of

ROW = {
    **{"text": "a cat", "Review: body": "good", "text [en]": "fine", "a{b}": "odd", "x.y": "dotted", "Wow!": "loud"},
    **{"q[0]": "first", "turns [all]": ["Hi.", "Bye."], "meta": {"title: long": "Rome"}, "list": ["one", "two"]},
}


@pytest.mark.parametrize(
    ("template", "text", "fields"),
    [
        ("Review: body", "good", {"Review: body"}),
        ("q[0]", "first", {"q[0]"}),
        ("x.y", "dotted", {"x.y"}),
        ('{"Review: body"} {text}', "good a cat", {"Review: body", "text"}),
        ('{text}: {"text [en]"}', "a cat: fine", {"text", "text [en]"}),
        ('{"a{b}"}', "odd", {"a{b}"}),
        ('{"turns [all]": / }', "Hi. / Bye.", {"turns [all]"}),
        ('{"Wow!"} "{text}"', 'loud "a cat"', {"Wow!", "text"}),
        ('{{"text": {text}}}', '{"text": a cat}', {"text"}),
        ('{"meta.title: long"}', "Rome", {"meta.title: long"}),
        ("{list[1]} {x.y}", "two dotted", {"list", "x.y"}),
    ],
)
def test_what_a_template_reads(template, text, fields):
    check_template(template, "inputs.text")
    assert fill(template, ROW, str) == text
    assert fields_of(template) == fields


@pytest.mark.parametrize("name", ["text", "Review: body", "text [en]", "a{b}", "Wow!", "x.y"])
def test_a_name_is_written_so_that_it_is_read(name):
    template = f"{{{quoted(name)}}}."
    assert names_of(template) == [name] and fill(template, ROW, str) == f"{ROW[name]}."
    assert [part.field for part in parts_of(template, ROW, str)] == [name, None]


def test_a_column_that_is_missing_is_named_as_it_stands():
    with pytest.raises(UserError, match=r"here: field 'Review: title' is missing"):
        fill('{"Review: title"} {text}', ROW, lambda: "here")


@pytest.mark.parametrize(
    ("path", "column"), [("x.y", "x.y"), ("meta.title: long", "meta"), ("text", "text"), ("z.a", "z")]
)
def test_the_column_of_a_field(path, column):
    assert column_of(path, ROW) == column
