"""What people's files look like, and what is guessed of them: the answer, what is read beside it, and what is not."""

import json

import pytest

from ptv2.errors import UserError
from ptv2.guess.card import guess
from tests.guess.test_guess import text

LETTERS = "ABCD"


def options(i):
    return [text(10 * i + k, 3) for k in range(4)]


def columns(i):
    return {"question": f"what is {text(-i, 4)}?"} | {f"Option {'ABC'[k]}": options(i)[k] for k in range(3)}


READ = {
    "choices beside the reason why one is right": (
        lambda i: {"question": text(i), "options": options(i), "rationale": text(-i, 20), "correct": LETTERS[i % 4]},
        {"kind": "choice", "inputs": {"text": "question", "choices": "options"}, "label": "correct"},
    ),
    "choices beside the text of the right one": (
        lambda i: {"question": text(i), "answer": options(i)[i % 4], "options": options(i)}
        | {"answer_idx": LETTERS[i % 4]},
        {"kind": "choice", "inputs": {"text": "question", "choices": "options"}},
    ),
    "columns of choices and an explanation": (
        lambda i: {"question": text(i), "opa": text(2 * i, 2), "opb": text(3 * i, 2), "opc": text(4 * i, 2)}
        | {"cop": i % 3 + 1, "exp": text(-i, 12), "subject_name": ["anatomy", "surgery"][i % 2]},
        {"kind": "choice", "label": "cop", "options": {"first": 1}},
    ),
    "a story with two endings": (
        lambda i: {f"InputSentence{k}": text(10 * i + k) for k in range(1, 5)}
        | {f"RandomFifthSentenceQuiz{k}": text(-10 * i - k) for k in (1, 2)}
        | {"AnswerRightEnding": i % 2 + 1},
        {"kind": "choice", "label": "AnswerRightEnding", "options": {"first": 1}},
    ),
    "a pair and why it is labelled so": (
        lambda i: {"premise": text(i), "hypothesis": text(-i), "label": i % 3}
        | {f"explanation_{k}": text(100 * i + k) for k in (1, 2, 3)},
        {"kind": "cls", "inputs": {"text": "premise", "pair": "hypothesis"}, "label": "label"},
    ),
    "a pair and its parses": (
        lambda i: {"sentence1_parse": f"( {text(i)} )", "sentence1": text(i), "sentence2_parse": f"( {text(-i)} )"}
        | {"sentence2": text(-i), "gold_label": "ab"[i % 2]},
        {"kind": "cls", "inputs": {"text": "sentence1", "pair": "sentence2"}},
    ),
    "facts in a list beside yes or no": (
        lambda i: {"question": text(i), "facts": [text(2 * i), text(3 * i)], "answer": i % 3 == 0},
        {"kind": "cls", "inputs": {"text": "question"}, "label": "answer"},
    ),
    "a diagnosis and an age": (
        lambda i: {"note": text(i), "diagnosis": ["asthma", "flu", "gout"][i % 3], "age": 20 + i % 25},
        {"kind": "cls", "label": "diagnosis"},
    ),
    "a queue, and who works on it": (
        lambda i: {"subject": text(i, 4), "description": text(-i, 15), "priority": "ab"[i % 2]}
        | {"queue": "xyz"[i % 3], "agent": f"p{i % 15}"},
        {"kind": "cls", "label": "queue"},
    ),
    "prices that all differ": (
        lambda i: {"description": text(i), "price": 17 * i + 5},
        {"kind": "regression", "label": "price"},
    ),
    "paragraphs": (
        lambda i: {f"para{k}": text(10 * i + k, 12) for k in (1, 2, 3)} | {"label": i % 2},
        {"kind": "cls", "inputs": {"text": "{para1} {para2} {para3}"}},
    ),
    "an abstract with categories": (
        lambda i: {"title": text(i, 5), "abstract": text(-i, 60)}
        | {"categories": [["cs", "math"], ["cs"], ["bio"]][i % 3]},
        {"kind": "multilabel", "label": "categories"},
    ),
    "an answer that is judged": (
        lambda i: {"question": text(i), "answer": text(-i, 12), "is_correct": i % 3 == 0},
        {"kind": "cls", "label": "is_correct", "inputs": {"text": "question", "pair": "answer"}},
    ),
    "a short text, blank in one row": (
        lambda i: {"text": ["good", "so so", "bad", "not good"][i % 4] if i != 7 else "", "label": "xyz"[i % 3]},
        {"kind": "cls", "inputs": {"text": "text"}},
    ),
    "an instruction, its answer, and both in one text": (
        lambda i: {"instruction": text(i), "output": text(-i, 9), "text": f"Do: {text(i)} Answer: {text(-i, 9)}"},
        {"kind": "seq2seq", "inputs": {"source": "instruction"}, "label": "output"},
    ),
    "a short question about a long context": (
        lambda i: {"context": text(i, 200), "question": f"who {text(-i, 3)}?", "answer": text(2 * i, 3)},
        {"kind": "seq2seq", "inputs": {"source": "{context}\n{question}"}, "label": "answer"},
    ),
    "answers of one word": (
        lambda i: {"question": f"who {text(-i, 3)}?", "answer": f"river{i}"},
        {"kind": "seq2seq", "label": "answer"},
    ),
    "an answer beside wrong ones": (
        lambda i: {"question": text(i), "correct_answer": text(-i, 3)}
        | {f"distractor{k}": text(10 * i + k, 3) for k in (1, 2, 3)},
        {"kind": "seq2seq", "inputs": {"source": "question"}, "label": "correct_answer"},
    ),
    "a dialogue that choices are about": (
        lambda i: {"dialogue": [text(i), text(2 * i)], "question": text(-i, 4), "choice": options(i)}
        | {"answer": options(i)[i % 4]},
        {"kind": "choice", "inputs": {"text": "{dialogue:\n} {question}", "choices": "choice"}},
    ),
    "a score of pairs of some genre": (
        lambda i: {"genre": "ab"[i % 2], "sentence1": text(i), "sentence2": text(-i), "score": i % 50 / 10},
        {"kind": "regression", "label": "score"},
    ),
    "a stance on a target": (
        lambda i: {"Target": ["tax", "law"][i % 2], "Tweet": text(i), "Stance": ["FAVOR", "AGAINST", "NONE"][i % 3]},
        {"kind": "cls", "label": "Stance"},
    ),
    "a text and its translation, of some domain": (
        lambda i: {"source": text(i), "target": text(-i), "category": "ab"[i % 2]},
        {"kind": "seq2seq", "inputs": {"source": "source"}, "label": "target"},
    ),
    "concepts of a text": (
        lambda i: {"title": text(i, 5), "text": text(-i, 30), "concepts": [["3", "17"], ["17"], ["4", "3"]][i % 3]},
        {"kind": "multilabel", "label": "concepts"},
    ),
    "a note with a gender and what came of it": (
        lambda i: {"AGE": 20 + i % 40, "GENDER": "FM"[i % 2], "TEXT": text(i), "READMITTED_30D": i % 3 // 2},
        {"kind": "cls", "label": "READMITTED_30D", "inputs": {"text": "TEXT"}},
    ),
    "a description, and who wrote it": (
        lambda i: {"Customer Name": text(i, 2), "Description": text(-i, 12), "Ticket Type": "abc"[i % 3]},
        {"kind": "cls", "inputs": {"text": "Description"}, "label": "Ticket Type"},
    ),
    "columns of a treebank": (
        lambda i: {"upos": ["DET", "NOUN", "VERB"][i % 3 :] * 2, "tokens": text(i, 2 * (3 - i % 3)).split()}
        | {"misc": ["None"] * 2 * (3 - i % 3)},
        {"kind": "tagging", "inputs": {"tokens": "tokens"}, "label": "upos"},
    ),
    "spans of Prodigy": (
        lambda i: {"text": f"{text(i, 3)} Ann", "tokens": [{"text": "Ann", "start": 0, "end": 3, "id": 0}]}
        | {"spans": [{"start": len(text(i, 3)) + 1, "end": len(text(i, 3)) + 4, "label": "PER"}], "answer": "accept"},
        {"kind": "tagging", "inputs": {"tokens": "words"}, "options": {"spans_column": "spans", "text_column": "text"}},
    ),
    "spans of Label Studio": (
        lambda i: {"text": f"{text(i, 3)} Ann"}
        | {"label": [{"start": len(text(i, 3)) + 1, "end": len(text(i, 3)) + 4, "text": "Ann", "labels": ["PER"]}]},
        {"kind": "tagging", "options": {"spans_column": "label", "text_column": "text"}},
    ),
    "two observations, and what came between": (
        lambda i: {f"observation_{k}": text(10 * i + k) for k in (1, 2)}
        | {f"hypothesis_{k}": text(-10 * i - k) for k in (1, 2)}
        | {"label": i % 2 + 1},
        {"kind": "choice", "options": {"first": 1}}
        | {"inputs": {"text": "{observation_1} {observation_2}", "choice1": "hypothesis_1", "choice2": "hypothesis_2"}},
    ),
    "triples that texts tell": (
        lambda i: {"category": "ab"[i % 2], "o": {"otriple_set": [[f"{text(i, 2)} on {text(-i, 1)}"]]}}
        | {"m": {"mtriple_set": [[f"{text(i, 2)} | in | {text(-i, 1)}"]]}, "lex": {"text": [text(i), text(-i)]}},
        {"kind": "seq2seq", "inputs": {"source": "{m.mtriple_set: | }"}, "label": "lex.text"},
    ),
    "choices in an object, beside the text of the right one": (
        lambda i: {"question": text(i), "answer": options(i)[i % 4], "answer_idx": LETTERS[i % 4]}
        | {"options": dict(zip(LETTERS, options(i), strict=True)), "meta_info": ["step1", "step2"][i % 2]},
        {"kind": "choice", "label": "answer_idx", "options": {"first": "A"}},
    ),
    "names in Spanish": (
        lambda i: {"comentario": text(i), "ciudad": ["Lima", "Quito"][i % 2], "calificación": i % 5 + 1},
        {"kind": "cls", "inputs": {"text": "comentario"}, "label": "calificación"},
    ),
    "names in Chinese": (
        lambda i: {"问题": text(i), "选项A": text(2 * i, 2), "选项B": text(3 * i, 2), "答案": "AB"[i % 2]},
        {"kind": "choice", "label": "答案", "options": {"first": "A"}},
    ),
}  # fmt: skip


def written(rows, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_a_person_would_read(name, tmp_path):
    make, expected = READ[name]
    card = guess(written(map(make, range(60)), tmp_path / "rows.jsonl"), "rows").card
    assert {key: card[key] for key in expected} == expected


REFUSED = {
    "letters of columns by name": (
        lambda i: columns(i) | {"Correct Option": f"Option {'ABC'[i % 3]}"},
        "holds the name of the right one",
    ),
    "a right and a wrong text": (
        lambda i: {"query": text(i), "pos": text(2 * i), "neg": text(3 * i)},
        "no kind of task ranks texts",
    ),
    "a chosen and a rejected dialogue": (
        lambda i: {"chosen": f"Human: {text(i)}", "rejected": f"Human: {text(-i)}"},
        "no kind of task ranks texts",
    ),
    "labels that are objects": (
        lambda i: {"title": text(i, 5), "body": text(-i, 20), "labels": [{"id": i % 3, "name": "bug"}]},
        "'labels' lists objects",
    ),
    "a dialogue of objects": (
        lambda i: {"conversations": [{"from": "human", "value": text(i)}, {"from": "gpt", "value": text(-i)}]},
        "holds a dialogue as objects",
    ),
    "an answer at its place, in an object": (
        lambda i: {"context": text(i, 30), "question": text(-i, 4)}
        | {"answer": {"text": text(i, 30).split()[1], "start": text(i, 30).index(" ") + 1}},
        "stands in 'context' at 'answer.start'",
    ),
    "several questions a row": (
        lambda i: {"article": text(i, 40), "answers": ["A", "C"], "questions": [text(2 * i), text(3 * i)]}
        | {"options": [options(i), options(-i)]},
        "no field looks like an answer",
    ),
    "tags in brackets": (
        lambda i: {"Body": text(i), "Tags": ["<python><sql>", "<sql>", "<c><python>"][i % 3]},
        "several labels in a cell",
    ),
    "codes in a cell": (
        lambda i: {"text": text(i), "codes": ["401.9;250.0", "250.0", "V58.6;401.9", "401.9"][i % 4]},
        "several labels in a cell",
    ),
    "choices with a mark": (
        lambda i: {"question": text(i)}
        | {"answers": [{"text": said, "correct": k == i % 4} for k, said in enumerate(options(i))]},
        "marked by 'correct'",
    ),
    "choices in a cell": (
        lambda i: {"question": text(i), "choices": " | ".join(options(i)), "answer": i % 4},
        "several choices in a cell",
    ),
    "choices written as a list": (
        lambda i: {"question": text(i), "choices": json.dumps(options(i)), "answer": i % 4},
        "lists or objects that are written as text",
    ),
    "answers written as an object": (
        lambda i: {"question": text(i), "context": text(-i, 30)}
        | {"answers": str({"text": ["cat"], "answer_start": [i]})},
        "lists or objects that are written as text",
    ),
    "answers at places in columns": (
        lambda i: {"context": text(i, 30), "question": text(-i, 4), "answer_start": text(i, 30).index(" ") + 1}
        | {"text": text(i, 30).split()[1]},
        "stands in 'context' at 'answer_start'",
    ),
    "a relation of words that numbers point at": (
        lambda i: {"token": text(i, 6).split(), "subj_start": 0, "obj_start": i % 3 + 2, "relation": "abc"[i % 3]}
        | {"stanford_ner": ["O", "PER"] * 3},
        "words of 'token' that numbers point at",
    ),
    "a field that a card would fill in": (lambda i: {"${oc.env:HOME}": text(i), "label": "ab"[i % 2]}, "another name"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_card_reads_is_refused_in_a_line(name, tmp_path):
    make, says = REFUSED[name]
    with pytest.raises(UserError, match=says.replace("(", r"\(")) as error:
        guess(written(map(make, range(60)), tmp_path / "rows.jsonl"), "rows")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("odd", ["???", "${USD}"])
def test_labels_that_mean_something_else_in_a_card_are_read_from_the_rows(odd, tmp_path):
    rows = [{"text": text(i), "label": [odd, "yes", "no"][i % 3]} for i in range(60)]
    assert "labels" not in guess(written(rows, tmp_path / "rows.jsonl"), "rows").card


def test_too_many_texts_are_read_in_their_order_and_the_rest_is_said(tmp_path):
    rows = [{f"Top{k}": text(100 * i + k) for k in range(1, 9)} | {"Label": i % 2} for i in range(60)]
    found = guess(written(rows, tmp_path / "rows.jsonl"), "rows")
    assert found.card["inputs"] == {"text": " ".join(f"{{Top{k}}}" for k in range(1, 7))}
    assert "6 texts are read, not Top7, Top8: write them into `inputs`" in found.why


def test_an_answer_is_not_named_among_the_texts_that_could_be_read(tmp_path):
    rows = [{f"Top{k}": text(100 * i + k) for k in range(1, 8)} | {"answer": text(-i)} for i in range(60)]
    found = guess(written([row | {"label": i % 2} for i, row in enumerate(rows)], tmp_path / "rows.jsonl"), "rows")
    assert any("texts are read" in why for why in found.why) and not any("answer" in why for why in found.why)


def test_dates_as_labels_are_called_so(tmp_path):
    rows = [{"text": text(i), "label": f"2024-01-0{i % 2 + 1}"} for i in range(40)]
    with pytest.raises(UserError, match="'label' holds dates"):
        guess(written(rows, tmp_path / "rows.jsonl"), "rows")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "Ann B-PER 0.25\nsaw O 0.5\nBob B-PER 0.1\n\nRome B-LOC 0.1\nis O 0.2\n\n",
            {"token_column": 0, "tag_column": 1},
        ),
        (
            "1 Ann B-PER O\n2 saw O O\n3 Bob B-PER O\n\n1 Rome B-LOC O\n2 is O O\n\n",
            {"token_column": 1, "tag_column": 2},
        ),
        ("Ann NNP B-PER\nsaw VBD O\nBob NNP B-PER\n\nRome NNP B-LOC\nis VBD O\n\n", {}),
    ],
)
def test_the_tags_of_a_conll_file_are_where_spans_are(lines, expected, tmp_path):
    file = tmp_path / "a.conll"
    file.write_text(lines * 20, encoding="utf-8")
    card = guess(file, "a").card
    assert card["inputs"] == {"tokens": "tokens"} and card["label"] == "tags" and card.get("options", {}) == expected


@pytest.mark.parametrize("name", ["csv", "json", "conll", "demo"])
def test_a_folder_may_be_called_as_a_format_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name
    folder.mkdir()
    written([{"text": text(i), "label": "ab"[i % 2]} for i in range(30)], folder / "train.jsonl")
    assert guess(folder.relative_to(tmp_path), name).card["dataset"]["path"] == f"./{name}"
