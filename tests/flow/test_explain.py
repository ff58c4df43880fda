"""What is told of how an item is looked for, in memory; several that fit are never guessed between."""

from itertools import pairwise

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory, restore

from lvrestore.model import ContentType, MappedId, MappingState, MatchRule, Operation


def backup(looker, path, **changes):
    """What a backup holds of an object, under another id."""
    live = looker.call("GET", path)
    return {name: value for name, value in {**live, "id": "90000", **changes}.items() if value is not None}


def look_for(looker, kind, content, memory=None, **more):
    """Rehearse the restore of an item of another instance; return how it ends, and what was tried."""
    memory = memory or Memory(same_instance=False)
    if kind == "dashboard":
        memory.note_known("look", looker.look)
    for to in ("folder", "user", "query", "dashboard"):
        for one in {content.get(f"{to}_id"), content.get("parent_id") if to == "folder" else None} - {None}:
            memory.note_known(to, one)
    rows = [(content["id"], msgspec.msgpack.encode(content))]
    (result,) = restore(looker, rows, memory, content_type=ContentType[kind.upper()], dry_run=True, **more)
    return result, memory.tried


def rules(tried):
    return [note.rule for note in tried]


def said(note):
    return note.outcome, [(one.id, one.objection) for one in note.candidates]


@pytest.fixture
def looker():
    return make_looker()


def test_mapping_then_id_then_slug_then_title(looker):
    dashboard = make_dashboard(looker, slug="sales")
    content = backup(looker, f"/dashboards/{dashboard}")
    result, tried = look_for(looker, "dashboard", content)
    assert rules(tried) == ["mapping", "id", "slug"]
    assert "another instance" in tried[1].outcome
    assert said(tried[2]) == (f"matched {dashboard}", [(dashboard, "")])
    assert result.destination_id == dashboard


def test_a_dashboard_that_has_the_slug_and_another_title_is_shown_with_the_reason(looker):
    dashboard = make_dashboard(looker, slug="sales")
    content = backup(looker, f"/dashboards/{dashboard}", title="Other")
    result, tried = look_for(looker, "dashboard", content)
    assert rules(tried) == ["mapping", "id", "slug", "title_in_folder"]
    assert said(tried[2]) == ("not found", [(dashboard, "other title")])
    assert result.operation is Operation.CREATED


def test_a_dashboard_of_the_title_and_other_content_is_a_conflict(looker):
    dashboard = make_dashboard(looker)
    content = backup(looker, f"/dashboards/{dashboard}", slug="own", description="Other")
    result, tried = look_for(looker, "dashboard", content)
    assert rules(tried) == ["mapping", "id", "slug", "title_in_folder"]
    assert said(tried[-1]) == (f"conflict: {result.reason}", [(dashboard, "other content")])
    assert result.operation is Operation.CONFLICT


def test_of_several_dashboards_of_a_title_none_is_taken(looker):
    one = make_dashboard(looker)
    other = make_dashboard(looker, title="Soon the same")
    looker.instance.store.dashboards[other].row["title"] = "Sales"
    content = backup(looker, f"/dashboards/{one}")
    del content["slug"]
    result, tried = look_for(looker, "dashboard", content)
    assert result.operation is Operation.CONFLICT
    assert f"dashboard {one}, dashboard {other} may be dashboard 90000" in result.reason
    assert [c.id for c in tried[-1].candidates] == [one, other]


def test_of_several_dashboards_of_a_slug_none_is_taken(looker):
    one, other = (make_dashboard(looker, title=title, slug=title) for title in ("Sales", "Costs"))
    looker.instance.store.dashboards[other].row |= {"title": "Sales", "slug": "Sales"}
    looker.instance.store.slugs["sales"] = [one, other]
    result, _ = look_for(looker, "dashboard", backup(looker, f"/dashboards/{one}"))
    assert result.operation is Operation.CONFLICT
    assert f"dashboard {one}, dashboard {other}" in result.reason


def test_of_several_accounts_of_an_address_none_is_taken(looker):
    other = looker.call("POST", "/users", {"first_name": "Ann", "last_name": "Twin"})["id"]
    looker.instance.store.users[other]["email"] = "ANN@example.com"
    content = backup(looker, f"/users/{looker.owner}", first_name="Ann")
    result, tried = look_for(looker, "user", content)
    assert result.operation is Operation.CONFLICT
    assert result.reason.count("user ") == 3
    assert {c.id for c in tried[-1].candidates} == {looker.owner, other}


def test_of_several_accounts_of_an_address_the_one_that_is_nobody_elses_is_taken(looker):
    other = looker.call("POST", "/users", {"first_name": "Ann", "last_name": "Twin"})["id"]
    looker.instance.store.users[other]["email"] = "ann@example.com"
    memory = Memory(same_instance=False)
    memory.note_known("user", "5", other)
    content = backup(looker, f"/users/{looker.owner}")
    result, tried = look_for(looker, "user", content, memory)
    assert result.destination_id == looker.owner
    assert dict(said(tried[-1])[1])[other] == "it is user 5 of the backup"


@pytest.mark.parametrize(("kind", "rule"), [("folder", "path"), ("look", "title_in_folder")])
def test_others_are_found_by_their_natural_keys(looker, kind, rule):
    here = getattr(looker, kind)
    result, tried = look_for(looker, kind, backup(looker, f"/{kind}s/{here}"))
    assert rules(tried) == ["mapping", "id", rule]
    assert said(tried[-1]) == (f"matched {here}", [(here, "")])
    assert result.destination_id == here


def test_a_look_of_other_content_is_named_with_what_differs(looker):
    content = backup(looker, f"/looks/{looker.look}", description="Other")
    result, tried = look_for(looker, "look", content)
    assert result.operation is Operation.CONFLICT
    assert said(tried[-1])[1] == [(looker.look, "it has other description")]


@pytest.mark.parametrize(
    ("only_referred", "operation"), [(True, Operation.CONFLICT), (False, Operation.UPDATED)]
)
def test_a_look_that_others_referred_to_is_no_more_ours_for_that(looker, only_referred, operation):
    content = backup(looker, f"/looks/{looker.look}", description="Other")
    memory = Memory(same_instance=False)
    memory.mappings["look", content["id"]] = MappedId(
        looker.look,
        state=MappingState.REFERRED if only_referred else MappingState.DONE,
        rule=MatchRule.TITLE_IN_FOLDER,
    )
    result, tried = look_for(looker, "look", content, memory)
    assert result.operation is operation
    assert ("only referred to" in tried[0].outcome) == only_referred


def test_groups_of_one_name_are_all_named():
    looker = make_looker(name_taken="allowed")
    ids = [looker.call("POST", "/groups", {"name": "Sales"})["id"] for _ in range(2)]
    result, tried = look_for(looker, "group", backup(looker, f"/groups/{ids[0]}"))
    assert result.operation is Operation.CONFLICT
    assert all(f"group {one}" in result.reason for one in ids)
    assert [c.id for c in tried[-1].candidates] == ids


def test_a_mapping_to_what_is_gone_is_told_and_the_next_rule_is_tried(looker):
    memory = Memory(same_instance=False)
    memory.note_known("folder", "90000", "777")
    _, tried = look_for(looker, "folder", backup(looker, f"/folders/{looker.folder}"), memory)
    assert rules(tried) == ["mapping", "id", "path"]
    assert "777" in tried[0].asked
    assert tried[0].outcome == "not found"


def test_on_the_same_instance_the_id_is_enough(looker):
    memory = Memory()
    content = backup(looker, f"/folders/{looker.folder}", id=looker.folder)
    _, tried = look_for(looker, "folder", content, memory)
    assert [note.rule for note in memory.tried] == ["mapping", "id"]
    assert said(tried[-1]) == (f"matched {looker.folder}", [(looker.folder, "")])


def test_boards_and_plans_tell_as_well(looker):
    dashboard = make_dashboard(looker)
    board = looker.call("POST", "/boards", {"title": "Wall", "user_id": looker.owner})["id"]
    body = {
        "name": "Daily", "dashboard_id": dashboard, "user_id": looker.owner, "crontab": "0 6 * * *",
        "scheduled_plan_destination": [{"type": "email", "address": "a@example.com", "format": "wysiwyg_pdf"}],
    }  # fmt: skip
    plan = looker.call("POST", "/scheduled_plans", body)["id"]
    for kind, one, rule in (
        ("board", board, "title_and_owner"), ("scheduled_plan", plan, "content_name_owner"),
    ):  # fmt: skip
        _, tried = look_for(looker, kind, backup(looker, f"/{kind}s/{one}"))
        first = tried[:3]
        assert rules(first) == ["mapping", "id", rule]
        assert said(first[-1]) == (f"matched {one}", [(one, "")])


def test_no_rule_is_tried_out_of_order(looker):
    dashboard = make_dashboard(looker, slug="sales")
    order = ["mapping", "id", "slug", "title_in_folder"]
    for content in (
        backup(looker, f"/dashboards/{dashboard}"),
        backup(looker, f"/dashboards/{dashboard}", slug=None),
        backup(looker, f"/dashboards/{dashboard}", title="Other"),
    ):
        _, tried = look_for(looker, "dashboard", content)
        assert all(order.index(a) < order.index(b) for a, b in pairwise(rules(tried)))
