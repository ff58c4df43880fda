"""Write a small backup of its own, of some items alone: whatever reads a vault can read them then."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import apsw

from lvrestore.errors import StateError
from lvrestore.vault.reader import Vault, open_vault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lvrestore.model import VaultRow

# The newest schema of a vault, as far as it is read.
_SCHEMA = """
PRAGMA synchronous = OFF;
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL, description TEXT);
INSERT INTO schema_version VALUES (4, '', '');
CREATE TABLE content_items (id TEXT NOT NULL, content_type INTEGER NOT NULL, name TEXT NOT NULL, owner_id TEXT,
    folder_id TEXT, updated_at TEXT, synced_at TEXT, deleted_at TEXT, content_size INTEGER NOT NULL,
    content_data BLOB NOT NULL, PRIMARY KEY (id, content_type));
CREATE INDEX idx_content_type ON content_items (content_type) WHERE deleted_at IS NULL;
"""


def write_extract(path: Path, rows: Iterable[VaultRow]) -> Vault:
    """Write the rows, none of them as deleted, to a new file, and open it."""
    try:
        with closing(apsw.Connection(str(path))) as db:
            db.execute(_SCHEMA)
            with db:
                db.executemany(
                    "INSERT OR IGNORE INTO content_items VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
                    (
                        (
                            row.source_id,
                            row.content_type,
                            row.name,
                            row.owner_id,
                            row.folder_id,
                            row.updated_at,
                            len(row.blob),
                            row.blob,
                        )
                        for row in rows
                    ),
                )
    except apsw.Error as error:
        raise StateError(str(path), str(error)) from error
    return open_vault(path)
