"""One line of a config makes another kind of run: methods, forms of the prompt, dtypes, schedules, kinds of task."""

import json

import pytest
import torch
from safetensors.torch import load_file

VARIANTS = [
    ("method=head", "head.pooling=pooler"),
    ("method=full", "optim.lr=1e-3", "backbone.gradient_checkpointing=true"),
    ("prompt.form=hidden", "backbone.dtype=bfloat16"),
    ("prompt.projection=8", "backbone.dropout=0"),
    ("prompt.form=hidden", "prompt.projection=8", "prompt.dropout=0"),
    ("prompt.layers=top:1", "prompt.length=[6]", "prompt.init=zero", "head.pooling=cls"),
    ("prompt.length=[2,3,4]", "prompt.dropout_per=batch", "prompt.init=vocab", "head.pooling=dense"),
    ("prompt.gate=true", "prompt.position_offset=true", "prompt.init=text:the cat eats a fig"),
    ("backbone.attention=eager", "backbone.dtype=bfloat16", "backbone.gradient_checkpointing=true"),
    ("optim.schedule=constant", "optim.warmup=2", "optim.clip=0", "trainer.accumulate_grad_batches=2"),
    ("optim.schedule=exponential", "optim.gamma=0.5", "optim.warmup=0.25", "trainer.precision=bf16-mixed"),
    ("data.group_by_length=false", "data.pad_to_max=true", "data.workers=1"),
    ("data.limit.train=20", "data.limit.validation=8", "data.limit.test=5"),
    ("trainer.max_epochs=null", "trainer.max_steps=5", "trainer.val_check_interval=3"),
    ("trainer.check_val_every_n_epoch=2",),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=[" ".join(v) for v in VARIANTS])
def test_a_variant_trains_and_its_artifact_scores_the_same(ptv2, write_config, cards, tmp_path, variant):
    said = ptv2("fit", "--config", write_config(), *variant)
    assert said.code == 0 and said.err == "", said
    folder = tmp_path / "runs" / "topics"
    results = json.loads((folder / "results.json").read_text())
    limit = [word for word in variant if word.startswith("data.limit")]  # evaluate takes all rows unless it is told
    said = ptv2("evaluate", "--artifact", folder, "--task", cards["topics"], "--json", *limit)
    assert said.code == 0 and said.err == "", said
    assert json.loads(said.out)["scores"] == results["scores"]["test"]["topics"]


@pytest.mark.parametrize("task", ["topics", "ratings", "names"])
def test_a_task_kind_is_learned(ptv2, write_config, tmp_path, task):
    config = write_config(task, trainer={"max_epochs": 6}, optim={"lr": 0.05, "schedule": "constant"})
    assert ptv2("fit", "--config", config, f"run.folder={tmp_path}").code == 0
    results = json.loads((tmp_path / task / "results.json").read_text())
    metric, score = next(iter(results["scores"]["test"][task].items()))
    assert score > results["baseline"][task]["test"][metric] + 0.2


def test_a_projection_is_not_in_the_artifact(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config(), "prompt.projection=8").code == 0
    kept = load_file(tmp_path / "runs" / "topics" / "prompt" / "weights.safetensors")
    assert {name for name in kept if name.startswith("prompt.")} == {f"prompt.rows.rows.{i}" for i in range(3)}


def test_a_bfloat16_backbone_has_a_float32_prompt_and_head(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config(), "backbone.dtype=bfloat16").code == 0
    checkpoint = torch.load(tmp_path / "runs" / "topics" / "checkpoints" / "last.ckpt", weights_only=True)
    assert {tensor.dtype for tensor in checkpoint["state_dict"].values()} == {torch.float32}
    moments = [s["exp_avg"].dtype for s in checkpoint["optimizer_states"][0]["state"].values()]
    assert set(moments) == {torch.float32}


def test_the_rate_falls_by_the_epoch_also_where_steps_end_the_run(ptv2, write_config, tmp_path):
    schedule = ("optim.schedule=exponential", "optim.gamma=0.5", "optim.lr=1")
    assert ptv2("fit", "--config", write_config(), *schedule, "trainer.max_epochs=4", "trainer.max_steps=12").code == 0
    checkpoint = torch.load(tmp_path / "runs" / "topics" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 12 and checkpoint["lr_schedulers"][0]["_last_lr"] == [0.25, 0.25]


def test_a_prompt_starts_from_an_earlier_one(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config()).code == 0
    earlier = tmp_path / "runs" / "topics"
    argv = (f"prompt.init=artifact:{earlier}", "run.name=later", "optim.lr=1e-9", "optim.head_lr=0.1")
    assert ptv2("fit", "--config", write_config(), *argv).code == 0
    first, second = (load_file(tmp_path / "runs" / n / "prompt" / "weights.safetensors") for n in ("topics", "later"))
    for name in first:
        same = torch.allclose(first[name], second[name], atol=1e-5)
        assert same == name.startswith("prompt.")
