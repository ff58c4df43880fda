"""One dashboard, every situation: which calls are sent, and what is there afterwards. In memory."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from comparison import differences
from factory import backup, decoded, destroy, make_dashboard, make_filter, make_looker, requests, trash
from harness import Cut, Memory, PowerCut, restore

from lvrestore.model import MappedId, Operation


def methods(looker):
    return Counter(r.method for r in looker.requests)


def assert_restored(looker, row, result, **ignored):
    live = looker.dump()["dashboards"][result.destination_id]
    assert differences(msgspec.msgpack.decode(row[1]), live, **ignored) == []


def test_unchanged_costs_one_read():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UNCHANGED
    assert requests(looker) == [f"GET /dashboards/{row[0]}"]


def test_changed_sends_only_what_differs():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    tile, other, _ = decoded(looker, row[0])["dashboard_elements"]
    component = decoded(looker, row[0])["dashboard_layouts"][0]["dashboard_layout_components"][1]
    looker.call("PATCH", f"/dashboards/{row[0]}", {"title": "Spoiled", "hidden": True})
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"title": "Spoiled"})
    looker.call("PATCH", f"/dashboard_layout_components/{component['id']}", {"row": 77})
    looker.clear_log()
    (result,) = restore(looker, [row])
    bodies = [r.body for r in looker.requests if r.method == "PATCH"]
    assert result.operation is Operation.UPDATED
    assert requests(looker) == [
        f"GET /dashboards/{row[0]}",
        f"PATCH /dashboards/{row[0]}",
        f"PATCH /dashboard_elements/{tile['id']}",
        f"PATCH /dashboard_layout_components/{component['id']}",
    ]
    assert bodies == [{"title": "Sales", "hidden": False}, {"title": "Tile 0"}, {"row": 6}]
    assert_restored(looker, row, result)
    assert other["id"] in {t["id"] for t in decoded(looker, row[0])["dashboard_elements"]}


@pytest.mark.parametrize(("switch", "reads"), [("answers", 2), ("404", 3)])
def test_trashed_comes_back_with_one_patch_and_keeps_id_and_slug(switch, reads):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    slug = decoded(looker, row[0])["slug"]
    trash(looker, row[0])
    looker.switches["get_trashed"] = switch
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UNDELETED
    schedules = 2  # before and after: that none is listed may mean that those of trashed content never are
    assert methods(looker) == {"GET": reads + schedules, "PATCH": 1}
    assert looker.requests[-2].body == {"deleted": False}
    assert result.destination_id == row[0]
    assert decoded(looker, row[0])["slug"] == slug
    assert_restored(looker, row, result)


@pytest.mark.parametrize("layouts", [1, 2])
def test_destroyed_is_made_again_in_the_minimal_number_of_calls(layouts):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=4, filters=3, layouts=layouts))
    destroy(looker, row[0])
    looker.clear_log()
    (result,) = restore(looker, [row])
    writes = [r for r in looker.requests if r.method != "GET"]
    reads = [f"{r.method} {r.path}" for r in looker.requests if r.method == "GET"]
    assert result.operation is Operation.CREATED
    # 1 dashboard + F filters + N tiles + (L-1) layouts, then a rectangle for each tile in each layout.
    assert len(writes) == 1 + 3 + 4 + (layouts - 1) + 4 * layouts
    assert [r for r in reads if "lookml_models" not in r and "/looks/" not in r and "/users/" not in r] == [
        f"GET /dashboards/{row[0]}",
        # In the trash, alive, by its slug.
        "GET /dashboards/search",
        "GET /dashboards/search",
        "GET /dashboards/search",
        f"GET /folders/{looker.folder}",
        f"GET /dashboards/{result.destination_id}/dashboard_layouts",
    ]
    assert_restored(looker, row, result)


def test_rectangles_already_in_place_are_not_sent():
    looker = make_looker()
    dashboard_id = make_dashboard(looker, tiles=0)
    looker.call(
        "POST", "/dashboard_elements", {"dashboard_id": dashboard_id, "type": "text", "body_text": "x"}
    )
    row = backup(looker, dashboard_id)
    destroy(looker, row[0])
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert not [r for r in looker.requests if "components" in r.path]
    assert_restored(looker, row, result)


@pytest.mark.parametrize("layouts", [1, 2])
@pytest.mark.parametrize("state", ["destroyed", "destroyed without slug", "trashed", "changed"])
def test_cut_after_every_call_the_rerun_ends_right(state, layouts):
    def damaged():
        looker = make_looker()
        without = {"slug": ...} if state.endswith("without slug") else {}
        row = backup(looker, make_dashboard(looker, layouts=layouts), **without)
        live = decoded(looker, row[0])
        if state == "changed":
            looker.call("PATCH", f"/dashboards/{row[0]}", {"title": "Spoiled", "description": "new"})
            looker.call("DELETE", f"/dashboard_elements/{live['dashboard_elements'][0]['id']}")
            looker.call("DELETE", f"/dashboard_filters/{live['dashboard_filters'][1]['id']}")
            looker.call("POST", "/dashboard_filters", make_filter(row[0], "Surplus"))
        {"destroyed": destroy, "trashed": trash, "changed": lambda *_: None}[state.split()[0]](looker, row[0])
        looker.clear_log()
        return looker, row

    looker, row = damaged()
    restore(looker, [row])
    calls = len(looker.requests)
    for cut in range(calls):
        for keeps_state in (True, False):
            looker, row = damaged()
            memory, claimed = Memory(), datetime.fromtimestamp(looker.instance.now(), UTC)
            with pytest.raises(PowerCut):
                restore(Cut(looker, cut), [row], memory)
            memory = memory if keeps_state else Memory()
            (result,) = restore(looker, [row], memory, uncertain_since=claimed)
            assert result.error is None, (cut, keeps_state)
            assert_restored(looker, row, result, ignore={"slug"} if "slug" in state else ())
            assert len(looker.titles()) == 1
            looker.clear_log()
            (again,) = restore(looker, [row])
            assert again.operation is Operation.UNCHANGED
            assert set(methods(looker)) == {"GET"}


def test_half_made_dashboard_is_completed_without_deleting_or_doubling():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=10))
    destroy(looker, row[0])
    memory = Memory()
    restore(looker, [row], memory)
    made = memory.mapped("dashboard", row[0]).destination_id
    for tile in decoded(looker, made)["dashboard_elements"][8:]:
        looker.call("DELETE", f"/dashboard_elements/{tile['id']}")
    memory.mappings = {k: v for k, v in memory.mappings.items() if k[0] == "dashboard"}
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert methods(looker)["POST"] == 2
    assert methods(looker)["DELETE"] == 0
    assert_restored(looker, row, result)


def test_a_backup_without_tiles_captured_touches_no_tile():
    looker = make_looker()
    row = backup(
        looker, make_dashboard(looker), dashboard_elements=..., dashboard_filters=..., dashboard_layouts=...
    )
    looker.call("PATCH", f"/dashboards/{row[0]}", {"title": "Spoiled"})
    before = decoded(looker, row[0])["dashboard_elements"]
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UPDATED
    assert methods(looker) == {"GET": 1, "PATCH": 1}
    assert decoded(looker, row[0])["dashboard_elements"] == before


def test_a_stranger_with_the_same_id_is_a_conflict_and_untouched():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    made = decoded(looker, dashboard_id)["created_at"] - timedelta(days=3)
    row = backup(looker, dashboard_id, created_at=made, title="Another")
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CONFLICT
    assert "Sales" in result.reason
    assert set(methods(looker)) == {"GET"}


def test_on_another_instance_nothing_is_patched_by_number():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker), title="Another", slug="another-slug")
    looker.clear_log()
    (result,) = restore(looker, [row], Memory(same_instance=False))
    assert result.error.kind == "dependency"
    assert f"folder {looker.folder}" in result.error.blockers
    assert set(methods(looker)) <= {"GET"}


@pytest.mark.parametrize("where", ["alive", "trash"])
def test_a_slug_taken_is_left_out_said_and_no_difference_later(where):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    slug = decoded(looker, row[0])["slug"]
    destroy(looker, row[0])
    squatter = make_dashboard(looker, "Squatter", slug=slug)
    if where == "trash":
        trash(looker, squatter)
    before = looker.dump()["dashboards"][squatter]
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.CREATED
    assert "slug_taken" in dict(result.warnings)
    assert_restored(looker, row, result, ignore={"slug"})
    assert looker.dump()["dashboards"][squatter] == before
    for again in (memory, Memory()):
        looker.clear_log()
        (result,) = restore(looker, [row], again)
        assert result.operation is Operation.UNCHANGED
        assert {r.status for r in looker.requests if r.method != "GET"} <= {409, 422}


def test_a_title_that_a_stranger_has_in_the_folder_is_a_conflict():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    other = make_dashboard(looker, tiles=1)
    before = looker.dump()["dashboards"][other]
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CONFLICT
    assert f"on the destination, dashboard {other} may be dashboard {row[0]}" in result.reason
    assert "--adopt" in result.reason
    assert looker.dump()["dashboards"][other] == before


def test_everything_missing_is_named_before_the_first_write():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    looker.call("DELETE", f"/looks/{looker.look}")
    looker.call("DELETE", f"/folders/{looker.folder}")
    looker.instance.store.models.clear()
    looker.add_model("another")
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.error.kind == "dependency"
    assert set(result.error.blockers) == {
        f"folder {looker.folder}",
        f"look {looker.look}",
        "lookml_model thelook",
    }
    assert set(methods(looker)) == {"GET"}


def test_a_tile_that_was_broken_already_is_left_out_and_named():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    tiles = decoded(looker, dashboard_id)["dashboard_elements"]
    tiles[1] |= {"look": None, "look_id": "999"}
    row = backup(looker, dashboard_id, dashboard_elements=tiles)
    destroy(looker, row[0])
    memory = Memory()
    memory.vault_ids = {("look", looker.look)}
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert (
        f"without tile {tiles[1]['id']} 'Tile 1' (look 999 is not on the destination)" in result.error.message
    )
    assert result.warnings == ()
    assert len(decoded(looker, result.destination_id)["dashboard_elements"]) == 2


@pytest.mark.parametrize("source", ["none", "broken look"])
def test_a_live_tile_whose_source_cannot_be_written_is_neither_deleted_nor_emptied(source):
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    tiles = decoded(looker, dashboard_id)["dashboard_elements"]
    number = 0 if source == "none" else 1
    gone = {"query_id": None, "query": None} if source == "none" else {"look": None, "look_id": "999"}
    tiles[number] |= gone
    row = backup(looker, dashboard_id, dashboard_elements=tiles)
    memory = Memory()
    memory.vault_ids = {("look", "998")}
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.UNCHANGED
    assert set(methods(looker)) == {"GET"}


def test_without_any_model_in_sight_models_are_not_called_missing():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    looker.instance.store.models.clear()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED


def test_a_row_that_lives_on_under_the_id_of_another_row_is_left_to_that_one():
    looker = make_looker()
    old = backup(looker, make_dashboard(looker))
    destroy(looker, old[0])
    memory = Memory()
    (made,) = restore(looker, [old], memory)
    new = backup(looker, made.destination_id, description="edited since")
    for state in (memory, Memory()):
        results = restore(looker, [old, new], state)
        assert results[0].operation is Operation.SKIPPED
        assert made.destination_id in results[0].reason
    assert decoded(looker, made.destination_id)["description"] == "edited since"


@pytest.mark.parametrize("sent", [False, True])
def test_a_namesake_made_by_hand_is_not_taken_over_after_a_failed_attempt(sent):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    since = datetime.fromtimestamp(looker.instance.now(), UTC) if sent else None
    looker.advance(600)
    other = make_dashboard(looker, tiles=1, description="by hand")
    before = looker.dump()["dashboards"][other]
    (result,) = restore(looker, [row], uncertain_since=since)
    assert result.operation is Operation.CONFLICT
    assert looker.dump()["dashboards"][other] == before


def test_a_dry_run_says_that_the_title_is_taken():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    make_dashboard(looker, tiles=1)
    looker.clear_log()
    (planned,) = restore(looker, [row], dry_run=True)
    assert planned.operation is Operation.CONFLICT
    assert "--adopt" in planned.reason
    assert set(methods(looker)) == {"GET"}


def test_a_create_answered_without_the_object_is_looked_up():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    looker.on("POST", "/dashboard_filters").answer(204, "", times=1)
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert_restored(looker, row, result)


def test_an_owner_that_is_gone_leaves_the_dashboard_with_the_caller():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker), user_id="999")
    destroy(looker, row[0])
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert "owner_missing" in dict(result.warnings)


@pytest.mark.parametrize("names", [("Filter 1", "Filter 0"), ("Filter 1", "Filter 2")])
def test_filters_that_changed_names_among_each_other_come_back(names):
    looker = make_looker()
    dashboard_id = make_dashboard(looker, filters=2)
    row = backup(looker, dashboard_id)
    ids = [f["id"] for f in decoded(looker, dashboard_id)["dashboard_filters"]]
    steps = [(ids[0], "Aside"), (ids[1], names[1]), (ids[0], names[0])]
    for filter_id, name in steps:
        looker.call("PATCH", f"/dashboard_filters/{filter_id}", {"name": name, "title": name})
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UPDATED
    assert {f["id"]: f["name"] for f in decoded(looker, dashboard_id)["dashboard_filters"]} == {
        ids[0]: "Filter 0",
        ids[1]: "Filter 1",
    }


def test_a_dry_run_says_the_same_calls_and_sends_none():
    for damage in (destroy, trash):
        looker = make_looker()
        row = backup(looker, make_dashboard(looker, layouts=2))
        damage(looker, row[0])
        looker.clear_log()
        (planned,) = restore(looker, [row], dry_run=True)
        assert set(methods(looker)) == {"GET"}
        looker.clear_log()
        (done,) = restore(looker, [row])
        assert planned.operation is done.operation
        # Where new tiles come up is the server's decision: placing them is an upper bound.
        assert planned.calls.by_method.get("POST", 0) == done.calls.by_method.get("POST", 0)
        assert planned.calls.by_method["PATCH"] >= done.calls.by_method["PATCH"]


def test_a_lookml_dashboard_is_skipped():
    looker = make_looker()
    row = ("m::d", msgspec.msgpack.encode({"id": "m::d", "title": "In code"}))
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.SKIPPED
    assert looker.requests == []


def test_what_is_replaced_is_kept_before_the_first_write():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    looker.call("PATCH", f"/dashboards/{row[0]}", {"title": "Spoiled"})
    memory = Memory()
    restore(looker, [row], memory)
    ((kind, dashboard_id, body),) = memory.before
    assert (kind, dashboard_id) == ("dashboard", row[0])
    assert msgspec.json.decode(body)["title"] == "Spoiled"


@pytest.mark.parametrize("path", ["/dashboards", "/dashboard_elements", "/dashboard_filters"])
@pytest.mark.parametrize("fault", ["create_then_drop_connection", "drop_before"])
def test_a_lost_reply_does_not_create_twice(path, fault):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    getattr(looker.on("POST", path), fault)(times=1)
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert_restored(looker, row, result)
    assert looker.titles() == ["Sales"]
    assert result.calls.retries >= 1 or fault == "create_then_drop_connection"


@pytest.mark.parametrize(
    "path", ["/dashboards", "/dashboard_elements", "/dashboard_filters", "/dashboard_layouts"]
)
def test_a_post_that_lands_late_is_waited_for_and_not_repeated_into_a_double(path):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, layouts=2))
    destroy(looker, row[0])
    looker.on("POST", path).late_commit(5.0, times=1)
    (result,) = restore(looker, [row], grace_s=10.0)
    assert result.operation is Operation.CREATED
    looker.advance(60)
    assert_restored(looker, row, result)
    assert looker.titles() == ["Sales"]


def test_a_server_that_never_answers_a_create_is_an_uncertain_failure():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    looker.on("POST", "/dashboards").answer(502, "<html>Bad gateway</html>", times=99)
    (result,) = restore(looker, [row], grace_s=1.0)
    assert result.operation is Operation.FAILED
    assert result.error.kind == "unknown_outcome"


def test_a_blob_that_does_not_decode_is_one_failure():
    looker = make_looker()
    good = backup(looker, make_dashboard(looker))
    results = restore(looker, [("7", b"\xc1"), ("8", msgspec.msgpack.encode({"id": "8", "title": 5})), good])
    assert [r.operation for r in results] == [Operation.FAILED, Operation.FAILED, Operation.UNCHANGED]
    assert results[1].error.field == "$.title"


@pytest.mark.parametrize("field", ["folder_id", "title"])
def test_elsewhere_a_dashboard_without_what_looker_requires_is_said_to_be_so(field):
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=1), **{field: ..., "slug": ...})
    elsewhere, memory = make_looker(), Memory(same_instance=False)
    memory.mappings["folder", looker.folder] = MappedId(elsewhere.folder)
    (result,) = restore(elsewhere, [row], memory)
    assert result.error.kind == "validation"
    assert f"has no {field}" in result.error.message


def test_no_query_is_made_for_a_dashboard_that_lacks_its_folder():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=2))
    elsewhere, memory = make_looker(), Memory(same_instance=False)
    memory.mappings["folder", looker.folder] = MappedId("98765")
    memory.mappings["look", looker.look] = MappedId("98766")
    elsewhere.clear_log()
    for _ in range(2):
        (result,) = restore(elsewhere, [row], memory)
        assert result.error.blockers == ("folder 98765", f"look {looker.look}")
    assert {r.method for r in elsewhere.requests} == {"GET"}
    memory.mappings["folder", looker.folder] = MappedId(elsewhere.folder)
    memory.mappings["look", looker.look] = MappedId(elsewhere.look)
    (result,) = restore(elsewhere, [row], memory)
    assert result.operation is Operation.CREATED


def test_what_a_dashboard_of_another_instance_lacks_is_said_with_name_side_and_remedy():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=1), slug=...)
    elsewhere, memory = make_looker(), Memory(same_instance=False)
    home = {"name": "Ann B", "is_personal": True, "creator_id": "5"}
    memory.contents = {
        ("folder", looker.folder): home,
        ("user", "5"): {"first_name": "Ann", "last_name": "B"},
    }
    memory.vault_ids = set(memory.contents)
    memory.ended_items = {("folder", looker.folder): True}
    (result,) = restore(elsewhere, [row], memory)
    assert result.error.blockers == (f"folder {looker.folder}",)
    assert f"folder {looker.folder} 'Ann B' (the personal folder of Ann B)" in result.error.message
    assert "no counterpart on the destination" in result.error.message
    assert "--remap" in result.error.message
    memory.contents["folder", looker.folder] = {"name": "Sales", "parent_id": "99"}
    (result,) = restore(elsewhere, [row], memory)
    assert f"folder {looker.folder} 'Sales' (this run could not restore it either)" in result.error.message
    memory.ended_items = {}
    (result,) = restore(elsewhere, [row], memory)
    assert "failures retry --fix-dependencies" in result.error.message


def test_what_is_missing_on_the_instance_of_the_backup_is_said_by_name():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    destroy(looker, row[0])
    looker.call("DELETE", f"/looks/{looker.look}")
    memory = Memory()
    memory.contents["look", looker.look] = {"title": "Revenue"}
    (result,) = restore(looker, [row], memory)
    assert f"look {looker.look} 'Revenue' is not on the destination" in result.error.message
    assert "--remap" not in result.error.message
