"""Sets of tags: read by their scheme, or refused by the tag that fits none."""

import pytest

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds.check import check_names
from ptv2.kinds.tag_scheme import check_tags

READ = [
    ["O", "B-PER", "I-PER", "B-LOC"],
    ["O", "I-PER", "I-LOC"],  # IOB1
    ["O", "B-PER", "I-PER", "E-PER", "S-PER"],
    ["O", "B-PER", "I-PER", "L-PER", "U-PER"],
    ["O", "B-PER", "M-PER", "E-PER", "S-PER"],
    ["O", "U-PER"],
    ["O", "B", "I"],
    ["B-V", "I-C-ARG1", "O"],
    ["O", "art-film", "person"],
    ["O", "art_film", "building_hotel"],
    ["O", "E-mail", "person"],
    ["O"],
]


@pytest.mark.parametrize("names", READ, ids=" ".join)
def test_a_known_scheme_is_read(names):
    check_tags(names, "here")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["0", "1", "2"], "the tags are the numbers 0, 1, 2, and none is O .* label_ids: true"),
        (["NOUN", "VERB"], r"no tag is O \(outside\), there are NOUN, VERB; .* accuracy"),
        (["o", "B-PER"], r"no tag is O"),
        (["O", "B_PER", "I_PER"], "tags such as 'B_PER' .* separated by a hyphen; write B-PER"),
        (["O", "B:PER", "I:PER"], "tags such as 'B:PER'"),
        (["O", "PER-B", "PER-I"], "tags such as 'PER-B' .* a prefix stands before its type"),
        (["O", "PER_S", "PER_B", "PER_I", "PER_E"], "tags such as 'PER_S'"),
        (["O", "b-PER", "i-PER"], "tags such as 'b-PER' .* capital"),
        (["O", "B-PER", "I-PER", "LOC"], "the tag 'LOC' has no prefix, 'B-PER' has one"),
        (
            ["O", "B-PER", "X-PER"],
            "the tag 'X-PER' has a prefix of no known scheme; use one of BIO, IOBES, BILOU, BMES",
        ),
        (["O", "B-PER", "L-PER", "S-PER"], "prefixes B, L, S, those of no known scheme"),
    ],
)
def test_others_are_refused_by_name(names, says):
    with pytest.raises(UserError, match=f"^here: .*{says}"):
        check_tags(names, "here")


def test_tags_that_are_no_spans_need_no_scheme():
    tags = TaskCard(name="pos", kind="tagging", metrics=["accuracy"])
    check_names(tags, ["NOUN", "VERB"])
    with pytest.raises(UserError, match=r"^pos\.labels: no tag is O"):
        check_names(TaskCard(name="pos", kind="tagging", metrics=["accuracy", "span_f1"]), ["NOUN", "VERB"])
