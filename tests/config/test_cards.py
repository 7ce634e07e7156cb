"""One contract for all task cards, and what reading a card refuses."""

import os
import re
from pathlib import Path

import pytest

from ptv2.config.cards import SPLITS, list_cards, make_card, read_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card
from ptv2.rows.sources import load_rows

CARDS = sorted(list_cards())

# Cards whose rows also lie in a folder of the test data, and what of the card differs there.
FOLDERS = {
    "demo/bbc_topic": ("bbc_news", {}),
    "demo/twitter_ner": ("ritter_ner", {}),
    "glue/cola": ("cola", {}),
    "glue/sst2": ("sst2", {}),
    "glue/mrpc": ("mrpc", {}),
    "glue/rte": ("rte", {"text": "premise", "pair": "hypothesis"}),
    "ner/conll2003": ("conll2003", {}),
    "ner/conll2004": ("conll2004", {}),
    "ner/wnut_17": ("wnut_17", {}),
}


def named_in(options) -> set[str]:
    """The columns that a card's options name: what stands before the dot of every word in them."""
    if isinstance(options, dict):
        return named_in(list(options.values()))
    if isinstance(options, list):
        return set().union(*map(named_in, options))
    return {options.partition(".")[0]} if isinstance(options, str) else set()


def test_the_shipped_cards_are_found():
    assert {"demo/bbc_topic", "demo/twitter_ner", "glue/mnli_mismatched", "ner/ontonotes5"} <= set(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_keeps_the_contract(name, tokenizer):
    card = make_card(read_card(name))
    check_card(card)  # kind and metrics
    assert card.name == name
    assert card.version >= 1
    assert card.description and card.source
    kind, columns = KINDS[card.kind].features, set(card.dataset.columns)
    used = {field.partition(".")[0] for field in kind(card, tokenizer, None).fields() | {card.label}}
    assert used <= columns and columns <= used | named_in(card.options)
    assert set(card.dataset.splits) <= set(SPLITS)
    assert any(split is not None for split in card.dataset.splits.values())
    if card.kind == "tagging":
        assert set(card.inputs) in ({"tokens"}, {"tokens", "predicate"})
        labels = card.labels or ["O"]  # null: the data set or its rows name them
        assert labels[0] == "O" and {label[:2] for label in labels[1:]} <= {"B-", "I-"}
    else:
        assert (card.labels is not None) == kind.has_labels()


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_short(name):
    text = list_cards()[name].read_text(encoding="utf-8")
    lines = text.splitlines()
    without_labels = re.sub(r"(?ms)^labels: \[.*?\]$", "labels", text).splitlines()
    assert len(without_labels) <= 25 and max(map(len, lines)) <= 120
    assert sum(line.startswith("#") for line in lines) <= 2


@pytest.mark.parametrize("name", FOLDERS)
def test_a_card_takes_its_rows_from_a_folder(name):
    if "PTV2_DATA" not in os.environ:
        pytest.skip("PTV2_DATA names no folder of labelled data")
    folder, inputs = FOLDERS[name]
    mapping = read_card(name)
    mapping["dataset"]["path"] = str(Path(os.environ["PTV2_DATA"]) / folder)
    if inputs:
        mapping["inputs"] = inputs
        mapping["dataset"]["columns"] = [*inputs.values(), mapping["label"]]
    card = make_card(mapping)
    rows = load_rows(card, "validation", limit=20)
    assert len(rows.data) == 20
    assert rows.where(0).startswith(mapping["dataset"]["path"])
    values = [value for row in rows.data[card.label] for value in (row if isinstance(row, list) else [row])]
    assert all(value in (card.labels if isinstance(value, str) else range(len(card.labels))) for value in values)


def test_a_folder_of_ones_own_adds_and_hides_cards(tmp_path, monkeypatch):
    own = tmp_path / "mine" / "haiku.yaml"
    own.parent.mkdir()
    own.write_text("kind: cls\ndataset: {path: json}\nmetrics: [accuracy]\n")
    (tmp_path / "glue").mkdir()
    (tmp_path / "glue" / "rte.yaml").write_text("kind: cls\nversion: 7\ndataset: {path: json}\nmetrics: [accuracy]\n")
    monkeypatch.setenv("PTV2_TASKS", str(tmp_path))
    assert make_card(read_card("mine/haiku")).name == "mine/haiku"
    assert make_card(read_card(str(own))).name == "haiku"
    assert make_card(read_card("glue/rte")).version == 7
    assert make_card(read_card("glue/cola")).version == 1


def test_a_folder_of_cards_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PTV2_TASKS", str(tmp_path / "cards"))
    with pytest.raises(UserError, match=r"PTV2_TASKS: .*/cards: no such folder"):
        read_card("glue/rte")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: cls\nmetric: [accuracy]\n", "unknown key 'metric'; did you mean 'metrics'?"),
        ("kind: cls\ndataset: {pth: json}\n", "unknown key 'dataset.pth'; did you mean 'path'?"),
        ("kind: [cls\n", "not valid YAML"),
        ("- kind\n", "a card is a mapping"),
    ],
)
def test_a_faulty_card_is_named(tmp_path, text, says):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_card(str(file))
    assert str(error.value).startswith(f"{file}: ") and says in str(error.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"metrics": []}, "at least one metric"),
        ({"max_length": 2}, "use 4 or more tokens"),
        ({"labels": ["a", "a"]}, "a label name appears twice"),
        ({"labels": ["a", " "]}, "a label name is blank"),
        *[
            ({"dataset": {"path": "json", "data_files": {"train": files}}}, r"data_files is '.*'; name a file")
            for files in (5, True, "", [], [None], ["a.json", 5], {"a": 1})
        ],
        ({"dataset": {"path": "json", "splits": {"test": 5}}}, "splits is '5'; name a split in quotes"),
        ({"language": "Chinese"}, "language is 'Chinese'; use its ISO 639 code"),
        ({"language": False}, "language is '[Ff]alse'; use its ISO 639 code"),  # YAML's bare no
    ],
)
def test_values_of_a_card_are_checked(changed, says):
    with pytest.raises(UserError, match=says):
        make_card(read_card("glue/rte") | changed)


def test_an_unknown_card_names_the_nearest():
    with pytest.raises(UserError, match=r"no task card 'glue/rtee'; did you mean 'glue/rte'\?"):
        read_card("glue/rtee")


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        check_card(make_card(read_card("glue/rte") | {"metrics": ["acuracy"]}))
