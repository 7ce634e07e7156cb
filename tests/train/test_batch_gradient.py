"""The gradient of one batch, out of the sums that torch keeps; with ranks that average late, see tests/distributed."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ptv2.train.callbacks.batch_gradient import BatchGradient


@pytest.mark.parametrize("scale", [None, 65536.0])
@pytest.mark.parametrize("batches", [1, 2])
def test_it_is_that_of_the_batch_alone_and_without_a_loss_scale(scale, batches):
    scaler = scale and SimpleNamespace(get_scale=lambda: scale)
    trainer = SimpleNamespace(
        accumulate_grad_batches=batches,
        precision_plugin=SimpleNamespace(scaler=scaler),
        strategy=SimpleNamespace(model=nn.Identity()),
    )
    trained, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    gradient = BatchGradient()
    for _ in range(2):  # steps
        gradient.begin()
        trained.grad = None
        for value in (3.0, 5.0)[:batches]:
            ((trained.sum() * value / batches) * (scale or 1)).backward()  # as Lightning and a scaler have it
            assert gradient.of([trained, unused], trainer).tolist() == [value, value, 0]
