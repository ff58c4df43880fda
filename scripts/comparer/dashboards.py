"""Compare a dashboard with its filters, tiles, layouts and rectangles, field by field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from comparer.certificates import certificate
from comparer.fields import APPEARANCE, DASHBOARD, FILTER, LAYOUT, NEVER_NULL, PLACE, TILE
from comparer.sources import Content
from comparer.world import World

HERE = World()
REFERENCES = {"folder_id": "folder", "user_id": "user"}


def differences(
    wanted: Content, live: Content, *, ignore: Collection[str] = (), world: World = HERE
) -> list[str]:
    """Return the paths at which a live dashboard is not what the vault says."""
    out = ["in the trash"] if live.get("deleted") else []
    for name in DASHBOARD:
        value = wanted.get(name)
        if name in ignore or (name in NEVER_NULL and value is None):
            continue
        if name in REFERENCES:
            value = world.there(REFERENCES[name], value)
        if value != live.get(name):
            out.append(f"{name}: {value!r} != {live.get(name)!r}")
    out += _appearance(wanted.get("appearance") or {}, live.get("appearance") or {})
    if (given := certificate(wanted)) is not None and given != certificate(live):
        out.append(f"certificate: {given} != {certificate(live)}")
    tiles, more = _tiles(wanted, live, world)
    return [*out, *more, *_filters(wanted, live), *_layouts(wanted, live, tiles)]


def _appearance(wanted: Content, live: Content) -> list[str]:
    differing = [name for name in APPEARANCE if wanted.get(name) != live.get(name)]
    return [f"appearance.{name}: {wanted.get(name)!r} != {live.get(name)!r}" for name in differing]


def _listens(tile: Content) -> list[Any]:
    maker = tile.get("result_maker") or {}
    return [
        (f.get("model"), f.get("view"), sorted((x["dashboard_filter_name"], x["field"]) for x in f["listen"]))
        for f in maker.get("filterables") or []
        if f.get("listen")
    ]


def _own(tile: Content) -> dict[str, Any]:
    maker = tile.get("result_maker") or {}
    own = {name: tile.get(name) for name in TILE}
    return own | {"listens": _listens(tile), "vis_config": maker.get("vis_config")}


def _wanted_tile(tile: Content, world: World) -> dict[str, Any]:
    view: dict[str, Any] = world.linked(_own(tile))
    if not tile.get("result_maker"):
        del view["vis_config"]
    if (given := certificate(tile)) is not None:
        view["certificate"] = given
    return view | {"query_id": world.source(tile), "look_id": world.there("look", tile.get("look_id"))}


def _live_tile(tile: Content, world: World) -> dict[str, Any]:
    own = world.live_linked(_own(tile))
    return own | {"query_id": world.live_source(tile), "certificate": certificate(tile)}


def _tiles(wanted: Content, live: Content, world: World) -> tuple[dict[str, str], list[str]]:
    """Pair the tiles by content (the ids may differ); return live ids by the vault's, and what does not fit."""
    if wanted.get("dashboard_elements") is None:
        return {}, []
    left = {tile["id"]: _live_tile(tile, world) for tile in live["dashboard_elements"]}
    pairs, out = {}, []
    for tile in sorted(wanted["dashboard_elements"], key=lambda tile: tile["id"] not in left):
        view = _wanted_tile(tile, world)
        candidates = [tile["id"], *left] if tile["id"] in left else list(left)
        match = next((i for i in candidates if {k: left[i].get(k) for k in view} == view), None)
        if match is None:
            near = left.get(tile["id"]) or {}
            delta = {k: (v, near.get(k)) for k, v in view.items() if near and near.get(k) != v}
            out.append(f"tile {tile['id']} {tile.get('title')!r} is missing or differs: {delta}")
        else:
            pairs[tile["id"]] = match
            del left[match]
    out += [f"surplus tile {i} {view['title']!r}" for i, view in left.items()]
    return pairs, out


def _filters(wanted: Content, live: Content) -> list[str]:
    if wanted.get("dashboard_filters") is None:
        return []
    have = {one["name"]: one for one in live["dashboard_filters"]}
    want = {one["name"]: one for one in wanted["dashboard_filters"]}
    out = [f"filters {sorted(want)} != {sorted(have)}"] if want.keys() != have.keys() else []
    for name in sorted(want.keys() & have.keys()):
        out += [
            f"filter {name}.{field}: {want[name].get(field)!r} != {have[name].get(field)!r}"
            for field in FILTER
            if want[name].get(field) != have[name].get(field)
            and not (want[name].get(field) is None and field == "required")
        ]
    return out


def _layout_view(layout: Content, tile_id: Callable[[str], str], *, with_places: bool) -> dict[str, Any]:
    view = {name: layout.get(name) for name in LAYOUT}
    if with_places:
        view["places"] = sorted(
            (tile_id(one["dashboard_element_id"]), *(one.get(name) for name in PLACE))
            for one in layout["dashboard_layout_components"]
            if not one.get("deleted")
        )
    return view


def _layouts(wanted: Content, live: Content, tiles: Mapping[str, str]) -> list[str]:
    if not wanted.get("dashboard_layouts"):
        return []
    # A backup without tiles cannot say which tile a rectangle is for, once the tiles have got new ids.
    both = {"with_places": wanted.get("dashboard_elements") is not None}
    want = [
        _layout_view(one, lambda i: tiles.get(i, f"lost {i}"), **both)
        for one in wanted["dashboard_layouts"]
        if not one.get("deleted")
    ]
    have = [_layout_view(one, str, **both) for one in live["dashboard_layouts"] if not one.get("deleted")]

    def key(view: Content) -> str:
        return repr(sorted(view.items()))

    return [] if sorted(want, key=key) == sorted(have, key=key) else [f"layouts {want} != {have}"]
