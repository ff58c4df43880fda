"""Compare the dashboards of a sandbox with those of a vault, field by field.

Shares no code with the tool on purpose: it reads the vault with sqlite3 and the sandbox from its dump, and
knows for itself which fields Looker lets one write. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import msgspec

Content = Mapping[str, Any]
SHOWN = 20


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


SCALARS = words(
    "title description folder_id user_id slug hidden query_timezone refresh_interval preferred_viewer"
    " lookml_link_id load_configuration show_title show_filters_bar filters_bar_collapsed filters_location_top"
    " crossfilter_enabled enable_viz_full_screen alert_sync_with_dashboard_filter_enabled background_color"
    " text_tile_text_color tile_background_color tile_text_color title_color"
)
# A null of the vault says nothing about these: Looker never has none.
NEVER_NULL = words(
    "title folder_id user_id slug hidden filters_bar_collapsed filters_location_top crossfilter_enabled"
    " enable_viz_full_screen alert_sync_with_dashboard_filter_enabled"
)
APPEARANCE = words(
    "page_side_margins page_background_color tile_title_alignment tile_space_between tile_background_color"
    " tile_shadow key_color"
)
TILE = words(
    "type title title_hidden title_text subtitle_text body_text rich_content_json note_text note_state"
    " note_display refresh_interval query_id look_id merge_result_id extension_id aria_description"
)
FILTER = words(
    "name title type default_value model explore dimension row listens_to_filters allow_multiple_values required"
    " ui_config"
)
LAYOUT = words("type active column_width width label description order")
LINK = re.compile(r"(/(?:dashboards|looks|folders|boards)/)\d+")
PLACE = words("row column width height")


def vault_dashboards(path: Path, *, deleted: bool = False) -> dict[str, Content]:
    """Return the decoded dashboards of a vault by bare id; with `deleted` also those it marks deleted."""
    query = "SELECT id, content_data FROM content_items WHERE content_type = 1"
    if not deleted:
        query += " AND deleted_at IS NULL"
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        rows = db.execute(query).fetchall()
    return {i.removeprefix("dashboard::"): msgspec.msgpack.decode(blob) for i, blob in rows}


def counterparts(wanted: Mapping[str, Content], live: Mapping[str, Content]) -> dict[str, Content | None]:
    """Find each vault dashboard among the live ones: by id, else by folder and title, each live one once."""
    by_place = defaultdict(list)
    for one in live.values():
        if one["id"] not in wanted and not one.get("deleted"):
            by_place[one.get("folder_id"), one.get("title")].append(one)
    found: dict[str, Content | None] = {}
    for source_id, content in wanted.items():
        namesakes = by_place[content.get("folder_id"), content.get("title")]
        found[source_id] = live.get(source_id) or (namesakes.pop() if namesakes else None)
    return found


def differences(wanted: Content, live: Content, *, ignore: Collection[str] = ()) -> list[str]:
    """Return the paths at which a live dashboard is not what the vault says."""
    out = ["in the trash"] if live.get("deleted") else []
    for name in SCALARS:
        says_nothing = name in NEVER_NULL and wanted.get(name) is None
        if name not in ignore and not says_nothing and wanted.get(name) != live.get(name):
            out.append(f"{name}: {wanted.get(name)!r} != {live.get(name)!r}")
    out += _appearance(wanted.get("appearance") or {}, live.get("appearance") or {})
    tiles, more = _tiles(wanted, live)
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


def _tile_view(tile: Content) -> dict[str, Any]:
    maker = tile.get("result_maker") or {}
    return {name: _unlinked(tile.get(name)) for name in TILE} | {
        "listens": _listens(tile),
        "vis_config": _unlinked(maker.get("vis_config")),
    }


def _unlinked(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Links without their ids: they follow content that has got a new one."""
    if isinstance(value, dict):
        return {name: _unlinked(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_unlinked(one) for one in value]
    return LINK.sub(r"\1", value) if isinstance(value, str) else value


def _tiles(wanted: Content, live: Content) -> tuple[dict[str, str], list[str]]:
    """Pair the tiles by content (the ids may differ); return live ids by the vault's, and what does not fit."""
    if wanted.get("dashboard_elements") is None:
        return {}, []
    left = {tile["id"]: _tile_view(tile) for tile in live["dashboard_elements"]}
    pairs, out = {}, []
    for tile in sorted(wanted["dashboard_elements"], key=lambda tile: tile["id"] not in left):
        view = _tile_view(tile)
        if not tile.get("result_maker"):
            view.pop("vis_config")
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


# --- the command


def compare(wanted: Mapping[str, Content], live: Mapping[str, Content]) -> Iterator[tuple[str, str]]:
    """Yield (vault id, what is wrong) for every dashboard that is not back, and for every one too many."""
    found = counterparts(wanted, live)
    for source_id, content in wanted.items():
        counterpart = found[source_id]
        if counterpart is None:
            yield source_id, "gone"
        else:
            yield from ((source_id, path) for path in differences(content, counterpart))
    claimed = {one["id"] for one in found.values() if one is not None}
    for one in live.values():
        if one["id"] not in claimed and not one.get("deleted"):
            yield one["id"], f"surplus dashboard {one.get('title')!r}"


def read_dump(where: str) -> dict[str, Content]:
    """Return the dashboards in a dump: a file, or a running sandbox by its URL."""
    if where.startswith("http://"):
        with build_opener(ProxyHandler({})).open(f"{where.rstrip('/')}/_sandbox/dump") as reply:
            text = reply.read()
    else:
        text = Path(where).read_bytes()
    dashboards: dict[str, Content] = json.loads(text)["dashboards"]
    return dashboards


def _verdict(wrong: Mapping[str, list[str]], total: int) -> str:
    if not wrong:
        return (
            f"All {total:,} dashboards are there: fields, tiles, filters, layouts and positions as in the backup;"
            " none is there twice."
        )
    gone = sum("gone" in paths for paths in wrong.values())
    trashed = sum("in the trash" in paths for paths in wrong.values())
    parts = f"{gone:,} are gone, {trashed:,} in the trash, {len(wrong) - gone - trashed:,} differ"
    return f"{len(wrong):,} of {total:,} dashboards are not as in the backup: {parts}."


def main() -> int:
    """Compare, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description="Compare a sandbox's dashboards with a vault's.")
    parser.add_argument(
        "dump", metavar="DUMP.json", help="a dump of the sandbox, or the URL of a running one"
    )
    parser.add_argument("vault", metavar="VAULT.db", type=Path)
    parser.add_argument("-q", "--quiet", action="store_true", help="the verdict only")
    given = parser.parse_args()
    wanted = vault_dashboards(given.vault)
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for source_id, what in compare(wanted, read_dump(given.dump)):
        wrong[source_id].append(what)
    for source_id, paths in [] if given.quiet else list(wrong.items())[:SHOWN]:
        print(f"dashboard {source_id}: {'; '.join(paths)[:300]}")
    print(_verdict(wrong, len(wanted)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
