"""A comparison of three methods on two tasks, whose cells nobody runs here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptv2.study.config import Study, read_study


@pytest.fixture
def write_study(tmp_path) -> Callable[..., Path]:
    """`write_study(seeds=[1])`: the file of a comparison, with other keys where they are given (None: without)."""

    def write(**keys: Any) -> Path:
        values = {
            "folder": str(tmp_path / "runs"),
            "base": {"backbone": {"name": "some/model"}, "optim": {"lr": 0.01}},
            "methods": {"deep": ["method=deep"], "full": ["method=full"], "head": ["method=head"]},
            "tasks": {"topics": "demo/bbc_topic", "entities": ["task=demo/twitter_ner", "task.max_length=32"]},
            "seeds": [1, 2],
        } | keys
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not None}, sort_keys=False))
        return path

    return write


@pytest.fixture
def study(write_study) -> Callable[..., Study]:
    """`study(seeds=[1])`: the same, read."""
    return lambda **keys: read_study(write_study(**keys))
