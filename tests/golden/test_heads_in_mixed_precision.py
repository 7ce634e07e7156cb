"""Heads compute in float32 under bf16-mixed and 16-mixed too: what a checkpoint is chosen by is what is reported."""

import pytest
import torch
from training import run_config

from ptv2.model.build import build

BIAS = 250123.0  # float16 ends at 65,504, and bfloat16 has 8 bits


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("kind", "pooling"), [("regression", "mean"), ("regression", "dense"), ("cls", "mean"), ("tagging", "mean")]
)
def test_logits_are_those_of_the_same_states_in_float32(kind, pooling, dtype, tmp_path):
    parts = build(run_config("bert", tmp_path, kind, head={"pooling": pooling}))
    module, (batch, *_) = parts.module.eval(), parts.data.train_dataloader()
    (head,) = module.heads.values()
    torch.nn.init.constant_(head.out.bias, BIAS)
    seen = []
    head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        with torch.autocast("cpu", dtype=dtype):
            logits = module(batch)
        assert logits.dtype == torch.float32 and logits.isfinite().all() and (logits > BIAS - 100).all()
        assert torch.equal(logits, head(seen[0]))
