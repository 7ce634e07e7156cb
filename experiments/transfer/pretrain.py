"""The sources of the transfer study: prompts pretrained on several sets of one kind, and on all of them."""

from pathlib import Path
from typing import Any

from experiments.transfer.runs import RUNS, load
from ptv2.fit import fit

BINARY = {"kind": "cls", "label": "label", "labels": ["negative", "positive"], "metrics": ["accuracy"]}
SOURCES: dict[str, dict[str, dict[str, Any]]] = {  # kind -> name of a task: its card and what differs from it
    "sentiment": {
        name: {"card": f"sentiment/{name}", "max_length": 48} | BINARY
        for name in ("hutto_movie", "hutto_amazon", "hutto_tweets", "hutto_nyt")
    },
    "ner": {
        "conll2003": {"card": "ner/conll2003", "max_length": 64},
        "wnut_17": {"card": "ner/wnut_17", "max_length": 64},
        "few_nerd": {"card": "ner/few_nerd_inter", "max_length": 64},
    },
    "qa": {
        name: {"card": f"qa/{name}", "max_length": 160, "options": {"stride": 48, "null_threshold": "validation"}}
        for name in ("squad", "squad_v2")
    },
}
MIXTURES = SOURCES | {"everything": {name: card for tasks in SOURCES.values() for name, card in tasks.items()}}
STEPS = {"sentiment": 1200, "ner": 1400, "qa": 800, "everything": 1200}
SEED = 1


def pretrain(mixture: str) -> Path:
    """The run folder of a source, trained now unless it is there."""
    config = load(
        f"pretrain-{mixture}",
        MIXTURES[mixture],
        [
            f"seed={SEED}",
            "optim.lr=0.01",
            "data.limit.train=4000",
            "data.limit.validation=100",
            "data.limit.test=100",
            "mixture.sampling=temperature:2",
            f"mixture.steps_per_epoch={STEPS[mixture] // 4}",
            "trainer.max_epochs=4",
        ],
    )
    fit(config)
    return RUNS / f"pretrain-{mixture}"
