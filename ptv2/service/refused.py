"""What a request gets instead of an answer."""

from typing import Any

MOST = 1000  # characters of a message, which may quote the request


def line_of(message: str) -> str:
    """Make a message one line that can be sent back: short, and without half a surrogate pair out of a request."""
    line = " ".join(message.split()).encode("utf-8", "replace").decode()
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        code: a word that programs compare.
        message: for people; it is made one line, and cut where it is long.
        retry: seconds after which it may be worth another try.
    """

    def __init__(self, status: int, code: str, message: str, retry: int | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.retry = status, code, line_of(message), retry

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}

    @property
    def headers(self) -> dict[str, str]:
        named = {"Retry-After": str(self.retry)} if self.retry is not None else {}
        return named | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
