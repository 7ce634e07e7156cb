"""Training moves the prompt and the head, and not one bit of what is frozen."""

import pytest
import torch
from families import FAMILIES
from torch import Tensor
from training import run_config, save_without_pooler, train

from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import Parts, build
from ptv2.model.kept import on_disk

VARIANTS = {
    "kv": {},
    "hidden": {"form": "hidden"},
    "union": {"form": ["memory", "slots", "values"]},
    "projection": {"projection": 16},
    "gate": {"gate": True, "layers": "top:2"},
}
CASES = pytest.mark.parametrize(
    ("family", "variant"),
    [(family, "kv") for family in FAMILIES] + [("bert", variant) for variant in VARIANTS if variant != "kv"],
)


def frozen_state(parts: Parts) -> dict[str, Tensor]:
    """A copy of every weight and buffer of the backbone."""
    return {name: tensor.clone() for name, tensor in parts.module.backbone.model.state_dict().items()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["cls", "tagging"])
def test_the_backbone_keeps_every_bit(family, kind, tmp_path):
    parts = build(run_config(family, tmp_path, kind))
    learned = [*parts.module.method.parameters(), *parts.module.heads.parameters()]
    before, start = frozen_state(parts), [parameter.detach().clone() for parameter in learned]

    train(parts)

    after = frozen_state(parts)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    for parameter in parts.module.backbone.parameters():
        assert not parameter.requires_grad and parameter.grad is None
    for parameter, was in zip(learned, start, strict=True):
        assert (parameter - was).abs().max() > 1e-3


@CASES
def test_a_checkpoint_holds_prompt_and_head_alone(family, variant, tmp_path):
    parts = build(run_config(family, tmp_path, prompt={"length": 4} | VARIANTS[variant]))
    trainer = train(parts, steps=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)

    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    learned = {name: p for name, p in parts.module.named_parameters() if p.requires_grad}
    assert set(checkpoint["state_dict"]) == set(map(on_disk, learned))
    assert {name.partition(".")[0] for name in checkpoint["state_dict"]} == {"prompt", "heads"}
    (states,) = [optimizer["state"] for optimizer in checkpoint["optimizer_states"]]
    assert len(states) == len(learned)  # and the optimiser follows nothing else


@CASES
def test_an_artifact_holds_rows_and_head_alone(family, variant, tmp_path):
    prompt = {"length": 4} | VARIANTS[variant]
    parts = build(run_config(family, tmp_path, prompt=prompt))
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")

    names = set(read_artifact(tmp_path / "prompt").weights)
    prompted = range(len(parts.module.method.parts))
    expected = {f"prompt.rows.rows.{i}" for i in prompted} | {"heads.cls.out.weight", "heads.cls.out.bias"}
    if prompt.get("gate"):
        expected |= {f"prompt.gates.{i}" for i in prompted}
    assert names == expected


POOLER = {"backbone.model.pooler.dense.weight", "backbone.model.pooler.dense.bias"}


def test_a_pooler_drawn_at_random_is_kept_and_frozen(tmp_path):
    save_without_pooler("roberta", tmp_path / "backbone")
    parts = build(run_config("roberta", tmp_path, head={"pooling": "pooler"}))
    before = frozen_state(parts)
    assert set(parts.module.backbone.fresh) == {"pooler.dense.weight", "pooler.dense.bias"}

    trainer = train(parts)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")

    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen_state(parts).items())
    held = set(torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"])
    assert {name for name in held if name.startswith("backbone.")} == POOLER
    assert {name for name in read_artifact(tmp_path / "prompt").weights if name.startswith("backbone.")} == POOLER
