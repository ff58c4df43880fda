"""Tiles: exactly one source of data each, and a result maker that says what they listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.api.call import Call, accepted, merged, need, refer, refer_query, stays, the
from lvrestore.sandbox.api.destroy import forget_alerts
from lvrestore.sandbox.api.parts import place
from lvrestore.sandbox.api.queries import make_query
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import TILE, result_maker_from_source, source_query_id
from lvrestore.sandbox.refusals import invalid, missing

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Dashboard, Row

SOURCES = ("query_id", "look_id", "merge_result_id")
WITHOUT_SOURCE = frozenset({"text", "button", "extension"})
RESULT_MAKER = ("dynamic_fields", "filterables", "sorts", "total", "vis_config")


def _with_inline_query(instance: Instance, body: Row) -> Row:
    if body.get("query") and not body.get("query_id") and instance.on("inline_query", "honoured"):
        return {**body, "query_id": make_query(instance, body["query"])}
    return body


def _with_copied_source(instance: Instance, body: Row) -> Row:
    """Resolve `result_maker_id` in a body: the source of the tile that the result maker belongs to."""
    maker_id = body.get("result_maker_id")
    if maker_id is None:
        return body
    if any(body.get(source) for source in SOURCES):
        raise invalid(
            "result_maker_id",
            "Must provide only one of look_id, query_id, merge_result_id or result_maker_id.",
        )
    owner = next((t for t in instance.store.tiles.values() if t.get("result_maker_id") == maker_id), None)
    if owner is None:
        raise missing("result_maker_id")
    copied = {source: owner[source] for source in SOURCES if owner.get(source)}
    return {
        **body,
        **copied,
        "result_maker": {**(owner.get("result_maker") or {}), **(body.get("result_maker") or {})},
    }


def _check_references(instance: Instance, dashboard: Dashboard, body: Row) -> None:
    store = instance.store
    refer_query(instance, body)
    refer(body, "look_id", store.looks)
    refer(body, "merge_result_id", store.merges)
    refer(body, "filter_id", [row["id"] for row in dashboard.filters])
    refer(body, "dashboard_layout_id", [layout.row["id"] for layout in dashboard.layouts])


def _check_source(row: Row) -> None:
    given = [source for source in SOURCES if row.get(source)]
    if len(given) > 1:
        raise invalid(given[1], f"Must provide only one of {', '.join(given)}.")
    if not given and row.get("type") not in WITHOUT_SOURCE:
        raise invalid(
            "type", "Must provide either a look_id, query_id, or result_maker_id for a tile with data."
        )


def _filterables(row: Row, given: list[Row] | None) -> list[Row]:
    """Return what the server keeps: one entry for a query, one per source for merged results."""
    blank = {"model": None, "view": None, "name": None}
    entries = [{**blank, **entry, "listen": entry.get("listen") or []} for entry in given or []]
    return entries if row.get("merge_result_id") else entries[:1]


def _kept(row: Row, name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    return _filterables(row, value) if name == "filterables" and value is not None else value


def _differs(value: Any, from_source: Any) -> bool:  # noqa: ANN401 - raw or JSON
    encoded = [v if isinstance(v, msgspec.Raw) else msgspec.json.encode(v) for v in (value, from_source)]
    if bytes(encoded[0]) == bytes(encoded[1]):
        return False
    return bool(msgspec.json.decode(encoded[0]) != msgspec.json.decode(encoded[1]))


def _packed(name: str, value: Any) -> Any:  # noqa: ANN401 - raw or JSON
    """Keep the one large value encoded, like those of queries."""
    is_large = name == "vis_config" and not isinstance(value, msgspec.Raw)
    return msgspec.Raw(msgspec.json.encode(value)) if is_large else value


def has_source(row: Row) -> bool:
    """Tell whether a tile shows data."""
    return any(row.get(source) for source in SOURCES)


def own_result_maker(instance: Instance, row: Row, given: Row) -> Row:
    """Return what is to be kept of a result maker: what its tile's source does not say already."""
    own = {name: _kept(row, name, given[name]) for name in RESULT_MAKER if name in given}
    source = result_maker_from_source(instance, row)
    return {name: _packed(name, value) for name, value in own.items() if _differs(value, source[name])}


def _keep_result_maker(instance: Instance, row: Row, given: Row) -> None:
    """Put a body's result maker into a tile, beside what it has or in its place."""
    if not has_source(row):
        row.update(result_maker=None, result_maker_id=None)
        return
    row["result_maker_id"] = row.get("result_maker_id") or instance.store.new_id("result_maker")
    old = (row.get("result_maker") or {}) if instance.on("patch_nested", "merges") or not given else {}
    row["result_maker"] = own_result_maker(instance, row, {**old, **given})


def _apply_filters(instance: Instance, dashboard: Dashboard, row: Row) -> None:
    """Make a new tile listen to the dashboard's filters on fields of its explore."""
    query_id = source_query_id(instance, row)
    if query_id not in instance.store.queries:
        return
    parts = instance.store.query_parts(query_id)
    listen = [
        {"dashboard_filter_name": f.get("name"), "field": f["dimension"]}
        for f in dashboard.filters
        if f.get("dimension") and (f.get("model"), f.get("explore")) == (parts.model, parts.view)
    ]
    entry = {"model": parts.model, "view": parts.view, "name": "", "listen": listen}
    row["result_maker"] = {**row["result_maker"], "filterables": [entry]}


def create_tile(call: Call) -> Row:
    """Make a tile with a component in the layouts."""
    instance, store = call.instance, call.instance.store
    need(call.body, "dashboard_id")
    refer(call.body, "dashboard_id", store.dashboards)
    dashboard = store.dashboards[call.body["dashboard_id"]]
    body = _with_copied_source(instance, _with_inline_query(instance, call.body))
    _check_references(instance, dashboard, body)
    _check_source(body)
    row = {
        "id": store.new_id("tile"),
        **accepted(instance, body),
        "result_maker": {},
        "result_maker_id": None,
    }
    _keep_result_maker(instance, row, body.get("result_maker") or {})
    if call.params.get("apply_filters") == "true":
        _apply_filters(instance, dashboard, row)
    store.add_tile(dashboard, row)
    place(instance, dashboard, row)
    instance.touch(dashboard)
    instance.born("tile", row["id"])
    return call.show(TILE, row)


def _swap_source(instance: Instance, body: Row) -> Row:
    """Return a change of source complete: the new one drops the old one, unless that must be said."""
    given = [source for source in SOURCES if body.get(source)]
    if not given or instance.on("source_swap", "explicit"):
        return body
    return {**{source: None for source in SOURCES if source not in given}, **body}


def update_tile(call: Call) -> Row:
    """Change a tile; it keeps its id, its components and, by the switch, its listens."""
    instance, row = call.instance, the(call.instance.store.tiles, call.ids[0])
    dashboard = instance.store.dashboard_of(row)
    body = _with_copied_source(instance, _with_inline_query(instance, call.body))
    stays(row, body)
    _check_references(instance, dashboard, body)
    body = _swap_source(instance, body)
    if not body.keys().isdisjoint({*SOURCES, "type"}):
        _check_source({**row, **body})
    changes = merged(instance, row, accepted(instance, body))
    given = changes.pop("result_maker", None)
    changes.pop("result_maker_id", None)
    moved = any(source in changes and changes[source] != row.get(source) for source in SOURCES)
    row.update(changes)
    instance.revoke(row, changes)
    instance.store.note_look(row)
    if moved and instance.on("source_change", "drops_listens"):
        row["result_maker"] = {n: v for n, v in (row["result_maker"] or {}).items() if n != "filterables"}
    if moved or given:
        _keep_result_maker(instance, row, given or {})
    instance.touch(dashboard)
    return call.show(TILE, row)


def get_tile(call: Call) -> Row:
    """Show a tile."""
    call.instance.see("tile", call.ids[0])
    return call.show(TILE, the(call.instance.store.tiles, call.ids[0]))


def delete_tile(call: Call) -> None:
    """Remove a tile, its components and, by the switch, its alerts."""
    row = the(call.instance.store.tiles, call.ids[0])
    forget_alerts(call.instance, row)
    call.instance.store.remove_tile(row)
    call.instance.touch(call.instance.store.dashboard_of(row))


def search_tiles(call: Call) -> list[Row]:
    """Find tiles of living dashboards, or with `deleted=true` of those in the trash."""
    store, in_trash = call.instance.store, call.params.get("deleted") == "true"
    tiles = [t for t in store.tiles.values() if bool(store.dashboard_of(t).row.get("deleted")) == in_trash]
    return [call.show(TILE, tile) for tile in listing(call.instance, tiles, call.params, TILE)]


ROUTES = {
    "POST /dashboard_elements": create_tile,
    "GET /dashboard_elements/search": search_tiles,
    "GET /dashboard_elements/{dashboard_element_id}": get_tile,
    "PATCH /dashboard_elements/{dashboard_element_id}": update_tile,
    "DELETE /dashboard_elements/{dashboard_element_id}": delete_tile,
}
