-- The state of one destination. The vault is never written; what a run learns lives here.
-- Names follow the lookervault backup format where it has them.

CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS restoration_sessions (
    id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    completed_at TEXT,
    status TEXT NOT NULL,                 -- running | completed | stopped | interrupted | failed
    generation INTEGER NOT NULL,          -- one higher each time a run begins or continues a session
    total_items INTEGER NOT NULL DEFAULT 0,
    success_count INTEGER NOT NULL DEFAULT 0,
    error_count INTEGER NOT NULL DEFAULT 0,
    source_instance TEXT,
    destination_instance TEXT NOT NULL,
    config TEXT NOT NULL,                 -- JSON: the selection and policies, no secrets
    metadata TEXT NOT NULL                -- JSON: vault path and fingerprint, the last summary
);

-- An item that some run has begun and whose end is not known yet. No session in the key: every run consults it.
CREATE TABLE IF NOT EXISTS claims (
    destination_instance TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    claimed_at TEXT NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,    -- 1: its run saw the item fail, so nothing of it is under way any more
    PRIMARY KEY (destination_instance, content_type, source_id)
) WITHOUT ROWID;

-- The journal: one row per item and session, written in the transaction that makes the item done.
CREATE TABLE IF NOT EXISTS restored_items (
    session_id TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    status TEXT NOT NULL,
    destination_id TEXT,
    attempts INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    calls TEXT NOT NULL,                  -- JSON: calls by method
    reason TEXT NOT NULL,
    warnings TEXT NOT NULL,               -- JSON: [[kind, message], ...]
    error_kind TEXT,
    finished_at TEXT NOT NULL,
    PRIMARY KEY (session_id, content_type, source_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS id_mappings (
    source_instance TEXT NOT NULL,
    destination_instance TEXT NOT NULL,
    content_type TEXT NOT NULL,           -- a content type, or a part: dashboard_element, dashboard_layout, ...
    source_id TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    state TEXT NOT NULL,                  -- partial | done
    created_at TEXT,                      -- of the live object, to know it again
    slug TEXT,
    vault_fingerprint BLOB,               -- of a vault version that the server did not keep as sent,
    live_fingerprint BLOB,                -- and of what it made of it: together they count as unchanged
    session_id TEXT NOT NULL,
    PRIMARY KEY (source_instance, destination_instance, content_type, source_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS dead_letter_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    destination_instance TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    name TEXT NOT NULL,
    content_data BLOB,
    error_kind TEXT NOT NULL,
    error_message TEXT NOT NULL,
    field TEXT,
    http_status INTEGER,
    request TEXT,                         -- method and path
    response TEXT,                        -- redacted, bounded
    stack_trace TEXT,
    attempts INTEGER NOT NULL,
    blocker TEXT,                         -- JSON: what the item waits for, ["folder 7", ...]
    failed_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_session ON dead_letter_queue (session_id, content_type);
CREATE INDEX IF NOT EXISTS dead_letters_by_item ON dead_letter_queue (destination_instance, content_type, content_id);

-- What a write replaced, zlib-compressed JSON.
CREATE TABLE IF NOT EXISTS before_images (
    session_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    body BLOB NOT NULL,
    taken_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS before_images_by_item ON before_images (content_type, destination_id);
