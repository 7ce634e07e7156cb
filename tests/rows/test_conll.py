import pytest

from ptv2.errors import UserError
from ptv2.rows.conll import Columns, conll_sentences

ANN = (["Ann", "sings"], ["B-PER", "O"])
CONLLU = """\
# sent_id = 1
# text = Vámonos al mar he said to her ok
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tx\tx\tNOUN\t_\t_\t_\t_\t_\t_
3\t#\t#\tSYM\t_\t_\t1\tdep\t_\t_

# sent_id = 2
1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_
"""


def read(path, content, **columns):
    path.write_text(content, encoding="utf-8")
    return [(tokens, tags) for _, tokens, tags in conll_sentences(path, Columns(**columns))]


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        ("Ann B-PER\nsings O\n", [ANN]),
        ("\ufeffAnn\tB-PER\r\nsings\tO\r\n\r\n", [ANN]),
        ("-DOCSTART- O\n\nAnn B-PER\nsings O\n \t\nAnn B-PER\nsings O", [ANN, ANN]),
        ("Ann  B-PER \nsings  O\n", [ANN]),
        ("New York\tB-LOC\n", [(["New York"], ["B-LOC"])]),
        ("a\u00a0b O\n", [(["a\u00a0b"], ["O"])]),
        # comments
        ("# Ann sings\nAnn B-PER\nsings O\n", [ANN]),
        ("#begin document (a); part 000\nAnn B-PER\nsings O\n\n#end document\n", [ANN]),
        ("# id\nAnn B-PER\nsings O\n\n# id 5\nAnn B-PER\nsings O\n", [ANN, ANN]),
        ("# id=7\nAnn B-PER\nsings O\n", [ANN]),
        # words that begin with the comment's sign
        ("# O\n1 O\nhit O\n", [(["#", "1", "hit"], ["O", "O", "O"])]),
        ("#rain O\nAnn B-PER\n\nsings O\n# O\n", [(["#rain", "Ann"], ["O", "B-PER"]), (["sings", "#"], ["O", "O"])]),
        ("#\tSYM\n1\tNUM\n", [(["#", "1"], ["SYM", "NUM"])]),
        ("# id 5f\tdomain=en\nAnn\tB-PER\nsings\tO\n", [ANN]),
    ],
)
def test_words_are_words_and_comments_are_none(tmp_path, content, sentences):
    assert read(tmp_path / "a.conll", content) == sentences


def test_a_comment_may_have_as_many_parts_as_a_word_has_columns(tmp_path):
    word = "Ann _ _ B-PER\nsings _ _ O\n"
    assert read(tmp_path / "a.conll", f"# id 5f2c domain=train\n{word}\n# id 77ab domain=train\n{word}") == [ANN, ANN]


def test_ranges_and_empty_nodes_of_conllu_are_no_words(tmp_path):
    assert read(tmp_path / "a.conllu", CONLLU, token_column=1, tag_column=3) == [
        (["Vamos", "nos", "#"], ["VERB", "PRON", "SYM"]),
        (["mar"], ["NOUN"]),
    ]


def test_a_number_that_numbers_no_words_is_a_column_as_any_other(tmp_path):
    content = "0.35 the O\n0.61 Paris B-LOC\n1 was O\n"
    assert read(tmp_path / "a.conll", content, token_column=1) == [(["the", "Paris", "was"], ["O", "B-LOC", "O"])]


def test_a_range_is_a_word_where_words_stand_in_the_first_column(tmp_path):
    assert read(tmp_path / "a.conll", "1-2 O\n3.5 O\n") == [(["1-2", "3.5"], ["O", "O"])]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Ann B-PER\nsings\n", ":2: no token and tag in 1 column(s)"),
        ("Ann B-PER\nNew York B-LOC\n", ":2: 3 columns, the line before has 2"),
        ("Ann\t\n", ":1: no token and tag in 2 column(s)"),
        (CONLLU, ":4: the first column numbers the words, as in CoNLL-U; set task.options.token_column=1"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_line(tmp_path, content, says):
    with pytest.raises(UserError) as error:
        read(tmp_path / "a.conll", content)
    assert str(error.value).startswith(f"{tmp_path}/a.conll{says}")
