"""A folder of artifacts on one tiny backbone, and a server over a real socket."""

import copy
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from served import ENCODER_ARTIFACTS, drawn_artifact

from ptv2.service import engine
from ptv2.service.folder import ArtifactFolder
from ptv2.service.limits import Limits
from ptv2.service.server import Server, bound, make_server, serve
from ptv2.service.start import start


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory, tiny_bert) -> Path:
    """A folder with an artifact of each kind and form that a BERT serves."""
    folder = tmp_path_factory.mktemp("served")
    for seed, (name, (own, keys)) in enumerate(ENCODER_ARTIFACTS.items()):
        drawn_artifact(folder / name, tiny_bert, {name: own}, seed, **copy.deepcopy(keys))
    return folder


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


@dataclass
class Client:
    """Asks a server over a socket, each time over a new connection."""

    server: Server
    port: int

    @property
    def service(self):
        return self.server.service

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body).encode()
        named = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
        try:
            connection.request(method, path, sent, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def predict(self, artifact: str, rows: Any, **keys: Any) -> Answer:
        return self("POST", "/v1/predict", {"artifact": artifact, "rows": rows} | keys)


@contextmanager
def running(
    folder: Path, shown: tuple[str, ...] = (), overrides: tuple[str, ...] = (), **limits: int
) -> Iterator[Client]:
    """A server in a thread of this process, on a free port."""
    service, left_out = start(ArtifactFolder(folder), Limits(**limits), overrides=overrides)
    assert left_out == []
    at, server = bound("127.0.0.1", 0), make_server(service, shown)
    thread = threading.Thread(target=serve, args=(server, at))
    thread.start()
    try:
        yield Client(server, at.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
def client(encoder_folder) -> Iterator[Client]:
    """A server of all artifacts, for tests that leave it as it is."""
    with running(encoder_folder) as made:
        yield made


@pytest.fixture
def held_back(monkeypatch):
    """Passes wait until the event is set."""
    free, whole = threading.Event(), engine.run
    monkeypatch.setattr(engine, "run", lambda *args: (free.wait(30), whole(*args))[1])
    yield free
    free.set()
