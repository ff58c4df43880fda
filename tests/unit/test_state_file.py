"""The file itself: older versions, newer ones, foreign ones, one that is taken away, and what its queries cost."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
import statements
from statements import asked_by_everything

from lvrestore.errors import StateLostError, ValidationError
from lvrestore.model import ContentType, History, Operation, RestorationResult
from lvrestore.report.session import session_summary
from lvrestore.state import reader as reader_module
from lvrestore.state import store as store_module
from lvrestore.state.database import SCHEMA_VERSION
from lvrestore.state.dead_letters import DeadLetterQueue, LetterFilter
from lvrestore.state.mappings import IDMapper, Mappings
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore

DATA = Path(__file__).parents[1] / "data"
OLD = {path.stem.removeprefix("state-"): path for path in sorted(DATA.glob("state-*.sql"))}
HERE = "https://there"
D = ContentType.DASHBOARD


@pytest.fixture(params=OLD)
def old(request, tmp_path):
    """A state file as an older version left it: a session with one item done, one failed, one under way."""
    path = tmp_path / "old.db"
    db = apsw.Connection(str(path))
    db.execute(OLD[request.param].read_text())
    db.execute("INSERT INTO schema_version VALUES (?, '')", (int(request.param[0]),))
    at = "2026-11-01T00:00:00.000+00:00"
    db.execute(
        "INSERT INTO restoration_sessions (id, started_at, status, generation, source_instance,"
        " destination_instance, config, metadata) VALUES ('s', ?, 'interrupted', 1, ?, ?, '{}', '{}')",
        (at, HERE, HERE),
    )
    calls = '{"by_method":{"GET":2},"retries":0,"rate_limited":0}'
    db.executemany(
        "INSERT INTO restored_items (session_id, content_type, source_id, status, destination_id, attempts,"
        " duration_ms, calls, reason, warnings, error_kind, finished_at)"
        " VALUES ('s', 1, ?, ?, ?, 1, 5, ?, '', '[]', ?, ?)",
        [("1", "updated", "1", calls, None, at), ("2", "failed", None, calls, "validation", at)],
    )
    db.execute(
        "INSERT INTO claims (destination_instance, content_type, source_id, generation, claimed_at)"
        " VALUES (?, 1, '3', 1, ?)",
        (HERE, at),
    )
    db.execute(
        "INSERT INTO dead_letter_queue (session_id, destination_instance, content_type, content_id, name,"
        " content_data, error_kind, error_message, attempts, failed_at)"
        " VALUES ('s', ?, 1, '2', 'n', x'80', 'validation', 'no', 1, ?)",
        (HERE, at),
    )
    db.close()
    return path


def version(path):
    with apsw.Connection(str(path)) as db:
        return db.execute("SELECT max(version) FROM schema_version").get


def look(reader):
    """What is read of an old session, whatever version the file has."""
    session = reader.session("s")
    scope = Scope("s", 1, HERE, HERE)
    summary = session_summary(reader, session)
    (letter,) = reader.dead_letters.find(LetterFilter(session_id="s"))
    assert reader.dead_letters.get(letter.id).blob == b"\x80"
    assert reader.history(scope, D, "3") == History()
    assert list(reader.waiting(scope, D, for_name=True)) == []
    assert reader.checkpoints("s") == []
    return summary["summary"]["updated_count"], summary["error_breakdown"], summary["calls"]["total"]


def test_an_older_file_is_read_as_it_is(old):
    before, was = old.read_bytes(), version(old)
    assert look(StateReader(old)) == (1, {"validation": 1}, 4)
    assert old.read_bytes() == before
    assert version(old) == was < SCHEMA_VERSION


def test_an_older_file_is_brought_up_to_date_by_the_first_that_writes(old):
    with StateStore(old) as store:
        assert version(old) == SCHEMA_VERSION
        assert look(StateReader(old)) == (1, {"validation": 1}, 4)
        scope = store.continue_session(StateReader(old).session("s"))
        assert store.uncertain(scope) == store.cut_off(scope) == {(D, "3")}
        store.claim(scope, [(D, "3"), (D, "4")])
        done = {"seq": 0, "content_type": D, "name": "n", "operation": Operation.UPDATED}
        store.write(scope, [RestorationResult(source_id=one, destination_id=one, **done) for one in "234"])
        assert StateReader(old).counts("s")[D].operations == {"updated": 4}
        assert StateReader(old).dead_letters.find(LetterFilter()) == []
    # What the older version wrote is no edit of somebody else.
    assert StateReader(old).own_write(HERE, "dashboard", "1") == datetime(2026, 11, 1, tzinfo=UTC)
    assert StateReader(old).own_write(HERE, "dashboard", "2") is None
    columns = "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
    with apsw.Connection(str(old)) as migrated, apsw.Connection(str(new_file(old.parent))) as new:
        assert set(migrated.execute(columns)) == set(new.execute(columns))
        indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        assert set(migrated.execute(indexes)) == set(new.execute(indexes))


def new_file(folder):
    StateStore(folder / "new.db").close()
    return folder / "new.db"


def test_a_newer_state_file_and_a_foreign_file_are_refused(tmp_path):
    path = new_file(tmp_path)
    with apsw.Connection(str(path)) as db:
        db.execute("INSERT INTO schema_version VALUES (?, '')", (SCHEMA_VERSION + 1,))
    for opened in (lambda: StateReader(path).sessions(), lambda: StateStore(path)):
        with pytest.raises(ValidationError, match="newer") as refused:
            opened()
        assert "upgrade" in refused.value.hint
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a database, but long enough to look like a file of some sort" * 20)
    for opened in (lambda: StateReader(foreign).sessions(), lambda: StateStore(foreign)):
        with pytest.raises(ValidationError, match="not a state file"):
            opened()


def test_a_vault_is_not_taken_for_a_state_file(tmp_path):
    vault = tmp_path / "vault.db"
    apsw.Connection(str(vault)).execute("CREATE TABLE content_items (id TEXT)")
    before = vault.read_bytes()
    for opened in (lambda: StateReader(vault).sessions(), lambda: StateStore(vault)):
        with pytest.raises(ValidationError, match="not a state file"):
            opened()
    assert vault.read_bytes() == before


def test_only_the_owner_can_read_it(tmp_path):
    assert stat.S_IMODE(new_file(tmp_path).stat().st_mode) == 0o600


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_is_not_written_to_in_vain(replaced, tmp_path):
    path = tmp_path / "state.db"
    with StateStore(path) as store:
        scope = store.begin_session(HERE, HERE, {}, {})
        path.unlink()
        if replaced:
            path.touch()
        with pytest.raises(StateLostError, match="removed or replaced"):
            store.claim(scope, [(D, "1")])


def test_no_query_reads_a_whole_table_that_grows(tmp_path):
    """Every statement that the code sends, with the plan that SQLite makes for it."""
    path = tmp_path / "state.db"
    asked = asked_by_everything(path)
    assert len(asked) > 40
    with apsw.Connection(str(path)) as db:
        plans = {
            sql: [row[-1] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", bound)]
            for sql, bound in asked.items()
        }
    scans = {sql: line for sql, plan in plans.items() for line in plan if line.startswith("SCAN")}
    unexpected = {
        sql: line for sql, line in scans.items() if not any(one in line for one in MAY_BE_READ_WHOLE)
    }
    # A list of everything is read in the order of its key, as far as it is wanted.
    everything = {sql for sql in unexpected if " WHERE 1 ORDER BY id LIMIT" in sql}
    assert set(unexpected) == everything


@pytest.mark.parametrize("side", [StateStore, StateReader, DeadLetterQueue, IDMapper, Mappings])
def test_no_method_is_left_out_of_that(side):
    done = "".join(Path(one.__file__).read_text() for one in (statements, reader_module, store_module))
    methods = {name for name, one in vars(side).items() if callable(one) and not name.startswith("_")}
    assert methods
    assert not [name for name in methods if f".{name}(" not in done]


# Values that were bound, small results, and partial indexes that hold only what is asked for.
MAY_BE_READ_WHOLE = (
    "json_each",
    "CONSTANT ROW",
    "(subquery",
    "sqlite_master",
    "schema_version",
    "sessions_by_start",
    "running_sessions",
)


def test_closing_leaves_nothing_beside_the_file_to_copy(tmp_path):
    path = new_file(tmp_path)
    idle = StateReader(path)
    idle.sessions()
    with StateStore(path) as store:
        store.begin_session(HERE, HERE, {}, {})
    assert path.with_name(path.name + "-wal").stat().st_size == 0
    assert len(idle.sessions()) == 1


def test_of_an_older_file_mappings_have_the_states_of_today(old):
    columns = (
        "source_instance, destination_instance, content_type, source_id, destination_id, state, session_id"
    )
    with apsw.Connection(str(old)) as db:
        db.executemany(
            f"INSERT INTO id_mappings ({columns}) VALUES (?, ?, ?, '1', '9', ?, 's')",
            [
                (HERE, HERE, "user", "partial"),
                (HERE, HERE, "folder", "partial"),
                (HERE, HERE, "look", "done"),
            ],
        )
        if "rule" in {row[1] for row in db.execute("PRAGMA table_info(id_mappings)")}:
            db.execute("UPDATE id_mappings SET rule = 'personal_folder' WHERE content_type = 'folder'")
            folder = "done"
        else:
            folder = "begun"

    def states():
        mappings = StateReader(old).mappings.find(("user", "folder", "look"))
        mapper = StateReader(old).mapper(Scope("s", 1, HERE, HERE))
        found = {one.content_type: one.state for one in mappings}
        assert {kind: mapper.get(kind, "1").state for kind in found} == found
        return found

    expected = {"user": "begun", "folder": folder, "look": "done"}
    assert states() == expected
    StateStore(old).close()
    assert states() == expected
    with apsw.Connection(str(old)) as db:
        assert db.execute("SELECT count(*) FROM id_mappings WHERE state = 'partial'").get == 0
