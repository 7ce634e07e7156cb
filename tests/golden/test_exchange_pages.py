"""The pages on attaching and exporting run as they stand."""

import re
from pathlib import Path

from exchanged import encoder_artifact

import ptv2

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
    assert isinstance(ptv2.load("runs/topics-more").predict([{"text": "a good film"}])[0]["label"], str)
