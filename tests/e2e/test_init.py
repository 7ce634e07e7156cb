"""A file of rows becomes a task: proposed, trained and answered, by the commands that are printed."""

import csv

import pytest

from ptv2.config.cards import read_card


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """A CSV file of a text and a label, in the folder where the commands run."""
    monkeypatch.chdir(tmp_path)
    rows = [(f"the {'red' if i % 2 else 'big'} {'cat dog cow hen fig'.split()[i % 5]} eats", i % 2) for i in range(60)]
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return tmp_path / "reviews.csv"


def test_a_file_is_proposed_trained_and_answered(ptv2, reviews, tiny_bert):
    said = ptv2("init", "reviews.csv", "--backbone", tiny_bert)
    assert said.code == 0, said.err
    assert "kind: cls\n" in said.out and "- 'label' holds one of 2 labels, which rows share" in said.out
    assert said.out.splitlines()[-1] == "train: python -m ptv2.fit --config reviews.yaml"
    said = ptv2("fit", "--config", "reviews.yaml", "trainer.max_epochs=1")
    assert said.code == 0, said.err
    said = ptv2("predict", "--artifact", "runs/reviews", "--input", "reviews.csv")
    assert said.code == 0 and len(said.out.splitlines()) == 60
    said = ptv2("tasks", "check", "reviews.card.yaml", "--backbone", tiny_bert)
    assert said.code == 0, said.err


def test_files_that_are_there_are_kept(ptv2, reviews, tiny_bert):
    (reviews.parent / "reviews.yaml").write_text("mine")
    said = ptv2("init", "reviews.csv", "--backbone", tiny_bert)
    assert (said.code, said.err) == (2, "error: reviews.yaml: is there already; give another --name, or --overwrite\n")
    said = ptv2("init", "reviews.csv", "--backbone", tiny_bert, "--name", "other", "--out", "new/folder")
    assert said.code == 0 and read_card("new/folder/other.card.yaml")["dataset"]["data_files"] == {
        "train": "new/folder/../../reviews.csv"
    }


@pytest.mark.parametrize(("bad", "code", "skips"), [(1, 0, "skip"), (9, 2, "error")])
def test_a_few_bad_rows_are_skipped_and_more_are_an_error(ptv2, reviews, tiny_bert, bad, code, skips):
    lines = reviews.read_text().splitlines()
    lines = [lines[0], *(lines[1:] * 3)]
    lines[5 : 5 + bad] = [",1"] * bad
    reviews.write_text("\n".join(lines) + "\n")
    said = ptv2("init", "reviews.csv", "--backbone", tiny_bert)
    assert said.code == code and "reviews.csv:6: field 'text' is " in said.out
    assert read_card("reviews.card.yaml")["on_bad_row"] == skips
    assert bad == 1 or said.err == (
        "error: reviews.csv: 9 of 162 train rows cannot be used; correct them, or write on_bad_row: skip into the "
        "card, then: python -m ptv2.tasks check reviews.card.yaml\n"
    )
