"""A prompt is similar to a task as far as the task's head learns more with it than with an untrained one."""

import json
import random
import shutil

import pytest
import torch
from seq2seq_models import save_lm
from transformers import BertConfig, BertForMaskedLM

from ptv2.artifact.files import read_artifact
from ptv2.config.load import make_config
from ptv2.model.build import build
from ptv2.train.changes import drawn
from ptv2.train.fit import fit
from ptv2.train.probe import Probe
from ptv2.train.retrieval import rank

ANIMALS, FRUITS = "cat dog cow hen".split(), "apple pear plum fig".split()


def texts(draw):
    return " ".join(draw.choices(ANIMALS + FRUITS, k=4))


def cls(draw):
    return {"text": texts(draw), "label": draw.choice(["no", "yes"])}


def tagging(draw):
    words = texts(draw).split()
    return {"tokens": words, "label": ["B-ANIMAL" if word in ANIMALS else "O" for word in words]}


def choice(draw):
    return {"text": "the", "choices": [draw.choice(ANIMALS), draw.choice(FRUITS)], "label": draw.randint(0, 1)}


def cloze(draw):
    names = ["Ann", "Bob"]
    return {"text": "Ann sees Bob", "query": "@placeholder sees", "entities": names, "label": [draw.choice(names)]}


def span(draw):
    answer = draw.choice(ANIMALS)
    text = f"the {answer} eats {draw.choice(FRUITS)}"
    return {"text": text, "question": "sees", "label": {"text": [answer], "answer_start": [text.index(answer)]}}


KINDS = {
    "cls": (cls, {"inputs": {"text": "text"}, "labels": ["no", "yes"], "metrics": ["accuracy"]}),
    "tagging": (tagging, {"inputs": {"tokens": "tokens"}, "labels": ["O", "B-ANIMAL"], "metrics": ["span_f1"]}),
    "regression": (
        lambda draw: {"text": texts(draw), "label": draw.random()},
        {"inputs": {"text": "text"}, "metrics": ["pearson"]},
    ),
    "multilabel": (
        lambda draw: {"text": texts(draw), "label": draw.sample(["a", "b"], draw.randint(0, 2))},
        {"inputs": {"text": "text"}, "labels": ["a", "b"], "metrics": ["micro_f1"]},
    ),
    "choice": (choice, {"inputs": {"text": "text", "choices": "choices"}, "metrics": ["accuracy"]}),
    "cloze": (
        cloze,
        {"inputs": {"text": "text", "query": "query", "entities": "entities"}, "metrics": ["squad_em"]},
    ),
    "span": (
        span,
        {"inputs": {"context": "text", "question": "question"}, "options": {"stride": 4}, "metrics": ["squad_f1"]},
    ),
    "seq2seq": (
        lambda draw: {"text": texts(draw), "label": draw.choice(ANIMALS)},
        {"inputs": {"source": "text"}, "metrics": ["rouge_l"]},
    ),
}
WAYS = {
    "deep": {},
    "a union": {"method": "deep+lora"},
    "prefix": {"method": "prefix"},
    "an ensemble": {"method": "prompt", "prompt": {"length": 4, "ensemble": 2}},
    "a projection": {"prompt": {"length": 4, "projection": 8}},
    "a template": {
        "method": "ptuning",
        "ptuning": {"template": "{prompt:2} {text} {mask}", "verbalizer": {"no": "a", "yes": "the"}},
    },
}


@pytest.fixture
def written(tmp_path, tiny_bert):
    """`written("cls", rows)`: a config of a task with these rows, named as the folder that holds them."""

    def write(kind, rows, name="one", seed=1, **keys):
        (tmp_path / name).mkdir(exist_ok=True)
        for split, part in {"train": rows, "validation": rows[:4], "test": rows[:4]}.items():
            (tmp_path / name / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
        card = {
            "name": name,
            "kind": kind,
            "label": "label",
            "dataset": {"path": str(tmp_path / name)},
            "max_length": 24,
        }
        backbone = tiny_bert
        if kind == "seq2seq":
            backbone = save_lm("t5", tmp_path / "t5")
        elif keys.get("method") == "ptuning":
            backbone = shutil.copytree(tiny_bert, tmp_path / "mlm")
            BertForMaskedLM(BertConfig.from_pretrained(tiny_bert)).save_pretrained(backbone)
        values = {
            "preset": "official",
            "tasks": {name: card | KINDS[kind][1]},
            "backbone": {"name": str(backbone)},
            "prompt": {"length": 4, "retrieve": {"steps": 20}},
            "seed": seed,
            "data": {"batch_size": 8},
            "run": {"name": f"{name}-{seed}", "folder": str(tmp_path / "runs")},
            "trainer": {"enable_progress_bar": False},
        }
        return make_config(values | keys, [])

    return write


def rows_of(kind, count=40, seed=0):
    draw = random.Random(seed)
    return [KINDS[kind][0](draw) for _ in range(count)]


def untrained(probe, config):
    """Prompts of unequal seeds, one of the run's own among them."""
    return [drawn(probe.alone, probe.backbone, seed) for seed in (100, 101, config.seed)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_prompt_is_worth_nothing_to_any_kind(written, kind):
    config = written(kind, rows_of(kind))
    probe = Probe(config)
    assert probe.untrained > 0
    assert all(abs(probe.similarity(vectors)) < 0.02 for vectors in untrained(probe, config))


@pytest.mark.parametrize("keys", WAYS.values(), ids=WAYS)
def test_nor_to_any_method_with_a_prompt(written, keys):
    config = written("cls", rows_of("cls"), **keys)
    probe = Probe(config)
    assert all(abs(probe.similarity(vectors)) < 0.02 for vectors in untrained(probe, config))


def topics(seed, decoy):
    """Animals or fruits are named, or the other way round big things are; for the decoy the label says the latter."""
    draw, rows = random.Random(seed), []
    for _ in range(64):
        animal, big = draw.random() < 0.5, draw.random() < 0.5
        words = draw.choices(ANIMALS if animal else FRUITS, k=3) + (["big"] if big else ["red"])
        rows.append({"text": " ".join(words), "label": "yes" if (big if decoy else animal) else "no"})
    return rows


def test_a_decoy_from_the_very_start_of_the_run_is_not_taken_for_a_prompt_of_the_task(written, tmp_path):
    train = {"trainer": {"max_epochs": 15, "enable_progress_bar": False}, "optim": {"lr": 0.03}}
    folders = {}
    for name, seed, decoy in (("source", 7, False), ("decoy", 1, True)):
        config = written("cls", topics(seed, decoy), name, seed, **train)
        fit(config)
        folders[name] = tmp_path / "runs" / config.run.name
    config = written("cls", topics(3, False), prompt={"length": 4})
    own, decoys = (build(one).module.method.folded() for one in (config, written("cls", topics(1, True), "decoy")))
    assert all(map(torch.equal, own, decoys))
    ranked = rank(config, [read_artifact(folder) for folder in folders.values()])
    found = {
        source.artifact.path.parent.name: value for source, value in zip(ranked.sources, ranked.similarity, strict=True)
    }
    assert list(found) == ["source-7", "decoy-1"] and found["source-7"] > 0.1
    assert abs(found["decoy-1"]) < 0.05


def test_rows_too_few_to_leave_some_out_are_measured_as_they_are(written):
    probe = Probe(written("cls", rows_of("cls", 1)))
    assert abs(probe.similarity(drawn(probe.alone, probe.backbone, 100))) < 0.02
