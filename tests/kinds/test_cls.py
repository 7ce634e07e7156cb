"""Heads on states made by hand: B rows, T tokens, D = 2."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ptv2.backbone import States
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE


class Stub:
    """What a head asks of a backbone."""

    width, has_pooler, is_causal = 2, True, False


STATES = States(
    last_BTD=torch.tensor([[[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]], [[2.0, 2.0], [4.0, 0.0], [0.0, 1.0]]]),
    mask_BT=torch.tensor([[1, 1, 0], [1, 1, 1]]),
    pooled_BD=torch.tensor([[5.0, 5.0], [6.0, 6.0]]),
)


def head(kind="cls", classes=2, pooling="cls"):
    """A head that hands through the vector it reads."""
    made = KINDS[kind].head(HeadConfig(pooling=pooling), Stub(), classes).eval()
    made.out = nn.Identity()
    return made


@pytest.mark.parametrize(
    ("pooling", "vectors"),
    [
        ("cls", [[1, 0], [2, 2]]),
        ("mean", [[2, 2], [2, 1]]),
        ("last", [[3, 4], [0, 1]]),
        ("pooler", [[5, 5], [6, 6]]),
    ],
)
def test_pooling(pooling, vectors):
    assert head(pooling=pooling)(STATES).tolist() == vectors


def test_dense_pooling_is_trained():
    made = head(pooling="dense")
    dense = made.pooling.dense
    assert torch.equal(made(STATES), torch.tanh(dense(STATES.last_BTD[:, 0])))
    assert {name for name, _ in made.named_parameters()} == {"pooling.dense.weight", "pooling.dense.bias"}


def test_a_backbone_without_a_pooler():
    stub = Stub()
    stub.has_pooler, stub.model = False, nn.Module()
    stub.model.config = type("Config", (), {"model_type": "distilbert"})
    with pytest.raises(UserError, match=r"head\.pooling: backbone family 'distilbert' has no pooler; use cls"):
        KINDS["cls"].head(HeadConfig(pooling="pooler"), stub, 2)


@pytest.mark.parametrize("pooling", ["cls", "dense"])
def test_the_first_token_of_a_causal_backbone_has_read_nothing(pooling):
    stub = Stub()
    stub.is_causal, stub.model = True, nn.Module()
    stub.model.config = type("Config", (), {"model_type": "gpt2"})
    with pytest.raises(UserError, match="'gpt2' is causal: its first token sees no other; use last or mean"):
        KINDS["cls"].head(HeadConfig(pooling=pooling), stub, 2)


def test_states_in_bfloat16_are_read_in_float32():
    half = States(STATES.last_BTD.bfloat16(), STATES.mask_BT, STATES.pooled_BD.bfloat16())
    for pooling in ("cls", "mean", "pooler", "dense"):
        assert KINDS["cls"].head(HeadConfig(pooling=pooling), Stub(), 2)(half).dtype == torch.float32
    assert KINDS["tagging"].head(HeadConfig(), Stub(), 2)(half).dtype == torch.float32


def test_classification():
    logits, made = torch.tensor([[0.0, 2.0], [1.0, 0.0]]), head()
    (first, second) = made.decode(logits, {}, ["no", "yes"])
    assert (first["label"], second["label"]) == ("yes", "no")
    assert first["scores"] == pytest.approx({"no": 0.1192, "yes": 0.8808}, abs=1e-4)
    labels = torch.tensor([1, 1])
    assert made.loss(logits, {"labels": labels}) == F.cross_entropy(logits, labels)


def test_regression():
    logits, made = torch.tensor([[0.5], [3.0]]), head("regression", 1)
    assert made.decode(logits, {}, []) == [{"value": 0.5}, {"value": 3.0}]
    assert made.loss(logits, {"labels": torch.tensor([1.5, 3.0])}) == 0.5


def test_tagging_reads_first_pieces():
    made = head("tagging", 2)
    batch = {"labels": torch.tensor([[IGNORE, 1, IGNORE], [0, IGNORE, 1]]), "first_pieces": [{0: 1}, {0: 0, 2: 2}]}
    assert made.decode(STATES.last_BTD, batch, ["O", "B-X"]) == [{"tags": {0: "B-X"}}, {"tags": {0: "O", 2: "B-X"}}]
    read = torch.tensor([[3.0, 4.0], [2.0, 2.0], [0.0, 1.0]])
    assert made.loss(STATES.last_BTD, batch) == F.cross_entropy(read, torch.tensor([1, 0, 1]))
