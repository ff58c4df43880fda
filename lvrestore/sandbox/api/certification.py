"""Certificates of dashboards and looks, by the call of their own. A body may hold one too: see `accepted`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, merged, need, the
from lvrestore.sandbox.api.views import DASHBOARD, LOOK
from lvrestore.sandbox.instance import CERTIFICATE
from lvrestore.sandbox.refusals import not_modifiable

if TYPE_CHECKING:
    from lvrestore.sandbox.store import Row


def _certify(call: Call, row: Row) -> None:
    need(call.body, "certification_status")
    changes = merged(call.instance, row, {CERTIFICATE: call.body})
    row[CERTIFICATE] = call.instance.certified(changes[CERTIFICATE])


def certify_dashboard(call: Call) -> Row:
    """Certify a dashboard, or revoke that."""
    if "::" in call.ids[0]:
        raise not_modifiable()
    dashboard = the(call.instance.store.dashboards, call.ids[0])
    _certify(call, dashboard.row)
    return call.show(DASHBOARD, dashboard)


def certify_look(call: Call) -> Row:
    """Certify a look, or revoke that."""
    row = the(call.instance.store.looks, call.ids[0])
    _certify(call, row)
    return call.show(LOOK, row)


ROUTES = {
    "PATCH /dashboards/{dashboard_id}/certification": certify_dashboard,
    "PATCH /looks/{look_id}/certification": certify_look,
}
