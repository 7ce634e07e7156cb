"""How alike prompts are is a matter of what they change, and a random start changes nothing that counts."""

from itertools import combinations

import pytest
import torch

from ptv2.config.load import make_config
from ptv2.model.build import load_backbone
from ptv2.train.changes import Meter, drawn

SHAPES = {
    "keys and values": {},
    "values and slots": {"prompt": {"length": 4, "form": ["values", "slots"]}},
    "memory": {"prompt": {"length": 4, "form": "memory"}},
    "other layers, real tokens behind the prompt": {
        "prompt": {"length": 4, "layers": "top:2", "position_offset": True}
    },
    "at the input": {"method": "prompt"},
    "several at the input": {"method": "prompt", "prompt": {"length": 4, "ensemble": 2}},
}


@pytest.fixture
def meter(tiny_bert):
    def make(**keys):
        card = {
            "name": "one",
            "kind": "cls",
            "inputs": {"text": "a"},
            "label": "b",
            "metrics": ["accuracy"],
            "dataset": {"path": "x"},
        }
        values = {
            "preset": "official",
            "tasks": {"one": card},
            "backbone": {"name": str(tiny_bert)},
            "run": {"name": "one"},
        }
        config = make_config(values | {"prompt": {"length": 4}} | keys, [])
        return Meter(config, load_backbone(config.backbone, "states"))

    return make


def start(measured, seed):
    return drawn(measured.config, measured.backbone, seed)


def learned(start_PF, seed, size):
    """Vectors that went from a start in a direction of its own for each seed."""
    generator = torch.Generator().manual_seed(seed)
    return [row + size * torch.randn(row.shape, generator=generator) for row in start_PF]


@pytest.mark.parametrize("keys", SHAPES.values(), ids=SHAPES)
def test_untrained_prompts_are_like_nothing_whether_or_not_they_share_a_seed(meter, keys):
    measured = meter(**keys)
    changes = [measured.of(start(measured, seed)) for seed in (100, 100, 101, 102)]
    assert all(abs(a.likeness(b)) < 0.1 for a, b in combinations(changes, 2))


@pytest.mark.parametrize("keys", SHAPES.values(), ids=SHAPES)
def test_prompts_that_learned_the_same_are_alike_from_any_start(meter, keys):
    measured = meter(**keys)
    ends = {(seed, task): learned(start(measured, seed), task, 0.5) for seed in (100, 101) for task in (1, 2)}
    changes = {key: measured.of(vectors) for key, vectors in ends.items()}
    of_task = changes[100, 1].likeness(changes[101, 1])
    of_start = changes[100, 1].likeness(changes[100, 2])
    assert of_task > 0.8 and of_task > of_start + 0.1


def test_measuring_leaves_the_generator_of_training_and_the_mode_of_the_backbone_alone(meter):
    measured = meter()
    measured.backbone.train()
    before = torch.get_rng_state()
    measured.of(start(measured, 3))
    assert torch.equal(torch.get_rng_state(), before) and measured.backbone.training
