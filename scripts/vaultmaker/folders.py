"""Folders, as rows and as they are nested in the content that lies in them."""

from __future__ import annotations

import random

from vaultmaker.shapes import FOLDER, Content, blank
from vaultmaker.tree import EMBED_GROUPS, EMBED_USERS, ROOTS, SHARED
from vaultmaker.wording import can, moment
from vaultmaker.world import World, remembered

LOOKML_FOLDER: Content = {
    "name": "LookML Dashboards",
    "id": "lookml",
    "content_metadata_id": None,
    "can": {"index": True, "show": True},
}
FLAGS = {key: False for key in FOLDER if key.startswith("is_")}
ODD_TITLE = (5, 0)


@remembered(4096)
def folder(world: World, number: int) -> Content:
    """Return a folder as it is nested in dashboards and looks."""
    rng, parent = world.rng("folder", number), world.tree.parents[number]
    plain = {
        "name": _name(world, rng, number),
        "parent_id": world.id("folder", parent) if parent else None,
        "id": world.id("folder", number),
        "content_metadata_id": str(100 + number),
        "created_at": moment(rng) if parent else None,
        "creator_id": world.some_id(rng, "user") if parent else None,
        "child_count": world.tree.children[number],
        "is_personal": world.tree.owner(number) > 0,
        "can": can("index", "show", "create", "edit_content", "move_content"),
    }
    return {
        **blank(FOLDER, **FLAGS),
        **plain,
        **ROOTS.get(number, {}),
        **(_placed(world, number) if world.whole else {}),
        **(LOOKML_FOLDER if number == world.tree.count else {}),
    }


def folder_row(world: World, number: int) -> Content:
    """Return a folder as a row of its own."""
    return dict(folder(world, number))


def home(world: World, rng: random.Random) -> Content:
    """Return a folder that content may lie in: Shared, a personal or an ordinary one."""
    number = rng.randrange(len(ROOTS), world.tree.count)
    return folder(world, SHARED if number == len(ROOTS) else number)


def embed_id(number: int) -> str:
    """Return what the embedding application calls a user."""
    return f"ext-user-{number}"


def _name(world: World, rng: random.Random, number: int) -> str:
    owner = world.tree.owner(number)
    return world.user_name(owner) if owner else world.title(rng, number - world.tree.first + 1, ODD_TITLE)


def _placed(world: World, number: int) -> Content:
    """Return what follows from the place of a folder."""
    above, owner = list(world.tree.above(number)), world.tree.owner(number)
    placed: Content = {
        "is_embed": bool({EMBED_GROUPS, EMBED_USERS} & set(above)),
        "is_personal_descendant": any(map(world.tree.owner, above)),
    }
    if owner:
        placed["creator_id"] = world.id("user", owner)
    if above and above[0] in (EMBED_GROUPS, EMBED_USERS):
        placed["external_id"] = embed_id(owner) if owner else f"tenant-{number}"
    return placed
