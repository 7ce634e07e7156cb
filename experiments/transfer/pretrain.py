"""The sources of the transfer study: prompts pretrained on several sets of one kind, and on all of them.

The finished ones are in sources/, where the study finds them; without them they are trained anew. Their steps
were raised once, to twice as many or more for all but `qa`, after a first round of the study had been seen; nothing
else of theirs was searched.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.transfer.runs import FOLDER, RUNS, load
from ptv2.train.fit import fit

BINARY = {
    **{"kind": "cls", "label": "label", "labels": ["negative", "positive"], "label_ids": True},
    "metrics": ["accuracy"],
}
KINDS: dict[str, dict[str, dict[str, Any]]] = {  # kind -> name of a task: its card and what differs from it
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
MIXTURES = KINDS | {"everything": {name: card for tasks in KINDS.values() for name, card in tasks.items()}}
SOURCES = FOLDER / "sources"
STEPS = {"sentiment": 3000, "ner": 3000, "qa": 800, "everything": 2400}
SEED = 1


def pretrain(mixture: str, sources: Path = SOURCES, overrides: Sequence[str] = ()) -> None:
    """Train a source in a folder of sources, unless it is there."""
    if (sources / mixture / "artifact.json").is_file():
        return
    name = "-".join(["pretrain", *sources.relative_to(FOLDER).parts[:-1], mixture])
    fit(
        load(
            name,
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
                *overrides,
            ],
        )
    )
    keep(RUNS / name / "prompt", sources / mixture)


def keep(artifact: Path, folder: Path) -> None:
    """Copy an artifact, without the place where its data lay on the machine that trained it."""
    part = folder.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(artifact, part)
    about = json.loads((artifact / "artifact.json").read_text(encoding="utf-8"))
    for name, card in about["config"]["tasks"].items():
        card["dataset"]["path"] = name
    (part / "artifact.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder)
