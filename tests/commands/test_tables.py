from ptv2.commands.tables import table


def test_names_are_shown_as_they_are(capsys):
    table("run [red]a[/red]", ["what", "value"], [["[b]key[/b]", 1234567], ["score", 0.5], ["none", None]])
    shown = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert shown[0] == "run [red]a[/red]"
    assert {"[b]key[/b] 1,234,567", "score 0.5000", "none -"} <= set(shown)


def test_a_file_gets_wide_tables(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    table("t", ["what"], [["x" * 80]])
    assert "x" * 80 in capsys.readouterr().out
