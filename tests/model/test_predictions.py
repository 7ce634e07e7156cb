from types import SimpleNamespace

import pytest
import torch

from ptv2.model.module import PromptModule
from ptv2.model.predictions import prediction_records


@pytest.mark.parametrize("label", ["label", "scores", "id"])
def test_the_answer_stands_under_the_field_of_the_label_whatever_its_name(label):
    data = SimpleNamespace(
        rows={"test": SimpleNamespace(data=[{"id": "007", "text": "a"}])},
        card=SimpleNamespace(label=label),
        features=SimpleNamespace(shown=lambda row, outputs: {"scores": {"yes": 0.9}}),
    )
    module = SimpleNamespace(tasks={"t": data}, outputs={"t": {0: []}}, predictions=lambda task, split: ["yes"])
    (record,) = prediction_records(module, "t", "test")
    assert record == {"id": "007", "scores": {"yes": 0.9}} | {label: "yes"}


@pytest.mark.parametrize(("terms", "losses"), [(0, []), (1, [("t", 0.5, 2)])])
def test_a_validation_batch_without_a_word_to_score_has_no_loss(terms, losses):
    class Module(SimpleNamespace):
        def __call__(self, batch):
            return None

    head = SimpleNamespace(terms=lambda batch: terms, loss=lambda logits, batch: 0.5 if terms else float("nan"))
    module = Module(
        head=lambda _: head, validation_losses=[], keep_outputs=lambda *_: None, validation_metrics=lambda _: []
    )
    PromptModule.validation_step(module, {"task": "t", "labels": None, "row": torch.tensor([0, 1])}, 0)
    assert module.validation_losses == losses
