"""Names that another object holds: the rest is written, circles and chains of the same run come right."""

import msgspec
import pytest
from factory import backup, decoded, destroy, make_dashboard, make_looker, new_query, trash
from harness import Memory
from harness import restore as restore_any

from lvrestore.catalog.listings import LISTINGS
from lvrestore.content.dashboards.fingerprint import live_fingerprint
from lvrestore.model import ContentType, MappedId, Operation, Waits

NAMED = ["folder", "look", "group", "role", "permission_set", "model_set"]


def field_of(kind):
    return "title" if kind == "look" else "name"


def make(looker, kind, name):
    bodies = {
        "folder": {"name": name, "parent_id": looker.folder},
        "look": {"title": name, "query_id": looker.query, "folder_id": looker.folder, "description": name},
        "role": {"name": name, "permission_set_id": "2", "model_set_id": "2"},
    }
    return looker.call("POST", f"/{kind}s", bodies.get(kind, {"name": name}))["id"]


def several(kind, count=3, **switches):
    """A Looker with some items of a kind, and a memory whose backup they are."""
    looker = make_looker(**switches)
    for sort in ("permission", "model"):
        looker.call("POST", f"/{sort}_sets", {"name": "a set"})
    ids = [make(looker, kind, f"{kind} {n}") for n in range(count)]
    memory = Memory()
    for one in ids:
        live = looker.call("GET", f"/{kind}s/{one}")
        memory.contents[kind, one] = only_known(live)
    return looker, memory, ids


def rename(looker, kind, item_id, name, **more):
    looker.call("PATCH", f"/{kind}s/{item_id}", {field_of(kind): name, **more})


def rotate(looker, kind, ids):
    """Give each one the name of the next."""
    names = [looker.call("GET", f"/{kind}s/{one}")[field_of(kind)] for one in ids]
    rename(looker, kind, ids[0], "for a moment")
    for one, name in reversed(list(zip(ids[1:], [*names[2:], names[0]], strict=True))):
        rename(looker, kind, one, name)
    rename(looker, kind, ids[0], names[1])


def rows(memory, kind, ids):
    return [(one, msgspec.msgpack.encode(memory.contents[kind, one])) for one in ids]


def restore(looker, memory, kind, ids, **more):
    memory.vault_ids = set(memory.contents)
    return restore_any(
        looker, rows(memory, kind, ids), memory, content_type=ContentType[kind.upper()], **more
    )


def names(looker, kind, ids):
    return [looker.call("GET", f"/{kind}s/{one}")[field_of(kind)] for one in ids]


def writes(looker):
    return [r for r in looker.requests if r.method != "GET"]


@pytest.mark.parametrize("taken", ["422", "409"])
@pytest.mark.parametrize("kind", NAMED)
def test_items_that_swapped_their_names_get_them_back(kind, taken):
    looker, memory, ids = several(kind, 2, name_taken=taken, folder_name_taken=taken)
    right = names(looker, kind, ids)
    rename(looker, kind, ids[0], "for a moment")
    rename(looker, kind, ids[1], right[0])
    rename(looker, kind, ids[0], right[1])
    results = restore(looker, memory, kind, ids)
    assert [(r.operation, r.error, r.waits) for r in results] == [(Operation.UPDATED, None, Waits.NO)] * 2
    assert names(looker, kind, ids) == right
    looker.clear_log()
    assert {r.operation for r in restore(looker, memory, kind, ids)} == {Operation.UNCHANGED}
    assert not writes(looker)


@pytest.mark.parametrize("order", [1, -1])
def test_a_circle_of_names_comes_right(order):
    looker, memory, ids = several("look", 5)
    right = names(looker, "look", ids)
    rotate(looker, "look", ids)
    assert names(looker, "look", ids) == [*right[1:], right[0]]
    results = restore(looker, memory, "look", ids[::order])
    assert {r.error for r in results} == {None}
    assert names(looker, "look", ids) == right


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_names_comes_right(order):
    looker, memory, ids = several("folder", 6)
    right = names(looker, "folder", ids)
    rename(looker, "folder", ids[0], "moved away")
    for one, name in zip(ids[1:], right, strict=False):
        rename(looker, "folder", one, name)
    looker.clear_log()
    results = restore(looker, memory, "folder", ids[::order])
    assert {(r.operation, r.error) for r in results} == {(Operation.UPDATED, None)}
    assert names(looker, "folder", ids) == right
    assert not [r for r in writes(looker) if "lvrestore" in str(r.body)]


def test_folders_of_one_name_that_changed_places_get_theirs_back():
    looker, memory, ids = several("folder", 2)
    inner = [looker.call("POST", "/folders", {"name": "Same", "parent_id": one})["id"] for one in ids]
    for one in inner:
        memory.contents["folder", one] = looker.call("GET", f"/folders/{one}")
    rename(looker, "folder", inner[0], "for a moment", parent_id=ids[1])
    rename(looker, "folder", inner[1], "Same", parent_id=ids[0])
    rename(looker, "folder", inner[0], "Same")
    results = restore(looker, memory, "folder", inner)
    assert {r.error for r in results} == {None}
    live = [looker.call("GET", f"/folders/{one}") for one in inner]
    assert [(one["name"], one["parent_id"]) for one in live] == [("Same", ids[0]), ("Same", ids[1])]


def test_an_item_whose_name_a_renamed_one_of_the_run_holds_is_made_afterwards():
    looker, memory, ids = several("folder", 2)
    right = names(looker, "folder", ids)
    looker.call("DELETE", f"/folders/{ids[0]}")
    rename(looker, "folder", ids[1], right[0])
    looker.clear_log()
    results = restore(looker, memory, "folder", ids)
    assert [r.operation for r in results] == [Operation.CREATED, Operation.UPDATED]
    assert names(looker, "folder", [results[0].destination_id, ids[1]]) == right
    assert [r.method for r in writes(looker)] == ["PATCH", "POST"]


def test_a_title_that_a_stranger_holds_is_named_and_all_else_is_restored():
    looker, memory, (look,) = several("look", 1)
    other = new_query(looker, "orders.other")
    rename(looker, "look", look, "Spoiled", query_id=other, description="wrong")
    stranger = make(looker, "look", "look 0")
    (rehearsed,) = restore(looker, memory, "look", [look], dry_run=True)
    (result,) = restore(looker, memory, "look", [look])
    for one in (rehearsed, result):
        assert (one.operation, one.error.kind) in {
            (Operation.FAILED, "validation"),
            (Operation.FAILED, "conflict"),
        }
        assert f"look {stranger} has the title 'look 0'" in one.error.message
    assert result.error.request == f"PATCH /looks/{look}"
    assert "already exists" in result.error.response
    live = looker.call("GET", f"/looks/{look}")
    assert (live["title"], live["query_id"], live["description"]) == ("Spoiled", looker.query, "look 0")
    looker.call("DELETE", f"/looks/{stranger}")
    (again,) = restore(looker, memory, "look", [look])
    assert (again.operation, names(looker, "look", [look])) == (Operation.UPDATED, ["look 0"])


def test_a_look_stays_in_its_folder_where_its_title_is_taken_in_the_one_it_was_in():
    looker, memory, (look,) = several("look", 1)
    elsewhere = looker.call("POST", "/folders", {"name": "Elsewhere", "parent_id": "1"})["id"]
    rename(looker, "look", look, "look 0", folder_id=elsewhere, description="wrong")
    make(looker, "look", "look 0")
    (result,) = restore(looker, memory, "look", [look])
    assert result.operation is Operation.FAILED
    live = looker.call("GET", f"/looks/{look}")
    assert (live["folder_id"], live["description"]) == (elsewhere, "look 0")


def test_nobody_gives_way_to_an_item_that_is_not_restored():
    looker, memory, ids = several("look", 2)
    right = names(looker, "look", ids)
    rename(looker, "look", ids[0], "for a moment")
    rename(looker, "look", ids[1], right[0])
    rename(looker, "look", ids[0], right[1])
    (rehearsed,) = restore(looker, memory, "look", ids[:1], dry_run=True)
    memory.ended_items.clear()
    (result,) = restore(looker, memory, "look", ids[:1])
    assert [r.operation for r in (rehearsed, result)] == [Operation.FAILED] * 2
    assert f"look {ids[1]} has the title" in result.error.message
    assert names(looker, "look", ids) == right[::-1]


def test_a_dry_run_knows_that_swapped_names_will_come_right():
    looker, memory, ids = several("look", 2)
    right = names(looker, "look", ids)
    rename(looker, "look", ids[0], "for a moment")
    rename(looker, "look", ids[1], right[0])
    rename(looker, "look", ids[0], right[1])
    looker.clear_log()
    results = restore(looker, memory, "look", ids, dry_run=True)
    assert [(r.operation, r.error) for r in results] == [(Operation.UPDATED, None)] * 2
    assert not writes(looker)


def test_a_folder_whose_name_another_item_of_the_backup_holds_is_not_tried_again_and_again():
    looker, memory, ids = several("folder", 2)
    looker.call("DELETE", f"/folders/{ids[0]}")
    rename(looker, "folder", ids[1], "folder 0")
    looker.clear_log()
    (result,) = restore(looker, memory, "folder", ids[:1])
    assert f"folder {ids[1]} has the name 'folder 0'" in result.error.message
    # It was not tried: the list says who has the name.
    assert result.error.request.endswith("/children")
    assert f'"id":"{ids[1]}"' in result.error.response
    assert not writes(looker)


def test_a_look_in_the_trash_whose_title_was_taken_waits_for_it():
    looker, memory, ids = several("look", 2)
    right = names(looker, "look", ids)
    looker.call("PATCH", f"/looks/{ids[0]}", {"deleted": True})
    rename(looker, "look", ids[1], right[0])
    results = restore(looker, memory, "look", ids)
    assert [r.operation for r in results] == [Operation.UNDELETED, Operation.UPDATED]
    assert names(looker, "look", ids) == right


def test_what_the_server_did_not_keep_is_named_once_and_not_sent_again():
    looker, memory, (look,) = several("look", 1)
    memory.contents["look", look]["description"] = "stripped at its end "
    looker.switches["normalises"] = "text_and_colours"
    (first,) = restore(looker, memory, "look", [look])
    assert "not_kept" in dict(first.warnings)
    looker.clear_log()
    (second,) = restore(looker, memory, "look", [look])
    assert (second.operation, writes(looker)) == (Operation.UNCHANGED, [])
    rename(looker, "look", look, "somebody changed it")
    (third,) = restore(looker, memory, "look", [look])
    assert third.operation is Operation.UPDATED


def test_a_look_made_again_on_a_server_that_strips_texts_is_found_again_without_the_state():
    looker, memory, (look,) = several("look", 1)
    memory.contents["look", look] |= {"title": "look 0 ", "description": "stripped at its end "}
    looker.call("DELETE", f"/looks/{look}")
    looker.switches["normalises"] = "text_and_colours"
    (first,) = restore(looker, memory, "look", [look])
    assert first.operation is Operation.CREATED
    again = Memory()
    again.contents = memory.contents
    (second,) = restore(looker, again, "look", [look])
    assert second.destination_id == first.destination_id
    looker.clear_log()
    (third,) = restore(looker, again, "look", [look])
    assert (third.operation, writes(looker)) == (Operation.UNCHANGED, [])


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("server", ["unknown", "ignored"])
def test_a_look_is_restored_where_the_server_lets_nobody_set_its_owner(server, gone):
    looker, memory, (look,) = several("look", 1)
    memory.contents["look", look]["user_id"] = looker.owner
    if gone:
        looker.call("DELETE", f"/looks/{look}")
    else:
        rename(looker, "look", look, "Spoiled")
    looker.switches["user_id"] = server
    (result,) = restore(looker, memory, "look", [look])
    assert result.operation is (Operation.CREATED if gone else Operation.UPDATED)
    assert {"unknown": "owner_not_set", "ignored": "not_kept"}[server] in dict(result.warnings)
    assert names(looker, "look", [result.destination_id]) == ["look 0"]
    looker.clear_log()
    (again,) = restore(looker, memory, "look", [look])
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])


# --- dashboards: a title in its folder, and a slug of the whole instance


def dashboards(count=2):
    """A Looker with dashboards, the rows of their backup, and a memory that knows those."""
    looker = make_looker()
    ids = [make_dashboard(looker, f"Board {n}", slug=f"slug{n}") for n in range(count)]
    kept = [backup(looker, one) for one in ids]
    memory = Memory()
    memory.contents = {("dashboard", one): msgspec.msgpack.decode(blob) for one, blob in kept}
    memory.vault_ids = set(memory.contents)
    return looker, memory, ids, kept


def called(looker, ids):
    found = [looker.call("GET", f"/dashboards/{one}") for one in ids]
    return [(one["title"], one["slug"]) for one in found]


def change(looker, dashboard_id, **fields):
    looker.call("PATCH", f"/dashboards/{dashboard_id}", fields)


def swap(looker, one, other):
    (title, slug), (other_title, other_slug) = called(looker, [one, other])
    change(looker, one, title="for a moment", slug="moment")
    change(looker, other, title=title, slug=slug)
    change(looker, one, title=other_title, slug=other_slug)


def spoil_a_tile(looker, dashboard_id):
    tile = looker.call("GET", f"/dashboards/{dashboard_id}")["dashboard_elements"][0]
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"title": "Spoiled"})


def tile_titles(looker, dashboard_id):
    return [one["title"] for one in looker.call("GET", f"/dashboards/{dashboard_id}")["dashboard_elements"]]


@pytest.mark.parametrize("trashed", [(), (0,), (1,), (0, 1)])
def test_dashboards_that_swapped_titles_and_slugs_get_them_back(trashed):
    looker, memory, ids, kept = dashboards()
    right = called(looker, ids)
    swap(looker, *ids)
    for number in trashed:
        trash(looker, ids[number])
    results = restore_any(looker, kept, memory)
    assert [(r.error, r.waits >= Waits.FOR_NAME) for r in results] == [(None, False)] * 2
    assert called(looker, ids) == right
    assert "slug_taken" not in {kind for r in results for kind, _ in r.warnings}
    looker.clear_log()
    assert {r.operation for r in restore_any(looker, kept, memory)} == {Operation.UNCHANGED}
    assert not writes(looker)


def test_a_dashboard_made_again_gets_the_slug_that_a_renamed_one_held():
    looker, memory, ids, kept = dashboards()
    right = called(looker, ids)
    destroy(looker, ids[0])
    change(looker, ids[1], slug="slug0")
    results = restore_any(looker, kept, memory)
    assert [r.operation for r in results] == [Operation.CREATED, Operation.UPDATED]
    assert called(looker, [r.destination_id for r in results]) == right
    assert "slug_taken" not in dict(results[0].warnings)


def test_a_dashboard_whose_title_a_renamed_one_held_is_made_afterwards():
    looker, memory, ids, kept = dashboards()
    right = called(looker, ids)
    destroy(looker, ids[0])
    change(looker, ids[1], title="Board 0")
    results = restore_any(looker, kept, memory)
    assert [(r.operation, r.error) for r in results] == [(Operation.CREATED, None), (Operation.UPDATED, None)]
    assert called(looker, [r.destination_id for r in results]) == right


@pytest.mark.parametrize("in_trash", [False, True])
def test_tiles_are_restored_where_a_stranger_holds_the_title(in_trash):
    looker, memory, (one,), kept = dashboards(1)
    change(looker, one, title="Spoiled", description="wrong")
    spoil_a_tile(looker, one)
    if in_trash:
        trash(looker, one)
    stranger = make_dashboard(looker, "Board 0")
    (rehearsed,) = restore_any(looker, kept, memory, dry_run=True)
    (result,) = restore_any(looker, kept, memory)
    for end in (rehearsed, result):
        assert end.operation is Operation.FAILED
        assert f"dashboard {stranger} has the title 'Board 0'" in end.error.message
    live = looker.call("GET", f"/dashboards/{one}")
    assert (live["title"], live["description"], live["deleted"]) == ("Spoiled", None, False)
    assert "Spoiled" not in tile_titles(looker, one)


def test_a_dashboard_stays_in_the_trash_where_a_stranger_has_its_title():
    looker, memory, (one,), kept = dashboards(1)
    trash(looker, one)
    stranger = make_dashboard(looker, "Board 0")
    (result,) = restore_any(looker, kept, memory)
    assert f"dashboard {stranger} has the title 'Board 0'" in result.error.message
    assert looker.call("GET", f"/dashboards/{one}")["deleted"]


def test_a_dashboard_looks_the_same_however_it_is_read():
    looker, _, (one,), _ = dashboards(1)
    listing = LISTINGS["dashboard"]
    (listed,) = looker.call("GET", listing.path, None, {"fields": listing.fields, **listing.params})
    live = looker.call("GET", f"/dashboards/{one}")
    assert listed != live
    assert live_fingerprint(listed) == live_fingerprint(live)
    spoil_a_tile(looker, one)
    assert live_fingerprint(looker.call("GET", f"/dashboards/{one}")) != live_fingerprint(live)


def test_the_older_row_of_a_dashboard_made_again_before_the_backup_is_history():
    looker, memory, (one,), kept = dashboards(1)
    destroy(looker, one)
    newer = make_dashboard(looker, "Board 0")
    row = backup(looker, newer)
    memory.contents["dashboard", newer] = msgspec.msgpack.decode(row[1])
    memory.vault_ids = set(memory.contents)
    results = restore_any(looker, [*kept, row], memory)
    assert [r.operation for r in results] == [Operation.SKIPPED, Operation.UNCHANGED]
    assert f"became dashboard {newer}" in results[0].reason


# --- the trash, where the folder is gone


@pytest.mark.parametrize("moves", ["yes", "no", "never"])
@pytest.mark.parametrize("kind", ["look", "dashboard"])
def test_what_is_in_the_trash_comes_back_into_the_folder_that_was_made_again(kind, moves):
    looker = make_looker()
    home = looker.call("POST", "/folders", {"name": "Home", "parent_id": "1"})["id"]
    body = {"title": "Mine", "folder_id": home, "query_id": looker.query}
    item = (
        looker.call("POST", "/looks", body)["id"]
        if kind == "look"
        else make_dashboard(looker, "Mine", folder_id=home, slug="mine")
    )
    live = looker.call("GET", f"/{kind}s/{item}")
    memory = Memory()
    memory.contents[kind, item] = decoded(looker, item) if kind == "dashboard" else only_known(live)
    looker.call("PATCH", f"/{kind}s/{item}", {"deleted": True})
    looker.switches["folder_delete"] = "trashes"
    looker.call("DELETE", f"/folders/{home}")
    made = looker.call("POST", "/folders", {"name": "Home", "parent_id": "1"})["id"]
    memory.mappings["folder", home] = MappedId(made)
    looker.switches["undelete_moves"] = moves
    (result,) = restore(looker, memory, kind, [item])
    assert result.operation is (Operation.CREATED if moves == "never" else Operation.UNDELETED)
    assert ("still_in_trash" in dict(result.warnings)) is (moves == "never")
    back = looker.call("GET", f"/{kind}s/{result.destination_id}")
    assert (back["title"], back["folder_id"], back["deleted"]) == ("Mine", made, False)
    lost = Memory()
    lost.mappings["folder", home] = MappedId(made)
    lost.contents = memory.contents
    for again in (memory, lost):
        (second,) = restore(looker, again, kind, [item])
        assert (second.error, second.destination_id) == (None, result.destination_id)
        assert len(looker.call("GET", f"/folders/{made}/{kind}s")) == 1


@pytest.mark.parametrize("kind", ["look", "dashboard"])
def test_what_comes_back_where_it_was_is_moved_afterwards(kind):
    looker = make_looker(undelete_moves="no")
    item = looker.look if kind == "look" else make_dashboard(looker, "Mine", slug="mine")
    memory = Memory()
    live = looker.call("GET", f"/{kind}s/{item}")
    memory.contents[kind, item] = decoded(looker, item) if kind == "dashboard" else only_known(live)
    elsewhere = looker.call("POST", "/folders", {"name": "Elsewhere", "parent_id": "1"})["id"]
    looker.call("PATCH", f"/{kind}s/{item}", {"folder_id": elsewhere})
    looker.call("PATCH", f"/{kind}s/{item}", {"deleted": True})
    (result,) = restore(looker, memory, kind, [item])
    assert result.operation is Operation.UNDELETED
    assert looker.call("GET", f"/{kind}s/{item}")["folder_id"] == looker.folder


def only_known(live):
    return {name: value for name, value in live.items() if value is not None and name != "query"}


def test_a_dashboard_that_the_key_is_not_shown_is_not_said_to_bear_its_own_title():
    looker, memory, (one,), kept = dashboards(1)
    looker.on("GET", f"/dashboards/{one}").answer(404, times=9)
    looker.on("GET", "/dashboards/search").answer(200, [], times=9)
    (result,) = restore_any(looker, kept, memory)
    assert result.operation is Operation.FAILED
    assert f"dashboard {one} is on the destination" in result.error.message
    assert "rename" not in result.error.message
