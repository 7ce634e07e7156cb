"""The page's HTML: what users write stays text, and a browser is told to fetch nothing."""

import pytest

from ptv2.page.html import Html, document, escape, join, pairs, section, table, tag


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"quoted\" & 'single'", "&quot;quoted&quot; &amp; &#x27;single&#x27;"),
        ("a\x00b\x1bc", "a\ufffdb\ufffdc"),
        ("half of a pair: \ud83d", "half of a pair: \ufffd"),
        ("line\nbreak\ttab", "line\nbreak\ttab"),
        (0.5, "0.5"),
    ],
)
def test_text_is_escaped_where_it_is_put_in(text, written):
    assert escape(text) == written
    assert tag("td", text) == f"<td>{written}</td>"
    written.encode("utf-8")


def test_markup_is_not_escaped_twice():
    inner = tag("b", "a & b")
    assert tag("p", inner, " < ", None) == "<p><b>a &amp; b</b> &lt; </p>"
    assert isinstance(join([inner, "x"]), Html)


def test_attributes_cannot_be_left():
    assert tag("a", class_='x" onload="y', stroke_width=None) == '<a class="x&quot; onload=&quot;y"></a>'
    assert tag("line", x1=1, stroke_dasharray="4 2") == '<line x1="1" stroke-dasharray="4 2"/>'


def test_a_table_puts_numbers_to_the_right():
    made = table(["run", "score"], [["<a>", 0.5]])
    assert '<td class="short">&lt;a&gt;</td>' in made and '<td class="number">0.5</td>' in made


def test_a_section_without_content_is_nothing():
    assert section("Curves", Html("")) == "" and section("Curves", "x") == "<section><h2>Curves</h2>x</section>"
    assert pairs([("a<b", 1)]) == "<dl><div><dt>a&lt;b</dt><dd>1</dd></div></dl>"


def test_a_document_forbids_scripts_and_fetching():
    page = document("<t>", tag("p", "x"))
    assert page.startswith("<!DOCTYPE html>") and "<title>&lt;t&gt;</title>" in page
    assert "default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;; img-src data:" in page
