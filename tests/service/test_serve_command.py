"""`python -m ptv2.serve` in a process of its own, and what it refuses before it starts."""

import json
import re
import signal
import socket
import sys
import threading
import time
import urllib.request

import pytest
from served import ROWS

import ptv2
from ptv2.commands import serve, shell
from ptv2.errors import UserError
from ptv2.service.server import bound, read_tokens


def refused(capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        shell.run(serve.main, serve.command_line(), [str(word) for word in argv])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1 and said.startswith("error: ")
    return said


def test_a_port_in_use_is_refused_before_anything_is_loaded(encoder_folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "--artifacts", encoder_folder, "--port", port)
    assert said == f"error: --port: port {port} of 127.0.0.1 is in use; name another one, or 0 for any that is free\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--host", "0.0.0.0"], "--host: other machines could use the server on 0.0.0.0 without a token"),
        (["--host", "203.0.113.7", "--token-file", "tokens"], "--host: 203.0.113.7:8000 cannot be listened to"),
        (["--token-file", "empty"], "empty: holds no token"),
        (["--token-file", "nothing"], "nothing: cannot be read"),
        (["--token-file", "header"], "header: holds a token that no header can carry; use letters, digits and marks"),
        (["--limit-rows", "0"], "'0' is not a whole number from 1"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--artifacts", "nothing"], "nothing: no such folder"),
        (["--artifacts", "."], ".: holds no artifact"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line(encoder_folder, capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("# none\n\n")
    (tmp_path / "tokens").write_text("secret\n")
    (tmp_path / "header").write_text("secret\nBearer secret\n")
    before = [] if "--artifacts" in argv else ["--artifacts", encoder_folder]
    assert (
        words in refused(capsys, *before, "--port", 0, *argv)
        if "--host" not in argv
        else refused(capsys, *before, *argv)
    )


def test_tokens_are_read_as_any_editor_saves_them(tmp_path):
    (tmp_path / "tokens").write_bytes(b"\xef\xbb\xbffirst\r\n# of the second team\r\n second \r\n")
    assert read_tokens(tmp_path / "tokens", "127.0.0.1") == ["first", "second"]


def test_a_missing_library_is_named(encoder_folder, capsys, monkeypatch):
    for name in ("app", "server", "protocol"):
        monkeypatch.delitem(sys.modules, f"ptv2.service.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    said = refused(capsys, "--artifacts", encoder_folder)
    assert said == "error: ptv2.serve: the server needs fastapi, which is not installed; pip install 'ptv2[serve]'\n"


@pytest.fixture
def process(encoder_folder, zygote):
    """A server with a token in a process of its own: it, its address, and how to ask."""
    tokens = encoder_folder.parent / "tokens"
    tokens.write_text("secret\n")
    argv = ["--artifacts", encoder_folder, "--port", "0", "--token-file", tokens, "--limit-batch-rows", "1"]
    made = zygote("serve", argv)
    first = made.until(lambda: "\n" in made.said() and made.said())
    yield made, re.search(r"http://\S+", first)[0]
    if made.ended is None:
        made.signal(signal.SIGKILL)
        made.wait()


def post(address: str, body: dict) -> dict:
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/predict", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def test_asked_to_stop_it_answers_what_it_took_and_ends_with_0(process, encoder_folder):
    server, address = process
    rows, answers = ROWS["cls"] * 60, []
    asking = threading.Thread(target=lambda: answers.append(post(address, {"artifact": "topics", "rows": rows})))
    asking.start()
    metrics = urllib.request.Request(f"{address}/metrics", headers={"Authorization": "Bearer secret"})
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with urllib.request.urlopen(metrics, timeout=60) as answer:
            lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines())
        if int(lines["ptv2_waiting_features"]) > 10:
            break
    server.signal(signal.SIGTERM)
    asking.join(60)
    assert [record["prediction"] for record in answers[0]["records"]] == [
        record["prediction"] for record in ptv2.load(encoder_folder / "topics").predict(rows)
    ]
    ended = server.wait()
    assert (ended.code, ended.out.splitlines()[1:]) == (0, ["stopped"]) and "Traceback" not in ended.err
    with pytest.raises(OSError):
        post(address, {"artifact": "topics", "rows": rows})


@pytest.mark.parametrize("host", ["192.168..1", ".local", f"{'a' * 64}.org"])
def test_a_host_that_no_name_can_have_is_refused(host):
    with pytest.raises(UserError, match="cannot be listened to"):
        bound(host, 0)
