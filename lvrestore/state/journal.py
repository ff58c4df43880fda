"""The journal of a session, item by item: how each has ended, read a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import apsw  # noqa: TC002 - one way of importing everywhere
import msgspec
import orjson

from lvrestore.model import ContentType, ItemError, Json, Operation

PAGE = 500
_COLUMNS = (
    "item.content_type, item.source_id, item.name, item.status, item.destination_id, item.reason, item.calls,"
    " item.duration_ms, item.warnings, item.done, item.error_kind, item.error, letter.id, letter.session_id,"
    " letter.error_message, letter.http_status, letter.field"
)
_FROM = (
    "restored_items AS item LEFT JOIN dead_letter_queue AS letter ON item.error_kind IS NOT NULL"
    " AND letter.destination_instance = :destination AND letter.content_type = item.content_type"
    " AND letter.content_id = item.source_id"
)


class JournalFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which items are meant: those that fit any of these; nothing at all means every item.

    `failures`: whatever has an error, and so a dead letter, if it did not succeed since.
    """

    operations: tuple[Operation, ...] = ()
    warnings: bool = False
    failures: bool = False


class JournalItem(msgspec.Struct, frozen=True, kw_only=True):
    """How one item of a session has ended. `letter_id` is its dead letter, as long as there is one.

    `done` is what was done to a partial one.
    """

    content_type: ContentType
    source_id: str
    name: str
    operation: Operation
    done: Operation | None
    destination_id: str | None
    reason: str
    calls: int
    duration_ms: int
    warnings: tuple[tuple[str, str], ...]
    error: ItemError | None
    letter_id: int | None


def journal(
    db: apsw.Connection, session_id: str, destination: str, wanted: JournalFilter
) -> Iterator[JournalItem]:
    """The items of a session, by type and id; nothing stays open between two of them."""
    where = " OR ".join(_conditions(wanted)) or "1"
    operations = orjson.dumps(wanted.operations).decode()
    after: tuple[int, str] = (0, "")
    while True:
        given = {"session": session_id, "destination": destination, "type": after[0], "id": after[1]}
        rows: list[Any] = db.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE item.session_id = :session"  # noqa: S608 - constants
            f" AND (item.content_type, item.source_id) > (:type, :id) AND ({where})"
            f" ORDER BY item.content_type, item.source_id LIMIT {PAGE}",
            given | ({"operations": operations} if wanted.operations else {}),
        ).fetchall()
        if not rows:
            return
        after = (rows[-1][0], rows[-1][1])
        yield from (_item(row, session_id) for row in rows)


def _conditions(wanted: JournalFilter) -> Collection[str]:
    clauses = {
        "item.status IN (SELECT value FROM json_each(:operations))": bool(wanted.operations),
        "item.warnings <> '[]'": wanted.warnings,
        "item.error_kind IS NOT NULL": wanted.failures,
    }
    return [clause for clause, is_wanted in clauses.items() if is_wanted]


def _item(row: Sequence[Json], session_id: str) -> JournalItem:
    content_type, source_id, name, status, destination_id, reason, calls, duration_ms, warnings, done = row[
        :10
    ]
    return JournalItem(
        content_type=ContentType(content_type),
        source_id=source_id,
        name=name or source_id,
        operation=Operation(status),
        done=Operation(done) if done else None,
        destination_id=destination_id,
        reason=reason,
        calls=sum(orjson.loads(calls)["by_method"].values()),
        duration_ms=duration_ms,
        warnings=tuple((kind, message) for kind, message in orjson.loads(warnings)),
        error=_error(row[10:], session_id),
        letter_id=row[12],
    )


def _error(columns: Sequence[Json], session_id: str) -> ItemError | None:
    """Why an item failed; the rows of older versions leave that to the dead letter."""
    kind, stored, _, letter_of, *of_letter = columns
    if kind is None:
        return None
    told: list[Json] = ["", None, None]
    if stored is not None:
        told = orjson.loads(stored)
    elif letter_of == session_id:
        told = of_letter
    message, http_status, field = told
    return ItemError(kind=kind, message=message, http_status=http_status, field=field)
