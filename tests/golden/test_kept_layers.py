"""`backbone.memory_budget`: what layers keep is counted, and as few of them are recomputed as fit."""

import json

import lightning as L
import pytest
import torch
from families import DEPTH, FAMILIES, WORDS, make_backbone, make_batch, make_prompt, open_gates, real, save_backbone
from seq2seq_models import make_lm_backbone, make_lm_batch, make_lm_prompt, save_lm

from ptv2.backbone.checkpointing import layers_of
from ptv2.backbone.kept import Kept, counting, peak, recomputed
from ptv2.config.load import make_config
from ptv2.model.build import build
from ptv2.train.callbacks.budget import MemoryBudget
from ptv2.train.callbacks.longest import longest_batch

LAYERS = [Kept(40, 10), Kept(50, 10), Kept(60, 10)]


@pytest.mark.parametrize(
    ("budget", "count", "kept"),
    [
        (1000, 0, 150),
        (150, 0, 150),  # exactly as much as is kept
        (149, 1, 120),  # 10 enters the first, the others are kept whole
        (119, 2, 80),
        (79, 3, 90),  # does not fit: all are recomputed, the largest one at a time
        (1, 3, 90),
    ],
)
def test_as_few_layers_as_fit(budget, count, kept):
    assert recomputed(LAYERS, budget) == count
    assert peak(LAYERS, count) == kept


def test_nothing_to_recompute():
    assert recomputed([], 1) == 0
    assert peak([], 0) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_tells_what_a_batch_keeps(family):
    """So many rows keep so many times as much, but for what all rows share."""
    backbone = make_backbone(family).train()
    prompt, found = make_prompt(backbone), {}
    for rows in (1, 4):
        batch = make_batch(family, (9,) * rows)
        with counting(backbone, layers_of(backbone.model)) as found[rows]:
            states = backbone(batch, prompt(rows))
        assert real(states.last_BTD, batch).requires_grad
    for one, four in zip(found[1], found[4], strict=True):
        assert 0 < one.entering <= one.whole
        assert four.entering == 4 * one.entering
        assert 3 * one.whole < four.whole <= 4 * one.whole


def test_layers_below_the_lowest_prompt_keep_nothing():
    backbone = make_backbone("bert").train()
    prompt = make_prompt(backbone, layers="top:1")
    with counting(backbone, layers_of(backbone.model)) as found:
        states = backbone(make_batch("bert"), prompt(3))
    assert states.last_BTD.requires_grad
    assert [layer.whole > 0 for layer in found] == [False, False, True]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_some_layers_recomputed_give_the_same_gradients(family, count):
    found, calls = [], []
    for chosen in (0, count):
        backbone, seen = make_backbone(family).train(), []
        prompt, batch = open_gates(make_prompt(backbone), 0.5), make_batch(family)
        layers = layers_of(backbone.model)
        if chosen:
            backbone.enable_gradient_checkpointing(chosen=layers[:chosen])
        torch.manual_seed(7)
        with backbone.state.recording(seen.append):
            real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
        calls.append(len(seen))
    assert calls[1] == calls[0] + count * DEPTH[family] // len(layers)
    for gradient, wanted in zip(*found, strict=True):
        assert wanted.abs().max() > 0
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["t5", "bart", "llama"])
def test_some_layers_of_a_language_model(family):
    found, calls = [], []
    for count in (0, 1, 3):
        backbone, seen = make_lm_backbone(family).train(), []
        prompt, batch = make_lm_prompt(backbone), make_lm_batch(family)
        batch.setdefault("labels", batch["input_ids"])
        layers = layers_of(backbone.model)
        backbone.enable_gradient_checkpointing(chosen=layers[:count])
        torch.manual_seed(7)
        with backbone.state.recording(seen.append):
            backbone(batch, prompt(3), "targets").nll_BT.mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
        calls.append(len(seen))
    assert calls[0] < calls[1] < calls[2] or (family == "llama" and calls[0] < calls[1])
    for others in found[1:]:
        for gradient, wanted in zip(others, found[0], strict=True):
            torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)


def words(count):
    return " ".join((WORDS * 2)[:count])


def texts(*lengths):
    return [{"text": words(length), "label": "yes"} for length in lengths]


def pairs(*lengths):
    return [{"text": "a" * source, "label": "b" * target} for source, target in lengths]


def choices(*lengths):
    return [{"text": words(2), "choices": [words(length)] * count, "label": 0} for count, length in lengths]


CARDS = {
    "cls": {"inputs": {"text": "text"}, "labels": ["no", "yes"], "metrics": ["accuracy"]},
    "seq2seq": {"inputs": {"source": "text"}, "options": {"max_target_length": 40}, "metrics": ["bleu"]},
    "choice": {"inputs": {"text": "text", "choices": "choices"}, "metrics": ["accuracy"]},
}
BATCHES = {  # whole batches of which no row has the shape
    "texts": ("bert", "cls", texts(20, 20, 20, 12, 12, 9, 5, 3)),
    "texts of one length": ("bert", "cls", texts(*[9] * 8)),
    "a text": ("bert", "cls", texts(9)),
    "families of maps": ("deberta-v2", "cls", texts(20, 20, 12, 3)),
    "tokens alone": ("modernbert", "cls", texts(20, 20, 12, 12, 8, 3)),
    "targets longer than sources": ("t5", "seq2seq", pairs((12, 2), (9, 3), (8, 35), (5, 4), (4, 4), (3, 9))),
    "targets and cross-attention": ("bart", "seq2seq", pairs((12, 2), (9, 3), (8, 35), (5, 4), (4, 4), (3, 9))),
    "choices": ("bert", "choice", choices((5, 3), (2, 24), (4, 3), (3, 3))),
}


def parts_of(folder, family, kind, rows, *, unpad=False, **data):
    """A run of a task with these training rows, and the layers of its backbone."""
    (folder / "rows").mkdir()
    (folder / "rows" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save = save_lm if kind == "seq2seq" else save_backbone
    card = {"name": "t", "kind": kind, "label": "label", "dataset": {"path": str(folder / "rows")}, "max_length": 48}
    values = {
        "task": card | CARDS[kind],
        "backbone": {"name": str(save(family, folder / "backbone")), "unpad": unpad},
        "prompt": {"length": 4},
        "data": {"batch_size": len(rows)} | data,
        "run": {"name": "run", "folder": str(folder)},
    }
    return build(make_config(values))


def counted(parts, batch, precision):
    """What the hooks count of each layer in one pass over a batch."""
    with precision, counting(parts.module, layers_of(parts.module.backbone.model)) as found:
        read = parts.module.members(batch)
    del read
    return found


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("batch", BATCHES)
def test_a_few_texts_tell_what_the_batch_keeps(tmp_path, batch, precision):
    said_and_real(parts_of(tmp_path, *BATCHES[batch]), precision, 0.03)


def test_texts_of_mean_length_tell_what_real_tokens_keep(tmp_path):
    said_and_real(parts_of(tmp_path, *BATCHES["texts"], unpad=True), "32-true", 0.1)


def said_and_real(parts, precision, close):
    """What is said of the longest batch is what the hooks count of the training batch with the same rows."""
    ((name, _),) = parts.tasks.items()
    trainer = L.Trainer(accelerator="cpu", precision=precision, logger=False, enable_checkpointing=False)
    said = MemoryBudget(parts.data, parts.module.config.backbone).kept(trainer, parts.module, name)
    (whole,) = parts.data.train_dataloader()
    real = counted(parts, whole, trainer.strategy.precision_plugin.forward_context())
    assert peak(real, 0) > 0
    for one, other in zip(said, real, strict=True):
        assert (one.whole, one.entering) == pytest.approx((other.whole, other.entering), rel=close)


@pytest.mark.parametrize(
    ("family", "kind", "rows", "shapes"),
    [
        ("t5", "seq2seq", pairs((12, 2), (9, 3), (8, 4), (3, 35)), {"input_ids": (2, 13), "labels": (2, 36)}),
        ("t5", "seq2seq", pairs((12, 35), (9, 3), (8, 4), (3, 5)), {"input_ids": (2, 13), "labels": (2, 36)}),
        ("bert", "choice", choices((2, 9), (5, 3), (5, 2), (3, 3)), {"input_ids": (7, 14)}),
        ("bert", "choice", choices((5, 20), (5, 3), (2, 2), (3, 3)), {"input_ids": (10, 25)}),
        ("bert", "cls", texts(3, 9, 7), {"input_ids": (2, 11)}),
    ],
)
def test_the_longest_batch_is_as_wide_as_any(tmp_path, family, kind, rows, shapes):
    parts = parts_of(tmp_path, family, kind, rows, batch_size=2)
    ((name, _),) = parts.tasks.items()
    batch = longest_batch(parts.data, name)
    assert {key: tuple(batch[key].shape) for key in shapes} == shapes
