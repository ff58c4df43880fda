"""Alerts: watches on tiles. They are kept and checked, never carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, need, refer, the
from lvrestore.sandbox.api.search import page
from lvrestore.sandbox.api.views import View
from lvrestore.sandbox.refusals import forbidden, invalid, not_found

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

REQUIRED = ("field", "destinations", "comparison_type", "cron")


def _owner_name(instance: Instance, alert: Row, _wanted: Row) -> str | None:
    return instance.store.users.get(alert.get("owner_id") or "", {}).get("display_name")


ALERT = View("Alert", {"owner_display_name": _owner_name})


def _is_admin(instance: Instance) -> bool:
    """Tell whether the caller has a role with every permission."""
    roles = instance.store.access.roles_of(instance.caller_id, inherited=True)
    sets = (instance.store.roles[role].get("permission_set_id") for role in roles)
    return any(instance.store.permission_sets.get(one or "", {}).get("all_access") for one in sets)


def _is_of_trash(instance: Instance, alert: Row) -> bool:
    """Tell whether the tile that an alert watches lies in the trash with its dashboard."""
    tile = instance.store.tiles.get(alert.get("dashboard_element_id") or "")
    return tile is not None and bool(instance.store.dashboard_of(tile).row.get("deleted"))


def _check(instance: Instance, row: Row) -> None:
    need(row, *REQUIRED)
    if row.get("threshold") is None:
        raise invalid("threshold", "threshold can't be blank", "missing_field")
    refer(row, "owner_id", instance.store.users)
    refer(row, "dashboard_element_id", instance.store.tiles)


def create_alert(call: Call) -> Row:
    """Make an alert; it belongs to the caller unless the body says otherwise."""
    body = {"owner_id": call.instance.caller_id, **call.body}
    _check(call.instance, body)
    row = {"id": call.instance.store.new_id("alert"), **body}
    call.instance.store.put_alert(row)
    return call.show(ALERT, row)


def _editable(call: Call) -> Row:
    row = the(call.instance.store.alerts, call.ids[0])
    if _is_of_trash(call.instance, row) and call.instance.on("trashed_alert_patch", "404"):
        raise not_found()
    return row


def replace_alert(call: Call) -> Row:
    """Replace all that is written of an alert."""
    row, body = _editable(call), call.body
    need(body, "owner_id")
    _check(call.instance, body)
    row.clear()
    row.update(body, id=call.ids[0])
    call.instance.store.put_alert(row)
    return call.show(ALERT, row)


def update_alert(call: Call) -> Row:
    """Change the few fields of an alert that can be changed alone."""
    row = _editable(call)
    refer(call.body, "owner_id", call.instance.store.users)
    row.update(call.body)
    return call.show(ALERT, row)


def delete_alert(call: Call) -> None:
    """Delete an alert for good."""
    call.instance.store.take_alert(the(call.instance.store.alerts, call.ids[0]))


def get_alert(call: Call) -> Row:
    """Show an alert."""
    return call.show(ALERT, the(call.instance.store.alerts, call.ids[0]))


def search_alerts(call: Call) -> list[Row]:
    """Find the caller's alerts; those of everybody are for administrators."""
    instance, everybody = call.instance, call.params.get("all_owners") == "true"
    if everybody and not _is_admin(instance):
        raise forbidden()
    unlisted = instance.on("trashed_alerts", "unlisted")
    found = [
        row
        for row in instance.store.alerts.values()
        if (everybody or row.get("owner_id") == instance.caller_id)
        and not (unlisted and _is_of_trash(instance, row))
        and call.params.get("disabled") in {None, str(bool(row.get("is_disabled"))).lower()}
    ]
    return [call.show(ALERT, row) for row in page(found, call.params)]


ROUTES = {
    "POST /alerts": create_alert,
    "GET /alerts/search": search_alerts,
    "GET /alerts/{alert_id}": get_alert,
    "PUT /alerts/{alert_id}": replace_alert,
    "PATCH /alerts/{alert_id}": update_alert,
    "DELETE /alerts/{alert_id}": delete_alert,
}
