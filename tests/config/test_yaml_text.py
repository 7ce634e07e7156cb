"""What a word in a YAML file means: text where the schema wants text."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import yaml

from ptv2.config.load import load_config, to_plain
from ptv2.config.text import dump, load
from ptv2.errors import UserError


@dataclass
class Pet:
    name: str = ""
    tag: str | None = None
    kind: Literal["no", "dog"] = "dog"
    legs: int = 4
    words: list[str] = field(default_factory=list)
    feeds: dict[str, str] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "word", ["007", "12:30", "1e5", "1_000", "0x1f", "no", "true", "2024-05-01", "1.10", "=", ".5"]
)
def test_a_word_is_text_where_text_is_wanted(word):
    assert load(f"name: {word}\ntag: {word}\nfeeds: {{a: {word}}}", Pet) == {
        "name": word,
        "tag": word,
        "feeds": {"a": word},
    }


def test_words_in_lists_are_text_but_true_and_false_are_left_for_a_refusal():
    assert load("words: [007, 12:30, no]", Pet) == {"words": ["007", "12:30", False]}
    assert load("words: [007, 12:30, no]", Pet, flags=True) == {"words": ["007", "12:30", "no"]}


def test_keys_of_mappings_of_names_are_text():
    assert load("feeds: {no: a, 1: b}\nother: {2: c}", Pet) == {"feeds": {"no": "a", "1": "b"}, "other": {"2": "c"}}


def test_a_word_of_a_choice_is_text():
    assert load("kind: no", Pet) == {"kind": "no"}


def test_null_stays_null_unless_it_is_quoted():
    assert load("name: null\ntag: ~\nwords: ['null']", Pet) == {"name": None, "tag": None, "words": ["null"]}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("1_000", 1000),
        ("0x1f", 31),
        ("1e-3", 1e-3),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("-.inf", -float("inf")),
        ("010", "010"),
        ("12:30", "12:30"),
        ("2024-05-01", "2024-05-01"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("=", "="),
    ],
)
def test_a_word_elsewhere_is_what_yaml_1_2_reads(word, value):
    found = load(f"a: {word}")["a"]
    assert found == value and type(found) is type(value)


def test_what_is_written_is_read_back():
    values = {"a": [1, 1e-5, "1e-5", "1.", "0x1f", "010", "no", None, True, "2024-05-01", "12:30", "é", "a: b #c", ""]}
    assert load(dump(values)) == values == yaml.safe_load(dump(values))


def test_anchors_and_merges_are_followed():
    text = "x: &a {name: 007, legs: 3}\npets: {b: {<<: *a, legs: 5}, c: *a}"
    kind = {"x": Pet, "pets": dict[str, Pet]}
    ann = {"name": "007", "legs": 3}
    assert load(text, kind) == {"x": ann, "pets": {"b": {"name": "007", "legs": 5}, "c": ann}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", r"found duplicate key a \(line 3, column 1\)"),
        ("a: [1,\n", r"\(line 2, column 1\)"),
        ("a: &x [*x]", "an alias refers to a node that contains it"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "document"),
    ],
)
def test_what_cannot_be_read_is_a_value_error_with_its_line(text, says):
    with pytest.raises(ValueError, match=says):
        load(text)


FILE = """\
task: {name: mine, kind: cls, dataset: {path: json, revision: 1e5}, inputs: {text: 007}, labels: [007, 12:30],
       metrics: [accuracy], label: no}
backbone: {name: tiny, revision: 0123}
run: {name: 20240501_1230, folder: 2024-05-01}
"""


def test_a_config_and_a_card_in_files_keep_their_texts(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(FILE)
    config = load_config(path)
    card = config.tasks["mine"]
    assert (config.run.name, config.run.folder, config.backbone.revision) == ("20240501_1230", "2024-05-01", "0123")
    assert (card.labels, card.inputs) == (["007", "12:30"], {"text": "007"})
    assert (card.label, card.dataset.revision) == ("no", "1e5")
    path.write_text(dump(to_plain(config)))
    assert load_config(path) == config


def test_null_empties_a_mapping_of_a_card(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("task: {card: glue/rte, options: null}\nbackbone: {name: tiny}\ndata: {limit: null}\n")
    config = load_config(path)
    assert (config.tasks["rte"].options, config.data.limit) == ({}, {})


def test_true_and_false_among_labels_must_be_quoted(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("task: {card: glue/rte, labels: [yes, no]}\nbackbone: {name: tiny}\n")
    with pytest.raises(UserError, match=r"holds true or false, .*; write them in quotes"):
        load_config(path)
