"""Tell the schema version of a vault by its shape: the recorded number does not tell it reliably."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lvrestore.errors import VaultError

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

NEWEST_SCHEMA = 4
_REQUIRED = (
    *("id", "content_type", "name", "owner_id", "updated_at"),
    *("synced_at", "deleted_at", "content_size", "content_data"),
)


class Schema(msgspec.Struct, frozen=True):
    """Which version a vault has, and the column that not all versions have."""

    version: int
    has_folder_id: bool


def read_schema(db: apsw.Connection, path: Path) -> Schema:
    """Return the schema of an opened vault, or raise VaultError when it is none or too new."""
    columns = {name: pk for _, name, _, _, _, pk in db.execute("PRAGMA table_info(content_items)")}
    if not columns:
        raise VaultError(f"{path} is a SQLite file without content_items: not a lookervault backup")
    if absent := [name for name in _REQUIRED if name not in columns]:
        raise VaultError(f"{path} is not a lookervault backup: content_items lacks {', '.join(absent)}")
    _refuse_newer(db, path)
    return Schema(_version(db, columns), "folder_id" in columns)


def _refuse_newer(db: apsw.Connection, path: Path) -> None:
    recorded = _recorded_version(db)
    if recorded > NEWEST_SCHEMA:
        raise VaultError(
            f"the vault {path} has schema version {recorded}; this release reads 1 to {NEWEST_SCHEMA}",
            hint="update lvrestore",
        )


def _recorded_version(db: apsw.Connection) -> int:
    if not db.execute("PRAGMA table_info(schema_version)").fetchall():
        return 0
    newest = db.execute("SELECT CAST(max(version) AS INTEGER) FROM schema_version").fetchall()[0][0]
    return int(newest or 0)


def _version(db: apsw.Connection, columns: dict[str, int]) -> int:
    if columns["content_type"]:
        return 4
    if any(origin == "u" for _, _, _, origin, _ in db.execute("PRAGMA index_list(sync_checkpoints)")):
        return 3
    return 2 if "folder_id" in columns else 1
