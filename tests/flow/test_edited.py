"""What somebody has edited after the backup is told, and nothing of ours is taken for it. In memory."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import test_boards
import test_dashboard
import test_flat
import test_plans
from factory import backup, make_dashboard, make_looker, trash
from harness import Memory, restore

from lvrestore.content.knowledge import CLOCK_SKEW
from lvrestore.looker.classify import Reply
from lvrestore.model import ContentType, Operation
from lvrestore.play.touched import Touched

MINUTES = 300
BELIEFS = [
    {},
    {"tile_edits_move_updated_at": "no", "item_edits_move_updated_at": "yes"},
    {"normalises": "text_and_colours", "get_trashed": "404"},
]


def _dashboard(looker):
    dashboard_id = make_dashboard(looker)
    tile = looker.call("GET", f"/dashboards/{dashboard_id}")["dashboard_elements"][0]["id"]

    def edit(n):
        looker.call("PATCH", f"/dashboard_elements/{tile}", {"title": f"Edited {n}"})
        looker.call("PATCH", f"/dashboards/{dashboard_id}", {"description": f"Edited {n}"})

    return ContentType.DASHBOARD, backup(looker, dashboard_id), edit


def _look(looker):
    def edit(n):
        looker.call("PATCH", f"/looks/{looker.look}", {"description": f"Edited {n}"})

    return ContentType.LOOK, test_flat.backup(looker, "look", looker.look), edit


def _board(looker):
    board_id = test_boards.make_board(looker)
    section = looker.call("GET", f"/boards/{board_id}")["board_sections"][0]["id"]

    def edit(n):
        looker.call("PATCH", f"/board_sections/{section}", {"title": f"Edited {n}"})
        looker.call("PATCH", f"/boards/{board_id}", {"description": f"Edited {n}"})

    return ContentType.BOARD, test_boards.backup(looker, board_id), edit


def _plan(looker):
    looker.dashboard = make_dashboard(looker)
    plan_id = test_plans.make_plan(looker)

    def edit(n):
        looker.call("PATCH", f"/scheduled_plans/{plan_id}", {"filters_string": f"?Region={n}"})

    return ContentType.SCHEDULED_PLAN, test_plans.backup(looker, plan_id), edit


MADE = {"dashboard": _dashboard, "look": _look, "board": _board, "plan": _plan}


@pytest.fixture(params=MADE)
def scene(request):
    """An object with a backup of it; `edit(n)` edits it some minutes later, `run` restores it."""

    def make(**switches):
        looker = make_looker(**switches)
        content_type, row, change = MADE[request.param](looker)
        memory = Memory()

        def edit(n):
            looker.advance(MINUTES)
            looker.instance.caller_id = looker.owner
            change(n)
            looker.instance.caller_id = "1"
            looker.advance(MINUTES)
            looker.clear_log()

        def run(memory=memory, of=looker, **more):
            memory.rehearsed.clear()
            (result,) = restore(of, [row], memory, content_type=content_type, **more)
            return result

        def now():
            return datetime.fromtimestamp(looker.instance.now(), UTC)

        looker.clear_log()
        collection = {"plan": "scheduled_plans"}.get(request.param, f"{request.param}s")
        path = f"/{collection}/{row[0]}"
        return SimpleNamespace(
            kind=request.param,
            id=row[0],
            path=path,
            looker=looker,
            memory=memory,
            edit=edit,
            run=run,
            now=now,
        )

    return make


def told(result):
    return [kind for kind, _ in result.warnings if kind == "newer_overwritten"]


@pytest.mark.parametrize("beliefs", BELIEFS, ids=str)
def test_an_edit_after_the_backup_is_told_before_it_is_overwritten_and_then(scene, beliefs):
    scene = scene(**beliefs)
    untouched = scene.run(dry_run=True)
    assert (untouched.operation, untouched.edit.after_backup) == (Operation.UNCHANGED, False)
    for n in range(3):
        scene.edit(n)
        planned = scene.run(dry_run=True)
        assert (planned.operation, planned.edit.after_backup) == (Operation.UPDATED, True)
        assert planned.edit.at.startswith("20")
        by = {"dashboard": "Ann B", "look": scene.looker.owner}.get(scene.kind)
        assert planned.edit.by == by
        done = scene.run()
        assert done.edit == planned.edit
        assert told(planned) == told(done) == ["newer_overwritten"]
        for _ in range(2):
            scene.looker.advance(MINUTES)
            again = scene.run()
            assert (again.operation, again.edit.after_backup, told(again)) == (Operation.UNCHANGED, False, [])


@pytest.mark.parametrize("beliefs", BELIEFS, ids=str)
@pytest.mark.parametrize("state", ["edited", "gone", "trashed"])
def test_cut_after_every_call_nothing_of_ours_counts_as_somebodys_edit(scene, beliefs, state):
    def begun():
        one = scene(**beliefs)
        one.edit(1)
        has_trash = one.kind != "plan"
        if state == "gone" or (state == "trashed" and not has_trash):
            one.looker.call("DELETE", one.path)
        elif state == "trashed":
            gone = (
                {"deleted_at": "2024-05-01T10:00:00.000+00:00"} if one.kind == "board" else {"deleted": True}
            )
            one.looker.call("PATCH", one.path, gone)
        one.looker.clear_log()
        return one

    one = begun()
    one.run()
    for cut in range(len(one.looker.requests)):
        one = begun()
        since = one.now()
        with pytest.raises(test_dashboard.PowerCut):
            one.run(of=test_dashboard.Cut(one.looker, cut))
        one.looker.advance(MINUTES)
        resumed = one.run(uncertain_since=since)
        assert resumed.error is None
        assert told(resumed) == []
        assert resumed.edit is None or not resumed.edit.after_backup
        again = one.run()
        assert (again.operation, again.edit.after_backup, told(again)) == (Operation.UNCHANGED, False, [])
        if resumed.destination_id == one.id:  # else another object stands for it
            one.edit(2)
            assert one.run(dry_run=True).edit.after_backup


def test_what_a_failed_attempt_has_written_is_ours():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    row, memory = backup(looker, dashboard_id), Memory()
    looker.advance(MINUTES)
    tile = looker.call("GET", f"/dashboards/{dashboard_id}")["dashboard_elements"][0]["id"]
    looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": "Spoiled"})
    looker.call("PATCH", f"/dashboard_elements/{tile}", {"title": "Spoiled"})
    looker.advance(MINUTES)
    looker.on("PATCH", "/dashboard_elements/*").answer(422, {"message": "no"})
    (failed,) = restore(looker, [row], memory)
    assert (failed.operation, told(failed)) == (Operation.FAILED, ["newer_overwritten"])
    looker.advance(MINUTES)
    (done,) = restore(looker, [row], memory)
    assert (done.operation, done.edit.after_backup, told(done)) == (Operation.UPDATED, False, [])


def test_an_edit_that_left_it_equal_is_no_matter():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    row, memory = backup(looker, dashboard_id), Memory()
    looker.advance(MINUTES)
    for title in ("Other", "Sales"):
        looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": title})
    (result,) = restore(looker, [row], memory)
    assert (result.operation, told(result)) == (Operation.UNCHANGED, [])
    looker.advance(MINUTES)
    looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": "Other"})
    (result,) = restore(looker, [row], memory)
    assert told(result) == ["newer_overwritten"]


def test_what_comes_out_of_the_trash_overwrites_nobodys_edit():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    row = backup(looker, dashboard_id)
    looker.advance(MINUTES)
    looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": "Other"})
    trash(looker, dashboard_id)
    (result,) = restore(looker, [row])
    assert (result.operation, told(result)) == (Operation.UNDELETED, [])


@pytest.mark.parametrize("kind", ["folder", "look"])
def test_without_a_time_nobody_can_tell(kind):
    looker = make_looker()
    item_id = getattr(looker, kind)
    row = test_flat.backup(looker, kind, item_id, updated_at=...)
    name = "name" if kind == "folder" else "title"
    looker.call("PATCH", f"/{kind}s/{item_id}", {name: "Other"})
    (result,) = restore(looker, [row], content_type=ContentType[kind.upper()])
    assert result.operation is Operation.UPDATED
    assert result.edit is None or result.edit.after_backup is None
    assert told(result) == []


@pytest.mark.parametrize("date", [None, "soon", "Tue, 14 Nov 2023 22:13:20 GMT"])
def test_the_time_of_a_write_is_the_servers_own_where_it_tells(date):
    touched, began = Touched(("look", "7")), datetime.now(UTC).replace(microsecond=0)
    touched.mapped("look", "7", "70")
    touched.answered(Reply(200, {"id": "70"}, {"date": date} if date else {}))
    task = SimpleNamespace(content_type=ContentType.LOOK, blob=b"")
    own = touched.own_write(task, done=False)
    until = datetime.fromisoformat(own.until)
    assert (own.kind, own.destination_id) == ("look", "70")
    if date and date.endswith("GMT"):
        assert until == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    else:
        assert until >= began + CLOCK_SKEW


def test_a_write_whose_end_nobody_knows_may_be_carried_out_yet():
    touched, began = Touched(("look", "7")), datetime.now(UTC).replace(microsecond=0)
    touched.found({"id": "70", "updated_at": "2023-11-14T22:13:20.000+00:00"})
    touched.lost()
    own = touched.own_write(SimpleNamespace(content_type=ContentType.LOOK, blob=b""), done=False)
    assert datetime.fromisoformat(own.until) >= began + CLOCK_SKEW
