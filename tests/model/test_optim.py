import pytest
import torch
from torch import nn

from ptv2.config.schema import OptimConfig
from ptv2.model.optim import make_optimizer, make_schedule


def factors(steps=10, per_epoch=2, **keys):
    """The learning rate's factor at each optimiser step."""
    config = OptimConfig(lr=1.0, **keys)
    optimizer = make_optimizer(config, [nn.Parameter(torch.zeros(1))], [])
    schedule = make_schedule(optimizer, config, steps, per_epoch)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [round(value, 6) for value in seen]


def test_linear_falls_to_nothing_behind_the_last_step():
    assert factors(schedule="linear", steps=4) == [1, 0.75, 0.5, 0.25]


def test_exponential_falls_once_an_epoch():
    assert factors(schedule="exponential", gamma=0.5, steps=6) == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_constant_stays():
    assert factors(schedule="constant", steps=3) == [1, 1, 1]


@pytest.mark.parametrize("warmup", [2, 0.5])
def test_a_warmup_is_in_steps_or_a_share(warmup):
    assert factors(schedule="constant", steps=4, warmup=warmup) == [0, 0.5, 1, 1]
    assert factors(schedule="linear", steps=4, warmup=warmup) == [0, 0.5, 1, 0.5]


def test_the_head_may_have_a_rate_of_its_own():
    prompt, head = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))
    frozen = nn.Parameter(torch.zeros(3), requires_grad=False)
    groups = make_optimizer(OptimConfig(lr=0.1, head_lr=0.2, weight_decay=0.3), [prompt, frozen], [head]).param_groups
    assert [(g["lr"], g["weight_decay"], g["params"]) for g in groups] == [(0.1, 0.3, [prompt]), (0.2, 0.3, [head])]
    assert [g["lr"] for g in make_optimizer(OptimConfig(lr=0.1), [prompt], [head]).param_groups] == [0.1, 0.1]


def test_a_method_that_trains_the_head_alone_has_one_group():
    assert len(make_optimizer(OptimConfig(), [], [nn.Parameter(torch.zeros(1))]).param_groups) == 1
