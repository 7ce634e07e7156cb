"""Requests that no program of ours sends: each has an answer in strict JSON, and none is a failure of the server."""

import http.client
import json
from typing import Any

import pytest
from served import ENCODER_ARTIFACTS, rows_for

ODD: dict[str, Any] = {
    "nothing": None,
    "true": True,
    "zero": 0,
    "a number of 4,000 digits": 10**4000,
    "a fraction": -0.5,
    "infinity": float("inf"),
    "no number": float("nan"),
    "no text": "",
    "blanks": " \n\t\u2028 ",
    "control characters": "\x00\x1b[2J\x7f",
    "half a pair": "\ud83d",
    "emoji": "👩‍👩‍👧 \ufeff",
    "right to left": "\u202eשלום",
    "long": "cat " * 5000,
    "one long word": "x" * 50_000,
    "no list": [],
    "a list of nothing": [None],
    "a list of no text": [""],
    "a list of numbers": [1, 2.5, 10**40],
    "a list of lists": [["a"], []],
    "an object": {},
    "an object with text": {"text": "cat", "": {"a": []}},
    "deep": json.loads("[" * 400 + "]" * 400),
}


def strict(text: str) -> Any:
    """Parse JSON as other programs do, who know no NaN and no Infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def check(answer: Any) -> Any:
    """Assert that a request was answered, or refused in one short line with a code."""
    value = strict(answer.text)
    assert answer.headers["Content-Type"] == "application/json"
    if answer.status >= 400:
        error = value["error"]
        assert answer.status < 500 and error["code"].replace("_", "").isalpha()
        assert len(error["message"].splitlines()) == 1 and len(error["message"]) <= 1000
        assert "Traceback" not in answer.text and 'File "' not in answer.text
    return value


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ENCODER_ARTIFACTS)
def test_a_field_may_hold_anything(client, name, value):
    """Each field of a row, its name and the rows beside it among them; the row that is good has its answer."""
    (good, *_), fields = rows_for(ENCODER_ARTIFACTS[name][0]), ("id", "idx", "task", "label", "beside it")
    for field in [*good, *fields]:
        answer = client.predict(name, [good, good | {field: value}], on_bad_row="skip", with_inputs=True)
        found = check(answer)
        if answer.status == 200:
            assert len(found["records"]) == 2 and found["records"][0]["prediction"] is not None
            assert all(len(why.splitlines()) == 1 and len(why) <= 1000 for why in found.get("skipped", {}).values())
    check(client.predict(name, [value, good], on_bad_row="skip"))


@pytest.mark.parametrize("field", ["artifact", "rows", "task", "top", "with_inputs", "on_bad_row", "x\ny"])
def test_an_option_may_hold_anything(client, field):
    good = {"artifact": "topics", "rows": [{"text": "a hen"}]}
    for value in ODD.values():
        check(client("POST", "/v1/predict", good | {field: value}))
        check(client("POST", "/v1/completions", {"model": "topics", "prompt": "a hen"} | {field: value}))


@pytest.mark.parametrize(
    "field", ["model", "prompt", "max_tokens", "seed", "temperature", "stop", "logit_bias", "user"]
)
def test_an_option_of_completions_may_hold_anything(client, field):
    for value in ODD.values():
        check(client("POST", "/v1/completions", {"model": "topics", "prompt": "a hen"} | {field: value}))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 422),
        (b"1e999", 422),
        (b"-" + b"9" * 5000, 400),
        (b'{"a":' * 50_000, 400),
        (b"[" * 950 + b"]" * 950, 422),
        (b"\xef\xbb\xbf{}", 400),
        ('{"artifact": "topics"}'.encode("utf-16"), 400),
        (b'{"artifact": "topics", "rows": [{"text": "a", "text": "b"}]}', 400),
        (b'{"artifact": "topics", "rows": [{"text": "a hen", "id": 1e999}, {"text": "a hen", "id": Infinity}]}', 200),
        (b'{"artifact": "topics", "rows": [{"text": "a hen", "id": 1}, {"text": "cat", "id": 1}]}', 200),
        (b"artifact=topics&rows=1", 400),
        (b"<xml/>", 400),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_may_hold_anything(client, body, status):
    answer = client("POST", "/v1/predict", body)
    check(answer)
    assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/v1/predict", 405),
        ("PATCH", "/v1/artifacts/topics", 405),
        ("POST", "/v1/artifacts", 405),
        ("BREW", "/healthz", 405),
        ("POST", "/v1/predict/", 404),
        ("GET", "/healthz/", 404),
        ("PUT", "/v1/artifacts/", 404),
        ("GET", "//", 404),
        ("GET", "/%ff%00", 404),
        ("GET", "/v1/artifacts?top=%ff&&=", 200),
        ("PUT", "/v1/artifacts/%00", 400),
        ("PUT", "/v1/artifacts/a%0ab", 400),
        ("PUT", "/v1/artifacts/%ed%a0%80", 404),
        ("PUT", "/v1/artifacts/" + "x" * 300, 400),
        ("PUT", "/v1/artifacts/" + "%F0%9F%90%88" * 60, 404),
        ("DELETE", "/v1/artifacts/a%0ab", 404),
    ],
)
def test_a_path_may_hold_anything(client, method, path, status):
    answer = client(method, path)
    check(answer)
    assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": ""}, 415),
        ({"Content_Type": "application/json; charset=utf-16"}, 200),  # a body is in UTF-8, as JSON's standard says
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Encoding": "gzip"}, 200),
        ({"Authorization": "Bearer \xff"}, 200),
        ({"Upgrade": "websocket", "Connection": "Upgrade"}, 200),
        ({"Expect": "100-continue"}, 200),
        ({"Accept": "text/html"}, 200),
        ({"X_Long": "x" * 60_000}, 200),
    ],
    ids=lambda value: str(value)[:40],
)
def test_headers_may_hold_anything(client, headers, status):
    answer = client("POST", "/v1/predict", {"artifact": "topics", "rows": [{"text": "a hen"}]}, **headers)
    check(answer)
    assert answer.status == status


def test_it_still_answers(client):
    """After all of the above, and a request that ends within its body."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    connection.putrequest("POST", "/v1/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b'{"artifact"')
    connection.close()
    assert client.predict("topics", [{"text": "a hen"}]).status == 200
