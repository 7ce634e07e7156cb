"""`ptv2.fit`: a run from Python, the same as `python -m ptv2.fit`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ptv2.config.load import load_config
from ptv2.config.overrides import as_overrides
from ptv2.train.fit import fit as run


def fit(
    config: str | Path | Mapping[str, Any],
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    imports: Sequence[str] = (),
) -> dict[str, Any]:
    """Train a config to its end and return what stands in the run's `results.json`.

    An interrupted run resumes, and a finished one is not run again: its results are read.

    Args:
        config: path of a YAML file, or the mapping that it would hold; a mapping has to give `run.name`.
        overrides: `["key=value", ...]` or `{"key": value, ...}`, such as `{"optim.lr": 0.01}`.
        imports: Python files with methods, kinds or metrics of your own.

    Raises:
        UserError: anything that config or data get wrong; nothing is written then.
    """
    return run(load_config(config, as_overrides(overrides), imports))
