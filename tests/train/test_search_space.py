"""What a search may choose, as it is written."""

import pytest

from ptv2.errors import UserError
from ptv2.train.search.space import Choices, Interval, parse_values


@pytest.mark.parametrize(
    ("key", "written", "values"),
    [
        ("prompt.length", "4,8,16", Choices(("4", "8", "16"))),
        ("prompt.length", [4, 8, 4], Choices(("4", "8"))),
        ("prompt.length", "auto,8", Choices(("auto", "8"))),
        ("prompt.length", "{encoder: 8},4", Choices(('{"encoder": 8}', "4"))),
        ("prompt.layers", "all,top:3,[0,3]", Choices(("all", "top:3", "[0, 3]"))),
        ("prompt.init", "artifact:../runs/a,normal", Choices(("artifact:../runs/a", "normal"))),
        ("prompt.init", "'text:a, b',zero", Choices(("text:a, b", "zero"))),
        ("backbone.name", "a..b", Choices(("a..b",))),
        ("prompt.gate", "yes,no", Choices(("true", "false"))),
        ("optim.head_lr", "null,0.1", Choices(("null", "0.1"))),
        ("optim.lr", 0.01, Choices(("0.01",))),
        ("optim.lr", "1e-3..1e-2:log", Interval(0.001, 0.01, log=True)),
        ("optim.lr", "1e-3..1e-2:log:4", Choices(("0.001", "0.00215", "0.00464", "0.01"))),
        ("optim.lr", "1..2:3", Choices(("1.0", "1.5", "2.0"))),
        ("prompt.dropout", "0..1", Interval(0.0, 1.0)),
        ("prompt.length", "1..64:log:5", Choices(("1", "3", "8", "23", "64"))),
        ("prompt.length", "1..3:7", Choices(("1", "2", "3"))),
        ("data.batch_size", "8..64", Interval(8, 64)),
        ("task.max_length", "8..32", Interval(8, 32)),
        ("tasks.a.max_length", "8..32", Interval(8, 32)),
        ("trainer.max_epochs", "2..5", Interval(2, 5)),
    ],
)
def test_values_are_read_as_the_key_takes_them(key, written, values):
    read = parse_values(key, written, "x")
    assert read == values and type(getattr(read, "low", None)) is type(getattr(values, "low", None))
    assert parse_values(key, str(read), "x") == read or isinstance(written, list | float) or "'" in written


@pytest.mark.parametrize(
    ("key", "written", "says"),
    [
        ("optim.lr", "1e-2..1e-3", "write the lower end first"),
        ("optim.lr", "0..1e-3:log", "write the lower end first, above 0 with :log"),
        ("optim.lr", "1e-3..1e-2:lgo", "is no range"),
        ("optim.lr", "1e-3..inf", "is no range"),
        ("optim.lr", "1e-3..", "is no range"),
        ("optim.lr", "1..2:1", "asks for 1 values; ask for 2 to 1000"),
        ("prompt.length", "4..x", "is no range"),
        ("prompt.length", "", "a value is missing"),
        ("prompt.length", "4,''", "a value is missing"),
        ("prompt.length", [], "no list and no range"),
        ("prompt.length", None, "no list and no range"),
        ("optim", {"lr": "1..2"}, "no list and no range"),
        ("optim.lr", "4,,5", "no list of values"),
        ("optim.lr", "[1e-3", "no list of values"),
        ("task", "a,b", "scores of different tasks do not compare"),
        ("tasks.x", "a,b", "scores of different tasks do not compare"),
        ("task.metrics", "[a],[b]", "of different metrics"),
        ("tasks.x.dataset.path", "a,b", "of different rows"),
        ("data.limit.train", "1,2", "of different rows"),
        ("data.seed", "1,2", "of different rows"),
        ("run.name", "a,b", "the search names the runs"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_its_key(key, written, says):
    with pytest.raises(UserError, match=says) as refused:
        parse_values(key, written, "x")
    assert key in str(refused.value)


@pytest.mark.parametrize(
    ("values", "at", "inside"),
    [
        (Choices(("4", "8", "16")), ("4", "16"), ("8",)),
        (Choices(("4", "8")), (), ("4", "8")),
        (Choices(("cls", "mean", "last")), (), ("cls",)),
        (Interval(0.001, 0.01, log=True), (0.001, 0.00105, 0.0099), (0.0012, 0.003)),
        (Interval(1, 64), (1, 3, 64), (5, 60)),
    ],
)
def test_the_ends_of_what_was_searched_are_known(values, at, inside):
    assert all(values.at_end(value) for value in at) and not any(values.at_end(value) for value in inside)


def test_what_is_drawn_keeps_three_digits_and_its_range():
    assert Interval(0.001, 0.01, log=True).rounded(0.0031622776) == 0.00316
    assert Interval(0.0, 0.3).rounded(0.123456) == 0.1235
    assert Interval(0.0011111, 0.01).rounded(0.00111111) == 0.0011111
    assert Interval(1000.0, 1001.0).rounded(1000.12345) == 1000.123
    assert isinstance(Interval(1, 4).rounded(2.0), int)
