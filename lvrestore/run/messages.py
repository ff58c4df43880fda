"""What crosses process boundaries: small tagged structs, packed with msgpack, one per frame."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from lvrestore.model import ContentType, Json, Operation


class RestorationTask(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One claimed item on its way to a worker, blob undecoded.

    `uncertain_since`: an earlier attempt was begun then and its end is unknown. `lands_until`: what it sent may
    still be carried out until then.
    """

    seq: int
    content_type: ContentType
    source_id: str
    name: str
    blob: bytes
    uncertain_since: datetime | None = None
    lands_until: datetime | None = None


class ItemError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item failed. `response` is redacted and bounded; `blockers` are like `folder 7`."""

    kind: str
    message: str
    http_status: int | None = None
    field: str | None = None
    request: str | None = None
    response: str | None = None
    trace: str | None = None
    blockers: tuple[str, ...] = ()


class Calls(msgspec.Struct):
    """API calls, counted as they are sent: retries included."""

    by_method: dict[str, int] = {}
    retries: int = 0
    rate_limited: int = 0

    def add(self, other: Calls) -> None:
        """Add another count to this one."""
        for method, n in other.by_method.items():
            self.by_method[method] = self.by_method.get(method, 0) + n
        self.retries += other.retries
        self.rate_limited += other.rate_limited

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_method.values())


class RestorationResult(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How one item ended. `blob` is kept for failures only, for the dead letter."""

    seq: int
    content_type: ContentType
    source_id: str
    name: str
    operation: Operation
    destination_id: str | None = None
    reason: str = ""
    attempts: int = 1
    duration_ms: int = 0
    calls: Calls = msgspec.field(default_factory=Calls)
    warnings: tuple[tuple[str, str], ...] = ()
    checked: tuple[str, ...] = ()
    changes: tuple[tuple[str, Json, Json], ...] = ()
    error: ItemError | None = None
    blob: bytes | None = None
    vault_fingerprint: bytes = b""
    live_fingerprint: bytes = b""


class MappingNote(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A source id has its destination id, known before the item is done."""

    kind: str
    source_id: str
    destination_id: str
    created_at: str | None = None
    slug: str | None = None


class BeforeImage(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What a write is about to replace; the sender waits until it is stored."""

    kind: str
    destination_id: str
    body: bytes
    ticket: int


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
    results: tuple[RestorationResult, ...]


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
    """Parent to worker: use this token. `error` says why there is none."""

    value: str
    generation: int
    expires_at_monotonic: float
    error: str | None = None


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: finish what is in hand (`drain`) or leave at once (`now`)."""

    how: Literal["drain", "now"]


class Fatal(msgspec.Struct, frozen=True, tag=True):
    """A child cannot go on: the state file cannot be written, the login is refused."""

    kind: str
    message: str


Message = (
    RestorationTask
    | RestorationResult
    | MappingNote
    | BeforeImage
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
