"""Ensembles of prompts (Lester et al. 2021, section 6): one pass for all, and each is what it would be alone."""

import pytest
import torch
from training import build, run_config, trained

K = 3


@pytest.fixture
def parts(tmp_path):
    def make(kind="cls", **prompt):
        settings = {"prompt": {"dropout": 0.0, "init_std": 1.0} | prompt}
        return build(run_config("bert", tmp_path, kind, method="prompt", **settings))

    return make


def batch_of(parts):
    return next(iter(parts.data.eval_dataloader(next(iter(parts.tasks)), "validation")))


@pytest.mark.parametrize("kind", ["cls", "tagging"])
def test_each_member_reads_the_batch_as_it_would_alone(kind, parts):
    several = parts(kind, ensemble=K)
    module, batch = several.module.eval(), batch_of(several)
    ((_, members),) = module.members(batch)
    alone = parts(kind).module.eval()
    alone.heads.load_state_dict(module.heads.state_dict())
    for logits, vectors_PW in zip(members, module.method.rows.rows, strict=True):
        alone.method.start_from([vectors_PW.detach()])
        torch.testing.assert_close(logits, alone(batch), atol=1e-5, rtol=0)
    assert (members[0] - members[1]).abs().max() > 1e-3


def test_the_loss_is_the_mean_of_the_members_and_each_learns_from_its_own(parts):
    several = parts(ensemble=K)
    module, batch = several.module.eval(), batch_of(several)
    ((_, members),) = module.members(batch)
    losses = [module.head(batch["task"]).loss(logits, batch) for logits in members]
    module.log = lambda *_, **__: None
    loss = module.training_step(batch, 0)
    torch.testing.assert_close(loss, sum(losses) / K)
    gradients = torch.autograd.grad(loss, list(module.method.rows.rows))
    own = [
        torch.autograd.grad(one / K, row, retain_graph=True)[0]
        for one, row in zip(losses, module.method.rows.rows, strict=True)
    ]
    for got, wanted in zip(gradients, own, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-6, rtol=0)


def test_an_ensemble_of_one_equals_none(tmp_path):
    plain, one = (
        trained(run_config("bert", tmp_path, method="prompt", prompt=prompt)).module.method.state_dict()
        for prompt in ({}, {"ensemble": 1})
    )
    assert plain.keys() == one.keys() and all(torch.equal(plain[name], one[name]) for name in plain)


@pytest.mark.parametrize("vote", ["mean", "majority"])
@torch.no_grad()
def test_equal_prompts_answer_as_one(vote, parts):
    several, one = parts(ensemble=K, vote=vote), parts()
    vectors_PW = one.module.method.rows.rows[0]
    several.module.method.start_from([vectors_PW] * K)
    several.module.heads.load_state_dict(one.module.heads.state_dict())
    batch = batch_of(one)
    joint, alone = (made.module.eval()(batch).softmax(-1) for made in (several, one))
    if vote == "mean":
        torch.testing.assert_close(joint, alone, atol=1e-6, rtol=0)
    assert torch.equal(joint.argmax(-1), alone.argmax(-1))
