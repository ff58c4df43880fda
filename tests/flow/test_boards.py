"""One board, every situation: which calls are sent, and what is there afterwards. In memory."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from factory import backup as backup_of_dashboard
from factory import make_dashboard, make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.rehearsal.boards import RehearsedBoards
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.damage_others import Shares, break_kind, candidates
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.switches import SWITCHES
from lvrestore.settings import Caller
from lvrestore.vault import open_vault

TIMES = {"created_at", "updated_at", "deleted_at"}
ITEM = (
    *("dashboard_id", "look_id", "lookml_dashboard_id", "custom_title", "custom_description", "custom_url"),
    *("use_custom_title", "use_custom_description", "use_custom_url", "use_custom_image", "order"),
)
FLAGS = {name for name in ITEM if name.startswith("use_")}


def restore(looker, rows, memory=None, **more):
    return restore_any(looker, rows, memory, content_type=ContentType.BOARD, **more)


def make_board(looker, title="Start here", **fields):
    """A board of three sections with links, content and LookML, shown in another order than that of creation."""
    shown = [{"dashboard_id": one} for one in dashboards_of(looker)]
    link = {
        "custom_url": "https://x.y",
        "custom_title": "X",
        "use_custom_url": True,
        "use_custom_title": True,
    }
    plans = {
        "First": [*shown, {"look_id": looker.look, "custom_description": "Read this"}],
        "Second": [link, {"lookml_dashboard_id": "thelook::pulse"}, link],
        "Third": [],
    }
    body = {"title": title, "description": "All of it", "user_id": looker.owner, **fields}
    board_id = looker.call("POST", "/boards", body)["id"]
    sections = []
    for name, items in plans.items():
        section = looker.call("POST", "/board_sections", {"board_id": board_id, "title": name})["id"]
        made = [
            looker.call("POST", "/board_items", {"board_section_id": section, "order": n, **item})["id"]
            for n, item in enumerate(items)
        ]
        looker.call("PATCH", f"/board_sections/{section}", {"item_order": made[::-1]})
        sections.append(section)
    looker.call("PATCH", f"/boards/{board_id}", {"section_order": sections[::-1]})
    return board_id


def dashboards_of(looker):
    """The two dashboards that all boards show."""
    if not hasattr(looker, "shown"):
        looker.shown = [make_dashboard(looker, f"Shown {n}", tiles=0, filters=0) for n in range(2)]
    return looker.shown


def board(looker, board_id):
    return looker.call("GET", f"/boards/{board_id}")


def sections(looker, board_id):
    return [one for one in board(looker, board_id)["board_sections"] if not one["deleted_at"]]


def items(looker, board_id):
    return [item for section in sections(looker, board_id) for item in section["board_items"]]


def backup(looker, board_id, **changes):
    """A vault row (id, blob) of the board as it is now: top-level nulls gone, times as times."""
    live = {k: v for k, v in board(looker, board_id).items() if v is not None}
    content = {k: v for k, v in {**live, **changes}.items() if v is not ...}
    return content["id"], msgspec.msgpack.encode(_times(content))


def _times(value):
    if isinstance(value, dict):
        return {
            k: datetime.fromisoformat(v) if k in TIMES and isinstance(v, str) else _times(v)
            for k, v in value.items()
        }
    return [_times(v) for v in value] if isinstance(value, list) else value


def view(content, ids=None):
    """What a board shows, in the order shown; `ids` translates those of dashboards."""

    def item_view(item):
        shown = {name: item.get(name) for name in ITEM}
        shown |= {name: shown[name] or False for name in FLAGS}
        return shown | {"dashboard_id": (ids or {}).get(shown["dashboard_id"], shown["dashboard_id"])}

    def ordered(parts, order):
        rank = {part_id: n for n, part_id in enumerate(order or ())}
        alive = [part for part in parts if not part.get("deleted_at")]
        return sorted(alive, key=lambda part: rank.get(part["id"], len(rank)))

    return {
        **{name: content.get(name) for name in ("title", "description", "user_id", "deleted_at")},
        "sections": [
            {
                **{name: section.get(name) for name in ("title", "description")},
                "items": [item_view(i) for i in ordered(section["board_items"], section.get("item_order"))],
            }
            for section in ordered(content["board_sections"], content.get("section_order"))
        ],
    }


def assert_restored(looker, row, result, ids=None):
    live = board(looker, result.destination_id)
    assert view(live) == view(msgspec.msgpack.decode(row[1]), ids)
    assert set(live["section_order"]) >= {
        one["id"] for one in live["board_sections"] if not one["deleted_at"]
    }


def assert_unchanged(looker, row, *memories):
    for memory in memories:
        looker.clear_log()
        (again,) = restore(looker, [row], memory)
        assert (again.operation, again.error) == (Operation.UNCHANGED, None), again.changes
        assert set(methods(looker)) == {"GET"}


def assert_still_partial(looker, row, *memories):
    for memory in memories:
        looker.clear_log()
        (again,) = restore(looker, [row], memory)
        assert (again.operation, again.done) == (Operation.PARTIAL, Operation.UNCHANGED), again.changes
        assert set(methods(looker)) == {"GET"}


def methods(looker):
    return Counter(r.method for r in looker.requests)


def said(looker):
    return [f"{r.method} {r.path}" for r in looker.requests]


def destroy(looker, board_id):
    looker.call("DELETE", f"/boards/{board_id}")


def trash(looker, path):
    looker.call("PATCH", path, {"deleted_at": "2024-05-01T10:00:00.000+00:00"})


# --- alive


def test_unchanged_costs_one_read():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UNCHANGED
    assert said(looker) == [f"GET /boards/{row[0]}"]


def test_what_differs_is_sent_with_one_patch_per_object():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    first, second, _ = sections(looker, row[0])
    item = first["board_items"][1]["id"]
    looker.call("PATCH", f"/boards/{row[0]}", {"title": "Spoiled", "section_order": [first["id"]]})
    order = [one["id"] for one in second["board_items"]]
    looker.call("PATCH", f"/board_sections/{second['id']}", {"title": "Spoiled", "item_order": order})
    looker.call("PATCH", f"/board_items/{item}", {"custom_description": "Spoiled"})
    memory = Memory()
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.UPDATED
    assert said(looker) == [
        f"GET /boards/{row[0]}",
        f"PATCH /board_items/{item}",
        f"PATCH /board_sections/{second['id']}",
        f"PATCH /boards/{row[0]}",
    ]
    assert [r.body for r in looker.requests[1:]] == [
        {"custom_description": None},
        {"title": "Second", "item_order": order[::-1]},
        {"title": "Start here", "section_order": msgspec.msgpack.decode(row[1])["section_order"]},
    ]
    ((kind, board_id, before),) = memory.before
    assert (kind, board_id, msgspec.json.decode(before)["title"]) == ("board", row[0], "Spoiled")
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


def spoil_description(looker, board_id):
    looker.call("PATCH", f"/boards/{board_id}", {"description": None})


def spoil_owner(looker, board_id):
    looker.call("PATCH", f"/boards/{board_id}", {"user_id": looker.add_user("Bo", "C", "bo@example.com")})


def remove_section(looker, board_id):
    looker.call("DELETE", f"/board_sections/{sections(looker, board_id)[0]['id']}")


def remove_all_sections(looker, board_id):
    for section in sections(looker, board_id):
        looker.call("DELETE", f"/board_sections/{section['id']}")


def trash_section(looker, board_id):
    trash(looker, f"/board_sections/{sections(looker, board_id)[1]['id']}")


def add_section(looker, board_id):
    section = looker.call("POST", "/board_sections", {"board_id": board_id, "title": "Stray"})["id"]
    looker.call("POST", "/board_items", {"board_section_id": section, "look_id": looker.look})


def remove_items(looker, board_id):
    for item in items(looker, board_id)[1:4]:
        looker.call("DELETE", f"/board_items/{item['id']}")


def add_item(looker, board_id):
    section = sections(looker, board_id)[2]["id"]
    looker.call("POST", "/board_items", {"board_section_id": section, "look_id": looker.look})


def move_item_into_stray_section(looker, board_id):
    section = looker.call("POST", "/board_sections", {"board_id": board_id, "title": "Stray"})["id"]
    item = items(looker, board_id)[0]["id"]
    looker.call("PATCH", f"/board_items/{item}", {"board_section_id": section})


def swap_targets(looker, board_id):
    one, _, other = items(looker, board_id)[:3]
    looker.call("PATCH", f"/board_items/{one['id']}", {"dashboard_id": None, "look_id": looker.look})
    body = {"dashboard_id": one["dashboard_id"], "look_id": None}
    looker.call("PATCH", f"/board_items/{other['id']}", body)


def forget_orders(looker, board_id):
    for section in sections(looker, board_id):
        looker.call("PATCH", f"/board_sections/{section['id']}", {"item_order": []})
    looker.call("PATCH", f"/boards/{board_id}", {"section_order": None})


def trash_and_edit(looker, board_id):
    looker.call("PATCH", f"/boards/{board_id}", {"title": "Spoiled"})
    spoil_owner(looker, board_id)
    trash_section(looker, board_id)
    remove_items(looker, board_id)
    trash(looker, f"/boards/{board_id}")


def trash_whole(looker, board_id):
    trash(looker, f"/boards/{board_id}")


DAMAGES = [
    *(spoil_description, spoil_owner, remove_section, remove_all_sections, trash_section, add_section),
    *(remove_items, add_item, move_item_into_stray_section, swap_targets, forget_orders),
    *(trash_and_edit, trash_whole, destroy),
]
RELATED = (
    *("board_undelete", "trashed_boards", "order_arrays", "items_of_destroyed", "get_trashed"),
    *("unknown_fields", "not_found_just_after_create", "unsorted_pages", "normalises", "user_id"),
)
TURNED = [(name, value) for name in RELATED for value in SWITCHES[name].allowed[1:]]


# Where the server cannot hold the owner, it differs, and the result says so in a warning.
CANNOT_HOLD = {"ignored": "not_kept", "unknown": "owner_not_set"}


@pytest.mark.parametrize(("name", "value"), [("", ""), *TURNED])
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_undone_and_then_nothing_more_is_written(damage, name, value):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    damage(looker, row[0])
    if name:
        looker.switches[name] = value
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert result.error is None
    if CANNOT_HOLD.get(value) in dict(result.warnings):
        assert_unchanged(looker, row, memory)
        looker.instance.store.boards[result.destination_id]["user_id"] = looker.owner
        assert_restored(looker, row, result)
        return
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


def test_a_trashed_board_comes_back_with_one_patch():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    trash_whole(looker, row[0])
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert (result.operation, result.destination_id) == (Operation.UNDELETED, row[0])
    assert said(looker) == [f"GET /boards/{row[0]}", "GET /boards", f"PATCH /boards/{row[0]}"]
    assert looker.requests[-1].body == {"deleted_at": None}


def test_a_trashed_board_that_only_the_list_shows_comes_back_and_is_remembered_whole():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    remove_items(looker, row[0])
    trash_whole(looker, row[0])
    looker.switches.update({"get_trashed": "404", "trashed_boards": "listed"})
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.destination_id) == (Operation.UNDELETED, row[0])
    assert [bool(msgspec.json.decode(body).get("board_sections")) for _, _, body in memory.before] == [
        False,
        True,
    ]
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


class Terse:
    """Leaves the parts out of its answer to a PATCH of a board."""

    def __init__(self, looker):
        self._looker = looker

    def send(self, request):
        answer = self._looker.send(request)
        if request.method != "PATCH" or not request.path.startswith("/boards/"):
            return answer
        body = msgspec.json.decode(answer.body)
        del body["board_sections"]
        return msgspec.structs.replace(answer, body=msgspec.json.encode(body))


def test_a_board_that_nobody_has_shown_whole_is_read_before_its_parts_are_restored():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    trash_whole(looker, row[0])
    looker.switches.update({"get_trashed": "404", "trashed_boards": "listed"})
    looker.clear_log()
    (result,) = restore(Terse(looker), [row])
    assert (result.operation, methods(looker)["POST"]) == (Operation.UNDELETED, 0)
    assert_restored(looker, row, result)


def test_a_stranger_of_that_id_among_those_listed_stays_in_the_trash():
    looker = make_looker()
    board_id = make_board(looker)
    made = datetime.fromisoformat(board(looker, board_id)["created_at"]) - timedelta(days=3)
    row = backup(looker, board_id, created_at=made.isoformat())
    trash_whole(looker, board_id)
    looker.switches.update({"get_trashed": "404", "trashed_boards": "listed"})
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert looker.instance.store.boards[board_id]["deleted_at"]


@pytest.mark.parametrize("refuses", [False, True])
def test_where_nothing_leaves_the_trash_another_board_is_made_once(refuses):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    trash_whole(looker, row[0])
    looker.switches["board_undelete"] = "ignored"
    if refuses:
        looker.on("PATCH", f"/boards/{row[0]}").answer(404, {"message": "Not found"})
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.CREATED
    assert [kind for kind, _ in result.warnings] == ["still_in_trash"]
    assert board(looker, row[0])["deleted_at"]
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())
    # Somebody has edited the new one, and the state is lost: it is not doubled.
    looker.call("PATCH", f"/boards/{result.destination_id}", {"description": "Edited"})
    (again,) = restore(looker, [row])
    assert again.operation is Operation.CONFLICT
    assert f"board {result.destination_id}" in again.reason


def test_a_section_that_stays_in_the_trash_is_made_again_and_left_there():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    trash_section(looker, row[0])
    looker.switches["board_undelete"] = "ignored"
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert "still_in_trash" in dict(result.warnings)
    assert len(board(looker, row[0])["board_sections"]) == 4
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


def test_a_section_that_was_in_the_trash_already_is_not_restored():
    looker = make_looker()
    board_id = make_board(looker)
    trash_section(looker, board_id)
    row = backup(looker, board_id)
    assert_unchanged(looker, row, Memory())
    destroy(looker, board_id)
    (result,) = restore(looker, [row])
    assert [one["title"] for one in sections(looker, result.destination_id)] == ["Third", "First"]


# --- gone


def test_destroyed_is_made_again_in_the_minimal_number_of_calls():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    memory = Memory()
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.CREATED
    # Parts are made in the order shown, so no order has to be sent; it is looked up that the server took it.
    assert methods(looker) == {"GET": 3 + 3 + 1, "POST": 1 + 3 + 6}
    assert said(looker)[-1] == f"GET /boards/{result.destination_id}"
    assert {kind: sum(k == kind for k, _ in memory.mappings) for kind, _ in memory.mappings} == {
        "board": 1, "board_section": 3, "board_item": 6,
    }  # fmt: skip
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


def test_without_state_nothing_is_doubled_though_the_server_made_the_caller_the_owner():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    looker.switches["user_id"] = "ignored"
    caller = Caller(id=looker.instance.caller_id)
    (result,) = restore(looker, [row], Memory(caller=caller))
    assert "not_kept" in dict(result.warnings)
    memory = Memory(caller=caller)
    (again,) = restore(looker, [row], memory)
    assert again.destination_id == result.destination_id
    assert_unchanged(looker, row, memory)
    assert len(looker.titles("boards")) == 1


@pytest.mark.parametrize("same_instance", [True, False])
def test_an_owner_without_counterpart_leaves_the_board_with_the_caller(same_instance):
    looker = make_looker()
    row = backup(looker, make_board(looker), user_id="999")
    memory = other_instance(looker)
    memory.same_instance = same_instance
    destroy(looker, row[0])
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.CREATED
    assert "the calling account owns it" in dict(result.warnings)["owner_missing"]
    assert board(looker, result.destination_id)["user_id"] == looker.instance.caller_id
    looker.call("PATCH", f"/boards/{result.destination_id}", {"user_id": looker.owner, "title": "Spoiled"})
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.UPDATED
    assert "the live owner is kept" in dict(result.warnings)["owner_missing"]
    assert board(looker, result.destination_id)["user_id"] == looker.owner


@pytest.mark.parametrize("policy", ["me", "EMAIL", "keep"])
def test_without_state_a_board_of_the_owner_that_the_policy_gives_is_known(policy):
    looker = make_looker()
    row = backup(looker, make_board(looker), user_id="999")
    destroy(looker, row[0])
    caller = looker.instance.caller_id
    heir = {"me": caller, "EMAIL": looker.owner, "keep": None}[policy]
    ids = [
        restore(looker, [row], other_instance(looker, heir=heir, caller=Caller(id=caller)))[0].destination_id
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len(looker.titles("boards")) == 1
    assert board(looker, ids[0])["user_id"] == (heir or caller)


def test_without_state_a_board_that_was_given_away_is_not_made_twice_and_can_be_adopted():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    (made,) = restore(looker, [row], other_instance(looker))
    other = looker.add_user("Bea", "C", "bea@example.com")
    looker.call("PATCH", f"/boards/{made.destination_id}", {"user_id": other})
    (result,) = restore(looker, [row], other_instance(looker))
    assert result.operation is Operation.CONFLICT
    assert f"board {made.destination_id}" in result.reason
    assert "other owner" in result.reason
    (taken,) = restore(looker, [row], other_instance(looker, adopt=True))
    assert (taken.operation, taken.destination_id) == (Operation.UPDATED, made.destination_id)
    assert board(looker, made.destination_id)["user_id"] == looker.owner


def test_somebody_elses_board_of_the_title_that_shows_other_things_or_nothing_is_no_hindrance():
    looker = make_looker()
    other = looker.add_user("Bea", "C", "bea@example.com")
    full, empty = make_board(looker), looker.call("POST", "/boards", {"title": "Empty"})["id"]
    rows = [backup(looker, full), backup(looker, empty, user_id=looker.owner)]
    looker.call("PATCH", f"/boards/{empty}", {"user_id": other})
    destroy(looker, full)
    looker.call("POST", "/boards", {"title": "Start here", "user_id": other, "description": "All of it"})
    results = restore(looker, rows, other_instance(looker))
    assert [r.operation for r in results] == [Operation.CREATED] * 2


def other_instance(looker, **policy):
    """What an earlier run knows of content that has other ids there; boards are new to it."""
    memory = Memory(same_instance=False, **policy)
    kinds = {"look": looker.instance.store.looks, "dashboard": looker.instance.store.dashboards}
    for kind, table in kinds.items():
        memory.mappings |= {(kind, one): MappedId(one) for one in table}
    memory.mappings["user", looker.owner] = MappedId(looker.owner)
    return memory


# --- whose it is


def test_a_stranger_with_the_same_id_is_a_conflict():
    looker = make_looker()
    board_id = make_board(looker)
    made = datetime.fromisoformat(board(looker, board_id)["created_at"]) - timedelta(days=3)
    row = backup(looker, board_id, created_at=made.isoformat(), title="Another")
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CONFLICT
    assert set(methods(looker)) == {"GET"}


@pytest.mark.parametrize("same_instance", [True, False])
def test_of_the_same_title_and_owner_only_an_equal_board_is_taken_over(same_instance):
    looker = make_looker()
    source = make_board(looker)
    other = make_board(looker, description="Of somebody else's")
    for board_id in (source, other):
        # Two sections that nothing tells apart, shown against the order of creation.
        second = looker.call("POST", "/board_sections", {"board_id": board_id, "title": "Third"})["id"]
        order = [second, *board(looker, board_id)["section_order"][:-1]]
        looker.call("PATCH", f"/boards/{board_id}", {"section_order": order})
    row = backup(looker, source)
    looker.advance(86_400)
    destroy(looker, row[0])

    def memory():
        one = other_instance(looker)
        one.same_instance = same_instance
        return one

    looker.clear_log()
    (result,) = restore(looker, [row], memory())
    assert (result.operation, set(methods(looker))) == (Operation.CONFLICT, {"GET"})
    assert f"board {other} may be board {row[0]}" in result.reason
    looker.call("PATCH", f"/boards/{other}", {"description": "All of it"})
    known = memory()
    assert_unchanged(looker, row, known)
    assert known.mapped("board", row[0]).destination_id == other


def test_somebody_elses_board_of_the_same_title_is_no_candidate():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    bo = looker.add_user("Bo", "C", "bo@example.com")
    other = make_board(looker, user_id=bo)
    destroy(looker, row[0])
    before = board(looker, other)
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert board(looker, other) == before


def test_boards_of_the_backup_that_share_title_and_owner_come_back_each():
    looker = make_looker()
    ids = [make_board(looker, description=text) for text in ("One", "Another", "Another")]
    rows = [backup(looker, board_id) for board_id in ids]
    for board_id in ids:
        destroy(looker, board_id)
    memory = Memory()
    results = restore(looker, rows, memory)
    assert {r.operation for r in results} == {Operation.CREATED}
    for row, result in zip(rows, results, strict=True):
        assert_restored(looker, row, result)
        assert_unchanged(looker, row, memory, Memory())
    looker.clear_log()
    again = restore(looker, rows, Memory())
    assert {r.operation for r in again} == {Operation.UNCHANGED}
    # Two are just the same: which is which nobody can tell, and none is taken for granted.
    one, other, third = (r.destination_id for r in results)
    assert [r.destination_id for r in again] == [one, None, None]
    assert {r.reason for r in again[1:]} == {f"board {other}, board {third} are all equal to it"}


def test_one_that_is_still_there_does_not_keep_its_namesake_from_coming_back():
    looker = make_looker()
    row, other = backup(looker, make_board(looker)), backup(looker, make_board(looker, description="Other"))
    destroy(looker, row[0])
    results = restore(looker, [row, other])
    assert [r.operation for r in results] == [Operation.CREATED, Operation.UNCHANGED]


def test_a_row_that_lives_on_under_the_id_of_another_row_is_left_to_that_one():
    looker = make_looker()
    old = backup(looker, make_board(looker))
    destroy(looker, old[0])
    memory = Memory()
    (made,) = restore(looker, [old], memory)
    new = backup(looker, made.destination_id)
    for state in (memory, Memory()):
        results = restore(looker, [old, new], state)
        assert [r.operation for r in results] == [Operation.SKIPPED, Operation.UNCHANGED]
        assert made.destination_id in results[0].reason


def test_on_another_instance_content_gets_its_ids_there_and_the_same_number_is_nobody():
    looker = make_looker()
    stranger = make_board(looker, "Stranger")
    source = make_looker()
    row = backup(source, make_board(source))
    (unknown,) = restore(looker, [row], Memory(same_instance=False))
    shown = {i["dashboard_id"] for i in items(source, row[0]) if i["dashboard_id"]}
    assert (unknown.operation, unknown.done) == (Operation.PARTIAL, Operation.CREATED)
    looker.call("DELETE", f"/boards/{unknown.destination_id}")
    assert set(unknown.error.blockers) == {f"look {source.look}", *(f"dashboard {i}" for i in shown)}
    memory = Memory(same_instance=False)
    ids = {i: make_dashboard(looker, f"Moved {i}", tiles=0, filters=0) for i in shown}
    memory.mappings |= {("dashboard", i): MappedId(new) for i, new in ids.items()}
    memory.mappings["look", source.look] = MappedId(looker.look)
    memory.mappings["user", source.owner] = MappedId(looker.owner)
    before = board(looker, stranger)
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.CREATED
    assert_restored(looker, row, result, ids)
    assert_unchanged(looker, row, memory)
    memory.mappings = {k: v for k, v in memory.mappings.items() if not k[0].startswith("board")}
    assert_unchanged(looker, row, memory)
    assert board(looker, stranger) == before


# --- what items show


def replaced(looker, dashboard_id, memory):
    """Destroy a dashboard and make it again, as an earlier part of the run would."""
    looker.call("DELETE", f"/dashboards/{dashboard_id}")
    new = make_dashboard(looker, f"Made again {dashboard_id}", tiles=0, filters=0)
    memory.mappings["dashboard", dashboard_id] = MappedId(new)
    return new


@pytest.mark.parametrize("stay", ["go", "stay"])
@pytest.mark.parametrize("now", [False, True])
def test_items_follow_content_that_was_made_again(stay, now):
    looker = make_looker()
    looker.switches["items_of_destroyed"] = stay
    row, memory = backup(looker, make_board(looker)), Memory()
    old = items(looker, row[0])[0]["dashboard_id"]
    new = replaced(looker, old, memory)
    if now:
        memory.made.add(("dashboard", old))
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert result.operation is Operation.UPDATED
    assert methods(looker)["PATCH" if stay == "stay" else "POST"] == 1
    assert (f"GET /dashboards/{new}" in said(looker)) is not now
    assert_restored(looker, row, result, {old: new})
    assert_unchanged(looker, row, memory)


def test_missing_content_of_the_backup_is_named_and_all_else_comes_back():
    looker = make_looker()
    row, memory = backup(looker, make_board(looker)), Memory()
    shown = sorted({i["dashboard_id"] for i in items(looker, row[0]) if i["dashboard_id"]})
    others = sum(not i["dashboard_id"] and not i["look_id"] for i in items(looker, row[0]))
    memory.contents = {("dashboard", i): {"id": i} for i in shown} | {("look", looker.look): {"id": "1"}}
    for path in (*(f"/dashboards/{i}" for i in shown), f"/looks/{looker.look}"):
        looker.call("DELETE", path)
    for prepare in (lambda: None, lambda: trash_whole(looker, row[0]), lambda: destroy(looker, row[0])):
        prepare()
        looker.clear_log()
        (result,) = restore(looker, [row], memory)
        assert (result.operation, result.error.kind) == (Operation.PARTIAL, "dependency")
        assert set(result.error.blockers) == {*(f"dashboard {i}" for i in shown), f"look {looker.look}"}
        assert not {
            i["id"] for i in items(looker, result.destination_id) if i["dashboard_id"] or i["look_id"]
        }
        assert len(items(looker, result.destination_id)) == others


@pytest.mark.parametrize("stay", ["go", "stay"])
@pytest.mark.parametrize("gone", ["not in the backup", "unreadable in the backup"])
def test_an_item_that_was_broken_already_is_left_out_and_named(gone, stay):
    looker = make_looker()
    looker.switches["items_of_destroyed"] = stay
    row, memory = backup(looker, make_board(looker)), Memory()
    shown = items(looker, row[0])[0]["dashboard_id"]
    if gone == "not in the backup":
        memory.vault_ids = {("dashboard", "998"), ("board", row[0])}
    looker.call("DELETE", f"/dashboards/{shown}")
    # A live item that shows what is gone is as the backup has it.
    (assert_unchanged if stay == "stay" else assert_still_partial)(looker, row, memory)
    destroy(looker, row[0])
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert result.error.blockers == (f"dashboard {shown}",)
    assert len(items(looker, result.destination_id)) == 5
    lost = Memory()
    lost.vault_ids = memory.vault_ids
    assert_still_partial(looker, row, memory, lost)


def test_elsewhere_an_item_of_content_that_no_backup_has_is_left_out_and_named():
    looker = make_looker()
    row, memory = backup(looker, make_board(looker)), other_instance(looker)
    memory.vault_ids = {("board", row[0])}
    shown = items(looker, row[0])[0]["dashboard_id"]
    del memory.mappings["dashboard", shown]
    destroy(looker, row[0])
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert result.error.blockers == (f"dashboard {shown}",)
    assert len(items(looker, result.destination_id)) == 5
    assert_still_partial(looker, row, memory)


def test_content_in_the_trash_is_there_and_said():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    shown = items(looker, row[0])[0]["dashboard_id"]
    destroy(looker, row[0])
    looker.call("PATCH", f"/dashboards/{shown}", {"deleted": True})
    (result,) = restore(looker, [row])
    assert result.operation is Operation.CREATED
    assert f"dashboard {shown} is in the trash" in dict(result.warnings)["in_trash"]
    assert_restored(looker, row, result)


def test_a_dry_run_does_not_say_of_what_it_brings_back_that_it_is_in_the_trash():
    looker, memory = make_looker(), Memory()
    row = backup(looker, make_board(looker))
    shown = {one["dashboard_id"] for one in items(looker, row[0]) if one["dashboard_id"]}
    rows = [backup_of_dashboard(looker, one) for one in shown]
    destroy(looker, row[0])
    for one in shown:
        looker.call("PATCH", f"/dashboards/{one}", {"deleted": True})
    ends = restore_any(looker, rows, memory, dry_run=True)
    assert {one.operation for one in ends} == {Operation.UNDELETED}
    (result,) = restore(looker, [row], memory, dry_run=True)
    assert (result.operation, dict(result.warnings).get("in_trash")) == (Operation.CREATED, None)


@pytest.mark.parametrize("status", [404, 422])
def test_lookml_that_the_server_does_not_have_is_left_out_and_said(status):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    body = {"message": "No", "errors": [{"field": "lookml_dashboard_id", "code": "missing", "message": "x"}]}
    looker.on("POST", "/board_items", skip=1).answer(status, body if status == 422 else None)
    memory = Memory()
    (result,) = restore(looker, [row], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert result.error.blockers == ("LookML dashboard thelook::pulse",)
    assert len(items(looker, result.destination_id)) == 5
    for again in (memory, Memory()):
        looker.clear_log()
        looker.on("POST", "/board_items").answer(status, body if status == 422 else None)
        (result,) = restore(looker, [row], again)
        assert (result.operation, result.done) == (Operation.PARTIAL, Operation.UNCHANGED)
        assert methods(looker) == {"GET": len(looker.requests) - 1, "POST": 1}
    # One day the project has it again.
    (result,) = restore(looker, [row])
    assert result.operation is Operation.UPDATED
    assert_restored(looker, row, result)


def test_an_item_that_shows_something_else_by_now_keeps_it_where_its_own_is_gone():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    first, second, *_, lookml, _ = items(looker, row[0])
    for item in (first, lookml):
        body = {
            "look_id": looker.look,
            "dashboard_id": None,
            "lookml_dashboard_id": None,
            "custom_title": "Spoiled",
        }
        looker.call("PATCH", f"/board_items/{item['id']}", body)
    looker.switches["items_of_destroyed"] = "stay"
    looker.call("DELETE", f"/dashboards/{first['dashboard_id']}")
    for _ in range(2):
        looker.on("PATCH", f"/board_items/{lookml['id']}").answer(404)
        (result,) = restore(looker, [row])
        assert result.error is None
        assert [kind for kind, _ in result.warnings] == ["broken_item"] * 2
        assert {text.rpartition(": ")[2] for _, text in result.warnings} == {"left as it is"}
    assert result.operation is Operation.UNCHANGED
    now = {item["id"]: item for item in items(looker, row[0])}
    assert (now[first["id"]]["look_id"], now[first["id"]]["custom_title"]) == (looker.look, None)
    assert (now[lookml["id"]]["look_id"], now[lookml["id"]]["custom_title"]) == (looker.look, None)
    assert now[second["id"]] == second


@pytest.mark.parametrize("item", [0, 1])
def test_a_refusal_for_another_reason_is_a_failure(item):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    body = {"message": "No", "errors": [{"field": "custom_url", "code": "invalid", "message": "x"}]}
    looker.on("POST", "/board_items", skip=item).answer(422, body)
    (result,) = restore(looker, [row])
    assert (result.operation, result.error.kind, result.error.field) == (
        Operation.FAILED,
        "validation",
        "custom_url",
    )


@pytest.mark.parametrize(
    ("damage", "method", "path"),
    [
        (destroy, "POST", "/boards"),
        (trash_whole, "PATCH", "/boards/*"),
        (spoil_description, "PATCH", "/boards/*"),
    ],
)
def test_whatever_else_the_server_refuses_is_a_failure(damage, method, path):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    damage(looker, row[0])
    looker.on(method, path).answer(403, {"message": "No"})
    (result,) = restore(looker, [row])
    assert (result.operation, result.error.kind) == (Operation.FAILED, "forbidden")


def test_a_backup_without_title_and_owner_leaves_both_alone():
    looker = make_looker()
    row = backup(looker, make_board(looker), title=..., user_id=..., description=...)
    (result,) = restore(looker, [row])
    live = board(looker, row[0])
    assert result.operation is Operation.UPDATED
    assert (live["title"], live["user_id"], live["description"]) == ("Start here", looker.owner, None)


def test_an_image_is_lost_only_where_its_item_is():
    looker = make_looker()
    board_id = make_board(looker)
    first, second = items(looker, board_id)[:2]
    for item in (first, second):
        looker.call("PATCH", f"/board_items/{item['id']}", {"use_custom_image": True})
    row = backup(looker, board_id)
    looker.call("DELETE", f"/board_items/{first['id']}")
    looker.call("PATCH", f"/board_items/{second['id']}", {"use_custom_image": False})
    (result,) = restore(looker, [row])
    assert [kind for kind, _ in result.warnings] == ["image_lost"]
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, Memory())


def test_parts_of_a_board_made_again_are_known_by_their_mappings_whatever_became_of_them():
    looker = make_looker()
    row, memory = backup(looker, make_board(looker)), Memory()
    destroy(looker, row[0])
    (made,) = restore(looker, [row], memory)
    section = sections(looker, made.destination_id)[2]
    looker.call("PATCH", f"/board_sections/{section['id']}", {"title": "Spoiled"})
    for item in section["board_items"]:
        body = {"dashboard_id": None, "look_id": None, "custom_url": f"https://spoiled/{item['id']}"}
        looker.call("PATCH", f"/board_items/{item['id']}", body)
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert methods(looker) == {"GET": 4, "PATCH": 4}
    assert_restored(looker, row, result)


def test_without_mappings_of_its_parts_an_item_that_moved_is_moved_back():
    looker = make_looker()
    row, memory = backup(looker, make_board(looker)), Memory()
    destroy(looker, row[0])
    (made,) = restore(looker, [row], memory)
    memory.mappings = {kind: to for kind, to in memory.mappings.items() if kind[0] == "board"}
    item = items(looker, made.destination_id)[0]["id"]
    target = sections(looker, made.destination_id)[2]["id"]
    looker.call("PATCH", f"/board_items/{item}", {"board_section_id": target})
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert (methods(looker)["POST"], methods(looker)["DELETE"]) == (0, 0)
    assert_restored(looker, row, result)


def test_without_mappings_of_its_parts_they_are_told_apart_by_what_they_show():
    looker = make_looker()
    board_id = looker.call("POST", "/boards", {"title": "Twins", "user_id": looker.owner})["id"]
    for shown in (("a", "b"), ("c",)):
        section = looker.call("POST", "/board_sections", {"board_id": board_id, "title": "Same"})["id"]
        for text in shown:
            body = {"board_section_id": section, "look_id": looker.look, "custom_description": text}
            looker.call("POST", "/board_items", body)
    row, memory = backup(looker, board_id), Memory()
    destroy(looker, board_id)
    (made,) = restore(looker, [row], memory)
    memory.mappings = {kind: to for kind, to in memory.mappings.items() if kind[0] == "board"}
    live = sections(looker, made.destination_id)
    looker.call("PATCH", f"/boards/{made.destination_id}", {"section_order": [s["id"] for s in live][::-1]})
    order = live[0]["item_order"]
    looker.call("PATCH", f"/board_sections/{live[0]['id']}", {"item_order": order[::-1]})
    looker.clear_log()
    restore(looker, [row], memory)
    assert [r.body for r in looker.requests[1:]] == [
        {"item_order": order},
        {"section_order": [s["id"] for s in live]},
    ]
    edited = [live[0]["board_items"][0]["id"], live[1]["board_items"][0]["id"]]
    for item in edited:
        looker.call("PATCH", f"/board_items/{item}", {"custom_description": "Spoiled"})
    looker.call("PATCH", f"/boards/{made.destination_id}", {"section_order": [s["id"] for s in live][::-1]})
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert [r.body for r in looker.requests if r.method == "PATCH"][:2] == [
        {"custom_description": "a"},
        {"custom_description": "c"},
    ]
    assert methods(looker)["PATCH"] == 3
    assert_restored(looker, row, result)
    looker.call("PATCH", f"/board_items/{edited[1]}", {"custom_description": "Spoiled"})
    looker.call("PATCH", f"/board_items/{edited[0]}", {"look_id": None, "custom_url": "https://x.y"})
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert [r.body for r in looker.requests if r.path.endswith(edited[1])] == [{"custom_description": "c"}]
    assert_restored(looker, row, result)


def test_an_item_that_moved_keeps_its_id_and_goes_back_into_a_section_made_anew():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    section = sections(looker, row[0])[0]
    refuge = looker.call("POST", "/board_sections", {"board_id": row[0], "title": "Refuge"})["id"]
    kept = {item["id"] for item in section["board_items"]}
    for item_id in kept:
        looker.call("PATCH", f"/board_items/{item_id}", {"board_section_id": refuge})
    looker.call("DELETE", f"/board_sections/{section['id']}")
    memory = Memory()
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert methods(looker)["POST"] == methods(looker)["DELETE"] == 1
    assert said(looker)[-1] == f"DELETE /board_sections/{refuge}"
    assert {item["id"] for item in items(looker, row[0])} >= kept
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, memory, Memory())


@pytest.mark.parametrize("known", [True, False])
def test_links_go_to_where_their_content_is_now(known):
    looker = make_looker()
    board_id, other = make_board(looker), make_board(looker, "Other")
    item = items(looker, board_id)[3]["id"]
    texts = {"custom_url": "/dashboards/42?x=1", "custom_description": f"see /boards/{other} and /looks/7"}
    looker.call("PATCH", f"/board_items/{item}", texts)
    row, memory = backup(looker, board_id), Memory()
    memory.mappings["dashboard", "42"] = MappedId("900")
    memory.contents["board", other] = {"id": other}
    if known:
        memory.mappings["board", other] = MappedId("77")
    (result,) = restore(looker, [row], memory)
    assert bool(result.waits) is not known
    # The other board is made later in the run, and this one is looked at again.
    memory.mappings["board", other] = MappedId("77")
    memory.again = True
    (again,) = restore(looker, [row], memory)
    assert bool(again.waits) is False
    now = {i["id"]: i for i in items(looker, board_id)}[item]
    assert (now["custom_url"], now["custom_description"]) == (
        "/dashboards/900?x=1",
        "see /boards/77 and /looks/7",
    )
    assert_unchanged(looker, row, memory)
    # Until the mapping is known again, the link that goes right is left alone.
    del memory.mappings["board", other]
    memory.again = False
    assert_unchanged(looker, row, memory)


def test_elsewhere_links_keep_their_numbers_where_nothing_tells_what_they_lead_to():
    looker = make_looker()
    board_id = make_board(looker)
    item = items(looker, board_id)[3]["id"]
    there = {"custom_url": "/dashboards/900?x=1", "custom_description": "see /boards/77 and /folders/70"}
    here = {"custom_url": "/dashboards/42?x=1", "custom_description": "see /boards/5 and /folders/7"}
    looker.call("PATCH", f"/board_items/{item}", here)
    row, memory = backup(looker, board_id), Memory(same_instance=False)
    looker.call("PATCH", f"/board_items/{item}", there)
    memory.note_known("board", board_id)
    memory.note_known("folder", "7", "700")
    shown = [("dashboard", one) for one in dashboards_of(looker)]
    for kind, one in [("user", looker.owner), ("look", looker.look), *shown]:
        memory.note_known(kind, one)
    (result,) = restore(looker, [row], memory)
    assert [kind for kind, _ in result.warnings if kind.startswith("link")] == ["link_not_followed"]
    now = {i["id"]: i for i in items(looker, board_id)}[item]
    assert now["custom_url"] == there["custom_url"]
    assert now["custom_description"] == "see /boards/77 and /folders/700"


def test_links_stay_where_that_is_asked_for():
    looker = make_looker()
    board_id = make_board(looker)
    item = items(looker, board_id)[3]["id"]
    looker.call("PATCH", f"/board_items/{item}", {"custom_url": "/dashboards/42"})
    row, memory = backup(looker, board_id), Memory(rewrite_links=False)
    memory.mappings["dashboard", "42"] = MappedId("900")
    assert_unchanged(looker, row, memory)


# --- what was captured, and in which order


@pytest.mark.parametrize("nothing", [..., None])
def test_what_was_not_captured_is_not_touched(nothing):
    looker = make_looker()
    board_id = make_board(looker)
    without_sections = backup(looker, board_id, board_sections=nothing)
    content = msgspec.msgpack.decode(backup(looker, board_id)[1])
    first = content["board_sections"][0]
    first |= {"board_items": None}
    if nothing is ...:
        del first["board_items"]
    add_section(looker, board_id)
    stray = looker.call("POST", "/board_items", {"board_section_id": first["id"], "look_id": looker.look})[
        "id"
    ]
    looker.call("PATCH", f"/board_sections/{first['id']}", {"item_order": [stray]})
    looker.call("PATCH", f"/boards/{board_id}", {"title": "Spoiled"})
    before = board(looker, board_id)["board_sections"]
    looker.clear_log()
    (result,) = restore(looker, [without_sections])
    assert (result.operation, methods(looker)) == (Operation.UPDATED, {"GET": 1, "PATCH": 1})
    assert board(looker, board_id)["board_sections"] == before
    (result,) = restore(looker, [(board_id, msgspec.msgpack.encode(content))])
    now = sections(looker, board_id)
    assert [one["title"] for one in now] == ["First", "Second", "Third"]
    assert (now[0]["board_items"], now[0]["item_order"]) == (before[0]["board_items"], [stray])


@pytest.mark.parametrize("kept", [None, [], ["1"], ["3", "99", "1"]])
def test_an_order_that_names_only_some_is_unchanged_and_comes_back_as_shown(kept):
    looker = make_looker()
    board_id = make_board(looker)
    ids = [one["id"] for one in sections(looker, board_id)]
    order = None if kept is None else [ids[int(n) - 1] if n != "99" else n for n in kept]
    looker.instance.store.boards[board_id]["section_order"] = order
    row = backup(looker, board_id)
    assert_unchanged(looker, row, Memory())
    looker.call("PATCH", f"/boards/{board_id}", {"section_order": ids[::-1]})
    (result,) = restore(looker, [row])
    shown = [i for i in order or () if i != "99"]
    assert board(looker, board_id)["section_order"] == [*shown, *(i for i in ids if i not in shown)]
    assert_unchanged(looker, row, Memory())
    destroy(looker, board_id)
    (result,) = restore(looker, [row])
    assert_restored(looker, row, result)


@pytest.fixture
def plain():
    """A board whose parts are shown in the order of creation."""
    looker = make_looker()
    board_id = make_board(looker)
    for section in sections(looker, board_id):
        order = sorted(section["item_order"], key=int)
        looker.call("PATCH", f"/board_sections/{section['id']}", {"item_order": order})
    looker.call(
        "PATCH", f"/boards/{board_id}", {"section_order": [s["id"] for s in sections(looker, board_id)]}
    )
    return looker, backup(looker, board_id)


@pytest.mark.parametrize(
    ("damage", "calls"),
    [
        (lambda looker, i: looker.call("DELETE", f"/board_items/{items(looker, i)[2]['id']}"), ["POST", "GET"]),
        (lambda looker, i: looker.call("DELETE", f"/board_sections/{sections(looker, i)[2]['id']}"), ["POST", "GET"]),
        (add_section, ["DELETE"]),
        (forget_orders, ["PATCH", "PATCH", "PATCH"]),
    ],
)  # fmt: skip
def test_an_order_is_sent_only_where_the_server_does_not_have_it(plain, damage, calls):
    looker, row = plain
    damage(looker, row[0])
    looker.clear_log()
    (result,) = restore(looker, [row])
    # Before that: the board, and the look that is to be shown.
    assert [r.method for r in looker.requests if "/looks/" not in r.path][1:] == calls
    assert_restored(looker, row, result)
    assert_unchanged(looker, row, Memory())


@pytest.mark.parametrize("numbers", [None, 7])
def test_the_number_of_an_item_is_kept_unless_it_has_none(numbers):
    looker = make_looker()
    board_id = make_board(looker)
    content = msgspec.msgpack.decode(backup(looker, board_id)[1])
    content["board_sections"][0]["board_items"][0]["order"] = numbers
    row = (board_id, msgspec.msgpack.encode(content))
    (result,) = restore(looker, [row])
    assert result.operation is (Operation.UNCHANGED if numbers is None else Operation.UPDATED)
    assert items(looker, board_id)[0]["order"] == (numbers or 0)


# --- interrupted


class PowerCut(BaseException):
    """Ends the process that runs the driver."""


class Cut:
    """Sends so many requests, then nothing ever again; the last one is carried out."""

    def __init__(self, looker, after):
        self._looker, self._left = looker, after

    def send(self, request):
        answer = self._looker.send(request)
        if self._left == 0:
            raise PowerCut
        self._left -= 1
        return answer


@pytest.mark.parametrize("switch", [None, ("board_undelete", "ignored")])
@pytest.mark.parametrize(
    "damage", [destroy, trash_and_edit, remove_all_sections, move_item_into_stray_section]
)
def test_cut_after_every_call_the_rerun_ends_right(damage, switch):
    def damaged():
        looker = make_looker()
        row = backup(looker, make_board(looker))
        damage(looker, row[0])
        looker.switches.update([switch] if switch else [])
        looker.advance(86_400)
        looker.clear_log()
        return looker, row

    looker, row = damaged()
    restore(looker, [row])
    calls, made = len(looker.requests), len(looker.titles("boards"))
    for cut in range(calls):
        for keeps_state in (True, False):
            looker, row = damaged()
            memory, claimed = Memory(), datetime.fromtimestamp(looker.instance.now(), UTC)
            with pytest.raises(PowerCut):
                restore(Cut(looker, cut), [row], memory)
            memory = memory if keeps_state else Memory()
            sent = hasattr(memory, "sent") or not keeps_state
            (result,) = restore(looker, [row], memory, uncertain_since=claimed if sent else None)
            assert result.error is None, (cut, keeps_state)
            assert_restored(looker, row, result)
            assert len(looker.titles("boards")) == made
            assert_unchanged(looker, row, memory, Memory())


def test_without_state_what_a_cut_attempt_made_is_ours_though_the_server_made_another_its_owner():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    looker.switches["user_id"] = "ignored"
    looker.advance(86_400)
    claimed = datetime.fromtimestamp(looker.instance.now(), UTC)
    with pytest.raises(PowerCut):
        restore(Cut(looker, 7), [row])
    assert len(looker.titles("boards")) == 1
    (result,) = restore(looker, [row], uncertain_since=claimed)
    assert result.operation is Operation.UPDATED
    assert len(looker.titles("boards")) == 1


@pytest.mark.parametrize("path", ["/boards", "/board_sections", "/board_items"])
@pytest.mark.parametrize("fault", ["create_then_drop_connection", "drop_before", "truncate", "late_commit"])
@pytest.mark.parametrize("skip", [0, 2])
def test_a_lost_reply_does_not_create_twice(path, fault, skip):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    given = (5.0,) if fault == "late_commit" else ()
    getattr(looker.on("POST", path, skip=0 if path == "/boards" else skip), fault)(*given, times=1)
    (result,) = restore(looker, [row], grace_s=10.0)
    looker.advance(60)
    assert result.operation is Operation.CREATED
    assert_restored(looker, row, result)
    assert len(looker.titles("boards")) == 1
    assert_unchanged(looker, row, Memory())


def test_a_lost_reply_does_not_take_a_namesake_for_the_new_board():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    destroy(looker, row[0])
    other = make_board(looker, user_id=looker.add_user("Bo", "C", "bo@example.com"))
    before = board(looker, other)
    looker.on("POST", "/boards").drop_before()
    (result,) = restore(looker, [row], grace_s=10.0)
    assert result.operation is Operation.CREATED
    assert_restored(looker, row, result)
    assert board(looker, other) == before


# --- a dry run


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_dry_run_says_the_same_calls_and_sends_none(damage):
    looker = make_looker()
    row = backup(looker, make_board(looker))
    damage(looker, row[0])
    before = looker.dump()
    looker.clear_log()
    (planned,) = restore(looker, [row], dry_run=True)
    assert set(methods(looker)) == {"GET"}
    assert looker.dump() == before
    (done,) = restore(looker, [row])
    assert (planned.operation, planned.error) == (done.operation, None)
    writes = [{m: n for m, n in r.calls.by_method.items() if m != "GET"} for r in (planned, done)]
    assert writes[0] == writes[1]


def test_a_dry_run_of_a_board_that_only_the_list_shows_says_that_it_comes_back():
    looker = make_looker()
    row = backup(looker, make_board(looker))
    trash_whole(looker, row[0])
    looker.switches.update({"get_trashed": "404", "trashed_boards": "listed"})
    (planned,) = restore(looker, [row], dry_run=True)
    assert (planned.operation, planned.error) == (Operation.UNDELETED, None)


def test_a_dry_run_shows_items_of_dashboards_that_it_would_make():
    looker = make_looker()
    row, memory = backup(looker, make_board(looker)), Memory()
    old = items(looker, row[0])[0]["dashboard_id"]
    looker.call("DELETE", f"/dashboards/{old}")
    memory.mappings["dashboard", old] = MappedId("new-9000")
    (planned,) = restore(looker, [row], memory, dry_run=True)
    assert (planned.operation, planned.warnings) == (Operation.UPDATED, ())


def test_a_rehearsed_board_is_a_copy_in_which_an_item_is_in_one_section():
    boards = RehearsedBoards()
    live = {"id": "1", "board_sections": [{"id": "2", "board_items": [{"id": "4"}]}, {"id": "3"}]}
    boards.remember(live)
    boards.patch("/board_items/4", {"board_section_id": "3"})
    boards.read("/boards/1").clear()
    first, second = boards.read("/boards/1")["board_sections"]
    assert (first["board_items"], second["board_items"]) == ([], [{"id": "4", "board_section_id": "3"}])
    assert live["board_sections"][0]["board_items"] == [{"id": "4"}]


# --- a genuine backup


@pytest.mark.parametrize(("name", "value"), [("", ""), *TURNED])
def test_a_genuine_backup_comes_back_whatever_is_so(genuine_vault, name, value):
    looker = Looker()
    from_vault(looker, genuine_vault)
    break_kind(
        looker, "board", candidates(looker, "board"), Shares(drop=0.25, trash=0.25, change=0.5), seed=1
    )
    if name:
        looker.switches[name] = value
    with open_vault(genuine_vault) as vault:
        rows = [(row.source_id, row.blob) for row in vault.rows(ContentType.BOARD)]
    memory = Memory()
    results = restore(looker, rows, memory)
    assert {r.error for r in results} == {None}
    assert {r.operation for r in results} & {Operation.CREATED, Operation.UNDELETED, Operation.UPDATED}
    for row, result in zip(rows, results, strict=True):
        if CANNOT_HOLD.get(value) not in dict(result.warnings):
            assert_restored(looker, row, result)
            assert_unchanged(looker, row, memory, Memory())
        else:
            assert_unchanged(looker, row, memory)
