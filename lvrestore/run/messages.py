"""What crosses process boundaries: small tagged structs, packed with msgpack, one per frame."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from lvrestore.looker.limiter import LimiterHandle
from lvrestore.looker.shared import RowHandle
from lvrestore.model import (
    BeforeImage,
    ContentType,
    CreateSent,
    MappingNote,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
    SwitchedOff,
    UndeleteSent,
)


class SharedNumbers(msgspec.Struct, frozen=True):
    """Where the numbers are that all processes of a run share."""

    limits: LimiterHandle
    health: RowHandle

    @property
    def folders(self) -> tuple[Path, ...]:
        """What is left behind when the parent is killed."""
        return self.limits.row.folder, self.health.folder


class Claim(msgspec.Struct, frozen=True, tag=True):
    """Parent to writer: these items are about to be begun."""

    items: tuple[tuple[ContentType, str], ...]
    ticket: int


class Unbegun(msgspec.Struct, frozen=True, tag=True):
    """To the writer: these items were claimed and will not be begun, so nothing about them is uncertain."""

    items: tuple[tuple[ContentType, str], ...]


class Stored(msgspec.Struct, frozen=True, tag=True):
    """Writer to whoever waits: what had this ticket is committed."""

    ticket: int


class Finished(msgspec.Struct, frozen=True, tag=True):
    """Writer to parent: these results are committed (blobs and changes left out)."""

    worker: int
    results: tuple[RestorationResult | QueryResult, ...]


class WorkerGone(msgspec.Struct, frozen=True, tag=True):
    """Writer to parent: everything that this worker ever sent is committed, nothing more will come."""

    worker: int


class Hello(msgspec.Struct, frozen=True, tag=True):
    """A worker is ready: first frame to the writer and to the parent. The writer greets the parent with -1."""

    worker: int


class TokenWanted(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: the token of this generation was refused."""

    generation: int


class TokenGiven(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: use this token. `error` says why there is none; `passing`: there may be one later."""

    value: str
    generation: int
    expires_at_monotonic: float
    error: str | None = None
    passing: bool = False


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: finish what is in hand (`drain`) or leave at once (`now`)."""

    how: Literal["drain", "now"]


class Fatal(msgspec.Struct, frozen=True, tag=True):
    """A child cannot go on: the state file cannot be written, the login is refused."""

    kind: str
    message: str
    hint: str = ""


Message = (
    RestorationTask
    | RestorationResult
    | QueryTask
    | QueryResult
    | MappingNote
    | BeforeImage
    | CreateSent
    | SwitchedOff
    | UndeleteSent
    | Claim
    | Unbegun
    | Stored
    | Finished
    | WorkerGone
    | Hello
    | TokenWanted
    | TokenGiven
    | Stop
    | Fatal
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def pack(message: Message) -> bytes:
    """One frame."""
    return _ENCODER.encode(message)


def unpack(frame: bytes) -> Message:
    """The message in a frame."""
    return _DECODER.decode(frame)
