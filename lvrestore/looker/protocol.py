"""The small interface between the driver and Looker: one request, one of two answers.

The HTTP transport and the in-memory Looker of the sandbox both speak it, so retry, limiter and driver are
tested without a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

import msgspec

from lvrestore.errors import ValidationError
from lvrestore.model import Json

# The end of the path by which a dashboard or a look is certified.
CERTIFICATION = "/certification"


class Token(msgspec.Struct, frozen=True):
    """An access token. `expires_at_monotonic` is when a new one should be used; it never shows its value."""

    value: str
    generation: int
    expires_at_monotonic: float

    def __repr__(self) -> str:
        return f"Token(value=***, generation={self.generation})"

    def __rich_repr__(self) -> list[tuple[str, int]]:
        return [("generation", self.generation)]


class Request(msgspec.Struct, frozen=True):
    """One API call. `path` is below `/api/4.0`, percent-encoded, with a leading slash.

    `token` is set by the client at the moment of sending; a transport without authentication ignores it. `fresh`
    and `key` are for who may answer without sending: only the server can tell; of a list, only those that have
    this (field, value) are looked for.
    """

    method: str
    path: str
    params: Mapping[str, str] = {}
    body: Json = None
    token: Token | None = None
    fresh: bool = False
    key: tuple[str, str] | None = None


class Answered(msgspec.Struct, frozen=True):
    """The server answered. Header names are lower case; `body` is raw bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float = 0.0


class Sent(StrEnum):
    """Whether a request that got no answer can have reached the server."""

    NO = "not sent"
    UNKNOWN = "unknown"


class NoAnswer(msgspec.Struct, frozen=True):
    """No usable answer came. With `Sent.UNKNOWN` the server may have executed the request."""

    sent: Sent
    reason: str
    elapsed_s: float = 0.0


class Transport(Protocol):
    """Sends one request, once: no retry, no waiting for a limit."""

    def send(self, request: Request) -> Answered | NoAnswer:
        """Send and wait for the answer."""
        ...


def path(*segments: str) -> str:
    """Build a path below the API from segments, each percent-encoded: ids may hold `::` and `/`."""
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise ValidationError(f"{segment!r} cannot be an id or a name in an API path")
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)
