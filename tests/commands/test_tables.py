import pytest

from ptv2.commands.tables import print_results, table


def test_names_are_shown_as_they_are(capsys):
    table("run [red]a[/red]", ["what", "value"], [["[b]key[/b]", 1234567], ["score", 0.5], ["none", None]])
    shown = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert shown[0] == "run [red]a[/red]"
    assert {"[b]key[/b] 1,234,567", "score 0.5000", "none -"} <= set(shown)


def test_a_file_gets_wide_tables(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    table("t", ["what"], [["x" * 80]])
    assert "x" * 80 in capsys.readouterr().out


def test_a_long_name_is_broken_and_not_cut(capsys):
    names = ["/a/folder/of/runs/with/a/long/name/" * 3 + end for end in ("one", "two")]
    table("t", ["prompt", *names], [["x", 0.25, 0.75]], width=60)
    said = capsys.readouterr().out
    assert "…" not in said and all(said.count(letter) for letter in ("one", "two"))


@pytest.mark.parametrize(
    ("scores", "says"), [({}, "no scores: there are no validation or test rows"), (None, "0.5000")]
)
def test_a_run_without_rows_to_score_says_so(scores, says, capsys, tmp_path):
    results = {
        "name": "a",
        "method": "deep",
        "scores": {"test": {"t": {"accuracy": 0.5}}} if scores is None else scores,
        "baseline": {"t": {"test": {"accuracy": 0.25}}},
        "parameters": {},
        "best_step": 1,
        "steps": 1,
        "wall_seconds": 1,
        "tokens_per_second": 1.0,
        "tasks": {"t": "t"},
    }
    print_results(results, tmp_path)
    assert says in capsys.readouterr().out
