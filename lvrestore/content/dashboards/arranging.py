"""Bring tiles and their rectangles into the backup's arrangement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lvrestore.content.calls import Steps, Warn
from lvrestore.content.dashboards.layouts import (
    places,
    read_layouts,
    restorable,
    sync_components,
    sync_layouts,
)
from lvrestore.content.dashboards.sources import Tiles, is_about_source, lack_of_source
from lvrestore.content.dashboards.tiles import (
    SOURCES,
    lacks_filter,
    looks_like,
    new_tile_body,
    tile_body,
    tile_changes,
    tile_rules,
    with_live_links,
    with_standing_links,
)
from lvrestore.content.identity.pairing import pair
from lvrestore.content.knowledge import References
from lvrestore.content.moved.queries import make_query
from lvrestore.content.sending.alerts import remember_alerts, settle_watched, watched
from lvrestore.content.writing.bodies import Body, only, without
from lvrestore.content.writing.certificates import certificate_of
from lvrestore.content.writing.shapes import VaultDashboard, VaultLayout, VaultTile, known, parts
from lvrestore.content.writing.work import Parts, Work
from lvrestore.errors import DependencyError
from lvrestore.looker.classify import Refused
from lvrestore.model import Json


def arrange(
    vault: VaultDashboard,
    tiles: Tiles | None,
    live: Body,
    refs: References,
    work: Work,
    filter_ids: Mapping[str, str],
) -> Steps[None]:
    """Layouts and tiles, then the rectangles that the server made for both."""
    standing = live.get("dashboard_layouts")
    if standing is None:
        standing = yield from read_layouts(work)
    wanted = restorable(parts(vault.dashboard_layouts) or [], of_trashed=known(vault.deleted) is True)
    layouts = yield from sync_layouts(work, wanted, standing, refs)
    named = {known(tile.dashboard_layout_id) for tile in (tiles.all if tiles else ())}
    yield from layouts.create(work, [one for one in wanted if known(one.id) in named])
    tile_ids = {one["id"]: one["id"] for one in live.get("dashboard_elements") or ()}
    old_tiles, old_layouts = set(tile_ids), {one["id"] for one in standing}
    homes = {
        one["id"]: one.get("dashboard_layout_id") for one in watched(live.get("dashboard_elements") or ())
    }
    if tiles is not None:
        ids = (layouts.ids, filter_ids)
        tile_ids = yield from _sync_tiles(work, tiles, live, refs, ids, (wanted, standing), homes)
    yield from layouts.delete_surplus(work, homes)
    # A new layout gets a rectangle for every tile there is, wherever new tiles come up: so these come second.
    yield from layouts.create(work, wanted)
    yield from layouts.remember(refs)
    added = set(tile_ids.values()) - old_tiles or set(layouts.ids.values()) - old_layouts
    if wanted and added:
        standing = yield from read_layouts(work)
    pairs = [(one, str(now["id"])) for one, now in layouts.pairs]
    yield from sync_components(work, pairs, standing, tile_ids, tiles.lacking if tiles is not None else ())


def _sync_tiles(
    work: Work,
    tiles: Tiles,
    live: Body,
    refs: References,
    ids: tuple[Mapping[str, str], Mapping[str, str]],
    layouts: tuple[Sequence[VaultLayout], Sequence[Mapping[str, Json]]],
    homes: dict[str, Json],
) -> Steps[dict[str, str]]:
    """Make the tiles equal the vault's; return live ids by the vault's. `ids` are those of layouts and filters.

    `homes`, the layouts that tiles with alerts name, becomes what it is afterwards.
    """
    standing = live.get("dashboard_elements") or []
    bodies = {id(tile): tile_body(tile, refs, *ids) for tile in tiles.all}
    for tile in tiles.all:
        if lacks_filter(tile, refs, ids[1]):
            yield Warn(
                "broken_reference",
                f"tile {known(tile.id)} is without filter {tile.filter_id}, which is not here",
            )
    rules = tile_rules(refs, bodies, places(layouts[0]), places(layouts[1]))
    pairs, surplus = pair(tiles.all, standing, rules)
    siblings = Parts(f"{work.path}/dashboard_elements", {one["id"] for one in standing}, looks_like)
    done: dict[str, str] = {}
    for tile, now in pairs:
        here = yield from _sync_or_lack(work, tile, bodies[id(tile)], now, siblings, refs, tiles)
        if here is None:
            continue
        done[str(known(tile.id))] = here
        if now is not None and now["id"] in homes:
            homes[now["id"]] = bodies[id(tile)].get("dashboard_layout_id") or homes[now["id"]]
    surplus = [now for now in surplus if not tiles.spares(now, refs)]
    kept = yield from settle_watched(surplus, refs)
    for now in surplus:
        if now["id"] in kept:
            continue
        homes.pop(now["id"], None)
        work.delete_last(f"/dashboard_elements/{now['id']}", f"dashboard_elements[{now['id']}]")
    return done


def _sync_tile(
    work: Work, tile: VaultTile, body: Body, now: Body | None, siblings: Parts, refs: References
) -> Steps[str]:
    """Make one tile equal the backup's; return its live id. `now` is None where there is none yet."""
    if now is None:
        send = new_tile_body(body, work.item_id)
        label = f"dashboard_elements[{known(tile.id)}]."
        mapping = ("dashboard_element", known(tile.id))
        now = yield from _with_its_query(
            tile, send, refs, lambda body: work.create("/dashboard_elements", label, body, siblings, mapping)
        )
        body = {**body, **only(now, ("query_id",))} if body.get("query_id") else body
    label = f"dashboard_elements[{now['id']}]."
    if work.waits:
        body = with_live_links(body, now)
    elif not refs.same_instance:
        body = with_standing_links(body, tile, now, refs)
    if delta := tile_changes(body, now):
        where, live = f"/dashboard_elements/{now['id']}", now
        yield from remember_alerts(live)
        now = yield from _with_its_query(
            tile, delta, refs, lambda body: work.update(where, label, body, live, tile_changes)
        )
    if (certificate := certificate_of(tile, refs)) is not None:
        work.certificates.append((certificate, now))
    return str(now["id"])


def _with_its_query(
    tile: VaultTile, body: Body, refs: References, write: Callable[[Body], Steps[Body]]
) -> Steps[Body]:
    """Write a tile; if the server does not know its query any more, make that from the backup and try again."""
    try:
        return (yield from write(body))
    except Refused as refused:
        if not body.get("query_id") or not refused.about("query_id"):
            raise
        made = yield from make_query(refs, str(tile.query_id), known(tile.query))
        if made is None:
            raise DependencyError((f"query {tile.query_id}",)) from refused
    return (yield from write({**body, "query_id": made}))


def _sync_or_lack(
    work: Work,
    tile: VaultTile,
    body: Body,
    now: Body | None,
    siblings: Parts,
    refs: References,
    tiles: Tiles,
) -> Steps[str | None]:
    """Make a tile equal the vault's. What shows its data is not always ours to write: then a live one keeps it."""
    if tiles.writes_source(tile):
        try:
            return (yield from _sync_tile(work, tile, body, now, siblings, refs))
        except (Refused, DependencyError) as failure:
            if isinstance(failure, Refused) and not is_about_source(body, failure):
                raise
            tiles.lacks[id(tile)] = lack_of_source(tile, failure)
    if now is not None:
        rest = without(body, *SOURCES, "result_maker")
        return (yield from _sync_tile(work, tile, rest, now, siblings, refs))
    if id(tile) not in tiles.lacks:
        yield Warn("broken_tile", f"tile {known(tile.id)} has no source that can be restored; left out")
    return None
