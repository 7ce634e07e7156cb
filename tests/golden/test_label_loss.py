"""Class weights and label smoothing: the loss is torch's by hand, on one rank and in parts.

Shapes: N terms, C labels.
"""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from training import run_config, train

from ptv2.config.load import make_config
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE
from ptv2.model.build import build
from ptv2.model.class_weights import check_label_loss

COUNTS_C = torch.tensor([6.0, 3.0, 1.0])
LABELS_N = torch.tensor([0, 0, 2, 1, 0, 1])


def head(kind, smoothing=0.0, classes=3, weights_C=None):
    torch.manual_seed(0)
    config = HeadConfig(dropout=0.0, label_smoothing=smoothing)
    made = KINDS[kind].head(config, SimpleNamespace(width=8, is_causal=False), classes)
    made.class_weights = weights_C
    return made


def logits_of(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def by_hand(logits_NC, labels_N, weights_C, smoothing):
    """Each term's answer is (1 - smoothing) of its label and as much of each label; each log-probability is weighed."""
    answers_NC = (1 - smoothing) * F.one_hot(labels_N, 3) + smoothing / 3
    return -(answers_NC * weights_C * logits_NC.log_softmax(-1)).sum() / len(labels_N)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 4.0]])
def test_the_loss_is_torchs_by_hand(smoothing, weights):
    """torch's own mean divides by the weights of the terms instead of their number."""
    logits_NC = logits_of(6, 3)
    weights_C = None if weights is None else torch.tensor(weights)
    loss = head("cls", smoothing, weights_C=weights_C).loss(logits_NC, {"labels": LABELS_N})
    used_C = torch.ones(3) if weights is None else weights_C
    torch.testing.assert_close(loss, by_hand(logits_NC, LABELS_N, used_C, smoothing))
    torchs = F.cross_entropy(logits_NC, LABELS_N, weight=weights_C, label_smoothing=smoothing)
    torch.testing.assert_close(loss, torchs * used_C[LABELS_N].sum() / len(LABELS_N))


def test_without_either_the_loss_is_what_it_was():
    logits_NC = logits_of(6, 3)
    loss = head("cls").loss(logits_NC, {"labels": LABELS_N})
    assert torch.equal(loss, F.cross_entropy(logits_NC, LABELS_N))


@pytest.mark.parametrize("kind", ["cls", "tagging"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_parts_of_two_ranks_sum_to_the_loss_of_one(kind, smoothing):
    """Each weighed by its share of the terms, though their labels weigh different things."""
    made = head(kind, smoothing, weights_C=torch.tensor([0.5, 1.0, 4.0]))
    labels, logits = LABELS_N, logits_of(6, 3)
    if kind == "tagging":  # rows of four tokens, some without a label
        labels = torch.tensor([[0, IGNORE, 2, 1], [IGNORE, IGNORE, 0, IGNORE], [1, 1, 2, IGNORE]])
        logits = logits_of(3, 4, 3)

    def batch(labels):
        return {"labels": labels, "terms": int((labels != IGNORE).sum())}

    whole = batch(labels)
    parts = [(logits[at], batch(labels[at])) for at in (slice(0, 1), slice(1, None))]
    joint = sum(made.loss(own, part) * made.terms(part) / made.terms(whole) for own, part in parts)
    torch.testing.assert_close(joint, made.loss(logits, whole))


def test_a_choice_is_smoothed_over_the_rows_own_choices():
    logits_S1, counts_B, labels_B = logits_of(9, 1).requires_grad_(), torch.tensor([2, 4, 3]), torch.tensor([1, 2, 0])
    loss = head("choice", 0.1).loss(logits_S1, {"choices_B": counts_B, "labels": labels_B})
    loss.backward()
    assert logits_S1.grad.isfinite().all()
    rows = zip(logits_S1.detach().split([2, 4, 3]), labels_B, strict=True)
    alone = [F.cross_entropy(row_S1[:, 0], label, label_smoothing=0.1) for row_S1, label in rows]
    torch.testing.assert_close(loss.detach(), sum(alone) / 3)


# Weights


@pytest.mark.parametrize("kind", ["cls", "tagging"])
@pytest.mark.parametrize("given", [None, [2.0, 2.0, 8.0]])
def test_weights_have_mean_one_over_the_training_labels(kind, given):
    weights_C = head(kind).weights(COUNTS_C, 10, None if given is None else torch.tensor(given))
    assert (weights_C * COUNTS_C).sum() / 10 == pytest.approx(1)
    wanted = [10 / (3 * count) for count in (6, 3, 1)] if given is None else [2 / 2.6, 2 / 2.6, 8 / 2.6]
    assert weights_C.tolist() == pytest.approx(wanted)


def test_a_label_without_a_row_spoils_nothing():
    weights_C = head("cls").weights(torch.tensor([8.0, 2.0, 0.0]), 10, None)
    assert weights_C.isfinite().all() and weights_C[0] * 8 == pytest.approx(weights_C[1].item() * 2)


def test_several_labels_are_weighed_where_they_hold():
    made = head("multilabel")
    weights_C = made.weights(torch.tensor([8.0, 2.0, 0.0]), 8, None)  # all rows, a quarter, none
    assert weights_C.tolist() == [1, 3, 1]
    assert made.weights(COUNTS_C, 10, torch.tensor([1.0, 2.0, 3.0])).tolist() == [1, 2, 3]
    logits_NC, made.class_weights = logits_of(2, 3), weights_C
    holds_NC = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    own = -(weights_C * holds_NC * F.logsigmoid(logits_NC) + (1 - holds_NC) * F.logsigmoid(-logits_NC))
    torch.testing.assert_close(made.loss(logits_NC, {"labels": holds_NC}), own.mean())


@pytest.mark.parametrize("kind", ["cls", "tagging"])
def test_a_run_weighs_its_training_labels_and_keeps_no_weight(kind, tmp_path):
    parts = build(
        run_config("bert", tmp_path, kind, optim={"class_weights": "balanced"}, head={"label_smoothing": 0.1})
    )
    (name,), module = parts.tasks, parts.module
    references = parts.tasks[name].references("train")
    labels = references if kind == "cls" else [tag for tags in references for tag in tags]
    names = parts.tasks[name].label_names()
    wanted = [len(labels) / len(names) / labels.count(label) for label in names]
    assert module.heads[name].class_weights.tolist() == pytest.approx(wanted)
    assert not [key for key in module.state_dict() if "class_weights" in key]
    train(parts, 2)
    assert module.losses[name].isfinite()


def test_a_weight_is_of_the_label_as_it_is_written(tmp_path):
    parts = build(run_config("bert", tmp_path, optim={"class_weights": {"yes": 4, "no": 1}}))
    (weights,) = [head.class_weights for head in parts.module.heads.values()]
    assert (weights / weights[0]).tolist() == pytest.approx([1, 1, 4])  # no, so, yes: 1 where none is given


def test_a_weight_for_no_label_is_refused(tmp_path):
    config = run_config("bert", tmp_path, optim={"class_weights": {"yess": 4}})
    with pytest.raises(UserError, match=r"optim.class_weights: unknown label 'yess'; did you mean 'yes'\?"):
        build(config)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim.class_weights=balance", "'optim.class_weights' is 'balance'; use balanced, or"),
        ("optim.class_weights={no: 0}", "'optim.class_weights.no' is 0; use a number above 0"),
        ("optim.class_weights={no: .inf}", "'optim.class_weights.no' is inf"),
        ("head.label_smoothing=1", "'head.label_smoothing' is 1"),
        ("optim.class_weights=balanced", "task 'x' is of kind 'span', whose loss does not take it"),
        ("head.label_smoothing=0.1", "head.label_smoothing: task 'x' is of kind 'span'"),
    ],
)
def test_what_cannot_be_weighed_or_smoothed_is_refused(override, says):
    span = {"name": "x", "kind": "span", "inputs": {"question": "q", "context": "c"}, "metrics": ["squad_em"]}
    values = {"task": span | {"dataset": {"path": "d"}}, "backbone": {"name": "b"}, "run": {"name": "r"}}
    with pytest.raises(UserError, match=says):
        check_label_loss(make_config(values, [override]))


@pytest.mark.parametrize("value", ["{yes: 2, no: 1}", "{007: 2, 1.0: 1}"])
def test_a_label_in_a_config_is_text(value):
    card = {"name": "x", "kind": "cls", "inputs": {"text": "t"}, "metrics": ["accuracy"], "dataset": {"path": "d"}}
    values = {"task": card, "backbone": {"name": "b"}, "run": {"name": "r"}}
    weights = make_config(values, [f"optim.class_weights={value}"]).optim.weights
    assert list(weights) == [part.split(":")[0] for part in value.strip("{}").split(", ")]
