"""Layouts, and the rectangles of tiles in them."""

from __future__ import annotations

import random

from vaultmaker.shapes import COMPONENT, LAYOUT, Content, blank
from vaultmaker.wording import can


def layout_id(number: int, index: int) -> str:
    """Return the id of one of a dashboard's layouts."""
    return str(index * 10_000_000 + number)


def layout(
    rng: random.Random,
    number: int,
    tiles: list[Content],
    *,
    index: int = 0,
    title: str | None,
    **given: object,
) -> Content:
    """Return a layout that places every tile."""
    dashboard_id = tiles[0]["dashboard_id"] if tiles else str(number)
    empty = blank(
        LAYOUT,
        can=can(),
        id=layout_id(number, index),
        dashboard_id=dashboard_id,
        type="newspaper",
        active=True,
        deleted=False,
        dashboard_title=title,
    )
    placed = [component(rng, empty["id"], index, row, tile) for row, tile in enumerate(tiles)]
    return empty | {"dashboard_layout_components": placed} | given


def component(rng: random.Random, place_id: str, index: int, row: int, tile: Content) -> Content:
    """Return one tile's rectangle in one layout."""
    return blank(
        COMPONENT,
        can=can("index", "show"),
        id=str(index * 1_000_000_000 + int(tile["id"])),
        dashboard_layout_id=place_id,
        dashboard_element_id=tile["id"],
        row=row // 2 * 6,
        column=row % 2 * 12,
        width=rng.choice((6, 8, 12)),
        height=rng.choice((4, 6)),
        deleted=False,
        element_title=tile["title"],
        element_title_hidden=tile["title_hidden"],
        vis_type=tile["type"],
    )
