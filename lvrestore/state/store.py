"""The state file: one writer, many readers. Everything a batch says is one transaction."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, cast
from uuid import uuid4

import apsw
import msgspec
import orjson

from lvrestore.content.references import History, MappedId
from lvrestore.crashpoints import reached
from lvrestore.errors import StateError, ValidationError
from lvrestore.model import (
    BeforeImage,
    Calls,
    ContentType,
    CreateSent,
    Json,
    MappingNote,
    Operation,
    RestorationResult,
)

SCHEMA_VERSION = 2
# What brings a file of the version before up to this one.
MIGRATIONS = {2: "ALTER TABLE restored_items ADD COLUMN waits INTEGER NOT NULL DEFAULT 0"}
READABLE_BY_OWNER_ONLY = 0o600
# FULL: an item that was said to be done must be so after a power cut. A commit costs about 1 ms, and commits
# are made in groups.
PRAGMAS = ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY")
# After these failures the server may still carry out the create: the claim stays, so the next run looks first.
STILL_UNCERTAIN = frozenset({"unknown_outcome", "transient", "internal"})


Storable = MappingNote | BeforeImage | CreateSent | RestorationResult


class Scope(msgspec.Struct, frozen=True):
    """Whose rows a run writes: the session and its generation, and both instances."""

    session_id: str
    generation: int
    source_instance: str
    destination_instance: str


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


class DeadLetterItem(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, without its blob."""

    id: int
    session_id: str
    content_type: str
    content_id: str
    name: str
    error_kind: str
    message: str
    field: str | None
    http_status: int | None
    request: str | None
    response: str | None
    trace: str | None
    attempts: int
    blocker: str | None
    failed_at: str
    blob: bytes | None = None


def now_text() -> str:
    """The current time as the state file writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class StateStore:
    """The writing side. Open it in one process only, the one that holds the lock or was started by it."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, READABLE_BY_OWNER_ONLY))
        except OSError as error:
            hint = "give --state PATH in a folder of yours"
            raise ValidationError(f"cannot use the state file {path}: {error.strerror}", hint=hint) from error
        self.path = path
        self._db = _connect(path, apsw.SQLITE_OPEN_READWRITE)
        self._prepare()

    def _prepare(self) -> None:
        try:
            self._refuse_foreign()
            for pragma in PRAGMAS:
                self._db.pragma(*pragma.split("="))
            _refuse_newer(self._db, self.path)
            with self._db:
                self._migrate()
                self._db.execute(_schema())
                self._db.execute(
                    "INSERT OR IGNORE INTO schema_version VALUES (?, ?)", (SCHEMA_VERSION, now_text())
                )
        except apsw.NotADBError as error:
            raise _not_a_state_file(self.path) from error
        except apsw.Error as error:
            raise StateError(str(self.path), str(error)) from error

    def _migrate(self) -> None:
        """Bring a file of an older version up to date."""
        version = _version(self._db)
        for step in range(version + 1, SCHEMA_VERSION + 1) if version else ():
            self._db.execute(MIGRATIONS[step])

    def _refuse_foreign(self) -> None:
        """Refuse a database of somebody else, like a vault, before anything is written into it."""
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "before_images" not in tables:
            raise _not_a_state_file(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        # Closing alone folds it in only where nobody else, not even an idle reader, has the file open.
        with suppress(apsw.Error):  # on a full disk it stays where it is, and nothing is lost
            self._db.pragma("wal_checkpoint(TRUNCATE)")
        self._db.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            with self._db:
                yield
        except apsw.Error as error:
            raise StateError(str(self.path), str(error)) from error

    # -- sessions

    def begin_session(
        self, source: str, destination: str, config: Mapping[str, Json], metadata: Mapping[str, Json]
    ) -> Scope:
        """Open a new session."""
        session_id, generation = str(uuid4()), self._next_generation()
        with self._transaction():
            self._close_abandoned()
            self._db.execute(
                "INSERT INTO restoration_sessions (id, started_at, status, generation, source_instance,"
                " destination_instance, config, metadata) VALUES (?, ?, 'running', ?, ?, ?, ?, ?)",
                (session_id, now_text(), generation, source, destination, _json(config), _json(metadata)),
            )
        return Scope(session_id, generation, source, destination)

    def continue_session(self, session: SessionRow) -> Scope:
        """Go on with an unfinished session."""
        generation = self._next_generation()
        with self._transaction():
            self._close_abandoned()
            self._db.execute(
                "UPDATE restoration_sessions SET status = 'running', generation = ?, completed_at = NULL WHERE id = ?",
                (generation, session.id),
            )
        return Scope(session.id, generation, session.source_instance or "", session.destination_instance)

    def _next_generation(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(generation), 0) + 1 FROM restoration_sessions").get)

    def _close_abandoned(self) -> None:
        """The lock is ours, so a session that says it is running was cut off."""
        self._db.execute("UPDATE restoration_sessions SET status = 'interrupted' WHERE status = 'running'")

    def finish_session(
        self, scope: Scope, status: str, summary: Mapping[str, Json], own_calls: Calls
    ) -> None:
        """Write down how the session ended: the summary that was shown, and the calls of no item."""
        counts = summary["summary"]
        earlier = self._db.execute(
            "SELECT json_extract(metadata, '$.own_calls') FROM restoration_sessions WHERE id = ?",
            (scope.session_id,),
        ).get
        calls = Calls(**orjson.loads(earlier)) if earlier else Calls()
        calls.add(own_calls)
        with self._transaction():
            self._db.execute(
                "UPDATE restoration_sessions SET status = ?, completed_at = ?, total_items = ?, success_count = ?,"
                " error_count = ?, metadata = json_set(metadata, '$.summary', json(?), '$.own_calls', json(?))"
                " WHERE id = ?",
                (
                    status,
                    now_text(),
                    counts["total_items"],
                    counts["success_count"],
                    counts["error_count"],
                    _json(summary),
                    _json(msgspec.to_builtins(calls)),
                    scope.session_id,
                ),
            )

    # -- items

    def claim(self, scope: Scope, items: Sequence[tuple[ContentType, str]]) -> None:
        """Say that these items are about to be begun; an older unfinished claim keeps its time."""
        at = now_text()
        with self._transaction():
            self._db.executemany(
                "INSERT INTO claims VALUES (?, ?, ?, ?, ?, NULL, 0)"
                " ON CONFLICT DO UPDATE SET generation = excluded.generation, failed = 0",
                [(scope.destination_instance, int(t), i, scope.generation, at) for t, i in items],
            )

    def unclaim(self, scope: Scope, items: Sequence[tuple[ContentType, str]]) -> None:
        """Say that these items were claimed in vain: nothing was sent for them."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM claims WHERE destination_instance = ? AND content_type = ? AND source_id = ?"
                " AND generation = ?",
                [(scope.destination_instance, int(t), i, scope.generation) for t, i in items],
            )

    def reopen(self, scope: Scope, error_kinds: Collection[str]) -> None:
        """Take back that items of this session failed in these ways: a resume tries them again."""
        with self._transaction():
            for kind in error_kinds:
                for table in ("restored_items", "dead_letter_queue"):
                    self._db.execute(
                        f"DELETE FROM {table} WHERE session_id = ? AND error_kind = ?",  # noqa: S608 - constants
                        (scope.session_id, kind),
                    )

    def uncertain(self, scope: Scope) -> frozenset[tuple[ContentType, str]]:
        """Items that an earlier run began and never finished."""
        rows = self._db.execute(
            "SELECT content_type, source_id FROM claims WHERE destination_instance = ? AND generation < ?",
            (scope.destination_instance, scope.generation),
        )
        return frozenset((ContentType(t), i) for t, i in rows)

    def cut_off(self, scope: Scope) -> frozenset[tuple[ContentType, str]]:
        """Those of the uncertain items whose run ended under them: their requests may still be under way."""
        rows = self._db.execute(
            "SELECT content_type, source_id FROM claims"
            " WHERE destination_instance = ? AND generation < ? AND NOT failed",
            (scope.destination_instance, scope.generation),
        )
        return frozenset((ContentType(t), i) for t, i in rows)

    def write(self, scope: Scope, batch: Sequence[Storable]) -> None:
        """Store a batch in one transaction: all of it is there afterwards, or nothing."""
        reached("before_commit")
        with self._transaction():
            for message in batch:
                match message:
                    case MappingNote():
                        self._map(scope, message)
                    case BeforeImage():
                        self._keep_before_image(scope, message)
                    case CreateSent():
                        self._note_create(scope, message)
                    case RestorationResult():
                        self._finish_item(scope, message)
            reached("in_commit")
        reached("after_commit")

    def _map(self, scope: Scope, note: MappingNote) -> None:
        self._db.execute(
            "INSERT INTO id_mappings VALUES (?, ?, ?, ?, ?, 'partial', ?, ?, NULL, NULL, ?)"
            " ON CONFLICT DO UPDATE SET destination_id = excluded.destination_id, state = 'partial',"
            " created_at = excluded.created_at, slug = excluded.slug, vault_fingerprint = NULL,"
            " live_fingerprint = NULL, session_id = excluded.session_id",
            (
                scope.source_instance,
                scope.destination_instance,
                note.kind,
                note.source_id,
                note.destination_id,
                note.created_at,
                note.slug,
                scope.session_id,
            ),
        )

    def _keep_before_image(self, scope: Scope, image: BeforeImage) -> None:
        self._db.execute(
            "INSERT INTO before_images VALUES (?, ?, ?, ?, ?)",
            (scope.session_id, image.kind, image.destination_id, zlib.compress(image.body), now_text()),
        )

    def _note_create(self, scope: Scope, sent: CreateSent) -> None:
        self._db.execute(
            "UPDATE claims SET create_sent_at = ?"
            " WHERE destination_instance = ? AND content_type = ? AND source_id = ?",
            (now_text(), scope.destination_instance, int(sent.content_type), sent.source_id),
        )

    def _finish_item(self, scope: Scope, result: RestorationResult) -> None:
        item = (scope.destination_instance, int(result.content_type), result.source_id)
        self._journal(scope, result)
        uncertain = result.error is not None and result.error.kind in STILL_UNCERTAIN
        this_claim = "destination_instance = ? AND content_type = ? AND source_id = ?"
        self._db.execute(f"UPDATE claims SET failed = 1 WHERE {this_claim}", item)  # noqa: S608 - a constant
        kept = " AND create_sent_at IS NULL" if uncertain else ""
        self._db.execute(f"DELETE FROM claims WHERE {this_claim}{kept}", item)  # noqa: S608 - constants
        earlier = self._db.execute(
            "SELECT coalesce(sum(attempts), 0) FROM dead_letter_queue"
            " WHERE destination_instance = ? AND content_type = ? AND content_id = ?",
            item,
        ).get
        self._db.execute(
            "DELETE FROM dead_letter_queue"
            " WHERE destination_instance = ? AND content_type = ? AND content_id = ?",
            item,
        )
        if result.operation is Operation.FAILED:
            self._bury(scope, result, result.attempts + earlier)
        elif result.destination_id is not None and result.operation is not Operation.CONFLICT:
            self._map_done(scope, result)

    def _journal(self, scope: Scope, result: RestorationResult) -> None:
        if result.earlier is not None:
            result = self._with_first_look(scope, result)
        self._db.execute(
            "INSERT OR REPLACE INTO restored_items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                scope.session_id,
                int(result.content_type),
                result.source_id,
                result.operation.value,
                result.destination_id,
                result.attempts,
                result.duration_ms,
                _json(msgspec.to_builtins(result.calls)),
                result.reason,
                _json(result.warnings),
                result.error.kind if result.error else None,
                now_text(),
                result.waits,
            ),
        )

    def _with_first_look(self, scope: Scope, result: RestorationResult) -> RestorationResult:
        """The result of both times that an item was looked at in this session."""
        rows: list[Any] = self._db.execute(
            "SELECT attempts, duration_ms, calls, warnings FROM restored_items"
            " WHERE session_id = ? AND content_type = ? AND source_id = ?",
            (scope.session_id, int(result.content_type), result.source_id),
        ).fetchall()
        if not rows:
            return result
        attempts, duration_ms, calls, warnings = rows[0]
        both = Calls(**orjson.loads(calls))
        both.add(result.calls)
        told = dict.fromkeys([*map(tuple, orjson.loads(warnings)), *result.warnings])
        return msgspec.structs.replace(
            result,
            attempts=attempts + result.attempts - 1,
            duration_ms=duration_ms + result.duration_ms,
            calls=both,
            warnings=tuple(told),
        )

    def _map_done(self, scope: Scope, result: RestorationResult) -> None:
        marks = (
            (result.vault_fingerprint, result.live_fingerprint) if result.live_fingerprint else (None, None)
        )
        self._db.execute(
            "INSERT INTO id_mappings VALUES (?, ?, ?, ?, ?, 'done', NULL, NULL, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET destination_id = excluded.destination_id, state = 'done',"
            " vault_fingerprint = coalesce(excluded.vault_fingerprint, vault_fingerprint),"
            " live_fingerprint = coalesce(excluded.live_fingerprint, live_fingerprint),"
            " session_id = excluded.session_id",
            (
                scope.source_instance,
                scope.destination_instance,
                result.content_type.label,
                result.source_id,
                result.destination_id,
                *marks,
                scope.session_id,
            ),
        )

    def _bury(self, scope: Scope, result: RestorationResult, attempts: int) -> None:
        error = result.error
        if error is None:
            return
        self._db.execute(
            "INSERT INTO dead_letter_queue (session_id, destination_instance, content_type, content_id, name,"
            " content_data, error_kind, error_message, field, http_status, request, response, stack_trace,"
            " attempts, blocker, failed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                scope.session_id,
                scope.destination_instance,
                int(result.content_type),
                result.source_id,
                result.name,
                result.blob,
                error.kind,
                error.message,
                error.field,
                error.http_status,
                error.request,
                error.response,
                error.trace,
                attempts,
                _json(error.blockers) if error.blockers else None,
                now_text(),
            ),
        )


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
        if not self.path.exists():  # a rehearsal before the first run: nothing is known, nothing is made
            empty = apsw.Connection(":memory:")
            empty.execute(_schema())
            return empty
        db = _connect(self.path, apsw.SQLITE_OPEN_READONLY)
        try:
            _refuse_newer(db, self.path)
        except apsw.NotADBError as error:
            raise _not_a_state_file(self.path) from error
        return db

    def mapping(self, scope: Scope, kind: str, source_id: str) -> MappedId | None:
        """The committed mapping of a source id."""
        rows = self._db.execute(
            "SELECT destination_id, created_at FROM id_mappings WHERE source_instance = ?"
            " AND destination_instance = ? AND content_type = ? AND source_id = ?",
            (scope.source_instance, scope.destination_instance, kind, source_id),
        ).fetchall()
        return MappedId(str(rows[0][0]), cast("str | None", rows[0][1])) if rows else None

    def mapped_from(self, scope: Scope, kind: str, destination_id: str) -> str | None:
        """A source id whose committed mapping names that destination id."""
        found = self._db.execute(
            "SELECT source_id FROM id_mappings WHERE source_instance = ?"
            " AND destination_instance = ? AND content_type = ? AND destination_id = ? LIMIT 1",
            (scope.source_instance, scope.destination_instance, kind, destination_id),
        ).get
        return str(found) if found is not None else None

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

    def status(self, scope: Scope, content_type: ContentType, source_id: str) -> Operation | None:
        """How an item of this session has ended; None when it has not."""
        found = self._db.execute(
            "SELECT status FROM restored_items WHERE session_id = ? AND content_type = ? AND source_id = ?",
            (scope.session_id, int(content_type), source_id),
        ).get
        return Operation(found) if found else None

    def waiting(self, scope: Scope, content_type: ContentType) -> Iterator[tuple[str, Operation]]:
        """Items of this session that are to be looked at again, by id; nothing stays open between two of them."""
        after = ""
        while True:
            rows: list[Any] = self._db.execute(
                "SELECT source_id, status FROM restored_items WHERE session_id = ? AND content_type = ?"
                " AND waits AND source_id > ? ORDER BY source_id LIMIT 500",
                (scope.session_id, int(content_type), after),
            ).fetchall()
            if not rows:
                return
            after = str(rows[-1][0])
            yield from ((str(source_id), Operation(status)) for source_id, status in rows)

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
        )

    def sessions(self) -> list[SessionRow]:
        """All sessions, the newest first."""
        rows = self._db.execute(
            "SELECT id, started_at, completed_at, status, generation, source_instance, destination_instance,"
            " config, metadata FROM restoration_sessions ORDER BY started_at DESC, rowid DESC"
        ).fetchall()
        return [_session_row(row) for row in rows]

    def results(self, session_id: str) -> Iterator[tuple[ContentType, str, str, str | None, str, str, str]]:
        """Per item of a session: type, status, calls, error kind, warnings, reason, source id."""
        rows = self._db.execute(
            "SELECT content_type, status, calls, error_kind, warnings, reason, source_id FROM restored_items"
            " WHERE session_id = ?",
            (session_id,),
        )
        for row in rows:
            yield ContentType(row[0]), *row[1:]

    def dead_letters(
        self,
        *,
        session_id: str | None = None,
        content_type: ContentType | None = None,
        kind: str | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[DeadLetterItem]:
        """Dead letters that fit every filter given, the oldest first."""
        filters = {
            "session_id = ?": session_id,
            "content_type = ?": None if content_type is None else int(content_type),
            "error_kind = ?": kind,
        }
        given = {clause: value for clause, value in filters.items() if value is not None}
        where = " AND ".join(given) or "1"
        rows = self._db.execute(
            f"SELECT {_DEAD_LETTER} FROM dead_letter_queue WHERE {where} ORDER BY id LIMIT ? OFFSET ?",  # noqa: S608
            (*given.values(), limit, offset),
        ).fetchall()
        return [_dead_letter(row) for row in rows]

    def dead_letter(self, letter_id: int) -> DeadLetterItem | None:
        """One dead letter with its blob."""
        rows = self._db.execute(
            f"SELECT {_DEAD_LETTER}, content_data FROM dead_letter_queue WHERE id = ?",  # noqa: S608
            (letter_id,),
        ).fetchall()
        return _dead_letter(rows[0]) if rows else None


_DEAD_LETTER = (
    "id, session_id, content_type, content_id, name, error_kind, error_message, field, http_status, request,"
    " response, stack_trace, attempts, blocker, failed_at"
)


def _session_row(row: Sequence[Json]) -> SessionRow:
    names = SessionRow.__struct_fields__
    values = dict(zip(names, row, strict=True))
    values |= {name: orjson.loads(values[name]) for name in ("config", "metadata")}
    return SessionRow(**values)


def _dead_letter(row: Sequence[Json]) -> DeadLetterItem:
    names = DeadLetterItem.__struct_fields__
    values = dict(zip(names, row, strict=False))
    values["content_type"] = ContentType(values["content_type"]).label
    return DeadLetterItem(**values)


def _schema() -> str:
    return files("lvrestore.state").joinpath("schema.sql").read_text()


def _connect(path: Path, flags: int) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=flags)
    db.set_busy_timeout(10_000)
    return db


def _version(db: apsw.Connection) -> int:
    """The version of a state file, 0 of an empty one."""
    if not db.table_exists("main", "schema_version"):
        return 0
    return int(db.execute("SELECT coalesce(max(version), 0) FROM schema_version").get)


def _not_a_state_file(path: Path) -> ValidationError:
    return ValidationError(f"{path} is not a state file", hint="give another --state PATH")


def _refuse_newer(db: apsw.Connection, path: Path) -> None:
    version = _version(db)
    if version > SCHEMA_VERSION:
        raise ValidationError(
            f"{path} was written by a newer lvrestore (state version {version}, this one knows {SCHEMA_VERSION})",
            hint="upgrade lvrestore",
        )


def _json(value: Json) -> str:
    return orjson.dumps(value).decode()
