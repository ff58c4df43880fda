"""Which rows are deleted: those that lookervault marks so, and those whose content was in the trash."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from lvrestore.model import ContentType
from lvrestore.vault.decode import BlobError, decode_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lvrestore.model import VaultRow


_NOT_MARKED = """SELECT rowid, CAST(content_data AS BLOB) FROM content_items
    WHERE content_type = ? AND deleted_at IS NULL AND rowid NOT IN temp.superseded"""


class _Content(msgspec.Struct):
    deleted: Any = None
    deleted_at: Any = None


def _has_flag(content: _Content) -> bool:
    return content.deleted is True


# Nothing else has a trash.
SAYS_DELETED: Mapping[ContentType, Callable[[_Content], bool]] = {
    ContentType.DASHBOARD: _has_flag,
    ContentType.LOOK: _has_flag,
    ContentType.BOARD: lambda content: bool(content.deleted_at),
}


def can_say_deleted(content_type: ContentType) -> bool:
    """Whether objects of this type have a trash, so that their content can say that they were in it."""
    return content_type in SAYS_DELETED


def says_deleted(content_type: ContentType, blob: bytes) -> bool:
    """Whether the content says that the object was in the trash; content that cannot be decoded does not."""
    says = SAYS_DELETED.get(content_type)
    try:
        return says is not None and says(decode_as(blob, _Content))
    except BlobError:
        return False


def is_deleted(row: VaultRow) -> bool:
    """Whether the backup has the row as deleted."""
    return row.deleted_at is not None or says_deleted(row.content_type, row.blob)


class TrashedRows:
    """The rows of an open vault that are not marked deleted and say themselves that they are: `temp.trashed`.

    Every row of a type is read for that, so it is done once, and only when somebody asks.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._counts: dict[ContentType, int] = {}
        db.execute("CREATE TEMP TABLE trashed (item INTEGER PRIMARY KEY)")

    def is_known(self, content_type: ContentType) -> bool:
        """Whether the table has those of a type already."""
        return content_type in self._counts

    def count(self, content_type: ContentType) -> int:
        """How many there are of a type; from now on the table has them."""
        if content_type not in self._counts:
            found = [(one,) for one in self._find(content_type)] if can_say_deleted(content_type) else []
            self._db.executemany("INSERT INTO temp.trashed VALUES (?)", found)
            self._counts[content_type] = len(found)
        return self._counts[content_type]

    def _find(self, content_type: ContentType) -> Iterator[int]:
        # Where the file is damaged, the rows before the damage can still be used; whoever reads on is told.
        with suppress(apsw.CorruptError, apsw.IOError):
            for row_number, blob in self._db.execute(_NOT_MARKED, (content_type,)):
                if says_deleted(content_type, blob or b""):
                    yield row_number
