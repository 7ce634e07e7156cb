"""Likelihoods beside lm-evaluation-harness: a prompt that ptv2 trained, in three forms, on a task of a local YAML.

The harness knows nothing of ptv2: it gets a folder of PEFT, a plain folder of transformers whose larger feed-forward
layers hold the slots, or a model that `ptv2.attach` was called on. It scores each target given its source, with the end
of the text; ptv2 scored the same rows when the run ended.
"""

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

import ptv2
from experiments.judges import tiny
from experiments.judges.judge import Absent, Case, Judge
from ptv2.config.schema import Config
from ptv2.model.predictions import read_scored
from ptv2.train.fit import fit

NAME, ROWS = "words", 64
FORMS: dict[str, dict[str, Any]] = {  # how the harness gets it: keys of the prompt
    "PEFT folder": {},
    "plain folder": {"form": ["values", "slots"]},
    "attached": {"form": ["kv", "memory"]},
}


def cases() -> Iterator[Case]:
    if find_spec("lm_eval") is None:
        raise Absent("lm_eval is not installed (pip install 'ptv2[judges]')")
    for name, prompt in FORMS.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            tiny.save("llama", folder / "model")
            keys = {"prompt": {"length": 4, "dropout": 0.0} | prompt, "optim": {"lr": 0.02}}
            run = tiny.config("llama", folder, ROWS, **keys)
            results = fit(run)
            scored = read_scored(folder / "run" / "scored" / f"{NAME}.validation.json")
            ours = [-side["nll"] for side in scored.sides]
            theirs = likelihoods(name, run, folder)
            furthest = max(range(len(ours)), key=lambda row: abs(ours[row] - theirs[row]))
            of = f"{len(ours)} rows, the furthest apart"
            yield Case(f"{name}: log-likelihood of a target", of, theirs[furthest], ours[furthest])
            tokens = sum(side["tokens"] for side in scored.sides)
            perplexity = results["scores"]["validation"][NAME]["perplexity"]
            yield Case(f"{name}: perplexity", f"{tokens} tokens", math.exp(-sum(theirs) / tokens), perplexity)


def likelihoods(form: str, run: Config, folder: Path) -> Sequence[float]:
    """Let the harness score the rows, and return the log-likelihood of each target."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    task = {
        "task": NAME,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "train.jsonl")}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": f"{{{{text}}}} {tiny.SEPARATOR}",
        "doc_to_target": " {{label}}[SEP]",
        "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}],
    }
    (folder / "tasks").mkdir()
    (folder / "tasks" / f"{NAME}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    plain: dict[str, Any] = {"pretrained": str(folder / "model")}
    if form == "PEFT folder":
        ptv2.export(folder / "run", "peft", folder / "peft")
        plain["peft"] = str(folder / "peft")
    elif form == "plain folder":
        ptv2.export(folder / "run", "transformers", folder / "plain")
        plain = {"pretrained": str(folder / "plain")}
    if form == "attached":
        model = tiny.load("llama", folder / "model")
        ptv2.attach(model, folder / "run")
        plain |= {"pretrained": model, "tokenizer": str(folder / "model")}
    judged = HFLM(**plain, device="cpu", dtype="float32", batch_size=4)
    tasks = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    found = simple_evaluate(judged, tasks=[NAME], task_manager=tasks, log_samples=True, bootstrap_iters=0)
    assert found is not None  # of rank zero
    samples = sorted(found["samples"][NAME], key=lambda sample: sample["doc_id"])
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [sample["doc"]["text"] for sample in samples] == [row["text"] for row in rows]
    return [float(sample["filtered_resps"][0][0]) for sample in samples]


JUDGE = Judge(
    "lm-evaluation-harness",
    "Likelihoods: lm-evaluation-harness",
    "A prompt of ptv2 on a tiny random Llama, handed over as a folder of PEFT, as a plain folder (values and "
    "slots), or attached to the model; a task of a local YAML, targets scored with the end of the text.",
    ("lm_eval", "transformers", "peft"),
    1e-6,
    cases,
)
