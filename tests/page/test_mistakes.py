"""Which answers are wrong, and in which order and form they are shown."""

import json

import pytest

from ptv2.errors import UserError
from ptv2.model.predictions import line
from ptv2.page.answers import passage, spans, tagged, text_of, wrong_answer
from ptv2.page.mistakes import read_mistakes


def choice(index):
    return {"index": index, "text": "ab"[index]}


CASES = {
    "cls": [
        ("a", "a", {"scores": {"a": 0.9}}),
        ("a", "b", {"scores": {"a": 0.6, "b": 0.4}}),
        ("b", "a", {"scores": {"b": 0.8, "a": 0.2}}),
    ],
    "choice": [
        (choice(0), choice(0), {"scores": {"0": 0.9}}),
        (choice(0), choice(1), {"scores": {"0": 0.6}}),
        (choice(1), choice(0), {"scores": {"1": 0.7}}),
    ],
    "cloze": [
        ("Ann", ["Ann", "Bob"], {"scores": {"Ann": 0.9}}),
        ("Eve", ["Ann"], {"scores": {"Eve": 0.3}}),
        ("Bob", ["Ann"], {"scores": {"Bob": 0.4}}),
    ],
    "multilabel": [(["a", "b"], ["b", "a"], {}), (["a"], ["a", "b"], {}), (["c"], ["a", "b"], {})],
    "regression": [(1.0, 1.0, {}), (1.5, 1.0, {}), (1.0, 4.0, {})],
    "tagging": [(["O", "B-P"], ["O", "B-P"], {}), (["O", "O"], ["O", "B-P"], {}), (["B-P", "O"], ["O", "B-P"], {})],
    "span": [
        ("the cat", ["Cat."], {"score": 0.9}),
        ("black cat", ["cat"], {"score": 0.9}),
        ("dog", ["cat"], {"score": 0.2}),
    ],
    "seq2seq": [("a red hen", ["a red hen"], {}), ("a red cow", ["a red hen"], {}), ("zzz", ["a red hen"], {})],
    "own kind": [((1, 2), (1, 2), {}), ("x", "y", {"score": 0.1}), ("x", "z", {"score": 0.2})],
}


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", CASES)
def test_right_answers_are_left_out_and_the_worst_stand_first(kind, tmp_path):
    records = [{"row": i, "prediction": p, "gold": g} | more for i, (p, g, more) in enumerate(CASES[kind])]
    found = read_mistakes(write(tmp_path / "p.jsonl", records), kind)
    assert [record["row"] for record in found.wrong] == [2, 1] and len(found.records) == 3


def test_a_text_may_hold_a_mark_that_ends_a_line(tmp_path):
    written = line({"row": 0, "prediction": "good\u2028one", "gold": "bad\x85one", "scores": {"good\u2028one": 0.9}})
    (tmp_path / "p.jsonl").write_text(f"{written}\n", encoding="utf-8")
    assert [record["gold"] for record in read_mistakes(tmp_path / "p.jsonl", "cls").wrong] == ["bad\x85one"]


def test_rows_without_an_answer_and_texts_that_nobody_wrote_are_no_mistakes(tmp_path):
    assert read_mistakes(write(tmp_path / "a.jsonl", [{"row": 0, "prediction": "a"}]), "cls") is None
    unwritten = [{"row": 0, "prediction": "", "gold": ["a"]}]
    assert read_mistakes(write(tmp_path / "b.jsonl", unwritten), "seq2seq") is None


@pytest.mark.parametrize("line", ['{"row": 0, "gold": 1}', "[]", "nothing", "3"])
def test_a_line_that_is_no_record_is_named(line, tmp_path):
    (tmp_path / "p.jsonl").write_text(f'{{"row": 0, "prediction": "a", "gold": "a"}}\n{line}\n')
    with pytest.raises(UserError, match=r"p\.jsonl:2: is not a record of a prediction"):
        read_mistakes(tmp_path / "p.jsonl", "cls")


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["B-P", "I-P", "O", "I-L"], [("P", 0, 2), ("L", 3, 4)]),
        (["B-P", "B-P", "I-L"], [("P", 0, 1), ("P", 1, 2), ("L", 2, 3)]),
        (["S-P", "B-L", "E-L", None], [("P", 0, 1), ("L", 1, 3)]),
        (["NN", "NN", "I"], [("NN", 0, 1), ("NN", 1, 2), ("I", 2, 3)]),
        ([], []),
    ],
)
def test_spans_are_found_under_any_scheme(tags, found):
    assert list(spans(tags)) == found


def test_spans_are_marked_by_whether_the_other_side_has_them():
    made = tagged(["<Ann>", "saw", "Rome"], ["B-P", "O", "B-L"], ["B-P", "O", "O"])
    assert made == (
        '<mark class="both">&lt;Ann&gt;<sub>P</sub></mark> saw <mark class="wrong">Rome<sub>L</sub></mark> '
    )


def test_without_words_the_places_that_differ_are_named():
    assert tagged(None, ["B-P", "O"], ["B-P", "B-L"]) == "word 1: O\n"


def test_a_passage_shows_both_answers():
    record = {"prediction": "b c", "answer_start": 2, "gold": ["c d", ""]}
    assert passage("a b c d", record) == (
        'a <mark class="wrong">b </mark><mark class="both">c</mark><mark class="gold"> d</mark>'
    )
    moved = {"prediction": "b", "answer_start": 99, "gold": []}
    assert passage("a b", moved) == "a b"


@pytest.mark.parametrize(
    ("value", "text"),
    [("", "(empty)"), ([], "(none)"), (["a", "b", "a"], "a\nb"), ({"index": 1, "letter": "B", "text": "x"}, "B: x")],
)
def test_answers_are_written_as_text(value, text):
    assert text_of(value) == text


def test_inputs_and_answers_of_a_user_stay_text():
    record = {"row": 3, "prediction": "<i>", "gold": "<b>", "scores": {"<i>": 0.75}}
    card = {"kind": "cls", "inputs": {"text": "text"}}
    made = wrong_answer(record, {"text": "<script>"}, card)
    assert "<script>" not in made and "&lt;script&gt;" in made and "0.750" in made and "&lt;b&gt;" in made
