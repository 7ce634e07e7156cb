"""What is longer than a limit: which words go, which stay, and what is said of it."""

import json
import re
import sys

import pytest
from seq2seq_models import loaded_tokenizer

from ptv2.commands.task_check import check_split
from ptv2.config.cards import make_card
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds.check import check_card
from ptv2.kinds.cut import encode_cut
from ptv2.kinds.templates import parts_of

ROW = {"a": "the cat eats", "b": "a red cow sees the small dog", "c": "fig fig"}


def encoded(tokenizer, templates, length, field=None, row=ROW):
    return encode_cut(tokenizer, [parts_of(template, row, lambda: "here") for template in templates], length, field)


@pytest.mark.parametrize(
    ("templates", "length", "field", "kept", "lost"),
    [
        (["a"], 5, None, "the cat eats |", 0),
        (["a"], 4, None, "the cat |", 1),
        (["{a}"], 4, "a", "the cat |", 1),
        (["a", "b"], 8, None, "the cat | a red cow |", 5),  # by the tokenizer, a token of the longer one at a time
        (["a", "b"], 8, "b", "the cat eats | a red |", 5),
        (["a", "b"], 11, "a", "the | a red cow sees the small dog |", 2),
        (["{b} in Rome"], 7, None, "a red cow in rome |", 4),  # the template's words stay
        (["{a} at {b}"], 9, None, "the cat eats at a red cow |", 4),
        (["{a} at {b}"], 7, None, "the cat at a red |", 6),
        (["{a} at {b}"], 10, "a", "at a red cow sees the small dog |", 3),
        (["{a} at {b}"], 8, "a", "at a red cow sees the |", 5),  # the field named has no more: the next one
        (["in {a}", "b"], 10, None, "in the cat eats | a red cow |", 4),
        (["{c} {b}", "at {c}"], 10, None, "fig fig a red | at fig fig |", 5),
        (["the small dog sees {c}"], 5, None, "the small dog |", 3),  # no room for the words alone
    ],
)
def test_which_words_are_cut(tokenizer, templates, length, field, kept, lost):
    feature = encoded(tokenizer, templates, length, field)
    pieces = " ".join(tokenizer.convert_ids_to_tokens(feature["input_ids"]))
    assert pieces.removeprefix("[CLS] ").replace("[SEP]", "|") == kept
    assert feature["cut"] == lost


@pytest.mark.parametrize("templates", [["a"], ["a", "b"], ["{a} at {b}"], ["in {a}", "{b}"]])
def test_what_fits_is_what_the_tokenizer_makes_of_it(tokenizer, templates):
    texts = ["".join(part.text for part in parts_of(template, ROW, str)) for template in templates]
    feature = encoded(tokenizer, templates, 40)
    assert feature == dict(tokenizer(*texts)) | {"cut": 0}


@pytest.mark.parametrize("family", ["t5", "bart", "gpt2", "llama"])
@pytest.mark.parametrize("length", range(5, 14))
def test_every_length_is_met_and_no_room_is_left(family, length):
    """Whatever tokens a tokenizer adds, and wherever it puts the blanks between words."""
    tokenizer = loaded_tokenizer(family)
    assert len(encoded(tokenizer, ["{b} in Rome"], length)["input_ids"]) == min(
        length, len(tokenizer("a red cow sees the small dog in Rome")["input_ids"])
    )


def test_a_tokenizer_without_offsets_cuts_at_word_ends(tokenizer, monkeypatch):
    """Its tokens are counted word by word."""
    monkeypatch.setattr(type(tokenizer), "is_fast", property(lambda self: False))
    feature = encoded(tokenizer, ["{b} in Rome"], 8, row={"b": "the dora cat"})
    assert tokenizer.decode(feature["input_ids"]) == "[CLS] the in rome [SEP]"


# What is said


def data_of(tmp_path, tokenizer, rows, **card):
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = {"name": "long", "dataset": {"path": str(tmp_path)}, "metrics": ["accuracy"]} | card
    return TaskData(make_card(made), tokenizer, splits=("train",))


SHORT, LONG = "the cat", "the cat eats a fig at Rome"
CLS = {"kind": "cls", "inputs": {"text": "t"}}
PERSON = ["O", "B-PER"]
QUESTION = {"q": "a cat", "c": "the small cat eats a big red apple at Rome"}
SPAN = {"kind": "span", "inputs": {"question": "q", "context": "c"}, "label": "answers", "metrics": ["squad_em"]}
CLOZE = {"text": LONG, "q": "a @placeholder", "e": ["cat", "dog"], "label": ["cat"]}


def answered(text, start):
    return QUESTION | {"answers": {"text": [text], "answer_start": [start]}}


SAID = {
    "cls": (
        CLS | {"max_length": 6},
        [{"t": SHORT, "label": "a"}, {"t": LONG, "label": "b"}, {"t": LONG + " cow", "label": "b"}],
        "2 of 3 rows are longer than max_length=6 and were cut, by 4 tokens at most",
    ),
    "a pair": (
        {"kind": "cls", "inputs": {"text": "t", "pair": "u"}, "max_length": 11},
        [{"t": SHORT, "u": LONG, "label": "a"}, {"t": SHORT, "u": SHORT, "label": "b"}],
        "1 of 2 rows are longer than max_length=11 and were cut, by 1 token at most",
    ),
    "regression": (
        {"kind": "regression", "inputs": {"text": "t"}, "metrics": ["pearson"], "max_length": 6},
        [{"t": LONG, "label": 1}, {"t": SHORT, "label": 2}],
        "1 of 2 rows are longer than max_length=6 and were cut, by 3 tokens at most",
    ),
    "multilabel": (
        {"kind": "multilabel", "inputs": {"text": "t"}, "metrics": ["micro_f1"], "max_length": 6},
        [{"t": LONG, "label": ["x"]}, {"t": SHORT, "label": ["y"]}],
        "1 of 2 rows are longer than max_length=6 and were cut, by 3 tokens at most",
    ),
    "choice": (
        {"kind": "choice", "inputs": {"text": "t", "choices": "c"}, "max_length": 7},
        [{"t": SHORT, "c": [SHORT, "cow"], "label": 0}, {"t": SHORT, "c": ["a fig", LONG], "label": 0}],
        "1 of 2 rows are longer than max_length=7 and were cut, by 5 tokens at most",
    ),
    "cloze": (
        {
            "kind": "cloze",
            "inputs": {"text": "text", "query": "q", "entities": "e"},
            "metrics": ["squad_em"],
            "max_length": 10,
        },
        [CLOZE, CLOZE | {"text": SHORT}],
        "1 of 2 rows are longer than max_length=10 and were cut, by 2 tokens at most",
    ),
    "seq2seq": (
        {"kind": "seq2seq", "inputs": {"source": "t"}, "metrics": ["rouge1"], "max_length": 6},
        [{"t": LONG, "label": "fig"}, {"t": SHORT, "label": "cat"}],
        "1 of 2 rows are longer than max_length=6 and were cut, by 3 tokens at most",
    ),
    "tagging": (
        {"kind": "tagging", "inputs": {"tokens": "w"}, "labels": PERSON, "metrics": ["span_f1"], "max_length": 5},
        [{"w": LONG.split(), "label": ["O"] * 7}, {"w": ["Ann", "eats"], "label": ["B-PER", "O"]}],
        "words behind max_length=5 are not read, and scored as O: 4, in 1 of 2 rows",
    ),
    "tagging, no O": (
        {"kind": "tagging", "inputs": {"tokens": "w"}, "labels": ["N", "V"], "max_length": 4},
        [{"w": ["Ann", "sees", "Bob"], "label": ["N", "V", "N"]}],
        "words behind max_length=4 are not read, and scored as wrong: 1, in 1 of 1 rows",
    ),
    "a long answer": (
        SPAN | {"max_length": 30, "options": {"stride": 4, "max_answer_tokens": 3}},
        [answered("small cat", 4), answered("cat eats a big", 10), answered("big red apple at Rome", 21)],
        "the answers of 2 of 3 rows are longer than max_answer_tokens=3 and cannot be given",
    ),
    "an answer across windows": (
        SPAN | {"max_length": 10, "options": {"stride": 2}},
        [answered("small cat", 4), answered("cat eats a big", 10)],
        "the answers of 1 of 2 rows are whole in no window of max_length=10 with stride=2",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_a_limit_takes_is_said(name, tokenizer, tmp_path, capsys):
    card, rows, says = SAID[name]
    data = data_of(tmp_path, tokenizer, rows, **card)
    data.encoded("train")
    assert capsys.readouterr().out == f"long train: {says}\n"
    rows_cut, of = map(int, re.search(r"([0-9]+) of ([0-9]+) rows", says).groups())
    assert check_split(data, "train").cut == rows_cut / of  # the column of `ptv2.tasks check`


def test_nothing_is_said_where_nothing_is_cut(tokenizer, tmp_path, capsys):
    data = data_of(tmp_path, tokenizer, [{"t": SHORT, "label": name} for name in "ab"], **CLS, max_length=4)
    data.encoded("train")
    assert capsys.readouterr().out == ""


def test_evaluation_and_prediction_leave_standard_output_to_their_answers(tokenizer, tmp_path, capsys):
    data = data_of(tmp_path, tokenizer, [{"t": LONG, "label": name} for name in "ab"], **CLS, max_length=6)
    data.notices_to = sys.stderr
    data.encoded("train")
    said = capsys.readouterr()
    assert said.out == "" and "long train: 2 of 2 rows are longer than max_length=6" in said.err


# The field that a card names


@pytest.mark.parametrize(
    ("kind", "inputs", "label", "fields"),
    [
        ("cls", {"text": "{doc.body} by {author}", "pair": "claim"}, "label", ["doc.body", "author", "claim"]),
        ("choice", {"text": "stem", "choices": "options.text"}, "label", ["stem", "choice"]),
        ("cloze", {"text": "passage", "query": "query", "entities": "names"}, "label", ["passage", "query"]),
        ("seq2seq", {"source": "{doc} Summary:"}, "label", ["doc"]),
        ("tagging", {"tokens": "tokens"}, "label", []),
        ("span", {"question": "q", "context": "c"}, "label", []),
    ],
)
def test_truncate_names_a_field_that_can_be_cut(kind, inputs, label, fields):
    metric = {"cloze": "squad_em", "seq2seq": "rouge1", "span": "squad_em"}.get(kind, "accuracy")
    card = {"name": "x", "kind": kind, "inputs": inputs, "label": label, "metrics": [metric], "dataset": {"path": "d"}}
    for field in fields:
        check_card(make_card(card | {"options": {"truncate": field}}))
    says = "truncate is 'label', which is no field of a text that is cut" if fields else "unknown option 'truncate'"
    with pytest.raises(UserError, match=f"x.options: {says}"):
        check_card(make_card(card | {"options": {"truncate": "label"}}))


@pytest.mark.parametrize(
    ("options", "read"),
    [({}, "the cat at the cat eats a"), ({"truncate": "t"}, "at the cat eats a fig at")],
)
def test_truncate_is_what_is_cut(tokenizer, tmp_path, options, read):
    card = {"kind": "cls", "inputs": {"text": "{t} at {u}"}, "max_length": 9, "labels": ["a", "b"]}
    data = data_of(tmp_path, tokenizer, [{"t": SHORT, "u": LONG, "label": "a"}], **card, options=options)
    assert tokenizer.decode(data.encoded("train")[0]["input_ids"], skip_special_tokens=True).startswith(read)
