"""Dashboards themselves: create, change, trash, destroy, find. Their parts are in `parts.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, accepted, merged, need, not_blank, refer, the
from lvrestore.sandbox.api.destroy import destroy_dashboard
from lvrestore.sandbox.api.parts import new_layout
from lvrestore.sandbox.api.search import listing, long_listing
from lvrestore.sandbox.api.trash import stays_put, trashed
from lvrestore.sandbox.api.views import DASHBOARD, DASHBOARD_BASE, DASHBOARD_FOUND, FILTER, LAYOUT, TILE
from lvrestore.sandbox.refusals import conflict, not_found, not_modifiable, taken
from lvrestore.sandbox.store import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

DEFAULTS = {"preferred_viewer": "dashboards-next", "load_configuration": "prefetch_cache_run"}


def _check_title(instance: Instance, row: Row) -> None:
    for other_id in instance.store.dashboard_shelf.titled(row.get("folder_id"), row.get("title")):
        other = instance.store.dashboards[other_id].row
        counts = not other.get("deleted") or instance.on("trashed_title_blocks", "yes")
        if counts and other_id != row.get("id"):
            raise taken("[:title, :space_id]", "Dashboard with this title already exists.")


def _check_slug(instance: Instance, slug: str, own_id: str | None) -> None:
    for other_id in instance.store.slugs.get(slug.casefold(), ()):
        if other_id != own_id and instance.store.dashboards[other_id].row["slug"] == slug:
            raise conflict()


def create_dashboard(call: Call) -> Row:
    """Make a dashboard with one active layout."""
    instance, store = call.instance, call.instance.store
    body = accepted(instance, call.body)
    need(body, "title", "folder_id")
    refer(body, "folder_id", store.folders)
    _check_title(instance, body)
    if body.get("slug"):
        _check_slug(instance, body["slug"], None)
    dashboard = Dashboard(_new_row(instance, body))
    store.index_dashboard(dashboard)
    store.add_layout(dashboard, new_layout(instance, dashboard, {"type": "newspaper", "active": True}))
    instance.born("dashboard", dashboard.row["id"])
    return call.show(DASHBOARD, dashboard)


def _new_row(instance: Instance, body: Row) -> Row:
    dashboard_id, now = instance.store.new_id("dashboard"), instance.now()
    row: Row = {
        "id": dashboard_id,
        **(DEFAULTS if instance.on("new_dashboard", "defaults") else {}),
        "created_at": now,
        "updated_at": now,
        "last_updater_id": instance.caller_id,
        **body,
        "user_id": body.get("user_id") or instance.caller_id,
        "slug": body.get("slug") or instance.new_slug("dashboard", dashboard_id),
    }
    return {**row, **trashed(instance, row, body)}


def _editable(call: Call) -> Dashboard:
    if "::" in call.ids[0]:
        raise not_modifiable()
    return the(call.instance.store.dashboards, call.ids[0])


def _readable(call: Call) -> Dashboard:
    call.instance.see("dashboard", call.ids[0])
    dashboard = the(call.instance.store.dashboards, call.ids[0])
    if dashboard.row.get("deleted") and call.instance.on("get_trashed", "404"):
        raise not_found()
    return dashboard


def update_dashboard(call: Call) -> Row:
    """Change a dashboard's own fields; `deleted` moves it into the trash and back."""
    instance, dashboard = call.instance, _editable(call)
    changes = merged(instance, dashboard.row, accepted(instance, call.body))
    change_dashboard(instance, dashboard, changes)
    return call.show(DASHBOARD, dashboard)


def change_dashboard(instance: Instance, dashboard: Dashboard, changes: Row) -> None:
    """Apply changes that leave a living dashboard with a folder and a title of its own."""
    not_blank(changes, "title", "folder_id")
    row = dashboard.row
    undeleted = row.get("deleted") and changes.get("deleted") is False
    changes = stays_put(instance, row, changes)
    after = {**row, **changes}
    if undeleted or "folder_id" in changes:
        refer(after, "folder_id", instance.store.folders)
    if not after.get("deleted") and (undeleted or _place(after) != _place(row)):
        _check_title(instance, after)
    if "slug" in changes:
        changes = {**changes, "slug": changes["slug"] or instance.new_slug("dashboard", row["id"])}
        _check_slug(instance, changes["slug"], row["id"])
    instance.store.change_dashboard(dashboard, {**changes, **trashed(instance, row, changes)})
    instance.sign(row)
    instance.revoke(row, changes)


def _place(row: Row) -> tuple[str | None, str | None]:
    return row.get("folder_id"), row.get("title")


def move_dashboard(call: Call) -> Row:
    """Put a dashboard into another folder."""
    need(call.params, "folder_id")
    dashboard = _editable(call)
    change_dashboard(call.instance, dashboard, {"folder_id": call.params["folder_id"]})
    return call.show(DASHBOARD, dashboard)


def delete_dashboard(call: Call) -> None:
    """Destroy a dashboard for good, its plans too."""
    destroy_dashboard(call.instance, _editable(call))


def get_dashboard(call: Call) -> Row:
    """Show a dashboard with its parts."""
    return call.show(DASHBOARD, _readable(call))


def all_dashboards(call: Call) -> list[Row]:
    """List the dashboards that are not in the trash, without their parts."""
    living = [d for d in call.instance.store.dashboards.values() if not d.row.get("deleted")]
    return [call.show(DASHBOARD_BASE, d) for d in listing(call.instance, living, call.params, DASHBOARD_BASE)]


def search_dashboards(call: Call) -> list[Row]:
    """Find dashboards, alive ones unless `deleted=true` asks for the trash."""
    in_trash = call.params.get("deleted") == "true"
    candidates = (d for d in _candidates(call) if bool(d.row.get("deleted")) == in_trash)
    if call.params.get("not_owned_by") == "true" and "user_id" in call.params:
        owner = call.params["not_owned_by"] = call.params.pop("user_id")
        candidates = (d for d in candidates if d.row.get("user_id") != owner)
    view = DASHBOARD if call.instance.on("search_has_elements", "yes") else DASHBOARD_FOUND
    return [
        call.show(view, dashboard)
        for dashboard in long_listing(call.instance, candidates, call.params, DASHBOARD)
    ]


def _candidates(call: Call) -> Iterable[Dashboard]:
    """Narrow a search by an index, where a parameter can mean one value only."""
    store, params = call.instance.store, call.params
    plain = {n: v for n, v in params.items() if v and not set(v) & set("%_, ")}
    if params.get("filter_or") == "true":
        return store.dashboards.values()
    if "id" in plain:
        ids = [plain["id"]]
    elif "slug" in plain:
        ids = store.slugs.get(plain["slug"].casefold(), [])
    elif "folder_id" in plain:
        ids = store.dashboard_shelf.ids(plain["folder_id"])
    else:
        return store.dashboards.values()
    return [store.dashboards[i] for i in ids if i in store.dashboards]


def dashboard_elements(call: Call) -> list[Row]:
    """List a dashboard's tiles."""
    return [call.show(TILE, tile) for tile in _readable(call).tiles]


def dashboard_filters(call: Call) -> list[Row]:
    """List a dashboard's filters."""
    return [call.show(FILTER, row) for row in _readable(call).filters]


def dashboard_layouts(call: Call) -> list[Row]:
    """List a dashboard's layouts with their components."""
    return [call.show(LAYOUT, layout) for layout in _readable(call).layouts]


ROUTES = {
    "GET /dashboards": all_dashboards,
    "POST /dashboards": create_dashboard,
    "GET /dashboards/search": search_dashboards,
    "GET /dashboards/{dashboard_id}": get_dashboard,
    "PATCH /dashboards/{dashboard_id}": update_dashboard,
    "DELETE /dashboards/{dashboard_id}": delete_dashboard,
    "PATCH /dashboards/{dashboard_id}/move": move_dashboard,
    "GET /dashboards/{dashboard_id}/dashboard_elements": dashboard_elements,
    "GET /dashboards/{dashboard_id}/dashboard_filters": dashboard_filters,
    "GET /dashboards/{dashboard_id}/dashboard_layouts": dashboard_layouts,
}
