"""Tiles: what to send for each, when two are equal, and which live one is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from lvrestore.content.identity.pairing import Rule
from lvrestore.content.knowledge import References, whereabouts
from lvrestore.content.moved.links import alike, may_link, relinked, relinked_beside, unsettled_targets
from lvrestore.content.sending.alerts import watched
from lvrestore.content.writing.bodies import Body, body_of, changed, settled, without
from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.content.writing.shapes import VaultTile, known
from lvrestore.looker.models import (
    WriteDashboardElement,
    WriteResultMakerWithIdVisConfigAndDynamicFields,
)
from lvrestore.model import Json
from lvrestore.text import quoted

# A tile has exactly one source; the surest to survive comes first (looker-cli#62 answers 422 to several).
SOURCES = {"merge_result_id": "merge_query", "look_id": "look", "query_id": "query"}
SOURCELESS_TYPES = frozenset({"text", "button", "extension"})
Maker = WriteResultMakerWithIdVisConfigAndDynamicFields
RESULT_MAKER_FIELDS = Maker.__struct_fields__
NESTED = {"result_maker": RESULT_MAKER_FIELDS}
Geometry = tuple[Json, ...]
TEXTS = ("title_text", "body_text", "subtitle_text", "rich_content_json", "note_text")


def source_of(tile: VaultTile) -> tuple[str, str] | None:
    """(field, source id) of the one data source of a tile, or None for text and its like."""
    for field in SOURCES:
        if source_id := known(getattr(tile, field)):
            return field, source_id
    return None


def tile_name(tile: VaultTile) -> str:
    """A tile, to people."""
    title = known(tile.title) or known(tile.title_text)
    return f"tile {known(tile.id)} {quoted(title)}" if title else f"tile {known(tile.id)}"


def lacks_source(tile: VaultTile) -> bool:
    """Whether Looker would refuse the tile because it shows data from nowhere."""
    free = known(tile.type) in SOURCELESS_TYPES or known(tile.rich_content_json) or known(tile.extension_id)
    return not free and source_of(tile) is None


def lacks_filter(tile: VaultTile, refs: References, filters: Mapping[str, str]) -> bool:
    """Whether the filter that a tile shows has no counterpart here: only where it came from its id says something."""
    filter_id = known(tile.filter_id)
    return bool(filter_id) and filter_id not in filters and not refs.same_instance


def tile_body(
    tile: VaultTile, refs: References, layouts: Mapping[str, str], filters: Mapping[str, str]
) -> Body:
    """Every field the vault knows of the tile but its certificate, references and links translated.

    All sources but one are null.
    `layouts` and `filters` are ids of the dashboard's parts: live ones by the vault's.
    """
    tile = relinked_tile(tile, refs)
    body = without(
        body_of(tile, WriteDashboardElement),
        "dashboard_id",
        "dashboard_layout_id",
        "result_maker",
        CERTIFICATE,
    )
    if lacks_filter(tile, refs, filters):
        del body["filter_id"]
    elif filter_id := body.get("filter_id"):
        body["filter_id"] = filters.get(filter_id, filter_id)
    body |= dict.fromkeys(SOURCES)
    if source := source_of(tile):
        body[source[0]] = whereabouts(refs, SOURCES[source[0]], source[1])
    if tab := layouts.get(known(tile.dashboard_layout_id) or ""):
        body["dashboard_layout_id"] = tab
    if source and tile.result_maker is not UNSET:
        body["result_maker"] = _result_maker(tile)
    return body


def _result_maker(tile: VaultTile) -> Body | None:
    if not isinstance(tile.result_maker, Maker):
        return None
    maker = body_of(tile.result_maker)
    entries = maker.get("filterables") or []
    if not known(tile.merge_result_id) and len(entries) > 1:
        # Looker reads one entry only for a single query and drops the rest with status 200 (mcp-toolbox#4032).
        listens = [listen for entry in entries for listen in entry.get("listen") or []]
        maker["filterables"] = [{**entries[0], "listen": listens}]
    return maker


def unsettled_in(tile: VaultTile, refs: References) -> set[tuple[str, str]]:
    """The (kind, id) of what the tile links to and nobody knows yet where it will be."""
    return unsettled_targets(texts_of(tile), refs)


def texts_of(tile: VaultTile) -> list[Json]:
    """Everything in a tile that may hold links."""
    config = known(tile.result_maker.vis_config) if isinstance(tile.result_maker, Maker) else None
    return [config, *(known(getattr(tile, name)) for name in TEXTS)]


def relinked_tile(tile: VaultTile, refs: References) -> VaultTile:
    """The tile with links to where their content is by now."""
    if not may_link(texts_of(tile)):
        return tile
    new: Body = {name: relinked(getattr(tile, name), refs) for name in TEXTS}
    if isinstance(tile.result_maker, Maker):
        config = relinked(tile.result_maker.vis_config, refs)
        new["result_maker"] = msgspec.structs.replace(tile.result_maker, vis_config=config)
    return msgspec.structs.replace(tile, **new)


def with_live_links(want: Body, live: Mapping[str, Json]) -> Body:
    """`want` with the live form of everything that differs only in where its links go."""
    body = {**want, **_live_where_alike(want, live, TEXTS)}
    if want.get("result_maker") and live.get("result_maker"):
        maker = _live_where_alike(want["result_maker"], live["result_maker"], ("vis_config",))
        body["result_maker"] = {**want["result_maker"], **maker}
    return body


def with_standing_links(want: Body, tile: VaultTile, live: Mapping[str, Json], refs: References) -> Body:
    """`want` with the live form of links to what has no id here, in texts that differ only in their links."""
    texts = {name: relinked_beside(known(getattr(tile, name)), live.get(name), refs) for name in TEXTS}
    body = {**want, **{name: text for name, text in texts.items() if want.get(name)}}
    config = known(tile.result_maker.vis_config) if isinstance(tile.result_maker, Maker) else None
    if config and want.get("result_maker") and live.get("result_maker"):
        beside = relinked_beside(config, live["result_maker"].get("vis_config"), refs)
        body["result_maker"] = {**want["result_maker"], "vis_config": beside}
    return body


def _live_where_alike(want: Body, live: Mapping[str, Json], names: Sequence[str]) -> Body:
    same = (name for name in names if want.get(name) and alike(want[name]) == alike(live.get(name)))
    return {name: live[name] for name in same}


def comparable(tile: Mapping[str, Json]) -> Body:
    """The tile with its listens in one form: entries without listens say nothing, their order neither."""
    maker = tile.get("result_maker")
    if not isinstance(maker, dict):
        return {**tile, "result_maker": {"filterables": []}}
    entries = [_entry(entry) for entry in maker.get("filterables") or [] if entry.get("listen")]
    return {**tile, "result_maker": {**maker, "filterables": entries}}


def _entry(entry: Mapping[str, Json]) -> Body:
    listens = [(one.get("dashboard_filter_name"), one.get("field")) for one in entry["listen"]]
    where = {name: entry.get(name) or "" for name in ("model", "view", "name")}
    return {**where, "listen": sorted(listens, key=str)}


def tile_changes(want: Body, live: Mapping[str, Json]) -> Body:
    """What to PATCH so that the live tile equals `want`."""
    delta = changed(comparable(want), comparable(live), NESTED)
    if "result_maker" not in want:
        delta.pop("result_maker", None)
    body = {name: want[name] for name in delta}
    if "result_maker" in delta:
        body["result_maker"] = _whole_result_maker(want["result_maker"], live.get("result_maker"))
    elif body.keys() & SOURCES.keys() and want.get("result_maker"):
        # A new source makes a new result maker: say again what it must listen to.
        body["result_maker"] = want["result_maker"]
    return body


def _whole_result_maker(wanted: Body | None, live: Json) -> Body:
    if wanted is None:
        return {"filterables": []}
    return {**settled(live or {}, RESULT_MAKER_FIELDS), **wanted}


def new_tile_body(body: Body, dashboard_id: str) -> Body:
    """The POST for a tile: no null source and no null reference, Looker counts what is there."""
    references = (*SOURCES, "result_maker", "filter_id", "extension_id")
    absent = [name for name in references if body.get(name) is None]
    return {"dashboard_id": dashboard_id, **without(body, *absent)}


def tile_rules(
    refs: References,
    bodies: Mapping[int, Body],
    places: Mapping[str, Geometry],
    live_places: Mapping[str, Geometry],
) -> list[Rule[VaultTile, Body]]:
    """From the surest to the loosest: mapping, id, content in place, content, the same but for links, source.

    A tile with alerts, which is not deleted, is taken for one of the same source last.

    `bodies` holds the wanted body by `id()` of the vault tile; the places are geometry by tile id.
    """

    def mapped(tile: VaultTile) -> str | None:
        found = refs.mapped("dashboard_element", known(tile.id) or "")
        return found.destination_id if found else None

    def place(tile: VaultTile) -> Geometry | None:
        return places.get(known(tile.id) or "")

    return [
        Rule(mapped, lambda live: live["id"]),
        Rule(lambda tile: known(tile.id) if refs.same_instance else None, lambda live: live["id"]),
        Rule(
            lambda tile: (_content(bodies[id(tile)]), place(tile)),
            lambda live: (_content(live), live_places.get(live["id"])),
        ),
        Rule(lambda tile: _content(bodies[id(tile)]), _content),
        Rule(
            lambda tile: (_alike_but_for_links(bodies[id(tile)]), place(tile)),
            lambda live: (_alike_but_for_links(live), live_places.get(live["id"])),
        ),
        Rule(lambda tile: _alike_but_for_links(bodies[id(tile)]), _alike_but_for_links),
        Rule(lambda tile: _sourced(bodies[id(tile)]), _sourced),
        Rule(lambda tile: _source(bodies[id(tile)]), lambda live: _source(live) if watched([live]) else None),
    ]


def _content(body: Mapping[str, Json]) -> tuple[Json, ...]:
    return (*_heading(body), *(body.get(name) for name in TEXTS[:-1]))


def _alike_but_for_links(body: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(alike(part) for part in _content(body))


def _heading(body: Mapping[str, Json]) -> tuple[Json, ...]:
    return (body.get("type"), body.get("title"), *(body.get(source) for source in SOURCES))


def _sourced(body: Mapping[str, Json]) -> tuple[Json, ...] | None:
    """Title and source; None for tiles of text, which only their whole content tells apart."""
    return _heading(body) if any(body.get(source) for source in SOURCES) else None


def _source(body: Mapping[str, Json]) -> tuple[Json, ...] | None:
    """The source alone: a tile with alerts goes on to show what they watch, whatever it is called."""
    sources = tuple(body.get(source) for source in SOURCES)
    return sources if any(sources) else None


def looks_like(body: Mapping[str, Json], live: Mapping[str, Json]) -> bool:
    """Whether a live tile can be what a POST of `body` made, whatever the server normalised since."""
    return _heading(body) == _heading(live)


def models_of(tile: VaultTile) -> set[str]:
    """The LookML models a query tile reads, as far as the vault embeds its query."""
    query: dict[str, Any] | None = known(tile.query)
    return {query["model"]} if query and query.get("model") and known(tile.query_id) else set()
