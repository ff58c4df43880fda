"""Links from content to other content: in text tiles, notes, buttons and visualisations."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from vaultmaker.queries import SHARED_QUERY, TILE_QUERY
from vaultmaker.shapes import Content
from vaultmaker.wording import HOST, chance
from vaultmaker.world import World

# What a link may look like, `{}` being the path of something in the vault.
FORMS = ("{}", HOST + "{}", HOST + "{}?Date=7+days&Region=EMEA", "{}#details")
# These mean something else than the content with such a number, or name it by its slug.
OTHERS = (
    "https://elsewhere.example.org/dashboards/1",
    "/dashboards/thelook::business_pulse",
    "/explore/thelook/orders?fields=orders.count",
    "/admin/users/1/edit",
)
LINKED = ("dashboard", "look", "folder")
LINK_SHARE = 0.5

Link = Callable[[], str]


def link(world: World, rng: random.Random) -> str:
    """Return a link to a dashboard, a look or a folder; one in eight means none of them."""
    kind = rng.choice([kind for kind in LINKED if world.counts[kind]])
    if chance(rng, 1 / 8):
        return rng.choice(OTHERS)
    last = world.tree.count - 1 if kind == "folder" else world.counts[kind]
    return rng.choice(FORMS).format(f"/{kind}s/{world.id(kind, rng.randint(1, last))}")


def add_links(world: World, number: int, dashboard: Content) -> None:
    """Link from a dashboard's description and tiles."""
    rng = world.rng("links", number)
    if dashboard["description"]:
        dashboard["description"] += f" See {link(world, rng)} and /dashboards/{dashboard['slug']}."
    for tile in dashboard["dashboard_elements"] or ():
        for place in PLACES:
            if chance(rng, LINK_SHARE):
                place(tile, lambda: link(world, rng))


def _in_text(tile: Content, target: Link) -> None:
    if tile["body_text"]:
        tile["body_text"] += f"\n\n* [one]({target()}), [another]({target()})\n* bare: {target()}"


def _in_note(tile: Content, target: Link) -> None:
    if tile["note_text"]:
        tile["note_text"] += f'<a href="{target()}">why</a>'


def _in_rich_content(tile: Content, target: Link) -> None:
    if tile["rich_content_json"]:
        content = json.loads(tile["rich_content_json"])
        if isinstance(content, dict):
            content["href"] = target()
        else:
            content.append({"type": "a", "url": target(), "children": [{"text": "more"}]})
        tile["rich_content_json"] = json.dumps(content)


def _in_visualisation(tile: Content, target: Link) -> None:
    # A query that other tiles use as well has to look the same in all of them.
    if tile["query_id"] and TILE_QUERY <= int(tile["query_id"]) < SHARED_QUERY:
        tile["query"]["vis_config"] |= {
            "link": target(),
            "series_links": [{"label": "Details", "url": target()}],
        }


PLACES = (_in_text, _in_note, _in_rich_content, _in_visualisation)
