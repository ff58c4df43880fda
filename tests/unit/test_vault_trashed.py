"""A row whose content was in the trash is a deleted row, wherever that is asked."""

import importlib
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec
import pytest

from lvrestore.model import ContentType
from lvrestore.vault import Lookups, TypeCount, decode_blob, is_deleted, open_vault, reference_states
from lvrestore.vault.trashed import TrashedRows

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")

DASHBOARD, LOOK, BOARD = ContentType.DASHBOARD, ContentType.LOOK, ContentType.BOARD
AT = datetime(2026, 5, 1, tzinfo=UTC)
MARKS = {DASHBOARD: {"deleted": True}, LOOK: {"deleted": True}, BOARD: {"deleted_at": AT}}
ENCODERS = {"msgpack": msgspec.msgpack.encode, "json": msgspec.json.encode}


def rewrite(path, content_type, source_id, changes, encode=msgspec.msgpack.encode):
    with closing(apsw.Connection(str(path))) as db:
        where = "content_type = ? AND id IN (?, ?)"
        key = (content_type, source_id, f"{content_type.label}::{source_id}")
        blob = db.execute(f"SELECT content_data FROM content_items WHERE {where}", key).get
        content = {name: v for name, v in {**decode_blob(blob), **changes}.items() if v is not ...}
        db.execute(f"UPDATE content_items SET content_data = ? WHERE {where}", (encode(content), *key))


@pytest.fixture(params=["bare", "composite"])
def path(request, tmp_path):
    path = tmp_path / "vault.db"
    sizes = {"dashboards": 30, "looks": 10, "folders": 5, "users": 3, "boards": 6}
    make_vault.write_vault(path, id_form=request.param, **sizes)
    return path


@pytest.fixture(params=ENCODERS)
def trashed(request, path):
    """Of each type that has a trash, one unmarked row whose content was in it: its id by type."""
    with open_vault(path) as backup:
        chosen = {t: [row.source_id for row in backup.rows(t)][2] for t in MARKS}
    for content_type, source_id in chosen.items():
        rewrite(path, content_type, source_id, MARKS[content_type], ENCODERS[request.param])
    return chosen


def counted_by_hand(path, content_type):
    with open_vault(path) as backup:
        rows = list(backup.rows(content_type, deleted="include"))
    return len(rows), sum(map(is_deleted, rows))


@pytest.mark.parametrize("known_before", [False, True])
def test_every_question_has_the_same_answer(path, trashed, known_before):
    for content_type, source_id in trashed.items():
        rows, deleted = counted_by_hand(path, content_type)
        with open_vault(path) as backup:
            if known_before:
                assert backup.counts()[content_type] == TypeCount(rows, deleted)
            every = list(backup.ids(content_type, deleted="include"))
            for choice, n in {"exclude": rows - deleted, "include": rows, "only": deleted}.items():
                found = list(backup.ids(content_type, deleted=choice, ids=every))
                assert (source_id in found) == (choice != "exclude")
                assert [
                    one.source_id for one in backup.rows(content_type, deleted=choice, ids=every)
                ] == found
                assert len(found) == backup.count(content_type, deleted=choice, ids=every) == n
                assert list(backup.ids(content_type, deleted=choice)) == found
                assert backup.count(content_type, deleted=choice) == n
                assert backup.has(content_type, source_id, deleted=choice) == (choice != "exclude")
            assert (
                backup.counts()[content_type]
                == backup.info().counts[content_type]
                == TypeCount(rows, deleted)
            )
            assert backup.get(content_type, source_id).source_id == source_id
            assert reference_states(backup)(content_type, source_id) == "deleted"


def test_lookups_say_so_too(path, trashed, tmp_path):
    with closing(Lookups(path, tmp_path)) as lookups:
        for content_type, source_id in trashed.items():
            assert lookups.marked_deleted(content_type, source_id)
            assert lookups.content(content_type, source_id)["id"] == source_id


@pytest.mark.parametrize("says", [False, None, ..., "true", 1])
def test_only_true_says_so(path, says):
    rewrite(path, DASHBOARD, "3", {"deleted": says})
    with open_vault(path) as backup:
        assert backup.has(DASHBOARD, "3", deleted="exclude")


def test_parts_in_the_trash_say_nothing_of_the_whole(path):
    rewrite(path, DASHBOARD, "3", {"dashboard_layouts": [{"id": "1", "deleted": True}]})
    with open_vault(path) as backup:
        assert "3" in backup.ids(DASHBOARD)


def test_what_cannot_be_decoded_is_not_deleted(path):
    with closing(apsw.Connection(str(path))) as db:
        db.execute(
            "UPDATE content_items SET content_data = x'c1' WHERE content_type = 1 AND deleted_at IS NULL"
        )
    with open_vault(path) as backup:
        counts = backup.counts()[DASHBOARD]
        assert backup.count(DASHBOARD) == counts.rows - counts.deleted > 0


def test_a_row_that_is_not_used_is_not_counted(path, trashed):
    source_id = trashed[DASHBOARD]
    with closing(apsw.Connection(str(path))) as db:
        db.execute(
            "INSERT INTO content_items"
            " SELECT CASE WHEN id LIKE '%::%' THEN substr(id, 12) ELSE 'dashboard::' || id END,"
            " content_type, name, owner_id, owner_email, created_at, updated_at, '2020-01-01', deleted_at,"
            " content_size, content_data, folder_id FROM content_items"
            " WHERE content_type = 1 AND id IN (?, 'dashboard::' || ?)",
            (source_id, source_id),
        )
    with open_vault(path) as backup:
        assert backup.info().superseded == 1
        assert list(backup.ids(DASHBOARD, deleted="only")).count(source_id) == 1
        assert backup.count(DASHBOARD, deleted="only") == len(list(backup.ids(DASHBOARD, deleted="only")))


def test_the_rows_of_a_type_are_read_only_when_it_matters(path, monkeypatch):
    read = []
    monkeypatch.setattr(
        TrashedRows, "_find", lambda _self, content_type: read.append(content_type) or iter(())
    )
    with open_vault(path) as backup:
        assert backup.has_type(DASHBOARD)
        assert backup.newest
        assert backup.count(DASHBOARD, deleted="include") == len(
            list(backup.rows(DASHBOARD, deleted="include"))
        )
        assert list(backup.rows(DASHBOARD, ids=["3"], deleted="exclude"))
        assert list(backup.rows(ContentType.USER))
        assert read == []
        backup.count(DASHBOARD)
        list(backup.rows(DASHBOARD))
        assert read == [DASHBOARD]
