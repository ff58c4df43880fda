"""Read a state file: sessions, mappings, journal, dead letters."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lvrestore.model import ContentType, History, Operation, Waits, is_lost
from lvrestore.state.checkpoints import (
    Counts,
    RestorationCheckpoint,
    checkpoints_of,
    counts_of,
    last_activity,
)
from lvrestore.state.database import open_for_reading
from lvrestore.state.dead_letters import DeadLetterQueue
from lvrestore.state.journal import JournalFilter, JournalItem, journal
from lvrestore.state.mappings import IDMapper, Mappings
from lvrestore.state.sessions import SESSION, Scope, SessionRow, Waiting, session_row

if TYPE_CHECKING:
    import apsw


class StateReader:
    """The reading side, for any process and thread: autocommit, every cursor exhausted, nothing cached."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @property
    def _db(self) -> apsw.Connection:
        if not hasattr(self._local, "db"):
            self._local.db = self._open()
        db: apsw.Connection = self._local.db
        return db

    def _open(self) -> apsw.Connection:
        return open_for_reading(self.path)

    def mapper(self, scope: Scope, *, is_same_instance: bool = False) -> IDMapper:
        """Look-ups of mappings between the instances of a run."""
        return IDMapper(
            lambda: self._db,
            scope.source_instance,
            scope.destination_instance,
            is_same_instance=is_same_instance,
            other_names=scope.other_names,
        )

    @property
    def mappings(self) -> Mappings:
        """All mappings, for reading."""
        return Mappings(self._db)

    def accepted(self, scope: Scope, kind: str, source_id: str) -> tuple[bytes, bytes] | None:
        """The fingerprints under which a difference was already accepted; see `History`."""
        rows = self._db.execute(
            "SELECT vault_fingerprint, live_fingerprint FROM id_mappings WHERE source_instance = ?"
            " AND destination_instance = ? AND content_type = ? AND source_id = ?"
            " AND vault_fingerprint IS NOT NULL",
            (scope.source_instance, scope.destination_instance, kind, source_id),
        ).fetchall()
        return cast("tuple[bytes, bytes]", rows[0]) if rows else None

    def create_sent_at(self, scope: Scope, content_type: ContentType, source_id: str) -> datetime | None:
        """When an attempt whose end is unknown sent the POST that makes this item; None if none did."""
        at = self._db.execute(
            "SELECT create_sent_at FROM claims"
            " WHERE destination_instance = ? AND content_type = ? AND source_id = ?",
            (scope.destination_instance, int(content_type), source_id),
        ).get
        return datetime.fromisoformat(at) if at else None

    def undeletes(self, scope: Scope, content_type: ContentType, source_id: str) -> str | None:
        """The destination id under which an attempt without an end was about to bring an item back from the trash."""
        found: str | None = self._db.execute(
            "SELECT undeletes FROM claims"
            " WHERE destination_instance = ? AND content_type = ? AND source_id = ?",
            (scope.destination_instance, int(content_type), source_id),
        ).get
        return found

    def own_write(self, destination: str, kind: str, destination_id: str) -> datetime | None:
        """Until when every change of an object is this tool's own."""
        until = self._db.execute(
            "SELECT until FROM own_writes"
            " WHERE destination_instance = ? AND content_type = ? AND destination_id = ?",
            (destination, kind, destination_id),
        ).get
        return datetime.fromisoformat(until) if until else None

    def begun(self, destination: str) -> frozenset[tuple[ContentType, str]]:
        """Items that some run has begun and not finished."""
        rows: list[Any] = self._db.execute(
            "SELECT content_type, source_id FROM claims WHERE destination_instance = ?", (destination,)
        ).fetchall()
        return frozenset((ContentType(t), str(i)) for t, i in rows)

    def is_begun(self, destination: str, content_type: ContentType, source_id: str) -> bool:
        """Whether some run has begun an item and not finished."""
        claim = "destination_instance = ? AND content_type = ? AND source_id = ?"
        found = self._db.execute(
            f"SELECT 1 FROM claims WHERE {claim}",  # noqa: S608 - a constant
            (destination, int(content_type), source_id),
        )
        return found.get is not None

    def status(self, scope: Scope, content_type: ContentType, source_id: str) -> Operation | None:
        """How an item of this session has ended; None when it has not."""
        found = self._db.execute(
            "SELECT status FROM restored_items WHERE session_id = ? AND content_type = ? AND source_id = ?",
            (scope.session_id, int(content_type), source_id),
        ).get
        return Operation(found) if found else None

    def lost(self, scope: Scope, content_type: ContentType, source_id: str) -> bool:
        """Whether an item of this session has ended so that nobody may refer to it."""
        rows: list[Any] = self._db.execute(
            "SELECT status, waits FROM restored_items WHERE session_id = ? AND content_type = ? AND source_id = ?",
            (scope.session_id, int(content_type), source_id),
        ).fetchall()
        return any(is_lost(content_type.label, Operation(status), Waits(waits)) for status, waits in rows)

    def became(self, scope: Scope, content_type: ContentType, source_id: str) -> Operation | None:
        """What this session did to an item, whether parts of it are missing or not; None when it has not ended."""
        found = self._db.execute(
            "SELECT coalesce(done, status) FROM restored_items"
            " WHERE session_id = ? AND content_type = ? AND source_id = ?",
            (scope.session_id, int(content_type), source_id),
        ).get
        return Operation(found) if found else None

    def waiting(self, scope: Scope, content_type: ContentType, *, for_name: bool) -> Iterator[Waiting]:
        """Items of this session that are to be looked at again, by id; nothing stays open between two of them.

        `for_name`: those that wait until a name is free, else those that wait for what comes later.
        """
        first, last = (Waits.FOR_NAME, Waits.GAVE_WAY) if for_name else (Waits.FOR_OTHERS, Waits.FOR_OTHERS)
        after = ""
        while True:
            rows: list[Any] = self._db.execute(
                "SELECT source_id, status, error_kind, waits, done FROM restored_items"
                " WHERE session_id = ? AND content_type = ?"
                " AND waits AND source_id > ? AND waits BETWEEN ? AND ? ORDER BY source_id LIMIT 500",
                (scope.session_id, int(content_type), after, int(first), int(last)),
            ).fetchall()
            if not rows:
                return
            after = str(rows[-1][0])
            for source_id, status, error_kind, waits, done in rows:
                yield Waiting(
                    content_type,
                    str(source_id),
                    Operation(status),
                    error_kind,
                    Waits(waits),
                    Operation(done) if done else None,
                )

    def has_moved(self, scope: Scope) -> bool:
        """Whether something that links point to lives under another id than in the backup."""
        moved = self._db.execute(
            "SELECT 1 FROM id_mappings WHERE source_instance = ? AND destination_instance = ?"
            " AND content_type IN ('board', 'dashboard', 'folder', 'look') AND source_id <> destination_id LIMIT 1",
            (scope.source_instance, scope.destination_instance),
        ).get
        return moved is not None

    def history(self, scope: Scope, content_type: ContentType, source_id: str) -> History:
        """What earlier attempts left behind about an item."""
        return History(
            uncertain_since=self.create_sent_at(scope, content_type, source_id),
            accepted=self.accepted(scope, content_type.label, source_id),
            undeletes=self.undeletes(scope, content_type, source_id),
        )

    def sessions(self) -> list[SessionRow]:
        """All sessions, the newest first."""
        rows = self._db.execute(f"{SESSION} ORDER BY started_at DESC, rowid DESC").fetchall()
        return [session_row(row) for row in rows]

    def session(self, session_id: str) -> SessionRow | None:
        """One session."""
        rows = self._db.execute(f"{SESSION} WHERE id = ?", (session_id,)).fetchall()
        return session_row(rows[0]) if rows else None

    def mapped(self, source: str, destination: str) -> int:
        """How many items of a source have their object on the destination; parts of items are not counted."""
        counted = (
            self._db.execute(
                "SELECT count(*) FROM id_mappings WHERE source_instance = ? AND destination_instance = ?"
                " AND content_type = ?",
                (source, destination, content_type.label),
            ).get
            for content_type in ContentType
        )
        return sum(map(int, counted))

    def mapped_ids(self, source: str, destination: str, kind: str) -> Iterator[tuple[str, str]]:
        """Every (source id, destination id) of a kind, by source id; nothing stays open between two of them."""
        after = ""
        while True:
            rows: list[Any] = self._db.execute(
                "SELECT source_id, destination_id FROM id_mappings WHERE source_instance = ?"
                " AND destination_instance = ? AND content_type = ? AND source_id > ? ORDER BY source_id LIMIT 500",
                (source, destination, kind, after),
            ).fetchall()
            if not rows:
                return
            after = str(rows[-1][0])
            yield from ((str(source_id), str(here)) for source_id, here in rows)

    def source_samples(self, destination: str) -> dict[str, list[list[str]]]:
        """What the newest session of each source that restored to this destination remembers of it."""
        rows: list[Any] = self._db.execute(
            "SELECT id, source_instance, destination_instance FROM restoration_sessions"
            " WHERE json_extract(metadata, '$.source_sample') IS NOT NULL ORDER BY started_at"
        ).fetchall()
        newest = {str(source): str(session_id) for session_id, source, there in rows if there == destination}
        sessions = ((source, self.session(session_id)) for source, session_id in newest.items())
        return {source: one.metadata["source_sample"] for source, one in sessions if one is not None}

    def declared_sources(self, destination: str) -> frozenset[str]:
        """The sources of which somebody said what they are called, rather than the backup itself or nobody."""
        rows = self._db.execute(
            "SELECT source_instance, destination_instance FROM restoration_sessions"
            " WHERE json_extract(metadata, '$.identity.declared') ORDER BY started_at"
        )
        return frozenset(str(source) for source, there in rows if there == destination)

    def newest_session(self) -> SessionRow | None:
        """The session that was begun last."""
        rows = self._db.execute(f"{SESSION} ORDER BY started_at DESC, rowid DESC LIMIT 1").fetchall()
        return session_row(rows[0]) if rows else None

    def counts(self, session_id: str) -> dict[ContentType, Counts]:
        """What the ended items of a session come to, by type: the last checkpoints, and what came after them."""
        with self._one_moment() as db:
            return counts_of(db, session_id)

    def journal(self, session: SessionRow, wanted: JournalFilter) -> Iterator[JournalItem]:
        """How the items of a session have ended, by type and id."""
        return journal(self._db, session.id, session.destination_instance, wanted)

    def checkpoints(self, session_id: str) -> list[RestorationCheckpoint]:
        """The checkpoints of a session, by type."""
        return checkpoints_of(self._db, session_id)

    def last_activity(self, session_id: str) -> str | None:
        """When an item of a session was stored last, or a checkpoint."""
        return last_activity(self._db, session_id)

    @contextmanager
    def _one_moment(self) -> Generator[apsw.Connection]:
        """Let several statements see the same state, whatever the writer does meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield self._db
        finally:
            self._db.execute("COMMIT")

    @property
    def dead_letters(self) -> DeadLetterQueue:
        """The dead letters, for reading."""
        return DeadLetterQueue(self._db)
