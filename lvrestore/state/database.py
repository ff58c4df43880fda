"""Open a state file, for writing or for reading; files of older versions are brought up to date, or read as if."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path

import apsw

from lvrestore.errors import StateError, StateLostError, ValidationError

SCHEMA_VERSION = 5
READABLE_BY_OWNER_ONLY = 0o600
# FULL: an item that was said to be done must be so after a power cut. A commit costs about 1 ms, and commits
# are made in groups.
PRAGMAS = ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY")
BUSY_TIMEOUT_MS = 10_000
# KiB, as SQLite counts them. Every thread of a run reads with a connection of its own, from what the system caches.
READER_CACHE = -100
# What tables of earlier versions lack. New tables and indexes need no step of their own: the schema makes them.
ADDED_COLUMNS = (
    ("claims", "failed", "INTEGER NOT NULL DEFAULT 0", "0"),
    ("claims", "create_sent_at", "TEXT", "NULL"),
    ("claims", "undeletes", "TEXT", "NULL"),
    ("restored_items", "waits", "INTEGER NOT NULL DEFAULT 0", "0"),
    ("restored_items", "counted", "INTEGER NOT NULL DEFAULT 0", "0"),
    ("restored_items", "name", "TEXT NOT NULL DEFAULT ''", "''"),
    ("restored_items", "error", "TEXT", "NULL"),
    ("restored_items", "done", "TEXT", "NULL"),
    ("dead_letter_queue", "retried_in", "TEXT", "NULL"),
    ("id_mappings", "rule", "TEXT NOT NULL DEFAULT ''", "''"),
    ("id_mappings", "mapped_at", "TEXT", "NULL"),
)
# What earlier versions wrote is in their journals: else it would look like somebody's edit after the backup.
OWN_WRITES_OF_JOURNAL = """INSERT OR IGNORE INTO own_writes
    SELECT session.destination_instance,
        CASE item.content_type WHEN 1 THEN 'dashboard' WHEN 2 THEN 'look' WHEN 6 THEN 'board'
            ELSE 'scheduled_plan' END,
        item.destination_id, max(item.finished_at)
    FROM restored_items AS item JOIN restoration_sessions AS session ON session.id = item.session_id
    WHERE item.content_type IN (1, 2, 6, 12) AND item.destination_id IS NOT NULL
        AND item.status IN ('created', 'updated', 'undeleted')
    GROUP BY 1, 2, 3"""
# What an older version calls otherwise.
RENAMED_STATES = (
    "UPDATE id_mappings SET state = iif(rule = 'personal_folder', 'done', 'begun') WHERE state = 'partial'"
)
_ELSEWHERE = "give --state PATH in a folder of yours"


def open_for_writing(path: Path, *, create: bool = True) -> apsw.Connection:
    """Open or make a state file, and bring it up to date. Raises `ValidationError` where it cannot be used."""
    if not create and not path.exists():
        raise StateLostError(str(path))
    _refuse_device(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, READABLE_BY_OWNER_ONLY))
        db = _connect(path, apsw.SQLITE_OPEN_READWRITE)
    except (OSError, apsw.CantOpenError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValidationError(f"cannot use the state file {path}: {reason}", _ELSEWHERE) from error
    try:
        _prepare(db, path)
    except apsw.NotADBError as error:
        raise _not_a_state_file(path) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
        reason = f"the folder of the state file {path} cannot be written: {error}"
        raise ValidationError(reason, _ELSEWHERE) from error
    except apsw.Error as error:
        raise StateError(str(path), str(error)) from error
    return db


def open_for_reading(path: Path) -> apsw.Connection:
    """Open a state file of this or an older version as it is; nothing is written, an older run may be at work."""
    if not path.exists():  # a rehearsal before the first run: nothing is known, nothing is made
        empty = apsw.Connection(":memory:")
        empty.execute(schema())
        return empty
    _refuse_device(path)
    db = _connect(path, apsw.SQLITE_OPEN_READONLY)
    try:
        db.pragma("cache_size", READER_CACHE)
        _refuse_foreign(db, path)
        _refuse_newer(db, path)
    except apsw.NotADBError as error:
        raise _not_a_state_file(path) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        db = _open_immutable(path)
        _refuse_newer(db, path)
    if _version(db) < SCHEMA_VERSION:
        _complete_view(db)
    return db


def schema() -> str:
    """The statements that make what is missing of the newest schema."""
    return files("lvrestore.state").joinpath("schema.sql").read_text()


def _connect(path: Path, flags: int) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=flags)
    db.set_busy_timeout(BUSY_TIMEOUT_MS)
    return db


def _open_immutable(path: Path) -> apsw.Connection:
    """Open a file at rest in a folder that cannot be written: SQLite refuses to read it there otherwise."""
    try:
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise ValidationError(
                f"cannot read {path}: its folder cannot be written", "read a copy of both files"
            )
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return apsw.Connection(f"{path.absolute().as_uri()}?mode=ro&immutable=1", flags=flags)
    except apsw.Error as error:
        raise ValidationError(f"cannot read the state file {path}: {error}") from error


def _prepare(db: apsw.Connection, path: Path) -> None:
    _refuse_foreign(db, path)
    for pragma in PRAGMAS:
        db.pragma(*pragma.split("="))
    _refuse_newer(db, path)
    if _version(db) == SCHEMA_VERSION:
        return
    with db:
        for table, column, definition, _ in list(_missing_columns(db)):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
        db.execute(schema())
        db.execute(OWN_WRITES_OF_JOURNAL)
        db.execute(RENAMED_STATES)
        db.execute(
            "INSERT OR IGNORE INTO schema_version VALUES (?, strftime('%Y-%m-%dT%H:%M:%f+00:00'))",
            (SCHEMA_VERSION,),
        )


def _missing_columns(db: apsw.Connection) -> Iterator[tuple[str, str, str, str]]:
    for table, column, definition, default in ADDED_COLUMNS:
        columns = {name for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})")}
        if columns and column not in columns:
            yield table, column, definition, default


def _complete_view(db: apsw.Connection) -> None:
    """Let an older file look like one of this version, for this connection alone.

    Temporary views go before the tables whose names they bear.
    """
    missing: dict[str, list[str]] = {}
    for table, column, _, default in _missing_columns(db):
        missing.setdefault(table, []).append(f"{default} AS {column}")
    for table, columns in missing.items():
        db.execute(f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(columns)} FROM main.{table}")  # noqa: S608
    with closing(apsw.Connection(":memory:")) as newest:
        newest.execute(schema())
        tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        for name, sql in newest.execute(tables).fetchall():
            if not db.table_exists("main", str(name)):
                db.execute(str(sql).replace("CREATE TABLE", "CREATE TEMP TABLE", 1))


def _version(db: apsw.Connection) -> int:
    """The version of a state file, 0 of an empty one."""
    if not db.table_exists("main", "schema_version"):
        return 0
    return int(db.execute("SELECT coalesce(max(version), 0) FROM schema_version").get)


def _refuse_newer(db: apsw.Connection, path: Path) -> None:
    version = _version(db)
    if version > SCHEMA_VERSION:
        raise ValidationError(
            f"{path} was written by a newer lvrestore (state version {version}, this one knows {SCHEMA_VERSION})",
            hint="upgrade lvrestore, or give another --state PATH",
        )


def _refuse_device(path: Path) -> None:
    """Refuse what keeps nothing, like /dev/null; a file that is not there yet is made."""
    if path.exists() and not path.is_file():
        raise ValidationError(f"cannot use the state file {path}: it is no regular file", _ELSEWHERE)


def _refuse_foreign(db: apsw.Connection, path: Path) -> None:
    """Refuse a database of somebody else, like a vault, before anything is written into it."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "before_images" not in tables:
        raise _not_a_state_file(path)


def _not_a_state_file(path: Path) -> ValidationError:
    return ValidationError(f"{path} is not a state file", hint="give another --state PATH")


class Place:
    """Where an open state file lies, to notice that it was taken away."""

    def __init__(self, path: Path) -> None:
        self._path, self._inode = path, _inode(path)

    def is_ours(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        return self._inode is not None and _inode(self._path) == self._inode


def _inode(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            return found.st_dev, found.st_ino
    return None
