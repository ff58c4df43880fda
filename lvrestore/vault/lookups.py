"""What one item's restore asks about other rows of the backup; tables of it are made on disk when first asked for."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import msgspec

from lvrestore.errors import StateError
from lvrestore.model import ContentType
from lvrestore.vault.decode import BlobError, decode_as, decode_blob
from lvrestore.vault.definitions import Definitions, Who
from lvrestore.vault.reader import Vault, open_vault

NIL = b"\xc0"
NULL = b"null"
IN_MAKER = "in a result maker: "
Rows = Iterator[tuple[str, Any]]


class _User(msgspec.Struct):
    role_ids: list[str] | None = None
    group_ids: list[str] | None = None
    roles_externally_managed: bool | None = None
    is_service_account: bool | None = None
    credentials_embed: list[Any] | None = None
    personal_folder_id: str | None = None


class _Folder(msgspec.Struct):
    is_personal: bool | None = None
    creator_id: str | None = None


class _Maker(msgspec.Struct):
    query: msgspec.Raw = msgspec.Raw(NIL)


class _Look(msgspec.Struct):
    query: msgspec.Raw = msgspec.Raw(NIL)


class _Tile(msgspec.Struct):
    query: msgspec.Raw = msgspec.Raw(NIL)
    look: _Look | None = None
    result_maker: _Maker | None = None


class _Dashboard(msgspec.Struct):
    dashboard_elements: list[_Tile] | None = None


class Lookups:
    """Answers about a vault for the threads of one process.

    Tables lie in `folder`, which all processes of a run share: whoever asks first makes them.
    """

    def __init__(self, vault_path: Path, folder: Path) -> None:
        self._path, self._folder = vault_path, folder
        self._lock = threading.RLock()
        self._vault: Vault | None = None
        self._tables: dict[str, apsw.Connection] = {}
        self._definitions: Definitions | None = None

    def has(self, content_type: ContentType, source_id: str) -> bool:
        """Whether the vault holds the item, or holds nothing of that type and so cannot tell."""
        with self._lock:
            vault = self._open()
            return not vault.has_type(content_type) or vault.has(content_type, source_id)

    def has_row(self, content_type: ContentType, source_id: str) -> bool:
        """Whether the vault holds the item itself."""
        with self._lock:
            return self._open().has(content_type, source_id)

    def content(self, content_type: ContentType, source_id: str) -> dict[str, Any] | None:
        """The content of an item; None when the vault lacks it or it cannot be decoded."""
        with self._lock:
            row = self._open().get(content_type, source_id)
        try:
            return decode_blob(row.blob) if row is not None else None
        except BlobError:
            return None

    def marked_deleted(self, content_type: ContentType, source_id: str) -> bool:
        """Whether the vault holds the item as a deleted one."""
        with self._lock:
            return self._open().has(content_type, source_id, deleted="only")

    def holders(self, kind: str, source_id: str, *, managed: bool = False) -> tuple[str, ...]:
        """Users whose `role_ids` or `group_ids` hold a role or group, without those that the vault marks deleted.

        Apart from each other are those of whom a restore decides, and those, `managed`, of whom somebody else does.
        """
        whose = "managed " if managed else ""
        return tuple(self._look_up("holders", _holders, f"{whose}{kind} {source_id}"))

    def query(self, query_id: str) -> Mapping[str, Any] | None:
        """The definition of a query that some tile embeds, the whole one if there are several; else the source's."""
        found = self._look_up("queries", _queries, query_id)
        found = found or self._look_up("queries", _queries, f"{IN_MAKER}{query_id}")
        return decode_blob(found[0]) if found else self._fetched("query", query_id)

    def merge_query(self, merge_id: str) -> Mapping[str, Any] | None:
        """The definition of merged results, which only the source itself has."""
        return self._fetched("merge_query", merge_id)

    def refusal(self, kind: str, source_id: str, who: Who) -> str | None:
        """Why an instance would not have, or give, a query of the backup in this run."""
        learned = self._learned()
        return None if learned is None else learned.refusal(kind, source_id, who)

    def _fetched(self, kind: str, source_id: str) -> Mapping[str, Any] | None:
        learned = self._learned()
        return None if learned is None else learned.fetched(kind, source_id)

    def _learned(self) -> Definitions | None:
        with self._lock:
            if self._definitions is None:
                self._definitions = Definitions.existing(self._folder)
            return self._definitions

    def personal_folder(self, user_id: str) -> str | None:
        """A user's personal folder: the user says so, else the folder says who made it."""
        said = (self.content(ContentType.USER, user_id) or {}).get("personal_folder_id")
        found = [said] if said else self._look_up("personal", _personal_folders, user_id)
        return str(found[0]) if found else None

    def owner_of(self, folder_id: str) -> str | None:
        """The user whose personal folder it is: some user says so, else the folder says who made it."""
        found = self._look_up("owners", _owners, folder_id)
        if found:
            return str(found[0])
        made_by = (self.content(ContentType.FOLDER, folder_id) or {}).get("creator_id")
        return str(made_by) if made_by else None

    def namesakes(self, content_type: ContentType, source_id: str) -> tuple[str, ...]:
        """The living folders of this one's name in its place, or people of this one's name, itself included.

        They come in an order that does not depend on that of the rows.
        """
        content = self.content(content_type, source_id) or {}
        return tuple(self._look_up("names", _names, _name_of(content_type, content)))

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for table in self._tables.values():
                table.close()
            self._tables.clear()
            if self._definitions is not None:
                self._definitions.close()
                self._definitions = None
            if self._vault is not None:
                self._vault.close()
                self._vault = None

    def _open(self) -> Vault:
        # Opening looks through the whole file, so it is done once, and only when somebody asks.
        if self._vault is None:
            self._vault = open_vault(self._path)
        return self._vault

    def _look_up(self, name: str, read: Callable[[Vault], Rows], key: str) -> list[Any]:
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = self._table(name, read)
            rows = table.execute("SELECT value FROM found WHERE key = ? ORDER BY rowid", (key,)).fetchall()
        return [value for (value,) in rows]

    def _table(self, name: str, read: Callable[[Vault], Rows]) -> apsw.Connection:
        file = self._folder / f"{name}.db"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the processes of a run ask for it at about the same time
            if not file.exists():
                unfinished = file.with_suffix(".unfinished")
                unfinished.unlink(missing_ok=True)
                _fill(unfinished, read(self._open()))
                unfinished.rename(file)
        return apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)


def _fill(file: Path, rows: Iterable[tuple[str, Any]]) -> None:
    try:
        _write(file, rows)
    except apsw.Error as error:
        raise StateError(str(file), str(error)) from error


def _write(file: Path, rows: Iterable[tuple[str, Any]]) -> None:
    db = apsw.Connection(str(file))
    db.execute("PRAGMA synchronous=OFF; CREATE TABLE found (key TEXT NOT NULL, value, UNIQUE (key, value))")
    with db:
        db.executemany("INSERT OR IGNORE INTO found VALUES (?, ?)", rows)
    db.close()


def _holders(vault: Vault) -> Rows:
    for row in vault.rows(ContentType.USER):
        try:
            user = decode_as(row.blob, _User)
        except BlobError:
            continue
        elsewhere = bool(user.is_service_account or user.credentials_embed)
        groups = "managed group" if elsewhere else "group"
        roles = "managed role" if elsewhere or user.roles_externally_managed else "role"
        yield from ((f"{groups} {one}", row.source_id) for one in user.group_ids or ())
        yield from ((f"{roles} {one}", row.source_id) for one in user.role_ids or ())


def _personal_folders(vault: Vault) -> Rows:
    for row in vault.rows(ContentType.FOLDER, deleted="include"):
        try:
            folder = decode_as(row.blob, _Folder)
        except BlobError:
            continue
        if folder.is_personal and folder.creator_id:
            yield folder.creator_id, row.source_id


def _owners(vault: Vault) -> Rows:
    for row in vault.rows(ContentType.USER, deleted="include"):
        try:
            user = decode_as(row.blob, _User)
        except BlobError:
            continue
        if user.personal_folder_id:
            yield user.personal_folder_id, row.source_id


def _names(vault: Vault) -> Rows:
    found = []
    for content_type in (ContentType.FOLDER, ContentType.USER):
        for row in vault.rows(content_type):
            try:
                content = decode_blob(row.blob)
            except BlobError:
                continue
            if not content.get("credentials_embed") and not content.get("is_service_account"):
                found.append((len(row.source_id), row.source_id, _name_of(content_type, content)))
    yield from ((name, source_id) for _, source_id, name in sorted(found))


def _name_of(content_type: ContentType, content: Mapping[str, Any]) -> str:
    """What an item is called in full: of a folder with its place."""
    fields = ("parent_id", "name") if content_type is ContentType.FOLDER else ("first_name", "last_name")
    return "\n".join([content_type.label, *(str(content.get(name) or "") for name in fields)])


def _queries(vault: Vault) -> Rows:
    """The queries that tiles embed, as the bytes that the vault has.

    A result maker has the visualisation beside its query, which therefore lacks it or has an older one.
    """
    for row in vault.rows(ContentType.DASHBOARD, deleted="include"):
        try:
            tiles = decode_as(row.blob, _Dashboard).dashboard_elements or ()
        except BlobError:
            continue
        for tile in tiles:
            wholes = (tile.query, tile.look.query if tile.look else None)
            yield from (named for raw in wholes for named in _named_query(raw))
            in_maker = tile.result_maker.query if tile.result_maker else None
            yield from ((f"{IN_MAKER}{i}", definition) for i, definition in _named_query(in_maker))


def _named_query(raw: msgspec.Raw | None) -> Rows:
    """A query by its id, if there is one."""
    definition = NIL if raw is None else bytes(raw)
    if definition not in {NIL, NULL}:
        yield str(decode_blob(definition).get("id")), definition
