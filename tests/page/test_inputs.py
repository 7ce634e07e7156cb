"""The inputs of a run's rows, where the records do not hold them: from the card's own files, by the rows' numbers."""

import json

import pytest

from ptv2.config.cards import make_card
from ptv2.page.inputs import Inputs
from ptv2.rows.sources import load_rows

ROWS = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(10)]


@pytest.mark.parametrize(
    ("splits", "numbers"),
    [
        ({"train": "train[:80%]", "validation": "train[80%:]"}, [8, 9]),
        ({"train": "train[5:]", "validation": "train[2:5]"}, [2, 3, 4]),
        ({"train": "train[2:]", "validation": "train[:2]"}, [0, 1]),
    ],
)
def test_a_part_of_a_file_is_found_by_the_numbers_in_the_file(splits, numbers, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    card = {
        "name": "parted",
        "kind": "cls",
        "dataset": {"path": "json", "data_files": {"train": str(file)}, "splits": splits},
        "inputs": {"text": "text"},
        "label": "label",
        "metrics": ["accuracy"],
        "max_length": 8,
    }
    rows = load_rows(make_card(card), "validation")
    inputs = Inputs(card, "validation", rows.fingerprint)
    assert [rows.number(i) for i in range(len(rows.data))] == numbers
    found = [inputs.of({"row": number}) for number in range(10)]
    assert found == [{"text": f"text {i}"} if i in numbers else {} for i in range(10)]
