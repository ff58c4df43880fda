"""Tiles: what each kind of them sets."""

from __future__ import annotations

import random
from collections.abc import Callable

from vaultmaker.looks import look_with_query
from vaultmaker.queries import SHARED_QUERIES, TILE_QUERY, query, shared_query, vis_config
from vaultmaker.shapes import RESULT_MAKER, TILE, Content, blank
from vaultmaker.wording import HOST, MODELS, TEXT, WORDS, can, chance, token
from vaultmaker.world import World

RICH = '[{"type": "h1", "children": [{"text": "Rich \\u2728 text"}], "align": "center"}]'
BUTTON = (
    '{"text": "Open the runbook", "description": "", "newTab": true, "alignment": "center", '
    '"size": "medium", '
    '"style": "FILLED", "color": "#1A73E8", "href": "https://looker.example.com/dashboards/1"}'
)


def tiles(world: World, rng: random.Random, number: int, filters: list[Content]) -> list[Content]:
    """Return the tiles of a dashboard."""
    if number == 1 and world.tiles is None:
        # The first dashboard has one tile of every kind.
        kinds = list(TILE_KINDS)
    else:
        wanted = rng.randint(1, 8) if world.tiles is None else world.tiles
        kinds = rng.choices(list(TILE_KINDS), TILE_SHARES, k=wanted)
    return [_tile(world, rng, number, place, kind, filters) for place, kind in enumerate(kinds)]


def _tile(
    world: World, rng: random.Random, number: int, place: int, kind: str, filters: list[Content]
) -> Content:
    tile = blank(
        TILE,
        can=can("create", "update", "destroy", "index", "show", "explore", "run"),
        dashboard_id=world.id("dashboard", number),
        id=str(number * 1000 + place),
        title_hidden=chance(rng, 0.1),
        alert_count=0,
        type="vis",
    )
    if kind == "look" and not world.counts["look"]:
        kind = "query"
    listens = [f["name"] for f in filters if chance(rng, 0.7)]
    tile.update(TILE_KINDS[kind](world, rng, number * 1000 + place, listens))
    if tile["result_maker"]:
        tile["result_maker_id"] = tile["result_maker"]["id"]
    return tile


def listening(model: str, view: str, name: str, listens: list[str]) -> Content:
    """Return a filterables entry: which dashboard filters act on which field."""
    listen = [{"dashboard_filter_name": f, "field": f"{view}.{WORDS[i]}"} for i, f in enumerate(listens)]
    return {"model": model, "view": view, "name": name, "listen": listen}


def result_maker(number: int, source: Content, listens: list[str]) -> Content:
    """Return the wrapper of a tile's query."""
    return blank(
        RESULT_MAKER,
        id=str(5_000_000_000 + number),
        dynamic_fields=source["dynamic_fields"],
        filterables=[listening(source["model"], source["view"], "", listens)],
        sorts=source["sorts"],
        query_id=source["id"],
        query=source,
        vis_config=source["vis_config"],
    )


def query_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile with a query; some queries are used by many tiles."""
    shared = chance(rng, 0.2)
    source = shared_query(world, rng.randrange(SHARED_QUERIES)) if shared else query(rng, TILE_QUERY + number)
    return {
        "title": f"{source['view']} by {source['fields'][0]}",
        "query": source,
        "query_id": source["id"],
        "result_maker": result_maker(number, source, listens),
        **rng.choice(({}, {}, NOTE)),
    }


NOTE = {
    "note_display": "hover",
    "note_state": "collapsed",
    "note_text": TEXT,
    "note_text_as_html": f"<p>{TEXT}</p>",
}


def look_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile that shows a look."""
    look = look_with_query(world, world.some_number(rng, "look"))
    return {
        "title": look["title"],
        "look": look,
        "look_id": look["id"],
        "result_maker": result_maker(number, look["query"], listens),
    }


def merge_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile of merged results; the backup holds no definition of them, only their id."""
    sources = [shared_query(world, rng.randrange(SHARED_QUERIES)) for _ in range(rng.randint(2, 3))]
    merge_id = token(rng, 22)
    maker = blank(
        RESULT_MAKER,
        id=str(5_000_000_000 + number),
        dynamic_fields="[]",
        filterables=[
            listening(source["model"], source["view"], f"Source {i}", listens)
            for i, source in enumerate(sources)
        ],
        merge_result_id=merge_id,
        vis_config=vis_config(rng, sources[0]["fields"]),
    )
    return {"title": f"Merged {number}", "merge_result_id": merge_id, "result_maker": maker}


def text_tile(world: World, rng: random.Random, _: int, __: list[str]) -> Content:
    """Return a text tile, some with a link to another dashboard."""
    target = world.some_id(rng, "dashboard")
    return {
        "type": "text",
        "title_text": rng.choice(("Notes", "📌", "")),
        "subtitle_text": rng.choice(("as of today", "")),
        "body_text": rng.choice((f"### Notes\n\n{TEXT}[link]({HOST}/dashboards/{target})", TEXT, "")),
        "body_text_as_html": f"<p>{TEXT}</p>",
    }


def rich_text_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a text tile of the newer editor."""
    return text_tile(world, rng, number, listens) | {"rich_content_json": RICH}


def button_tile(_: World, __: random.Random, ___: int, ____: list[str]) -> Content:
    """Return a button."""
    return {"type": "button", "rich_content_json": BUTTON}


def extension_tile(_: World, rng: random.Random, __: int, ___: list[str]) -> Content:
    """Return a tile that runs an extension."""
    return {
        "type": "extension",
        "title": "Planner",
        "extension_id": f"{rng.choice(MODELS)}_project::planner",
    }


TileKind = Callable[[World, random.Random, int, list[str]], Content]
TILE_KINDS: dict[str, TileKind] = {
    "query": query_tile,
    "look": look_tile,
    "merge": merge_tile,
    "text": text_tile,
    "rich text": rich_text_tile,
    "button": button_tile,
    "extension": extension_tile,
}
TILE_SHARES = (60, 15, 8, 8, 4, 3, 2)
