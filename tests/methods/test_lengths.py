"""The rule behind `prompt.length: auto`."""

import re
from pathlib import Path

import pytest

from ptv2.commands.advice import METHODS_ADVISED, OTHERS
from ptv2.kinds import KINDS
from ptv2.methods.lengths import AT_FEW_ROWS, AT_LARGE, LENGTHS, SHORT, longest, prompt_length

ROOT = Path(__file__).parent.parent.parent
REASONS = [reason for _, reason in (SHORT, AT_FEW_ROWS, *LENGTHS.values())] + [AT_LARGE]
REASONS += [rule.reason for rule in (*METHODS_ADVISED, *OTHERS)]


@pytest.mark.parametrize(
    ("kind", "rows", "parameters", "length"),
    [
        ("cls", 10_000, 10**8, 16),
        ("choice", 10_000, 10**8, 16),
        ("a kind of one's own", 10_000, 10**8, 16),
        ("tagging", 10_000, 10**8, 100),
        ("span", 257, 10**8, 100),
        ("seq2seq", 10_000, 10**9 - 1, 150),
        ("seq2seq", 10_000, 10**9, 75),
        ("tagging", 10_000, 7 * 10**9, 50),
        ("cls", 10_000, 7 * 10**9, 8),
        ("tagging", 256, 10**8, 16),
        ("cls", 256, 7 * 10**9, 8),
    ],
)
def test_a_length_follows_from_kind_rows_and_size(kind, rows, parameters, length):
    found, reasons = prompt_length(kind, rows, parameters)
    assert found == length and all(reason.why and reason.source for reason in reasons)


def test_tasks_that_share_a_prompt_get_the_length_of_the_one_that_wants_most():
    assert longest([("cls", 9000), ("tagging", 9000), ("span", 64)], 10**8)[0] == 100


def test_the_rule_names_kinds_that_there_are():
    assert set(LENGTHS) <= {kind.features.answers for kind in KINDS.values()}


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason.source.endswith(".md")], ids=lambda r: r.row)
def test_a_row_that_advice_rests_on_stands_in_its_table(reason):
    lines = (ROOT / reason.source).read_text(encoding="utf-8").splitlines()
    assert reason.row and any(line.startswith(f"| {reason.row} |") for line in lines)


def test_advice_names_tables_by_their_path():
    for reason in REASONS:
        assert not re.match(r"experiments/", reason.source) or (ROOT / reason.source).is_file()
