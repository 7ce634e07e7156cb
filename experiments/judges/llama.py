"""Greedy texts beside llama.cpp: a deep prompt of ptv2, loaded as the state of a sequence.

The engine is node-llama-cpp of the npm registry, whose packages carry llama.cpp as it was built for them:
`npm install --ignore-scripts node-llama-cpp@VERSION` in the folder that PTV2_NODE names, or in .venv/node. State files
are of one release, so another version of it is refused.

ptv2 computes with the weights of SmolLM2's 4-bit GGUF in float32. llama.cpp would round what they are multiplied with,
too, so it is given them written out in float32. Beside a cache of float16 it rounds keys, values and what they are
multiplied with, in an order of its own. So there, and only there, a text may part from ours at a tie: two tokens whose
logits are nearer to each other than they move when ptv2 rounds its keys and values to float16 as well.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedTokenizerFast

import ptv2
from experiments.judges import smollm2, tiny
from experiments.judges.gguf_files import write_full, write_tiny
from experiments.judges.judge import Absent, Case, Judge
from ptv2.backbone import Injection, SitePrompt
from ptv2.exchange.llama import PACKAGE, RELEASE
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import Source, keys_values, source_of

MOST = 48  # tokens of a text
CACHES = {"f32": 50, "f16": 50, "f32-flash": 10, "f16-flash": 10}
"""Type of the cache, and flash attention: how many rows are continued with it."""
TINY = {"llama": False, "llama, position_offset": True, "qwen2": False, "qwen3": False}
Ids = list[list[int]]


def engine() -> Path:
    """Find the package node-llama-cpp.

    Raises:
        Absent: there is no node, no package, or one of another version.
    """
    package, wanted = PACKAGE.split()
    folder = Path(os.environ.get("PTV2_NODE", Path(sys.prefix) / "node")) / "node_modules" / package
    if shutil.which("node") is None:
        raise Absent("node is not installed")
    if not (folder / "package.json").is_file():
        raise Absent(f"{package} is not in the folder PTV2_NODE (npm install --ignore-scripts {package}@{wanted})")
    found = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    if found != wanted:
        raise Absent(f"{package} {found} is installed, and states are written for that of {package} {wanted}")
    return folder


def theirs(package: Path, model: Path, state: Path, rows: Ids) -> tuple[Ids, list[int]]:
    """Let the engine continue each row behind the state, whose name says for which cache it is.

    Returns:
        The ids that it wrote, and those that end a text for it.
    """
    cache, _, flash = state.stem.partition("-")
    job = {"package": package, "model": model, "state": state, "rows": rows, "most": MOST}
    job |= {"cache": cache.upper(), "flash": flash == "flash"}
    line = ["node", str(Path(__file__).with_name("llama.mjs"))]
    done = subprocess.run(line, input=json.dumps(job, default=str), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{state.name}: {done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    if said["release"] != RELEASE:
        raise Absent(f"the engine is llama.cpp {said['release']}, and states are written for {RELEASE}")
    return said["texts"], said["ends"]


def ours(source: Source, rows: Ids) -> Ids:
    """Let ptv2 continue the rows, some at a time."""
    pad, end = source.backbone.tokenizer.pad_token_id, source.backbone.tokenizer.eos_token_id
    settings = {"max_new_tokens": MOST, "do_sample": False, "pad_token_id": pad, "eos_token_id": end}
    texts: Ids = []
    for few in (rows[i : i + 10] for i in range(0, len(rows), 10)):
        longest = max(map(len, few))
        lefts = [longest - len(ids) for ids in few]
        inputs = {
            "input_ids": torch.tensor([[pad] * n + ids for n, ids in zip(lefts, few, strict=True)]),
            "attention_mask": torch.tensor([[0] * n + [1] * (longest - n) for n in lefts]),
        }
        texts += source.backbone.generate(inputs, source.injection(), settings).tolist()
    return texts


def until(ids: list[int], ends: list[int]) -> list[int]:
    """Cut a text at the first token that ends it."""
    return list(takewhile(lambda id_: id_ not in ends, ids))


def halved(states: Tensor) -> Tensor:
    """Round numbers to float16, and return them in their own type."""
    return states.half().to(states.dtype)


class HalvedCache(DynamicCache):
    """A cache that keeps keys, already rotated, and values as one of float16 would."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return super().update(halved(key_states), halved(value_states), *args, **kwargs)


def halved_prompt(source: Source) -> Injection:
    """Return the keys and values that the file for a cache of float16 holds, with tokens behind their positions."""
    held = for_cache(source, keys_values(source, "llama-state"))
    sites = [SitePrompt(halved(kv.key_GPD)[None], halved(kv.value_GPE)[None]) for kv in held]
    return Injection(sites, shift=held[0].length)


@torch.no_grad()
def logits(source: Source, ids: list[int], prompt: Injection, cache: DynamicCache) -> Tensor:
    """Compute the logits [V] of the token behind these."""
    first = source.positions if prompt.shift is None else prompt.shift
    with source.backbone.state.use(prompt):
        places_1T = torch.arange(len(ids))[None] + first
        return source.backbone.model(torch.tensor([ids]), position_ids=places_1T, past_key_values=cache).logits[0, -1]


def parting(own: list[int], found: list[int], ends: list[int]) -> tuple[int, list[int]]:
    """Return at which place two texts part, and which tokens may be the other's: one of the ends where it is over."""
    place = next((i for i, (a, b) in enumerate(zip(own, found, strict=False)) if a != b), len(found))
    return place, found[place : place + 1] or ends


def tie(source: Source, row: list[int], own: list[int], found: list[int], ends: list[int]) -> tuple[float, float]:
    """Return how far apart the logits are where two texts part, and how far rounding to float16 moves one of them."""
    place, others = parting(own, found, ends)
    ids = row + own[:place]
    plain_V = logits(source, ids, source.injection(), DynamicCache())
    moved_V = (logits(source, ids, halved_prompt(source), HalvedCache()) - plain_V).abs()
    other = max(others, key=lambda id_: float(plain_V[id_]))
    return float((plain_V[own[place]] - plain_V[other]).abs()), float(moved_V[[own[place], other]].max())


def compared(name: str, run: Path, model: Path, rows: Ids, caches: dict[str, int]) -> Iterator[Case]:
    """Export the prompt of a run, and count for each cache the rows that both continue alike, id for id.

    A GGUF has several tokens that end a text: ours is cut at the first of them.
    """
    package, source = engine(), source_of(run, None)
    expected = ours(source, rows)
    ptv2.export(run, "llama-state", run / "state")
    for cache, most in caches.items():
        found, ends = theirs(package, model, run / "state" / f"{cache}.bin", rows[:most])
        own = [until(ids, ends) for ids in expected[:most]]
        others = [i for i, (a, b) in enumerate(zip(found, own, strict=True)) if a != b]
        counted, of = "equal texts", f"{len(found)} rows, {sum(map(len, own)):,} tokens"
        if cache.startswith("f16"):
            ties = [tie(source, rows[i], expected[i], found[i], ends) for i in others]
            counted += " or ties"
            of += f"; {len(found) - len(others)} rows equal"
            of += "".join(f", one parts at logits {near:.1e} apart, float16 moves them {by:.1e}" for near, by in ties)
            others = [i for i, (near, by) in zip(others, ties, strict=True) if near >= by]
        yield Case(f"{name}, cache {cache}: {counted}", of, len(found) - len(others), len(found))


def cases() -> Iterator[Case]:
    engine()
    asked = smollm2.distinct("test", max(CACHES.values()))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, offset in TINY.items():
            family = name.partition(",")[0]
            own = folder / name
            tiny.save(family, own / "model")
            prompt = {"form": "kv", "length": 5, "init": "normal", "init_std": 1.0, "position_offset": offset}
            tiny.start_of(tiny.config(family, own, 20, prompt=prompt), own / "run")
            lines = (own / "train.jsonl").read_text(encoding="utf-8").splitlines()
            tokenizer = PreTrainedTokenizerFast.from_pretrained(own / "model")
            rows = [tokenizer(json.loads(line)["text"])["input_ids"] for line in lines]
            model = write_tiny(family, own / "model", own / "tiny.gguf")
            yield from compared(f"tiny {name}", own / "run", model, rows, {"f32": 20})
        run, *_ = smollm2.trained(folder / "e2e")
        predictor = ptv2.load(run)
        features = predictor.data[predictor.task].features
        rows = [features.encode(row, str, labelled=False)[0]["input_ids"] for row in asked]
        model = write_full(smollm2.weights(), folder / "full.gguf")
        yield from compared("SmolLM2, E2E", run, model, rows, CACHES)


JUDGE = Judge(
    "llama.cpp",
    "Generated text: llama.cpp",
    "Deep prompts handed over as the state of a sequence (form llama-state) and continued greedily, id for id: of tiny "
    "random models, and of SmolLM2-135M after eight steps on E2E, up to 48 tokens a row. The cache holds float32 or "
    "float16, with and without flash attention. With float16 the engine rounds what ptv2 does not, so a text may part "
    "at a tie: where two logits are nearer to each other than rounding ptv2's keys and values to float16 moves them. "
    f"Engine: {PACKAGE} (llama.cpp {RELEASE}).",
    ("gguf", "transformers"),
    0.0,
    cases,
)
