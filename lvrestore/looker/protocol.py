"""The small interface between the driver and Looker: one request, one of two answers.

The HTTP transport and the in-memory Looker of the sandbox both speak it, so retry, limiter and driver are
tested without a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from lvrestore.model import Json


class Request(msgspec.Struct, frozen=True):
    """One API call. `path` is below `/api/4.0`, percent-encoded, with a leading slash."""

    method: str
    path: str
    params: Mapping[str, str] = {}
    body: Json = None


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
