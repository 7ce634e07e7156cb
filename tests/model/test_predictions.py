from types import SimpleNamespace

import pytest

from ptv2.config.run import PredictionsConfig
from ptv2.errors import UserError
from ptv2.model.loss import mean_losses
from ptv2.model.module import PromptModule
from ptv2.model.predictions import gold_of, prediction_records
from ptv2.rows.rows import Rows
from ptv2.rows.table import Table


class Told(SimpleNamespace):
    """Features of a kind whose answer is one of three names."""

    def shown(self, row, outputs):
        return {"scores": {"no": 0.2, "yes": 0.7, "maybe": 0.1}, "prediction": "not this one", "sure": True}

    def prediction(self, row, outputs):
        return "yes"

    def reference(self, row):
        if row[self.card.label] not in ("yes", "no", "maybe"):
            raise UserError("unknown label")
        return row[self.card.label]

    def fields(self):
        return {"text", "title"}


def records_of(rows, kept=None, label="label", shown=None, **more):
    features = Told(card=SimpleNamespace(label=label, options={}))
    split = Rows(Table(rows), "test", "", None, kept)
    data = SimpleNamespace(rows={"test": split}, features=features)
    module = SimpleNamespace(tasks={"t": data}, outputs={"t": [[]] * len(rows)})
    return prediction_records(module, "t", "test", shown or PredictionsConfig(), **more)


@pytest.mark.parametrize(("held", "gold"), [(["x", None], ["x"]), ([None], None), ([], []), (["x"], ["x"])])
def test_a_reference_that_is_not_there_is_no_gold_answer(held, gold):
    features = SimpleNamespace(card=SimpleNamespace(label="label", options={}), reference=lambda row: row["label"])
    assert gold_of(features, {"label": held}) == gold


@pytest.mark.parametrize("label", ["label", "scores", "id", "prediction", "row"])
def test_the_answer_stands_under_prediction_whatever_the_field_of_the_label(label):
    (record,) = records_of([{"id": "007", "text": "a"} | {label: "no"}], label=label)
    assert record["prediction"] == "yes" and record["gold"] == "no" and record["row"] == 0
    assert record["scores"] == {"yes": 0.7, "no": 0.2, "maybe": 0.1} and record["sure"] is True


@pytest.mark.parametrize(
    ("row", "record"),
    [
        ({"text": "a", "label": "no"}, {"row": 0, "gold": "no"}),
        ({"text": "a", "label": None}, {"row": 0}),
        ({"text": "a", "label": "hidden"}, {"row": 0}),
        ({"text": "a"}, {"row": 0}),
        ({"text": "a", "idx": {"query": 3}}, {"row": 0, "idx": {"query": 3}}),
        ({"text": "a", "id": 7, "idx": 0}, {"row": 0, "id": 7, "idx": 0}),
    ],
)
def test_a_record_says_which_row_it_is_of_and_its_gold_answer_if_it_has_one(row, record):
    (found,) = records_of([row])
    assert {key: found[key] for key in ("row", "id", "idx", "gold") if key in found} == record


def test_rows_that_a_limit_left_out_are_counted():
    rows = [{"text": "a", "label": "no"}, {"text": "b", "label": "yes"}]
    assert [record["row"] for record in records_of(rows, kept=(4, 17))] == [4, 17]


@pytest.mark.parametrize(("top", "names"), [(1, ["yes"]), (2, ["yes", "no"]), (9, ["yes", "no", "maybe"])])
def test_the_highest_scores_are_kept_the_highest_first(top, names):
    (record,) = records_of([{"text": "a"}], shown=PredictionsConfig(top))
    assert list(record["scores"]) == names
    assert list(records_of([{"text": "a"}], shown=PredictionsConfig(None))[0]["scores"]) == ["yes", "no", "maybe"]


def test_the_inputs_are_the_fields_that_the_card_reads():
    source = {"text": "a", "title": "b", "more": 1}
    (record,) = records_of([{"text": "a"}], shown=PredictionsConfig(inputs=True), sources=[source])
    assert record["inputs"] == {"text": "a", "title": "b"}


def test_the_loss_of_validation_rows_is_a_mean_over_words_as_in_training():
    """A row of two words and one of 98 in batches of their own."""
    assert mean_losses([("tags", 1.0, 2), ("tags", 0.0, 98)]) == {"tags": 0.02}


@pytest.mark.parametrize(("terms", "losses"), [(0, []), (7, [("t", 0.5, 7)])])
def test_a_validation_batch_without_a_word_to_score_has_no_loss(terms, losses):
    class Module(SimpleNamespace):
        def __call__(self, batch):
            return None

    head = SimpleNamespace(terms=lambda batch: terms, loss=lambda logits, batch: 0.5 if terms else float("nan"))
    module = Module(
        head=lambda _: head, validation_losses=[], keep_outputs=lambda *_: None, validation_metrics=lambda _: []
    )
    PromptModule.validation_step(module, {"task": "t", "labels": None, "counted": 2}, 0)
    assert module.validation_losses == losses
