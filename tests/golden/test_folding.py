"""The two-layer Tanh projection runs once for P rows, and folds away into rows that give the same keys and values."""

import pytest
import torch
from families import DEPTH, FAMILIES, WIDTH, fill_rows, make_backbone, make_batch, make_prompt
from torch import Tensor, nn

from ptv2.errors import UserError
from ptv2.methods.deep.vectors import from_official

P, HIDDEN = 5, 16
FORMS = pytest.mark.parametrize("form", ["kv", "hidden"])


@FORMS
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_folded_rows_give_the_same_keys_and_values(family, form):
    backbone, batch = make_backbone(family), make_batch(family)
    projected = make_prompt(backbone, length=P, projection=HIDDEN, form=form)
    folded = fill_rows(make_prompt(backbone, length=P, form=form), projected.folded())

    for ours, wanted in zip(folded(3).sites, projected(3).sites, strict=True):
        assert torch.equal(ours.key_BGPD, wanted.key_BGPD)
        assert torch.equal(ours.value_BGPE, wanted.value_BGPE)
    states, expected = backbone(batch, folded(3)).last_BTD, backbone(batch, projected(3)).last_BTD
    assert torch.equal(states, expected)


class OfficialPrefixEncoder(nn.Module):
    """THUDM/P-tuning-v2, model/prefix_encoder.py with prefix_projection, as it stands there."""

    def __init__(self, length: int, hidden_size: int, prefix_hidden_size: int, layers: int):
        super().__init__()
        self.embedding = nn.Embedding(length, hidden_size)
        self.trans = nn.Sequential(
            nn.Linear(hidden_size, prefix_hidden_size),
            nn.Tanh(),
            nn.Linear(prefix_hidden_size, layers * 2 * hidden_size),
        )

    def forward(self, prefix: Tensor) -> Tensor:
        return self.trans(self.embedding(prefix))


@torch.no_grad()
def test_the_projection_is_the_official_one():
    """Its weights fit one to one, and its past_key_values [P, 2 * L * D] are our rows."""
    prompt = make_prompt(make_backbone("bert"), length=P, projection=HIDDEN)
    official = OfficialPrefixEncoder(P, WIDTH, HIDDEN, DEPTH["bert"])
    for ours, theirs in zip(prompt.rows.parameters(), official.parameters(), strict=True):
        theirs.copy_(ours)
    weight = official(torch.arange(P))
    for row, wanted in zip(prompt.folded(), from_official(weight, DEPTH["bert"]), strict=True):
        torch.testing.assert_close(row, wanted, atol=1e-6, rtol=0)


@FORMS
def test_it_runs_once_for_p_rows_whatever_the_batch(form):
    prompt = make_prompt(make_backbone("bert"), length=P, projection=HIDDEN, form=form, dropout=0.1).train()
    shapes = []
    prompt.rows.project.register_forward_hook(lambda _m, inputs, _o: shapes.append(tuple(inputs[0].shape)))
    prompt(64)
    assert shapes == [(P, WIDTH)]


@FORMS
def test_gradients_reach_all_of_it(form):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = make_prompt(backbone, length=P, projection=HIDDEN, form=form)
    backbone(batch, prompt(3)).last_BTD.pow(3).mean().backward()
    assert len(list(prompt.parameters())) == 5
    assert all(parameter.grad.abs().max() > 0 for parameter in prompt.parameters())


@FORMS
@torch.no_grad()
def test_a_residual_network_is_added_to_its_own_input_and_folds_away(form):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = make_prompt(backbone, length=P, residual=HIDDEN, form=form)
    down, _, up, norm = prompt.rows.project
    expected = []
    for held_PF in prompt.rows.rows:
        made_PF = torch.relu(held_PF @ down.weight.T + down.bias) @ up.weight.T + up.bias
        centred_PF = made_PF - made_PF.mean(1, keepdim=True)
        expected.append(held_PF + centred_PF / (centred_PF.pow(2).mean(1, keepdim=True) + norm.eps).sqrt())
    for ours, wanted in zip(prompt.folded(), expected, strict=True):
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)
    assert sorted(prompt.exported()) == [f"rows.rows.{layer}" for layer in range(DEPTH["bert"])]
    folded = fill_rows(make_prompt(backbone, length=P, form=form), prompt.folded())
    assert torch.equal(backbone(batch, folded(3)).last_BTD, backbone(batch, prompt(3)).last_BTD)


def test_a_layer_with_fewer_positions_takes_the_first():
    prompt = make_prompt(make_backbone("bert"), length=[2, 5, 3], projection=HIDDEN)
    whole = prompt.rows.project(prompt.rows.embedding.weight).split(2 * WIDTH, dim=1)
    assert [len(row) for row in prompt.folded()] == [2, 5, 3]
    for row, rows in zip(prompt.folded(), whole, strict=True):
        assert torch.equal(row, rows[: len(row)])


def test_an_init_that_cannot_go_through_a_projection_is_refused():
    with pytest.raises(UserError, match=r"prompt\.init: .*projection"):
        make_prompt(make_backbone("bert"), projection=HIDDEN, init="zero")
