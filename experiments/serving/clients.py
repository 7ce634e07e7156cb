"""A server in a process of its own, clients that ask it over sockets, and some that misbehave."""

import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXT = "the committee said on tuesday that profits of the bank had doubled while the team lost its final match".split()


def row(draw: random.Random) -> dict[str, str]:
    return {"text": " ".join(draw.choices(TEXT, k=draw.randint(5, 25)))}


@dataclass
class Server:
    """A server, and what its process needs."""

    process: subprocess.Popen[str]
    port: int
    seconds: float  # until it listened

    def memory(self) -> dict[str, float]:
        """Return MiB of the process: the peak, what it holds now, and of that what is no mapped file."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        names = {"VmHWM": "peak", "VmRSS": "resident", "RssAnon": "own", "RssFile": "mapped"}
        return {word: int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name, word in names.items()}

    def ask(self, method: str, path: str, body: Any = None, to: http.client.HTTPConnection | None = None) -> Any:
        connection = to or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if to is None:
            connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def predict(
        self, artifact: str, rows: Sequence[dict[str, str]], to: http.client.HTTPConnection | None = None
    ) -> Any:
        return self.ask("POST", "/v1/predict", {"artifact": artifact, "rows": rows}, to)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    started = time.perf_counter()
    line = [sys.executable, "-m", "ptv2.serve", "--artifacts", str(folder), "--port", "0", *options]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(re.search(r":(\d+)$", process.stdout.readline().strip())[1])
    try:
        yield Server(process, port, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait()


def rows_per_second(server: Server, names: Sequence[str], seconds: float, clients: int = 8, rows: int = 4) -> float:
    """Let clients ask for rows of these artifacts in turn, and return how many are answered in a second."""
    done, turn, ends = [0] * clients, iter(list(names) * 10_000), time.perf_counter() + seconds
    lock = threading.Lock()

    def client(number: int) -> None:
        draw, connection = random.Random(number), http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while time.perf_counter() < ends:
            with lock:
                name = next(turn)
            status, answer = server.predict(name, [row(draw) for _ in range(rows)], connection)
            assert status == 200, answer
            done[number] += rows

    started = time.perf_counter()
    together([lambda number=number: client(number) for number in range(clients)])
    return sum(done) / (time.perf_counter() - started)


def together(what: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in what]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass
class Trouble:
    """Clients that behave, and others beside them: what came of it."""

    server: Server
    known: dict[tuple[str, str], Any]  # (version, text) -> the first record of it
    names: Sequence[str]
    replace: Callable[[int], str]  # puts other files into an artifact's folder, and says its name
    ends: float
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> Counter[str]:
        clients = [*[self.good] * 6, *[self.slow] * 2, *[self.broken] * 2, self.hangs_up, self.replaces]
        together([lambda one=one, number=number: one(random.Random(number)) for number, one in enumerate(clients)])
        return self.counts

    def good(self, draw: random.Random) -> None:
        while time.perf_counter() < self.ends:
            name, texts = draw.choice(self.names), draw.sample(TEXT, 2)
            status, answer = self.server.predict(name, [{"text": text} for text in texts])
            self.counts["asked"] += 1
            if status != 200:
                self.counts[f"refused {status}"] += 1
                continue
            self.counts["answered"] += 1
            for text, record in zip(texts, answer["records"], strict=True):
                known = self.known.setdefault((answer["version"], text), record)
                near = all(abs(known["scores"][k] - v) < 1e-5 for k, v in record["scores"].items())
                self.counts["rows"] += 1
                self.counts["mixed up"] += not near or known["scores"].keys() != record["scores"].keys()

    def slow(self, draw: random.Random) -> None:
        while time.perf_counter() < self.ends:
            with socket.create_connection(("127.0.0.1", self.server.port)) as one:
                one.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
                one.sendall(b"Content-Length: 50\r\n\r\n{" if draw.random() < 0.5 else b"X-")
                one.settimeout(30)
                received = one.recv(4096)
            self.counts["slow clients ended"] += received in (b"",) or received.startswith(b"HTTP/1.1 408")

    def broken(self, draw: random.Random) -> None:
        while time.perf_counter() < self.ends:
            with socket.create_connection(("127.0.0.1", self.server.port)) as one:
                one.sendall(draw.randbytes(draw.randint(10, 200)) + b"\r\n\r\n")
                one.settimeout(30)
                try:
                    self.counts["broken requests refused"] += one.recv(4096).startswith(b"HTTP/1.1 400")
                except OSError:
                    self.counts["broken requests refused"] += 1
            time.sleep(0.05)

    def hangs_up(self, draw: random.Random) -> None:
        while time.perf_counter() < self.ends:
            body = json.dumps({"artifact": draw.choice(self.names), "rows": [row(draw) for _ in range(20)]})
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
            connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
            time.sleep(draw.random() * 0.1)
            connection.close()
            self.counts["hung up"] += 1

    def replaces(self, draw: random.Random) -> None:
        turn = 0
        while time.perf_counter() < self.ends:
            turn += 1
            status, _ = self.server.ask("PUT", f"/v1/artifacts/{self.replace(turn)}")
            self.counts["replaced"] += status == 200
            time.sleep(0.2)
