"""Rows: every content type of a vault, and how lookervault derives a row from an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Literal

import msgspec

from vaultmaker.access import group, model_set, permission_set, role
from vaultmaker.boards import board
from vaultmaker.dashboards import dashboard
from vaultmaker.folders import folder_row
from vaultmaker.looks import look
from vaultmaker.people import user
from vaultmaker.plans import plan
from vaultmaker.queries import lookml_model
from vaultmaker.shapes import Content
from vaultmaker.wording import EXTRACTED_AT
from vaultmaker.world import World, falls

IdForm = Literal["bare", "composite"]
Row = tuple[Any, ...]


class Kind(msgspec.Struct, frozen=True):
    """A content type: its number in the file, its name in composite ids, and what makes one."""

    number: int
    label: str
    make: Callable[[World, int], Content]
    # Types that are only backed up when they are asked for.
    optional: bool = True


KINDS = (
    Kind(1, "dashboard", dashboard, optional=False),
    Kind(2, "look", look, optional=False),
    Kind(3, "lookml_model", lookml_model, optional=False),
    Kind(5, "folder", folder_row, optional=False),
    Kind(6, "board", board),
    Kind(7, "user", user, optional=False),
    Kind(8, "group", group),
    Kind(9, "role", role),
    Kind(10, "permission_set", permission_set),
    Kind(11, "model_set", model_set),
    Kind(12, "scheduled_plan", plan),
)
OWNED = ("dashboard", "look", "board", "scheduled_plan")
FILED = ("dashboard", "look")
# (every, offset): rows with such numbers are marked deleted by the vault.
DELETED = {"dashboard": (43, 10), "look": (43, 10)}
DELETED_IN_WHOLE = DELETED | {
    "folder": (61, 11),
    "board": (43, 10),
    "user": (43, 14),
    "scheduled_plan": (43, 10),
}


def rows_of(world: World, kind: Kind, numbers: range, id_form: IdForm) -> Iterator[Row]:
    """Yield the rows of some objects of a type."""
    for number in numbers:
        row = item_row(kind, number, kind.make(world, number), id_form)
        if is_deleted(world, kind, number):
            row = (*row[:8], EXTRACTED_AT.isoformat(), *row[9:])
        yield row


def is_deleted(world: World, kind: Kind, number: int) -> bool:
    """Return whether the vault marks an object as gone; of folders, only ordinary ones."""
    turn = (DELETED_IN_WHOLE if world.whole else DELETED).get(kind.label)
    place = number - world.tree.first if kind.label == "folder" else number
    return world.oddities and turn is not None and place > 0 and falls(place, turn)


def item_row(kind: Kind, number: int, content: Content, id_form: IdForm = "bare") -> Row:
    """Return a row of content_items as lookervault derives it from the content."""
    content = {key: value for key, value in content.items() if value is not None}
    blob = msgspec.msgpack.encode(content)
    source_id = content.get("id") or content["name"]
    synced_at = EXTRACTED_AT + timedelta(milliseconds=7 * number)
    # Extracted by one worker: composite ids, the id for want of a name, and naive local time.
    alone = id_form == "composite"
    return (
        f"{kind.label}::{source_id}" if alone else source_id,
        kind.number,
        content.get("title") or content.get("name") or (source_id if alone else f"Untitled {source_id}"),
        int(content["user_id"]) if kind.label in OWNED and "user_id" in content else None,
        None,
        content.get("created_at", synced_at).isoformat(),
        content.get("updated_at", synced_at).isoformat(),
        (synced_at.replace(tzinfo=None) if alone else synced_at).isoformat(),
        None,
        len(blob),
        blob,
        content["folder_id"] if kind.label in FILED else None,
    )
