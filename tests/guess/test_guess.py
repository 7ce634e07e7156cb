"""What is guessed from rows, by their form: the kind, the inputs, the label and what goes with them."""

import json
import random

import pytest

from ptv2.config.cards import SPLITS, make_card
from ptv2.data.bad_rows import bad_rows
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.guess.card import guess
from ptv2.rows.sources import load_rows

WORDS = "cat dog cow hen apple pear plum fig eats sees red big small in at Ann Bob Rome Oslo".split()


def text(seed, words=8):
    draw = random.Random(seed)
    return " ".join(draw.choices(WORDS, k=words))


def tagged(i):
    tokens = text(i, 6).split()
    return {
        "tokens": tokens,
        "ner": ["B-PER" if w in ("Ann", "Bob") else "B-LOC" if w == "Oslo" else "O" for w in tokens],
    }


def asked(i):
    context = text(i, 20)
    start = context.index(" ") + 1
    answer = context[start:].split()[0]
    return {
        "id": f"q{i}",
        "context": context,
        "question": f"what is {text(-i, 3)}?",
        "answers": {"text": [answer], "answer_start": [start]},
    }


def gapped(i):
    names = [text(10 * i + k, 2) for k in range(3)]
    return {"passage": text(i, 30), "query": f"@placeholder {text(-i, 4)}", "names": names, "right": [names[i % 3]]}


def spanned(i):
    said = f"{text(i, 3)} Ann {text(-i, 3)}"
    start = said.index("Ann", len(text(i, 3)))
    return {"text": said, "label": [[start, start + 3, "PER"]]}


CASES = {
    "a text and a name": (
        lambda i: {"review": text(i), "verdict": "good" if i % 3 else "bad"},
        {"kind": "cls", "inputs": {"text": "review"}, "label": "verdict", "labels": ["bad", "good"]},
    ),
    "a text and stars; rows are numbered": (
        lambda i: {"id": i, "text": text(i), "stars": i % 5 + 1},
        {"kind": "cls", "inputs": {"text": "text"}, "label": "stars", "labels": ["1", "2", "3", "4", "5"]},
    ),
    "columns without a telling name": (
        lambda i: {"v1": "ham" if i % 4 else "spam", "v2": text(i)},
        {"kind": "cls", "inputs": {"text": "v2"}, "label": "v1", "labels": ["ham", "spam"]},
    ),
    "classes that some ids name": (
        lambda i: {"text": text(i), "label": i % 3, "label_text": ["low", "mid", "top"][i % 3]},
        {"kind": "cls", "inputs": {"text": "text"}, "label": "label_text", "labels": ["low", "mid", "top"]},
    ),
    "one class is that of nearly all": (
        lambda i: {"text": text(i), "toxic": int(i % 20 == 0)},
        {"kind": "cls", "label": "toxic", "metrics": ["macro_f1", "accuracy"]},
    ),
    "a pair": (
        lambda i: {"sentence1": text(i), "sentence2": text(-i), "label": i % 2, "idx": i},
        {"kind": "cls", "inputs": {"text": "sentence1", "pair": "sentence2"}, "label": "label"},
    ),
    "a title is no pair": (
        lambda i: {"title": text(i, 4), "body": text(-i, 30), "topic": ["a", "b", "c"][i % 3]},
        {"kind": "cls", "inputs": {"text": "{title}. {body}"}, "label": "topic"},
    ),
    "a word of the text is read with it": (
        lambda i: {"word": text(i).split()[2], "sentence1": text(i), "sentence2": text(-i), "label": bool(i % 2)},
        {"kind": "cls", "inputs": {"text": "{word} {sentence1}", "pair": "sentence2"}, "labels": ["false", "true"]},
    ),
    "numbers": (
        lambda i: {"first": text(i), "second": text(-i), "similarity": round((i * 7 % 50) / 10, 2)},
        {"kind": "regression", "inputs": {"text": "first", "pair": "second"}, "label": "similarity"},
    ),
    "numbers, and a label that says which half they are in": (
        lambda i: {"text": text(i), "score": (i * 37 % 101) / 10 - 5.05, "label": int((i * 37 % 101) / 10 > 5.05)},
        {"kind": "regression", "label": "score", "metrics": ["pearson", "spearman"]},
    ),
    "a price of two texts": (
        lambda i: {"title": text(i, 4), "description": text(-i, 20), "price": round(5 + i * 7.3 % 90, 2)},
        {"kind": "regression", "inputs": {"text": "{title}. {description}"}, "label": "price"},
    ),
    "names that templates would take apart": (
        lambda i: {"Title: en": text(i, 4), "body {en}": text(-i, 20), "Topic [1]": "ab"[i % 2]},
        {"kind": "cls", "inputs": {"text": "Title: en", "pair": '{"body {en}"}'}, "label": "Topic [1]"},
    ),
    "a headline of a topic is no text to write": (
        lambda i: {"Headline": text(i, 4), "Body": text(-i, 20), "Category": ["Sports", "World"][i % 2]},
        {"kind": "cls", "inputs": {"text": "{Headline}. {Body}"}, "label": "Category"},
    ),
    "a letter that any text holds is no word of it": (
        lambda i: {"text": text(i), "coarse": "AE"[i % 2], "fine": ["A1", "E1", "A2", "E2"][i % 4]},
        {"kind": "cls", "inputs": {"text": "text"}, "label": "fine"},
    ),
    "translations in an object": (
        lambda i: {"translation": {"en": text(i), "de": text(-i)}},
        {"kind": "seq2seq", "inputs": {"source": "translation.en"}, "label": "translation.de"},
    ),
    "several labels": (
        lambda i: {"text": text(i), "emotions": [["joy"], ["joy", "love"], []][i % 3]},
        {"kind": "multilabel", "label": "emotions", "labels": ["joy", "love"]},
    ),
    "a 0 or 1 for each label": (
        lambda i: {"text": text(i), "labels": [i % 2, int(i % 3 == 0), 1]},
        {"kind": "multilabel", "label": "labels", "labels": ["label 0", "label 1", "label 2"]},
    ),
    "words and tags": (
        tagged,
        {"kind": "tagging", "inputs": {"tokens": "tokens"}, "label": "ner", "labels": ["O", "B-LOC", "B-PER"]},
    ),
    "a score of a customer of a segment": (
        lambda i: {"segment": ["SMB", "Enterprise"][i % 2], "verbatim": text(i, 12), "nps_0_10": i * 7 % 11},
        {"inputs": {"text": "verbatim"}, "label": "nps_0_10"},
    ),
    "words and tags that are no spans": (
        lambda i: {"words": text(i, 6).split(), "pos": ["NOUN" if len(w) > 3 else "VERB" for w in text(i, 6).split()]},
        {"kind": "tagging", "inputs": {"tokens": "words"}, "label": "pos", "metrics": ["accuracy"]},
    ),
    "spans of a text": (
        spanned,
        {"kind": "tagging", "label": "tags", "options": {"spans_column": "label", "text_column": "text"}},
    ),
    "a predicate": (
        lambda i: {"tokens": text(i, 6).split(), "at": i % 6, "tags": ["B-V" if k == i % 6 else "O" for k in range(6)]},
        {"kind": "tagging", "inputs": {"tokens": "tokens", "predicate": "at"}, "metrics": ["span_f1", "span_f1_no_v"]},
    ),
    "answers in a passage": (
        asked,
        {"kind": "span", "inputs": {"question": "question", "context": "context"}, "options": {"answerable": True}},
    ),
    "some questions have no answer": (
        lambda i: asked(i) | ({"answers": {"text": [], "answer_start": []}} if i % 3 == 0 else {}),
        {"kind": "span", "label": "answers", "metrics": ["squad_f1", "squad_em", "has_answer_f1", "no_answer_f1"]},
    ),
    "a gap": (
        gapped,
        {"kind": "cloze", "inputs": {"text": "passage", "query": "query", "entities": "names"}, "label": "right"},
    ),
    "a list of choices": (
        lambda i: {"stem": text(i), "ends": [text(i * 10 + k, 3) for k in range(4)], "answer": i % 4},
        {"kind": "choice", "inputs": {"text": "stem", "choices": "ends"}, "label": "answer"},
    ),
    "choices with letters": (
        lambda i: {
            "question": text(i),
            "choices": {"text": [text(i * 10 + k, 3) for k in range(3)], "label": ["A", "B", "C"]},
            "answerKey": "ABC"[i % 3],
        },
        {"kind": "choice", "label": "answerKey", "options": {"label_in": "choices.label"}},
    ),
    "letters before the choices": (
        lambda i: {
            "question": text(i),
            "choices": {"label": ["A", "B", "C"], "text": [text(i * 10 + k, 3) for k in range(3)]},
            "answerKey": "ABC"[i % 3],
        },
        {"inputs": {"text": "question", "choices": "choices.text"}, "options": {"label_in": "choices.label"}},
    ),
    "objects in an object": (
        lambda i: {
            "question": {
                "stem": text(i),
                "choices": [{"label": mark, "text": text(i * 10 + k, 3)} for k, mark in enumerate("ABC")],
            },
            "answerKey": "ABC"[i % 3],
        },
        {"kind": "choice", "inputs": {"text": "question.stem", "choices": "question.choices.text"}},
    ),
    "choices in fields of their own, counted from 1": (
        lambda i: {"goal": text(i), "option1": text(-i, 3), "option2": text(i + 99, 3), "answer": str(i % 2 + 1)},
        {"inputs": {"text": "goal", "choice1": "option1", "choice2": "option2"}, "options": {"first": 1}},
    ),
    "a text to write": (
        lambda i: {"document": text(i, 40), "summary": text(-i, 6), "section": ["a", "b"][i % 2]},
        {"kind": "seq2seq", "inputs": {"source": "document"}, "label": "summary"},
    ),
    "a text of triples": (
        lambda i: {"triples": [[text(i, 1), "sees", text(-i, 2)], ["x", "eats", "a fig"]], "said": [text(-i, 9)]},
        {"kind": "seq2seq", "inputs": {"source": "{triples: | }"}, "label": "said"},
    ),
    "a text that was chosen over another": (
        lambda i: {"prompt": text(i), "chosen": text(-i, 9), "rejected": text(99 + i, 9)},
        {"kind": "seq2seq", "inputs": {"source": "prompt"}, "label": "chosen"},
    ),
    "several texts for one source": (
        lambda i: {"mr": text(i // 4, 9), "human_reference": text(-i, 9)},
        {"kind": "seq2seq", "label": "human_reference", "options": {"group_by": "mr"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rows_say_what_they_are_for(name, tmp_path):
    row, expected = CASES[name]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row(i)) + "\n" for i in range(1, 81)))
    made = guess(file, "example")
    assert {key: made.card.get(key) for key in expected} == expected
    assert made.card["dataset"]["splits"] == {"train": "train[:90%]", "validation": "train[90%:]", "test": None}
    assert len(made.why) >= 2


@pytest.mark.parametrize("name", CASES)
def test_a_card_that_is_proposed_reads_the_rows(name, tmp_path, tokenizer):
    row, _ = CASES[name]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row(i)) + "\n" for i in range(1, 81)))
    data = TaskData(make_card(guess(file, "example").card | {"max_length": 384}), tokenizer)
    assert [bad_rows(data.features, rows, labelled=True) for rows in data.rows.values()] == [{}, {}]


ROWS = [(text(i), "good" if i % 3 else "bad") for i in range(60)]
FILES = {
    "commas": ("a.csv", "text,label", ",", {}),
    "semicolons": ("a.csv", "text;label", ";", {"delimiter": ";"}),
    "tabs in a CSV file": ("a.csv", "text\tlabel", "\t", {"delimiter": "\t"}),
    "tabs": ("a.tsv", "text\tlabel", "\t", {}),
    "a quotation mark that is not closed": ("a.csv", 'text,label\n"cat,good', ",", {"quoting": "none"}),
}


@pytest.mark.parametrize("name", FILES)
def test_the_form_of_a_table_is_found(name, tmp_path):
    file, header, mark, form = FILES[name]
    (tmp_path / file).write_text("\n".join([header, *(mark.join(row) for row in ROWS)]) + "\n")
    card = guess(tmp_path / file, "a").card
    assert (card["kind"], card["label"], card["inputs"]) == ("cls", "label", {"text": "text"})
    assert {key: card["dataset"].get(key) for key in form} == form and card["dataset"]["path"] == "csv"


def test_the_columns_of_a_conll_file_are_found(tmp_path):
    lines = [
        (str(n), word, "B-LOC" if word == "Oslo" else "O")
        for i in range(30)
        for n, word in enumerate(text(i).split(), 1)
    ]
    sentences = ["\n".join("\t".join(cells) for cells in lines[i : i + 8]) for i in range(0, len(lines), 8)]
    (tmp_path / "a.conll").write_text("\n\n".join(sentences) + "\n")
    card = guess(tmp_path / "a.conll", "a").card
    assert (card["kind"], card["label"], card["options"]) == ("tagging", "tags", {"token_column": 1})


@pytest.mark.parametrize(
    ("present", "splits"),
    [
        (["train", "validation", "test"], None),
        (["train", "test"], {"train": "train[:90%]", "validation": "train[90%:]", "test": "test"}),
        (["test"], {"train": None, "validation": None, "test": "test"}),
    ],
)
def test_a_folder_is_read_by_its_splits(present, splits, tmp_path):
    for split in present:
        lines = (json.dumps({"text": words, "label": label}) for words, label in ROWS)
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    made = guess(tmp_path, "a")
    assert set(made.found.splits) == set(present) and made.card["dataset"].get("splits") == splits


@pytest.mark.parametrize(
    ("ending", "make", "expected"),
    [
        ("csv", lambda i: f"{text(i)};{i % 2}", {"dataset": {"delimiter": ";"}}),
        ("csv", lambda i: f'"{text(i)},{i % 2}', {"dataset": {"quoting": "none"}}),
        ("conll", lambda i: "1 Ann B-PER\n2 sees O\n3 Oslo B-LOC\n", {"options": {"token_column": 1}}),
        (
            "conllu",
            lambda i: "\n".join(f"{k}\t{w}\t_\tX{k % 2}" + "\t_" * 6 for k, w in enumerate("a b c".split(), 1)) + "\n",
            {"options": {"token_column": 1, "tag_column": 3}},
        ),
    ],
)
def test_the_form_of_the_files_in_a_folder_is_found(ending, make, expected, tmp_path):
    for split in ("train", "test"):
        mark = expected.get("dataset", {}).get("delimiter", ",")
        lines = [f"text{mark}label"] * (ending == "csv") + [make(i) for i in range(40)]
        (tmp_path / f"{split}.{ending}").write_text("\n".join(lines) + "\n")
    card = guess(tmp_path, "a").card
    for key, values in expected.items():
        assert values.items() <= card[key].items()
    assert load_rows(make_card(card), "test") is not None


def test_a_folder_of_tables_without_headers_is_refused(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("".join(f"{words},{label}\n" for words, label in ROWS))
    with pytest.raises(UserError, match="the first line is read as the names of the columns"):
        guess(tmp_path, "a")


def test_labels_that_no_training_row_has_are_said(tmp_path):
    for split, extra in (("train", []), ("test", [("a cat", "odd")])):
        lines = [json.dumps({"text": words, "label": label}) for words, label in [*ROWS, *extra]]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    assert "'odd' of the test rows is no label of the train rows" in guess(tmp_path, "a").why


HIDDEN = {
    "no label": (lambda i: {"text": text(i), "label": i % 2}, lambda row: row.pop("label")),
    "-1": (lambda i: {"text": text(i), "label": i % 2}, lambda row: row.update(label=-1)),
    "no tags": (tagged, lambda row: row.update(ner=[])),
    "no spans": (spanned, lambda row: row.update(label=[])),
    "no answers": (asked, lambda row: row.update(answers={"text": [], "answer_start": []})),
    "a blank summary": (lambda i: {"document": text(i, 9), "summary": text(i)}, lambda row: row.update(summary=" ")),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_split_that_hides_its_answers_is_left_out(name, tmp_path):
    made, hide = HIDDEN[name]
    for split in ("train", "validation", "test"):
        rows = [made(i) for i in range(1, 61)]
        for row in rows if split == "test" else ():
            hide(row)
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = guess(tmp_path, "a")
    assert {split for split in SPLITS if load_rows(make_card(found.card), split)} == {"train", "validation"}
    assert "the test rows hold no" in " ".join(found.why) and "-1" not in found.card.get("labels", ())


def test_rows_sorted_by_label_are_said(tmp_path):
    lines = (json.dumps({"text": words, "label": label}) for words, label in sorted(ROWS * 4, key=lambda row: row[1]))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert "the rows are sorted by label" in " ".join(guess(tmp_path / "a.jsonl", "a").why)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("a.jsonl", "".join(json.dumps({"text": text(i)}) + "\n" for i in range(40)), "no field looks like an answer"),
        ("a.txt", "a cat\n", "its ending is not that of a known format"),
        ("a.csv", "text\na cat\n", "has one column"),
        ("a.jsonl", "", "the file is empty"),
        ("none.csv", None, "no such file or folder"),
    ],
)
def test_what_is_no_task_is_refused_in_a_line(file, content, says, tmp_path):
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=says):
        guess(tmp_path / file, "a")
