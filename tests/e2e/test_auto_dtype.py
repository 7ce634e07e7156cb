"""`backbone.dtype: auto`: what the machine is faster in stands in the run's config, and stays."""

import json

import pytest
import torch
import yaml

from ptv2.backbone import half
from ptv2.config.schema import BackboneConfig, Config
from ptv2.errors import Joint
from ptv2.train import choose


@pytest.fixture
def seconds(monkeypatch):
    """`seconds(float32=1, bfloat16=3)`: what matrix products take on the machine of the next run."""

    def take(**seconds):
        monkeypatch.setattr(half, "product_seconds", lambda dtype, device: seconds[str(dtype).removeprefix("torch.")])

    return take


@pytest.mark.parametrize(
    ("full", "brief", "chosen"), [(1.0, 10.0, "float32"), (1.0, 0.95, "float32"), (1.0, 0.4, "bfloat16")]
)
def test_bfloat16_has_to_be_faster_by_much(seconds, full, brief, chosen):
    seconds(float32=full, bfloat16=brief)
    dtype, why = half.chosen_dtype("cpu")
    assert dtype == chosen and why.startswith(f"backbone.dtype is {chosen}: ") and "on this cpu" in why


def test_the_measurement_is_short_and_the_same_for_all_runs_of_a_process():
    first = [half.product_seconds(dtype, "cpu") for dtype in (torch.float32, torch.bfloat16)]
    assert all(0 < taken < 1 for taken in first)
    assert [half.product_seconds(dtype, "cpu") for dtype in (torch.float32, torch.bfloat16)] == first


def test_a_run_keeps_what_was_chosen_when_it_began(ptv2, write_config, tiny_bert, seconds):
    config = write_config(backbone={"name": str(tiny_bert), "dtype": "auto"}, trainer={"max_epochs": 1})
    run = config.parent / "runs" / "topics"
    seconds(float32=3.0, bfloat16=1.0)
    said = ptv2("fit", "--config", config)
    assert said.code == 0 and said.out.count("backbone.dtype is bfloat16: ") == 1
    assert yaml.safe_load((run / "config.yaml").read_text())["backbone"]["dtype"] == "bfloat16"
    assert json.loads((run / "prompt" / "artifact.json").read_text())["config"]["backbone"]["dtype"] == "bfloat16"
    seconds(float32=1.0, bfloat16=3.0)
    (run / "results.json").unlink()
    said = ptv2("fit", "--config", config)  # resumed on another machine
    assert said.code == 0 and "backbone.dtype is" not in said.out
    assert yaml.safe_load((run / "config.yaml").read_text())["backbone"]["dtype"] == "bfloat16"
    assert (
        ptv2("fit", "--config", config, f"resume={run}/checkpoints", "run.name=more", "trainer.max_epochs=2").code == 0
    )
    assert yaml.safe_load((run.parent / "more" / "config.yaml").read_text())["backbone"]["dtype"] == "bfloat16"
    assert ptv2("fit", "--config", config, "run.overwrite=true").code == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["backbone"]["dtype"] == "float32"


def test_a_backbone_that_trains_is_float32(ptv2, write_config, tiny_bert, seconds):
    config = write_config(method="bitfit", backbone={"name": str(tiny_bert), "dtype": "auto"}, trainer={"max_steps": 2})
    seconds(float32=3.0, bfloat16=1.0)
    assert ptv2("fit", "--config", config).code == 0
    run = config.parent / "runs" / "topics"
    assert yaml.safe_load((run / "config.yaml").read_text())["backbone"]["dtype"] == "float32"


def test_ranks_that_chose_differently_end_together(monkeypatch):
    monkeypatch.setattr(choose, "gather", lambda own: [own, "float32"])
    choose.check_dtype(Config(backbone=BackboneConfig(dtype="float32")))
    with pytest.raises(Joint, match="bfloat16 here and float32 there"):
        choose.check_dtype(Config(backbone=BackboneConfig(dtype="bfloat16")))
