"""FSDP2 and texts: ranks that hold a part of each layer write until the longest text of any of them has ended."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from outcome import ROUNDING, logged, same, scores, weights
from seq2seq_models import save_lm

from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.train import fit
from ptv2.train.strategy import make_strategy

DDP = ("trainer.devices=2", "trainer.strategy=ddp")
FSDP2 = ("trainer.devices=2", "trainer.strategy=fsdp2")
ROWS = {"train": 17, "validation": 5, "test": 7}  # of 3 and 4 batches of two: one rank is lent a row

ENDS = list(range(1, 280, 9))  # tokens that end a text, so that texts end soon and at different lengths
BEAMS = {"num_beams": 3, "early_stopping": True, "eos_token_id": list(range(4, 280, 4))}


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """`write("t5", num_beams=3)`: a config with these settings of `generate`; one token in nine ends a text."""

    def config(family: str, **generation: object) -> Path:
        draw = random.Random(0)
        (tmp_path / "rows").mkdir()
        for split, count in ROWS.items():
            names = draw.choices(["cat", "dog", "cow", "hen"], k=count)
            rows = [{"text": f"the {'big ' * (i % 3)}{name}", "target": f"a {name}"} for i, name in enumerate(names)]
            (tmp_path / "rows" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        card = {
            "name": "tiny",
            "kind": "seq2seq",
            "dataset": {"path": str(tmp_path / "rows")},
            "inputs": {"source": "text"},
            "label": "target",
            "metrics": ["chrf", "bleu"],
            "max_length": 24,
            "options": {"max_target_length": 12, "generation": {"eos_token_id": ENDS} | generation},
        }
        values = {
            "preset": "official",
            "tasks": {"tiny": card},
            "backbone": {"name": str(save_lm(family, tmp_path / family)), "dropout": 0.0},
            "prompt": {"length": 6, "dropout": 0.0},
            "optim": {"lr": 0.03, "schedule": "constant"},
            "data": {"batch_size": 2, "eval_batch_size": 2},
            "run": {"folder": str(tmp_path / "runs"), "log_every": 1, "timeout": 120},
            "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "config.yaml"

    return config


def texts(folder: Path) -> list[str]:
    lines = (folder / "predictions" / "tiny.test.jsonl").read_text().splitlines()
    return [json.loads(line)["generated"] for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "generation", "more"),
    [
        ("gpt2", {}, ()),
        ("t5", BEAMS, ("optim.lr=0.01", "prompt.length={encoder: 3, decoder: 2, cross: 4}")),
        ("llama", {"do_sample": True, "top_k": 5}, ("backbone.gradient_checkpointing=true",)),
        ("bart", {}, ("optim.lr=0.1", "prompt.form=hidden", "prompt.length={encoder: 3, cross: 4}")),
    ],
    ids=["greedily", "by beams", "by sampling", "hidden form"],
)
def test_losses_weights_scores_and_texts_are_those_of_ddp_and_of_one(family, generation, more, write, two, tmp_path):
    config = write(family, **generation)
    fit.fit(load_config(config, ["run.name=one", "data.batch_size=4", *more]))
    one = tmp_path / "runs" / "one"
    assert len({len(text) for text in texts(one)}) > 1  # or ranks would end together by themselves
    for name, ways in (("ddp", DDP), ("fsdp2", FSDP2)):
        said = two("--config", config, f"run.name={name}", *ways, *more)
        assert said.code == 0, said.err
        folder = tmp_path / "runs" / name
        assert same(logged(folder), logged(one), 1e-5)
        assert same(weights(folder), weights(one), ROUNDING)
        assert same(scores(folder), scores(one), 1e-6)
        assert texts(folder) == texts(one)


@pytest.mark.parametrize("setting", [{"prefill_chunk_size": 4}, {"guidance_scale": 1.5}], ids=str)
def test_settings_with_which_ranks_need_unequal_calls_are_refused(write, setting):
    """Sources of other lengths have other numbers of chunks; a rank whose texts have ended asks for no guidance."""
    config = load_config(write("gpt2", **setting), FSDP2)
    with pytest.raises(UserError, match=f"options.generation.{next(iter(setting))}: cannot be used with"):
        make_strategy(config, config.trainer)


def test_settings_that_ask_for_nothing_are_not(write):
    config = load_config(write("gpt2", prefill_chunk_size=None, guidance_scale=1), FSDP2)
    assert make_strategy(config, config.trainer)
