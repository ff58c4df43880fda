"""Scheduled plans, every situation, in memory; nothing is ever sent, and no plan that exists is switched on or off."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from factory import destroy, make_dashboard, make_looker, new_query, requests, trash
from harness import Memory
from harness import restore as restore_any

from lvrestore.content.calls import Create, Exists, Get
from lvrestore.content.case import Case
from lvrestore.content.sending.plans import VaultPlan, restore_plan
from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.damage import damage
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.switches import SWITCHES
from lvrestore.vault import open_vault
from lvrestore.vault.decode import decode_blob

EMAIL = {
    "type": "email",
    "format": "wysiwyg_pdf",
    "address": "boss@example.com",
    "apply_vis": True,
    "message": "Hi",
}
SFTP = {"type": "sftp", "format": "csv", "address": "sftp://files/in", "parameters": '{"username": "looker"}'}
CRON, GROUP = {"crontab": "0 6 * * *"}, {"datagroup": "shop::daily"}
LEARNED = {"id", "created_at", "updated_at", "title", "user", "next_run_at", "last_run_at", "can", "enabled"}
TIMES = ("created_at", "updated_at", "next_run_at", "last_run_at")
CREATE = "POST /scheduled_plans"


def started(**switches):
    """A Looker with a dashboard to send."""
    looker = make_looker(**switches)
    looker.dashboard = make_dashboard(looker)
    return looker


def make_plan(looker, **fields):
    body = {
        "name": "Daily", "user_id": looker.owner, "dashboard_id": looker.dashboard, "crontab": "0 6 * * *",
        "timezone": "UTC", "filters_string": "?Region=EMEA", "enabled": True, "include_links": True,
        "require_results": True, "require_no_results": False, "require_change": False,
        "scheduled_plan_destination": [EMAIL], **fields,
    }  # fmt: skip
    return looker.call("POST", "/scheduled_plans", {k: v for k, v in body.items() if v is not None})["id"]


def backup(looker, plan_id, **changes):
    """A vault row of the plan as it is now: no top-level null, times as datetimes."""
    live = looker.call("GET", f"/scheduled_plans/{plan_id}")
    content = {k: v for k, v in {**live, **changes}.items() if v is not None and v is not ...}
    for name in TIMES:
        if isinstance(content.get(name), str):
            content[name] = datetime.fromisoformat(content[name])
    for one in content.get("scheduled_plan_destination") or ():
        one["secret_parameters"] = None
    return content.get("id", plan_id), msgspec.msgpack.encode(content)


def row(looker, **fields):
    """A vault row of a plan that is gone."""
    plan_id = make_plan(looker, **fields)
    made = backup(looker, plan_id)
    drop(looker, plan_id)
    return made


def drop(looker, plan_id):
    looker.call("DELETE", f"/scheduled_plans/{plan_id}")


def restore(looker, rows, memory=None, **more):
    """Restore, and look at what was sent: nothing that has a plan delivered or switched on or off."""
    looker.clear_log()
    results = restore_any(looker, rows, memory, content_type=ContentType.SCHEDULED_PLAN, **more)
    assert looker.runs == []
    for request in looker.requests:
        assert "run_once" not in request.path
        body = request.body if request.method in {"POST", "PATCH"} else {}
        assert "run_once" not in body
        assert not {"user", "title"} & body.keys()
        assert ("enabled" in body) == (f"{request.method} {request.path}" == CREATE)
    return results


def writes(looker):
    return [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]


def bodies(looker, method):
    return [r.body for r in looker.requests if r.method == method]


def plans(looker):
    return looker.call("GET", "/scheduled_plans", params={"all_users": "true"})


def warned(result):
    return Counter(kind for kind, _ in result.warnings)


def settings(content):
    """What a restore is answerable for: null, false and absent alike, destinations without what the server adds."""
    kept = {k: v for k, v in content.items() if k not in LEARNED and v is not None and v is not False}
    added = {"id", "scheduled_plan_id", "looker_recipient", "secret_parameters"}
    kept["scheduled_plan_destination"] = sorted(
        sorted((k, str(v)) for k, v in one.items() if k not in added)
        for one in content["scheduled_plan_destination"]
    )
    return kept


def assert_restored(looker, made_row, plan_id, memory=None):
    """Field by field as the vault says; with and without mappings nothing more is to be written."""
    assert settings(looker.call("GET", f"/scheduled_plans/{plan_id}")) == settings(decode_blob(made_row[1]))
    lost = Memory()
    lost.mappings = {
        key: to for key, to in (memory.mappings if memory else {}).items() if key[0] != "scheduled_plan"
    }
    for again in (memory or Memory(), lost):
        (result,) = restore(looker, [made_row], again)
        assert (result.operation, result.destination_id) == (Operation.UNCHANGED, plan_id)
        assert writes(looker) == []


# --- on the same instance


@pytest.mark.parametrize("schedules", ["disabled", "as-backup"])
def test_the_same_costs_one_read(schedules):
    looker = started()
    made = backup(looker, make_plan(looker))
    (result,) = restore(looker, [made], Memory(schedules=schedules))
    assert (result.operation, result.warnings) == (Operation.UNCHANGED, ())
    assert requests(looker) == [f"GET /scheduled_plans/{made[0]}"]


@pytest.mark.parametrize("schedules", ["disabled", "as-backup"])
@pytest.mark.parametrize("enabled", [True, False])
def test_enabled_is_no_difference_and_never_written(schedules, enabled):
    looker = started()
    made = backup(looker, make_plan(looker, enabled=enabled))
    live = {"enabled": not enabled, "name": "Spoiled"}
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"enabled": not enabled})
    assert restore(looker, [made], Memory(schedules=schedules))[0].operation is Operation.UNCHANGED
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", live)
    (result,) = restore(looker, [made], Memory(schedules=schedules))
    assert (result.operation, bodies(looker, "PATCH")) == (Operation.UPDATED, [{"name": "Daily"}])
    assert looker.call("GET", f"/scheduled_plans/{made[0]}")["enabled"] is not enabled
    assert warned(result) == {}


def test_what_differs_is_repaired_with_one_patch_and_what_was_null_is_cleared():
    looker = started()
    made = backup(looker, make_plan(looker, timezone=None, filters_string=None))
    spoiled = {
        "name": "Spoiled", "timezone": "UTC", "filters_string": "?x", "color_theme": "dark", "run_as_recipient": True,
        "custom_url_base": "https://x", "pdf_paper_size": "a4", "inline_table_width": 7, "crontab": "1 1 * * *",
    }  # fmt: skip
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", spoiled)
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.UPDATED, [f"PATCH /scheduled_plans/{made[0]}"])
    assert bodies(looker, "PATCH")[0].keys() == spoiled.keys()
    assert {change[0] for change in result.changes} == spoiled.keys()
    assert_restored(looker, made, made[0])


def test_fields_that_the_extracting_sdk_did_not_know_are_left_alone():
    looker = started()
    made = backup(looker, make_plan(looker), pdf_page_breaks=..., include_dashboard_summary=..., embed=...)
    tab = looker.call("GET", f"/dashboards/{looker.dashboard}/dashboard_layouts")[0]["id"]
    live = {"tab_ids": [tab], "pdf_page_breaks": True, "include_dashboard_summary": True, "embed": True}
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", live)
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])


def test_the_before_image_is_kept():
    looker = started()
    made = backup(looker, make_plan(looker))
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"name": "Spoiled"})
    memory = Memory()
    restore(looker, [made], memory)
    ((kind, plan_id, body),) = memory.before
    assert (kind, plan_id, msgspec.json.decode(body)["name"]) == ("scheduled_plan", made[0], "Spoiled")


@pytest.mark.parametrize("content", ["dashboard_id", "look_id", "lookml_dashboard_id", "query_id"])
def test_a_plan_that_is_gone_is_made_disabled_and_found_again(content):
    looker = started()
    shown = {"dashboard_id": looker.dashboard, "look_id": looker.look, "lookml_dashboard_id": "shop::a/b",
             "query_id": looker.query}  # fmt: skip
    made = row(looker, **{**dict.fromkeys(shown), content: shown[content]})
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert (result.operation, writes(looker)) == (Operation.CREATED, [CREATE])
    assert bodies(looker, "POST")[0]["enabled"] is False
    assert warned(result) == {"disabled": 1}
    (live,) = plans(looker)
    assert (live["id"], live["enabled"], live[content]) == (result.destination_id, False, shown[content])
    assert memory.mapped("scheduled_plan", made[0]).destination_id == live["id"]
    assert_restored(looker, made, live["id"], memory)


def test_calls_of_a_create():
    looker = started()
    made = row(looker)
    restore(looker, [made])
    assert requests(looker) == [
        f"GET /scheduled_plans/{made[0]}",
        "GET /scheduled_plans",
        f"GET /scheduled_plans/dashboard/{looker.dashboard}",
        f"GET /users/{looker.owner}",
        f"GET /dashboards/{looker.dashboard}",
        CREATE,
    ]


def test_of_all_plans_only_a_few_fields_are_listed_to_find_one_on_a_query():
    looker = started()
    made = row(looker, dashboard_id=None, query_id=looker.query)
    make_plan(looker, dashboard_id=None, query_id=new_query(looker, "orders.other"))
    restore(looker, [made])
    listed = [r.params for r in looker.requests if r.path == "/scheduled_plans" and r.method == "GET"]
    for_all = {"all_users": "true"}
    assert listed == [for_all | {"fields": "id"}, for_all | {"fields": "id,name,user_id,query_id,run_once"}]
    assert f"GET /queries/{looker.query}" not in requests(looker)


@pytest.mark.parametrize(
    ("policy", "in_backup", "expected"),
    [("disabled", True, False), ("disabled", False, False),
     pytest.param("as-backup", True, True, marks=pytest.mark.enables_plans), ("as-backup", False, False),
     ("as-backup", ..., False)],
)  # fmt: skip
def test_whether_a_new_plan_is_enabled(policy, in_backup, expected):
    looker = started()
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, enabled=in_backup)
    drop(looker, plan_id)
    memory = Memory(schedules=policy)
    (result,) = restore(looker, [made], memory)
    assert looker.call("GET", f"/scheduled_plans/{result.destination_id}")["enabled"] is expected
    assert warned(result) == ({"disabled": 1} if in_backup is True and not expected else {})
    assert_restored(looker, made, result.destination_id, memory)


@pytest.mark.parametrize(
    ("policy", "changes"), [("skip", {}), ("disabled", {"run_once": True}), ("as-backup", {"run_once": True})]
)
@pytest.mark.parametrize("gone", [True, False])
def test_what_is_not_to_be_restored_costs_no_call(policy, changes, gone):
    looker = started()
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, name="Other", **changes)
    if gone:
        drop(looker, plan_id)
    (result,) = restore(looker, [made], Memory(schedules=policy))
    assert (result.operation, bool(result.reason)) == (Operation.SKIPPED, True)
    assert looker.requests == []


def test_a_dry_run_writes_nothing_and_says_what_it_would_do():
    looker = started()
    gone, changed = row(looker), backup(looker, make_plan(looker, name="Weekly"))
    looker.call("PATCH", f"/scheduled_plans/{changed[0]}", {"name": "Spoiled"})
    results = restore(looker, [gone, changed], dry_run=True)
    assert [r.operation for r in results] == [Operation.CREATED, Operation.UPDATED]
    assert [r.calls.by_method.get("POST", 0) for r in results] == [1, 0]
    assert results[1].changes == (("name", "Spoiled", "Weekly"),)
    assert {r.method for r in looker.requests} == {"GET"}
    assert [p["name"] for p in plans(looker)] == ["Spoiled"]


def test_a_plan_goes_back_to_the_content_that_it_sent():
    looker = started()
    made = backup(looker, make_plan(looker))
    look = {"dashboard_id": None, "look_id": looker.look}
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", look)
    (result,) = restore(looker, [made])
    assert result.operation is Operation.UPDATED
    assert bodies(looker, "PATCH") == [{"dashboard_id": looker.dashboard, "look_id": None}]
    assert_restored(looker, made, made[0])


# --- triggers


@pytest.mark.parametrize(("wanted", "live"), [(CRON, GROUP), (GROUP, CRON)])
@pytest.mark.parametrize("empty", [..., ""])
def test_one_trigger_takes_the_place_of_the_other(wanted, live, empty):
    looker = started()
    none = {"crontab": None, "datagroup": None}
    plan_id = make_plan(looker, **{**none, **wanted})
    blank = {name: empty for name in none if name not in wanted}
    made = backup(looker, plan_id, **blank)
    assert restore(looker, [made])[0].operation is Operation.UNCHANGED
    looker.call("PATCH", f"/scheduled_plans/{plan_id}", {**none, **live})
    (result,) = restore(looker, [made])
    assert (result.operation, bodies(looker, "PATCH")) == (Operation.UPDATED, [{**none, **wanted}])
    drop(looker, plan_id)
    (result,) = restore(looker, [made])
    assert result.operation is Operation.CREATED
    assert none.keys() & bodies(looker, "POST")[0].keys() == wanted.keys()


def test_an_empty_trigger_that_is_live_is_none():
    looker = started()
    plan_id = make_plan(looker, crontab="", datagroup="shop::daily")
    made = backup(looker, plan_id, crontab=...)
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])


def test_a_plan_that_the_backup_has_without_trigger_or_content_keeps_what_is_live():
    looker = started()
    made = backup(looker, make_plan(looker), crontab=..., dashboard_id=..., scheduled_plan_destination=[])
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ...}, {"user_id": ...}, {"crontab": ...}, {"datagroup": "shop::daily"}, {"dashboard_id": ...},
        {"look_id": "1"}, {"scheduled_plan_destination": []}, {"scheduled_plan_destination": ...},
    ],
)  # fmt: skip
def test_a_backup_that_lacks_what_a_plan_needs_is_invalid(changes):
    looker = started()
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, **changes)
    drop(looker, plan_id)
    (result,) = restore(looker, [made])
    assert (result.operation, result.error.kind) == (Operation.FAILED, "validation")
    assert writes(looker) == []


def test_a_look_gets_the_flags_that_looker_requires():
    looker = started()
    plan_id = make_plan(looker, dashboard_id=None, look_id=looker.look)
    made = backup(looker, plan_id, require_no_results=..., require_change=...)
    drop(looker, plan_id)
    (result,) = restore(looker, [made])
    live = looker.call("GET", f"/scheduled_plans/{result.destination_id}")
    assert [live[f"require_{name}"] for name in ("results", "no_results", "change")] == [True, False, False]


def test_filters_under_their_old_name_are_the_same():
    looker = started()
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, filters_string=..., dashboard_filters="?Region=EMEA")
    assert restore(looker, [made])[0].operation is Operation.UNCHANGED
    old = {"filters_string": None, "dashboard_filters": "?Region=EMEA"}
    looker.instance.store.plans[plan_id].update(old)
    assert restore(looker, [made])[0].operation is Operation.UNCHANGED
    drop(looker, plan_id)
    restore(looker, [made])
    (body,) = bodies(looker, "POST")
    assert (body["filters_string"], "dashboard_filters" in body) == ("?Region=EMEA", False)


# --- destinations


def test_destinations_are_compared_without_order_and_without_what_the_server_adds():
    looker = started()
    made = backup(looker, make_plan(looker, scheduled_plan_destination=[EMAIL, SFTP]))
    turned = [{**SFTP, "parameters": '{ "username":"looker" }'}, EMAIL]
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"scheduled_plan_destination": turned})
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker), warned(result)) == (Operation.UNCHANGED, [], {})


def test_destinations_are_written_all_together_and_their_secrets_are_asked_for():
    looker = started()
    slack = {"type": "looker-integration::slack", "format": "csv", "address": "", "parameters": "{}"}
    keyed = {**EMAIL, "parameters": '{"a": 1}'}
    hook = {"type": "webhook", "format": "csv", "address": "https://hook", "parameters": "{}"}
    made = backup(looker, make_plan(looker, scheduled_plan_destination=[EMAIL, SFTP, slack, keyed, hook]))
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"scheduled_plan_destination": [EMAIL]})
    (result,) = restore(looker, [made])
    (body,) = bodies(looker, "PATCH")
    assert body.keys() == {"scheduled_plan_destination"}
    sent = body["scheduled_plan_destination"]
    assert [one["type"] for one in sent] == ["email", "sftp", slack["type"], "email", "webhook"]
    assert not {"id", "looker_recipient", "scheduled_plan_id", "secret_parameters"} & {
        k for one in sent for k in one
    }
    said = [text for kind, text in result.warnings if kind == "secrets_to_reenter"]
    assert len(said) == warned(result).total() == 3
    assert "sftp sftp://files/in" in said[0]
    assert "looker-integration::slack" in said[1]
    assert all("Daily" in text for text in said)
    assert_restored(looker, made, made[0])


def test_a_field_of_destinations_that_the_backup_does_not_have_is_no_difference():
    looker = started()
    plan_id = make_plan(looker)
    known = {"type": "email", "format": "wysiwyg_pdf", "address": "boss@example.com"}
    made = backup(looker, plan_id, scheduled_plan_destination=[known])
    assert restore(looker, [made])[0].operation is Operation.UNCHANGED
    looker.call(
        "PATCH", f"/scheduled_plans/{plan_id}", {"scheduled_plan_destination": [{**EMAIL, "format": "csv"}]}
    )
    (result,) = restore(looker, [made])
    assert result.operation is Operation.UPDATED


def test_secrets_are_asked_for_when_a_plan_is_made():
    looker = started()
    made = row(looker, scheduled_plan_destination=[SFTP, EMAIL])
    (result,) = restore(looker, [made])
    assert warned(result) == {"secrets_to_reenter": 1, "disabled": 1}


# --- owners and other references


def test_an_owner_that_is_gone_fails_before_anything_is_written():
    looker = started()
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, user_id="999")
    (result,) = restore(looker, [made])
    assert (result.error.kind, result.error.blockers) == ("dependency", ("user 999",))
    assert writes(looker) == []
    drop(looker, plan_id)
    (result,) = restore(looker, [made])
    assert (result.error.kind, result.error.blockers, writes(looker)) == ("dependency", ("user 999",), [])


def test_an_owner_that_was_changed_is_put_back_and_an_equal_one_is_not_sent():
    looker = started(disabled_owner="refused")
    ann, bob = looker.owner, looker.add_user("Bob", "C", "bob@example.com")
    made = backup(looker, make_plan(looker))
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"user_id": bob, "name": "Spoiled"})
    restore(looker, [made])
    assert bodies(looker, "PATCH") == [{"user_id": ann, "name": "Daily"}]
    looker.call("PATCH", f"/users/{ann}", {"is_disabled": True})
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"name": "Spoiled"})
    (result,) = restore(looker, [made])
    assert (result.operation, bodies(looker, "PATCH")) == (Operation.UPDATED, [{"name": "Daily"}])


@pytest.mark.parametrize("gone", [True, False])
def test_a_disabled_owner_that_is_refused_is_named(gone):
    looker = started(disabled_owner="refused")
    plan_id = make_plan(looker)
    made = backup(looker, plan_id)
    if gone:
        drop(looker, plan_id)
    else:
        bob = looker.add_user("Bob", "C", "bob@example.com")
        looker.call("PATCH", f"/scheduled_plans/{plan_id}", {"user_id": bob})
    looker.call("PATCH", f"/users/{looker.owner}", {"is_disabled": True})
    before = plans(looker)
    (result,) = restore(looker, [made])
    assert (result.error.kind, result.error.http_status, result.error.field) == ("validation", 422, "user_id")
    assert f"user {looker.owner} cannot be the owner" in result.error.message
    assert "disabled" in result.error.message
    assert plans(looker) == before


@pytest.mark.enables_plans
def test_a_plan_that_the_caller_would_own_is_taken_back():
    looker = started()
    made = row(looker)
    looker.switches["user_id"] = "ignored"
    memory = Memory(schedules="as-backup")
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.error.kind) == (Operation.FAILED, "validation")
    assert f"not user {looker.owner}" in result.error.message
    assert plans(looker) == []
    assert memory.mappings == {}


def test_an_owner_that_the_server_does_not_change_is_said_once():
    looker = started()
    made = backup(looker, make_plan(looker))
    bob = looker.add_user("Bob", "C", "bob@example.com")
    looker.call("PATCH", f"/scheduled_plans/{made[0]}", {"user_id": bob})
    looker.switches["user_id"] = "ignored"
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert warned(result) == {"not_kept": 1}
    (again,) = restore(looker, [made], memory)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])


def test_content_that_is_gone_is_named_before_anything_is_written():
    looker = started()
    made = row(looker)
    destroy(looker, looker.dashboard)
    look = row(looker, dashboard_id=None, look_id=looker.look)
    looker.call("DELETE", f"/looks/{looker.look}")
    results = restore(looker, [made, look])
    assert [r.error.blockers for r in results] == [
        (f"dashboard {looker.dashboard}",),
        (f"look {looker.look}",),
    ]
    assert writes(looker) == []


def test_a_dashboard_in_the_trash_will_do():
    looker = started()
    made = row(looker)
    trash(looker, looker.dashboard)
    for switch in ("answers", "404"):
        looker.switches["get_trashed"] = switch
        (result,) = restore(looker, [made])
        assert result.operation is Operation.CREATED
        assert warned(result) == {"in_trash": 1, "disabled": 1}
        drop(looker, result.destination_id)


def test_a_plan_follows_its_dashboard_to_its_new_id():
    looker = started()
    tab = looker.call("GET", f"/dashboards/{looker.dashboard}/dashboard_layouts")[0]["id"]
    made = backup(looker, make_plan(looker, tab_ids=[tab]))
    old = looker.dashboard
    destroy(looker, old)
    looker.dashboard = make_dashboard(looker)
    new_tab = looker.call("GET", f"/dashboards/{looker.dashboard}/dashboard_layouts")[0]["id"]
    memory = Memory()
    memory.mappings["dashboard", old] = MappedId(looker.dashboard)
    memory.mappings["dashboard_layout", tab] = MappedId(new_tab)
    restore(looker, [made], memory)
    (live,) = plans(looker)
    assert (live["dashboard_id"], live["tab_ids"]) == (looker.dashboard, [new_tab])
    assert restore(looker, [made], memory)[0].operation is Operation.UNCHANGED


@pytest.mark.parametrize("switch", ["checked", "unchecked"])
def test_tabs_that_are_not_the_dashboards(switch):
    looker = started(tab_ids=switch)
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, tab_ids=["999"])
    drop(looker, plan_id)
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    lost = switch == "checked"
    assert result.became is Operation.CREATED
    assert (result.operation is Operation.PARTIAL) is lost
    assert warned(result) == ({"tabs_lost": 1, "disabled": 1} if lost else {"disabled": 1})
    assert plans(looker)[0]["tab_ids"] == (None if lost else ["999"])
    (again,) = restore(looker, [made], memory)
    assert (again.became, writes(looker)) == (Operation.UNCHANGED, [])
    assert (again.operation is Operation.PARTIAL) is lost
    looker.call("PATCH", f"/scheduled_plans/{result.destination_id}", {"name": "Spoiled", "tab_ids": None})
    (again,) = restore(looker, [made], memory)
    assert (again.became, plans(looker)[0]["name"]) == (Operation.UPDATED, "Daily")
    (again,) = restore(looker, [made], memory)
    assert (again.became, writes(looker)) == (Operation.UNCHANGED, [])
    assert (again.operation is Operation.PARTIAL) is lost


def test_tabs_that_the_server_refuses_are_not_sent_again():
    looker = started()
    made = backup(looker, make_plan(looker), tab_ids=["999"])
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.UNCHANGED)
    assert (result.error.blockers, warned(result)) == (("dashboard_layout 999",), {"tabs_lost": 1})
    (again,) = restore(looker, [made], memory)
    assert (again.operation, again.done, writes(looker)) == (Operation.PARTIAL, Operation.UNCHANGED, [])


def test_tabs_of_a_lookml_dashboard_are_labels():
    looker = started(tab_ids="unchecked")
    made = row(looker, dashboard_id=None, lookml_dashboard_id="shop::pulse", tab_ids=["Overview"])
    memory = Memory(same_instance=False)
    memory.mappings["user", looker.owner] = MappedId(looker.owner)
    (result,) = restore(looker, [made], memory)
    assert result.operation is Operation.CREATED
    assert plans(looker)[0]["tab_ids"] == ["Overview"]


@pytest.mark.parametrize("switch", ["422", "404"])
def test_a_query_that_the_server_lost_is_made_again_where_the_backup_has_it(switch):
    looker = started(unknown_query=switch)
    plan_id = make_plan(looker, dashboard_id=None, query_id=looker.query)
    made = backup(looker, plan_id, query_id="987654")
    drop(looker, plan_id)
    (result,) = restore(looker, [made])
    assert (result.error.kind, result.error.blockers) == ("dependency", ("query 987654",))
    memory = Memory()
    memory.queries["987654"] = {
        "id": "987654",
        "model": "thelook",
        "view": "orders",
        "fields": ["orders.rare"],
    }
    (result,) = restore(looker, [made], memory)
    assert (result.operation, writes(looker)) == (Operation.CREATED, [CREATE, "POST /queries", CREATE])
    shown = looker.call("GET", f"/queries/{plans(looker)[0]['query_id']}")
    assert shown["fields"] == ["orders.rare"]
    (again,) = restore(looker, [made], memory)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])
    lost = Memory()
    lost.queries = memory.queries
    (again,) = restore(looker, [made], lost)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, result.destination_id)
    assert len(plans(looker)) == 1


class Forgetful(Memory):
    """Mappings are stored a little later than they are noted."""

    def mapped(self, kind, source_id):
        return None if kind == "query" else super().mapped(kind, source_id)


def test_a_query_that_is_refused_for_good_is_made_only_once():
    looker = started()
    plan_id = make_plan(looker, dashboard_id=None, query_id=looker.query)
    made = backup(looker, plan_id, query_id="987654")
    drop(looker, plan_id)
    memory = Forgetful()
    memory.queries["987654"] = {"model": "thelook", "view": "orders"}
    (result,) = restore(looker, [made], memory)
    assert result.operation is Operation.CREATED
    drop(looker, result.destination_id)
    refusal = {
        "message": "Validation Failed",
        "errors": [{"field": "query_id", "code": "invalid", "message": "no"}],
    }
    looker.on("POST", "/scheduled_plans").answer(422, body=refusal, times=9)
    (result,) = restore(looker, [made], memory)
    assert (result.error.kind, result.error.field) == ("validation", "query_id")
    assert writes(looker) == [CREATE, "POST /queries", CREATE]


# --- on another instance


def elsewhere(looker, **mappings):
    memory = Memory(same_instance=False)
    for kind, ids in {"user": {"u": looker.owner}, "dashboard": {"d": looker.dashboard}, **mappings}.items():
        memory.mappings |= {(kind, source_id): MappedId(to) for source_id, to in ids.items()}
    return memory


def foreign(looker, **changes):
    """A vault row of another instance's plan; its number is somebody else's here."""
    plan_id = make_plan(looker)
    made = backup(looker, plan_id, **{"user_id": "u", "dashboard_id": "d", **changes})
    looker.call("PATCH", f"/scheduled_plans/{plan_id}", {"name": "Stranger", "crontab": "1 1 * * *"})
    return made


def test_elsewhere_a_number_is_nobody_and_references_are_translated():
    looker = started()
    made = foreign(looker)
    memory = elsewhere(looker)
    (result,) = restore(looker, [made], memory)
    assert (result.operation, writes(looker)) == (Operation.CREATED, [CREATE])
    assert {p["name"] for p in plans(looker)} == {"Stranger", "Daily"}
    assert f"GET /scheduled_plans/{made[0]}" not in requests(looker)
    for again in (memory, elsewhere(looker)):
        (found,) = restore(looker, [made], again)
        assert (found.operation, found.destination_id) == (Operation.UNCHANGED, result.destination_id)
        assert writes(looker) == []


def test_elsewhere_a_number_that_is_in_the_backup_too_means_nothing():
    looker = started()
    made = foreign(looker)
    equal = make_plan(looker)
    other = equal, made[1]
    results = restore(looker, [made, other], elsewhere(looker))
    assert [r.operation for r in results] == [Operation.UNCHANGED, Operation.CREATED]
    assert results[0].destination_id == equal


def test_elsewhere_all_that_is_not_mapped_is_named_at_once():
    looker = started()
    made = foreign(looker, dashboard_id=..., query_id="q")
    (result,) = restore(looker, [made], Memory(same_instance=False))
    assert (result.error.kind, result.error.blockers) == ("dependency", ("user u", "query q"))
    assert "definition is not in the backup" in result.error.message
    assert looker.requests == []


def test_elsewhere_a_query_is_made_from_its_definition_once():
    looker = started()
    made = foreign(looker, dashboard_id=..., query_id="q")
    definition = {
        "model": "thelook",
        "view": "orders",
        "fields": ["orders.rare"],
        "client_id": "x",
        "id": "q",
    }
    memory = elsewhere(looker)
    memory.queries["q"] = definition
    (result,) = restore(looker, [made], memory)
    assert (result.operation, writes(looker)) == (Operation.CREATED, ["POST /queries", CREATE])
    assert memory.mapped("query", "q").destination_id == plans(looker)[-1]["query_id"]
    (again,) = restore(looker, [made], memory)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])
    lost = elsewhere(looker)
    lost.queries["q"] = definition
    (again,) = restore(looker, [made], lost)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, result.destination_id)
    assert writes(looker) == ["POST /queries"]


def test_elsewhere_an_owner_that_is_gone_comes_before_the_query():
    looker = started()
    made = foreign(looker, dashboard_id=..., query_id="q")
    memory = elsewhere(looker, user={"u": "999"})
    memory.queries["q"] = {"model": "thelook", "view": "orders"}
    (result,) = restore(looker, [made], memory)
    assert (result.error.blockers, writes(looker)) == (("user 999",), [])


def test_a_query_that_is_broken_in_the_backup_is_invalid():
    looker = started()
    made = foreign(looker, dashboard_id=..., query_id="q")
    memory = elsewhere(looker)
    memory.queries["q"] = {"model": 7, "view": "orders"}
    (result,) = restore(looker, [made], memory)
    assert (result.error.kind, writes(looker)) == ("validation", [])


def test_elsewhere_tabs_that_are_not_mapped_are_left_out_and_named():
    looker = started()
    tab = looker.call("GET", f"/dashboards/{looker.dashboard}/dashboard_layouts")[0]["id"]
    made = foreign(looker, tab_ids=["t", "s"])
    memory = elsewhere(looker, dashboard_layout={"t": tab})
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert (result.error.blockers, warned(result)) == (("dashboard_layout s",), {"disabled": 1})
    assert looker.call("GET", f"/scheduled_plans/{result.destination_id}")["tab_ids"] is None
    for again in (memory, elsewhere(looker, dashboard_layout={"t": tab})):
        (found,) = restore(looker, [made], again)
        assert (found.operation, found.done, writes(looker)) == (Operation.PARTIAL, Operation.UNCHANGED, [])


# --- telling plans apart


def test_a_stranger_with_the_same_id_is_a_conflict():
    looker = started()
    plan_id = make_plan(looker)
    live = looker.call("GET", f"/scheduled_plans/{plan_id}")["created_at"]
    other = datetime.fromisoformat(live).astimezone(UTC) - timedelta(days=2)
    (result,) = restore(looker, [backup(looker, plan_id, name="Other", created_at=other)])
    assert (result.operation, writes(looker)) == (Operation.CONFLICT, [])


@pytest.mark.parametrize(
    "changes",
    [{"crontab": "1 1 * * *"}, {"scheduled_plan_destination": [SFTP]}, {"filters_string": "?Region=APAC"}],
)
def test_a_namesake_with_other_settings_is_a_conflict_that_names_all(changes):
    looker = started()
    made = row(looker)
    rivals = [make_plan(looker, **changes), make_plan(looker, **changes)]
    before = plans(looker)
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.CONFLICT, [])
    assert all(f"scheduled_plan {rival}" in result.reason for rival in rivals)
    assert plans(looker) == before


def test_an_equal_one_among_namesakes_is_adopted():
    looker = started()
    made = row(looker)
    make_plan(looker, crontab="1 1 * * *")
    equal = make_plan(looker, enabled=False)
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.destination_id, writes(looker)) == (Operation.UNCHANGED, equal, [])
    assert memory.mapped("scheduled_plan", made[0]).destination_id == equal


def test_other_owners_names_and_one_time_plans_are_no_rivals():
    looker = started()
    made = row(looker)
    bob = looker.add_user("Bob", "C", "bob@example.com")
    make_plan(looker, user_id=bob)
    make_plan(looker, name="Daily 2")
    make_plan(looker, dashboard_id=make_dashboard(looker, "Other"))
    once = make_plan(looker)
    looker.instance.store.plans[once]["run_once"] = True
    (result,) = restore(looker, [made])
    assert (result.operation, writes(looker)) == (Operation.CREATED, [CREATE])


def test_two_equal_plans_of_the_backup_are_not_made_one():
    looker = started()
    ids = [make_plan(looker), make_plan(looker)]
    rows = [backup(looker, one) for one in ids]
    drop(looker, ids[0])
    memory = Memory()
    results = restore(looker, rows, memory)
    assert [r.operation for r in results] == [Operation.CREATED, Operation.UNCHANGED]
    assert results[1].destination_id == ids[1]
    for again in (memory, Memory()):
        results = restore(looker, rows, again)
        assert ([r.operation for r in results], writes(looker)) == ([Operation.UNCHANGED] * 2, [])
    assert len(plans(looker)) == 2


def test_plans_of_one_name_that_are_gone_are_all_made_and_told_apart():
    looker = started()
    ids = [make_plan(looker), make_plan(looker, crontab="1 1 * * *"), make_plan(looker)]
    rows = [backup(looker, one) for one in ids]
    for one in ids:
        drop(looker, one)
    memory = Memory()
    results = restore(looker, rows, memory)
    assert [r.operation for r in results] == [Operation.CREATED] * 3
    assert len(plans(looker)) == 3
    for again in (memory, Memory()):
        results = restore(looker, rows, again)
        assert ([r.operation for r in results], writes(looker)) == ([Operation.UNCHANGED] * 3, [])


def test_a_plan_of_a_row_that_the_backup_has_no_more_is_free():
    looker = started()
    made = row(looker)
    equal = make_plan(looker)
    memory = Memory()
    memory.mappings["scheduled_plan", "888"] = MappedId(equal)
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.destination_id) == (Operation.UNCHANGED, equal)


def test_several_equal_plans_of_which_nobody_knows_which_are_left_alone():
    looker = started()
    made = row(looker)
    twins = [make_plan(looker), make_plan(looker)]
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert (result.operation, result.destination_id, writes(looker)) == (Operation.UNCHANGED, None, [])
    assert all(f"scheduled_plan {twin}" in result.reason for twin in twins)
    assert memory.mappings == {}


def test_plans_of_one_name_on_a_dashboard_that_was_made_in_this_run_are_all_made():
    looker = started()
    ids = [make_plan(looker), make_plan(looker, crontab="1 1 * * *"), make_plan(looker)]
    rows = [backup(looker, one) for one in ids]
    old = looker.dashboard
    destroy(looker, old)
    looker.dashboard = make_dashboard(looker)
    memory = Memory()
    memory.mappings["dashboard", old] = MappedId(looker.dashboard)
    memory.made.add(("dashboard", old))
    results = restore(looker, rows, memory)
    assert [r.operation for r in results] == [Operation.CREATED] * 3
    assert not any(path.startswith("GET /scheduled_plans/dashboard") for path in requests(looker))
    assert sorted(p["crontab"] for p in plans(looker)) == ["0 6 * * *", "0 6 * * *", "1 1 * * *"]
    later = Memory()
    later.mappings["dashboard", old] = MappedId(looker.dashboard)
    for again in (memory, later):
        results = restore(looker, rows, again)
        assert ([r.operation for r in results], writes(looker)) == ([Operation.UNCHANGED] * 3, [])


def test_what_is_not_yet_seen_after_it_was_made_is_not_made_again():
    looker = started()
    made = row(looker)
    memory = Memory()
    memory.made.add(("dashboard", looker.dashboard))
    looker.switches["not_found_just_after_create"] = "once"
    (result,) = restore(looker, [made], memory)
    (again,) = restore(looker, [made], memory)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, result.destination_id)
    assert warned(again) == {}


# --- unknown outcomes


@pytest.mark.parametrize("fault", ["create_then_drop_connection", "drop_before", "late_commit", "truncate"])
@pytest.mark.parametrize("content", ["dashboard_id", "query_id"])
@pytest.mark.parametrize("normalises", ["nothing", "text_and_colours"])
def test_a_lost_reply_does_not_create_twice(fault, content, normalises):
    looker = started()
    shown = {"dashboard_id": looker.dashboard, "query_id": looker.query}
    made = row(looker, name="Daily ", **{**dict.fromkeys(shown), content: shown[content]})
    looker.switches["normalises"] = normalises
    given = (5.0,) if fault == "late_commit" else ()
    getattr(looker.on("POST", "/scheduled_plans"), fault)(*given, times=1)
    (result,) = restore(looker, [made], grace_s=10.0)
    looker.advance(60)
    assert result.operation is Operation.CREATED
    assert [p["id"] for p in plans(looker)] == [result.destination_id]


def test_a_lost_reply_does_not_take_another_plan_of_the_name():
    looker = started()
    ids = [make_plan(looker), make_plan(looker)]
    rows = [backup(looker, one) for one in ids]
    drop(looker, ids[0])
    looker.call("PATCH", f"/scheduled_plans/{ids[1]}", {"enabled": False})  # as the one that is lost
    looker.on("POST", "/scheduled_plans").drop_before(times=1)
    (result, _) = restore(looker, rows, grace_s=1.0)
    assert result.destination_id not in ids
    assert len(plans(looker)) == 2


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
def test_what_an_interrupted_run_made_is_taken_up(landed, fresh):
    looker = started()
    made = row(looker)
    sent_at = datetime.fromtimestamp(looker.instance.now(), UTC)
    memory = Memory()
    if fresh:
        memory.made.add(("dashboard", looker.dashboard))
        make_plan(looker, crontab="1 1 * * *")  # another row's, as young
    if landed:
        ours = make_plan(looker, enabled=False)
    (result,) = restore(looker, [made], memory, uncertain_since=sent_at)
    assert result.operation is (Operation.UNCHANGED if landed else Operation.CREATED)
    assert warned(result) == {"disabled": 1}
    if landed:
        assert (result.destination_id, writes(looker)) == (ours, [])
    assert sum(p["crontab"] == "0 6 * * *" for p in plans(looker)) == 1


def test_what_an_interrupted_run_made_is_known_although_the_server_tidied_it_up():
    looker = started()
    made = row(looker, name="Daily ")
    looker.switches["normalises"] = "text_and_colours"
    sent_at = datetime.fromtimestamp(looker.instance.now(), UTC)
    ours = make_plan(looker, name="Daily ", enabled=False)
    (result,) = restore(looker, [made], uncertain_since=sent_at)
    assert result.destination_id == ours
    assert len(plans(looker)) == 1


def test_what_an_interrupted_run_made_is_known_although_the_server_filled_it_up():
    looker = started()
    made = row(looker, timezone=None)
    sent_at = datetime.fromtimestamp(looker.instance.now(), UTC)
    ours = make_plan(looker, timezone="Europe/Paris", enabled=False)
    (result,) = restore(looker, [made], uncertain_since=sent_at)
    assert (result.operation, result.destination_id) == (Operation.UPDATED, ours)
    assert len(plans(looker)) == 1


def test_after_a_lost_reply_a_plan_that_another_row_made_meanwhile_is_not_ours():
    looker = started()
    made = row(looker)
    vault = msgspec.msgpack.decode(made[1], type=VaultPlan)
    memory = Memory()
    memory.made.add(("dashboard", looker.dashboard))

    def play(steps, until=None):
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as stop:
                return stop.value
            if until and isinstance(call, until):
                return call
            reply = None
            reads.extend([call] if isinstance(call, Get) else [])
            if isinstance(call, Exists):
                reply = ()
            elif isinstance(call, Get) and looker.handle("GET", call.path)[0] == 200:
                reply = looker.call("GET", call.path, params=call.params)

    reads = []
    create = play(restore_plan(Case(vault, memory)), until=Create)
    reads.clear()
    make_plan(looker, scheduled_plan_destination=[SFTP], enabled=False)
    assert play(create.find_again()) is None
    ours = make_plan(looker, enabled=False)
    assert play(create.find_again())["id"] == ours
    assert [read.fresh for read in reads] == [True, True]


def test_a_namesake_of_the_moment_with_other_settings_is_not_ours():
    looker = started()
    made = row(looker)
    sent_at = datetime.fromtimestamp(looker.instance.now(), UTC)
    make_plan(looker, scheduled_plan_destination=[SFTP])
    before = plans(looker)
    (result,) = restore(looker, [made], uncertain_since=sent_at)
    assert (result.operation, writes(looker), plans(looker)) == (Operation.CONFLICT, [], before)


def test_what_the_server_does_not_keep_is_said_and_not_sent_again():
    looker = started()
    made = row(looker, name="Daily ")
    looker.switches["normalises"] = "text_and_colours"
    memory = Memory()
    (result,) = restore(looker, [made], memory)
    assert warned(result) == {"not_kept": 1, "disabled": 1}
    (again,) = restore(looker, [made], memory)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])
    looker.call("PATCH", f"/scheduled_plans/{result.destination_id}", {"enabled": True})
    (again,) = restore(looker, [made], memory)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])
    (lost,) = restore(looker, [made], Memory())
    assert (lost.operation, len(plans(looker))) == (Operation.CONFLICT, 1)


# --- a whole backup

FLIPPED = [(name, value) for name, switch in SWITCHES.items() for value in switch.allowed[1:]]


@pytest.mark.parametrize(("name", "value"), [("", ""), *FLIPPED])
def test_a_genuine_backup_with_every_belief_turned_round(genuine_vault, name, value):
    looker = Looker()
    from_vault(looker, genuine_vault)
    with open_vault(genuine_vault) as vault:
        rows = [(r.source_id, r.blob) for r in vault.rows(ContentType.SCHEDULED_PLAN)]
    damage(looker, drop=0.5, change=0.5, seed=2, types=["scheduled_plan"])
    if name:
        looker.switches[name] = value
    memory = Memory()
    results = restore(looker, rows, memory)
    once = {r.source_id for r in results if r.operation is Operation.SKIPPED}
    assert once == {source_id for source_id, blob in rows if decode_blob(blob)["run_once"]}
    failed = {r.source_id for r in results if r.error}
    gone = {r.source_id for r in results if r.operation is Operation.CREATED}
    assert bool(failed) == (name == "user_id")
    live_plans = {live["id"]: live for live in plans(looker)}
    for result, (_, blob) in zip(results, rows, strict=True):
        if result.operation in {Operation.CREATED, Operation.UPDATED, Operation.UNCHANGED}:
            live = live_plans[result.destination_id]
            assert settings(live) == settings(decode_blob(blob)) or warned(result)["not_kept"]
            assert not (result.source_id in gone and live["enabled"])
    for again in (memory, Memory()):
        results = [r for r in restore(looker, rows, again) if r.source_id not in failed | once]
        assert {r.operation for r in results} == {Operation.UNCHANGED}
        if not failed:
            assert writes(looker) == []
