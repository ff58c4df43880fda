"""file"""

from __future__ import annotations

class Kind(msgspec.Struct, frozen=True):
    """A content type: its number in the file, its name in composite ids, how many, and what makes one."""

    number: int
    label: str
    count: Callable[[World], int]
    make: Callable[[World, int], Content]


KINDS = (
    Kind(1, "dashboard", lambda world: world.dashboards, World.dashboard),
    Kind(2, "look", lambda world: world.looks, World.look),
    Kind(3, "lookml_model", lambda _: len(MODELS), World.model),
    Kind(5, "folder", lambda world: world.folder_count, World.folder_row),
    Kind(7, "user", lambda world: world.users, World.user),
)

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


def write_vault(
    path: Path,
    *,
    id_form: IdForm = "bare",
    schema: int = NEWEST_SCHEMA,
    **world: Any,  # noqa: ANN401 - World's
) -> dict[str, int]:
    """Write a new vault and return the number of rows per type; see `World` for what can be chosen."""
    made = World(disjoint_ids=schema < NEWEST_SCHEMA and id_form == "bare", **world)
    path.unlink(missing_ok=True)
    with closing(apsw.Connection(str(path))) as db:
        for setting in ("page_size = 16384", "journal_mode = OFF", "synchronous = OFF"):
            db.execute(f"PRAGMA {setting}")
        db.execute(schema_sql(schema))
        counts = {kind.label: _write_kind(db, made, kind, id_form, schema) for kind in KINDS}
        _write_history(db, counts, schema)
        # lookervault leaves its files in this mode.
        db.execute("PRAGMA journal_mode = WAL").fetchall()
    return counts


def _write_kind(db: apsw.Connection, world: World, kind: Kind, id_form: IdForm, schema: int) -> int:
    marks = ", ".join("?" * (12 if schema > 1 else 11))
    # S608: the statement is put together from this file's own text.
    statement = f"INSERT INTO content_items VALUES ({marks})"  # noqa: S608
    total = kind.count(world)
    for start in range(1, total + 1, ROWS_PER_COMMIT):
        numbers = range(start, min(start + ROWS_PER_COMMIT, total + 1))
        with db:
            db.executemany(statement, _rows(world, kind, numbers, id_form, schema))
    return total


def _rows(
    world: World, kind: Kind, numbers: range, id_form: IdForm, schema: int
) -> Iterator[tuple[apsw.SQLiteValue, ...]]:
    for number in numbers:
        row = item_row(kind, number, kind.make(world, number), id_form)
        if world.oddities and kind.label in ("dashboard", "look") and number % DELETED[0] == DELETED[1]:
            row = (*row[:8], EXTRACTED_AT.isoformat(), *row[9:])
        yield row if schema > 1 else row[:-1]


def item_row(
    kind: Kind, number: int, content: Content, id_form: IdForm = "bare"
) -> tuple[apsw.SQLiteValue, ...]:
    """Return a row of content_items as lookervault derives it from the content."""
    content = {key: value for key, value in content.items() if value is not None}
    blob = msgspec.msgpack.encode(content)
    source_id = content.get("id") or content["name"]
    synced_at = EXTRACTED_AT + timedelta(milliseconds=7 * number)
    # Extracted by one worker: composite ids, the id for want of a name, and naive local time.
    alone = id_form == "composite"
    owned = kind.label in ("dashboard", "look")
    return (
        f"{kind.label}::{source_id}" if alone else source_id,
        kind.number,
        content.get("title") or content.get("name") or (source_id if alone else f"Untitled {source_id}"),
        int(content["user_id"]) if owned and "user_id" in content else None,
        None,
        content.get("created_at", synced_at).isoformat(),
        content.get("updated_at", synced_at).isoformat(),
        (synced_at.replace(tzinfo=None) if alone else synced_at).isoformat(),
        None,
        len(blob),
        blob,
        content["folder_id"] if owned else None,
    )


def _write_history(db: apsw.Connection, counts: dict[str, int], schema: int) -> None:
    at = EXTRACTED_AT.isoformat()
    session_id = "71e114eb-9e77-52c9-b029-5dcd82fab582"
    config = msgspec.json.encode(
        {"content_types": [kind.number for kind in KINDS], "batch_size": 100}
    ).decode()
    with db:
        for version in VERSION_ROWS[schema]:
            db.execute("INSERT INTO schema_version VALUES (?, ?, ?)", (version, at, "schema"))
        db.execute(
            "INSERT INTO extraction_sessions VALUES (?, ?, ?, 'completed', ?, 0, ?, NULL)",
            (session_id, at, at, sum(counts.values()), config),
        )
        for kind in KINDS:
            db.execute(
                "INSERT INTO sync_checkpoints VALUES (NULL, ?, ?, '{}', ?, ?, ?, NULL)",
                (session_id, kind.number, at, at, counts[kind.label]),
            )
