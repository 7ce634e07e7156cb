"""The pages on attaching and exporting run as they stand."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from exchanged import encoder_artifact
from training import run_config

import ptv2
from ptv2.commands import shell
from ptv2.config.load import to_plain

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), flags=re.M | re.S)


def test_the_page_on_attaching_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    first = encoder_artifact("bert", tmp_path, seed=1, head={"pooling": "pooler"})
    second = encoder_artifact("bert", tmp_path, seed=2, prompt={"length": 2, "layers": "top:1"})
    (tmp_path / "runs").mkdir()
    for path, name in ((first, "topics"), (second, "reviews")):
        path.rename(tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for code in blocks("attach.md", "python"):
        exec(code, names)
    said = capsys.readouterr().out
    assert "'label': " in said and "['topics', 'reviews'] torch.Size([3, 3])" in said
    assert isinstance(ptv2.load("runs/topics-more").predict([{"text": "a good film"}])[0]["prediction"], str)


def test_the_page_on_exporting_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    first = encoder_artifact("bert", tmp_path, head={"pooling": "pooler"}, prompt={"position_offset": True})
    plain = encoder_artifact("bert", tmp_path, seed=2, head={"pooling": "pooler"}, prompt={"form": ["slots", "values"]})
    (tmp_path / "runs").mkdir()
    for path, name in ((first, "topics"), (plain, "plain")):
        path.rename(tmp_path / "runs" / name)
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump(to_plain(run_config("bert", tmp_path))))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    page = (DOCS / "export.md").read_text(encoding="utf-8")
    steps = re.findall(r"^    python -m ptv2\.([^\n]*)$|^```python\n(.*?)^```", page, flags=re.M | re.S)
    assert len(steps) == 7
    for command, code in steps:
        if code:
            exec(code, names)
            continue
        name, *argv = shlex.split(command)
        module = import_module(f"ptv2.commands.{name}")
        shell.run(module.main, module.command_line(), argv)
    said = capsys.readouterr().out
    assert "written: exported/topics\n" in said and "checked with PEFT" in said and "\n52\n" in said
    answers = [ptv2.load(folder).predict([{"text": "a good film"}]) for folder in ("runs/topics", "converted/topics")]
    assert answers[0] == answers[1]
