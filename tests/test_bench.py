"""The benchmark: what its windows say, and that the README quotes the committed results."""

import json

import pytest

from experiments.bench.measured import Measured
from experiments.bench.plan import GROUPS, QUICK, QUICK_SYSTEMS, SYSTEMS
from experiments.bench.report import FOLDER, MARKS, README, quoted, readme, table
from experiments.bench.scores import reached

MACHINE = {"versions": {"ptv2": "0"}, "cpu": "a CPU", "device": "cpu", "threads": 2}


def window(seconds: float, **values: object) -> dict:
    counted = {"rows": 64, "tokens": 600, "padded": 800, "data": 0.1}
    return {"seconds": seconds, "cpu": 2 * seconds, "memory": 2e9, "cuda": None} | counted | values


WINDOWS = {
    "floor": [window(1), window(2), window(4)],
    "ours": [window(1.5), window(2.2), window(4.4)],
    "prefix": [window(3), window(4.4), window(22)],
    "parts": [window(1, parts={"backbone": 3, "loop": 1}), window(1, parts={"backbone": 2, "loop": 2})],
}


def test_ratios_are_medians_over_pairs_of_windows():
    found = Measured(WINDOWS)
    assert found.ratio("ours", "floor") == pytest.approx((1.1, 1.1, 1.5))
    assert found.ratio("prefix", "ours") == pytest.approx((2, 2, 5))
    assert found.ratio("ours", "full") is None


def test_speeds_come_from_the_clock_that_is_asked_for():
    assert Measured(WINDOWS).rows("floor") == (32, 16, 64)
    assert Measured(WINDOWS, "cpu").rows("floor") == (16, 8, 32)
    assert Measured(WINDOWS).tokens("floor")[0] == 32 * 600 / 64


def test_padding_data_and_parts_are_shares():
    found = Measured(WINDOWS)
    assert (found.padding("ours"), found.data("floor")) == pytest.approx((0.25, 0.3 / 7))
    assert found.parts("parts") == pytest.approx({"backbone": 0.625, "loop": 0.375})


def test_table_and_readme_say_what_was_measured():
    known = {"clock": "seconds", "environment": MACHINE}
    measured = {"trec P=16": Measured(WINDOWS)}
    assert "| ptv2, keys and values | 29.1 [14.5, 42.7] | 273 [136, 400] | 1.10 [1.10, 1.50] |" in table(
        measured, known
    )
    assert "| trec P=16 | 1.10 | - | 2.0x | - | - | 2.0, 2.0, - |" in readme(measured, known)
    assert quoted(f"a {MARKS[0]} old {MARKS[1]} b", "new") == f"a {MARKS[0]}\nnew\n{MARKS[1]} b"


def test_seconds_to_a_score_are_those_of_the_first_epoch_that_has_it():
    curve = [(1.0, 0.5), (2.0, 0.71), (3.0, 0.65)]
    assert reached(curve) == {"s to 0.6": 2.0, "s to 0.7": 2.0, "s to 0.8": None}


def test_every_group_has_its_floor_and_names_systems_that_exist():
    for group in GROUPS:
        assert set(group.systems) <= set(SYSTEMS)
        assert {SYSTEMS[name].floor for name in group.systems} <= set(group.systems)
    assert set(QUICK) <= {group.name for group in GROUPS} and set(QUICK_SYSTEMS) <= set(SYSTEMS)


def test_readme_quotes_the_committed_results():
    file = FOLDER / "results.json"
    if not file.is_file():
        pytest.skip("nothing is measured yet")
    known = json.loads(file.read_text(encoding="utf-8"))
    measured = {name: Measured(group["windows"], known["clock"]) for name, group in known["groups"].items()}
    page = README.read_text(encoding="utf-8")
    assert quoted(page, readme(measured, known)) == page
    assert (FOLDER / "table.md").read_text(encoding="utf-8") == table(measured, known)
