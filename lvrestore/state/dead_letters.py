"""The dead letters of a destination: what failed and why, with all that is needed to try it again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import apsw  # noqa: TC002 - one way of importing everywhere
import msgspec
import orjson

from lvrestore.model import LACKING, ContentType, ItemError, Json, RestorationResult
from lvrestore.vault import BlobError, decode_blob, encode_like

DEPENDENCY = "dependency"
MOST_CHARACTERS = {"name": 1_000, "message": 2_000, "response": 2_048, "trace": 4_000}
NO_CAUSE = ItemError(kind="internal", message="failed, and nothing says why")
# Of a destination these may hold the key of somebody else's service; they are sent, and never shown.
MASKED = {ContentType.SCHEDULED_PLAN: ("scheduled_plan_destination", ("parameters", "address"))}
PLAIN_ADDRESS = re.compile(r"[^@\s/?]+@[^@\s/?]+")
# What Looker keeps to itself or lets somebody in, by type: the path of a part, then its fields. None of it is sent.
SECRETS: dict[ContentType, tuple[tuple[str, tuple[str, ...]], ...]] = {
    ContentType.SCHEDULED_PLAN: (("scheduled_plan_destination", ("secret_parameters",)),),
    ContentType.USER: (
        ("credentials_email", ("password_reset_url", "account_setup_url")),
        ("credentials_api3", ("client_secret", "secret")),
    ),
}
_LISTED = (
    "id, session_id, content_type, content_id, name, error_kind, error_message, field, http_status, request,"
    " response, stack_trace, attempts, blocker, failed_at, destination_instance"
)
_OF_SESSION = (
    "id IN (SELECT id FROM dead_letter_queue WHERE session_id = :session UNION ALL"
    " SELECT letter.id FROM restored_items AS item CROSS JOIN dead_letter_queue AS letter"
    " ON letter.destination_instance = (SELECT destination_instance FROM restoration_sessions WHERE id = :session)"
    " AND letter.content_type = item.content_type AND letter.content_id = item.source_id"
    " WHERE item.session_id = :session AND item.error_kind IS NOT NULL)"
)


class DeadLetterItem(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter; its blob only where it was asked for by id."""

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
    destination_instance: str
    blob: bytes | None = None


class LetterKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of a letter to decide about it: small, as there may be many. `blockers` are like `folder 7`."""

    id: int
    session_id: str
    source_instance: str
    destination_instance: str
    item: tuple[ContentType, str]
    error_kind: str
    blockers: tuple[str, ...] = ()


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; None is no condition.

    Those of a session are the items that failed in it, also when they failed again since in another one.
    """

    ids: tuple[int, ...] | None = None
    session_id: str | None = None
    content_type: ContentType | None = None
    kind: str | None = None
    destination: str | None = None
    retried_in: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it means every dead letter."""
        return self == LetterFilter()


class DeadLetterQueue:
    """The dead letters in one open state file. Writing is done within the caller's transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    # -- reading

    def find(self, wanted: LetterFilter, *, limit: int = -1, offset: int = 0) -> list[DeadLetterItem]:
        """The dead letters that fit every condition, the oldest first, without blobs."""
        where, given = _conditions(wanted)
        rows = self._db.execute(
            f"SELECT {_LISTED} FROM dead_letter_queue WHERE {where} ORDER BY id LIMIT :limit OFFSET :offset",  # noqa: S608 - constants
            given | {"limit": limit, "offset": offset},
        ).fetchall()
        return [_dead_letter(row) for row in rows]

    def get(self, letter_id: int) -> DeadLetterItem | None:
        """One dead letter with its blob."""
        rows = self._db.execute(
            f"SELECT {_LISTED}, content_data FROM dead_letter_queue WHERE id = ?",  # noqa: S608 - constants
            (letter_id,),
        ).fetchall()
        return _dead_letter(rows[0]) if rows else None

    def absent(self, ids: Iterable[int]) -> list[int]:
        """Which of these ids no dead letter has."""
        found = "SELECT 1 FROM dead_letter_queue WHERE id = ?"
        return [one for one in ids if self._db.execute(found, (one,)).get is None]

    def keys(self, wanted: LetterFilter) -> Iterator[LetterKey]:
        """The same letters as `find` gives, without all that is only to be read."""
        where, given = _conditions(wanted)
        rows: list[Any] = self._db.execute(
            "SELECT id, session_id, destination_instance, content_type, content_id, error_kind, blocker,"  # noqa: S608
            " (SELECT source_instance FROM restoration_sessions AS of WHERE of.id = dead_letter_queue.session_id)"
            f" FROM dead_letter_queue WHERE {where} ORDER BY id",
            given,
        ).fetchall()
        for letter_id, session_id, destination, content_type, content_id, kind, blocker, source in rows:
            yield LetterKey(
                id=letter_id,
                session_id=session_id,
                source_instance=source or "",
                destination_instance=destination,
                item=(ContentType(content_type), content_id),
                error_kind=kind,
                blockers=tuple(orjson.loads(blocker)) if blocker else (),
            )

    # -- writing

    def settle(
        self,
        session_id: str,
        destination: str,
        result: RestorationResult,
    ) -> None:
        """Remove the letter of an item; make or renew the one of an item that has failed, or is partial."""
        item = (destination, int(result.content_type), result.source_id)
        rows: list[Any] = self._db.execute(
            "SELECT id, attempts FROM dead_letter_queue"
            " WHERE destination_instance = ? AND content_type = ? AND content_id = ?",
            item,
        ).fetchall()
        self._remove(letter_id for letter_id, _ in rows)
        if result.operation in LACKING:
            letter_id = rows[0][0] if rows else None
            # Looking at it again within a run is the same attempt.
            attempts = sum(n for _, n in rows) + (result.attempts if result.earlier_error is None else 0)
            self._bury(letter_id, session_id, item, result, result.error or NO_CAUSE, attempts)

    def _bury(
        self,
        letter_id: int | None,
        session_id: str,
        item: tuple[str, int, str],
        result: RestorationResult,
        error: ItemError,
        attempts: int,
    ) -> None:
        blob = without_secrets(result.content_type, result.blob or b"")
        self._db.execute(
            "INSERT INTO dead_letter_queue (id, session_id, destination_instance, content_type, content_id, name,"
            " content_data, error_kind, error_message, field, http_status, request, response, stack_trace,"
            " attempts, blocker, failed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                letter_id,
                session_id,
                *item,
                _cut("name", result.name),
                zlib.compress(blob, 1),
                error.kind,
                _cut("message", error.message),
                error.field,
                error.http_status,
                error.request,
                _cut("response", error.response),
                _cut("trace", error.trace),
                attempts,
                orjson.dumps(error.blockers).decode() if error.blockers else None,
                datetime.now(UTC).isoformat(timespec="milliseconds"),
            ),
        )

    def clear(self, ids: Collection[int]) -> None:
        """Forget these letters; what failed stays as it is on the destination."""
        self._remove(ids)

    def _remove(self, ids: Iterable[int]) -> None:
        self._db.executemany("DELETE FROM dead_letter_queue WHERE id = ?", [(one,) for one in ids])

    def hand_to(self, session_id: str, ids: Iterable[int]) -> None:
        """Note that a session is to try these again, so that a resume knows which are left."""
        self._db.executemany(
            "UPDATE dead_letter_queue SET retried_in = ? WHERE id = ?", [(session_id, one) for one in ids]
        )

    def take_back(self, session_id: str, error_kind: str) -> None:
        """Undo that items failed in this session in this way: it is to try them again.

        The letter of an item that has failed before that session stays.
        """
        of_session = "session_id = :session AND error_kind = :kind"
        tried = (
            "(SELECT item.attempts FROM restored_items AS item WHERE item.session_id = :session"
            " AND item.content_type = dead_letter_queue.content_type"
            " AND item.source_id = dead_letter_queue.content_id)"
        )
        given = {"session": session_id, "kind": error_kind}
        self._db.execute(f"DELETE FROM dead_letter_queue WHERE {of_session} AND attempts <= {tried}", given)  # noqa: S608 - constants
        self._db.execute(
            f"UPDATE dead_letter_queue SET retried_in = :session WHERE {of_session} AND attempts > {tried}",  # noqa: S608 - constants
            given,
        )


def _conditions(wanted: LetterFilter) -> tuple[str, dict[str, Json]]:
    ids, content_type = wanted.ids, wanted.content_type
    clauses: dict[str, tuple[str, Json]] = {
        "id IN (SELECT value FROM json_each(:ids))": (
            "ids",
            ids if ids is None else orjson.dumps(ids).decode(),
        ),
        _OF_SESSION: ("session", wanted.session_id),
        "content_type = :type": ("type", content_type and int(content_type)),
        "error_kind = :kind": ("kind", wanted.kind),
        "destination_instance = :destination": ("destination", wanted.destination),
        "retried_in = :retried_in": ("retried_in", wanted.retried_in),
    }
    given = {clause: pair for clause, pair in clauses.items() if pair[1] is not None}
    return " AND ".join(given) or "1", dict(given.values())


def without_secrets(content_type: ContentType, blob: bytes) -> bytes:
    """The content without what is secret in it; as it is where nothing is, or where it cannot be decoded."""
    if content_type not in SECRETS:
        return blob
    try:
        content = decode_blob(blob)
    except BlobError:
        return blob
    found = [_strip(content.get(part), fields) for part, fields in SECRETS[content_type]]
    if not any(found):
        return blob
    return encode_like(blob, content)


def masked(content_type: ContentType, content: dict[str, Json]) -> dict[str, Json]:
    """The content as it may be shown: without keys to other services, as in the address of a webhook."""
    part, fields = MASKED.get(content_type, ("", ()))
    objects = content.get(part)
    if not isinstance(objects, list):
        return content
    return {**content, part: [_masked(one, fields) for one in objects]}


def _masked(one: Json, fields: Sequence[str]) -> Json:
    if not isinstance(one, dict):
        return one
    return {name: "***" if name in fields and not _is_plain(value) else value for name, value in one.items()}


def _is_plain(value: Json) -> bool:
    """Whether there is nothing, or an e-mail address."""
    return not value or (isinstance(value, str) and PLAIN_ADDRESS.fullmatch(value) is not None)


def _strip(part: Json, fields: Sequence[str]) -> bool:
    """Remove fields from an object or from all of a list; tell whether there were any."""
    objects = [one for one in (part if isinstance(part, list) else [part]) if isinstance(one, dict)]
    secret = [(one, field) for one in objects for field in fields if field in one]
    for one, field in secret:
        del one[field]
    return bool(secret)


def _unpacked(stored: bytes | None) -> bytes | None:
    """The content of a letter; those of older state files are not compressed."""
    if stored is None:
        return None
    try:
        return zlib.decompress(stored)
    except zlib.error:
        return stored


def shortened(field: str, text: str) -> str:
    """The text as long as the state file keeps this field."""
    return text[: MOST_CHARACTERS[field]]


def _cut(field: str, text: str | None) -> str | None:
    return None if text is None else shortened(field, text)


def _dead_letter(row: Sequence[Json]) -> DeadLetterItem:
    values = dict(zip(DeadLetterItem.__struct_fields__, row, strict=False))
    values["content_type"] = ContentType(values["content_type"]).label
    values["blob"] = _unpacked(values.get("blob"))
    return DeadLetterItem(**values)
