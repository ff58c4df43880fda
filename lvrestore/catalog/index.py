"""What a run has read of the destination in bulk: on disk, compressed, for all of its processes.

The file lies in the run's scratch folder and is not needed after it, so nothing waits for the disk. It must never say
something that is not so: what a write may change is stale from before it is sent until an answer shows it whole.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import orjson

from lvrestore.catalog.listings import LISTINGS, Listing
from lvrestore.errors import StateError
from lvrestore.model import Json

# The timeout comes first: to see that the file is in WAL mode may already mean to wait for another process. Every
# process of a run has the file open, and the system caches it for all of them: few pages (KiB) are kept besides.
PRAGMAS = ("busy_timeout=30000", "journal_mode=WAL", "synchronous=OFF", "cache_size=-300")
FILE = "destination.db"
NEVER = -1e18
SCHEMA = """
CREATE TABLE IF NOT EXISTS scans (
    kind TEXT PRIMARY KEY, at REAL NOT NULL,
    complete INTEGER NOT NULL,           -- every living object was read, with its keys
    trash INTEGER NOT NULL               -- and every one in the trash
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (        -- objects that are there; of many no more than that is known
    kind TEXT NOT NULL, id TEXT NOT NULL,
    at REAL NOT NULL,                    -- since when nothing has been written to it
    trashed INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (     -- what objects are; all of them are in seen as well
    kind TEXT NOT NULL, id TEXT NOT NULL,
    whole INTEGER NOT NULL,              -- the body is as good as the answer to a GET
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, field, value, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_entry ON keys (kind, id);
CREATE TABLE IF NOT EXISTS queries (
    content BLOB PRIMARY KEY,            -- the digest of what a query says
    id TEXT NOT NULL
) WITHOUT ROWID;
"""


class Entry(msgspec.Struct, frozen=True):
    """One object as it was read; `whole`: as a GET of its own would show it."""

    body: dict[str, Json]
    whole: bool
    trashed: bool


class Index:
    """The file, for the threads of one process; other processes open it as well."""

    def __init__(self, folder: Path, max_age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """What was read more than `max_age_s` ago is not believed. `clock` runs alike in all processes."""
        self._max_age_s, self._clock = max_age_s, clock
        self._lock = threading.Lock()
        self._file = folder / FILE
        with self._errors():
            self._db = apsw.Connection(str(self._file))
            for pragma in PRAGMAS:
                self._db.pragma(*pragma.split("="))
            self._db.execute(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- questions

    def get(self, kind: str, item_id: str) -> Entry | None:
        """An object, alive or in the trash; None when the index cannot tell."""
        rows = self._ask(
            "SELECT body, whole, trashed FROM seen CROSS JOIN entries USING (kind, id)"
            " WHERE kind = ? AND id = ? AND at >= ?",
            (kind, item_id, self._since()),
        )
        return _entry(*rows[0]) if rows else None

    def stands(self, kind: str, item_id: str) -> bool:
        """Whether an object was seen alive, however it may have changed since."""
        return bool(
            self._ask("SELECT 1 FROM seen WHERE kind = ? AND id = ? AND NOT trashed", (kind, item_id))
        )

    def standing(self, kind: str, ids: Iterable[str]) -> set[str]:
        """Those of these ids that were seen alive, however they may have changed since."""
        # CROSS JOIN: the ids are gone through, and each is looked up.
        rows = self._ask(
            "SELECT seen.id FROM json_each(?) AS given CROSS JOIN seen"
            " WHERE seen.kind = ? AND seen.id = given.value AND NOT seen.trashed",
            (orjson.dumps(list(ids)).decode(), kind),
        )
        return {one for (one,) in rows}

    def trashed(self, kind: str, ids: Iterable[str]) -> set[str]:
        """Those of these ids that were seen in the trash."""
        rows = self._ask(
            "SELECT seen.id FROM json_each(?) AS given CROSS JOIN seen"
            " WHERE seen.kind = ? AND seen.id = given.value AND seen.trashed",
            (orjson.dumps(list(ids)).decode(), kind),
        )
        return {one for (one,) in rows}

    def shown(self, kind: str, ids: Iterable[str]) -> set[str]:
        """Those of these ids that were seen, alive or in the trash."""
        wanted = list(ids)
        return self.standing(kind, wanted) | self.trashed(kind, wanted)

    def sees_trashed_plans(self) -> bool:
        """Whether the list of plans shows any whose dashboard or look is in the trash."""
        return bool(
            self._ask(
                "SELECT 1 FROM keys CROSS JOIN seen ON seen.id = keys.value"
                " AND seen.kind = iif(keys.field = 'dashboard_id', 'dashboard', 'look')"
                " WHERE keys.kind = 'scheduled_plan' AND keys.field IN ('dashboard_id', 'look_id')"
                " AND seen.trashed LIMIT 1",
                (),
            )
        )

    def lacks(self, kind: str, item_id: str) -> bool:
        """Whether it is sure that there is no such object, alive or in the trash."""
        if not LISTINGS[kind].proves_absence or not self._complete(kind, trash=LISTINGS[kind].has_trash):
            return False
        return not self._is_seen(kind, item_id)

    def in_trash(self, kind: str, item_id: str) -> list[Json] | None:
        """What a search of the trash for an id gives; None when the index cannot tell."""
        if not self._complete(kind, trash=True):
            return None
        if not self._is_seen(kind, item_id):
            return []
        found = self.get(kind, item_id)
        return None if found is None else [found.body] if found.trashed else []

    def alive(self, kind: str, item_id: str) -> list[Json] | None:
        """What a list of the living has of an id; None when the index cannot tell."""
        if not self._complete(kind, trash=False):
            return None
        if not self._is_seen(kind, item_id):
            return []
        found = self.get(kind, item_id)
        return None if found is None else [] if found.trashed else [found.body]

    def look_up(self, kind: str, field: str, value: str) -> list[Json] | None:
        """The living objects that have this value; None when the index cannot tell."""
        if not self._complete(kind, trash=False):
            return None
        rows = self._ask(
            "SELECT body, whole, trashed, at FROM keys CROSS JOIN seen USING (kind, id)"
            " CROSS JOIN entries USING (kind, id)"
            " WHERE kind = ? AND field = ? AND value = ? ORDER BY length(id), id",
            (kind, field, _key(field, value)),
        )
        if any(at < self._since() for *_, at in rows):
            return None
        return [entry.body for *row, _ in rows if not (entry := _entry(*row)).trashed]

    def having(self, kind: str, field: str, value: str) -> frozenset[str]:
        """The ids of living objects that were seen with this value and not changed since; there may be others."""
        rows = self._ask(
            "SELECT id FROM keys CROSS JOIN seen USING (kind, id)"
            " WHERE kind = ? AND field = ? AND value = ? AND NOT trashed AND at >= ?",
            (kind, field, _key(field, value), self._since()),
        )
        return frozenset(one for (one,) in rows)

    def values(self, kind: str, field: str, ids: Iterable[str]) -> dict[str, str]:
        """What those of these objects that were seen alive have in a field, by their ids."""
        rows = self._ask(
            "SELECT seen.id, keys.value FROM json_each(?) AS given CROSS JOIN seen CROSS JOIN keys"
            " ON keys.kind = seen.kind AND keys.id = seen.id"
            " WHERE seen.kind = ? AND seen.id = given.value AND field = ? AND NOT trashed",
            (orjson.dumps(list(ids)).decode(), kind, field),
        )
        return dict(rows)

    def ids(self, kind: str) -> frozenset[str]:
        """The ids of all living objects of a kind that were seen."""
        rows = self._ask("SELECT id FROM seen WHERE kind = ? AND NOT trashed", (kind,))
        return frozenset(one for (one,) in rows)

    def query(self, content: bytes) -> str | None:
        """The id of a query that some tile shows. Queries are for ever, so that its age does not matter."""
        rows = self._ask("SELECT id FROM queries WHERE content = ?", (content,))
        return str(rows[0][0]) if rows else None

    def _is_seen(self, kind: str, item_id: str) -> bool:
        return bool(self._ask("SELECT 1 FROM seen WHERE kind = ? AND id = ?", (kind, item_id)))

    def _complete(self, kind: str, *, trash: bool) -> bool:
        rows = self._ask(
            "SELECT complete, trash FROM scans WHERE kind = ? AND at >= ?", (kind, self._since())
        )
        return any(complete and (with_trash or not trash) for complete, with_trash in rows)

    def _since(self) -> float:
        return self._clock() - self._max_age_s

    # -- what was read

    def put(self, kind: str, bodies: Iterable[Mapping[str, Json]], *, trashed: bool = False) -> None:
        """Store objects as a list has them with all that is looked at.

        Of what this run has written to only an answer of its own tells.
        """
        listing, at = LISTINGS[kind], self._clock()
        with self._writing():
            for body in bodies:
                if not self._is_doubted(kind, str(body[listing.id_field])):
                    self._store(listing, body, at, whole=listing.is_whole(body), trashed=trashed)

    def put_ids(self, kind: str, rows: Iterable[Mapping[str, Json]]) -> None:
        """Store that objects are there, whatever else a list says of them."""
        listing, at = LISTINGS[kind], self._clock()
        with self._writing():
            self._db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)",
                [(kind, str(row[listing.id_field]), at, listing.is_trashed(row)) for row in rows],
            )

    def note_queries(self, queries: Iterable[tuple[bytes, str]]) -> None:
        """Store the (content, id) of queries that were seen."""
        with self._writing():
            self._db.executemany("INSERT OR IGNORE INTO queries VALUES (?, ?)", list(queries))

    def set_scanned(self, kind: str, at: float, *, complete: bool, trash: bool) -> None:
        """Say how far a kind was listed, by a scan that began at `at`."""
        self._write("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?)", (kind, at, complete, trash))

    def _is_doubted(self, kind: str, item_id: str) -> bool:
        at: float | None = self._db.execute(
            "SELECT at FROM seen WHERE kind = ? AND id = ?", (kind, item_id)
        ).get
        return at == NEVER

    def begun(self, kind: str) -> float | None:
        """When the scan of a kind began, if all of it was listed; by the clock of all processes."""
        rows = self._ask("SELECT at FROM scans WHERE kind = ? AND complete", (kind,))
        return rows[0][0] if rows else None

    # -- what is written

    def doubt(self, kind: str, item_id: str) -> None:
        """An object, or a part of it, is about to be changed: what was read of it is stale."""
        self._write("UPDATE seen SET at = ? WHERE kind = ? AND id = ?", (NEVER, kind, item_id))

    def doubt_having(self, kind: str, field: str, value: str) -> None:
        """The value is about to be taken from objects that have it."""
        self._write(
            "UPDATE seen SET at = ? WHERE kind = ? AND id IN"
            " (SELECT id FROM keys WHERE kind = ? AND field = ? AND value = ?)",
            (NEVER, kind, kind, field, value),
        )

    def note(self, kind: str, item_id: str) -> None:
        """An object is there of which nothing was read. Parts of objects are in no list, and not noted."""
        if kind in LISTINGS:
            self._write("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, FALSE)", (kind, item_id, NEVER))

    def doubt_all(self, kind: str) -> None:
        """Nobody knows how a write ended: only the server can say what there is of this kind."""
        self._write("UPDATE scans SET complete = 0, trash = 0 WHERE kind = ?", (kind,))

    def now(self, kind: str, body: Mapping[str, Json]) -> None:
        """An answer shows an object; with parts that are still being written it is only known to be there."""
        listing = LISTINGS[kind]
        body = {name: value for name, value in body.items() if name not in listing.contents}
        whole = not listing.parts and listing.is_whole(body)
        with self._writing():
            self._store(listing, body, self._clock(), whole=whole, trashed=False)

    def _store(
        self, listing: Listing, body: Mapping[str, Json], at: float, *, whole: bool, trashed: bool
    ) -> None:
        kind, item_id = listing.kind, str(body[listing.id_field])
        trashed = trashed or listing.is_trashed(body)
        self._db.execute("DELETE FROM keys WHERE kind = ? AND id = ?", (kind, item_id))
        self._db.executemany(
            "INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?)",
            [(kind, field, value, item_id) for field, value in _keys(listing, body)],
        )
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (kind, item_id, at, trashed))
        self._db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
            (kind, item_id, whole, zlib.compress(orjson.dumps(body), 1)),
        )

    # -- the file

    def _ask(self, sql: str, given: tuple[object, ...]) -> list[Json]:
        with self._lock, self._errors():
            return self._db.execute(sql, given).fetchall()

    def _write(self, sql: str, given: tuple[object, ...]) -> None:
        """Carry out one statement, which is a transaction of its own."""
        with self._lock, self._errors():
            self._db.execute(sql, given)

    @contextmanager
    def _writing(self) -> Generator[None]:
        with self._lock, self._errors(), self._db:
            yield

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except apsw.Error as error:
            raise StateError(str(self._file), str(error)) from error


def _keys(listing: Listing, body: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The (field, value) pairs that an object is looked up by."""
    yield from ((field, str(True)) for field, mark in listing.marks.items() if mark(body))
    for field in listing.keys:
        found = body.get(field)
        values = found if isinstance(found, list) else [found]
        yield from ((field, _key(field, value)) for value in values if value is not None)


def _key(field: str, value: Json) -> str:
    """The form in which values are compared: of e-mail addresses the case means nothing."""
    return str(value).casefold() if field == "email" else str(value)


def _entry(packed: bytes, whole: int, trashed: int) -> Entry:
    return Entry(orjson.loads(zlib.decompress(packed)), bool(whole), bool(trashed))
