import pytest

from ptv2.errors import UserError
from ptv2.rows.spans import text_tags, word_tags, words_of

TEXT = "Dr. Ann saw New York."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT, ["Dr", ".", "Ann", "saw", "New", "York", "."]),
        ("don't  stop\n", ["don", "'", "t", "stop"]),
        ("我爱 Rome", ["我", "爱", "Rome"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ok 😀!", ["ok", "😀", "!"]),
        (" ", []),
        ("I ❤️ Paris\u200b now", ["I", "❤️", "Paris", "now"]),
        ("the 👨\u200d👩\u200d👧 👍🏽!", ["the", "👨\u200d👩\u200d👧", "👍🏽", "!"]),
        ("\u200fshalom\u200f, co\u00adop\u00ad", ["shalom", ",", "co\u00adop"]),
        ("\ufeffAnn\u200bBo", ["Ann", "Bo"]),
    ],
)
def test_a_text_is_split_into_words(text, words):
    assert [text[start:end] for start, end in words_of(text)] == words


@pytest.mark.parametrize(
    "spans",
    [
        [[4, 7, "PER"], [12, 20, "LOC"]],
        [{"start": 4, "end": 7, "label": "PER"}, {"start": 12, "end": 20, "label": "LOC"}],
        [{"id": 1, "start_offset": 4, "end_offset": 7, "label": "PER"}, {"start": 12, "end": 20, "type": "LOC"}],
        [{"begin": 4, "finish": 7, "category": "PER"}, {"char_start": 12, "char_end": 20, "type": "LOC"}],
        [[12, 20, "LOC"], [3, 8, "PER"]],  # blanks at the ends do not count
    ],
)
def test_spans_of_characters_become_tags_of_words(spans):
    words, tags = text_tags(TEXT, spans, "label", "a.jsonl:1")
    assert dict(zip(words, tags, strict=True)) == {
        "Dr": "O",
        ".": "O",
        "Ann": "B-PER",
        "saw": "O",
        "New": "B-LOC",
        "York": "I-LOC",
    }


def test_marks_that_are_not_seen_at_the_ends_of_a_span_do_not_count():
    words, tags = text_tags("to Paris\u200b now", [[2, 9, "LOC"]], "spans", "row 0")
    assert (words, tags) == (["to", "Paris", "now"], ["O", "B-LOC", "O"])


def test_a_text_without_spans_is_all_outside():
    assert text_tags("a b", None, "label", "")[1] == text_tags("a b", [], "label", "")[1] == ["O", "O"]


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ([[4, 6, "PER"]], "'label' has a span 4..6 ('An') that does not begin and end with a word"),
        ([[4, 99, "PER"]], "'label' has a span 4..99 ('')"),
        ([[7, 8, "PER"]], "'label' has a span 7..8 (' ')"),
        ([[4, 11, "A"], [8, 20, "B"]], "'label' has overlapping spans"),
        ([[4, 7]], "'label' holds something that is not a span"),
        ([["4", 7, "PER"]], "'label' holds something that is not a span"),
        ([None], "'label' holds something that is not a span"),
        ("PER", "field 'label' is not a list of spans"),
    ],
)
def test_a_faulty_span_is_refused_by_its_row(spans, says):
    with pytest.raises(UserError) as error:
        text_tags(TEXT, spans, "label", "a.jsonl:1")
    assert str(error.value).startswith(f"a.jsonl:1: {says}")


def test_spans_of_words_may_not_lie_over_each_other():
    spans = [{"start": 0, "end": 2, "type": "A"}, {"start": 1, "end": 2, "type": "B"}]
    with pytest.raises(UserError, match=r"^a\.jsonl:1: 'x' has overlapping spans, at 1\.\.2 of 2 tokens"):
        word_tags(["a", "b"], spans, "x", "a.jsonl:1")
