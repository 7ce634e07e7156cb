"""A saved artifact, loaded again in another module, predicts the same bits; with another backbone it is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from families import FAMILIES, make_model, make_tokenizer
from safetensors.torch import load_file, save_file
from training import load, logits, run_config, save_without_pooler, trained

from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import Parts, named_artifacts

VARIANTS = {
    "kv": {},
    "hidden": {"prompt": {"form": "hidden"}},
    "union": {"prompt": {"form": ["kv", "memory", "slots", "values", "queries"]}},
    "memory": {"prompt": {"form": "memory", "memory": {"rank": 2, "phi": "identity"}}},
    "projection": {"prompt": {"projection": 16}},
    "hidden-projection": {"prompt": {"form": "hidden", "projection": 16}},
    "gate": {"prompt": {"gate": True, "dropout": 0.0}},
    "token-gate": {"prompt": {"token_gate": True}},
    "residual": {"prompt": {"residual": 8, "norm": "layer"}},
    "keys": {"prompt": {"sharing": "keys"}},
    "norm": {"prompt": {"norm": "layer"}},
    "lengths": {"prompt": {"layers": "top:2", "length": [3, 6]}},
    "offset": {"prompt": {"position_offset": True}},
    "text": {"prompt": {"init": "text:a good film"}},
    "dense": {"head": {"pooling": "dense"}},
    "bf16": {"backbone": {"dtype": "bfloat16"}},
}


def check_round_trip(parts: Parts, folder: Path) -> None:
    expected = logits(parts.module, parts)
    write_artifact(artifact_of(parts.module, {}, folder), folder)
    loaded = load(folder)
    for batch, wanted in zip(logits(loaded, parts), expected, strict=True):
        assert torch.equal(batch, wanted)


@pytest.mark.parametrize("kind", ["cls", "tagging"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_artifact_predicts_the_same_bits(family, kind, tmp_path):
    check_round_trip(trained(run_config(family, tmp_path, kind), steps=2), tmp_path / "prompt")


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant != "kv"])
def test_so_does_every_kind_of_prompt(family, variant, tmp_path):
    config = run_config(family, tmp_path, **VARIANTS[variant])
    check_round_trip(trained(config, steps=2), tmp_path / "prompt")


@pytest.mark.parametrize("family", ["bert", "roberta", "albert"])
def test_a_pooler_drawn_at_random_travels_along(family, tmp_path):
    save_without_pooler(family, tmp_path / "backbone")
    parts = trained(run_config(family, tmp_path, head={"pooling": "pooler"}), steps=2)
    check_round_trip(parts, tmp_path / "prompt")


def test_an_artifact_without_its_pooler_is_refused(tmp_path):
    save_without_pooler("roberta", tmp_path / "backbone")
    parts = trained(run_config("roberta", tmp_path, head={"pooling": "pooler"}), steps=1)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")
    file = tmp_path / "prompt" / "weights.safetensors"
    save_file({name: t for name, t in load_file(file).items() if "pooler" not in name}, file)
    with pytest.raises(UserError, match=r"2 tensors missing.*pooler\.dense"):
        load(tmp_path / "prompt")


@pytest.fixture
def artifact(tmp_path):
    """An artifact whose backbone is in `backbone/`, both in the test's folder."""
    parts = trained(run_config("bert", tmp_path), steps=1)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")
    return tmp_path / "prompt"


def test_another_backbone_is_refused(artifact, tmp_path):
    """One number of one weight differs, by the last bit."""
    model = make_model("bert")
    weight = model.encoder.layer[1].output.dense.weight
    with torch.no_grad():
        weight[3, 5] = torch.nextafter(weight[3, 5], torch.tensor(10.0))
    model.save_pretrained(tmp_path / "backbone")
    with pytest.raises(UserError, match=r"whose weights differ"):
        load(artifact)


def test_another_tokenizer_is_refused(artifact, tmp_path):
    """Two words have changed places."""
    file = tmp_path / "backbone" / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["good"], vocabulary["bad"] = vocabulary["bad"], vocabulary["good"]
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(UserError, match=r"whose tokenizer differ"):
        load(artifact)


def test_the_same_backbone_elsewhere_is_accepted(artifact, tmp_path):
    """The fingerprint is of the content: saved anew, from a copy, it is the same."""
    shutil.rmtree(tmp_path / "backbone")
    make_model("bert").save_pretrained(tmp_path / "backbone")
    make_tokenizer("bert").save_pretrained(tmp_path / "backbone")
    load(artifact)


def test_a_prompt_starts_from_an_artifact(artifact):
    module = load(artifact)
    config = Config(prompt=PromptConfig(length=4, init=f"artifact:{artifact}"))
    prompt = DeepPrompt(config, module.backbone, named_artifacts(config))
    for row, held in zip(prompt.folded(), read_artifact(artifact).prompt_vectors(), strict=True):
        assert torch.equal(row, held)


def test_a_prompt_with_a_token_gate_is_no_start_for_one_without(artifact, tmp_path):
    config = Config(prompt=PromptConfig(length=4, token_gate=True, init=f"artifact:{artifact}"))
    with pytest.raises(UserError, match=r"was trained without prompt\.token_gate; set prompt\.token_gate=false"):
        DeepPrompt(config, load(artifact).backbone, named_artifacts(config))
    parts = trained(run_config("bert", tmp_path, prompt={"token_gate": True}), steps=1)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "gated"), tmp_path / "gated")
    plain = Config(prompt=PromptConfig(length=4, init=f"artifact:{tmp_path / 'gated'}"))
    with pytest.raises(UserError, match=r"was trained with prompt\.token_gate; set prompt\.token_gate=true"):
        DeepPrompt(plain, parts.module.backbone, named_artifacts(plain))


@pytest.mark.parametrize("changes", [{"length": 5}, {"form": "hidden"}, {"layers": "top:2"}])
def test_an_artifact_of_another_shape_is_no_start(changes, artifact):
    config = Config(prompt=PromptConfig(**{"length": 4, "init": f"artifact:{artifact}"} | changes))
    with pytest.raises(UserError, match=r"holds form 'kv' with 3 layers of \(4, 64\)"):
        DeepPrompt(config, load(artifact).backbone, named_artifacts(config))


def test_the_shapes_of_a_union_of_forms_are_all_named(tmp_path):
    parts = trained(run_config("bert", tmp_path, prompt={"form": ["values", "slots"]}), steps=1)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "union"), tmp_path / "union")
    longer = Config(prompt=PromptConfig(form=["values", "slots"], length=9, init=f"artifact:{tmp_path / 'union'}"))
    with pytest.raises(
        UserError, match=r"with (3 layers of .*), the config asks for form 'values\+slots' with "
    ) as error:
        DeepPrompt(longer, parts.module.backbone, named_artifacts(longer))
    held, asked = str(error.value).partition("; ")[0].split(", the config asks")
    assert held.endswith("3 layers of (4, 64)") and asked.endswith("3 layers of (9, 64)")
