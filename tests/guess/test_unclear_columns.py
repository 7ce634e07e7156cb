"""Tables whose columns and cells say what they are for, and those that leave it unclear."""

import json
import random

import pytest

from ptv2.errors import UserError
from ptv2.guess.card import guess
from ptv2.guess.files import find

WORDS = "cat dog cow hen apple pear plum fig eats sees red big small in at Ann Bob Rome Oslo".split()


def text(seed, words=8):
    draw = random.Random(seed)
    return " ".join(draw.choices(WORDS, k=words))


def tags_of(said, mark=" "):
    return mark.join("B-LOC" if word == "Oslo" else "O" for word in said.split())


CHOSEN = [[text(10 * i + k, 3) for k in range(4)] for i in range(80)]
COLUMNS = {
    "choices and a letter": (
        "question,A,B,C,D,answer",
        lambda i: [text(i), *CHOSEN[i], "ABCD"[i * 7 % 4]],
        {"kind": "choice", "label": "answer", "options": {"first": "A"}},
    ),
    "choices that are numbers": (
        "question,option_a,option_b,correct_option",
        lambda i: [text(i), i, 2 * i + 1, "ab"[i * 7 % 3 % 2]],
        {"inputs": {"text": "question", "choice1": "option_a", "choice2": "option_b"}, "options": {"first": "a"}},
    ),
    "two choices, of which an answer names one": (
        "prompt,a,b,answer",
        lambda i: [text(i), *CHOSEN[i][:2], "ab"[i * 7 % 3 % 2]],
        {"kind": "choice", "inputs": {"text": "prompt", "choice1": "a", "choice2": "b"}},
    ),
    "half steps": (
        "text,score",
        lambda i: [text(i), i * 7 % 9 / 2],
        {"kind": "regression", "label": "score"},
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_say_what_they_are_for(name, tmp_path):
    header, row, expected = COLUMNS[name]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([header, *(",".join(map(str, row(i))) for i in range(80))]) + "\n")
    card = guess(file, "example").card
    assert {key: card.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("header", "names"),
    [("Text;Price, EUR", ["Text", "Price, EUR"]), ("Text;Price, EUR;Mark", ["Text", "Price, EUR", "Mark"])],
)
def test_a_comma_in_a_header_is_no_delimiter_where_others_read_all_rows(header, names, tmp_path):
    more = ";good" if "Mark" in names else ""
    lines = [header, *(f"{text(i)};{i % 50 + 10},{i * 7 % 90 + 10}{more}" for i in range(60))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    found = find(tmp_path / "rows.csv")
    assert found.dataset["delimiter"] == ";" and found.first.data.column_names == names


def test_choices_of_which_a_text_is_right(tmp_path):
    lines = (json.dumps({"stem": text(i), "ends": CHOSEN[i], "answer": CHOSEN[i][i * 7 % 4]}) for i in range(80))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    card = guess(tmp_path / "a.jsonl", "a").card
    assert (card["kind"], card["options"]) == ("choice", {"label_in": "ends"})


def test_a_tag_before_each_word(tmp_path):
    sentences = ("\n".join(f"{'B-LOC' if w == 'Oslo' else 'O'}\t{w}" for w in text(i).split()) for i in range(30))
    (tmp_path / "a.conll").write_text("\n\n".join(sentences) + "\n")
    card = guess(tmp_path / "a.conll", "a").card
    assert (card["kind"], card["options"]) == ("tagging", {"token_column": 1, "tag_column": 0})


USUAL = {
    "whole numbers that differ": (
        lambda i: {"sentence1": text(i), "sentence2": text(-i), "score": i * 37 % 101},
        {"kind": "regression", "label": "score"},
    ),
    "a text and all of its references": (
        lambda i: {"source": text(i), "target": text(-i), "references": [text(-i), text(-2 * i - 1)]},
        {"kind": "seq2seq", "options": {"references": "references"}},
    ),
    "features beside a text": (
        lambda i: {"text": text(i), "x1": i % 7, "x2": i / 3, "x3": i % 5, "label": i % 2},
        {"kind": "cls", "label": "label"},
    ),
    "dots in names of columns": (
        lambda i: {"doc.text": text(i), "gold.label": "xy"[i % 2]},
        {"kind": "cls", "inputs": {"text": "doc.text"}, "label": "gold.label"},
    ),
    "nothing in a list": (lambda i: {"text": text(i), "label": i % 2, "marks": ["a", None]}, {"kind": "cls"}),
    "a class beside a list of words": (
        lambda i: {"text": text(i), "tokens": text(i).split(), "label": i % 2},
        {"kind": "cls", "inputs": {"text": "text"}},
    ),
    "a truth beside a list of words": (
        lambda i: {"text": text(i), "tokens": text(i).split(), "correct": i % 2 == 0, "target": i % 3},
        {"kind": "cls", "label": "target"},
    ),
    "objects of unlike keys": (
        lambda i: {"text": text(i), "label": i % 2, "turns": [{"who": "a"}, {"said": text(i)}]},
        {"kind": "cls"},
    ),
    "numbers among texts": (
        lambda i: {"text": i if i % 7 == 0 else text(i), "label": i % 2},
        {"inputs": {"text": "text"}},
    ),
    "tags that are a text beside a label": (
        lambda i: {"text": (said := text(i)), "tags_text": tags_of(said), "intent": "xy"[i % 2]},
        {"kind": "cls", "inputs": {"text": "text"}, "label": "intent"},
    ),
    "marks out of five": (lambda i: {"text": text(i), "rating": f"{1 + i % 5}/5"}, {"kind": "cls"}),
    "not applicable": (lambda i: {"text": text(i), "label": ["A", "B", "C", "N/A"][i % 4]}, {"kind": "cls"}),
    "one or the other": (lambda i: {"text": text(i), "label": ["yes", "no", "yes/no"][i % 3]}, {"kind": "cls"}),
    "labels in brackets": (lambda i: {"text": text(i), "label": ["[POS]", "[NEG]"][i % 2]}, {"kind": "cls"}),
}


@pytest.mark.parametrize("name", USUAL)
def test_what_only_looks_unclear_is_read(name, tmp_path):
    row, expected = USUAL[name]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row(i)) for i in range(120)))
    card = guess(tmp_path / "a.jsonl", "a").card
    assert {key: card.get(key) for key in expected} == expected


DATES = {
    "2020-01-31": lambda i: f"2020-01-{1 + i % 28:02d}",
    "2020-01-31 12:05:00": lambda i: f"2020-01-{1 + i % 28:02d} 12:{i % 60:02d}:00",
    "2020-01-31T12:05:00.250Z": lambda i: f"2020-01-{1 + i % 28:02d}T12:{i % 60:02d}:00.250Z",
    "31.1.2020": lambda i: f"{1 + i % 28}.1.2020",
    "3 Jan 2020": lambda i: f"{1 + i % 28} Jan {1990 + i}",
    "January 3, 2020": lambda i: f"January {1 + i % 28}, {1990 + i}",
    "Sat, 3rd March 2020 at 9:05 pm": lambda i: f"Sat, {1 + i % 28}th March 2020 at 9:{i % 60:02d} pm",
    "Wed Oct 10 20:19:24 +0000 2018": lambda i: f"Wed Oct {1 + i % 28} 20:19:{i % 60:02d} +0000 2018",
    "03-Oct-18 20:19": lambda i: f"{1 + i % 28:02d}-Oct-18 20:{i % 60:02d}",
}


@pytest.mark.parametrize("form", DATES)
def test_a_date_is_neither_a_text_nor_a_label(form, tmp_path):
    rows = ({"made": DATES[form](i), "review": text(i), "stars": i % 5, "day": DATES[form](i % 3)} for i in range(90))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    card = guess(tmp_path / "a.jsonl", "a").card
    assert (card["inputs"], card["label"]) == ({"text": "review"}, "stars")


@pytest.mark.parametrize("name", ["1/5", "1.2.3", "May", "MAY 2", "12:30", "Section 2020", "in 1999"])
def test_what_is_no_date_may_be_a_label(name, tmp_path):
    rows = ({"text": text(i), "label": name if i % 2 else "x"} for i in range(60))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert guess(tmp_path / "a.jsonl", "a").card["labels"] == sorted([name, "x"])


def test_a_word_that_a_column_is_named_by_is_a_row_as_others(tmp_path):
    rows = [f"{WORDS[i % len(WORDS)] if i else 'word'},{text(i)},{i % 2}" for i in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["word,sentence,label", *rows]) + "\n")
    assert guess(tmp_path / "a.csv", "a").card["label"] == "label"


SETS = [["joy"], ["joy", "love"], ["love", "fear", "joy"], ["fear"]]
UNCLEAR = {
    "no header": ("", lambda i: f"{text(i)},{['good', 'bad'][i % 2]}", "'good' is a value as the others"),
    "no header, numbers": ("", lambda i: f"{text(i)},{i % 5}", "'0' is a value as the others"),
    "a column twice": ("text,text,label", lambda i: f"{text(i)},{text(-i)},{i % 2}", "two columns are named 'text'"),
    "labels in a cell": ("text,labels", lambda i: f"{text(i)},{';'.join(SETS[i % 4])}", "several labels in a cell"),
    "labels, at times none": (
        "text,tags",
        lambda i: f"{text(i)},{'|'.join(SETS[i % 4]) if i % 5 else ''}",
        "several labels in a cell, such as love|fear|joy",
    ),
    "a list as a text": ("text,labels", lambda i: f'{text(i)},"{SETS[i % 4]}"', "several labels in a cell"),
    "the text of the right choice": (
        "question,choice1,choice2,answer",
        lambda i: ",".join([text(i), *CHOSEN[i][:2], CHOSEN[i][i * 7 % 3 % 2]]),
        "'answer' holds the text of the right one of choice1, choice2",
    ),
    "decimal commas": ("text,score", lambda i: f'{text(i)},"{i % 7},5"', "'score' holds numbers with a comma"),
    "decimal commas in a column of any name": (
        "text;value in euro",
        lambda i: f"{text(i)};{i % 7},{i % 10}5",
        "'value in euro' holds numbers with a comma",
    ),
    "tags in a text": (
        "sentence,tags",
        lambda i: f"{text(i)},{tags_of(text(i))}",
        "'tags' holds the tags of words as a text, such as",
    ),
    "tags in a text, in a column of any name": (
        "sentence,marks",
        lambda i: f'{text(i)},"{tags_of(text(i), ",")}"',
        "'marks' holds the tags of words as a text",
    ),
    "a word and its tag a row": (
        "Sentence #,Word,POS,Tag",
        lambda i: f"{i // 8},{text(i, 1)},NN,{['O', 'B-PER', 'I-PER'][i % 3]}",
        "a row is a word here, 'Tag' holds its tag",
    ),
    "blank texts": (
        "country,body,label",
        lambda i: f"{['DE', 'FR'][i % 2]},{text(i) if i % 10 else ''},{i % 3}",
        "'body', which is blank in 10% of the rows",
    ),
    "blank labels": (
        "text,label",
        lambda i: f"{text(i)},{'a' if i % 5 else ''}",
        "'label' is blank in 20% of the rows",
    ),
    "one label": ("text,label", lambda i: f"{text(i)},good", "'label' is 'good' in every row"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_unclear_is_said(name, tmp_path):
    header, row, says = UNCLEAR[name]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([header, *map(row, range(60))]).lstrip() + "\n")
    with pytest.raises(UserError) as error:
        guess(file, "a")
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"a": {"label": "xy"[i % 2]}, "text": text(i)} for i in range(30)], "'a.label' lies in an object"),
        (
            [
                {"review": {"headline": text(i, 4), "body": text(i, 12)}, "rating": {"stars": i % 5 + 1}}
                for i in range(30)
            ],
            "'rating.stars' lies in an object",
        ),
        ([{"text": f"a {word}", "label": word} for word in ("cat", "dog", "cow", "hen", "pig")], "holds 5 values in 5"),
        ([{"text": ["a cat", "a dog"], "label": ["x", "y"]}], "has one row; give it 5 or more"),
        ([{"text": "a cat", "label": "x"}, {"text": "a dog", "label": "y"}] * 2, "has 4 rows; give it 5 or more"),
        ([{"text": text(i), "score": i if i % 13 else "NA"} for i in range(60)], "holds numbers, and 'NA' among them"),
        ([{"text": text(i), "price": f"${i},000.5"} for i in range(60)], "holds numbers with other signs, such as"),
        ([{"text": text(i), "price": f"{i % 7 + 1},{i:03}"} for i in range(60)], "write 1234 for 1,234"),
        ([{"text": text(i), "score": 10**400 + i} for i in range(60)], "too many to be labels"),
        (
            [{"text": text(i), "votes": {f"user {i}": 1, f"other {i}": 0}} for i in range(40)],
            r"there are text \(text\), votes \(object\)",
        ),
        (
            [{"text": text(i), "labels": ["joy", "anger", "joy fear", "fear anger joy"][i % 4]} for i in range(60)],
            "several labels in a cell",
        ),
        (
            [{"text": text(i), "joy": i % 2, "fear": i % 3 // 2, "rage": i % 5 // 4} for i in range(60)],
            "'joy', 'fear' and 'rage' hold a 0 or 1 a row, as for several labels; write the labels of a row as a list",
        ),
        (
            [{"text": text(i), "labels": ["27", "2", "10,14", "2,27", "14,2"][i % 5]} for i in range(60)],
            "several labels in a cell",
        ),
    ],
)
def test_rows_without_a_usable_answer_are_named(rows, says, tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match=says):
        guess(tmp_path / "a.jsonl", "a")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (lambda i: {"text": text(i), "joy": i % 2, "fear": i % 3 // 2}, "'joy' holds a 0 or 1 a row, too"),
        (
            lambda i: {"task": text(i), "input": text(-i) if i % 2 else "", "output": text(99 + i)},
            "'input' is blank in 50%",
        ),
        (lambda i: {"context": text(i, 30), "question": text(-i), "answer": text(i, 30)[:9]}, "stands in 'context'"),
    ],
)
def test_what_else_the_rows_may_be_for_is_said(row, says, tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row(i)) for i in range(60)))
    assert says in " ".join(guess(tmp_path / "a.jsonl", "a").why)
