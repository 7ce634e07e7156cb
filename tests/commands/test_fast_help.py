"""Help, and an error in a config, are answered without the imports that take seconds."""

import subprocess
import sys

import pytest

from ptv2.commands import COMMANDS

HEAVY = {"torch", "lightning", "transformers", "datasets", "pyarrow", "numpy", "huggingface_hub", "torchmetrics"}


def python(*argv, cwd=None):
    """A process of its own, and which of the heavy packages it imported."""
    done = subprocess.run([sys.executable, "-X", "importtime", *argv], capture_output=True, text=True, cwd=cwd)
    times, said = [], []
    for line in done.stderr.splitlines():
        (times if line.startswith("import time:") else said).append(line)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in times}
    return done.returncode, done.stdout, said, imported & HEAVY


def test_the_package_and_its_errors_are_cheap():
    code, out, said, imported = python("-c", "import ptv2; print(ptv2.__version__, ptv2.UserError.code)")
    assert (code, said, imported) == (0, [], set()) and out.endswith(" 2\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name):
    code, out, said, imported = python("-m", f"ptv2.{name}", "--help")
    assert (code, said, imported) == (0, [], set()) and out.startswith(f"usage: python -m ptv2.{name} ")


def test_an_unknown_key_is_refused_without_them(tmp_path):
    (tmp_path / "a.yaml").write_text("task: demo/bbc_topic\nbackbone: {name: demo:minilm-l6}\npromt: {length: 3}\n")
    code, out, said, imported = python("-m", "ptv2.fit", "--config", "a.yaml", cwd=tmp_path)
    assert (code, out, imported) == (2, "", set())
    assert said == ["error: a.yaml: unknown key 'promt'; did you mean 'prompt'?"]


def test_the_script_lists_the_commands():
    code, out, said, imported = python("-m", "ptv2", "--help")
    assert (code, said, imported) == (0, [], set())
    lines = out.splitlines()
    assert lines[0] == "usage: ptv2 COMMAND [options]"
    for name, what in COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, what] for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_script_runs_each_command(name):
    code, out, said, _ = python("-m", "ptv2", name, "--help")
    assert (code, said) == (0, []) and f"ptv2.{name} " in out


def test_the_script_refuses_a_command_that_there_is_not():
    code, out, said, _ = python("-m", "ptv2", "fti")
    assert (code, out, said) == (2, "", ["error: command line: no command 'fti'; did you mean 'fit'?"])


def test_the_script_shows_a_traceback_with_debug(tmp_path):
    code, _, said, _ = python("-m", "ptv2", "fit", "--config", "none.yaml", cwd=tmp_path)
    assert (code, said) == (2, ["error: none.yaml: no such config file"])
    code, _, said, _ = python("-m", "ptv2", "fit", "--debug", "--config", "none.yaml", cwd=tmp_path)
    assert code == 1 and said[0] == "Traceback (most recent call last):"
    assert said[-1] == "ptv2.errors.UserError: none.yaml: no such config file"


def test_the_help_of_a_key_is_printed(monkeypatch, capsys):
    from types import ModuleType

    from ptv2.commands import fit, shell
    from ptv2.errors import UserError

    def describe(key):
        if key != "optim.lr":
            raise UserError(f"unknown key '{key}'", do="did you mean 'optim.lr'?")
        return "optim.lr: the learning rate"

    monkeypatch.setitem(sys.modules, "ptv2.config.reference", reference := ModuleType("reference"))
    reference.describe = describe
    wrong = "unknown key 'optim.rl'; did you mean 'optim.lr'?; see python -m ptv2.fit --help"
    for key, code, said in (
        ("optim.lr", 0, ("optim.lr: the learning rate\n", "")),
        ("optim.rl", 2, ("", f"error: command line: {wrong}\n")),
    ):
        with pytest.raises(SystemExit) as end:
            shell.run(fit.main, fit.command_line(), ["--help-config", key])
        assert end.value.code == code and capsys.readouterr() == said
