"""Dropout by 16 random bits a number: each is dropped with the probability asked for, by itself."""

import pytest
import torch

from ptv2.methods.deep.dropout import LEVELS, dropped

MANY = torch.Size([400, 1000])


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.999])
def test_each_number_is_dropped_with_the_probability_asked_for(p):
    torch.manual_seed(0)
    kept = dropped(torch.ones(1, 1000), p, MANY) != 0
    deviation = (p * (1 - p) / kept.numel()) ** 0.5
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=4 * deviation)
    for columns in kept.float().mean(0).view(-1, 4).unbind(1):  # four numbers share a word of random bits
        assert columns.mean().item() == pytest.approx(1 - p, abs=8 * deviation)


def test_what_stays_is_scaled_so_that_the_mean_stays():
    states = dropped(torch.full((1, 1000), 3.0), 0.1, MANY)
    assert states.max().item() == pytest.approx(3 / (1 - round(0.1 * LEVELS) / LEVELS))
    assert states.mean().item() == pytest.approx(3, abs=0.01)


def test_numbers_of_a_row_and_of_two_calls_are_dropped_independently():
    torch.manual_seed(0)
    first, second = ((dropped(torch.ones(1, 1000), 0.5, MANY) != 0).float() for _ in range(2))
    assert (first * second).mean().item() == pytest.approx(0.25, abs=0.004)
    assert (first[:, 1:] * first[:, :-1]).mean().item() == pytest.approx(0.25, abs=0.004)


def test_gradients_pass_where_numbers_stay_and_are_summed_over_the_rows():
    states = torch.ones(1, 6, requires_grad=True)
    out = dropped(states, 0.5, torch.Size([5, 6]))
    out.sum().backward()
    torch.testing.assert_close(states.grad, out.detach().sum(0, keepdim=True))


def test_a_mask_for_the_batch_serves_states_of_each_row():
    out = dropped(torch.ones(3, 8, 2), 0.5, torch.Size([1, 8, 2]))
    assert out.shape == (3, 8, 2)
    assert torch.equal(out[0], out[1]) and torch.equal(out[0], out[2])
