"""Checkpoints: what the ended items of a session come to, kept so that a resume need not count a million of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import apsw  # noqa: TC002 - one way of importing everywhere
import msgspec
import orjson

from lvrestore.model import Calls, ContentType, Json, Operation

# Reasons that name an id are as many as items: of so many different ones the rare are forgotten.
MOST_REASONS = 1000
JOURNALED = "status, calls, error_kind, warnings, reason"


class Counts(msgspec.Struct, kw_only=True):
    """What the ended items of one type come to: how many by operation, error, warning and reason, and their calls.

    Errors are those of failed items: what a partial item is without is no error.
    """

    operations: dict[str, int] = {}
    errors: dict[str, int] = {}
    warnings: dict[str, int] = {}
    skipped: dict[str, int] = {}
    calls: Calls = msgspec.field(default_factory=Calls)

    @property
    def items(self) -> int:
        """All items."""
        return sum(self.operations.values())

    @property
    def failed(self) -> int:
        """Those of them that failed."""
        return self.operations.get(Operation.FAILED, 0)

    def add(self, row: Sequence[Json], times: int = 1) -> None:
        """Count a journal row, its columns being `JOURNALED`; with -1 no more."""
        status, calls, error_kind, warnings, reason = row
        _count(self.operations, status, times)
        if error_kind is not None and status != Operation.PARTIAL:
            _count(self.errors, error_kind, times)
        for kind, _ in orjson.loads(warnings):
            _count(self.warnings, kind, times)
        if status == Operation.SKIPPED:
            _count(self.skipped, reason, times)
            if len(self.skipped) > MOST_REASONS:
                self.skipped = dict(Counter(self.skipped).most_common(MOST_REASONS // 2))
        self._add_calls(orjson.loads(calls), times)

    def _add_calls(self, calls: dict[str, Json], times: int) -> None:
        for method, n in calls["by_method"].items():
            _count(self.calls.by_method, method, n * times)
        self.calls.retries += calls["retries"] * times
        self.calls.rate_limited += calls["rate_limited"] * times


class RestorationCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `restoration_checkpoints`; times are ISO text in UTC."""

    content_type: ContentType
    position: str | None
    item_count: int
    error_count: int
    started_at: str
    completed_at: str


class Checkpoints:
    """The writing side for one session; every method is called within the transaction of the items."""

    def __init__(self, db: apsw.Connection, session_id: str, interval: int) -> None:
        """A checkpoint is written when `interval` items of a type have ended since the last one."""
        self._db, self._session_id, self._interval = db, session_id, interval
        self._counts: dict[int, Counts] = {}
        self._since: dict[int, int] = {}
        self._last: dict[int, str] = {}

    def count(
        self, content_type: int, source_id: str, *, new: Sequence[Json] | None, old: Sequence[Json] | None
    ) -> None:
        """Count what the journal is about to say of an item, instead of what it said."""
        counts = self._loaded(content_type)
        self._since[content_type] += 1
        if new is not None:
            counts.add(new)
            self._last[content_type] = source_id
        if old is not None:
            # Who adds up the rows that no checkpoint counts would not know of what is no more.
            counts.add(old, -1)
            self._since[content_type] = self._interval

    def write_due(self) -> None:
        """Write a checkpoint for every type of which an interval of items has ended."""
        for content_type, since in self._since.items():
            if since >= self._interval:
                self._write(content_type)

    def write_all(self) -> None:
        """Write a checkpoint for every type of which some item is not counted yet: the run ends."""
        for content_type in _types(self._db, "restored_items", self._session_id, " AND counted = 0"):
            self._loaded(content_type)
            self._write(content_type)

    def _loaded(self, content_type: int) -> Counts:
        if content_type not in self._counts:
            counts, since = _read(self._db, self._session_id, content_type)
            self._counts[content_type], self._since[content_type] = counts, since
        return self._counts[content_type]

    def _write(self, content_type: int) -> None:
        counts, at = self._counts[content_type], datetime.now(UTC).isoformat(timespec="milliseconds")
        self._since[content_type] = 0
        last = self._last.get(content_type) or self._stored_last(content_type)
        self._db.execute(
            "INSERT INTO restoration_checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET position = coalesce(excluded.position, position),"
            " item_count = excluded.item_count,"
            " error_count = excluded.error_count, checkpoint_data = excluded.checkpoint_data,"
            " completed_at = excluded.completed_at",
            (
                self._session_id,
                content_type,
                last,
                counts.items,
                counts.failed,
                msgspec.json.encode(counts).decode(),
                at,
                at,
            ),
        )
        self._db.execute(
            "UPDATE restored_items SET counted = 1 WHERE session_id = ? AND content_type = ? AND counted = 0",
            (self._session_id, content_type),
        )

    def _stored_last(self, content_type: int) -> str | None:
        """The item that another process stored last, one of them if several came within a millisecond."""
        found: str | None = self._db.execute(
            "SELECT source_id FROM restored_items WHERE session_id = ? AND content_type = ? AND counted = 0"
            " ORDER BY finished_at DESC LIMIT 1",
            (self._session_id, content_type),
        ).get
        return found


def counts_of(db: apsw.Connection, session_id: str) -> dict[ContentType, Counts]:
    """What all ended items of a session come to, by type; of one moment, if called in a transaction."""
    seen = _types(db, "restoration_checkpoints", session_id)
    seen += [t for t in _types(db, "restored_items", session_id, " AND counted = 0") if t not in seen]
    return {ContentType(t): _read(db, session_id, t)[0] for t in sorted(seen)}


def checkpoints_of(db: apsw.Connection, session_id: str) -> list[RestorationCheckpoint]:
    """The checkpoints of a session, by type."""
    rows = db.execute(
        "SELECT content_type, position, item_count, error_count, started_at, completed_at"
        " FROM restoration_checkpoints WHERE session_id = ? ORDER BY content_type",
        (session_id,),
    ).fetchall()
    names = RestorationCheckpoint.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), RestorationCheckpoint) for row in rows]


def last_activity(db: apsw.Connection, session_id: str) -> str | None:
    """When the last item of a session was stored; as good as the last checkpoint."""
    at: str | None = db.execute(
        "SELECT max(at) FROM (SELECT max(completed_at) AS at FROM restoration_checkpoints WHERE session_id = ?1"
        " UNION ALL SELECT max(finished_at) FROM restored_items WHERE session_id = ?1 AND counted = 0)",
        (session_id,),
    ).get
    return at


def _types(db: apsw.Connection, table: str, session_id: str, condition: str = "") -> list[int]:
    rows: list[Any] = db.execute(
        f"SELECT DISTINCT content_type FROM {table} WHERE session_id = ?{condition}",  # noqa: S608 - constants
        (session_id,),
    ).fetchall()
    return [content_type for (content_type,) in rows]


def _read(db: apsw.Connection, session_id: str, content_type: int) -> tuple[Counts, int]:
    """What the last checkpoint of a type counts with all that came after it, and how many that are."""
    stored = db.execute(
        "SELECT checkpoint_data FROM restoration_checkpoints WHERE session_id = ? AND content_type = ?",
        (session_id, content_type),
    ).get
    counts = msgspec.json.decode(stored, type=Counts) if stored else Counts()
    since = 0
    rows = db.execute(
        f"SELECT {JOURNALED} FROM restored_items WHERE session_id = ? AND content_type = ? AND counted = 0",  # noqa: S608 - a constant
        (session_id, content_type),
    )
    for row in rows:
        counts.add(row)
        since += 1
    return counts, since


def _count(counts: dict[str, int], name: str, n: int) -> None:
    left = counts.get(name, 0) + n
    if left > 0:
        counts[name] = left
    else:
        counts.pop(name, None)
