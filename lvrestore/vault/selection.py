"""What to read of one type, and the statement that finds the next rows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from lvrestore.model import ContentType

if TYPE_CHECKING:
    from collections.abc import Collection

Deleted = Literal["exclude", "include", "only"]
Size = Literal["large", "other"]

# Row numbers, not rows, are fetched in chunks: no statement stays open while the consumer works, so
# that an attached state file can be checkpointed by its writer, and only one blob is in memory.
CHUNK_ROWS = 2000
# Bytes of content from which on a row is large: of dashboards, about one in ten.
LARGE_BYTES = 32_768
IN_FOLDERS = frozenset({ContentType.DASHBOARD, ContentType.LOOK})

DELETED: dict[Deleted, str] = {
    "exclude": "AND item.deleted_at IS NULL AND item.rowid NOT IN temp.trashed",
    "include": "",
    # The plus keeps SQLite in row order: its index on deleted_at would sort all of them for each chunk.
    "only": "AND (+item.deleted_at IS NOT NULL OR item.rowid IN temp.trashed)",
}
# SQLite reads a length without reading the content.
_SIZE: dict[Size, str] = {
    "large": f"AND length(item.content_data) >= {LARGE_BYTES}",
    "other": f"AND coalesce(length(item.content_data), 0) < {LARGE_BYTES}",
}
_ALL = "content_items AS item"
_BY_ID = "json_each(:ids) AS wanted CROSS JOIN content_items AS item ON item.id = wanted.value"
_IN_FOLDER = "AND (item.folder_id IS NULL OR item.folder_id IN (SELECT value FROM json_each(:folder_ids)))"
_NOT_DONE = """AND NOT EXISTS (
    SELECT 1 FROM {alias}.restored_items AS done
    WHERE done.session_id = :session_id AND done.content_type = :content_type
      AND done.source_id = CASE WHEN substr(item.id, 1, length(:prefix)) = :prefix
                                THEN substr(item.id, length(:prefix) + 1) ELSE item.id END)"""
_CHUNK = """SELECT item.rowid, {folder_id} FROM {source}
    WHERE item.content_type = :content_type AND item.rowid > :after
      AND item.rowid NOT IN temp.superseded {conditions}
    ORDER BY item.rowid LIMIT :chunk_rows"""


class DoneIn(msgspec.Struct, frozen=True):
    """Leave out rows that this session has an entry for in `restored_items` of this state file."""

    state_path: Path
    session_id: str


class Wanted(TypedDict, total=False):
    """Which rows are wanted, as a caller says it; what is not given is no condition, `deleted` is `exclude`.

    `folder_ids` takes dashboards and looks in these folders, and of folders these themselves. `after` takes rows that
    are stored after this item's; all, when the vault does not have it. `size`: those of `LARGE_BYTES` or the others.
    """

    ids: Collection[str] | None
    deleted: Deleted
    folder_ids: Collection[str] | None
    done_in: DoneIn | None
    after: str | None
    size: Size | None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of one type are wanted; None is no condition."""

    content_type: ContentType
    deleted: Deleted
    ids: frozenset[str] | None
    folder_ids: frozenset[str] | None
    done_in: DoneIn | None
    after: str | None = None
    size: Size | None = None

    @property
    def is_whole_type(self) -> bool:
        """Whether every row of the type is wanted, but for what `deleted` says."""
        conditions = (self.ids, self.folder_ids, self.done_in, self.after, self.size)
        return all(one is None for one in conditions)


def prefix_of(content_type: ContentType) -> str:
    """Return what precedes an id in the composite form: `dashboard::`."""
    return f"{content_type.label}::"


def bare_id(content_type: ContentType, source_id: str) -> str:
    """Return `42` for `42` and `dashboard::42`; ids with another prefix stay (`model::dashboard`)."""
    return source_id.removeprefix(prefix_of(content_type))


def select(
    content_type: ContentType,
    ids: Collection[str] | None = None,
    deleted: Deleted = "exclude",
    folder_ids: Collection[str] | None = None,
    done_in: DoneIn | None = None,
    after: str | None = None,
    size: Size | None = None,
) -> Selection:
    """Return the selection, with ids in the bare form."""
    wanted = None if ids is None else frozenset(bare_id(content_type, i) for i in ids)
    folders = None if folder_ids is None else frozenset(folder_ids)
    if folders is not None and content_type not in IN_FOLDERS:
        # Of folders these themselves; nothing else lies in a folder.
        own = folders if content_type is ContentType.FOLDER else frozenset[str]()
        wanted, folders = own if wanted is None else wanted & own, None
    return Selection(
        content_type=content_type,
        deleted=deleted,
        ids=wanted,
        folder_ids=folders,
        done_in=done_in,
        after=None if after is None else bare_id(content_type, after),
        size=size,
    )


def chunk_statement(
    selection: Selection, *, has_folder_id: bool, state_alias: str
) -> tuple[str, dict[str, Any]]:
    """Return the statement for the next row numbers after `:after`, with all other values to bind."""
    prefix = prefix_of(selection.content_type)
    conditions, given = [DELETED[selection.deleted]], _given(selection, prefix)
    by_column = selection.folder_ids is not None and has_folder_id
    if by_column:
        conditions.append(_IN_FOLDER)
    if selection.size is not None:
        conditions.append(_SIZE[selection.size])
    if selection.done_in is not None:
        conditions.append(_NOT_DONE.format(alias=state_alias))
    sql = _CHUNK.format(
        folder_id="item.folder_id" if by_column else "NULL",
        source=_ALL if selection.ids is None else _BY_ID,
        conditions=" ".join(conditions),
    )
    return sql, given


def _given(selection: Selection, prefix: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "content_type": selection.content_type,
        "chunk_rows": CHUNK_ROWS,
        "prefix": prefix,
    }
    if selection.ids is not None:
        given["ids"] = json.dumps(sorted(form for i in selection.ids for form in (i, prefix + i)))
    if selection.folder_ids is not None:
        given["folder_ids"] = json.dumps(sorted(selection.folder_ids))
    if selection.done_in is not None:
        given["session_id"] = selection.done_in.session_id
    return given
