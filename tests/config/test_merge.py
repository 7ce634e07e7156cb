from dataclasses import dataclass, field

import pytest
from omegaconf import MISSING, OmegaConf

from ptv2.config.merge import merge, read_mapping
from ptv2.errors import UserError


@dataclass
class Pet:
    name: str = MISSING
    legs: int = 4


@dataclass
class Farm:
    first: Pet = field(default_factory=lambda: Pet("Ann"))
    pets: dict[str, Pet] = field(default_factory=dict)
    words: list[str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    size: float | None = None


def merged(values):
    return OmegaConf.to_container(merge(OmegaConf.structured(Farm), values, where="farm.yaml"))


def test_values_stand_over_defaults():
    values = {"pets": {"b": {"name": "Bob"}}, "words": ["moo", 1], "counts": {"hen": 3}, "size": 2}
    assert merged(values) == {
        "first": {"name": "Ann", "legs": 4},
        "pets": {"b": {"name": "Bob", "legs": 4}},
        "words": ["moo", "1"],
        "counts": {"hen": 3},
        "size": 2.0,
    }


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"frist": {}}, "unknown key 'frist'; did you mean 'first'?"),
        ({"first": {"leg": 2}}, "unknown key 'first.leg'; did you mean 'legs'?"),
        ({"pets": {"b": {"age": 2}}}, "unknown key 'pets.b.age'; valid: legs, name"),
        ({"first": None}, "'first' is 'null', not a mapping; set its keys, e.g. first.name"),
        ({"pets": {"b": "Bob"}}, "'pets.b' is 'Bob', not a mapping; set its keys, e.g. pets.b.name"),
        ({"counts": 3}, "'counts' is '3', not a mapping; write counts.NAME=VALUE"),
        ({"words": {"a": 1}}, "'words' is '{'a': 1}', not a list; write words=[...]"),
        ({"pets": {"b": {}}}, "'pets.b.name' has no value; set it"),
        ({"first": {"legs": "four"}}, "'first.legs': Value 'four' of type 'str' could not be converted to Integer"),
        ({"counts": {"hen": "x"}}, "'counts.hen': Value 'x' of type 'str' could not be converted to Integer"),
        ({"words": ["moo", False]}, "'words' holds true or false, which is how YAML reads yes, no, on and off"),
    ],
)
def test_what_does_not_fit_is_named(values, says):
    with pytest.raises(UserError) as error:
        merged(values)
    assert str(error.value).startswith(f"farm.yaml: {says}")


def test_a_mapping_is_read_from_a_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("size: 1e-3\nwords: [a]\n")
    assert read_mapping(path, "a farm") == {"size": 1e-3, "words": ["a"]}
    path.write_text("# nothing\n")
    assert read_mapping(path, "a farm") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"- a\n", "a farm is a mapping of keys to values"),
        (b"7\n", "a farm is a mapping of keys to values"),
        (b"a: [\n", "not valid YAML"),
        (b"a: 1\na: 2\n", "found duplicate key a"),
        (b"a: caf\xe9\n", "not UTF-8"),
    ],
)
def test_a_faulty_file_is_named(tmp_path, text, says):
    path = tmp_path / "a.yaml"
    path.write_bytes(text)
    with pytest.raises(UserError) as error:
        read_mapping(path, "a farm")
    assert str(error.value).startswith(f"{path}: ") and says in str(error.value)
