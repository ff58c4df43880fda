"""Selecting and streaming rows, for every schema version and both forms of ids."""

import importlib
import sys
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from lvrestore.errors import NotFoundError, UsageError, ValidationError
from lvrestore.model import ContentType
from lvrestore.plan.chosen import Chosen
from lvrestore.tasks.waves import Unfinished, Waves
from lvrestore.vault import DoneIn, TypeCount, decode_blob, open_vault, selection
from lvrestore.vault.check import BadRow, Superseded, check

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")

DASHBOARD, LOOK, FOLDER, USER = ContentType.DASHBOARD, ContentType.LOOK, ContentType.FOLDER, ContentType.USER
SIZES = {"dashboards": 60, "looks": 20, "folders": 15, "users": 5}
FORMS = [(version, form) for version in (1, 2, 3, 4) for form in ("bare", "composite")]


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: f"v{form[0]}-{form[1]}")
def any_form(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("vaults") / "vault.db"
    version, id_form = request.param
    make_vault.write_vault(path, schema=version, id_form=id_form, **SIZES)
    return path, version, id_form


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, **SIZES)
    return path


def change(path, sql, given=()):
    with closing(apsw.Connection(str(path))) as db:
        db.execute(sql, given)


def ids(rows):
    return [row.source_id for row in rows]


def write_state(path, done, session_id="s1"):
    with closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute(
            "CREATE TABLE restored_items (session_id TEXT, content_type INTEGER, source_id TEXT, status TEXT,"
            " PRIMARY KEY (session_id, content_type, source_id))"
        )
        db.executemany(
            "INSERT INTO restored_items VALUES (?, ?, ?, 'created')",
            ((session_id, content_type, source_id) for content_type, source_id in done),
        )
    return path


def test_version_and_form_are_told_from_the_shape(any_form):
    path, version, id_form = any_form
    with open_vault(path) as backup:
        info = backup.info()
    assert (info.schema_version, info.id_form) == (version, id_form)
    assert info.counts[DASHBOARD] == TypeCount(60, 2)
    assert info.missing_types[0] is ContentType.EXPLORE
    assert info.size_bytes == path.stat().st_size


def test_ids_are_bare_and_keys_are_type_and_id(any_form):
    path, _, id_form = any_form
    with open_vault(path) as backup:
        for content_type, count in backup.counts().items():
            rows = list(backup.rows(content_type, deleted="include"))
            assert len(rows) == count.rows
            for row in rows:
                content = decode_blob(row.blob)
                assert row.source_id == content.get("id", content.get("name"))
        dashboard_id = ids(backup.rows(DASHBOARD))[0]
        for given in (dashboard_id, f"dashboard::{dashboard_id}"):
            assert backup.get(DASHBOARD, given).source_id == dashboard_id
        assert id_form in ("bare", "composite")


def test_a_look_and_a_dashboard_with_the_same_id_are_two_items(path):
    with open_vault(path) as backup:
        assert "slug" in decode_blob(backup.get(DASHBOARD, "7").blob)
        assert "query_id" in decode_blob(backup.get(LOOK, "7").blob)
        assert backup.get(LOOK, "look::7") == backup.get(LOOK, "7")
        assert backup.get(LOOK, "dashboard::7") is None


def test_owner_and_folder_are_strings(path):
    with open_vault(path) as backup:
        row = backup.get(DASHBOARD, "1")
        content = decode_blob(row.blob)
        assert (row.owner_id, row.folder_id) == (content["user_id"], content["folder_id"])
        assert backup.get(DASHBOARD, "5").owner_id is None


@pytest.mark.parametrize(("deleted", "count"), [("exclude", 58), ("include", 60), ("only", 2)])
def test_rows_marked_deleted_are_chosen(path, deleted, count):
    with open_vault(path) as backup:
        assert len(list(backup.rows(DASHBOARD, deleted=deleted))) == count
        assert backup.count(DASHBOARD, deleted=deleted) == count
        assert backup.count(DASHBOARD, deleted=deleted, ids=[str(n) for n in range(1, 61)]) == count


def test_chunks_do_not_lose_or_repeat_rows(any_form, monkeypatch):
    path, *_ = any_form
    with open_vault(path) as backup:
        whole = ids(backup.rows(DASHBOARD, deleted="include"))
        monkeypatch.setattr(selection, "CHUNK_ROWS", 7)
        for deleted in ("include", "exclude", "only"):
            expected = backup.count(DASHBOARD, deleted=deleted)
            found = ids(backup.rows(DASHBOARD, deleted=deleted))
            assert len(found) == expected
            assert found == [i for i in whole if i in set(found)]
        assert ids(backup.rows(DASHBOARD, deleted="include", ids=whole[5:40])) == whole[5:40]


def test_thousands_of_ids(path):
    wanted = [str(n) for n in range(50_000)] + ["dashboard::3", "it's", "%"]
    with open_vault(path) as backup:
        assert backup.count(DASHBOARD, ids=wanted) == 58
        assert backup.count(DASHBOARD, ids=[]) == 0
        assert backup.absent(DASHBOARD, ["1", "it's", "dashboard::2", "%"]) == ["it's", "%"]


def test_streams_can_run_side_by_side(path):
    with open_vault(path) as backup:
        pairs = list(zip(backup.rows(DASHBOARD), backup.rows(LOOK), strict=False))
        assert len(pairs) == backup.count(LOOK)


def test_items_of_a_folder(any_form):
    path, *_ = any_form
    with open_vault(path) as backup:
        rows = list(backup.rows(DASHBOARD))
        by_folder = {row.source_id: decode_blob(row.blob)["folder_id"] for row in rows}
        for folder_id in set(by_folder.values()):
            expected = [i for i, folder in by_folder.items() if folder == folder_id]
            assert ids(backup.rows(DASHBOARD, folder_ids={folder_id})) == expected
            assert backup.count(DASHBOARD, folder_ids={folder_id}) == len(expected)
            assert ids(backup.rows(FOLDER, folder_ids={folder_id})) == [folder_id]
        assert backup.count(DASHBOARD, folder_ids=[]) == 0
        assert backup.count(USER, folder_ids=set(by_folder.values())) == 0


def test_rows_from_before_the_folder_column_tell_their_folder_in_the_content(path):
    with open_vault(path) as backup:
        row = next(backup.rows(DASHBOARD))
    change(path, "UPDATE content_items SET folder_id = NULL")
    with open_vault(path) as backup:
        assert row.source_id in ids(backup.rows(DASHBOARD, folder_ids={row.folder_id}))


# -- what is done already ------------------------------------------------------------------------------


def test_rows_of_the_session_are_left_out(any_form, tmp_path):
    path, *_ = any_form
    with open_vault(path) as backup:
        everything = ids(backup.rows(DASHBOARD))
        state = write_state(tmp_path / "state.db", [(1, i) for i in everything[::2]] + [(2, everything[1])])
        assert ids(backup.rows(DASHBOARD, done_in=DoneIn(state, "s1"))) == everything[1::2]
        assert backup.count(DASHBOARD, done_in=DoneIn(state, "s1")) == len(everything[1::2])
        assert ids(backup.rows(DASHBOARD, done_in=DoneIn(state, "other"))) == everything
        some = everything[:4]
        assert ids(backup.rows(DASHBOARD, ids=some, done_in=DoneIn(state, "s1"))) == some[1::2]


def test_the_state_file_can_be_written_and_checkpointed_meanwhile(path, tmp_path):
    state = write_state(tmp_path / "state.db", [(1, "1")])
    writer = apsw.Connection(str(state))
    writer.execute("PRAGMA busy_timeout = 0").fetchall()
    with open_vault(path) as backup:
        rows = backup.rows(DASHBOARD, done_in=DoneIn(state, "s1"))
        assert next(rows).source_id == "2"
        writer.execute("INSERT INTO restored_items VALUES ('s1', 1, '2', 'created')")
        # A reader that held a snapshot would let the log grow for the whole run.
        busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        assert busy == 0
        assert len(list(rows)) == 56
    writer.close()


def test_an_absent_state_file_is_refused(path, tmp_path):
    with open_vault(path) as backup, pytest.raises(ValidationError, match="state file"):
        list(backup.rows(DASHBOARD, done_in=DoneIn(tmp_path / "none.db", "s1")))
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("deleted", ["exclude", "include", "only"])
@pytest.mark.parametrize("by_ids", [False, True])
@pytest.mark.parametrize("with_done", [False, True])
def test_no_statement_sorts_or_scans_what_is_done(path, tmp_path, deleted, by_ids, with_done):
    state = write_state(tmp_path / "state.db", [])
    chosen = selection.select(
        DASHBOARD, ["1"] if by_ids else None, deleted, None, DoneIn(state, "s1") if with_done else None
    )
    with open_vault(path) as backup:
        alias = backup._attach(state)
        sql, given = selection.chunk_statement(chosen, has_folder_id=True, state_alias=alias)
        plan = backup._db.execute(f"EXPLAIN QUERY PLAN {sql}", given | {"after": 0}).fetchall()
    steps = [step[3] for step in plan]
    if not by_ids:
        assert not [step for step in steps if "TEMP B-TREE" in step]
    assert not [step for step in steps if step.startswith(("SCAN item", "SCAN done"))]
    assert any("SEARCH done USING" in step for step in steps) == with_done


# -- both forms of one id ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("synced_at", "kept"), [("2025-11-05T00:00:00", "long"), ("2025-01-05T00:00:00", "7")]
)
def test_of_both_forms_of_an_id_the_newest_counts(path, synced_at, kept):
    change(
        path,
        "INSERT INTO content_items SELECT 'dashboard::' || id, content_type, 'long', owner_id, NULL,"
        " created_at, updated_at, ?, NULL, content_size, content_data, folder_id FROM content_items"
        " WHERE id = '7' AND content_type = 1",
        (synced_at,),
    )
    with open_vault(path) as backup:
        info = backup.info()
        assert (info.id_form, info.superseded) == ("mixed", 1)
        assert info.counts[DASHBOARD] == TypeCount(60, 2)
        assert ids(backup.rows(DASHBOARD, deleted="include")).count("7") == 1
        assert (backup.get(DASHBOARD, "7").name == "long") == (kept == "long")
        said = [finding for finding in check(backup) if isinstance(finding, Superseded)]
        assert [(finding.content_type, finding.content_id) for finding in said] == [("dashboard", "7")]


# -- corrupt rows --------------------------------------------------------------------------------------


def test_corrupt_rows_do_not_end_the_stream(path):
    for source_id, blob in (("2", b"\xff\xff"), ("3", b""), ("4", "{}"), ("5", b'{"id": "5"}')):
        change(
            path,
            "UPDATE content_items SET content_data = ? WHERE id = ? AND content_type = 1",
            (blob, source_id),
        )
    change(path, "UPDATE content_items SET name = CAST(x'ff41' AS TEXT) WHERE id = '6' AND content_type = 1")
    with open_vault(path) as backup:
        rows = {row.source_id: row for row in backup.rows(DASHBOARD)}
        assert len(rows) == 58
        assert (rows["3"].blob, rows["4"].blob) == (b"", b"{}")
        assert rows["6"].name == "\ufffdA"
        bad = {finding.content_id: finding for finding in check(backup) if isinstance(finding, BadRow)}
    assert set(bad) == {"2", "3", "4"}
    assert bad["3"].reason == "the content is empty"
    assert "`id`" in bad["4"].reason


def test_null_content_reads_as_empty(path):
    change(path, "CREATE TABLE loose AS SELECT * FROM content_items")
    change(path, "DROP TABLE content_items")
    change(path, "ALTER TABLE loose RENAME TO content_items")
    change(path, "UPDATE content_items SET content_data = NULL, name = NULL WHERE id = '2'")
    with open_vault(path) as backup:
        row = backup.get(DASHBOARD, "2")
        assert (row.blob, row.name) == (b"", "")
        assert backup.count(DASHBOARD) == 58


def test_unknown_content_types_are_counted_and_ignored(path):
    change(path, "UPDATE content_items SET content_type = 99 WHERE content_type = 7")
    with open_vault(path) as backup:
        assert backup.info().unknown_types == {99: 5}
        assert not backup.has_type(USER)


# -- the whole -----------------------------------------------------------------------------------------


def test_the_fingerprint_follows_the_content(path):
    with open_vault(path) as backup:
        before = backup.fingerprint()
    with open_vault(path) as backup:
        assert backup.fingerprint() == before
    change(
        path, "UPDATE content_items SET content_size = content_size + 1 WHERE id = '1' AND content_type = 1"
    )
    with open_vault(path) as backup:
        assert backup.fingerprint() != before


@pytest.mark.parametrize("column", ["metadata", "config"])
def test_the_source_is_told_when_the_extraction_noted_it(path, column):
    change(path, f"UPDATE extraction_sessions SET {column} = ?", ('{"base_url": "https://l.example.com"}',))
    with open_vault(path) as backup:
        assert backup.info().source_instance == "https://l.example.com"


def test_no_rows_at_all(path):
    change(path, "DELETE FROM content_items")
    with open_vault(path) as backup:
        info = backup.info()
    assert (info.counts, info.oldest, info.id_form) == ({}, None, "bare")


# -- folders -------------------------------------------------------------------------------------------


def folder_vault(tmp_path, *folders):
    path = tmp_path / "folders.db"
    make_vault.write_vault(path, dashboards=0, looks=0, folders=0, users=0)
    change(path, "DELETE FROM content_items WHERE content_type = 5")
    for folder_id, name, parent_id in folders:
        blob = msgspec.msgpack.encode(
            {"id": folder_id, "name": name} | ({"parent_id": parent_id} if parent_id else {})
        )
        change(
            path,
            "INSERT INTO content_items VALUES (?, 5, ?, NULL, NULL, '', '', '', NULL, ?, ?, NULL)",
            (folder_id, name, len(blob), blob),
        )
    return path


TREE = (
    ("1", "Shared", None),
    ("2", "Sales", "1"),
    ("3", "North/South", "2"),
    ("4", "North", "2"),
    ("5", "South", "4"),
    ("6", "Ops", "1"),
    ("7", "loop", "8"),
    ("8", "pool", "7"),
)


@pytest.mark.parametrize(
    ("given", "found"),
    [("2", "2"), ("folder::2", "2"), ("Shared", "1"), ("/Shared/Sales/", "2"), ("Shared/Ops", "6")],
)
def test_a_folder_is_found_by_id_or_path(tmp_path, given, found):
    with open_vault(folder_vault(tmp_path, *TREE)) as backup:
        assert backup.find_folder(given) == found


def test_slashes_in_names_are_tried_every_way_and_ambiguity_is_said(tmp_path):
    with open_vault(folder_vault(tmp_path, *TREE)) as backup:
        with pytest.raises(UsageError, match="folders 3, 5"):
            backup.find_folder("Shared/Sales/North/South")
        with pytest.raises(NotFoundError):
            backup.find_folder("Sales")


def test_descendants_and_cycles(tmp_path):
    with open_vault(folder_vault(tmp_path, *TREE)) as backup:
        assert backup.subfolders("1") == {"2", "3", "4", "5", "6"}
        assert backup.subfolders("7") == {"8"}
        assert backup.subfolders("nowhere") == set()


def test_rows_after_one_of_them(tmp_path):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, dashboards=30, looks=5, folders=5, users=2)
    with open_vault(path) as vault:
        ids = list(vault.ids(ContentType.DASHBOARD))
        assert list(vault.ids(ContentType.DASHBOARD, after=ids[9])) == ids[10:]
        assert list(vault.ids(ContentType.DASHBOARD, after=f"dashboard::{ids[9]}")) == ids[10:]
        assert list(vault.ids(ContentType.DASHBOARD, after="not there")) == ids
        assert vault.count(ContentType.DASHBOARD, after=ids[-1]) == 0


def test_large_rows_and_the_others_are_all_rows(any_form):
    path, _, _ = any_form
    with open_vault(path) as vault:
        every = ids(vault.rows(DASHBOARD))
        large = list(vault.rows(DASHBOARD, size="large"))
        other = list(vault.rows(DASHBOARD, size="other"))
        assert vault.count(DASHBOARD, size="large") == len(large)
    assert large
    assert other
    assert min(len(row.blob) for row in large) >= selection.LARGE_BYTES > max(len(row.blob) for row in other)
    assert sorted(ids(large) + ids(other)) == sorted(every)


def test_a_row_without_content_is_not_large(path):
    change(path, "CREATE TABLE loose AS SELECT * FROM content_items")
    change(path, "DROP TABLE content_items")
    change(path, "ALTER TABLE loose RENAME TO content_items")
    change(path, "UPDATE content_items SET content_data = NULL WHERE id = '7'")
    with open_vault(path) as vault:
        assert "7" in ids(vault.rows(DASHBOARD, size="other"))


def waves_of(vault, state, **more):
    done = DoneIn(write_state(state, []), "s1")
    return list(Waves(vault, Chosen(types=(DASHBOARD,)), Unfinished(), done, **more).first())


def test_large_items_begin_first_and_each_item_once(path, tmp_path):
    with open_vault(path) as vault:
        ((content_type, wave, is_last),) = waves_of(vault, tmp_path / "state.db")
        tasks = list(wave)
        sizes = [len(task.blob) >= selection.LARGE_BYTES for task in tasks]
        assert (content_type, is_last) == (DASHBOARD, True)
        assert sizes == sorted(sizes, reverse=True)
        assert sorted(task.source_id for task in tasks) == sorted(ids(vault.rows(DASHBOARD)))
    assert any(sizes)


def test_a_plan_is_in_the_order_of_the_backup(path):
    with open_vault(path) as vault:
        ((_, wave, _),) = Waves(vault, Chosen(types=(DASHBOARD,)), Unfinished(), None).first()
        assert [task.source_id for task in wave] == ids(vault.rows(DASHBOARD))


def test_a_type_has_not_come_to_its_end_with_what_a_resume_begins_with(path, tmp_path):
    with open_vault(path) as vault:
        every = ids(vault.rows(DASHBOARD))
        (_, first, is_end), (_, rest, is_last) = waves_of(
            vault, tmp_path / "state.db", positions={DASHBOARD: every[40]}
        )
        # Who looks for names that are free by now would look too soon.
        assert (is_end, is_last) == (False, True)
        assert [task.source_id for task in first] == every[41:]
        assert sorted(task.source_id for task in rest) == sorted(every)  # nothing was stored meanwhile
