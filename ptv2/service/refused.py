"""What a request gets instead of an answer."""

from typing import Any


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        code: a word that programs compare.
        message: a line for people.
        retry: seconds after which it may be worth another try.
    """

    def __init__(self, status: int, code: str, message: str, retry: int | None = None):
        super().__init__(message)
        # half a surrogate pair out of a request could not be sent back
        self.status, self.code, self.message = status, code, message.encode("utf-8", "replace").decode()
        self.retry = retry

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}

    @property
    def headers(self) -> dict[str, str]:
        named = {"Retry-After": str(self.retry)} if self.retry is not None else {}
        return named | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
