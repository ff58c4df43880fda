"""One or two items of a type beside many of every other: they end as they do where the whole type is restored.

Of few items no list is read, and of what others refer to only a list of ids: that says nothing of what an object is.
"""

import re
import shutil
from contextlib import closing

import apsw
import msgspec
import pytest
from make_vault import write_vault
from whole_runs import looker_of

from lvrestore.catalog.listings import LISTINGS
from lvrestore.model import ContentType
from lvrestore.vault import ContentDeserializer, open_vault

SIZES = {"dashboards": 8, "looks": 4, "folders": 12, "users": 5, "groups": 4, "roles": 4}
OTHERS = {"permission_sets": 9, "model_sets": 4, "boards": 4, "plans": 4}
ALL = ("all", "--access", "restore", "--schedules", "as-backup")
ELSEWHERE = ("--source-instance", "https://old.example.com")
# What somebody edits after the backup, in a field by which no object is found; explores are nobody's to edit.
EDITS = {
    "dashboard": {"description": "edited"},
    "look": {"description": "edited"},
    "folder": {"name": "Edited"},
    "board": {"description": "edited"},
    "user": {"last_name": "Edited"},
    "group": {"can_add_to_content_metadata": False},
    "role": {"name": "Edited"},
    "permission_set": {"permissions": ["access_data"]},
    "model_set": {"models": []},
    "lookml_model": {"project_name": "edited"},
    "scheduled_plan": {"name": "Edited"},
}
# By these an object is known again.
BY_NAME = frozenset({"folder", "role"})
# What is made anew under an id of the past keeps its time; of the others Looker tells none.
TIMED = ("dashboard", "look", "folder", "board", "scheduled_plan")
TOP = "1"
COLLECTION = {kind: f"{kind}s" for kind in EDITS}


def matrix(kinds):
    return pytest.mark.parametrize(
        ("kind", "few"), [(kind, few) for kind in sorted(kinds) for few in (1, 2)], ids=str
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A backup of all types, the edits that are possible, and how a restore of it on the same instance ends."""
    folder = tmp_path_factory.mktemp("whole")
    write_vault(folder / "vault.db", **SIZES, **OTHERS, oddities=False, whole=True)
    with looker_of(folder / "vault.db", folder) as place:
        place.run(*ALL, vault=folder / "vault.db")
        assert place.writes() == []
        return folder, place.ended()


def chosen(whole, kind, few):
    """Some items of a type that are there as in the backup."""
    unchanged = [one for (k, one), how in whole[1].items() if k == kind and how == "unchanged"]
    with open_vault(whole[0] / "vault.db") as vault:
        named = {
            row.source_id: ContentDeserializer().deserialize(row, dict)
            for row in vault.rows(ContentType[kind.upper()], ids=unchanged)
        }
    plain = [one for one, content in named.items() if content.get("parent_id", TOP) == TOP]
    assert len(plain) >= few, (kind, whole[1])
    return plain[-few:]


def backup_of_few(whole, folder, kind, ids, **changes):
    """The backup, with no other items of the type; the first of them is changed."""
    path, number = folder / "few.db", int(ContentType[kind.upper()])
    shutil.copy(whole[0] / "vault.db", path)
    with open_vault(path) as vault:
        (first,) = vault.rows(ContentType[kind.upper()], ids=ids[:1])
        content = {**ContentDeserializer().deserialize(first, dict), **changes}
    with closing(apsw.Connection(str(path))) as db:
        keep = ", ".join("?" for _ in ids)
        sql = f"DELETE FROM content_items WHERE content_type = ? AND id NOT IN ({keep})"
        db.execute(sql, (number, *ids))
        if changes:
            db.execute(
                "UPDATE content_items SET content_data = ? WHERE content_type = ? AND id = ?",
                (msgspec.msgpack.encode(content), number, ids[0]),
            )
    return path


def edit(place, kind, one):
    where = f"/{COLLECTION[kind]}/{one}"
    before = place.looker.call("GET", where)
    place.looker.call("PATCH", where, EDITS[kind])
    edited = place.looker.call("GET", where)
    assert edited != before
    return where, before, edited


def told_of(line):
    """What a line of a dry run says of an item, and whether it saw the edit; links in texts are others there."""
    edited = EDITS.get(line.get("content_type"), {})
    paths = (one["path"] for one in line.get("changes", ()) if one["path"] in edited)
    return *(line.get(name) for name in ("content_type", "content_id", "operation", "reason")), *paths


def told(live, kind):
    """The fields that were edited; of lists the order means nothing."""
    values = {name: live[name] for name in EDITS[kind]}
    return {name: sorted(value) if isinstance(value, list) else value for name, value in values.items()}


def assert_put_back(place, kind, ids, where, before, edited):
    """The edited one is as it was, its state before is stored, and nothing was written to the others."""
    mine = {one: how for (k, one), how in place.ended().items() if k == kind and one in ids}
    assert mine == {ids[0]: "updated", **dict.fromkeys(ids[1:], "unchanged")}
    live = place.looker.call("GET", where)
    assert told(live, kind) == told(before, kind)
    assert {path for _, path in place.writes()} == {where}
    image = place.before_images()[kind, ids[0]]
    assert {name: image[name] for name in EDITS[kind]} == EDITS[kind]
    fields = re.sub(r"\(.*?\)", "", LISTINGS[kind].fields.replace("dashboard_layout_components", "")).split(
        ","
    )
    assert image.keys() >= set(fields) & before.keys()


@matrix(EDITS)
def test_few_are_put_back_as_many_are(whole, tmp_path, kind, few):
    ids = chosen(whole, kind, few)
    with looker_of(whole[0] / "vault.db", tmp_path) as place:
        found = edit(place, kind, ids[0])
        place.run(*ALL, vault=backup_of_few(whole, tmp_path, kind, ids))
        assert_put_back(place, kind, ids, *found)


@matrix(EDITS)
def test_few_that_a_cut_has_left_are_put_back_as_well(whole, tmp_path, kind, few):
    ids, vault = chosen(whole, kind, few), whole[0] / "vault.db"
    with looker_of(vault, tmp_path) as place:
        place.run(*ALL, vault=vault)
        place.forget_that_they_ended((kind, one) for one in ids)
        found = edit(place, kind, ids[0])
        place.run("resume", vault=vault)
        assert_put_back(place, kind, ids, *found)


@matrix(TIMED)
def test_a_stranger_under_the_number_of_one_of_few_is_a_conflict(whole, tmp_path, kind, few):
    ids = chosen(whole, kind, few)
    vault = backup_of_few(whole, tmp_path, kind, ids, created_at="2019-02-03T04:05:06+00:00", title="Theirs")
    with looker_of(whole[0] / "vault.db", tmp_path) as place:
        place.run(*ALL, vault=vault)
        mine = {one: how for (k, one), how in place.ended().items() if k == kind}
        assert mine == {ids[0]: "conflict", **dict.fromkeys(ids[1:], "unchanged")}
        assert place.writes() == []


@matrix(EDITS.keys() - {"folder"})  # elsewhere a folder has no place without its parents
def test_few_are_known_again_on_another_instance(whole, tmp_path, kind, few):
    ids = chosen(whole, kind, few)
    mine = {(kind, one) for one in ids}
    with looker_of(whole[0] / "vault.db", tmp_path) as place:
        if kind not in BY_NAME:
            edit(place, kind, ids[0])
        ends = []
        for vault in (whole[0] / "vault.db", backup_of_few(whole, tmp_path, kind, ids)):
            place.run(*ALL, "--dry-run", *ELSEWHERE, vault=vault)
            ends.append({told_of(one) for one in place.lines if told_of(one)[:2] in mine})
        assert ends[0] == ends[1]
        assert len(ends[0]) == few
