"""What a run needs is fetched and tokenised before it."""

from ptv2.data import cache


def test_fit_finds_everything_done(ptv2, write_config, tmp_path, monkeypatch):
    monkeypatch.setenv("PTV2_CACHE", str(tmp_path / "cache"))
    config = write_config()
    said = ptv2("prepare", "--config", config, "data.limit.train=20")
    assert said.code == 0 and said.err == ""
    assert f"HF_HUB_OFFLINE=1 python -m ptv2.fit --config {config} data.limit.train=20" in said.out
    assert [line.split("│")[2:5] for line in said.out.splitlines() if "train" in line and "│" in line] == [
        ["      train ", "   20 ", "       20 "]
    ]
    assert not (tmp_path / "runs").exists()

    def encode(*_, **__):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(cache, "_encode_rows", encode)
    assert ptv2("fit", "--config", config, "data.limit.train=20").code == 0


def test_what_is_wrong_is_said_as_by_fit(ptv2, write_config):
    said = ptv2("prepare", "--config", write_config(), "task=glue/rte")
    assert said.code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    assert "the hub is not reachable (HF_HUB_OFFLINE is set); fetch it with python -m ptv2.prepare" in said.err
