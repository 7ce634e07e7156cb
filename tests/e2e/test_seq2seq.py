"""Text generation on a tiny encoder-decoder and a tiny decoder, from training to texts for new rows."""

import json
import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from seq2seq_models import save_lm
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ptv2.backbone import Backbone
from ptv2.train.board import views

SPLITS = {"train": 24, "validation": 6, "test": 6}
METRICS = ["perplexity", "bleu", "chrf", "rouge1", "rouge2", "rouge_l"]
NEEDS_TORCHAO = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")
SAMPLES = "samples/tiny/text_summary"


def animal(draw: random.Random, i: int) -> dict[str, Any]:
    """Which animal it is, in one or two wordings."""
    name = draw.choice(["cat", "dog", "cow", "hen"])
    texts = [f"a {name}", f"the {name} | *one*"][: draw.randint(1, 2)]
    return {"id": i, "text": "the big red " * draw.randint(0, 2) + name, "target": texts}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")

    def folder(family: str) -> Path:
        return root / family if (root / family).is_dir() else save_lm(family, root / family)

    return folder


@pytest.fixture
def config(tmp_path, models) -> Callable[..., Path]:
    """A config file for a family's tiny model; keywords change the card."""

    def write(family: str, **card: Any) -> Path:
        draw = random.Random(0)
        (tmp_path / "rows").mkdir(exist_ok=True)
        for split, count in SPLITS.items():
            lines = [json.dumps(animal(draw, i)) + "\n" for i in range(count)]
            (tmp_path / "rows" / f"{split}.jsonl").write_text("".join(lines))
        card = {
            "kind": "seq2seq",
            "dataset": {"path": str(tmp_path / "rows"), "columns": ["text", "target"]},
            "inputs": {"source": "text"},
            "label": "target",
            "metrics": METRICS,
            "max_length": 24,
            "options": {"max_target_length": 8},
        } | card
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(card))
        values = {
            "task": str(tmp_path / "tiny.yaml"),
            "backbone": {"name": str(models(family)), "dropout": 0},
            "prompt": {"length": 6},
            "optim": {"lr": 0.1, "schedule": "constant"},
            "data": {"batch_size": 8, "eval_batch_size": 4},
            "run": {"folder": str(tmp_path / "runs"), "name": "run", "log_every": 1},
            "trainer": {"max_epochs": 2},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "config.yaml"

    return write


@pytest.fixture
def texts_written(monkeypatch) -> list[int]:
    """Rows of each call of `generate`, and nothing of how it works."""
    calls = []
    generate = Backbone.generate

    def counted(self: Backbone, inputs: dict[str, torch.Tensor], *rest: Any) -> torch.Tensor:
        assert not self.training
        calls.append(len(inputs["input_ids"]))
        return generate(self, inputs, *rest)

    monkeypatch.setattr(Backbone, "generate", counted)
    return calls


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("family", "options", "prompt"),
    [
        ("gpt2", {"separator": "\nsummary:"}, []),
        ("t5", {"generation": {"num_beams": 3}}, ["prompt.length={encoder: 3, decoder: 2, cross: 4}"]),
        ("llama", {"generation": {"do_sample": True, "top_k": 50}}, ["backbone.dtype=bfloat16", "prompt.layers=top:1"]),
        ("bart", {}, ["prompt.form=hidden", "prompt.init=text:the cat", "prompt.length={encoder: 0, cross: 4}"]),
        pytest.param("gpt2", {}, ["backbone.quantize=int8", "prompt.form=hidden"], marks=NEEDS_TORCHAO),
    ],
    ids=["gpt2", "t5", "llama", "bart", "int8"],
)
def test_from_training_to_texts_for_new_rows(family, options, prompt, config, ptv2, tmp_path):
    path = config(family, options={"max_target_length": 8} | options)
    said = ptv2("fit", "--config", path, *prompt)
    assert said.code == 0, said.err
    assert "targets are longer than max_target_length=8 and were cut" in said.out
    run = tmp_path / "runs" / "run"
    results = json.loads((run / "results.json").read_text())
    scores = results["scores"]
    assert list(scores["test"]["tiny"]) == METRICS
    assert list(results["baseline"]["tiny"]["test"]) == METRICS[1:]  # a text of the training rows has no likelihood
    assert results["scoring"]["tiny"]["test"]["bleu"] == {"tokenizer": "13a"}
    assert results["parameters"]["heads"]["total"] == 0

    losses = [line["train/loss"] for line in read(run / "metrics.jsonl") if "train/loss" in line]
    assert min(losses[3:]) < losses[0]
    lines = read(run / "predictions" / "tiny.test.jsonl")
    assert [line["id"] for line in lines] == list(range(SPLITS["test"]))
    assert all(isinstance(line["generated"], str) and line["generated"] == line["prediction"] for line in lines)

    for split in ("validation", "test"):
        said = ptv2("evaluate", "--artifact", run, "--task", tmp_path / "tiny.yaml", "--split", split, "--json")
        assert said.code == 0, said.err
        assert json.loads(said.out)["scores"] == scores[split]["tiny"]

    rows = read(tmp_path / "rows" / "test.jsonl")
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({k: r[k] for k in ("id", "text")}) + "\n" for r in rows))
    said = ptv2("predict", "--artifact", run, "--input", tmp_path / "new.jsonl")
    assert said.code == 0, said.err
    predicted = [json.loads(line) for line in said.out.splitlines()]
    if not options.get("generation", {}).get("do_sample"):  # a batch of other rows draws other tokens
        assert predicted == [{key: value for key, value in line.items() if key != "gold"} for line in lines]
    assert [line["id"] for line in predicted] == [row["id"] for row in rows]


def test_the_prompt_of_an_artifact_starts_another_run(config, ptv2, tmp_path):
    path, length = config("t5"), "prompt.length={encoder: 3, decoder: 0, cross: 4}"
    assert ptv2("fit", "--config", path, length).code == 0
    init = f"prompt.init=artifact:{tmp_path / 'runs' / 'run'}"
    said = ptv2("fit", "--config", path, length, init, "run.name=more", "optim.lr=1e-9", "trainer.max_epochs=1")
    assert said.code == 0, said.err
    before, after = (json.loads((tmp_path / "runs" / n / "results.json").read_text()) for n in ("run", "more"))
    assert after["scores"]["test"]["tiny"]["perplexity"] == pytest.approx(
        before["scores"]["test"]["tiny"]["perplexity"], rel=1e-4
    )
    # As many rows of the same shapes, but for another place.
    said = refused(ptv2("fit", "--config", path, "prompt.length={encoder: 3, decoder: 4}", init, "run.name=other"))
    asked = "the config asks for form 'kv' with 2 layers of (3, 64) and 2 layers of (4, 64), at other layers or places"
    assert asked in said


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer")  # TensorBoard's own
@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_samples_stand_on_the_board_as_they_are(family, config, ptv2, tmp_path, monkeypatch):
    seen = []
    table = views.samples
    monkeypatch.setattr(views, "samples", lambda *args: seen.append(table(*args)) or seen[-1])
    assert ptv2("fit", "--config", config(family)).code == 0
    board = EventAccumulator(str(tmp_path / "runs" / "run"))
    board.Reload()
    assert SAMPLES in board.Tags()["tensors"]
    events = board.Tensors(SAMPLES)
    assert [event.step for event in events] == [5, 10]  # with the scores of each validation
    shown = [event.tensor_proto.string_val[0].decode() for event in events]
    assert shown == seen

    from tensorboard.plugin_util import markdown_to_safe_html

    rows = read(tmp_path / "rows" / "validation.jsonl")[:4]
    html = markdown_to_safe_html(shown[-1])
    assert html.count("<tr>") == 1 + len(rows)
    for row in rows:
        assert f"<td>{row['text']}" in html
        assert f"<td>{row['target'][0]}</td>" in html
    assert "<em>" not in html


def test_samples_are_all_that_is_written_while_training_on_a_likelihood(config, ptv2, tmp_path, texts_written):
    path = config("gpt2")
    assert ptv2("fit", "--config", path).code == 0
    assert texts_written == [4, 4, 4, 2, 4, 2]  # the samples of two epochs, then validation and test in batches
    logged = {key for line in read(tmp_path / "runs" / "run" / "metrics.jsonl") for key in line}
    expected = {"validation/tiny/loss", "validation/tiny/perplexity"}
    assert {key for key in logged if key.startswith("validation/tiny/")} == expected

    texts_written.clear()
    said = ptv2("fit", "--config", path, "task.metrics=[rouge1, perplexity]", "run.name=texts", "trainer.max_epochs=1")
    assert said.code == 0, said.err
    assert texts_written == [4, 2, 4, 4, 2, 4, 2]  # here the metric that chooses the checkpoint needs texts


def test_the_best_checkpoint_has_the_lowest_perplexity(config, ptv2, tmp_path):
    assert ptv2("fit", "--config", config("gpt2"), "trainer.max_epochs=4", "optim.lr=0.3").code == 0
    run = tmp_path / "runs" / "run"
    values = {
        line["step"]: line["validation/tiny/perplexity"]
        for line in read(run / "metrics.jsonl")
        if "validation/tiny/perplexity" in line
    }
    results = json.loads((run / "results.json").read_text())
    assert len(values) == 4
    assert results["scores"]["validation"]["tiny"]["perplexity"] == pytest.approx(min(values.values()), rel=1e-5)


def refused(said: Any) -> str:
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


def test_an_encoder_cannot_write(config, ptv2, tiny_bert, tmp_path):
    said = refused(ptv2("fit", "--config", config("gpt2"), f"backbone.name={tiny_bert}"))
    assert "backbone.name: backbone family 'bert' cannot generate text; a seq2seq task needs" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("family", "override", "said"),
    [
        ("gpt2", "task.max_length=90", "98 tokens do not fit the backbone's 96 positions; lower max_length"),
        ("gpt2", "task.options.max_target_length=80", "104 tokens do not fit"),
        ("gpt2", "task.options.generation={max_new_tokens: 80}", "104 tokens do not fit"),
        ("bart", "task.options.max_target_length=100", "100 tokens do not fit"),
        ("bart", "task.max_length=97", "97 tokens do not fit"),
        ("t5", "task.options.generation={num_beam: 3}", "no setting 'num_beam'; did you mean 'num_beams'?"),
        ("t5", "task.options.max_target_length=1", "max_target_length is '1'; use a whole number, 2 or more"),
        ("gpt2", "prompt.length={encoder: 3}", "no place 'encoder' in this backbone"),
        ("t5", "prompt.position_offset=true", "'t5' numbers its positions itself; set it to false"),
        ("gpt2", "task.metrics=[accuracy]", "metric 'accuracy' does not score kind 'seq2seq'"),
    ],
)
def test_what_cannot_be_is_refused_before_training(family, override, said, config, ptv2, tmp_path):
    assert said in refused(ptv2("fit", "--config", config(family), override))
    assert not (tmp_path / "runs").exists()


def test_as_many_tokens_as_there_are_positions_can_be_written(config, ptv2):
    """16 + 80 = 96: the last token has a position, in training and with the cache."""
    said = ptv2(
        "fit",
        "--config",
        config("gpt2"),
        "task.max_length=16",
        "task.options.generation={max_new_tokens: 80, min_new_tokens: 80}",
        "trainer.max_epochs=1",
    )
    assert said.code == 0, said.err


def test_a_classifier_and_a_generator_share_a_prompt(ptv2, config, tmp_path):
    """One reads the encoder alone, the other encoder and decoder."""
    path = config("t5", metrics=["perplexity"])
    write_rows = [json.dumps({"text": word, "label": word}) for word in ("cat", "dog", "cow", "hen") * 4]
    (tmp_path / "words").mkdir()
    for split in SPLITS:
        (tmp_path / "words" / f"{split}.jsonl").write_text("\n".join(write_rows))
    card = {
        "kind": "cls",
        "dataset": {"path": str(tmp_path / "words")},
        "inputs": {"text": "text"},
        "metrics": ["accuracy"],
    }
    values = yaml.safe_load(path.read_text())
    values["tasks"] = {"words": card | {"name": "words", "max_length": 8}, "tiny": values.pop("task")}
    values["mixture"] = {"cosine_every": 2}
    path.write_text(yaml.safe_dump(values))
    said = ptv2("fit", "--config", path, "trainer.accumulate_grad_batches=2")
    assert said.code == 0, said.err
    rows = [{"task": "words", "text": "cat"}, {"task": "tiny", "text": "the dog"}, {"task": "words", "text": "hen"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = ptv2("predict", "--artifact", tmp_path / "runs" / "run", "--input", tmp_path / "rows.jsonl")
    assert said.code == 0, said.err
    assert [json.loads(line)["task"] for line in said.out.splitlines()] == ["words", "tiny", "words"]
    said = ptv2("fit", "--config", path, "method=head", "run.name=head")
    assert said.code == 2 and said.err == "error: method: nothing trains for the generating task 'tiny'; use deep\n"
