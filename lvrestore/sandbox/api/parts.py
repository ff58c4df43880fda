"""Filters, layouts and components of dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, accepted, merged, need, not_blank, refer, stays, the
from lvrestore.sandbox.api.destroy import forget_alerts
from lvrestore.sandbox.api.views import COMPONENT, FILTER, LAYOUT
from lvrestore.sandbox.refusals import invalid, missing, taken
from lvrestore.sandbox.store import Layout

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Dashboard, Row

TILE_WIDTH = 8
TILE_HEIGHTS = {"text": 2}
TILE_HEIGHT = 6


def _dashboard_for(call: Call) -> Dashboard:
    need(call.body, "dashboard_id")
    refer(call.body, "dashboard_id", call.instance.store.dashboards)
    return call.instance.store.dashboards[call.body["dashboard_id"]]


# Filters


def _check_filter(instance: Instance, dashboard: Dashboard, row: Row) -> None:
    others = [other for other in dashboard.filters if other["id"] != row.get("id")]
    if any(other.get("title") == row.get("title") for other in others):
        raise taken("title", "Filter with this title already exists.")
    names = {other.get("name") for other in others}
    if row.get("name") in names and instance.on("filter_name", "unique"):
        raise taken("name", "Filter with this name already exists.")
    if instance.on("listens_to_filters", "must_exist") and set(row.get("listens_to_filters") or []) - names:
        raise missing("listens_to_filters")


def create_filter(call: Call) -> Row:
    """Make a filter."""
    instance, dashboard = call.instance, _dashboard_for(call)
    body = accepted(instance, call.body)
    need(body, "name", "title", "type")
    _check_filter(instance, dashboard, body)
    row = {"id": instance.store.new_id("filter"), "row": len(dashboard.filters), **body}
    instance.store.add_filter(dashboard, row)
    instance.touch(dashboard)
    instance.born("filter", row["id"])
    return call.show(FILTER, row)


def update_filter(call: Call) -> Row:
    """Change a filter."""
    instance, row = call.instance, the(call.instance.store.filters, call.ids[0])
    dashboard = instance.store.dashboard_of(row)
    body = accepted(instance, call.body)
    not_blank(body, "name", "title", "type")
    _check_filter(instance, dashboard, {**row, **body})
    row.update(merged(instance, row, body))
    instance.touch(dashboard)
    return call.show(FILTER, row)


def get_filter(call: Call) -> Row:
    """Show a filter."""
    call.instance.see("filter", call.ids[0])
    return call.show(FILTER, the(call.instance.store.filters, call.ids[0]))


def delete_filter(call: Call) -> None:
    """Remove a filter."""
    row = the(call.instance.store.filters, call.ids[0])
    call.instance.store.remove_filter(row)
    call.instance.touch(call.instance.store.dashboard_of(row))


# Layouts


def new_layout(instance: Instance, dashboard: Dashboard, body: Row) -> Layout:
    """Return a layout that is not in the dashboard yet."""
    return Layout({"id": instance.store.new_id("layout"), "dashboard_id": dashboard.row["id"], **body})


def _activate(instance: Instance, dashboard: Dashboard, chosen: Layout) -> None:
    if instance.on("active_layout", "post_deactivates_others"):
        for layout in dashboard.layouts:
            layout.row["active"] = layout is chosen


def create_layout(call: Call) -> Row:
    """Make a layout with a component for every tile."""
    instance, dashboard = call.instance, _dashboard_for(call)
    layout = new_layout(instance, dashboard, accepted(instance, call.body))
    instance.store.add_layout(dashboard, layout)
    if layout.row.get("active"):
        _activate(instance, dashboard, layout)
    for tile in dashboard.tiles:
        _add_component(instance, layout, tile)
    instance.touch(dashboard)
    instance.born("layout", layout.row["id"])
    return call.show(LAYOUT, layout)


def update_layout(call: Call) -> Row:
    """Change a layout; an active one may deactivate the others."""
    instance, layout = call.instance, the(call.instance.store.layouts, call.ids[0])
    stays(layout.row, call.body)
    layout.row.update(accepted(instance, call.body))
    dashboard = instance.store.dashboard_of(layout.row)
    if call.body.get("active"):
        _activate(instance, dashboard, layout)
    instance.touch(dashboard)
    return call.show(LAYOUT, layout)


def get_layout(call: Call) -> Row:
    """Show a layout with its components."""
    call.instance.see("layout", call.ids[0])
    return call.show(LAYOUT, the(call.instance.store.layouts, call.ids[0]))


def delete_layout(call: Call) -> None:
    """Remove a layout, not the last one and perhaps not an active one; by the switch its tiles go with it."""
    instance, layout = call.instance, the(call.instance.store.layouts, call.ids[0])
    dashboard = instance.store.dashboard_of(layout.row)
    protected = layout.row.get("active") and instance.on("active_layout_delete", "refused")
    if protected or len(dashboard.layouts) == 1:
        raise invalid("active", "an active layout cannot be deleted")
    instance.store.remove_layout(layout)
    for tile in list(dashboard.tiles) if instance.on("tiles_of_layout", "go") else ():
        if tile.get("dashboard_layout_id") == layout.row["id"]:
            forget_alerts(instance, tile)
            instance.store.remove_tile(tile)
    if not any(other.row.get("active") for other in dashboard.layouts):
        dashboard.layouts[0].row["active"] = True
    instance.touch(dashboard)


# Components


def _add_component(instance: Instance, layout: Layout, tile: Row) -> None:
    bottom = max(((c.get("row") or 0) + (c.get("height") or 0) for c in layout.components), default=0)
    component = {
        "id": instance.store.new_id("component"),
        "dashboard_layout_id": layout.row["id"],
        "dashboard_element_id": tile["id"],
        "row": bottom,
        "column": 0,
        "width": TILE_WIDTH,
        "height": TILE_HEIGHTS.get(tile.get("type") or "", TILE_HEIGHT),
    }
    instance.store.add_component(layout, component)


def place(instance: Instance, dashboard: Dashboard, tile: Row) -> None:
    """Give a new tile its components, below everything else."""
    layouts = dashboard.layouts
    if instance.on("component_placement", "named_or_active"):
        named = [layout for layout in layouts if layout.row["id"] == tile.get("dashboard_layout_id")]
        layouts = named or [layout for layout in layouts if layout.row.get("active")][:1]
    for layout in layouts:
        _add_component(instance, layout, tile)


def layout_components(call: Call) -> list[Row]:
    """List a layout's components."""
    call.instance.see("layout", call.ids[0])
    layout = the(call.instance.store.layouts, call.ids[0])
    return [call.show(COMPONENT, component) for component in layout.components]


def get_component(call: Call) -> Row:
    """Show a component."""
    return call.show(COMPONENT, the(call.instance.store.components, call.ids[0]))


def update_component(call: Call) -> Row:
    """Move or resize a component, perhaps to another layout of the dashboard."""
    instance, body = call.instance, call.body
    component = the(instance.store.components, call.ids[0])
    layout = instance.store.layouts[component["dashboard_layout_id"]]
    dashboard = instance.store.dashboard_of(layout.row)
    if "dashboard_element_id" in body:
        refer(body, "dashboard_element_id", [tile["id"] for tile in dashboard.tiles])
        need(body, "dashboard_element_id")
    if "dashboard_layout_id" in body:
        _move_component(instance, dashboard, component, body)
    component.update(body)
    instance.touch(dashboard)
    return call.show(COMPONENT, component)


def _move_component(instance: Instance, dashboard: Dashboard, component: Row, body: Row) -> None:
    need(body, "dashboard_layout_id")
    refer(body, "dashboard_layout_id", [layout.row["id"] for layout in dashboard.layouts])
    instance.store.remove_component(component)
    instance.store.add_component(instance.store.layouts[body["dashboard_layout_id"]], component)


ROUTES = {
    "POST /dashboard_filters": create_filter,
    "GET /dashboard_filters/{dashboard_filter_id}": get_filter,
    "PATCH /dashboard_filters/{dashboard_filter_id}": update_filter,
    "DELETE /dashboard_filters/{dashboard_filter_id}": delete_filter,
    "POST /dashboard_layouts": create_layout,
    "GET /dashboard_layouts/{dashboard_layout_id}": get_layout,
    "PATCH /dashboard_layouts/{dashboard_layout_id}": update_layout,
    "DELETE /dashboard_layouts/{dashboard_layout_id}": delete_layout,
    "GET /dashboard_layouts/{dashboard_layout_id}/dashboard_layout_components": layout_components,
    "GET /dashboard_layout_components/{dashboard_layout_component_id}": get_component,
    "PATCH /dashboard_layout_components/{dashboard_layout_component_id}": update_component,
}
