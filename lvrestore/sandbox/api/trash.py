"""The trash, which dashboards and looks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row


def trashed(instance: Instance, row: Row, changes: Row) -> Row:
    """Return what else changes when something goes into the trash or comes out of it."""
    if not changes.get("deleted"):
        return {"deleted_at": None, "deleter_id": None} if "deleted" in changes else {}
    if row.get("deleted_at"):
        return {}
    return {"deleted_at": instance.now(), "deleter_id": instance.caller_id}


def stays_put(instance: Instance, row: Row, changes: Row) -> Row:
    """Return the changes without a move that the instance does not make with what is in the trash."""
    undeletes = bool(row.get("deleted")) and changes.get("deleted") is False
    ignored = instance.on("undelete_moves", "never") and bool(row.get("deleted"))
    if ignored or (undeletes and instance.on("undelete_moves", "no")):
        return {name: value for name, value in changes.items() if name != "folder_id"}
    return changes
