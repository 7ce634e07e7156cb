"""Files of the user's own are run once, and one that cannot be is named with its line."""

import sys

import pytest

from ptv2.errors import UserError
from ptv2.runtime import imports
from ptv2.runtime.imports import load_files


@pytest.fixture
def write(tmp_path, monkeypatch):
    """`write("mine.py", text)`: a file, forgotten at the end with the modules that came of it."""
    modules = set(sys.modules)
    monkeypatch.setattr(imports, "loaded", set())
    yield lambda name, text: (tmp_path / name).write_text(text) and tmp_path / name
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_file_is_run_once(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write("counted_once.py", "import sys\nsys.times = getattr(sys, 'times', 0) + 1\n")
    monkeypatch.setattr(sys, "times", 0, raising=False)
    load_files([file, "counted_once.py"])
    load_files([str(file)])
    assert sys.times == 1


def test_what_it_holds_can_be_imported_by_its_name(write):
    load_files([write("named_so.py", "VALUE = 3\n"), write("beside_it.py", "from named_so import VALUE\n")])
    assert sys.modules["beside_it"].VALUE == 3


def test_a_file_named_as_another_module_does_not_stand_for_it(write):
    import json

    load_files([write("json.py", "VALUE = 3\n")])
    import json as again

    assert again is json and not hasattr(json, "VALUE")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a = 1\nb = a.c\n", 2, "AttributeError"),
        ("a = 1\n\ndef f(:\n", 3, "SyntaxError"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import nothing_of_this_name\n", 1, "No module named 'nothing_of_this_name'"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(write, text, line, says):
    file = write("failing.py", text)
    for _ in range(2):  # it is not taken as loaded
        with pytest.raises(UserError) as refused:
            load_files([file])
        assert str(refused.value).startswith(f"{file}:{line}: cannot be imported (") and says in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file to import"):
        load_files([tmp_path / "none.py"])
