"""backbone.dropout: the model's own, another hidden dropout, or none, with or without gradient checkpointing."""

import pytest
from torch import nn

from ptv2.backbone import load_backbone
from ptv2.config.schema import BackboneConfig


def rates(backbone):
    """The dropout rates of a tiny BERT: hidden ones, and those of attention."""
    modules = [(name, m.p) for name, m in backbone.model.named_modules() if isinstance(m, nn.Dropout)]
    return {p for name, p in modules if "self" not in name}, {p for name, p in modules if "self" in name}


@pytest.mark.parametrize(("dropout", "hidden", "attention"), [(None, {0.1}, {0.1}), (0.3, {0.3}, {0.1}), (0, {0}, {0})])
def test_rates(tiny_bert, dropout, hidden, attention):
    backbone = load_backbone(BackboneConfig(name=str(tiny_bert), dropout=dropout))
    assert rates(backbone) == (hidden, attention)


def test_without_dropout_layers_are_still_recomputed(tiny_bert):
    backbone = load_backbone(BackboneConfig(name=str(tiny_bert), dropout=0, gradient_checkpointing=True)).train()
    assert backbone.model.is_activation_checkpointing
    assert backbone.model.training
