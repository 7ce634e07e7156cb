"""The routes over a real socket: answers as by `predict`, and what is refused."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import ENCODER_ARTIFACTS, ROWS, TEXT, rows_for, until
from test_mixed_passes import assert_same

import ptv2
from ptv2.service import engine

# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODER_ARTIFACTS)
def test_a_request_is_answered_as_predict_answers_it(client, encoder_folder, name):
    rows = rows_for(ENCODER_ARTIFACTS[name][0])
    answer = client.predict(name, rows, top="all", with_inputs=True)
    assert answer.status == 200 and answer.json["artifact"] == name
    assert answer.json["records"] == ptv2.load(encoder_folder / name).predict(rows, top=None, with_inputs=True)


def test_requests_of_many_clients_at_once_are_not_mixed_up(client, encoder_folder):
    wanted = {
        name: ptv2.load(encoder_folder / name).predict(rows_for(own)) for name, (own, _) in ENCODER_ARTIFACTS.items()
    }
    asked = list(ENCODER_ARTIFACTS) * 4
    before = client.service.metrics.passes
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: client.predict(name, rows_for(ENCODER_ARTIFACTS[name][0])), asked))
    assert client.service.metrics.passes - before < len(asked)  # some shared one
    for name, answer in zip(asked, answers, strict=True):
        assert_same(answer.json["records"], wanted[name])


def test_rows_that_cannot_be_used_are_refused_or_skipped(client):
    rows = [{"text": "a hen"}, {"title": "no text"}]
    refused = client.predict("topics", rows)
    assert (refused.status, refused.code) == (422, "bad_rows")
    assert refused.json["error"]["message"] == "row 1: field 'text' is missing, only title"
    answer = client.predict("topics", rows, on_bad_row="skip").json
    assert answer["records"][0]["prediction"] in TEXT["labels"] and answer["records"][1] is None
    assert answer["skipped"] == {"1": "row 1: field 'text' is missing, only title"}


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("topics", ROWS["tagging"], "row 0: field 'text' is missing"),
        ("names", ROWS["cls"], "row 0: field 'tokens' is missing"),
        ("topics", [{"text": "a", "task": "names"}], "row 0: unknown task 'names'; "),
        ("topics", ["text"], "row 0: is str, not a mapping"),
        ("choices", [{"stem": "a", "choices": ["b"]}], "row 0: 1 choice(s)"),
    ],
)
def test_rows_of_another_task_are_refused(client, name, rows, words):
    answer = client.predict(name, rows)
    assert (answer.status, answer.code) == (422, "bad_rows") and words in answer.json["error"]["message"]


# -- what is refused ---------------------------------------------------------------------------------------------------

ASKED = {"artifact": "topics", "rows": [{"text": "a hen"}]}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 400, "not_json", "body:1: not valid JSON"),
        (b"\xff", 400, "not_json", "utf-8"),
        (b"[" * 100_000, 400, "not_json", "not readable JSON"),
        (b'{"rows": [], "rows": []}', 400, "not_json", "'rows' appears twice"),
        ([1], 422, "bad_request", "body: "),
        ({"rows": []}, 422, "bad_request", "artifact: Field required"),
        (ASKED | {"rows": {}}, 422, "bad_request", "rows: "),
        (ASKED | {"rows": []}, 422, "no_rows", "give at least one"),
        (ASKED | {"top": 0}, 422, "bad_request", "top"),
        (ASKED | {"tsak": "topics"}, 422, "bad_request", "tsak: "),
        (ASKED | {"task": "names"}, 422, "bad_rows", "holds no task 'names'"),
        (ASKED | {"artifact": "topisc"}, 404, "no_such_artifact", "did you mean 'topics'?"),
        (ASKED | {"artifact": "../topics"}, 404, "no_such_artifact", "'../topics'"),
        (ASKED | {"rows": [{"text": "a"}] * 1001}, 413, "too_many_rows", "1001 rows, a request may have 1000"),
    ],
)
def test_a_request_of_another_form_gets_a_code_and_one_line(client, body, status, code, words):
    answer = client("POST", "/v1/predict", body)
    assert (answer.status, answer.code) == (status, code)
    message = answer.json["error"]["message"]
    assert words in message and "\n" not in message and "Traceback" not in answer.text
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/predict", 405, "wrong_method"),
        ("GET", "/", 404, "no_such_route"),
        ("GET", "/docs", 404, "no_such_route"),
        ("PUT", "/v1/artifacts/%2e%2e", 400, "bad_name"),
        ("PUT", "/v1/artifacts/..%2f..%2fetc", 404, "no_such_route"),
        ("PUT", "/v1/artifacts/nothing", 404, "no_such_artifact"),
        ("DELETE", "/v1/artifacts/nothing", 404, "no_such_artifact"),
    ],
)
def test_a_wrong_route_or_name_is_refused(client, method, path, status, code):
    answer = client(method, path)
    assert (answer.status, answer.code) == (status, code)


def test_a_body_of_another_type_is_refused_as_a_page_of_a_browser_could_send_it(client):
    answer = client("POST", "/v1/predict", ASKED, Content_Type="text/plain")
    assert (answer.status, answer.code) == (415, "not_json")


def test_limits_of_bytes_tokens_and_rows_that_wait(encoder_folder, serving, held_back):
    with serving(encoder_folder, body=2000, tokens=20, waiting=4) as client:
        large = client.predict("topics", [{"text": "a" * 2000}])
        assert (large.status, large.code) == (413, "body_too_large")
        in_chunks = client("POST", "/v1/predict", iter([b"x" * 1500, b"x" * 1500]))
        assert (in_chunks.status, in_chunks.code) == (413, "body_too_large")
        long = client.predict("topics", [{"text": "cat dog hen"}, {"text": "cat " * 30}])
        assert (long.status, long.code) == (413, "too_many_tokens") and "row 1" in long.json["error"]["message"]
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(client.predict, "topics", [{"text": "cat"}] * 3)
            until(lambda: client("GET", "/metrics").text.splitlines().count("ptv2_open_requests 2"))
            full = client.predict("topics", [{"text": "cat"}] * 2)
            assert (full.status, full.code) == (429, "queue_full") and int(full.headers["Retry-After"]) >= 1
            held_back.set()
            assert first.result().status == 200
        assert client.predict("topics", [{"text": "cat"}] * 2).status == 200


def test_limits_of_time_and_of_requests_at_once(encoder_folder, serving, held_back):
    with serving(encoder_folder, seconds=1, connections=1) as client:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(client.predict, "topics", [{"text": "cat"}])
            until(lambda: client("GET", "/metrics").status == 503)
            assert client("GET", "/metrics").code == "too_many_requests"
            late = first.result()
        assert (late.status, late.code) == (503, "time_out") and int(late.headers["Retry-After"]) >= 1
        held_back.set()
        assert client.predict("topics", [{"text": "cat"}]).status == 200


def test_only_who_shows_a_token_is_answered(encoder_folder, serving):
    with serving(encoder_folder, shown=("secret", "other")) as client:
        for shown in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "secret"},
            {"Authorization": "Basic secret"},
        ):
            for method, path in (("GET", "/v1/artifacts"), ("PUT", "/v1/artifacts/topics"), ("GET", "/metrics")):
                answer = client(method, path, **shown)
                assert (answer.status, answer.code, answer.headers["WWW-Authenticate"]) == (401, "no_token", "Bearer")
        assert client("GET", "/healthz").json == {"status": "ok"}
        assert client("HEAD", "/healthz").status == 200
        for token in ("secret", "other"):
            assert client("GET", "/v1/artifacts", Authorization=f"Bearer {token}").status == 200


# -- clients that misbehave --------------------------------------------------------------------------------------------


def test_the_rows_of_a_client_that_hangs_up_are_not_computed(encoder_folder, serving, held_back):
    with serving(encoder_folder, batch_rows=1) as client:
        body = json.dumps({"artifact": "topics", "rows": [{"text": "cat"}] * 50})
        connection = http.client.HTTPConnection("127.0.0.1", client.port)
        connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
        until(lambda: client.service.engine.waiting == 49)
        connection.close()
        until(lambda: client.service.engine.waiting == 0)
        held_back.set()
        assert client.predict("topics", [{"text": "cat"}]).status == 200
        assert client.service.metrics.features <= 2 and client.service.metrics.gone == 1


def test_slow_and_broken_clients_are_ended_and_others_are_answered(encoder_folder, serving):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    with serving(encoder_folder, body_seconds=1) as client:
        sockets = {}
        for name, sent in {"head": b"POST /v1/pre", "body": head + b"{", "broken": b"\0\1\2\r\n\r\n"}.items():
            sockets[name] = socket.create_connection(("127.0.0.1", client.port), timeout=20)
            sockets[name].sendall(sent)
        assert client.predict("topics", [{"text": "cat"}]).status == 200
        received = {name: everything(one) for name, one in sockets.items()}
        assert received["head"] == b""
        assert received["body"].startswith(b"HTTP/1.1 408") and b'"slow_request"' in received["body"]
        assert received["broken"].startswith(b"HTTP/1.1 400") and b'"bad_http"' in received["broken"]


def everything(one: socket.socket) -> bytes:
    """What arrives until the other side ends the connection."""
    parts = []
    try:
        while part := one.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_pass_that_fails_fails_its_own_requests_alone(encoder_folder, serving, monkeypatch, capfd):
    whole = engine.run

    def fails(residents, taken):
        if any(job.joined.name == "long" for job, _ in taken):
            raise RuntimeError("a defect")
        return whole(residents, taken)

    monkeypatch.setattr(engine, "run", fails)
    with serving(encoder_folder) as client:
        broken = client.predict("long", [{"text": "cat"}])
        assert (broken.status, broken.code) == (500, "internal") and "defect" not in broken.text
        assert client.predict("topics", [{"text": "cat"}]).status == 200
    assert "a defect" in capfd.readouterr().err
