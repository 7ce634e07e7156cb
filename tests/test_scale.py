"""docs/scale.md: the model of what a step costs says what is measured."""

from dataclasses import replace

import pytest

from experiments.bench.scale import MEASURED, MODELS, Model
from experiments.bench.scale_points import measured


@pytest.mark.parametrize("name", ["tiny BERT", "small T5"])
def test_the_model_says_what_a_small_backbone_costs(name):
    model = next(model for model in MEASURED if model.name == name)
    found = measured(model, P=16)
    assert found["operations"] == model.step(16)
    assert found["trained"] == model.trained(16)
    assert found["kept"] == pytest.approx(model.activations(16, 4), rel=0.05)


def test_a_published_backbone_has_the_weights_that_its_shape_says():
    billions = {model.name: model.weights / 1e9 for model in MODELS}
    assert billions["Llama-8B"] == pytest.approx(8.03, rel=0.01)
    assert billions["T5-XL"] == pytest.approx(2.85, rel=0.01)
    assert billions["BERT-large"] == pytest.approx(0.335, rel=0.02)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_ranks_send_prompts_only_unless_layers_are_sharded(model: Model):
    assert model.traffic(20, 1) == 0
    assert model.traffic(20, 8) == pytest.approx(2 * 7 / 8 * 4 * model.trained(20))
    longer = replace(model, tokens=tuple(2 * T for T in model.tokens))
    assert longer.traffic(20, 8, sharded=True) == model.traffic(20, 8, sharded=True) > 10 * model.traffic(20, 8)
