"""`trainer.precision`: what is trained stays float32, and the dtype of the frozen weights is a key of the backbone."""

import pytest

from ptv2.config.trainer_keys import check_trainer
from ptv2.errors import UserError


@pytest.mark.parametrize("precision", [None, "32-true", "bf16-mixed", "16-mixed", "bf16", "16", "32", 16, 32])
def test_precisions_that_train_in_float32(precision):
    check_trainer({"precision": precision}, "config")


@pytest.mark.parametrize(
    ("precision", "do"),
    [
        ("bf16-true", "use backbone.dtype=bfloat16"),
        ("16-true", "use backbone.dtype=bfloat16"),
        ("64-true", "32-true"),
        ("transformer-engine", "bf16-mixed"),
        ("fp16", "16-mixed"),
        ("bf16-mix", "use bf16-mixed"),
        (64, "32-true"),
    ],
)
def test_others_are_refused_with_the_setting_that_runs(precision, do):
    with pytest.raises(UserError, match=f"'trainer.precision' is '{precision}'") as error:
        check_trainer({"precision": precision}, "config")
    assert do in str(error.value)
