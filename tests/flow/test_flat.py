"""Folders and looks, every situation, in memory."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from factory import make_looker, new_query
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.settings import Caller


def restore(looker, kind, rows, memory=None, **more):
    return restore_any(looker, rows, memory, content_type=ContentType[kind.upper()], **more)


def backup(looker, kind, item_id, **changes):
    """A vault row of a folder or look as it is now."""
    live = looker.call("GET", f"/{kind}s/{item_id}")
    content = {k: v for k, v in {**live, **changes}.items() if v is not None and v is not ...}
    if isinstance(content.get("created_at"), str):
        content["created_at"] = datetime.fromisoformat(content["created_at"])
    content.pop("query", None)  # lookervault stores looks without it
    return content["id"], msgspec.msgpack.encode(content)


def writes(looker):
    return Counter(r.method for r in looker.requests if r.method != "GET")


def test_the_same_costs_one_read():
    looker = make_looker()
    for kind, item_id in (("folder", looker.folder), ("look", looker.look)):
        row = backup(looker, kind, item_id)
        looker.clear_log()
        (result,) = restore(looker, kind, [row])
        assert result.operation is Operation.UNCHANGED
        assert [f"{r.method} {r.path}" for r in looker.requests] == [f"GET /{kind}s/{item_id}"]


def test_a_folder_renamed_and_moved_comes_back_with_one_patch():
    looker = make_looker()
    other = looker.call("POST", "/folders", {"name": "Elsewhere", "parent_id": "1"})["id"]
    row = backup(looker, "folder", looker.folder)
    looker.call("PATCH", f"/folders/{looker.folder}", {"name": "Spoiled", "parent_id": other})
    looker.clear_log()
    (result,) = restore(looker, "folder", [row])
    assert result.operation is Operation.UPDATED
    assert writes(looker) == {"PATCH": 1}
    live = looker.call("GET", f"/folders/{looker.folder}")
    assert (live["name"], live["parent_id"]) == ("Sales", "1")


def test_a_deleted_folder_tree_is_made_again_and_content_finds_it():
    looker = make_looker()
    child = looker.call("POST", "/folders", {"name": "a/b, NOT NULL %", "parent_id": looker.folder})["id"]
    rows = [backup(looker, "folder", looker.folder), backup(looker, "folder", child)]
    look = backup(looker, "look", looker.look, folder_id=child)
    looker.call("DELETE", f"/folders/{looker.folder}")
    memory = Memory()
    results = restore(looker, "folder", rows, memory)
    assert [r.operation for r in results] == [Operation.CREATED] * 2
    assert "inherits" in dict(results[0].warnings)
    parent, made = (r.destination_id for r in results)
    assert looker.call("GET", f"/folders/{made}")["parent_id"] == parent
    (result,) = restore(looker, "look", [look], memory)
    assert looker.call("GET", f"/looks/{result.destination_id}")["folder_id"] == made
    for again in (memory, Memory()):
        looker.clear_log()
        assert {r.operation for r in restore(looker, "folder", rows[:1], again)} == {Operation.UNCHANGED}
        assert not writes(looker)


def test_what_the_backup_marks_deleted_is_said_to_be_left_out():
    looker = make_looker()
    row = backup(looker, "folder", looker.folder, id="99", parent_id="98", created_at=...)
    memory = Memory()
    memory.deleted.add(("folder", "98"))
    (result,) = restore(looker, "folder", [row], memory)
    assert "folder 98 is deleted in the backup" in result.error.message


def test_a_folder_whose_parent_is_gone_waits_for_it():
    looker = make_looker()
    row = backup(looker, "folder", looker.folder, id="99", parent_id="98", created_at=...)
    (result,) = restore(looker, "folder", [row])
    assert result.error.blockers == ("folder 98",)


@pytest.mark.parametrize("flags", [{"is_shared_root": True}, {"is_personal": True}, {"is_embed": True}])
def test_folders_that_come_by_themselves_are_not_touched(flags):
    looker = make_looker()
    row = backup(looker, "folder", looker.folder, name="Other", **flags)
    looker.clear_log()
    (result,) = restore(looker, "folder", [row])
    assert (result.operation, bool(result.reason)) == (Operation.SKIPPED, True)
    assert looker.requests == []


@pytest.mark.parametrize("switch", ["answers", "404"])
def test_a_trashed_look_comes_back_under_its_id(switch):
    looker = make_looker()
    row = backup(looker, "look", looker.look)
    looker.call("PATCH", f"/looks/{looker.look}", {"deleted": True, "title": "Spoiled"})
    looker.switches["get_trashed"] = switch
    looker.clear_log()
    (result,) = restore(looker, "look", [row])
    assert (result.operation, result.destination_id) == (Operation.UNDELETED, looker.look)
    assert writes(looker) == {"PATCH": 1}
    assert looker.call("GET", f"/looks/{looker.look}")["title"] == "Look"


def test_a_destroyed_look_is_made_with_its_old_query_and_found_again():
    looker = make_looker()
    row = backup(looker, "look", looker.look)
    looker.call("DELETE", f"/looks/{looker.look}")
    (result,) = restore(looker, "look", [row])
    assert result.operation is Operation.CREATED
    assert looker.call("GET", f"/looks/{result.destination_id}")["query_id"] == looker.query
    looker.clear_log()
    (again,) = restore(looker, "look", [row])
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, result.destination_id)
    assert not writes(looker)


def test_a_look_of_the_same_title_with_another_query_is_a_conflict():
    looker = make_looker()
    row = backup(looker, "look", looker.look)
    looker.call("DELETE", f"/looks/{looker.look}")
    body = {"title": "Look", "query_id": new_query(looker, "orders.other"), "folder_id": looker.folder}
    other = looker.call("POST", "/looks", body)
    (result,) = restore(looker, "look", [row])
    assert result.operation is Operation.CONFLICT
    assert other["id"] in result.reason
    assert looker.call("GET", f"/looks/{other['id']}")["query_id"] == other["query_id"]


def test_a_query_that_the_server_lost_is_made_again_where_the_backup_has_it():
    looker = make_looker()
    query = {"model": "thelook", "view": "orders", "fields": ["orders.rare"]}
    source_id, blob = backup(looker, "look", looker.look, query_id="987654")
    content = {**msgspec.msgpack.decode(blob), "query": query}
    looker.call("DELETE", f"/looks/{looker.look}")
    memory = Memory()
    (result,) = restore(looker, "look", [(source_id, msgspec.msgpack.encode(content))], memory)
    assert result.operation is Operation.CREATED
    made = looker.call("GET", f"/looks/{result.destination_id}")
    assert looker.call("GET", f"/queries/{made['query_id']}")["fields"] == ["orders.rare"]
    looker.clear_log()
    (again,) = restore(looker, "look", [(source_id, msgspec.msgpack.encode(content))], memory)
    assert again.operation is Operation.UNCHANGED
    looker.call("DELETE", f"/looks/{result.destination_id}")
    (result,) = restore(looker, "look", [(source_id, blob)])
    assert result.error.blockers == ("query 987654",)


@pytest.mark.parametrize("kind", ["folder", "look"])
def test_a_stranger_with_the_same_id_is_a_conflict(kind):
    looker = make_looker()
    item_id = getattr(looker, kind)
    times = looker.call("GET", f"/{kind}s/{item_id}")["created_at"]
    other = (datetime.fromisoformat(times) - timedelta(days=2)).astimezone(UTC).isoformat()
    row = backup(looker, kind, item_id, created_at=other)
    looker.clear_log()
    (result,) = restore(looker, kind, [row])
    assert result.operation is Operation.CONFLICT
    assert not writes(looker)


@pytest.mark.parametrize("kind", ["folder", "look"])
@pytest.mark.parametrize("fault", ["create_then_drop_connection", "drop_before", "late_commit"])
def test_a_lost_reply_does_not_create_twice(kind, fault):
    looker = make_looker()
    row = backup(looker, kind, getattr(looker, kind))
    looker.call("DELETE", f"/{kind}s/{getattr(looker, kind)}")
    given = (5.0,) if fault == "late_commit" else ()
    getattr(looker.on("POST", f"/{kind}s"), fault)(*given, times=1)
    name = "Sales" if kind == "folder" else "Look"
    (result,) = restore(looker, kind, [row], grace_s=10.0)
    looker.advance(60)
    assert result.operation is Operation.CREATED or kind == "folder"
    assert looker.titles(f"{kind}s").count(name) == 1


def test_of_two_folders_of_a_name_in_a_backup_the_first_is_made():
    looker = make_looker()
    _, blob = backup(looker, "folder", looker.folder)
    content = msgspec.msgpack.decode(blob)
    memory = Memory(same_instance=False)
    memory.mappings["folder", "1"] = MappedId("1")
    twins = {i: {**content, "id": i, "name": "Twins", "parent_id": "1"} for i in ("900", "901")}
    memory.contents = {("folder", i): one for i, one in twins.items()}
    rows = [(i, msgspec.msgpack.encode(one)) for i, one in reversed(twins.items())]
    looker.clear_log()
    second, first = restore(looker, "folder", rows, memory)
    assert (first.operation, second.operation) == (Operation.CREATED, Operation.CONFLICT)
    assert "folder 900 of the backup" in second.reason
    assert writes(looker) == {"POST": 1}
    memory.mappings = {("folder", "1"): MappedId("1")}
    second, first = restore(looker, "folder", rows, memory)
    assert (first.operation, second.operation) == (Operation.UNCHANGED, Operation.CONFLICT)


def twins(looker):
    """A memory of a backup with two folders of one name in one place, and the rows of both, by their ids."""
    _, blob = backup(looker, "folder", looker.folder)
    content = {**msgspec.msgpack.decode(blob), "name": "Twins", "parent_id": "1"}
    content.pop("created_at", None)
    memory = Memory()
    memory.contents = {("folder", i): {**content, "id": i} for i in ("900", "901")}
    return memory, {i: (i, msgspec.msgpack.encode(one)) for (_, i), one in memory.contents.items()}


@pytest.mark.parametrize("order", [("900", "901"), ("901", "900")])
@pytest.mark.parametrize("is_seen", [True, False])
def test_of_two_folders_of_a_name_the_first_gets_the_one_that_is_here(order, is_seen):
    """However they come, and whether or not one sees what the other has found."""
    looker = make_looker()
    made = looker.call("POST", "/folders", {"name": "Twins", "parent_id": "1"})["id"]
    memory, rows = twins(looker)
    results = {}
    for i in order:
        (results[i],) = restore(looker, "folder", [rows[i]], memory)
        if not is_seen:
            memory.mappings.clear()
    assert (results["900"].operation, results["900"].destination_id) == (Operation.UNCHANGED, made)
    assert results["901"].operation is Operation.CONFLICT
    assert "folder 900 of the backup" in results["901"].reason


@pytest.mark.parametrize("order", [("900", "901"), ("901", "900")])
@pytest.mark.parametrize("name", ["Twins", "Renamed"])
def test_of_two_folders_of_a_name_the_one_that_lives_keeps_it(order, name):
    looker = make_looker()
    made = looker.call("POST", "/folders", {"name": name, "parent_id": "1"})["id"]
    memory, rows = twins(looker)
    memory.mappings["folder", "901"] = MappedId(made)
    results = dict(zip(order, restore(looker, "folder", [rows[i] for i in order], memory), strict=True))
    assert results["900"].operation is Operation.CONFLICT
    assert "folder 901 of the backup" in results["900"].reason
    assert results["901"].destination_id == made
    assert looker.call("GET", f"/folders/{made}")["name"] == "Twins"


def test_of_two_folders_that_were_mapped_to_one_the_first_keeps_it():
    looker = make_looker()
    made = looker.call("POST", "/folders", {"name": "Twins", "parent_id": "1"})["id"]
    memory, rows = twins(looker)
    memory.mappings = {("folder", i): MappedId(made) for i in rows}
    first, second = restore(looker, "folder", list(rows.values()), memory)
    assert (first.operation, second.operation) == (Operation.UNCHANGED, Operation.CONFLICT)


def test_no_query_is_made_for_a_look_whose_folder_is_nowhere():
    looker = make_looker()
    row = backup(looker, "look", looker.look)
    memory = Memory(same_instance=False)
    memory.queries[looker.query] = {"model": "thelook", "view": "orders", "fields": ["orders.other"]}
    looker.clear_log()
    (result,) = restore(looker, "look", [row], memory)
    assert result.error.blockers == (f"folder {looker.folder}",)
    assert not writes(looker)


@pytest.mark.parametrize("created_at", [12345, True, ["yesterday"], {"at": "noon"}])
@pytest.mark.parametrize("kind", ["folder", "look"])
def test_a_creation_time_that_is_none_contradicts_nothing(kind, created_at):
    looker = make_looker()
    row = backup(looker, kind, getattr(looker, kind), created_at=created_at)
    (result,) = restore(looker, kind, [row])
    assert (result.operation, result.error) == (Operation.UNCHANGED, None)


def test_no_query_is_made_for_a_look_whose_folder_has_vanished():
    looker = make_looker()
    row = backup(looker, "look", looker.look)
    memory = Memory(same_instance=False)
    memory.queries[looker.query] = {"model": "thelook", "view": "orders", "fields": ["orders.other"]}
    memory.mappings["folder", looker.folder] = MappedId("98765")
    looker.clear_log()
    (result,) = restore(looker, "look", [row], memory)
    assert result.error.blockers == ("folder 98765",)
    assert not writes(looker)


def test_a_look_that_the_caller_owns_for_somebody_else_is_found_again_without_the_state():
    looker = make_looker()
    caller = Caller(id=looker.call("GET", "/user")["id"])
    row = backup(looker, "look", looker.look, user_id=looker.owner)
    looker.call("DELETE", f"/looks/{looker.look}")
    looker.switches["user_id"] = "unknown"
    (first,) = restore(looker, "look", [row], Memory(caller=caller))
    assert "owner_not_set" in dict(first.warnings)
    (second,) = restore(looker, "look", [row], Memory(caller=caller))
    assert (second.error, second.destination_id) == (None, first.destination_id)
