"""A union trains what its methods train alone, gives the backbone what they give, and holds each under its name."""

from pathlib import Path

import pytest
import torch
from families import make_backbone, make_batch
from training import load, logits, run_config, train, trained

from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.backbone import Injection, SitePrompt
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods import METHODS, method_of
from ptv2.methods.base import Method
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import build
from ptv2.model.load import merged


def saved(parts, folder: Path) -> Path:
    write_artifact(artifact_of(parts.module, {}, folder), folder)
    return folder


def test_it_trains_what_its_methods_train(tmp_path):
    parts = build(run_config("bert", tmp_path, method=["deep", "bitfit"]))
    alone = [build(run_config("bert", tmp_path, method=name)).module.method for name in ("deep", "bitfit")]
    trained = parts.module.method.trained()
    assert [p.shape for p in trained] == [p.shape for method in alone for p in method.trained()]
    before = [p.detach().clone() for p in trained]
    train(parts)
    moved = [float((p - was).detach().abs().max()) for p, was in zip(trained, before, strict=True)]
    assert min(moved[:3]) > 1e-3 and sum(m > 1e-3 for m in moved[3:]) > len(moved) / 2


def test_the_backbone_gets_what_each_gives():
    """Deep prompts in a union are the prompts alone, whatever the order."""
    config = Config(method=["bitfit", "deep"], prompt=PromptConfig(length=4, dropout=0.0))
    backbone, batch = make_backbone("bert"), make_batch("bert")
    union = method_of(config)(config, backbone)
    with torch.no_grad():
        together, alone = backbone(batch, union(3)).last_BTD, backbone(batch, union.deep(3)).last_BTD
        assert torch.equal(together, alone) and not torch.equal(together, backbone(batch).last_BTD)
    assert union.prompted is union.deep and union.positions() == 0
    assert union.shared() == union.deep.shared()


@pytest.mark.parametrize("keys", [{"form": "slots"}, {"gate": True, "layers": "top:1"}, {"projection": 8}], ids=str)
def test_beside_a_prompt_at_the_input_the_deep_one_keeps_its_keys(keys, tmp_path):
    parts = trained(run_config("bert", tmp_path, method=["prompt", "deep"], prompt={"length": 4} | keys), steps=2)
    alone = build(run_config("bert", tmp_path, method="deep", prompt={"length": 4} | keys)).module.method
    union = parts.module.method
    assert [p.shape for p in union.deep.trained()] == [p.shape for p in alone.trained()]
    expected, folder = logits(parts.module, parts), saved(parts, tmp_path / "prompt")
    for ours, wanted in zip(logits(load(folder), parts), expected, strict=True):
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)


def test_its_tensors_carry_their_method_and_those_of_one_method_do_not(tmp_path):
    for method, prefix in ((["deep", "bitfit"], "prompt.deep.rows.rows."), (["deep"], "prompt.rows.rows.")):
        parts = trained(run_config("bert", tmp_path, method=method), steps=1)
        held = read_artifact(saved(parts, tmp_path / "prompt"))
        assert {n for n in held.weights if n.startswith("prompt.")} == {f"{prefix}{i}" for i in range(3)}
        assert held.about["method"] == "+".join(method) and held.config["method"] == method


def test_a_projection_is_folded_in_a_union_too(tmp_path):
    config = run_config("bert", tmp_path, method="deep+bitfit", prompt={"length": 4, "projection": 8})
    parts = trained(config, steps=2)
    expected, folder = logits(parts.module, parts), saved(parts, tmp_path / "prompt")
    assert {n for n in read_artifact(folder).weights if n.startswith("prompt.deep.")} == {
        f"prompt.deep.rows.rows.{i}" for i in range(3)
    }
    for ours, wanted in zip(logits(load(folder), parts), expected, strict=True):
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("first", ["deep", ["bitfit", "deep"]])
@pytest.mark.parametrize("second", ["deep", ["deep", "bitfit"]])
def test_the_prompt_of_either_is_the_start_of_the_other(first, second, tmp_path):
    folder = saved(trained(run_config("bert", tmp_path, method=first), steps=2), tmp_path / "prompt")
    config = run_config("bert", tmp_path, method=second, prompt={"length": 4, "init": f"artifact:{folder}"})
    prompt = build(config).module.method.prompted
    held = read_artifact(folder).part("deep").prompt_vectors()
    assert len(held) == 3 and all(map(torch.equal, prompt.folded(), held))


def test_artifacts_of_unions_are_merged_where_only_their_prompts_differ(tmp_path):
    folders = []
    for name in ("a", "b"):
        config = run_config("bert", tmp_path, method=["deep", "still"], task={"name": f"golden/{name}"})
        folders.append(saved(trained(config, steps=2), tmp_path / name))
    artifacts = list(map(read_artifact, folders))
    both = merged(artifacts)
    assert torch.equal(both.weights["prompt.deep.own.b.rows.0"], artifacts[1].weights["prompt.deep.rows.rows.0"])
    assert torch.equal(both.weights["prompt.still.kept"], artifacts[0].weights["prompt.still.kept"])
    artifacts[1].weights["prompt.still.kept"] = torch.ones(2)
    with pytest.raises(UserError, match=r"b: has other weights of 'still' than .*a; predict with each in a separate"):
        merged(artifacts)


class Keys(Method):
    """Gives keys and values at the first site."""

    def forward(self, batch, task=0):
        return Injection([SitePrompt(torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8)), None, None])


class Still(Method):
    """Holds two numbers that never change."""

    def __init__(self, config, backbone, artifacts=None):
        super().__init__(config, backbone, artifacts)
        self.register_buffer("kept", torch.zeros(2))


@pytest.fixture(autouse=True)
def own_methods(monkeypatch):
    monkeypatch.setitem(METHODS, "keys", Keys)
    monkeypatch.setitem(METHODS, "still", Still)


REFUSED = [
    (["full", "deep"], "method: 'full' trains every weight of the backbone, which leaves nothing to join it; name it"),
    (
        ["deep", "head"],
        "method: 'head' trains the heads alone, as every other method does too; name it alone, or",
    ),
    (["deep", "deep"], "'deep' is named twice; name each once"),
    ("deep+deep", "'deep' is named twice; name each once"),
    ([], "'[]' is not a name or a list of names; use a method, or a list of methods"),
    ({"deep": 1}, "'{'deep': 1}' is not a name or a list of names"),
    (["deep", "bitfti"], "method: unknown method 'bitfti'; did you mean 'bitfit'?"),
    (["deep", "keys"], "method: 'deep' and 'keys' both give keys and values, so they exclude each other; use one"),
    (["bitfit", "still"], "prompt.init: method 'bitfit+still' has no prompt; use method=deep"),
]


@pytest.mark.parametrize(("method", "says"), REFUSED, ids=str)
def test_what_cannot_be_joined_is_refused_in_one_line(method, says, tmp_path):
    prompt = {"length": 4} | ({"init": "artifact:x"} if "still" in method else {})
    with pytest.raises(UserError) as error:
        build(run_config("bert", tmp_path, method=method, prompt=prompt))
    assert says in str(error.value)


def test_methods_may_give_to_different_places_of_a_site():
    config = Config(method=["deep", "keys"], prompt=PromptConfig(form="values"))
    union = method_of(config)(config, make_backbone("bert"))
    first, second, _ = union(2).sites
    assert first.key_BGPD is not None and first.value_map_BGEE is not None and second.key_BGPD is None


def test_flags_follow_from_the_methods():
    made = method_of(Config(method=["deep", "bitfit"]))
    assert made.has_prompts and made.trains_backbone and not made.shardable
