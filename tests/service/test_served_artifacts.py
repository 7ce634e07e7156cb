"""Artifacts that come, are replaced and go while a server runs."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import ROWS, TEXT, drawn_artifact, rows_for, until
from test_mixed_passes import assert_same

import ptv2
from ptv2.service.residents import Residents


@pytest.fixture
def two(tmp_path, encoder_folder):
    """A folder with two artifacts."""
    for name in ("topics", "long"):
        shutil.copytree(encoder_folder / name, tmp_path / "served" / name)
    return tmp_path / "served"


def test_artifacts_are_listed_loaded_and_unloaded(two, encoder_folder, serving):
    with serving(two) as client:
        shutil.copytree(encoder_folder / "names", two / "names")
        listed = client("GET", "/v1/artifacts").json
        assert [one["name"] for one in listed["artifacts"]] == ["long", "topics"] and listed["not_loaded"] == ["names"]
        assert listed["artifacts"][1]["tasks"] == {"topics": {"kind": "cls", "labels": TEXT["labels"]}}
        assert client.predict("names", ROWS["tagging"]).status == 404
        assert client("PUT", "/v1/artifacts/names").status == 201
        assert client.predict("names", ROWS["tagging"]).status == 200
        assert client("PUT", "/v1/artifacts/names").status == 200
        assert client("DELETE", "/v1/artifacts/names").json["loaded"] is None
        assert client.predict("names", ROWS["tagging"]).code == "no_such_artifact"
        assert (two / "names" / "artifact.json").is_file()


def test_rows_that_were_taken_are_answered_by_the_artifact_of_that_time(two, tiny_bert, serving, held_back, tmp_path):
    other = drawn_artifact(tmp_path / "other", tiny_bert, {"topics": TEXT}, 99, prompt={"length": 6})
    rows = rows_for(TEXT)
    wanted = [ptv2.load(folder).predict(rows) for folder in (two / "topics", other)]
    assert wanted[0] != wanted[1]
    with serving(two, batch_rows=1) as client, ThreadPoolExecutor(2) as pool:
        before = pool.submit(client.predict, "topics", rows)
        until(lambda: client.service.engine.waiting == 2)
        for file in other.iterdir():
            (two / "topics" / file.name).write_bytes(file.read_bytes())  # in place: what was mapped would change
        loaded = pool.submit(client, "PUT", "/v1/artifacts/topics")
        held_back.set()
        assert loaded.result().status == 200
        after = client.predict("topics", rows)
        assert before.result().json["version"] != after.json["version"] == loaded.result().json["version"]
        assert_same(before.result().json["records"], wanted[0])
        assert_same(after.json["records"], wanted[1])


def test_what_cannot_be_loaded_leaves_the_artifact_before_it(two, tmp_path, serving, tokenizer):
    with serving(two) as client:
        wanted = client.predict("topics", ROWS["cls"]).json
        weights = two / "topics" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-40])
        refused = client("PUT", "/v1/artifacts/topics")
        assert (refused.status, refused.code) == (409, "unusable") and "cannot be read" in refused.json["error"][
            "message"
        ]
        about = json.loads((two / "long" / "artifact.json").read_text())
        about["backbone"]["weights"] = "0" * 64
        (two / "long" / "artifact.json").write_text(json.dumps(about))
        refused = client("PUT", "/v1/artifacts/long")
        assert (refused.status, refused.code) == (409, "unusable") and "was made for backbone" in refused.text
        assert client.predict("topics", ROWS["cls"]).json == wanted


def test_a_method_that_changes_the_backbone_is_not_served(two, tiny_bert, serving):
    with serving(two) as client:
        drawn_artifact(two / "biases", tiny_bert, {"topics": TEXT}, method="bitfit")
        refused = client("PUT", "/v1/artifacts/biases")
        assert (refused.status, refused.code) == (409, "unusable")
        assert "holds method 'bitfit', which changes the backbone" in refused.json["error"]["message"]


def test_artifacts_that_are_not_hot_are_joined_again(two, serving, monkeypatch):
    joins, join = [], Residents._join
    monkeypatch.setattr(Residents, "_join", lambda *given: joins.append(given) or join(*given))
    with serving(two, hot=1) as client:
        first = client.predict("topics", ROWS["cls"]).json
        client.predict("long", ROWS["cls"])
        assert client.predict("topics", ROWS["cls"]).json == first
        assert len(joins) == 3 and len(client.service.residents.joined) == 1


def test_metrics_are_written_as_prometheus_reads_them(two, serving, monkeypatch):
    with serving(two) as client:
        client.predict("topics", ROWS["cls"])
        client.predict("nothing", ROWS["cls"])
        with monkeypatch.context() as broken:
            broken.setattr(client.service.folder, "names", lambda: 1 / 0)
            assert client("GET", "/v1/artifacts").status == 500
        answer = client("GET", "/metrics")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert lines['ptv2_requests_total{route="/v1/predict",status="200"}'] == "1"
    assert lines['ptv2_requests_total{route="/v1/predict",status="404"}'] == "1"
    assert lines['ptv2_requests_total{route="/v1/artifacts",status="500"}'] == "1"
    assert (lines["ptv2_rows_total"], lines["ptv2_artifacts"], lines["ptv2_joined"]) == ("3", "2", "1")
    assert lines['ptv2_answer_seconds_bucket{le="+Inf"}'] == lines["ptv2_answer_seconds_count"] == "1"
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
