import argparse
import errno
import importlib
import sys
import warnings

import pytest

from ptv2.commands import shell as command
from ptv2.errors import UserError, nearest


def parser():
    made = command.parser("ptv2.example", "An example.")
    made.add_argument("--size", type=int, required=True)
    made.add_argument("--device", type=command.device, default="cpu")
    made.add_argument("overrides", nargs="*")
    return made


def code(main, *argv):
    with pytest.raises(SystemExit) as stop:
        command.run(main, parser(), argv)
    return stop.value.code


def fail(error):
    def main(options):
        raise error

    return main


def test_a_command_gets_its_options_in_any_order():
    seen = []
    command.run(seen.append, parser(), ["a=1", "--size", "3", "b=2"])
    assert (seen[0].size, seen[0].overrides, seen[0].debug, seen[0].device) == (3, ["a=1", "b=2"], False, "cpu")


def test_a_mistake_is_one_line_and_code_2(capsys):
    assert code(fail(UserError("is\nwrong", where="here", do="mend it")), "--size", "3") == 2
    assert capsys.readouterr() == ("", "error: here: is wrong; mend it\n")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys):
    assert code(lambda options: (tmp_path / "none" / "a.json.part").write_text(""), "--size", "3") == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none/a.json: No such file or directory; name another\n"


def test_debug_shows_where_it_was_raised():
    with pytest.raises(UserError, match="is wrong"):
        command.run(fail(UserError("is wrong")), parser(), ["--size", "3", "--debug"])


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError):
        command.run(fail(KeyError("x")), parser(), ["--size", "3"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "the following arguments are required: --size"),
        (["--size", "x"], "argument --size: invalid int value: 'x'"),
        (["--size", "3", "--sise"], "unrecognized arguments: --sise"),
        (["--size", "3", "--device", "warp"], "argument --device: device 'warp' cannot be used"),
    ],
)
def test_options_that_do_not_fit_are_one_line_too(capsys, argv, says):
    assert code(fail(AssertionError), *argv) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: command line: {says}") and len(said.splitlines()) == 1


def test_ctrl_c_says_so(capsys):
    assert code(fail(KeyboardInterrupt()), "--size", "3") == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert code(fail(KeyboardInterrupt("go on later")), "--size", "3") == 130
    assert capsys.readouterr().err == "interrupted; go on later\n"


def test_a_warning_is_one_line(capsys):
    before = warnings.formatwarning

    def main(options):
        sys.stderr.write(warnings.formatwarning("two\nlines", UserWarning, __file__, 1))

    command.run(main, parser(), ["--size", "3"])
    assert capsys.readouterr().err == "warning: two lines\n"
    assert warnings.formatwarning is before


def test_help_is_help(capsys):
    assert code(fail(AssertionError), "--help") == 0
    assert "An example." in capsys.readouterr().out


def test_the_nearest_name_or_all_of_them():
    assert nearest("lenght", ["length", "layers"]) == "did you mean 'length'?"
    assert nearest("x", ["b", "a"]) == "valid: a, b"


def test_progress_bars_of_libraries_stay_out_of_files(monkeypatch):
    import datasets

    bars = importlib.import_module("datasets.utils.tqdm")
    monkeypatch.setattr(bars, "HF_DATASETS_DISABLE_PROGRESS_BARS", None)  # as another test may have left it
    for terminal in (True, False):
        datasets.enable_progress_bars()
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        command.run(lambda options: None, parser(), ["--size", "3"])
        assert datasets.are_progress_bars_disabled() is not terminal
    assert isinstance(parser(), argparse.ArgumentParser)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.limit=train:9", "data.limit=test:5"], "quote it: 'data.limit={train: 9,test: 5}'"),
        (["method=deep", "method=lora"], "quote it: 'method={deep,lora}'"),
        (["optim.lr=1", "optim.lr=1"], ""),
        (["optim.lr=1", "seed=3", "optim.lr=2"], ""),
    ],
)
def test_braces_that_the_shell_expanded_are_said(words, said, capsys):
    command.run(lambda options: None, parser(), [*words, "--size", "3"])
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == bool(said)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_one_line(wrapped, capsys):
    def fail(_options):
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "answers.jsonl.part")
        except OSError as error:
            if wrapped:
                raise ValueError("I/O operation on closed file") from error
            raise

    with pytest.raises(SystemExit) as stop:
        command.run(fail, parser(), ["--size", "3"])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    assert said.startswith("error: answers.jsonl: cannot be written (No space left on device); free some space, or ")
