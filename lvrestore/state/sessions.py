"""A session as the state file holds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import orjson

from lvrestore.model import ContentType, Json, Operation, Waits

SESSION = (
    "SELECT id, started_at, completed_at, status, generation, source_instance, destination_instance, config,"
    " metadata FROM restoration_sessions"
)


class Scope(msgspec.Struct, frozen=True):
    """Whose rows a run writes: the session and its generation, and both instances.

    `other_names`: under these earlier runs mapped ids of the same source; a run that writes takes them over first.
    """

    session_id: str
    generation: int
    source_instance: str
    destination_instance: str
    other_names: tuple[str, ...] = ()


class SessionRow(msgspec.Struct, frozen=True):
    """One row of `restoration_sessions`; times are ISO text in UTC."""

    id: str
    started_at: str
    completed_at: str | None
    status: str
    generation: int
    source_instance: str | None
    destination_instance: str
    config: dict[str, Json]
    metadata: dict[str, Json]

    @property
    def is_same_instance(self) -> bool:
        """Whether it restores to the instance that was backed up."""
        same: bool = self.metadata.get("same_instance", self.source_instance == self.destination_instance)
        return same

    @property
    def is_finished(self) -> bool:
        """Whether everything was tried: nothing is left to resume."""
        return self.status == "completed"

    def ran_s(self, until: str | None) -> float:
        """For how long its runs have worked; the one that is under way, or was cut off, until then."""
        earlier = float(self.metadata.get("ran_s", 0.0))
        began = self.metadata.get("run_began_at")
        if self.status != "running" or began is None or until is None:
            return earlier
        running = datetime.fromisoformat(until) - datetime.fromisoformat(began)
        return earlier + max(0.0, running.total_seconds())


def now_text() -> str:
    """The current time as the state file writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Waiting(msgspec.Struct, frozen=True):
    """An item that is to be looked at again: how it has ended so far, and what it waits for.

    `done` is what was done to a partial one.
    """

    content_type: ContentType
    source_id: str
    operation: Operation
    error_kind: str | None = None
    waits: Waits = Waits.FOR_OTHERS
    done: Operation | None = None


def session_row(row: Sequence[Json]) -> SessionRow:
    """A row of the table as a session."""
    names = SessionRow.__struct_fields__
    values = dict(zip(names, row, strict=True))
    values |= {name: orjson.loads(values[name]) for name in ("config", "metadata")}
    return SessionRow(**values)
