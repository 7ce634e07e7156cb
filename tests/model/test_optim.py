from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from ptv2.config.load import make_config
from ptv2.config.schema import OptimConfig
from ptv2.errors import UserError
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


def updated(fused: bool, state: dict | None = None) -> tuple[AdamW, nn.Parameter]:
    parameter = nn.Parameter(torch.linspace(-1, 1, 50))
    optimizer = make_optimizer(OptimConfig(lr=0.1, weight_decay=0.1, fused=fused), [parameter], [])
    if state is not None:
        optimizer.load_state_dict(deepcopy(state))  # it would be updated in place
    for step in range(1, 6):
        parameter.grad = torch.linspace(-1, 2, 50).pow(step)
        optimizer.step()
    return optimizer, parameter


def test_fused_updates_are_the_same_up_to_rounding():
    (_, plain), (_, fused) = updated(False), updated(True)
    torch.testing.assert_close(fused, plain, atol=1e-6, rtol=1e-6)


def test_a_run_that_began_without_fused_updates_goes_on_without_them():
    """What a checkpoint holds is resumed to the bit, whatever the config says by now."""
    state = updated(False)[0].state_dict()
    torch.testing.assert_close(updated(True, state)[1], updated(False, state)[1], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("precision", "clip", "says"),
    [
        ("bf16-mixed", 1.0, "Lightning clips no gradients"),
        ("16-mixed", 1.0, "takes gradients with the scale"),
        ("16-mixed", 0, "takes gradients with the scale"),  # a skipped step would find no scale to check
        ("bf16-mixed", 0, None),
        ("32-true", 1.0, None),
    ],
)
def test_what_fused_updates_do_not_go_with_is_refused(precision, clip, says):
    config = {
        "task": "demo/bbc_topic",
        "backbone": {"name": "demo:minilm-l6"},
        "run": {"name": "x"},
        "trainer": {"precision": precision},
        "optim": {"fused": True, "clip": clip},
    }
    if says is None:
        assert make_config(config).optim.fused
    else:
        with pytest.raises(UserError, match=says):
            make_config(config)


def test_a_warmup_that_the_run_does_not_end_is_said():
    with pytest.warns(
        UserWarning, match=r"optim\.warmup: 20 steps, and the run has 10: the rate does not reach optim\.lr"
    ):
        factors(warmup=20)
