"""The tables of lookervault's files, in each version of its schema."""

from __future__ import annotations

NEWEST_SCHEMA = 4

ITEM_COLUMNS = """
    name TEXT NOT NULL, owner_id INTEGER, owner_email TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, synced_at TEXT NOT NULL, deleted_at TEXT DEFAULT NULL,
    content_size INTEGER NOT NULL, content_data BLOB NOT NULL"""
CHECKPOINT_COLUMNS = """id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content_type INTEGER NOT NULL,
    checkpoint_data TEXT NOT NULL, started_at TEXT NOT NULL, completed_at TEXT DEFAULT NULL,
    item_count INTEGER DEFAULT 0"""
SESSION_COLUMNS = """id TEXT PRIMARY KEY NOT NULL, started_at TEXT NOT NULL, completed_at TEXT DEFAULT NULL,
    status TEXT NOT NULL, total_items INTEGER DEFAULT 0, error_count INTEGER DEFAULT 0,
    config TEXT, metadata TEXT"""
COMMON_TABLES = f"""
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL, description TEXT);
CREATE TABLE extraction_sessions ({SESSION_COLUMNS});
CREATE INDEX idx_content_type ON content_items(content_type) WHERE deleted_at IS NULL;
CREATE INDEX idx_owner_id ON content_items(owner_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_updated_at ON content_items(updated_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_deleted_at ON content_items(deleted_at) WHERE deleted_at IS NOT NULL;
"""
FOLDER_INDEX = """
CREATE INDEX idx_folder_id ON content_items(folder_id)
    WHERE deleted_at IS NULL AND folder_id IS NOT NULL AND content_type IN (1, 2, 6, 5);
"""
RESTORE_TABLES = f"""
CREATE TABLE restoration_sessions ({SESSION_COLUMNS}, success_count INTEGER DEFAULT 0, source_instance TEXT,
    destination_instance TEXT NOT NULL);
CREATE TABLE id_mappings (source_instance TEXT NOT NULL, content_type INTEGER NOT NULL,
    source_id TEXT NOT NULL, destination_id TEXT NOT NULL, created_at TEXT NOT NULL, session_id TEXT,
    PRIMARY KEY (source_instance, content_type, source_id));
CREATE TABLE restoration_checkpoints ({CHECKPOINT_COLUMNS},
    error_count INTEGER DEFAULT 0 {{unique_checkpoint}});
CREATE TABLE dead_letter_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL,
    content_id TEXT NOT NULL, content_type INTEGER NOT NULL, content_data BLOB NOT NULL,
    error_message TEXT NOT NULL, error_type TEXT NOT NULL, stack_trace TEXT, retry_count INTEGER NOT NULL,
    failed_at TEXT NOT NULL, metadata TEXT
    {{unique_letter}});
"""
# What each schema version records of itself: migrations did not always leave a row.
VERSION_ROWS = {1: (1,), 2: (1,), 3: (1, 3), 4: (3, 4)}


def schema_sql(version: int) -> str:
    """Return the tables of one schema version."""
    key = (
        "id TEXT NOT NULL, content_type INTEGER NOT NULL"
        if version == NEWEST_SCHEMA
        else "id TEXT PRIMARY KEY, content_type INTEGER NOT NULL"
    )
    folder = ", folder_id TEXT DEFAULT NULL" if version > 1 else ""
    both = ", PRIMARY KEY (id, content_type)" if version == NEWEST_SCHEMA else ""
    unique = ", UNIQUE(session_id, content_type, started_at)" if version in (3, 4) else ""
    letter = ", UNIQUE(session_id, content_id, content_type, retry_count)" if unique else ""
    restore = RESTORE_TABLES.format(unique_checkpoint=unique, unique_letter=letter) if version > 1 else ""
    return (
        f"CREATE TABLE content_items ({key}, {ITEM_COLUMNS}{folder}{both});"
        f"CREATE TABLE sync_checkpoints ({CHECKPOINT_COLUMNS}, error_message TEXT DEFAULT NULL{unique});"
        + COMMON_TABLES
        + (FOLDER_INDEX if version > 1 else "")
        + restore
    )
