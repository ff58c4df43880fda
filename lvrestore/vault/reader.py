"""Read a vault: select rows, stream them in constant memory, tell what is in it."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import apsw
import msgspec

from lvrestore.errors import NotFoundError, UsageError, ValidationError, VaultError
from lvrestore.model import ContentType, VaultRow
from lvrestore.text import person_name, quoted
from lvrestore.vault.connection import Database, sqlite_errors
from lvrestore.vault.decode import BlobError, decode_as
from lvrestore.vault.folders import Folder, FolderTree
from lvrestore.vault.schema import read_schema
from lvrestore.vault.selection import (
    Deleted,
    Selection,
    Wanted,
    bare_id,
    chunk_statement,
    prefix_of,
    select,
)
from lvrestore.vault.trashed import TrashedRows, can_say_deleted, is_deleted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

IdForm = Literal["bare", "composite", "mixed"]

_BEFORE_ALL = -(2**63)
# As bytes, because one name in a broken encoding must not end the stream.
_ROW = """SELECT content_type, CAST(id AS BLOB), CAST(name AS BLOB), CAST(CAST(owner_id AS TEXT) AS BLOB),
    CAST({folder_id} AS BLOB), CAST(updated_at AS BLOB), CAST(deleted_at AS BLOB), CAST(content_data AS BLOB)
    FROM content_items WHERE rowid = ?"""
_COUNTS = """SELECT content_type, sum(alive) + sum(deleted), sum(deleted) FROM (
    SELECT content_type, count(*) AS alive, 0 AS deleted FROM content_items
    WHERE deleted_at IS NULL GROUP BY content_type
    UNION ALL
    SELECT content_type, 0, count(*) FROM content_items
    WHERE deleted_at IS NOT NULL GROUP BY content_type
    UNION ALL
    SELECT content_type, -sum(deleted_at IS NULL), -sum(deleted_at IS NOT NULL) FROM content_items
    WHERE rowid IN temp.superseded GROUP BY content_type) GROUP BY content_type"""
_TOTALS = """SELECT content_type, count(*), CAST(min(synced_at) AS TEXT), CAST(max(synced_at) AS TEXT),
    sum(content_size) FROM content_items GROUP BY content_type ORDER BY content_type"""
_COMPOSITE = """SELECT count(*) FROM content_items
    WHERE content_type = :content_type AND id >= :prefix AND id < :prefix_end"""
_FIND = """SELECT rowid, deleted_at IS NOT NULL FROM content_items WHERE content_type = :content_type
    AND id IN (:bare, :whole) AND rowid NOT IN temp.superseded LIMIT 1"""
# Both forms of one id: the row synced last counts. An extraction with another number of workers makes these.
_SUPERSEDE = """INSERT INTO temp.superseded
    SELECT CASE WHEN (coalesce(julianday(long.synced_at), 0), long.rowid)
                   > (coalesce(julianday(short.synced_at), 0), short.rowid)
                THEN short.rowid ELSE long.rowid END
    FROM content_items AS long CROSS JOIN content_items AS short
      ON short.id = substr(long.id, length(:prefix) + 1)
    WHERE long.content_type = :content_type AND short.content_type = :content_type
      AND long.id >= :prefix AND long.id < :prefix_end"""


class TypeCount(msgspec.Struct, frozen=True):
    """Rows of one type, and how many of them are deleted: marked so, or in the trash when they were backed up."""

    rows: int
    deleted: int


class VaultInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a vault is and holds."""

    schema_version: int
    id_form: IdForm
    counts: dict[ContentType, TypeCount]
    missing_types: tuple[ContentType, ...]
    unknown_types: dict[int, int]
    superseded: int
    oldest: str | None
    newest: str | None
    size_bytes: int
    source_instance: str | None
    extraction_status: str | None


class _FolderOf(msgspec.Struct):
    folder_id: str | None = None


class _Person(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    credentials_email: dict[str, Any] | None = None


class _FolderContent(msgspec.Struct):
    name: str
    parent_id: str | None = None


def open_vault(path: Path) -> Vault:
    """Open a lookervault backup for reading; use it in a `with` block."""
    return Vault(path)


class Vault:
    """A lookervault backup. Rows are keyed by type and bare id, whatever form the file has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        self._db = self._database.connection
        self._attached: dict[Path, str] = {}
        try:
            with sqlite_errors(path):
                self._schema = read_schema(self._db, path)
                self._folder_id = "folder_id" if self._schema.has_folder_id else "NULL"
                self._row_sql = _ROW.format(folder_id=self._folder_id)
                self._supersede()
                self._trash = TrashedRows(self._db)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a private copy is removed."""
        self._database.close()

    # -- rows ---------------------------------------------------------------------------------------

    def rows(self, content_type: ContentType, **wanted: Unpack[Wanted]) -> Iterator[VaultRow]:
        """Stream the selected rows undecoded, in the order they were stored."""
        for row_number in self._row_numbers(select(content_type, **wanted)):
            yield self._row(row_number)

    def count(self, content_type: ContentType, **wanted: Unpack[Wanted]) -> int:
        """Return how many rows `rows` would stream."""
        selection = select(content_type, **wanted)
        if selection.is_whole_type:
            found = self._counts.get(content_type, TypeCount(0, 0))
            if selection.deleted == "include":
                return found.rows
            deleted = found.deleted + self._trashed(content_type)
            return deleted if selection.deleted == "only" else found.rows - deleted
        return sum(1 for _ in self._row_numbers(selection))

    def ids(self, content_type: ContentType, **wanted: Unpack[Wanted]) -> Iterator[str]:
        """Stream the bare ids of the rows that `rows` would stream, without their content."""
        for row_number in self._row_numbers(select(content_type, **wanted)):
            found = self._all("SELECT CAST(id AS TEXT) FROM content_items WHERE rowid = ?", (row_number,))
            yield bare_id(content_type, str(found[0][0]))

    def get(self, content_type: ContentType, source_id: str) -> VaultRow | None:
        """Return one row, also a deleted one, or None."""
        return next(self.rows(content_type, ids=[source_id], deleted="include"), None)

    def absent(self, content_type: ContentType, ids: Sequence[str]) -> list[str]:
        """Return which of `ids` the vault does not have at all, in the given order."""
        return [source_id for source_id in ids if not self.has(content_type, source_id)]

    def has(self, content_type: ContentType, source_id: str, *, deleted: Deleted = "include") -> bool:
        """Tell whether the vault has this item, without reading its content."""
        bare = bare_id(content_type, source_id)
        given = {"content_type": content_type, "bare": bare, "whole": prefix_of(content_type) + bare}
        found = self._all(_FIND, given)
        if not found or deleted == "include":
            return bool(found)
        row_number, is_marked = found[0]
        of_trash = can_say_deleted(content_type) and not is_marked and is_deleted(self._row(row_number))
        return (bool(is_marked) or of_trash) == (deleted == "only")

    # -- what is in it ------------------------------------------------------------------------------

    def counts(self) -> dict[ContentType, TypeCount]:
        """Return rows and deleted rows of every type that the vault has."""
        return {
            t: TypeCount(self._counts[t].rows, self._counts[t].deleted + self._trashed(t))
            for t in ContentType
            if self.has_type(t)
        }

    def has_type(self, content_type: ContentType) -> bool:
        """Tell whether the vault has any row of this type."""
        return content_type in self._counts and self._counts[content_type].rows > 0

    @property
    def newest(self) -> str | None:
        """When the row that was synchronised last was."""
        return max((newest for _, _, _, newest, _ in self._totals if newest), default=None)

    def fingerprint(self) -> str:
        """Return a digest of what the vault holds: per type rows, newest synchronisation, bytes."""
        lines = (f"{t} {rows} {newest} {size}" for t, rows, _, newest, size in self._totals)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def info(self) -> VaultInfo:
        """Return what the vault is and holds."""
        counts = self.counts()
        return VaultInfo(
            schema_version=self._schema.version,
            id_form=self._id_form(),
            counts=counts,
            missing_types=tuple(t for t in ContentType if t not in counts),
            unknown_types={t: c.rows for t, c in self._counts.items() if t not in list(ContentType)},
            superseded=self._scalar("SELECT count(*) FROM temp.superseded"),
            oldest=min((oldest for _, _, oldest, _, _ in self._totals if oldest), default=None),
            newest=self.newest,
            size_bytes=self._database.size_bytes,
            source_instance=self.source_instance,
            extraction_status=self._last_extraction[0],
        )

    def superseded(self) -> Iterator[VaultRow]:
        """Stream the rows that are not used, because the other form of the same id was synced later."""
        for (row_number,) in self._all("SELECT item FROM temp.superseded ORDER BY item"):
            yield self._row(row_number)

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file itself, as far as 20 lines."""
        lines = [str(line) for (line,) in self._all("PRAGMA quick_check(20)")]
        return [] if lines == ["ok"] else lines

    # -- folders ------------------------------------------------------------------------------------

    def subfolders(self, folder_id: str) -> set[str]:
        """Return the ids of all folders below `folder_id`, at any depth, without itself."""
        return self.folder_tree.descendants(bare_id(ContentType.FOLDER, folder_id))

    def find_folder(self, path_or_id: str) -> str:
        """Return the id of a folder given by id, or by its path of names (`Shared/Sales`)."""
        given = bare_id(ContentType.FOLDER, path_or_id)
        if given in self.folder_tree.folders:
            return given
        found = self.folder_tree.find(path_or_id)
        if not found:
            hint = "`lvrestore vault list --type folder` shows the folders"
            raise NotFoundError(f"the folder {quoted(path_or_id)}", f"the vault {self.path}", hint)
        if len(found) > 1:
            raise UsageError(f"{quoted(path_or_id)} names folders {', '.join(found)}", hint="give the id")
        return found[0]

    @cached_property
    def folder_tree(self) -> FolderTree:
        """All folders of the vault, also those it marks deleted; rows that do not decode are left out."""
        return FolderTree(self._folders())

    def _folders(self) -> Iterator[Folder]:
        for row in self.rows(ContentType.FOLDER, deleted="include"):
            try:
                content = decode_as(row.blob, _FolderContent)
            except BlobError:
                continue
            yield Folder(row.source_id, content.name, content.parent_id)

    # -- selection ----------------------------------------------------------------------------------

    def _row_numbers(self, selection: Selection) -> Iterator[int]:
        if selection.deleted == "include" or not can_say_deleted(selection.content_type):
            yield from self._chosen(selection)
        elif selection.ids is not None and not self._trash.is_known(selection.content_type):
            # A few rows are looked at one by one: to find all that are deleted would be to read all of the type.
            of_any = msgspec.structs.replace(selection, deleted="include")
            wanted = selection.deleted == "only"
            yield from (one for one in self._chosen(of_any) if is_deleted(self._row(one)) == wanted)
        else:
            self._trashed(selection.content_type)
            yield from self._chosen(selection)

    def _chosen(self, selection: Selection) -> Iterator[int]:
        alias = self._attach(selection.done_in.state_path) if selection.done_in else ""
        sql, given = chunk_statement(selection, has_folder_id=self._schema.has_folder_id, state_alias=alias)
        after = self._start(selection)
        while chunk := self._chunk(selection, sql, given | {"after": after}):
            for row_number, folder_id in chunk:
                if self._in_folder(selection, row_number, folder_id):
                    yield row_number
            after = chunk[-1][0]

    def _start(self, selection: Selection) -> int:
        """The number of the row that the wanted ones come after."""
        if selection.after is None:
            return _BEFORE_ALL
        forms = (selection.after, prefix_of(selection.content_type) + selection.after)
        found = self._all(
            "SELECT max(rowid) FROM content_items WHERE content_type = ? AND id IN (?, ?)",
            (selection.content_type, *forms),
        )[0][0]
        return _BEFORE_ALL if found is None else int(found)

    def _chunk(self, selection: Selection, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        self._database.require_unchanged()
        with self._located(f"{selection.content_type.label} rows after row {given['after']}"):
            return self._db.execute(sql, given).fetchall()

    def _in_folder(self, selection: Selection, row_number: int, folder_id: str | None) -> bool:
        """Rows without the column, or from before it was added, tell their folder only in the content."""
        if selection.folder_ids is None or folder_id is not None:
            return True
        try:
            content = decode_as(self._row(row_number).blob, _FolderOf)
        except BlobError:
            return False
        return content.folder_id in selection.folder_ids

    def _row(self, row_number: int) -> VaultRow:
        with self._located(f"row {row_number}"):
            found: tuple[Any, ...] = self._db.execute(self._row_sql, (row_number,)).fetchall()[0]
        content_type = ContentType(found[0])
        source_id, name, owner_id, folder_id, updated_at, deleted_at = map(_text, found[1:7])
        if content_type is ContentType.USER:
            name = _person_in(found[7] or b"") or name
        return VaultRow(
            content_type=content_type,
            source_id=bare_id(content_type, source_id or ""),
            name=name or "",
            blob=found[7] or b"",
            owner_id=owner_id,
            folder_id=folder_id,
            updated_at=updated_at,
            deleted_at=deleted_at,
        )

    # -- the file -----------------------------------------------------------------------------------

    @contextmanager
    def _located(self, where: str) -> Generator[None]:
        try:
            with sqlite_errors(self.path):
                yield
        except VaultError as error:
            raise VaultError(f"{error.message} (at {where})", error.hint) from error

    def _all(self, sql: str, given: dict[str, Any] | tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        with sqlite_errors(self.path):
            return self._db.execute(sql, given).fetchall()

    def _scalar(self, sql: str, given: dict[str, Any] | None = None) -> int:
        return int(self._all(sql, given)[0][0])

    @cached_property
    def _counts(self) -> dict[int, TypeCount]:
        return {t: TypeCount(rows, deleted) for t, rows, deleted in self._all(_COUNTS)}

    @cached_property
    def _totals(self) -> list[tuple[int, int, str | None, str | None, int]]:
        return [(t, rows, oldest, newest, size) for t, rows, oldest, newest, size in self._all(_TOTALS)]

    def _trashed(self, content_type: ContentType) -> int:
        """How many rows are not marked deleted and say themselves that they are; `temp.trashed` has them then."""
        self._database.require_unchanged()
        with sqlite_errors(self.path):
            return self._trash.count(content_type)

    def _supersede(self) -> None:
        self._db.execute("CREATE TEMP TABLE superseded (item INTEGER PRIMARY KEY)")
        self._composite = {t: self._scalar(_COMPOSITE, _range(t)) for t in ContentType}
        for content_type, found in self._composite.items():
            if found:
                self._db.execute(_SUPERSEDE, _range(content_type))

    def _id_form(self) -> IdForm:
        composite = sum(self._composite.values())
        rows = sum(count for _, count, _, _, _ in self._totals)
        return "bare" if not composite else "composite" if composite == rows else "mixed"

    def _attach(self, state_path: Path) -> str:
        """Attach a state file read-only; its writer may be at work in another process."""
        if state_path not in self._attached:
            alias = f"state{len(self._attached)}"
            try:
                self._db.execute(
                    f"ATTACH DATABASE ? AS {alias}", (f"{state_path.absolute().as_uri()}?mode=ro",)
                )
                self._db.execute(f"SELECT 1 FROM {alias}.restored_items LIMIT 0").fetchall()  # noqa: S608 - own alias
            except apsw.Error as error:
                raise ValidationError(f"the state file {state_path} cannot be read: {error}") from error
            self._attached[state_path] = alias
        return self._attached[state_path]

    @cached_property
    def _last_extraction(self) -> tuple[Any, ...]:
        columns = {name for _, name, *_ in self._all("PRAGMA table_info(extraction_sessions)")}
        if not {"status", "config", "metadata", "started_at"} <= columns:
            return None, None, None
        newest = self._all(
            "SELECT status, config, metadata FROM extraction_sessions ORDER BY started_at DESC LIMIT 1"
        )
        return newest[0] if newest else (None, None, None)

    @property
    def source_instance(self) -> str | None:
        """The instance that the vault says it was taken from."""
        _, config, metadata = self._last_extraction
        return _instance_in(metadata) or _instance_in(config)


_INSTANCE_KEYS = ("source_instance", "instance_url", "instance", "base_url", "api_url", "looker_url")


def _instance_in(text: str | None) -> str | None:
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return None
    if not isinstance(known, dict):
        return None
    return next((str(known[key]) for key in _INSTANCE_KEYS if known.get(key)), None)


def _range(content_type: ContentType) -> dict[str, Any]:
    prefix = prefix_of(content_type)
    return {"content_type": content_type, "prefix": prefix, "prefix_end": prefix[:-1] + ";"}


def _person_in(blob: bytes) -> str:
    """The name and address of a user: lookervault writes `Untitled 14` into the name column of users."""
    try:
        return person_name(msgspec.structs.asdict(decode_as(blob, _Person)))
    except BlobError:
        return ""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
