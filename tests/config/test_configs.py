"""Every config that is shipped validates, and those of the paper hold the published settings."""

from functools import cache
from pathlib import Path

import ptv2.configs
import pytest

from ptv2.config.load import load_config
from ptv2.config.schema import Config
from ptv2.kinds.check import check_card

FOLDER = Path(next(iter(ptv2.configs.__path__)))
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))
CONFIGS = [
    name for name in FILES if not name.startswith(("compare/", "search/"))
]  # of runs; the others: tests/study, tests/train

# github.com/THUDM/P-tuning-v2, run_script/*.sh: P, learning rate, batch size, epochs, dropout, seed.
PAPER = {
    "bert-large-cased_boolq": (40, 5e-3, 32, 100, 0.1, 11),
    "bert-large-cased_copa": (16, 1e-2, 16, 80, 0.1, 44),
    "bert-large-cased_rte": (20, 1e-2, 32, 60, 0.1, 11),
    "bert-large-cased_wic": (20, 1e-4, 16, 80, 0.1, 44),
    "bert-large-cased_wsc": (20, 5e-3, 16, 80, 0.1, 44),
    "bert-large-uncased_conll2004": (128, 2e-2, 32, 40, 0.2, 11),
    "bert-large-uncased_ontonotes5": (16, 1e-2, 16, 30, 0.1, 11),
    "roberta-large_boolq": (8, 7e-3, 32, 100, 0.1, 11),
    "roberta-large_copa": (8, 9e-3, 16, 120, 0.1, 11),
    "roberta-large_rte": (128, 5e-3, 32, 100, 0.1, 11),
    "roberta-large_wic": (8, 1e-2, 32, 50, 0.1, 11),
    "roberta-large_wsc": (8, 1e-2, 16, 10, 0.1, 44),
    "roberta-large_conll2003": (11, 3e-2, 16, 30, 0.1, 11),
    "roberta-large_conll2004": (144, 6e-2, 32, 80, 0.1, 11),
    "roberta-large_ontonotes5": (48, 7e-3, 16, 60, 0.1, 14),
    "roberta-large_conll2005": (224, 6e-3, 16, 15, 0.1, 11),
    "roberta-large_conll2012": (64, 5e-3, 32, 45, 0.1, 11),
    "roberta-large_squad": (16, 5e-3, 8, 30, 0.2, 11),
    "roberta-large_squad_v2": (8, 5e-3, 8, 10, 0.2, 11),
}
BACKBONES = {
    "bert-large-cased": "google-bert/bert-large-cased",
    "bert-large-uncased": "google-bert/bert-large-uncased",
    "roberta-large": "FacebookAI/roberta-large",
}
POSITIONS = 512  # what the position tables of all three hold


@cache
def config_of(name: str) -> Config:
    return load_config(FOLDER / name)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_config_validates(name):
    config = config_of(name)
    names = {
        Path(name).stem,
        name.removesuffix(".yaml").replace("/", "-"),
    }  # pretrain-ner, transfer-ner: apart in runs/
    assert config.run.name in names
    for card in config.tasks.values():
        check_card(card)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_config_is_short_and_says_what_it_is(name):
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and len(lines) <= 40 and max(map(len, lines)) <= 120


def test_each_row_of_the_paper_has_a_config():
    assert {name for name in CONFIGS if name.startswith("paper/")} == {f"paper/{row}.yaml" for row in PAPER}


@pytest.mark.parametrize("row", PAPER)
def test_the_settings_are_the_published_ones(row):
    config = config_of(f"paper/{row}.yaml")
    backbone, _, task = row.partition("_")
    length, lr, batch, epochs, dropout, seed = PAPER[row]
    assert config.backbone.name == BACKBONES[backbone]
    assert (config.prompt.length, config.optim.lr, config.data.batch_size) == (length, lr, batch)
    assert (config.trainer, config.seed) == ({"max_epochs": epochs}, seed)
    # One dropout in all three places: the official hidden_dropout_prob.
    assert {config.prompt.dropout, config.head.dropout, config.backbone.dropout} == {dropout}
    assert config.prompt.projection == (512 if row == "bert-large-cased_wic" else None)

    assert (config.method, config.prompt.form, config.prompt.layers, config.prompt.gate) == ("deep", "kv", "all", False)
    assert (config.prompt.init, config.prompt.init_std, config.prompt.dropout_per) == ("normal", 0.02, "example")
    assert config.prompt.position_offset and config.backbone.dtype == "float32"
    optim = config.optim
    assert (optim.head_lr, optim.weight_decay, optim.warmup, optim.clip) == (None, 0.0, 0.0, 1.0)
    assert not config.data.group_by_length and config.data.limit == {}

    ((name, card),) = config.tasks.items()
    assert name == task
    assert card.max_length + length <= POSITIONS
    if card.name.startswith("superglue/"):
        assert (optim.schedule, config.head.pooling, card.max_length, config.data.pad_to_max) == (
            "linear", "pooler", 128, True,
        )  # fmt: skip
    else:
        assert (optim.schedule, optim.gamma) == ("exponential", 0.95)
    if card.kind == "span":
        assert card.max_length == 384 and card.options.get("stride", 128) == 128


def test_wic_has_the_official_template_of_each_model():
    pair = config_of("paper/bert-large-cased_wic.yaml").tasks["wic"].inputs
    single = config_of("paper/roberta-large_wic.yaml").tasks["wic"].inputs
    assert pair == {"text": "{word}: {sentence1}", "pair": "{word}: {sentence2}"}
    assert list(single) == ["text"]
