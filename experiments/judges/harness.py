"""Likelihoods beside lm-evaluation-harness: a prompt that ptv2 trained, in three forms, on a task of a local YAML.

The harness knows nothing of ptv2: it gets a folder of PEFT, a plain folder of transformers whose larger feed-forward
layers hold the slots, or a model that `ptv2.attach` was called on. It scores each target given its source, with the end
of the text, and ptv2 the same rows.

Both compute in float64. Thirty layers in float32 put either of them 1e-6 a token away from that, and the tables say how
far apart the two are in float32.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import yaml

import ptv2
from experiments.judges import smollm2, tiny
from experiments.judges.judge import Absent, Case, Judge
from ptv2.model.predictions import read_scored
from ptv2.train.fit import fit

NAME, ROWS = "words", 64
FORMS: dict[str, dict[str, Any]] = {  # how the harness gets it: keys of the prompt
    "PEFT folder": {},
    "plain folder": {"form": ["values", "slots"]},
    "attached": {"form": ["kv", "memory"]},
}
Given = Callable[[torch.dtype], dict[str, Any]]  # arguments of the harness's model, which computes in this type


def cases() -> Iterator[Case]:
    if find_spec("lm_eval") is None:
        raise Absent("lm_eval is not installed (pip install 'ptv2[judges]')")
    for name, prompt in FORMS.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            tiny.save("llama", folder / "model")
            keys = {"prompt": {"form": "kv", "length": 4, "dropout": 0.0} | prompt, "optim": {"lr": 0.02}}
            fit(tiny.config("llama", folder, ROWS, **keys))
            asked = Asked(folder / "train.jsonl", f"{{{{text}}}} {tiny.SEPARATOR}", " {{label}}[SEP]")
            yield from compared(name, folder, NAME, asked, given(name, folder))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run, *_ = smollm2.trained(folder)
        ptv2.export(run, "peft", folder / "peft")
        model = {"pretrained": str(smollm2.weights().parent), "gguf_file": smollm2.weights().name}
        model["peft"] = str(folder / "peft")
        source = "{{meaning_representation}}" + smollm2.SEPARATOR
        asked = Asked(folder / "rows" / "validation.jsonl", source, "{{human_reference}}" + smollm2.END)
        name = "SmolLM2, E2E, PEFT folder"
        yield from compared(name, folder, "e2e_nlg", asked, lambda _: model, by_token=True)


def compared(
    name: str, folder: Path, task: str, asked: "Asked", model: Given, by_token: bool = False
) -> Iterator[Case]:
    """Compare the targets whose likelihoods are furthest apart, as a whole or by token, and the perplexity."""
    sides = read_scored(folder / "run" / "scored" / f"{task}.validation.json").sides
    tokens = [side["tokens"] for side in sides]
    parts = tokens if by_token else [1] * len(tokens)
    theirs, rounded = (likelihoods(model(dtype), asked, folder, dtype) for dtype in (torch.float64, torch.float32))
    predictor, rows = ptv2.load(folder / "run"), asked.rows()
    predictor.module.double()
    ours = [-math.log(predictor.score([row])["perplexity"]) * n for row, n in zip(rows, tokens, strict=True)]
    pairs = [(them / n, us / n) for them, us, n in zip(theirs, ours, parts, strict=True)]
    furthest = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    apart = max(abs(them + side["nll"]) / n for them, side, n in zip(rounded, sides, parts, strict=True))
    of = "a token, the mean over a target" if by_token else "a target"
    rounding = f"{len(pairs)} rows, the furthest apart (in float32: {apart:.1e})"
    yield Case(f"{name}: log-likelihood of {of}", rounding, *furthest)
    perplexity = math.exp(-sum(theirs) / sum(tokens))
    yield Case(f"{name}: perplexity", f"{sum(tokens)} tokens", perplexity, predictor.score(rows)["perplexity"])


@dataclass(frozen=True)
class Asked:
    """Rows of a file, and the templates of source and target."""

    file: Path
    source: str
    target: str

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]


def given(form: str, folder: Path) -> Given:
    """Hand the tiny model with its prompt over."""
    if form == "PEFT folder":
        ptv2.export(folder / "run", "peft", folder / "peft")
        return lambda _: {"pretrained": str(folder / "model"), "peft": str(folder / "peft")}
    if form == "plain folder":
        ptv2.export(folder / "run", "transformers", folder / "plain")
        return lambda _: {"pretrained": str(folder / "plain")}

    def attached(dtype: torch.dtype) -> dict[str, Any]:
        model = tiny.load("llama", folder / "model").to(dtype)
        ptv2.attach(model, folder / "run")
        return {"pretrained": model, "tokenizer": str(folder / "model")}

    return attached


def likelihoods(model: dict[str, Any], asked: Asked, folder: Path, dtype: torch.dtype) -> Sequence[float]:
    """Let the harness score the rows in this type, and return the log-likelihood of each target."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    task = {
        "task": NAME,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(asked.file)}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": asked.source,
        "doc_to_target": asked.target,
        "target_delimiter": "",
        "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}],
    }
    (folder / "tasks").mkdir(exist_ok=True)
    (folder / "tasks" / f"{NAME}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    judged = HFLM(**model, device="cpu", dtype=dtype, batch_size=4)
    tasks = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    found = simple_evaluate(judged, tasks=[NAME], task_manager=tasks, log_samples=True, bootstrap_iters=0)
    assert found is not None  # of rank zero
    samples = sorted(found["samples"][NAME], key=lambda sample: sample["doc_id"])
    assert [sample["doc"] for sample in samples] == asked.rows()
    return [float(sample["filtered_resps"][0][0]) for sample in samples]


JUDGE = Judge(
    "lm-evaluation-harness",
    "Likelihoods: lm-evaluation-harness",
    "A prompt of ptv2 on a tiny random Llama, handed over as a folder of PEFT, as a plain folder (values and "
    "slots), or attached to the model, and one on SmolLM2-135M after eight steps on E2E, as a folder of PEFT; a task "
    "of a local YAML, targets scored with the end of the text. Both compute in float64; how far apart the two are in "
    "float32, where each is rounded, stands beside it.",
    ("lm_eval", "transformers", "peft"),
    1e-6,
    cases,
)
