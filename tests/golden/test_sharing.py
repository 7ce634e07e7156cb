"""How tasks share a prompt: what a row of a mixed batch sees is what it would see alone."""

from itertools import pairwise

import pytest
import torch
from families import make_backbone, make_batch, open_gates, real

from ptv2.config.cards import TaskCard
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods.deep.prompt import DeepPrompt

TASKS = ["first", "second", "third"]
ROWS = torch.tensor([2, 0, 1])  # the task of each row of the batch


def prompt_for(backbone, stirred=True, **config):
    """A prompt of three tasks whose parameters all differ."""
    torch.manual_seed(1)
    tasks = {name: TaskCard(name=name) for name in TASKS}
    prompt = DeepPrompt(Config(tasks, prompt=PromptConfig(**{"length": 5, "dropout": 0.0} | config)), backbone)
    if stirred:
        with torch.no_grad():
            for parameter in prompt.parameters():
                parameter.add_(torch.randn_like(parameter))
    return prompt


def one_row(batch, row):
    return {name: states[row : row + 1] for name, states in batch.items()}


@pytest.mark.parametrize("sharing", ["shared", "task", "shared+task"])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"form": "hidden"},
        {"form": ["memory", "slots", "values"]},
        {"gate": True},
        {"projection": 4},
        {"layers": "top:2"},
    ],
)
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_mixed_batch_equals_each_task_alone(family, config, sharing):
    backbone, batch = make_backbone(family), make_batch(family)
    prompt = prompt_for(backbone, sharing=sharing, **config)
    mixed = backbone(batch, prompt(3, ROWS)).last_BTD
    for row, task in enumerate(ROWS.tolist()):
        alone = backbone(one_row(batch, row), prompt(1, task)).last_BTD
        mask = batch["attention_mask"][row] == 1
        torch.testing.assert_close(mixed[row][mask], alone[0][mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [{}, {"form": "hidden"}, {"gate": True}])
@pytest.mark.parametrize("sharing", ["task", "shared+task"])
def test_tasks_see_different_prompts(sharing, config):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing=sharing, **config)
    states = [real(backbone(batch, prompt(3, task)).last_BTD, batch) for task in range(3)]
    assert all((a - b).abs().max() > 1e-2 for a, b in pairwise(states))


@pytest.mark.parametrize("sharing", ["task", "shared+task"])
def test_the_gradient_of_a_mixed_batch_is_the_sum_of_those_alone(sharing):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, sharing=sharing)
    real(backbone(batch, prompt(3, ROWS)).last_BTD, batch).pow(3).sum().backward()
    mixed = [parameter.grad.clone() for parameter in prompt.parameters()]
    prompt.zero_grad()
    for row, task in enumerate(ROWS.tolist()):
        only = one_row(batch, row)
        real(backbone(only, prompt(1, task)).last_BTD, only).pow(3).sum().backward()
    for got, parameter in zip(mixed, prompt.parameters(), strict=True):
        torch.testing.assert_close(got, parameter.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_rows_are_their_definition(rank):
    """P_task = P_shared * (sum of u v^T), element by element (Wang et al. 2023, section 3.1)."""
    prompt = prompt_for(make_backbone("bert"), sharing="shared+task", rank=rank)
    for task in TASKS:
        own = prompt.own[task]
        for vector_PF, shared_PF, u_PR, v_FR in zip(
            prompt.task_vectors(task), prompt.rows.rows, own.u_PR, own.v_FR, strict=True
        ):
            matrix_PF = sum(torch.outer(u_PR[:, r], v_FR[:, r]) for r in range(rank))
            torch.testing.assert_close(vector_PF, shared_PF * matrix_PF)
            assert torch.linalg.matrix_rank(matrix_PF) == rank


@pytest.mark.parametrize("rank", [1, 3])
def test_every_task_starts_from_the_shared_rows(rank):
    prompt = prompt_for(make_backbone("bert"), stirred=False, sharing="shared+task", rank=rank)
    for task in TASKS:
        for row, shared in zip(prompt.task_vectors(task), prompt.rows.rows, strict=True):
            assert torch.equal(row, shared)


def test_every_rank_learns():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = prompt_for(backbone, stirred=False, sharing="shared+task", rank=3, init_std=1.0)
    real(backbone(batch, prompt(3, 1)).last_BTD, batch).pow(3).sum().backward()
    own = prompt.own["second"]
    assert all(factor.grad.abs().amax(dim=0).min() > 0 for factor in own.v_FR)


@pytest.mark.parametrize("sharing", ["shared", "task", "shared+task"])
def test_own_leaves_what_is_shared_as_it_is(sharing):
    prompt = prompt_for(make_backbone("bert"), sharing=sharing, gate=True, train="own")
    learned = {name.partition(".")[0] for name, p in prompt.named_parameters() if p.requires_grad}
    assert learned == {"shared": set(), "task": {"own", "gates"}, "shared+task": {"own", "gates"}}[sharing]


def test_idle_tasks_get_no_gradient():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    prompt = open_gates(prompt_for(backbone, sharing="shared+task"), 1.0)
    real(backbone(batch, prompt(3, 1)).last_BTD, batch).pow(3).sum().backward()
    assert all(p.grad is not None for p in prompt.own["second"].parameters())
    assert all(p.grad is None for name in ("first", "third") for p in prompt.own[name].parameters())


@pytest.mark.parametrize("per", ["example", "batch"])
def test_prompt_dropout_on_a_mixed_batch(per):
    prompt = prompt_for(make_backbone("bert"), sharing="task", dropout=0.5, dropout_per=per).train()
    masks = (prompt(3, ROWS).sites[0].key_BGPD == 0).flatten(1)
    same = [torch.equal(masks[i], masks[j]) for i, j in ((0, 1), (1, 2))]
    assert same == ([True, True] if per == "batch" else [False, False])
