"""Generation: the bare backbone, `ptv2` and PEFT's prefix write to the same sources, as many tokens each."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from experiments.bench.gate import Gate
from experiments.bench.peers import peer
from experiments.bench.plan import Group
from experiments.bench.systems import batches, config_of, device, tasks_of
from ptv2.backbone import Injection
from ptv2.model.build import build

TOKENS = 24  # that each row is written


def generate(group: Group, options: Mapping[str, Any], gate: Gate) -> None:
    """Write to the sources of each batch, exactly `TOKENS` tokens."""
    config = config_of(group, {})
    written = writer(group, options["method"])
    for batch in batches(config, gate):
        gate()
        inputs = {"input_ids": batch["source_ids"], "attention_mask": batch["source_mask"]}
        with torch.no_grad():
            written({name: tensor.to(device()) for name, tensor in inputs.items()})


def writer(group: Group, method: str) -> Callable[[dict[str, Any]], Any]:
    """Return what writes for a batch of sources, with the prompt of a method or without one."""
    config = config_of(group, {})
    settings = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
    if method == "prefix":
        ((_, data),) = tasks_of(config).items()
        model: Any = peer(group, data, "prefix")[0].to(device()).eval()
        return lambda inputs: model.generate(**inputs, **settings)
    module = build(config).module.to(device()).eval()
    bare = method == "bare"
    return lambda inputs: module.backbone.generate(
        inputs, Injection() if bare else module.method(len(inputs["input_ids"])), settings
    )
