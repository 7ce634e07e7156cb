"""How much a server takes on."""

from dataclasses import dataclass, field, fields


def limit(default: int, about: str) -> int:
    """Make a field of `Limits`: a whole number from 1, and what the command line says of it."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Limits:
    """Each is an option of `python -m ptv2.serve`."""

    body: int = limit(8_388_608, "bytes of a request's body")
    rows: int = limit(1000, "rows of a request")
    tokens: int = limit(200_000, "tokens of a request's rows, once each is cut to its task's max_length")
    waiting: int = limit(4096, "rows of all requests that wait; more are refused with 429")
    seconds: int = limit(60, "seconds for an answer; later it is 503")
    body_seconds: int = limit(20, "seconds for a client to send its request; later it is 408")
    connections: int = limit(256, "requests at once; more are refused with 503")
    stop_seconds: int = limit(30, "seconds that a stop waits for requests that were taken")
    batch_rows: int = limit(32, "rows of a pass through the backbone")
    batch_tokens: int = limit(16_384, "tokens of a pass, padding included")
    hot: int = limit(1000, "artifacts kept joined to the backbone; others are joined again when they are used")

    @classmethod
    def options(cls) -> dict[str, tuple[int, str]]:
        """List the name, default and meaning of each."""
        return {one.name: (one.default, one.metadata["about"]) for one in fields(cls)}  # pyright: ignore
