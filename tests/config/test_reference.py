"""docs/config.md is what the schema says, and every key can be asked for."""

from pathlib import Path

import pytest

from ptv2.config.load import make_config, to_plain
from ptv2.config.reference import describe, groups, reference
from ptv2.errors import UserError

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def test_the_page_is_what_the_schema_says():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m ptv2.config.reference > docs/config.md"


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.key or "top")
def test_every_key_has_an_explanation(group):
    assert group.comment
    assert [entry.key for entry in group.entries if not entry.comment] == []


def keys_of(plain: dict, prefix: str = "") -> set[str]:
    """Dotted keys of a config; those below a mapping that starts empty are the user's."""
    found = set()
    for key, value in plain.items():
        full = f"{prefix}{key}"
        below = isinstance(value, dict) and value and full not in ("tasks.NAME.inputs", "tasks.NAME.dataset.splits")
        found |= keys_of(value, f"{full}.") if below else {full}
    return found


def test_the_page_holds_every_key():
    values = {"tasks": {"NAME": "glue/rte"}, "backbone": {"name": "tiny"}, "run": {"name": "run"}}
    keys = keys_of(to_plain(make_config(values | {"preset": "official"}))) | {"preset"}
    assert len(keys) > 60 and {entry.key for group in groups() for entry in group.entries} == keys | {"tasks"}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("optim.lr", "optim.lr: number (above 0) (default: auto (official: 0.005)); learning rate"),
        (
            "prompt.form",
            "prompt.form: text or list of text (default: auto (official: kv)); kv: keys and values ",
        ),
        ("backbone.name", "backbone.name: text (required); hub id"),
        ("import", "import: list of text (default: []); Python files"),
        ("task.max_length", "tasks.NAME.max_length: whole number (4 or more tokens) (default: 128); "),
        ("tasks.rte.dataset.path", "tasks.NAME.dataset.path: text (required); hub id"),
        ("data.limit.train", "data.limit: mapping of names to whole number (default: {}); split -> "),
        ("trainer.max_epochs", "trainer: mapping of names to value (default: {}); arguments of lightning.Trainer; "),
    ],
)
def test_a_key_is_explained(key, says):
    assert describe(key).startswith(says) and "\n" not in describe(key)


def test_a_group_lists_its_keys():
    first, *rest = describe("prompt").splitlines()
    assert first == "prompt: The prompts that are trained."
    assert any(line.startswith("  prompt.length: ") for line in rest)
    assert rest[-1].startswith("  prompt.retrieve: ")
    assert describe("task") == describe("tasks.rte") == describe("tasks")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("prompt.lenght", "unknown key 'prompt.lenght'; did you mean 'prompt.length'?"),
        ("promt", "unknown key 'promt'; did you mean 'prompt'?"),
        ("seed.x", "unknown key 'seed.x'; did you mean 'seed'?"),
        ("task.lable", "unknown key 'task.lable'; did you mean 'tasks.NAME.label'?"),
        ("", "unknown key ''; valid: adapter, "),
    ],
)
def test_an_unknown_key_names_the_nearest(key, says):
    with pytest.raises(UserError) as error:
        describe(key)
    assert str(error.value).startswith(f"command line: {says}")
