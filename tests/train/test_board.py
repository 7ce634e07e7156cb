"""What the board shows of a run: read back from its event files."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scene import make_config, write_cards
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from ptv2.config.load import load_config
from ptv2.train.fit import fit

pytestmark = pytest.mark.filterwarnings("ignore:html5lib's sanitizer")  # TensorBoard's own
LIMITS = {"images": 100, "tensors": 100, "scalars": 1000}


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def run(tmp_path, tiny_bert, cards):
    """`run("names", "prompt.gate=true")`: the board of a finished run of 4 validations, and the run's folder."""

    def made(task, *overrides, **keys):
        path = make_config(tmp_path, tiny_bert, cards[task], **keys)
        config = load_config(path, ["trainer.max_epochs=4", "mixture.steps_per_epoch=2", *overrides])
        fit(config)
        folder = tmp_path / "runs" / config.run.name
        return EventAccumulator(str(folder), LIMITS).Reload(), folder

    return made


def steps(events):
    return [event.step for event in events]


def picture(board, tag):
    return np.asarray(Image.open(BytesIO(board.Images(tag)[-1].encoded_image_string)))


def text(board, tag):
    return markdown_to_safe_html(board.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0])


def coloured(pixels):
    """The share of pixels that are neither paper nor ink."""
    return float((pixels.max(-1).astype(int) - pixels.min(-1) > 20).mean())


def test_a_classifier_has_pictures_curves_and_texts(run):
    board, folder = run("topics", "board.every=2")
    assert steps(board.Images("topics/confusion")) == [2, 6, 8]  # the first, every other, and the last
    for tag in ("topics/confusion", "topics/reliability", "topics/attention.encoder"):
        assert coloured(picture(board, tag)) > 0.03, tag
    assert "topics/fruit" in board.Tags()["tensors"]  # precision and recall; fruit stands for both
    assert [0 <= e.value <= 1 for e in board.Scalars("calibration/topics/ece")] == [True] * 4
    assert "validation rows are answered wrongly" in text(board, "mistakes/topics")
    assert text(board, "prompts/words").count("<tr>") == 1 + 3  # a line per layer
    vectors = (folder / "00008" / "prompt" / "tensors.tsv").read_text().splitlines()
    about = (folder / "00008" / "prompt" / "metadata.tsv").read_text().splitlines()
    assert len(vectors) == len(about) - 1 == 3 * 4 and about[1].split("\t")[1:3] == ["encoder.00", "0"]
    words = about[1].split("\t")[3].split(", ")
    assert len(words) == 3 and all(word.isalpha() for word in words)


def test_curves_by_layer(run):
    board, _ = run("topics", "prompt.gate=true")
    moved = [event.value for event in board.Scalars("layers/moved/encoder.02")]
    assert moved == sorted(moved) and moved[0] > 0  # each epoch leads further away
    assert all(event.value > 0 for event in board.Scalars("layers/norm/encoder.00"))
    assert all(event.value != 0 for event in board.Scalars("layers/gate/encoder.01"))
    assert all(event.value >= 0 for event in board.Scalars("layers/grad_norm/encoder.01"))
    assert coloured(picture(board, "gates/heads")) > 0.005


def test_tags_are_shown_as_spans_by_type(run):
    board, _ = run("names", "optim.lr=1e-6")  # which leaves the head as it was drawn
    shown = text(board, "mistakes/names")
    assert "<em>PER</em>: <strong>" in shown and "<th>gold</th>" in shown and "confidence" not in shown
    assert picture(board, "names/confusion").shape[0] > 100


@pytest.mark.parametrize(
    ("sharing", "shown"), [("shared", ["gradients"]), ("task", ["prompts"]), ("shared+task", ["gradients", "prompts"])]
)
def test_a_mixture_shows_how_alike_its_tasks_are(sharing, shown, run, cards):
    tasks = {name: str(path) for name, path in cards.items()}
    board, _ = run("topics", "mixture.steps_per_epoch=12", tasks=tasks, prompt={"length": 4, "sharing": sharing},
                   mixture={"cosine_every": 1}, trainer={"max_epochs": 2})  # fmt: skip
    pictures = [tag.removeprefix("similarity/") for tag in board.Tags()["images"] if tag.startswith("similarity/")]
    assert sorted(pictures) == shown
    layout = Layout.FromString(board.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    groups = {category.title: [chart.title for chart in category.chart] for category in layout.category}
    assert set(groups) >= {"run", "task topics", "task ratings", "task names", "tasks together"}
    assert "attention on the prompt" in groups["prompt by layer"] and "memory in bytes" in groups["machine"]


@pytest.mark.parametrize("method", ["prompt", "head", "bitfit", "prefix"])
def test_methods_without_prompts_in_layers_have_the_views_that_apply(method, run):
    board, folder = run("topics", f"method={method}")
    tags = board.Tags()
    assert "topics/confusion" in tags["images"]
    assert ("topics/attention.encoder" in tags["images"]) == (method in ("prompt", "prefix"))
    assert (folder / "projector_config.pbtxt").exists() == (method in ("prompt", "prefix"))
    if method == "prompt":
        assert "layers/norm/input" in tags["scalars"] and "layers/grad_norm/input" in tags["scalars"]


@pytest.mark.parametrize("form", ["[values, slots]", "memory", "hidden"])
def test_forms_beside_the_softmax_have_no_attention_to_show(form, run):
    board, _ = run("topics", f"prompt.form={form}")
    assert ("topics/attention.encoder" in board.Tags()["images"]) == (form == "hidden")
    name = "encoder.00.slots" if "slots" in form else "encoder.00"
    assert len(board.Scalars(f"layers/norm/{name}")) == 4


def test_views_can_be_left_out_and_change_no_training(run, tmp_path):
    board, folder = run("topics", "board.views=[]", "run.name=without")
    assert not board.Tags()["images"] and not [t for t in board.Tags()["scalars"] if t.startswith("layers/")]
    _, other = run("topics", "run.name=with", "board.every=1")
    weights = [
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for path in (folder, other)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
