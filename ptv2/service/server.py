"""The server: a socket, the application, and how both end."""

import errno
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from ptv2.errors import UserError
from ptv2.service.app import make_app
from ptv2.service.protocol import Protocol
from ptv2.service.service import Service


class Server(uvicorn.Server):
    """A server that finishes what it took when it is asked to stop; asked twice, it ends at once."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = self.service.stopping = True


def bound(host: str, port: int) -> socket.socket:
    """Take the port, before anything that takes time.

    Raises:
        UserError: it is in use, or not for this user or machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(1)  # or another server could take it, too
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use"
            raise UserError(what, where="--port", do="name another one, or 0 for any that is free") from error
        why = getattr(error, "strerror", None) or error
        what = f"{host}:{port} cannot be listened to ({why})"
        raise UserError(what, where="--host", do="name an address of this machine, and a port above 1023") from error
    return made


def read_tokens(path: Path | None, host: str) -> list[str]:
    """Read the tokens that open the server, one a line.

    Raises:
        UserError: the file holds none, or other machines could ask without one.
    """
    if path is None:
        if host not in ("127.0.0.1", "::1", "localhost"):
            what = f"other machines could use the server on {host} without a token"
            raise UserError(what, where="--host", do="give --token-file FILE with a token a line, or stay on 127.0.0.1")
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read ({error})", where=path, do="write a token a line") from error
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise UserError("holds no token", where=path, do="write a token a line")
    if any(not token.isascii() or len(token.split()) > 1 for token in tokens):
        do = "use letters, digits and marks of ASCII, without blanks"
        raise UserError("holds a token that no header can carry", where=path, do=do)
    return tokens


def make_server(service: Service, tokens: Sequence[str] = ()) -> Server:
    """Make the server of a service, which answers requests that show one of the tokens, if there are any."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    Protocol.seconds = service.limits.body_seconds
    config = uvicorn.Config(
        make_app(service, tokens),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=service.limits.connections,
        timeout_graceful_shutdown=service.limits.stop_seconds,
    )
    return Server(config, service)


def serve(server: Server, at: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, and then finish what was taken."""
    server.service.start()
    try:
        server.run([at])
    finally:
        server.service.close()
