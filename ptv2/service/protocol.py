"""uvicorn's HTTP/1.1 with two additions: a broken request is answered in JSON, and a connection may not idle in a head.

uvicorn limits the time between requests, not the time that a client takes for a request's head or to read an answer.
"""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ptv2.service.refused import Refused


class Protocol(H11Protocol):
    """A connection that is ended where no request is being answered for `seconds`."""

    seconds = 20
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.seconds, self._end)

    def _end(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()  # the client may not even read: there is nothing to be said

    def send_400_response(self, msg: str) -> None:
        body = json.dumps(Refused(400, "bad_http", msg).body).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        event = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for part in (event, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part))
        self.transport.close()
