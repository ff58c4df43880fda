"""Parts that cannot be restored: all else comes back, what is missing is named, and a later run adds it there."""

from collections import Counter

import msgspec
import pytest
from factory import backup, decoded, destroy, make_dashboard, make_looker, new_query, requests, trash
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.settings import Caller


class Case:
    """An item on a Looker that lacks something; `bring` puts that there, `check` looks whether the item is whole."""

    def __init__(self, looker, memory, content_type, row, missing, bring, check):
        self.looker, self.memory, self.content_type, self.row = looker, memory, content_type, row
        self.missing, self.bring, self.check = missing, bring, check

    def restore(self, **more):
        """Restore it as one run does, with the second look if it needs one; say what was written."""
        self.looker.clear_log()
        self.memory.made.clear()
        self.memory.again = False
        (result,) = restore_any(
            self.looker, [self.row], self.memory, content_type=self.content_type, twice=True, **more
        )
        return result, [one for one in requests(self.looker) if not one.startswith("GET")]


def encoded(looker, path, **more):
    content = {k: v for k, v in looker.call("GET", path).items() if v is not None} | more
    return content["id"], msgspec.msgpack.encode(content)


def shown(looker, dashboard_id):
    """The tiles of a dashboard as people see them: by title, with what they show and where they are."""
    live = looker.call("GET", f"/dashboards/{dashboard_id}")
    (layout,) = live["dashboard_layouts"]
    of_tile = {one["dashboard_element_id"]: one for one in layout["dashboard_layout_components"]}
    places = {i: [one[name] for name in ("row", "column", "width", "height")] for i, one in of_tile.items()}
    sources = ("look_id", "query_id", "merge_result_id")
    return {
        (one["title"], one["title_text"]): ([bool(one[name]) for name in sources], places[one["id"]])
        for one in live["dashboard_elements"]
    }


# --- tiles


def of_dashboard(looker, memory, row, before, missing, bring):
    def check(result):
        assert shown(looker, result.destination_id) == before

    return Case(looker, memory, ContentType.DASHBOARD, row, missing, bring, check)


def look_tile():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=4))
    before = shown(looker, row[0])
    destroy(looker, row[0])
    looker.call("DELETE", f"/looks/{looker.look}")
    memory = Memory()

    def bring():
        body = {"title": "Look", "query_id": looker.query, "folder_id": looker.folder}
        memory.mappings["look", looker.look] = MappedId(looker.call("POST", "/looks", body)["id"])

    return of_dashboard(looker, memory, row, before, f"look {looker.look}", bring)


def tile_of_a_look_that_has_no_counterpart():
    looker, elsewhere = make_looker(), make_looker()
    row, memory = backup(looker, make_dashboard(looker, tiles=4)), Memory(same_instance=False)
    memory.note_known("folder", looker.folder, elsewhere.folder)

    def bring():
        memory.note_known("look", looker.look, elsewhere.look)

    return of_dashboard(elsewhere, memory, row, shown(looker, row[0]), f"look {looker.look}", bring)


def tile_without_model():
    looker = make_looker()
    looker.add_model("finance", ["books"])
    dashboard_id = make_dashboard(looker, tiles=4)
    body = {"model": "finance", "view": "books", "fields": ["books.count"]}
    query = looker.call("POST", "/queries", body)["id"]
    tile = next(
        one for one in decoded(looker, dashboard_id)["dashboard_elements"] if one["title"] == "Tile 0"
    )
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"query_id": query})
    row = backup(looker, dashboard_id)
    before = shown(looker, dashboard_id)
    destroy(looker, dashboard_id)
    del looker.instance.store.models["finance"]

    def bring():
        looker.add_model("finance", ["books"])

    return of_dashboard(looker, Memory(), row, before, "lookml_model finance", bring)


def tile_whose_query_is_refused():
    looker, elsewhere = make_looker(), make_looker()
    row, memory = backup(looker, make_dashboard(looker, tiles=4)), Memory(same_instance=False)
    memory.note_known("folder", looker.folder, elsewhere.folder)
    memory.note_known("look", looker.look, elsewhere.look)
    tile = next(t for t in decoded(looker, row[0])["dashboard_elements"] if t["title"] == "Tile 3")
    memory.refusals["query", tile["query_id"]] = "422 too odd"
    what = f"query {tile['query_id']}"
    return of_dashboard(elsewhere, memory, row, shown(looker, row[0]), what, memory.refusals.clear)


def tile_of_merged_results():
    looker, elsewhere = make_looker(), make_looker()
    sources = [new_query(looker, f"orders.s{n}") for n in range(2)]
    joined = [
        {"name": name, "query_id": i, "merge_fields": []} for name, i in zip("ab", sources, strict=True)
    ]
    merge = looker.call("POST", "/merge_queries", {"source_queries": joined})["id"]
    dashboard_id = make_dashboard(looker, tiles=3)
    tile = {"dashboard_id": dashboard_id, "type": "vis", "title": "Merged", "merge_result_id": merge}
    looker.call("POST", "/dashboard_elements", tile)
    row, memory = backup(looker, dashboard_id), Memory(same_instance=False)
    memory.note_known("folder", looker.folder, elsewhere.folder)
    memory.note_known("look", looker.look, elsewhere.look)

    def bring():
        memory.merges[merge] = looker.call("GET", f"/merge_queries/{merge}")
        memory.queries |= {one: looker.call("GET", f"/queries/{one}") for one in sources}

    return of_dashboard(elsewhere, memory, row, shown(looker, dashboard_id), f"merge_query {merge}", bring)


# --- pins


def board_of(looker, shown_items):
    board = looker.call("POST", "/boards", {"title": "Start", "user_id": looker.owner})["id"]
    section = looker.call("POST", "/board_sections", {"board_id": board, "title": "First"})["id"]
    made = [
        looker.call("POST", "/board_items", {"board_section_id": section, "custom_title": f"{n}", **one})[
            "id"
        ]
        for n, one in enumerate(shown_items)
    ]
    looker.call("PATCH", f"/board_sections/{section}", {"item_order": made[::-1]})
    return board


def pins(looker, board_id):
    (section,) = looker.call("GET", f"/boards/{board_id}")["board_sections"]
    titles = {one["id"]: one["custom_title"] for one in section["board_items"]}
    return [titles[one] for one in section["item_order"]]


def pin(kind):
    looker = make_looker()
    first, second = (make_dashboard(looker, f"D {n}", tiles=0, filters=0) for n in range(2))
    board = board_of(looker, [{"dashboard_id": first}, {"look_id": looker.look}, {"dashboard_id": second}])
    row, order = encoded(looker, f"/boards/{board}"), pins(looker, board)
    gone = first if kind == "dashboard" else looker.look
    looker.call("DELETE", f"/boards/{board}")
    looker.call("DELETE", f"/{kind}s/{gone}")
    memory = Memory()

    def bring():
        look = {"title": "Look", "query_id": looker.query, "folder_id": looker.folder}
        made = (
            make_dashboard(looker, "D 0", tiles=0, filters=0)
            if kind == "dashboard"
            else looker.call("POST", "/looks", look)["id"]
        )
        memory.note_known(kind, gone, made)

    def check(result):
        assert pins(looker, result.destination_id) == order

    return Case(looker, memory, ContentType.BOARD, row, f"{kind} {gone}", bring, check)


def pinned_dashboard():
    return pin("dashboard")


def pinned_look():
    return pin("look")


# --- tabs, people


def tab():
    looker = make_looker()
    dashboard = make_dashboard(looker, tiles=1)
    here = decoded(looker, dashboard)["dashboard_layouts"][0]["id"]
    content = {
        "id": "7", "name": "Daily", "user_id": looker.owner, "dashboard_id": dashboard, "crontab": "0 6 * * *",
        "tab_ids": ["70"], "enabled": False,
        "scheduled_plan_destination": [{"type": "email", "format": "csv", "address": "a@b.c"}],
    }  # fmt: skip
    memory = Memory(same_instance=False)
    memory.note_known("dashboard", dashboard)
    memory.note_known("user", looker.owner)

    def check(result):
        assert looker.call("GET", f"/scheduled_plans/{result.destination_id}")["tab_ids"] == [here]

    return Case(
        looker, memory, ContentType.SCHEDULED_PLAN, ("7", msgspec.msgpack.encode(content)), "dashboard_layout 70",
        lambda: memory.note_known("dashboard_layout", "70", here), check,
    )  # fmt: skip


def people():
    """Bob is in a group and has a role and a home; the backup has all of them."""
    looker = make_looker()
    looker.group = looker.call("POST", "/groups", {"name": "Sellers"})["id"]
    sets = [
        looker.call("POST", f"/{one}_sets", {"name": f"Own {one}"})["id"] for one in ("permission", "model")
    ]
    role = {"name": "Seller", "permission_set_id": sets[0], "model_set_id": sets[1]}
    looker.role = looker.call("POST", "/roles", role)["id"]
    looker.bob = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    looker.call("POST", f"/users/{looker.bob}/credentials_email", {"email": "bob@example.com"})
    looker.call("PATCH", f"/users/{looker.bob}", {"home_folder_id": looker.folder})
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": looker.bob})
    looker.call("PUT", f"/roles/{looker.role}/users", [looker.bob])
    return looker


def memory_of(looker, **policy):
    memory = Memory(caller=Caller(id=looker.call("GET", "/user")["id"]), **policy)
    for kind in ("user", "group", "role"):
        for one in looker.call("GET", f"/{kind}s"):
            memory.contents[kind, one["id"]] = {k: v for k, v in one.items() if v is not None}
    return memory


def user_without(kind, **policy):
    looker = people()
    memory, gone = memory_of(looker, **policy), getattr(looker, kind)
    row = looker.bob, msgspec.msgpack.encode(memory.contents["user", looker.bob])
    looker.call("DELETE", f"/users/{looker.bob}")
    old = looker.call("GET", f"/{kind}s/{gone}")
    looker.call("DELETE", f"/{kind}s/{gone}")

    def bring():
        body = {k: old[k] for k in ("name", "parent_id") if old.get(k)}
        body |= {f"{one}_id": old[one]["id"] for one in ("permission_set", "model_set") if one in old}
        memory.note_known(kind, gone, looker.call("POST", f"/{kind}s", body)["id"])

    def check(result):
        live = looker.call("GET", f"/users/{result.destination_id}")
        here = memory.mappings[kind, gone].destination_id
        assert here in {live["home_folder_id"], *live["group_ids"], *live["role_ids"]}

    return Case(looker, memory, ContentType.USER, row, f"{kind} {gone}", bring, check)


def home_of_user():
    return user_without("folder")


def group_of_user():
    return user_without("group")


def role_of_user():
    return user_without("role", grants_by_role=False)


def without_bob(kind):
    looker = people()
    memory, item = memory_of(looker, grants_by_role=True, members_by_user=False), getattr(looker, kind)
    row = item, msgspec.msgpack.encode(memory.contents[kind, item])
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.call("DELETE", f"/{kind}s/{item}")

    def bring():
        made = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
        memory.note_known("user", looker.bob, made)

    def check(result):
        here = memory.mappings["user", looker.bob].destination_id
        assert here in {one["id"] for one in looker.call("GET", f"/{kind}s/{result.destination_id}/users")}

    return Case(looker, memory, ContentType[kind.upper()], row, f"user {looker.bob}", bring, check)


def member_of_group():
    return without_bob("group")


def holder_of_role():
    return without_bob("role")


CASES = [
    look_tile,
    tile_of_a_look_that_has_no_counterpart,
    tile_without_model,
    tile_whose_query_is_refused,
    tile_of_merged_results,
    pinned_dashboard,
    pinned_look,
    tab,
    home_of_user,
    group_of_user,
    role_of_user,
    member_of_group,
    holder_of_role,
]


@pytest.mark.parametrize("make", CASES)
def test_all_else_is_restored_what_is_missing_is_named_and_comes_later(make):
    case = make()
    result, written = case.restore()
    assert (result.operation, result.done, result.error.kind) == (
        Operation.PARTIAL, Operation.CREATED, "dependency",
    )  # fmt: skip
    assert result.error.blockers == (case.missing,)
    assert result.error.message.startswith("partly restored, without ")
    assert written
    for _ in range(2):  # while it is missing, it is said again, and nothing is written
        again, written = case.restore()
        assert (again.operation, again.done) == (Operation.PARTIAL, Operation.UNCHANGED), again
        assert (again.error, written) == (result.error, [])
    case.bring()
    whole, _ = case.restore()
    assert (whole.operation, whole.error) == (Operation.UPDATED, None), whole
    case.check(whole)
    last, written = case.restore()
    assert (last.operation, written) == (Operation.UNCHANGED, [])


@pytest.mark.parametrize("make", CASES)
def test_a_rehearsal_says_the_same_and_writes_nothing(make):
    case = make()
    result, written = case.restore(dry_run=True)
    assert (result.operation, result.done, written) == (Operation.PARTIAL, Operation.CREATED, [])
    assert result.error.blockers == (case.missing,)


def test_a_tile_that_shows_what_is_gone_is_no_difference_and_stays():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    looker.call("DELETE", f"/looks/{looker.look}")
    for prepare in (lambda: None, lambda: trash(looker, row[0])):
        prepare()
        (result,) = restore_any(looker, [row], Memory())
        assert result.error is None
        assert len(decoded(looker, row[0])["dashboard_elements"]) == 3


def test_what_may_be_the_missing_part_is_not_deleted_for_that():
    looker, elsewhere = make_looker(), make_looker()
    row, memory = backup(looker, make_dashboard(looker, tiles=2)), Memory(same_instance=False)
    memory.note_known("folder", looker.folder, elsewhere.folder)
    memory.note_known("look", looker.look, elsewhere.look)
    (whole,) = restore_any(elsewhere, [row], memory)
    forgetful = Memory(same_instance=False)
    forgetful.mappings = {
        key: to for key, to in memory.mappings.items() if key[0] not in {"look", "dashboard_element"}
    }
    before = shown(elsewhere, whole.destination_id)
    elsewhere.clear_log()
    (result,) = restore_any(elsewhere, [row], forgetful)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.UNCHANGED)
    assert [one for one in requests(elsewhere) if not one.startswith("GET")] == []
    assert shown(elsewhere, whole.destination_id) == before


def test_a_board_keeps_a_pin_that_may_be_the_missing_one():
    looker, elsewhere = make_looker(), make_looker()
    dashboard = make_dashboard(looker, "D", tiles=0, filters=0)
    row = encoded(
        looker, f"/boards/{board_of(looker, [{'dashboard_id': dashboard}, {'look_id': looker.look}])}"
    )
    memory = Memory(same_instance=False)
    memory.note_known("look", looker.look, elsewhere.look)
    memory.note_known("dashboard", dashboard, make_dashboard(elsewhere, "D", tiles=0, filters=0))
    (whole,) = restore_any(elsewhere, [row], memory, content_type=ContentType.BOARD)
    before = pins(elsewhere, whole.destination_id)
    forgetful = Memory(same_instance=False)
    forgetful.mappings = {
        key: to for key, to in memory.mappings.items() if key[0] not in {"dashboard", "board_item"}
    }
    elsewhere.clear_log()
    (result,) = restore_any(elsewhere, [row], forgetful, content_type=ContentType.BOARD)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.UNCHANGED)
    assert [one for one in requests(elsewhere) if not one.startswith("GET")] == []
    assert pins(elsewhere, whole.destination_id) == before


def test_several_tiles_of_one_missing_look_are_all_named_once_asked_for():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=6))
    destroy(looker, row[0])
    looker.call("DELETE", f"/looks/{looker.look}")
    looker.clear_log()
    (result,) = restore_any(looker, [row], Memory())
    assert result.error.blockers == (f"look {looker.look}",)
    assert "'Tile 1'" in result.error.message
    assert "'Tile 4'" in result.error.message
    assert Counter(requests(looker))[f"GET /looks/{looker.look}"] == 1


def test_a_source_that_the_server_refuses_costs_its_tile_alone():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker, tiles=3))
    destroy(looker, row[0])
    body = {"message": "No", "errors": [{"field": "look_id", "code": "missing", "message": "not for you"}]}
    looker.on("POST", "/dashboard_elements", skip=1).answer(422, body)
    (result,) = restore_any(looker, [row], Memory())
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert "not for you" in result.error.message
    assert len(decoded(looker, result.destination_id)["dashboard_elements"]) == 2


def test_what_the_server_did_not_keep_is_not_sent_again_while_something_is_missing():
    looker = make_looker()
    looker.switches["normalises"] = "text_and_colours"
    row = backup(looker, make_dashboard(looker, tiles=2), description="Two blanks at the end  ")
    destroy(looker, row[0])
    looker.call("DELETE", f"/looks/{looker.look}")
    memory = Memory()
    (first,) = restore_any(looker, [row], memory)
    assert (first.operation, dict(first.warnings).keys()) == (Operation.PARTIAL, {"not_kept"})
    looker.clear_log()
    (again,) = restore_any(looker, [row], memory)
    assert (again.operation, again.done, again.error) == (Operation.PARTIAL, Operation.UNCHANGED, first.error)
    assert {one.split()[0] for one in requests(looker)} == {"GET"}
    body = {"title": "Look", "query_id": looker.query, "folder_id": looker.folder}
    memory.note_known("look", looker.look, looker.call("POST", "/looks", body)["id"])
    (whole,) = restore_any(looker, [row], memory)
    assert whole.operation is Operation.UPDATED
    assert len(decoded(looker, whole.destination_id)["dashboard_elements"]) == 2
