"""The state file: one writer, many readers. Everything a batch says is one transaction."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import apsw
import msgspec
import orjson

from lvrestore.content.knowledge import CLOCK_SKEW
from lvrestore.crashpoints import reached
from lvrestore.errors import StateError, StateLostError
from lvrestore.model import (
    BeforeImage,
    Calls,
    ContentType,
    CreateSent,
    ItemError,
    Json,
    MappingNote,
    Operation,
    OwnWrite,
    QueryCounts,
    RestorationResult,
    SwitchedOff,
    UndeleteSent,
)
from lvrestore.settings import DEFAULT_CHECKPOINT_INTERVAL
from lvrestore.state.checkpoints import (
    JOURNALED,
    Checkpoints,
    last_activity,
)
from lvrestore.state.database import Place, open_for_writing
from lvrestore.state.dead_letters import DeadLetterQueue, shortened
from lvrestore.state.mappings import Group, IDMapping, Mappings, state_of, take_over
from lvrestore.state.sessions import SESSION, Scope, SessionRow, now_text, session_row

# After these failures the server may still carry out the create: the claim stays, so the next run looks first.
STILL_UNCERTAIN = frozenset({"unknown_outcome", "transient", "internal"})
# What is only confirmed keeps the rule by which it was found, and the time; but what was found by its name may be
# adopted later.
_FOUND = (
    "rule = iif(destination_id = excluded.destination_id AND rule <> ''"
    " AND (rule, excluded.rule) <> ('name', 'adopted'), rule, excluded.rule), mapped_at ="
    " iif(destination_id = excluded.destination_id, coalesce(mapped_at, excluded.mapped_at), excluded.mapped_at)"
)


Storable = MappingNote | BeforeImage | CreateSent | UndeleteSent | SwitchedOff | RestorationResult


class StateStore:
    """The writing side. Open it in one process only, the one that holds the lock or was started by it."""

    def __init__(
        self, path: Path, checkpoint_interval: int = DEFAULT_CHECKPOINT_INTERVAL, *, create: bool = True
    ) -> None:
        """A checkpoint of a type is stored with every `checkpoint_interval` of its items.

        Without `create` a file that is not there raises `StateLostError`.
        """
        self.path = path
        self._db = open_for_writing(path, create=create)
        self._place = Place(path)
        self._interval = checkpoint_interval
        self._checkpoints: dict[str, Checkpoints] = {}
        self.dead_letters = DeadLetterQueue(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        # Closing alone folds it in only where nobody else, not even an idle reader, has the file open.
        with suppress(apsw.Error):  # on a full disk it stays where it is, and nothing is lost
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._db.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        if not self._place.is_ours():
            # What is written to a file without a name is gone with the run.
            raise StateLostError(str(self.path))
        try:
            with self._db:
                yield
        except apsw.Error as error:
            self._checkpoints.clear()  # they count what was not stored
            raise StateError(str(self.path), str(error)) from error

    def _checkpoints_of(self, session_id: str) -> Checkpoints:
        if session_id not in self._checkpoints:
            self._checkpoints[session_id] = Checkpoints(self._db, session_id, self._interval)
        return self._checkpoints[session_id]

    # -- sessions

    def begin_session(
        self,
        source: str,
        destination: str,
        config: Mapping[str, Json],
        metadata: Mapping[str, Json],
        *,
        session_id: str | None = None,
        letters: Collection[int] = (),
    ) -> Scope:
        """Open a new session, under the caller's id if there is one; it is to try these dead letters again."""
        session_id, generation = session_id or str(uuid4()), self._next_generation()
        at = now_text()
        with self._transaction():
            self._close_abandoned()
            self._db.execute(
                "INSERT INTO restoration_sessions (id, started_at, status, generation, source_instance,"
                " destination_instance, config, metadata) VALUES (?, ?, 'running', ?, ?, ?, ?, ?)",
                (
                    session_id,
                    at,
                    generation,
                    source,
                    destination,
                    _json(config),
                    _json({**metadata, "run_began_at": at}),
                ),
            )
            self.dead_letters.hand_to(session_id, letters)
        return Scope(session_id, generation, source, destination)

    def continue_session(self, session: SessionRow) -> Scope:
        """Go on with an unfinished session."""
        generation = self._next_generation()
        with self._transaction():
            self._close_abandoned()
            self._db.execute(
                "UPDATE restoration_sessions SET status = 'running', generation = ?, completed_at = NULL,"
                " metadata = json_set(metadata, '$.run_began_at', ?) WHERE id = ?",
                (generation, now_text(), session.id),
            )
        return Scope(session.id, generation, session.source_instance or "", session.destination_instance)

    def _next_generation(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(generation), 0) + 1 FROM restoration_sessions").get)

    def _close_abandoned(self) -> None:
        """The lock is ours, so a session that says it is running was cut off, after what it stored last."""
        abandoned = f"{SESSION} WHERE status = 'running'"
        for session in map(session_row, self._db.execute(abandoned).fetchall()):
            until = last_activity(self._db, session.id)
            self._db.execute(
                "UPDATE restoration_sessions SET status = 'interrupted', metadata = json_set(metadata, '$.ran_s', ?)"
                " WHERE id = ?",
                (session.ran_s(until), session.id),
            )

    def finish_session(
        self,
        scope: Scope,
        status: str,
        summary: Mapping[str, Json],
        own_calls: Calls,
        exit_code: int,
        queries: QueryCounts | None = None,
    ) -> None:
        """Write down how the session ended: the summary that was shown, the calls of no item, and queries."""
        counts, at = summary["summary"], now_text()
        rows = self._db.execute(f"{SESSION} WHERE id = ?", (scope.session_id,)).fetchall()
        if not rows:  # somebody put another file in its place
            raise StateLostError(str(self.path))
        session = session_row(rows[0])
        calls = Calls(**session.metadata.get("own_calls", {}))
        calls.add(own_calls)
        earlier = QueryCounts(**session.metadata.get("queries", {}))
        ended = {
            "summary": summary,
            "own_calls": msgspec.to_builtins(calls),
            "queries": msgspec.to_builtins(earlier.plus(queries or QueryCounts())),
            "ran_s": session.ran_s(at),
            "exit_code": int(exit_code),
        }
        with self._transaction():
            self._checkpoints_of(scope.session_id).write_all()
            self._db.execute(
                "UPDATE restoration_sessions SET status = ?, completed_at = ?, total_items = ?, success_count = ?,"
                " error_count = ?, metadata = ? WHERE id = ?",
                (
                    status,
                    at if status == "completed" else None,
                    counts["total_items"],
                    counts["success_count"],
                    counts["error_count"],
                    _json(session.metadata | ended),
                    scope.session_id,
                ),
            )

    def put_mappings(self, rows: Iterable[IDMapping]) -> None:
        """Store mappings that somebody says, all or none."""
        with self._transaction():
            Mappings(self._db).put(rows)

    def take_over(self, scope: Scope) -> None:
        """Let what earlier runs mapped under other names of the scope's source be of that source."""
        if scope.other_names:
            with self._transaction():
                take_over(self._db, scope.other_names, scope.source_instance, scope.destination_instance)

    def clear_mappings(self, groups: Mapping[Group, Collection[str] | None]) -> None:
        """Forget mappings: of each group these source ids, or all where there is None."""
        with self._transaction():
            for group, source_ids in groups.items():
                Mappings(self._db).clear(group, source_ids)

    def clear_dead_letters(self, ids: Collection[int]) -> None:
        """Forget dead letters."""
        with self._transaction():
            self.dead_letters.clear(ids)

    # -- items

    def claim(self, scope: Scope, items: Sequence[tuple[ContentType, str]]) -> None:
        """Say that these items are about to be begun; an older unfinished claim keeps its time."""
        at = now_text()
        with self._transaction():
            self._db.executemany(
                "INSERT INTO claims (destination_instance, content_type, source_id, generation, claimed_at)"
                " VALUES (?, ?, ?, ?, ?)"
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
        checkpoints, failed_so = self._checkpoints_of(scope.session_id), "session_id = ? AND error_kind = ?"
        with self._transaction():
            for kind in error_kinds:
                self.dead_letters.take_back(scope.session_id, kind)
                rows: list[Any] = self._db.execute(
                    f"SELECT content_type, source_id, {JOURNALED} FROM restored_items WHERE {failed_so}",  # noqa: S608 - constants
                    (scope.session_id, kind),
                ).fetchall()
                for content_type, source_id, *row in rows:
                    checkpoints.count(content_type, source_id, new=None, old=row)
                self._db.execute(
                    f"DELETE FROM restored_items WHERE {failed_so}",  # noqa: S608 - constants
                    (scope.session_id, kind),
                )
            checkpoints.write_due()

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
                    case UndeleteSent():
                        self._note_undelete(scope, message)
                    case SwitchedOff():
                        self._note_switched_off(scope, message)
                    case RestorationResult():
                        self._finish_item(scope, message)
            self._checkpoints_of(scope.session_id).write_due()
            reached("in_commit")
        reached("after_commit")

    def _map(self, scope: Scope, note: MappingNote) -> None:
        self._db.execute(
            "INSERT INTO id_mappings VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?)"  # noqa: S608 - a constant
            f" ON CONFLICT DO UPDATE SET {_FOUND}, destination_id = excluded.destination_id, state = excluded.state,"
            " created_at = excluded.created_at, slug = excluded.slug, vault_fingerprint = NULL,"
            " live_fingerprint = NULL, session_id = excluded.session_id",
            (
                scope.source_instance,
                scope.destination_instance,
                note.kind,
                note.source_id,
                note.destination_id,
                state_of(note).value,
                note.created_at,
                note.slug,
                scope.session_id,
                note.rule.value,
                now_text(),
            ),
        )

    def _keep_before_image(self, scope: Scope, image: BeforeImage) -> None:
        self._db.execute(
            "INSERT INTO before_images VALUES (?, ?, ?, ?, ?)",
            (scope.session_id, image.kind, image.destination_id, zlib.compress(image.body, 1), now_text()),
        )

    def _note_create(self, scope: Scope, sent: CreateSent) -> None:
        self._db.execute(
            "UPDATE claims SET create_sent_at = ?"
            " WHERE destination_instance = ? AND content_type = ? AND source_id = ?",
            (now_text(), scope.destination_instance, int(sent.content_type), sent.source_id),
        )

    def _note_undelete(self, scope: Scope, sent: UndeleteSent) -> None:
        self._db.execute(
            "UPDATE claims SET undeletes = ?"
            " WHERE destination_instance = ? AND content_type = ? AND source_id = ?",
            (sent.destination_id, scope.destination_instance, int(sent.content_type), sent.source_id),
        )

    def _note_switched_off(self, scope: Scope, one: SwitchedOff) -> None:
        """Keep how it was the first time: a run that was cut off may have switched it off already."""
        self._db.execute(
            "INSERT OR IGNORE INTO switched_off VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                scope.session_id,
                one.kind,
                one.destination_id,
                one.name,
                one.owner,
                zlib.compress(one.body, 1),
                one.content_kind,
                one.content_id,
                now_text(),
            ),
        )
        # Stored with it: a run that is killed right after the call has not edited the schedule.
        until = (datetime.now(UTC) + CLOCK_SKEW).isoformat(timespec="milliseconds")
        self._note_own_write(scope, OwnWrite(one.kind, one.destination_id, until))

    def _finish_item(self, scope: Scope, result: RestorationResult) -> None:
        item = (scope.destination_instance, int(result.content_type), result.source_id)
        self._journal(scope, result)
        uncertain = result.error is not None and result.error.kind in STILL_UNCERTAIN
        this_claim = "destination_instance = ? AND content_type = ? AND source_id = ?"
        self._db.execute(f"UPDATE claims SET failed = 1 WHERE {this_claim}", item)  # noqa: S608 - a constant
        kept = " AND create_sent_at IS NULL" if uncertain else ""
        if result.operation is Operation.FAILED:  # what sends on it may still have to be switched off
            kept += " AND undeletes IS NULL"
        self._db.execute(f"DELETE FROM claims WHERE {this_claim}{kept}", item)  # noqa: S608 - constants
        self.dead_letters.settle(scope.session_id, scope.destination_instance, result)
        if result.own_write is not None:
            self._note_own_write(scope, result.own_write)
        mapped = result.operation not in {Operation.FAILED, Operation.CONFLICT}
        if mapped and result.destination_id is not None:
            self._map_done(scope, result)

    def _note_own_write(self, scope: Scope, own: OwnWrite) -> None:
        self._db.execute(
            "INSERT INTO own_writes VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
            (scope.destination_instance, own.kind, own.destination_id, own.until),
        )

    def _journal(self, scope: Scope, result: RestorationResult) -> None:
        if result.earlier is not None:
            result = self._with_first_look(scope, result)
        item = (scope.session_id, int(result.content_type), result.source_id)
        row = (
            result.operation.value,
            _json(msgspec.to_builtins(result.calls)),
            result.error.kind if result.error else None,
            _json(result.warnings),
            result.reason,
        )
        before: list[Any] = self._db.execute(
            f"SELECT {JOURNALED} FROM restored_items"  # noqa: S608 - a constant
            " WHERE session_id = ? AND content_type = ? AND source_id = ?",
            item,
        ).fetchall()
        self._checkpoints_of(scope.session_id).count(
            item[1], item[2], new=row, old=before[0] if before else None
        )
        self._db.execute(
            f"INSERT OR REPLACE INTO restored_items (session_id, content_type, source_id, {JOURNALED},"  # noqa: S608
            " destination_id, attempts, duration_ms, finished_at, waits, name, error, done)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *item,
                *row,
                result.destination_id,
                result.attempts,
                result.duration_ms,
                now_text(),
                int(result.waits),
                shortened("name", result.name),
                _json_of_error(result.error),
                result.done,
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
            "INSERT INTO id_mappings VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, '', ?)"  # noqa: S608 - a constant
            f" ON CONFLICT DO UPDATE SET {_FOUND}, destination_id = excluded.destination_id, state = excluded.state,"
            " vault_fingerprint = coalesce(excluded.vault_fingerprint, vault_fingerprint),"
            " live_fingerprint = coalesce(excluded.live_fingerprint, live_fingerprint),"
            " session_id = excluded.session_id",
            (
                scope.source_instance,
                scope.destination_instance,
                result.content_type.label,
                result.source_id,
                result.destination_id,
                "lacking" if result.operation is Operation.PARTIAL else "done",
                *marks,
                scope.session_id,
                now_text(),
            ),
        )


def _json(value: Json) -> str:
    return orjson.dumps(value).decode()


def _json_of_error(error: ItemError | None) -> str | None:
    """What the journal keeps of an error, beside its kind: the dead letter goes when the item succeeds."""
    if error is None:
        return None
    return _json([shortened("message", error.message), error.http_status, error.field])
