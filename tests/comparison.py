"""Compare a sandbox's dump with a vault, field by field. Shares no code with the engine, on purpose."""

import sqlite3

import msgspec

SCALARS = (
    "title description folder_id user_id slug hidden query_timezone refresh_interval preferred_viewer"
    " lookml_link_id load_configuration show_title show_filters_bar filters_bar_collapsed filters_location_top"
    " crossfilter_enabled enable_viz_full_screen alert_sync_with_dashboard_filter_enabled background_color"
    " text_tile_text_color tile_background_color tile_text_color title_color"
).split()
NEVER_NULL = {
    "title", "folder_id", "user_id", "slug", "hidden", "filters_bar_collapsed", "filters_location_top",
    "crossfilter_enabled", "enable_viz_full_screen", "alert_sync_with_dashboard_filter_enabled",
}  # fmt: skip
APPEARANCE = (
    "page_side_margins page_background_color tile_title_alignment tile_space_between tile_background_color"
    " tile_shadow key_color"
).split()
TILE = (
    "type title title_hidden title_text subtitle_text body_text rich_content_json note_text note_state"
    " note_display refresh_interval query_id look_id merge_result_id extension_id aria_description"
).split()
FILTER = (
    "name title type default_value model explore dimension row listens_to_filters allow_multiple_values required"
    " ui_config"
).split()
LAYOUT = "type active column_width width label description order".split()
PLACE = "row column width height".split()


def vault_dashboards(path, *, deleted=False):
    """Decoded dashboards by bare id."""
    query = "SELECT id, content_data FROM content_items WHERE content_type = 1"
    if not deleted:
        query += " AND deleted_at IS NULL"
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        rows = db.execute(query).fetchall()
    return {i.removeprefix("dashboard::"): msgspec.msgpack.decode(blob) for i, blob in rows}


def differences(wanted, live, *, ignore=()):
    """Paths at which a live dashboard is not what the vault says."""
    out = []
    for name in SCALARS:
        if name in ignore or (name in NEVER_NULL and wanted.get(name) is None):
            continue
        if wanted.get(name) != live.get(name):
            out.append(f"{name}: {wanted.get(name)!r} != {live.get(name)!r}")
    if live.get("deleted"):
        out.append("in the trash")
    out += _appearance(wanted.get("appearance"), live.get("appearance"))
    tiles, more = _tiles(wanted, live)
    out += more
    out += _filters(wanted, live)
    out += _layouts(wanted, live, tiles)
    return out


def _appearance(wanted, live):
    wanted, live = wanted or {}, live or {}
    return [
        f"appearance.{n}: {wanted.get(n)!r} != {live.get(n)!r}" for n in APPEARANCE if wanted.get(n) != live.get(n)
    ]


def _listens(tile):
    maker = tile.get("result_maker") or {}
    return [
        (f.get("model"), f.get("view"), sorted((x["dashboard_filter_name"], x["field"]) for x in f["listen"]))
        for f in maker.get("filterables") or []
        if f.get("listen")
    ]


def _tile_view(tile):
    maker = tile.get("result_maker") or {}
    view = {n: tile.get(n) for n in TILE} | {"listens": _listens(tile)}
    view["vis_config"] = maker.get("vis_config") if tile.get("result_maker") else None
    return view


def _tiles(wanted, live):
    """Pair the tiles by content (the ids may differ); return vault id -> live id, and what does not fit."""
    if "dashboard_elements" not in wanted:
        return {}, []
    left = {t["id"]: _tile_view(t) for t in live["dashboard_elements"]}
    pairs, out = {}, []
    for tile in sorted(wanted["dashboard_elements"], key=lambda t: t["id"] not in left):
        view = _tile_view(tile)
        if not tile.get("result_maker"):
            view.pop("vis_config")
        candidates = [tile["id"], *left] if tile["id"] in left else list(left)
        match = next((i for i in candidates if {k: left[i].get(k) for k in view} == view), None)
        if match is None:
            near = left.get(tile["id"])
            delta = {k: (v, near.get(k)) for k, v in view.items() if near and near.get(k) != v}
            out.append(f"tile {tile['id']} {tile.get('title')!r} is missing or differs: {delta}")
        else:
            pairs[tile["id"]] = match
            del left[match]
    out += [f"surplus tile {i} {v['title']!r}" for i, v in left.items()]
    return pairs, out


def _filters(wanted, live):
    if "dashboard_filters" not in wanted:
        return []
    have = {f["name"]: f for f in live["dashboard_filters"]}
    want = {f["name"]: f for f in wanted["dashboard_filters"]}
    out = [f"filters {sorted(want)} != {sorted(have)}"] if want.keys() != have.keys() else []
    for name in want.keys() & have.keys():
        out += [
            f"filter {name}.{n}: {want[name].get(n)!r} != {have[name].get(n)!r}"
            for n in FILTER
            if want[name].get(n) != have[name].get(n) and not (want[name].get(n) is None and n == "required")
        ]
    return out


def _layout_view(layout, rename):
    view = {n: layout.get(n) for n in LAYOUT}
    view["places"] = sorted(
        (rename(c["dashboard_element_id"]), *(c.get(n) for n in PLACE))
        for c in layout["dashboard_layout_components"]
        if not c.get("deleted")
    )
    return view


def _layouts(wanted, live, tiles):
    if not wanted.get("dashboard_layouts"):
        return []
    want = [
        _layout_view(x, lambda i: tiles.get(i, f"lost {i}")) for x in wanted["dashboard_layouts"] if not x.get("deleted")
    ]
    have = [_layout_view(x, str) for x in live["dashboard_layouts"] if not x.get("deleted")]
    key = lambda view: repr(sorted(view.items(), key=str))  # noqa: E731
    if sorted(want, key=key) == sorted(have, key=key):
        return []
    return [f"layouts {want} != {have}"]
