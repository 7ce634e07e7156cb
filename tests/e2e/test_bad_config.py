"""What a user can get wrong in a config: one line that says what, where and what to do, and nothing written."""

import pytest
import yaml

from ptv2.errors import UserError


@pytest.fixture
def refused(ptv2, write_config, tmp_path):
    """Run fit with overrides that must be refused; the one line it says."""

    def run(*argv, config=None, **keys):
        path = write_config(**keys) if config is None else config
        said = ptv2("fit", "--config", path, *argv)
        assert said.code == 2, said
        lines = said.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), said.err
        assert not (tmp_path / "runs").exists()
        return lines[0]

    return run


OVERRIDES = [
    # keys
    ("promt.length=8", ["command line", "unknown key 'promt'", "did you mean 'prompt'?"]),
    ("prompt.lenght=8", ["unknown key 'prompt.lenght'", "did you mean 'length'?"]),
    ("task.max_lenght=8", ["unknown key 'tasks.topics.max_lenght'", "did you mean 'max_length'?"]),
    ("task.dataset.pth=json", ["unknown key 'tasks.topics.dataset.pth'", "did you mean 'path'?"]),
    ("tasks.topic.max_length=8", ["unknown task 'topic'", "did you mean 'topics'?"]),
    ("trainer.max_epoch=8", ["unknown key 'trainer.max_epoch'", "did you mean 'max_epochs'?"]),
    ("data.limit.dev=8", ["data.limit", "no split 'dev'", "valid: test, train, validation"]),
    ("prompt.length", ["'prompt.length' is not key=value", "optim.lr=0.01"]),
    ("=3", ["'=3' is not key=value"]),
    ("..=3", ["command line", "unknown key ''"]),
    # types
    ("seed=eleven", ["command line", "'seed'", "eleven"]),
    ("seed=", ["command line", "'seed'"]),
    ("seed.x=1", ["command line", "'seed'"]),
    ("prompt=8", ["command line", "'prompt'", "prompt.length"]),
    ("backbone=bert-base-cased", ["command line", "'backbone'", "backbone.name"]),
    ("trainer=8", ["command line", "'trainer'"]),
    ("task.inputs=text", ["'tasks.topics.inputs'"]),
    ("optim.lr=fast", ["'optim.lr'", "fast"]),
    ("data.batch_size=8.5", ["'data.batch_size'", "8.5"]),
    ("prompt.gate=maybe", ["'prompt.gate'", "maybe"]),
    ("prompt.layers=[0,", ["command line", "unreadable value"]),
    ("prompt.init=${nothing}", ["prompt.init", "nothing"]),
    # words
    ("method=lorra", ["method: unknown method 'lorra'", "did you mean 'lora'?"]),
    ("backbone.dtype=bfloat61", ["'backbone.dtype'", "did you mean 'bfloat16'?"]),
    ("optim.schedule=cosine", ["'optim.schedule'", "valid: constant, exponential, linear"]),
    ("head.pooling=max", ["'head.pooling'", "valid: cls, dense, last, mean, pooler"]),
    ("task.kind=clss", ["unknown kind 'clss'", "did you mean 'cls'?"]),
    ("task.metrics=[acuracy]", ["unknown metric 'acuracy'", "did you mean 'accuracy'?"]),
    ("task.metrics=[pearson]", ["metric 'pearson'", "'cls'", "accuracy"]),
    ("task.metrics=[]", ["at least one metric"]),
    ("task.labels=[]", ["tasks.topics.labels", "2"]),
    ("task.labels=[fruit]", ["tasks.topics.labels", "2"]),
    ("task.inputs={texts: text}", ["topics.inputs: unknown input 'texts'", "did you mean 'text'?"]),
    ("task.inputs.text='{text'", ["topics.inputs.text: '{text' is not a template", "{premise} because {choice}"]),
    ("task.inputs.text='the {}'", ["topics.inputs.text: 'the {}' has braces without a field"]),
    ("task.inputs.text='the {{text}}'", ["topics.inputs.text: 'the {{text}}' has braces without a field"]),
    ("task.inputs.text='the {text:x}'", ["train.jsonl:1: 'the {text:x}' cannot be filled", "correct the template"]),
    # numbers
    ("data.batch_size=-1", ["'data.batch_size' is -1", "above 0"]),
    ("data.eval_batch_size=0", ["'data.eval_batch_size' is 0", "above 0"]),
    ("data.workers=-1", ["'data.workers' is -1", "0 or more"]),
    ("data.limit.train=0", ["data.limit.train", "1 or more"]),
    ("optim.lr=0", ["'optim.lr'", "above 0"]),
    ("optim.lr=.nan", ["'optim.lr'", "above 0"]),
    ("optim.head_lr=0", ["'optim.head_lr'", "above 0"]),
    ("optim.weight_decay=-1", ["'optim.weight_decay'", "0 or more"]),
    ("optim.warmup=-1", ["'optim.warmup'", "0 or more"]),
    ("optim.clip=-1", ["'optim.clip'", "0 or more"]),
    ("optim.gamma=0", ["'optim.gamma'", "above 0"]),
    ("head.dropout=1", ["'head.dropout'", "below 1"]),
    ("backbone.dropout=1.5", ["'backbone.dropout'", "below 1"]),
    ("seed=-1", ["'seed' is -1", "0 or more"]),
    ("task.max_length=3", ["max_length is 3", "4 or more"]),
    ("run.save_every=0", ["'run.save_every' is 0", "above 0"]),
    ("run.keep_last=0", ["'run.keep_last' is 0", "above 0"]),
    ("guard.step_timeout=0", ["'guard.step_timeout' is 0", "above 0"]),
    ("guard.on_nonfinite=skip:0", ["'guard.on_nonfinite' is 'skip:0'", "stop or skip:K"]),
    ("guard.on_nonfinite=ignore", ["'guard.on_nonfinite' is 'ignore'", "stop or skip:K"]),
    ("trainer.enable_checkpointing=false", ["unknown key 'trainer.enable_checkpointing'"]),
    ("resume=nowhere.ckpt", ["resume: nowhere.ckpt", "no such checkpoint", "auto, never"]),
    # prompts
    ("prompt.length=0", ["prompt.length", "'0' is not a length", "from 1"]),
    ("prompt.length=long", ["prompt.length", "'long' is not a length"]),
    ("prompt.length=[4,4]", ["prompt.length", "2 lengths for 3 prompted layers"]),
    ("prompt={layers: [2,0], length: [1,3]}", ["prompt.layers: '[2, 0]' is not in ascending order"]),
    ("prompt.layers=[0,3]", ["prompt.layers", "a backbone with 3", "0..2"]),
    ("prompt.layers=top:4", ["prompt.layers", "'top:4'", "1..3"]),
    ("prompt.layers=some", ["prompt.layers", "'some'", "top:K"]),
    ("prompt.projection=0", ["'prompt.projection'", "from 1"]),
    ("prompt.init=noral", ["prompt.init", "unknown init 'noral'", "did you mean 'normal'?"]),
    ("prompt.init=text:", ["prompt.init", "no tokens", "text:<some words>"]),
    ("prompt.init='text: '", ["prompt.init", "no tokens"]),
    ("prompt.init=artifact:nowhere", ["nowhere", "no artifact here"]),
    # sizes
    ("task.max_length=41", ["tasks.topics.max_length", "41 tokens", "40 positions", "max_length=40 or less"]),
    # the trainer
    ("trainer.max_epochs=-5", ["trainer", "max_epochs"]),
    ("trainer.max_epochs=two", ["trainer.max_epochs", "two"]),
    ("trainer.max_epochs=-1", ["trainer.max_epochs", "max_steps"]),
    ("trainer.max_epochs=null", ["trainer.max_epochs", "max_steps"]),
    ("trainer.max_epochs=[2]", ["trainer.max_epochs", "[2]", "use int"]),
    ("trainer.accumulate_grad_batches=0", ["trainer.accumulate_grad_batches", "above 0"]),
    ("trainer.accumulate_grad_batches=[1]", ["trainer.accumulate_grad_batches", "use int"]),
    ("trainer.val_check_interval=0", ["trainer.val_check_interval", "above 0"]),
    ("trainer.check_val_every_n_epoch=0", ["trainer.check_val_every_n_epoch", "above 0"]),
    ("trainer.accelerator=nope", ["trainer", "nope"]),
    ("trainer.precision=8-bit", ["trainer", "8-bit"]),
    ("trainer.devices=0", ["trainer", "devices=0"]),
    ("trainer.strategy=dpp", ["trainer", "'trainer.strategy' is 'dpp'", "did you mean 'ddp'?"]),
    ("run.timeout=0", ["'run.timeout' is 0", "above 0"]),
    ("trainer.val_check_interval=100", ["trainer", "val_check_interval"]),
    ("trainer.limit_val_batches=1", ["trainer.limit_val_batches", "data.limit.validation"]),
    ("trainer.fast_dev_run=true", ["trainer.fast_dev_run", "--dry-run"]),
    ("trainer.logger=false", ["unknown key 'trainer.logger'"]),
    # places
    ("backbone.name=./nowhere", ["backbone.name", "no such folder", "nowhere"]),
    ("backbone.name=bert-base-cased", ["backbone.name", "cannot load 'bert-base-cased'", "local folder", "demo:"]),
    ("backbone.name=demo:minilm", ["no demo model 'minilm'", "did you mean 'minilm-l6'?"]),
    ("task=glue/rtee", ["no task card 'glue/rtee'", "did you mean 'glue/rte'?"]),
    ("task=mine.yaml", ["mine.yaml", "no such task card"]),
    ("task=glue/rte", ["glue", "hub is not reachable", "task.dataset.path"]),
    ("task.dataset.path=./nowhere", ["nowhere", "no such folder"]),
    ("run.name=", ["run.name"]),
]


@pytest.mark.parametrize(("override", "says"), OVERRIDES, ids=[o for o, _ in OVERRIDES])
def test_an_override(refused, override, says):
    line = refused(override)
    assert all(part in line for part in says), line


def test_positions_that_start_behind_the_prompt_need_room_too(refused):
    line = refused("prompt.position_offset=true", "task.max_length=37")
    assert "37 tokens + 4 prompt positions do not fit the backbone's 40 positions" in line
    assert "max_length=36 or less" in line


def test_full_fine_tuning_in_bfloat16(refused):
    assert "backbone.dtype=float32" in refused("method=full", "backbone.dtype=bfloat16")


FILES = [
    ("- task\n", ["a config is a mapping"]),
    ("", ["'task'", "demo/bbc_topic"]),
    ("task: [\n", ["not valid YAML", "line 2"]),
    ("task: demo/bbc_topic\ntask: demo/twitter_ner\n", ["duplicate key task", "line 2"]),
    ("task: demo/bbc_topic\ntasks: {a: demo/bbc_topic}\n", ["either 'task' or 'tasks'"]),
    ("task: 5\n", ["'task'"]),
    ("task: [demo/bbc_topic]\n", ["'task'"]),
    ("tasks: {}\n", ["'tasks'"]),
    ("tasks: [demo/bbc_topic]\n", ["'tasks'"]),
    ("tasks: {a: 5}\n", ["'tasks.a'"]),
    ("tasks: {a.b: demo/bbc_topic}\n", ["'a.b'"]),
    ("task: demo/bbc_topic\n", ["'backbone.name' has no value"]),
    ("task: demo/bbc_topic\nrun: 5\n", ["'run'"]),
    ("task: {name: a, kind: cls}\n", ["'tasks.a.dataset.path' has no value"]),
    ("task: {card: demo/bbc_topic, metric: [f1]}\n", ["'tasks.bbc_topic.metric'", "'metrics'"]),
    ("task: {card: demo/bbc_topic, max_length: long}\n", ["'tasks.bbc_topic.max_length'", "long"]),
    ("task: {card: demo/bbc_topic, labels: [yes, no]}\n", ["tasks.bbc_topic.labels", "quotes"]),
    ("task: demo/bbc_topic\nprompt: {lenght: 4}\n", ["'prompt.lenght'", "'length'"]),
    (b"task: caf\xe9\n", ["UTF-8"]),
]


@pytest.mark.parametrize(("text", "says"), FILES, ids=[str(text) for text, _ in FILES])
def test_a_file(refused, tmp_path, text, says):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(config=path)
    assert line.startswith(f"error: {path}: ") and all(part in line for part in says), line


def test_no_file(refused, tmp_path):
    assert refused(config=tmp_path / "none.yaml") == f"error: {tmp_path}/none.yaml: no such config file"
    assert "no such config file" in refused(config=tmp_path)


def test_several_tasks(refused, cards):
    two = {"tasks": {"a": str(cards["topics"]), "b": str(cards["names"])}}
    assert "write tasks.NAME.KEY" in refused("task.max_length=8", **two)


def test_options_that_are_missing_or_unknown(ptv2, write_config):
    for argv in ((), ("--confg", "x"), ("--config", write_config(), "--fast")):
        said = ptv2("fit", *argv)
        assert said.code == 2 and said.err.startswith("error: ") and len(said.err.splitlines()) == 1


def test_a_fault_of_lightning_comes_as_one_line_from_a_process_too(spawn, write_config, tmp_path):
    said = spawn("fit", "--config", write_config(), "trainer.max_epochs=-5")
    assert said.code == 2 and said.out == ""
    assert len(said.err.splitlines()) == 1 and said.err.startswith("error: ")
    assert not (tmp_path / "runs").exists()


def test_debug_raises(ptv2, write_config):
    with pytest.raises(UserError, match="is not a length"):
        ptv2("fit", "--debug", "--config", write_config(), "prompt.length=0")


def test_a_printed_config_with_a_fault_is_refused_too(ptv2, write_config):
    said = ptv2("fit", "--print-config", "--config", write_config(), "optim.lr=0")
    assert said.code == 2 and said.out == "" and yaml.safe_load(said.err.partition(":")[0]) == "error"
