"""Scheduled plans: kept and checked, never carried out; whoever asks for a delivery is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, accepted, refer, refer_query, the
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import TIMES, View
from lvrestore.sandbox.refusals import Fault, Refusal, invalid, missing, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

CONTENTS = ("dashboard_id", "look_id", "lookml_dashboard_id", "query_id")
REQUIRED_BY_LOOKS = ("require_results", "require_no_results", "require_change")
TRIGGERS = ("crontab", "datagroup")
CRON_FIELDS = 5


def _user(instance: Instance, plan: Row, wanted: Row) -> Row | None:
    user = instance.store.users.get(plan.get("user_id") or "")
    return USER_PUBLIC.render(instance, user, wanted) if user else None


def _title(instance: Instance, plan: Row, _wanted: Row) -> str | None:
    store = instance.store
    if plan.get("dashboard_id") in store.dashboards:
        title: str | None = store.dashboards[plan["dashboard_id"]].row.get("title")
        return title
    return store.looks.get(plan.get("look_id") or "", {}).get("title")


def _destinations(instance: Instance, plan: Row, wanted: Row) -> list[Row]:
    rows = plan.get("scheduled_plan_destination") or []
    return [DESTINATION.render(instance, {**row, "scheduled_plan_id": plan["id"]}, wanted) for row in rows]


def _is_recipient(instance: Instance, destination: Row, _wanted: Row) -> bool:
    return (destination.get("address") or "").casefold() in instance.store.emails


USER_PUBLIC = View("UserPublic", {})
DESTINATION = View("ScheduledPlanDestination", {"looker_recipient": _is_recipient})
PLAN = View(
    "ScheduledPlan",
    {**TIMES, "user": _user, "title": _title, "scheduled_plan_destination": _destinations},
)


# Every fault of a plan is named at once.


def _one_of(row: Row, fields: tuple[str, ...], what: str) -> Iterator[Fault]:
    given = [field for field in fields if row.get(field)]
    if not given:
        yield Fault(fields[0], "missing_field", f"{what}: one of {', '.join(fields)} is needed")
    for field in given[1:]:
        yield Fault(field, "invalid", f"{field} and {given[0]} are incompatible")


def _destination_faults(row: Row) -> Iterator[Fault]:
    destinations = row.get("scheduled_plan_destination")
    if not destinations:
        yield Fault("scheduled_plan_destination", "missing_field", "at least one destination is needed")
    for number, destination in enumerate(destinations or ()):
        for field in ("type", "format", "address"):
            # An integration may know by its parameters where to deliver.
            optional = field == "address" and (destination.get("type") or "") not in {"", "email", "webhook"}
            if not destination.get(field) and not optional:
                name = f"scheduled_plan_destination[{number}].{field}"
                yield Fault(name, "missing_field", f"{name} can't be blank")


def _faults(row: Row) -> Iterator[Fault]:
    if not row.get("name"):
        yield Fault("name", "missing_field", "name can't be blank")
    yield from _one_of(row, CONTENTS, "content")
    yield from _one_of(row, TRIGGERS, "trigger")
    yield from _destination_faults(row)
    if row.get("look_id"):
        for field in REQUIRED_BY_LOOKS:
            if row.get(field) is None:
                yield Fault(field, "missing_field", f"{field} is required for a look")
    if row.get("crontab") and len(row["crontab"].split()) != CRON_FIELDS:
        yield Fault("crontab", "invalid", "crontab must have five fields")


def _check(instance: Instance, row: Row, body: Row) -> None:
    """Refuse a plan that lacks something or refers to nothing."""
    if faults := tuple(_faults(row)):
        raise Refusal(422, faults)
    refer(body, "dashboard_id", instance.store.dashboards)
    refer(body, "look_id", instance.store.looks)
    refer_query(instance, body)
    if body.get("tab_ids") and instance.on("tab_ids", "checked"):
        _check_tabs(instance, row)
    if body.get("user_id") and instance.on("disabled_owner", "refused"):
        _check_owner(instance, body["user_id"])


def _check_tabs(instance: Instance, row: Row) -> None:
    dashboard = instance.store.dashboards.get(row.get("dashboard_id") or "")
    layouts = {layout.row["id"] for layout in dashboard.layouts} if dashboard else set()
    if not layouts >= set(row["tab_ids"]):
        raise missing("tab_ids")


def _check_owner(instance: Instance, user_id: str) -> None:
    if instance.store.users[user_id].get("is_disabled"):
        raise invalid("user_id", "the owner is disabled")


def _with_destinations(instance: Instance, body: Row) -> Row:
    """Give destinations in a body ids of their own."""
    if not body.get("scheduled_plan_destination"):
        return body
    rows = [{"id": instance.store.new_id("destination"), **d} for d in body["scheduled_plan_destination"]]
    return {**body, "scheduled_plan_destination": rows}


def _count_run(instance: Instance, row: Row) -> None:
    """Note that something would have been sent."""
    instance.runs.append(str(row.get("id")))


# Calls


def _made(call: Call) -> Row:
    instance, body = call.instance, accepted(call.instance, call.body)
    _check(instance, body, body)
    now = instance.now()
    return {
        "enabled": True,
        "created_at": now,
        "updated_at": now,
        **_with_destinations(instance, body),
        "user_id": body.get("user_id") or instance.caller_id,
    }


def create_plan(call: Call) -> Row:
    """Make a plan, which is enabled unless the body says otherwise."""
    made = _made(call)
    row = {"id": call.instance.store.new_id("plan"), **made}
    call.instance.store.put_plan(row)
    call.instance.born("plan", row["id"])
    if row.get("run_once"):
        _count_run(call.instance, row)
    return call.show(PLAN, row)


def update_plan(call: Call) -> Row:
    """Change a plan; destinations are replaced as a whole."""
    instance = call.instance
    row = the(instance.store.plans, call.ids[0])
    if _is_of_trash(instance, row) and instance.on("trashed_plan_patch", "404"):
        raise not_found()
    body = accepted(instance, call.body)
    changed = {name: value for name, value in body.items() if row.get(name) != value}
    # What a row does not hold is shown with its default, so it is not missing.
    _check(instance, {**PLAN.defaults, **row, **body}, changed)
    row.update(_with_destinations(instance, body), updated_at=instance.now())
    instance.store.put_plan(row)
    if changed.get("run_once"):
        _count_run(instance, row)
    return call.show(PLAN, row)


def delete_plan(call: Call) -> None:
    """Delete a plan for good."""
    call.instance.store.take_plan(the(call.instance.store.plans, call.ids[0]))


def get_plan(call: Call) -> Row:
    """Show a plan."""
    call.instance.see("plan", call.ids[0])
    row = the(call.instance.store.plans, call.ids[0])
    if _is_hidden(call.instance, row):
        raise not_found()
    return call.show(PLAN, row)


def _is_of_trash(instance: Instance, plan: Row) -> bool:
    """Tell whether what a plan sends lies in the trash."""
    dashboard = instance.store.dashboards.get(plan.get("dashboard_id") or "")
    content = dashboard.row if dashboard else instance.store.looks.get(plan.get("look_id") or "", {})
    return bool(content.get("deleted"))


def _is_hidden(instance: Instance, plan: Row) -> bool:
    return instance.on("trashed_plans", "unlisted") and _is_of_trash(instance, plan)


def _visible(call: Call) -> list[Row]:
    """Return the caller's plans, those of another user, or with `all_users` everybody's."""
    plans = [p for p in call.instance.store.plans.values() if not _is_hidden(call.instance, p)]
    owner = call.params.pop("user_id", None) or call.instance.caller_id
    everybody = call.params.pop("all_users", None) == "true"
    return [p for p in plans if everybody or p.get("user_id") == owner]


def all_plans(call: Call) -> list[Row]:
    """List plans."""
    return [call.show(PLAN, row) for row in _visible(call)]


def search_plans(call: Call) -> list[Row]:
    """Find plans."""
    plans = [{**row, **_searched(call.instance, row)} for row in _visible(call)]
    return [call.show(PLAN, row) for row in listing(call.instance, plans, call.params, PLAN)]


def _searched(instance: Instance, row: Row) -> Row:
    """Return what plans can be found by beside their own fields."""
    owner = instance.store.users.get(row.get("user_id") or "", {})
    destinations = row.get("scheduled_plan_destination") or []
    return {
        "user_first_name": owner.get("first_name"),
        "user_last_name": owner.get("last_name"),
        "recipient": [d.get("address") for d in destinations],
        "destination_type": [d.get("type") for d in destinations],
        "delivery_format": [d.get("format") for d in destinations],
    }


def _plans_of(field: str) -> Callable[[Call], list[Row]]:
    def list_plans(call: Call) -> list[Row]:
        return [call.show(PLAN, row) for row in _visible(call) if row.get(field) == call.ids[0]]

    return list_plans


def run_once(call: Call) -> Row:
    """Note that something would have been sent without being kept."""
    row = {"id": None, **_made(call), "run_once": True}
    _count_run(call.instance, row)
    return call.show(PLAN, row)


def run_plan_once(call: Call) -> Row:
    """Note that a plan would have been sent."""
    row = the(call.instance.store.plans, call.ids[0])
    _count_run(call.instance, row)
    return call.show(PLAN, row)


ROUTES = {
    "GET /scheduled_plans": all_plans,
    "POST /scheduled_plans": create_plan,
    "GET /scheduled_plans/search": search_plans,
    "POST /scheduled_plans/run_once": run_once,
    "GET /scheduled_plans/dashboard/{dashboard_id}": _plans_of("dashboard_id"),
    "GET /scheduled_plans/look/{look_id}": _plans_of("look_id"),
    "GET /scheduled_plans/lookml_dashboard/{lookml_dashboard_id}": _plans_of("lookml_dashboard_id"),
    "GET /scheduled_plans/{scheduled_plan_id}": get_plan,
    "PATCH /scheduled_plans/{scheduled_plan_id}": update_plan,
    "DELETE /scheduled_plans/{scheduled_plan_id}": delete_plan,
    "POST /scheduled_plans/{scheduled_plan_id}/run_once": run_plan_once,
}
