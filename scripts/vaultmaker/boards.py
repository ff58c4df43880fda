"""Boards with sections and items."""

from __future__ import annotations

import random
from collections.abc import Callable

from vaultmaker.links import link
from vaultmaker.shapes import BOARD, BOARD_ITEM, BOARD_SECTION, Content, blank
from vaultmaker.wording import TEXT, can, moment
from vaultmaker.world import World, falls

ODD_TITLE = (4, 0)
MOST_SECTIONS, MOST_ITEMS = 4, 8
# (every, offset): boards whose last section, boards that altogether, were deleted.
DELETED_SECTION = (3, 2)
DELETED_BOARD = (14, 12)


def board(world: World, number: int) -> Content:
    """Return a board; neither order is that of creation."""
    rng = world.rng("board", number)
    sections = [_section(world, rng, number, place) for place in range(rng.randint(1, MOST_SECTIONS))]
    if world.oddities and falls(number, DELETED_SECTION):
        sections[-1]["deleted_at"] = moment(rng, 2025, 1)
    shown = [section["id"] for section in sections if not section["deleted_at"]]
    return blank(
        BOARD,
        can=can("show", "update", "copy"),
        content_metadata_id=str(900_000_000 + number),
        created_at=moment(rng),
        deleted_at=moment(rng, 2025, 1) if world.oddities and falls(number, DELETED_BOARD) else None,
        description=_description(world, rng),
        board_sections=sections,
        id=world.id("board", number),
        section_order=rng.sample(shown, len(shown)),
        title=world.title(rng, number, ODD_TITLE),
        updated_at=moment(rng, 2024, 1),
        user_id=world.some_id(rng, "user"),
        primary_homepage=number == 1,
    )


def _description(world: World, rng: random.Random) -> str | None:
    linked = f"Start at {link(world, rng)}." if world.whole else TEXT
    return rng.choice((TEXT, linked, None))


def _section(world: World, rng: random.Random, number: int, place: int) -> Content:
    section_id = str(number * 100 + place)
    first = number * 1000 + place * MOST_ITEMS
    items = [
        _item(world, rng, str(first + order), section_id, order)
        for order in range(rng.randrange(MOST_ITEMS + 1))
    ]
    order = rng.sample([item["id"] for item in items], len(items))
    return blank(
        BOARD_SECTION,
        can=can("show", "update"),
        created_at=moment(rng),
        description=rng.choice((TEXT, None, None)),
        board_id=world.id("board", number),
        board_items=items,
        id=section_id,
        item_order=order,
        visible_item_order=order,
        title=world.title(rng, number + place, ODD_TITLE),
        updated_at=moment(rng, 2024, 1),
    )


def _item(world: World, rng: random.Random, item_id: str, section_id: str, order: int) -> Content:
    shown = rng.choices(ITEM_KINDS, ITEM_SHARES)[0](world, rng)
    return (
        blank(
            BOARD_ITEM,
            can=can("show", "update"),
            favorite_count=0,
            board_section_id=section_id,
            id=item_id,
            location="Shared",
            order=order,
            title=f"Item {item_id}",
            use_custom_description=False,
            use_custom_title=False,
            use_custom_url=False,
            view_count=rng.randrange(100),
        )
        | shown
    )


def content_item(world: World, rng: random.Random) -> Content:
    """Show a dashboard or a look as it is; a description that is not used may be left from before."""
    unused = {"custom_description": rng.choice(("Read this first ⭐", None))}
    return world.reference(*world.some_content(rng)) | unused


def renamed_item(world: World, rng: random.Random) -> Content:
    """Show content under another title, with a description of its own."""
    title = rng.choice(("Nº 1: 売上 / Sales", "NOT NULL", "100%, _really_", "لوحة"))
    custom = {"custom_title": title, "use_custom_title": True}
    described = {"custom_description": TEXT, "use_custom_description": True}
    return world.reference(*world.some_content(rng)) | custom | described


def url_item(world: World, rng: random.Random) -> Content:
    """Show a link, inside or outside of the instance."""
    inside = link(world, rng) if world.whole else "https://docs.example.com/metrics"
    return {
        "custom_title": "Metric glossary",
        "custom_url": rng.choice((inside, "https://docs.example.com/metrics")),
        "use_custom_title": True,
        "use_custom_url": True,
    }


ITEM_KINDS: tuple[Callable[[World, random.Random], Content], ...] = (content_item, renamed_item, url_item)
ITEM_SHARES = (70, 15, 15)
