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
    metadata TEXT NOT NULL                -- JSON: vault and its fingerprint, what proved the instance, the last summary
);
CREATE INDEX IF NOT EXISTS sessions_by_start ON restoration_sessions (started_at);
CREATE INDEX IF NOT EXISTS sessions_by_generation ON restoration_sessions (generation);
CREATE INDEX IF NOT EXISTS running_sessions ON restoration_sessions (id) WHERE status = 'running';

-- What the items of a session and type come to, so that nobody need count them all again. It is true together with
-- the journal rows that it does not count yet.
CREATE TABLE IF NOT EXISTS restoration_checkpoints (
    session_id TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    position TEXT,                        -- the item that was stored last
    item_count INTEGER NOT NULL,
    error_count INTEGER NOT NULL,
    checkpoint_data TEXT NOT NULL,        -- JSON: counts by operation, error, warning and reason, and the calls
    started_at TEXT NOT NULL,             -- of the first checkpoint
    completed_at TEXT NOT NULL,           -- of this one
    PRIMARY KEY (session_id, content_type)
) WITHOUT ROWID;

-- An item that some run has begun and whose end is not known yet. No session in the key: every run consults it.
CREATE TABLE IF NOT EXISTS claims (
    destination_instance TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    claimed_at TEXT NOT NULL,
    create_sent_at TEXT,                  -- when the POST that makes the item left; NULL: nothing can be ours
    failed INTEGER NOT NULL DEFAULT 0,    -- 1: its run saw the item fail, so nothing of it is under way any more
    undeletes TEXT,                       -- the id under which it was about to come back from the trash
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
    waits INTEGER NOT NULL DEFAULT 0,     -- why it is to be looked at again, 0: it is not
    counted INTEGER NOT NULL DEFAULT 0,   -- 1: a checkpoint counts it
    name TEXT NOT NULL DEFAULT '',        -- what the backup calls it; empty where a version wrote it that did not say
    error TEXT,                           -- JSON: [message, HTTP status, field] of what failed it
    done TEXT,                            -- what was done to a partial item
    PRIMARY KEY (session_id, content_type, source_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_items ON restored_items (session_id, content_type, source_id) WHERE waits;
CREATE INDEX IF NOT EXISTS uncounted_items ON restored_items (session_id, content_type) WHERE counted = 0;
CREATE INDEX IF NOT EXISTS failed_items ON restored_items (session_id, error_kind) WHERE error_kind IS NOT NULL;

CREATE TABLE IF NOT EXISTS id_mappings (
    source_instance TEXT NOT NULL,
    destination_instance TEXT NOT NULL,
    content_type TEXT NOT NULL,           -- a content type, or a part: dashboard_element, dashboard_layout, ...
    source_id TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    state TEXT NOT NULL,                  -- begun | referred | lacking (done, without parts that nothing could bring) | done
    created_at TEXT,                      -- of the live object, to know it again
    slug TEXT,
    vault_fingerprint BLOB,               -- of a vault version that the server did not keep as sent,
    live_fingerprint BLOB,                -- and of what it made of it: together they count as unchanged
    session_id TEXT NOT NULL,
    rule TEXT NOT NULL DEFAULT '',        -- how it was found; empty where a version wrote it that did not say
    mapped_at TEXT,                       -- when it got this destination id
    PRIMARY KEY (source_instance, destination_instance, content_type, source_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mappings_by_destination
    ON id_mappings (source_instance, destination_instance, content_type, destination_id);
CREATE INDEX IF NOT EXISTS moved_mappings ON id_mappings (source_instance, destination_instance, content_type)
    WHERE source_id <> destination_id;

-- Until when every change of a live object is this tool's own: a later one is somebody else's edit. No source in the
-- key: whatever it was restored from, the write was ours.
CREATE TABLE IF NOT EXISTS own_writes (
    destination_instance TEXT NOT NULL,
    content_type TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (destination_instance, content_type, destination_id)
) WITHOUT ROWID;

-- One entry per item at most. An entry keeps its id for as long as the item fails.
CREATE TABLE IF NOT EXISTS dead_letter_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,             -- in which it failed last
    destination_instance TEXT NOT NULL,
    content_type INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    name TEXT NOT NULL,
    content_data BLOB,                    -- what the vault held, zlib-compressed, without secrets
    error_kind TEXT NOT NULL,
    error_message TEXT NOT NULL,
    field TEXT,
    http_status INTEGER,
    request TEXT,                         -- method and path
    response TEXT,                        -- redacted, bounded
    stack_trace TEXT,
    attempts INTEGER NOT NULL,
    blocker TEXT,                         -- JSON: what the item waits for, ["folder 7", ...]
    failed_at TEXT NOT NULL,
    retried_in TEXT                       -- the session that is to try it again and has not yet
);
CREATE INDEX IF NOT EXISTS dead_letters_by_session ON dead_letter_queue (session_id, content_type);
CREATE INDEX IF NOT EXISTS dead_letters_by_item ON dead_letter_queue (destination_instance, content_type, content_id);
CREATE INDEX IF NOT EXISTS dead_letters_by_type ON dead_letter_queue (content_type);
CREATE INDEX IF NOT EXISTS dead_letters_by_kind ON dead_letter_queue (error_kind);
CREATE INDEX IF NOT EXISTS dead_letters_to_retry ON dead_letter_queue (retried_in) WHERE retried_in IS NOT NULL;

-- What a write replaced, zlib-compressed JSON.
CREATE TABLE IF NOT EXISTS before_images (
    session_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    body BLOB NOT NULL,
    taken_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS before_images_by_item ON before_images (content_type, destination_id);

-- Schedules and alerts that a session switched off, since what they send or watch came back from the trash. Written
-- before the call that switches them off.
CREATE TABLE IF NOT EXISTS switched_off (
    session_id TEXT NOT NULL,
    kind TEXT NOT NULL,                   -- scheduled_plan | alert
    destination_id TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    body BLOB NOT NULL,                   -- as it was, zlib-compressed JSON
    content_kind TEXT NOT NULL,           -- dashboard | look
    content_id TEXT NOT NULL,             -- the destination's
    noted_at TEXT NOT NULL,
    PRIMARY KEY (session_id, kind, destination_id)
) WITHOUT ROWID;
