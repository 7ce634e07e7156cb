"""Every data set in the folder PTV2_DATA: `ptv2 init` finds its kind, and every row of its card can be used."""

import os
from pathlib import Path

import pytest

from ptv2.commands import init, shell
from ptv2.config.cards import list_cards, read_card
from ptv2.config.local import folder_of

DATA = Path(os.environ.get("PTV2_DATA", "no-data"))
SETS = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir()) if DATA.is_dir() else []
BESIDE_CARDS = {
    "bbc_news": "cls",
    "few_nerd": "tagging",
    "ritter_ner": "tagging",
    "squadshifts_amazon": "span",
    "squadshifts_new_wiki": "span",
}
"""The kinds of sets that no card is of."""


def kinds() -> dict[str, str]:
    """The kind of each set: that of its card."""
    cards = [read_card(name) for name in list_cards()]
    folders = [(folder_of(card["dataset"], card["name"], DATA), card["kind"]) for card in cards]
    return BESIDE_CARDS | {folder.name: kind for folder, kind in folders if folder is not None}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS or [pytest.param("", marks=pytest.mark.skip("PTV2_DATA names no data"))])
def test_the_kind_is_found_and_the_card_passes_its_check(name, tmp_path, capsys):
    shell.run(init.main, init.command_line(), [str(DATA / name), "--out", str(tmp_path)])
    assert read_card(str(tmp_path / f"{name}.card.yaml"))["kind"] == kinds()[name]
    assert f"wrote {tmp_path / name}.card.yaml" in capsys.readouterr().out
