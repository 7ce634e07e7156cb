"""Exported to ONNX, an encoder with its prompt and head computes in onnxruntime what it does in ptv2."""

import json
from importlib.util import find_spec

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact
from families import make_batch
from training import load

import ptv2

NEEDS_ONNX = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx, onnxscript and onnxruntime are not installed (the extra onnx)",
)
FORMS = {
    "bert": {"position_offset": True},
    "roberta": {"gate": True},
    "distilbert": {"form": "hidden"},
    "modernbert": {"form": ["kv", "memory", "slots", "values", "queries"]},
}


@NEEDS_ONNX
@pytest.mark.parametrize("kind", ["cls", "tagging"])
@pytest.mark.parametrize("family", FORMS)
@torch.no_grad()
def test_logits_are_equal_for_any_batch(family, kind, tmp_path):
    import onnxruntime

    path = encoder_artifact(family, tmp_path, kind, prompt=FORMS[family])
    exported = ptv2.export(path, "onnx", tmp_path / "onnx")
    assert exported.notes[0].startswith("checked with onnxruntime")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    module = load(path)
    (head,) = module.heads.values()
    for lengths in ((9, 6, 3), (4,), (2, 11, 7, 5)):
        batch = make_batch(family, lengths)
        expected = head(module.backbone(batch, module.method(len(lengths))))
        got = torch.from_numpy(session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})[0])
        at = batch["attention_mask"].bool() if kind == "tagging" else slice(None)
        torch.testing.assert_close(got[at], expected[at], atol=1e-5, rtol=1e-5)
    assert json.loads((tmp_path / "onnx" / "model.json").read_text())["labels"][0] in ("no", "O")


@NEEDS_ONNX
def test_a_task_that_generates_is_refused(tmp_path):
    with pytest.raises(ptv2.UserError, match="reads a language model, and form 'onnx' holds an encoder with its head"):
        ptv2.export(lm_artifact("llama", tmp_path), "onnx", tmp_path / "onnx")


def test_a_backbone_in_half_precision_is_refused_before_anything_else(tmp_path):
    path = encoder_artifact("bert", tmp_path, backbone={"dtype": "bfloat16"})
    with pytest.raises(
        ptv2.UserError, match=r"computes in torch\.bfloat16, and form 'onnx' is for float32; export with "
    ):
        ptv2.export(path, "onnx", tmp_path / "onnx")
    assert ptv2.export(path, "kv", tmp_path / "kv", overrides={"backbone.dtype": "float32"}).folder.exists()


def test_without_the_packages_there_is_one_line(tmp_path, monkeypatch):
    path = encoder_artifact("bert", tmp_path)
    monkeypatch.setattr("ptv2.exchange.onnx.find_spec", lambda name: None)
    with pytest.raises(ptv2.UserError) as error:
        ptv2.export(path, "onnx", tmp_path / "onnx")
    assert str(error.value) == (
        "form: form 'onnx' needs the package onnx, which is not installed; pip install 'ptv2[onnx]'"
    )
