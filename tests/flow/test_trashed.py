"""What was in the trash when the backup was made, and what is in it now, with each belief about the trash."""

from datetime import UTC, datetime
from itertools import product

import msgspec
import pytest
import test_boards
from comparison import differences
from factory import backup, decoded, destroy, make_dashboard, make_looker, trash
from harness import Memory, restore

from lvrestore.model import ContentType, Operation

BELIEFS = [
    dict(zip(("trashed_layouts", "get_trashed", "search_has_elements"), values, strict=True))
    for values in product(("as_they_were", "deleted"), ("answers", "404"), ("yes", "no"))
]


def marked(layouts, *, rectangles=True):
    """Layouts as a server may show those of what is in the trash."""
    return [
        {
            **layout,
            "deleted": True,
            "dashboard_layout_components": [
                {**one, "deleted": rectangles or one["deleted"]}
                for one in layout["dashboard_layout_components"]
            ],
        }
        for layout in layouts
    ]


def writes(looker):
    return [(r.method, r.path, r.body) for r in looker.requests if r.method != "GET"]


def places(looker, dashboard_id):
    layouts = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_layouts")
    shown = [c for layout in layouts for c in layout["dashboard_layout_components"]]
    return sorted((c["row"], c["column"], c["width"], c["height"], c["deleted"]) for c in shown)


@pytest.mark.parametrize("trashed", [False, True])
@pytest.mark.parametrize("rectangles", [False, True])
@pytest.mark.parametrize("layouts", [1, 2])
@pytest.mark.parametrize("same_instance", [True, False])
def test_layouts_that_are_all_marked_deleted_are_restored(trashed, rectangles, layouts, same_instance):
    looker = make_looker()
    dashboard_id = make_dashboard(looker, layouts=layouts)
    shown = marked(decoded(looker, dashboard_id)["dashboard_layouts"], rectangles=rectangles)
    row = backup(looker, dashboard_id, dashboard_layouts=shown, deleted=trashed)
    wanted = places(looker, dashboard_id)
    looker.clear_log()
    if same_instance:
        (result,) = restore(looker, [row])
        assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])

    destroy(looker, dashboard_id)
    memory = Memory(same_instance=same_instance)
    for kind, here in (("folder", looker.folder), ("user", looker.owner), ("look", looker.look)):
        memory.note_known(kind, here)
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.error, result.warnings) == (Operation.CREATED, None, ())
    assert places(looker, result.destination_id) == wanted
    assert not looker.call("GET", f"/dashboards/{result.destination_id}")["deleted"]


def test_a_layout_that_alone_is_marked_deleted_is_left_out():
    looker = make_looker()
    dashboard_id = make_dashboard(looker, layouts=2)
    first, second = decoded(looker, dashboard_id)["dashboard_layouts"]
    row = backup(looker, dashboard_id, dashboard_layouts=[first, *marked([second])], deleted=True)
    destroy(looker, dashboard_id)
    (result,) = restore(looker, [row])
    (layout,) = looker.call("GET", f"/dashboards/{result.destination_id}/dashboard_layouts")
    assert layout["active"]


def test_live_layouts_that_are_all_shown_as_deleted_are_those_of_the_backup():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    row = backup(looker, dashboard_id)
    looker.instance.store.dashboards[dashboard_id].layouts[0].row["deleted"] = True
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])


@pytest.mark.parametrize("beliefs", BELIEFS, ids=lambda one: "-".join(one.values()))
@pytest.mark.parametrize("edited", [False, True])
def test_a_dry_run_of_what_is_in_the_trash_promises_what_is_written(beliefs, edited):
    def damaged():
        looker = make_looker(**beliefs)
        dashboard_id = make_dashboard(looker, layouts=3)
        layouts = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_layouts")
        looker.instance.store.layouts[layouts[2]["id"]].row["deleted"] = True
        hidden = layouts[1]["dashboard_layout_components"][0]["id"]
        looker.call("PATCH", f"/dashboard_layout_components/{hidden}", {"deleted": True})
        row = backup(looker, dashboard_id)
        if edited:
            looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": "Spoiled"})
            moved = layouts[0]["dashboard_layout_components"][1]["id"]
            looker.call("PATCH", f"/dashboard_layout_components/{moved}", {"row": 99})
        trash(looker, dashboard_id)
        looker.clear_log()
        return looker, row

    looker, row = damaged()
    (planned,) = restore(looker, [row], dry_run=True)
    assert writes(looker) == []
    (done,) = restore(looker, [row])
    readable = beliefs["get_trashed"] == "answers" or beliefs["search_has_elements"] == "yes"
    assert planned.operation is done.operation is Operation.UNDELETED
    assert len(writes(looker)) == (2 if edited else 1)
    if readable:
        assert planned.changes == done.changes
        assert planned.calls.by_method["PATCH"] == done.calls.by_method["PATCH"]
    else:
        assert planned.reason == "what is in it can only be read once it is out of the trash"
        assert planned.changes == done.changes[: len(planned.changes)]
        assert {path for path, _, _ in planned.changes} == ({"deleted", "title"} if edited else {"deleted"})
    assert differences(msgspec.msgpack.decode(row[1]), looker.dump()["dashboards"][row[0]]) == []


@pytest.mark.parametrize("sections_too", [False, True])
def test_a_board_that_was_in_the_trash_comes_back_alive(sections_too):
    looker = make_looker()
    board_id = test_boards.make_board(looker)
    shown = looker.call("GET", f"/boards/{board_id}")
    at = datetime.fromtimestamp(looker.instance.now(), UTC)
    sections = [{**one, **({"deleted_at": at} if sections_too else {})} for one in shown["board_sections"]]
    row = test_boards.backup(looker, board_id, deleted_at=at, board_sections=sections)
    looker.call("DELETE", f"/boards/{board_id}")
    (result,) = restore(looker, [row], content_type=ContentType.BOARD)
    live = looker.call("GET", f"/boards/{result.destination_id}")
    assert (result.operation, live["deleted_at"]) == (Operation.CREATED, None)
    assert [one["title"] for one in live["board_sections"]] == ["Third", "Second", "First"]
