"""What the tiles of a dashboard show: what of it is there, what is made first, and which tiles lack theirs.

A tile that cannot be restored for want of what it shows is left out and named. All others are restored, at their
places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lvrestore.content.calls import Exists, Steps
from lvrestore.content.dashboards.tiles import SOURCES, lacks_source, models_of, source_of, tile_name
from lvrestore.content.knowledge import References, destination_of, whereabouts
from lvrestore.content.moved.queries import MERGE_QUERY, QUERY, can_be_made, make_merge_query, make_query
from lvrestore.content.writing.bodies import Body, fingerprint
from lvrestore.content.writing.shapes import VaultDashboard, VaultTile, known, parts
from lvrestore.errors import DependencyError, QueryRefusedError, ValidationError
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.model import Json, Lack

# With these a server says that it does not have, or does not take, what is to be shown.
UNKNOWN = frozenset({FailureKind.VALIDATION, FailureKind.NOT_FOUND})
Live = Mapping[str, Json]


class Tiles(msgspec.Struct, frozen=True):
    """The tiles of a backup, by their `id()` in what is said of them.

    `lacks` says what a tile cannot be restored without. `kept` are tiles that are there and show something else than
    in the backup, where they showed nothing any more: they are left so.
    """

    all: list[VaultTile]
    lacks: dict[int, Lack]
    kept: frozenset[int] = frozenset()

    def writes_source(self, tile: VaultTile) -> bool:
        """Whether what a tile shows can be written. Where it cannot, a live tile keeps what it shows."""
        return id(tile) not in self.lacks and id(tile) not in self.kept and not lacks_source(tile)

    @property
    def missing(self) -> tuple[Lack, ...]:
        """What the dashboard is without, in the order of its tiles."""
        return tuple(self.lacks[id(tile)] for tile in self.all if id(tile) in self.lacks)

    @property
    def lacking(self) -> frozenset[str]:
        """The ids, in the backup, of the tiles that lack something."""
        return frozenset(str(known(tile.id)) for tile in self.all if id(tile) in self.lacks)

    def spares(self, live: Live, refs: References) -> bool:
        """Whether a live tile that is none of the backup's may be one whose source has no counterpart here."""
        sources = [source for tile in self.all if id(tile) in self.lacks and (source := source_of(tile))]
        unknown = {field for field, i in sources if whereabouts(refs, SOURCES[field], i) is None}
        return any(live.get(field) for field in unknown)

    def marked(self, vault_fingerprint: bytes) -> bytes:
        """The fingerprint of a backup's dashboard, with what cannot be restored of it."""
        if not self.lacks:
            return vault_fingerprint
        return fingerprint([vault_fingerprint.hex(), [one.missing for one in self.missing]])


def tiles_of(vault: VaultDashboard, standing: Sequence[Live], refs: References) -> Steps[Tiles | None]:
    """Return the tiles to restore, and what is missing for some of them; None if the backup has captured none.

    What a live tile of the dashboard shows already is there: only looks and models of the others are asked for.
    """
    tiles = parts(vault.dashboard_elements)
    if tiles is None:
        return None
    new = [tile for tile in tiles if not _stands(tile, standing, refs)]
    looks = {here for tile in new if (here := _look_here(tile, refs)) is not None}
    models = {model for tile in new for model in models_of(tile)}
    gone: set[tuple[str, str]] = set()
    for kind, ids in (("look", looks), ("lookml_model", models)):
        gone |= {(kind, i) for i in ((yield Exists(kind, tuple(sorted(ids)))) if ids else ())}
    lacks = {id(tile): lack for tile in new if (lack := _lack(tile, gone, refs)) is not None}
    return _without_kept(Tiles(tiles, lacks), standing, refs)


def now_that_seen(tiles: Tiles | None, standing: Sequence[Live], refs: References) -> Tiles | None:
    """The same as soon as the live tiles are seen, where a search had left them out."""
    if tiles is None:
        return None
    lacks = {
        id(t): tiles.lacks[id(t)]
        for t in tiles.all
        if id(t) in tiles.lacks and not _stands(t, standing, refs)
    }
    return _without_kept(Tiles(tiles.all, lacks), standing, refs)


def _without_kept(tiles: Tiles, standing: Sequence[Live], refs: References) -> Tiles:
    """Where the backup has not got the look either, a tile that is there is no reason to say that it is missing."""
    live_ids = {str(one["id"]) for one in standing}
    kept = {
        id(tile)
        for tile in tiles.all
        if id(tile) in tiles.lacks and _was_broken(tile, refs) and _live_id(tile, refs) in live_ids
    }
    return Tiles(tiles.all, {i: lack for i, lack in tiles.lacks.items() if i not in kept}, frozenset(kept))


def _live_id(tile: VaultTile, refs: References) -> str | None:
    return destination_of(refs, "dashboard_element", str(known(tile.id)))


def _was_broken(tile: VaultTile, refs: References) -> bool:
    """Whether the tile showed a look that was gone when the backup was made."""
    look_id = known(tile.look_id)
    return bool(look_id) and not known(tile.look) and not refs.in_vault("look", str(look_id))


def _stands(tile: VaultTile, standing: Sequence[Live], refs: References) -> bool:
    """Whether a live tile of this dashboard already shows this source, which proves that it exists."""
    source = source_of(tile)
    if source is None:
        return False
    field, source_id = source
    wanted = whereabouts(refs, SOURCES[field], source_id)
    return wanted is not None and any(one.get(field) == wanted for one in standing)


def _look_here(tile: VaultTile, refs: References) -> str | None:
    source = source_of(tile)
    return destination_of(refs, "look", source[1]) if source and source[0] == "look_id" else None


def _lack(tile: VaultTile, gone: set[tuple[str, str]], refs: References) -> Lack | None:
    """What a tile cannot be restored without, as far as it is known before anything is written."""
    for model in sorted(models_of(tile)):
        if ("lookml_model", model) in gone:
            return Lack(tile_name(tile), f"lookml_model {model}")
    source = source_of(tile)
    if source is None:
        return None
    kind, source_id = SOURCES[source[0]], source[1]
    here, lack = destination_of(refs, kind, source_id), Lack(tile_name(tile), f"{kind} {source_id}")
    if here is not None:
        return lack if (kind, here) in gone else None
    if kind in {QUERY, MERGE_QUERY} and (why := refs.refusal(kind, source_id)) is not None:
        return msgspec.structs.replace(lack, why=why)
    return None if _can_be_made(tile, refs) else lack


# --- queries that are made for it


def make_queries(tiles: Tiles | None, refs: References) -> Steps[None]:
    """Make the queries that tiles show. Tiles whose query the destination does not take lack it from now on."""
    refused: dict[tuple[str, str] | None, Lack] = {}
    if tiles is None:
        return
    for tile in tiles.all:
        source = source_of(tile)
        if id(tile) in tiles.lacks or (kind := _unmade(tile, refs)) is None:
            continue
        if source not in refused:
            try:
                yield from _make(tile, kind, refs)
                continue
            except (Refused, ValidationError) as failure:
                refused[source] = lack_of_source(tile, failure)
        tiles.lacks[id(tile)] = msgspec.structs.replace(refused[source], part=tile_name(tile))


def _make(tile: VaultTile, kind: str, refs: References) -> Steps[None]:
    if kind == QUERY:
        yield from make_query(refs, str(tile.query_id), known(tile.query))
    else:
        yield from make_merge_query(refs, str(tile.merge_result_id))


def lack_of_source(tile: VaultTile, failure: Refused | ValidationError) -> Lack:
    """What a tile lacks as the destination does not take what it shows. Any other refusal is raised again."""
    source = source_of(tile)
    what = f"{SOURCES[source[0]]} {source[1]}" if source else ""
    match failure:
        case QueryRefusedError():
            return Lack(tile_name(tile), *failure.refused[0])
        case DependencyError():
            return Lack(tile_name(tile), failure.missing[0])
        case Refused() if failure.kind not in UNKNOWN:
            raise failure
        case _:
            return Lack(tile_name(tile), what, failure.message)


def is_about_source(body: Body, refused: Refused) -> bool:
    """Whether the destination does not take what a tile is to show."""
    named = (field for field in SOURCES if body.get(field) and refused.about(field))
    return refused.kind in UNKNOWN and any(named)


def unmade_queries(vault: VaultDashboard, refs: References) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The queries that have no id here by now, and can be made, each once: asked for one by one."""
    for tile in parts(vault.dashboard_elements) or ():
        if _unmade(tile, refs) == QUERY:
            query_id = str(tile.query_id)
            yield query_id, known(tile.query) or refs.query(query_id) or {}


def unmade_merges(vault: VaultDashboard, refs: References) -> Iterator[str]:
    """The merged results that have no id here by now, and can be made, each once: asked for one by one."""
    for tile in parts(vault.dashboard_elements) or ():
        if _unmade(tile, refs) == MERGE_QUERY:
            yield str(tile.merge_result_id)


def _unmade(tile: VaultTile, refs: References) -> str | None:
    """The kind of what a tile shows, if that has no id here by now and can be made."""
    source = source_of(tile)
    if source is None or not _can_be_made(tile, refs):
        return None
    kind = SOURCES[source[0]]
    return kind if destination_of(refs, kind, source[1]) is None else None


def _can_be_made(tile: VaultTile, refs: References) -> bool:
    source = source_of(tile)
    if source is None or (kind := SOURCES[source[0]]) not in {QUERY, MERGE_QUERY}:
        return False
    return bool(kind == QUERY and known(tile.query)) or can_be_made(refs, kind, source[1])
