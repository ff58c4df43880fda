"""What is known of the last change of one item's object: somebody else's before, and our own since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

import msgspec

from lvrestore.content.identity.edited import TIMED, edited_after_backup, is_later, updated_by
from lvrestore.content.knowledge import CLOCK_SKEW, References
from lvrestore.looker.classify import Reply
from lvrestore.model import Edit, Json, Operation, OwnWrite, RestorationTask
from lvrestore.times import parse_time
from lvrestore.vault import BlobError, decode_as


class _Changed(msgspec.Struct):
    updated_at: Json = None


class Touched:
    """Listens to one attempt at an item: which live object it is, and until when writes to it were our own."""

    def __init__(self, item: tuple[str, str] | None = None) -> None:
        """`item`: its kind and source id."""
        self._item = item
        self._live: Mapping[str, Json] = {}
        self._item_id: str | None = None
        self._written_at: datetime | None = None

    def found(self, live: Mapping[str, Json]) -> None:
        """This is the live object; what is read of it after a write of ours says nothing of others."""
        if self._written_at is None:
            self._live = live
            self._item_id = str(live["id"])

    def mapped(self, kind: str, source_id: str, destination_id: str) -> None:
        """Something has this object; perhaps it is the item."""
        if (kind, source_id) == self._item:
            self._item_id = destination_id

    def answered(self, reply: Reply) -> None:
        """A write was carried out by the time of its reply."""
        shown = reply.json.get("updated_at") if isinstance(reply.json, dict) else None
        self._wrote(_date_of(reply) or datetime.now(UTC) + CLOCK_SKEW, parse_time(shown))

    def lost(self) -> None:
        """A write was sent, and nobody knows whether it was carried out, or will be."""
        self._wrote(datetime.now(UTC) + CLOCK_SKEW)

    def _wrote(self, *times: datetime | None) -> None:
        self._written_at = max(at for at in (self._written_at, *times) if at is not None)

    def edit(
        self, task: RestorationTask, operation: Operation, refs: References, *, begun: bool
    ) -> Edit | None:
        """The last change before the attempt; None where there was no object, Looker does not tell, or it was ours.

        `begun`: an earlier attempt has begun the item and not finished.
        """
        kind, live_at = task.content_type.label, self._live.get("updated_at")
        if operation is Operation.CREATED or kind not in TIMED or not live_at or task.earlier is not None:
            return None
        item_id = str(self._item_id)
        after_backup = edited_after_backup(
            backed_up_at(task.blob), live_at, lambda: refs.own_write(kind, item_id), begun=begun
        )
        return Edit(after_backup, str(live_at), updated_by(self._live, partial(_name_of, refs)))

    def overwrites(self, edit: Edit | None) -> bool:
        """Whether somebody's edit of a living object was overwritten."""
        is_edited = edit is not None and edit.after_backup is True
        return is_edited and self._written_at is not None and not self._live.get("deleted")

    def own_write(self, task: RestorationTask, *, done: bool) -> OwnWrite | None:
        """Until when every change of the object is our own, or was brought in line with the backup (`done`)."""
        kind, live_at = task.content_type.label, self._live.get("updated_at")
        is_settled = done and is_later(live_at, backed_up_at(task.blob))
        times = [self._written_at, parse_time(live_at) if is_settled else None]
        until = max((at for at in times if at is not None), default=None)
        if until is None or self._item_id is None or kind not in TIMED:
            return None
        return OwnWrite(kind, self._item_id, until.astimezone(UTC).isoformat(timespec="milliseconds"))


def backed_up_at(blob: bytes) -> Json:
    """The `updated_at` of a backed-up content; None if it has none, or cannot be decoded."""
    try:
        return decode_as(blob, _Changed).updated_at
    except BlobError:
        return None


def _name_of(refs: References, user_id: str) -> str | None:
    """A user's name as the backup of this very instance has it."""
    user = refs.content("user", user_id) if refs.same_instance else None
    names = ((user or {}).get(part) for part in ("first_name", "last_name"))
    return " ".join(str(name) for name in names if name) or None


def _date_of(reply: Reply) -> datetime | None:
    """The server's own time of a reply."""
    try:
        at = parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
