"""What a run learns of queries besides what the backup says: on disk, for all processes of the run.

The parent writes it: definitions that only the source itself has, and what either instance has refused. It is not
needed after the run, so nothing waits for the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import apsw
import msgspec

from lvrestore.errors import StateError
from lvrestore.vault.decode import decode_blob

FILE = "definitions.db"
PRAGMAS = ("busy_timeout=30000", "journal_mode=WAL", "synchronous=OFF")
SCHEMA = """
CREATE TABLE IF NOT EXISTS fetched (        -- from the source: msgpack, as in the backup
    kind TEXT NOT NULL, id TEXT NOT NULL, definition BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lacking (        -- what the source is to be asked for
    kind TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ways (           -- paths of the source that show a query, those of a low rank first
    id TEXT NOT NULL, rank INTEGER NOT NULL, way TEXT NOT NULL,
    PRIMARY KEY (id, rank, way)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (        -- `who` is source or destination
    kind TEXT NOT NULL, id TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (kind, id, who)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wanted (         -- what is to be made; `content` is the digest of what it says
    kind TEXT NOT NULL, id TEXT NOT NULL, content BLOB,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wanted_by_content ON wanted (kind, content);
CREATE TABLE IF NOT EXISTS contents (       -- JSON, as it is to be sent; each once
    kind TEXT NOT NULL, content BLOB NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, content)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (          -- merged results of the destination that may be these of the source
    id TEXT NOT NULL, here TEXT NOT NULL,
    PRIMARY KEY (id, here)
) WITHOUT ROWID;
"""
Who = Literal["source", "destination"]
PAGE = 200
# A query that so many paths do not show is not looked for in others.
MOST_WAYS = 3


class Definitions:
    """The file, for the threads of one process."""

    def __init__(self, folder: Path) -> None:
        """Open it, made if there is none; see `existing`."""
        self._lock = threading.Lock()
        self._file = folder / FILE
        with self._errors():
            self._db = apsw.Connection(str(self._file))
            for pragma in PRAGMAS:
                self._db.pragma(*pragma.split("="))
            self._db.execute(SCHEMA)

    @classmethod
    def existing(cls, folder: Path) -> Self | None:
        """The file that the parent has made, if it has."""
        return cls(folder) if (folder / FILE).exists() else None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- what the instances say

    def fetched(self, kind: str, source_id: str) -> Mapping[str, Any] | None:
        """A definition that the source gave."""
        rows = self._ask("SELECT definition FROM fetched WHERE kind = ? AND id = ?", kind, source_id)
        return decode_blob(rows[0][0]) if rows else None

    def keep(self, kind: str, source_id: str, definition: Mapping[str, Any]) -> None:
        """Store a definition that the source gave."""
        packed = msgspec.msgpack.encode(definition)
        self._write("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?)", kind, source_id, packed)

    def lack(self, kind: str, source_id: str) -> None:
        """Store that the source is to be asked for a definition."""
        self._write("INSERT OR IGNORE INTO lacking VALUES (?, ?)", kind, source_id)

    def lacking(self, kind: str) -> Iterator[str]:
        """The source ids of the definitions to ask for; nothing stays open between two of them."""
        return self._ids("lacking", kind)

    def count_lacking(self, kind: str) -> int:
        """How many definitions the source is to be asked for."""
        return int(self._ask("SELECT count(*) FROM lacking WHERE kind = ?", kind)[0][0])

    def note_way(self, query_id: str, way: str, rank: int) -> None:
        """Store that this path of the source shows a query."""
        self._write("INSERT OR IGNORE INTO ways VALUES (?, ?, ?)", query_id, rank, way)

    def ways(self, query_id: str) -> tuple[str, ...]:
        """The paths of the source that show a query, the best ones first."""
        rows = self._ask("SELECT way FROM ways WHERE id = ? ORDER BY rank, way LIMIT ?", query_id, MOST_WAYS)
        return tuple(str(one) for (one,) in rows)

    def refusal(self, kind: str, source_id: str, who: Who) -> str | None:
        """What an instance said to the query, if it refused it."""
        rows = self._ask(
            "SELECT why FROM refused WHERE kind = ? AND id = ? AND who = ?", kind, source_id, who
        )
        return str(rows[0][0]) if rows else None

    def refuse(self, kind: str, source_ids: Iterable[str], who: Who, why: str) -> None:
        """Store that an instance refused queries."""
        for source_id in source_ids:
            self._write("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)", kind, source_id, who, why)

    # -- what is to be made

    def want(self, kind: str, source_id: str) -> None:
        """Store that a query is to be made, whose content is not known yet."""
        self._write("INSERT OR IGNORE INTO wanted VALUES (?, ?, NULL)", kind, source_id)

    def describe(self, kind: str, source_id: str, content: bytes, body: bytes) -> None:
        """Store what a query says; the first body of a content is the one that is sent."""
        self._write("INSERT OR REPLACE INTO wanted VALUES (?, ?, ?)", kind, source_id, content)
        self._write("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", kind, content, body)

    def is_wanted(self, kind: str, source_id: str) -> bool:
        """Whether somebody has said that it is to be made."""
        return bool(self._ask("SELECT 1 FROM wanted WHERE kind = ? AND id = ?", kind, source_id))

    def wanted(self, kind: str) -> Iterator[str]:
        """The source ids of all that is to be made, likewise."""
        return self._ids("wanted", kind)

    def contents(self, kind: str) -> Iterator[tuple[bytes, bytes]]:
        """Every distinct (digest, body) that is to be made, likewise."""
        after = b""
        sql = (
            "SELECT content, body FROM contents WHERE kind = ? AND content > ?"  # noqa: S608 - a constant
            f" ORDER BY content LIMIT {PAGE}"
        )
        while rows := self._ask(sql, kind, after):
            after = bytes(rows[-1][0])
            yield from ((bytes(content), bytes(body)) for content, body in rows)

    def of_content(self, kind: str, content: bytes) -> tuple[str, ...]:
        """The source ids that have this content."""
        rows = self._ask("SELECT id FROM wanted WHERE kind = ? AND content = ? ORDER BY id", kind, content)
        return tuple(str(one) for (one,) in rows)

    def show(self, merge_id: str, here: Iterable[str]) -> None:
        """Store that merged results of the destination may be those of the source."""
        for one in here:
            self._write("INSERT OR IGNORE INTO shown VALUES (?, ?)", merge_id, one)

    def shown(self, merge_id: str) -> tuple[str, ...]:
        """The merged results of the destination that may be those of the source."""
        rows = self._ask("SELECT here FROM shown WHERE id = ? ORDER BY here", merge_id)
        return tuple(str(one) for (one,) in rows)

    # -- the file

    def _ids(self, table: Literal["lacking", "wanted"], kind: str) -> Iterator[str]:
        after = ""
        sql = f"SELECT id FROM {table} WHERE kind = ? AND id > ? ORDER BY id LIMIT {PAGE}"  # noqa: S608 - constants
        while rows := self._ask(sql, kind, after):
            after = str(rows[-1][0])
            yield from (str(one) for (one,) in rows)

    def _ask(self, sql: str, *given: object) -> list[Any]:
        with self._lock, self._errors():
            return self._db.execute(sql, given).fetchall()

    def _write(self, sql: str, *given: object) -> None:
        with self._lock, self._errors():
            self._db.execute(sql, given)

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except apsw.Error as error:
            raise StateError(str(self._file), str(error)) from error
