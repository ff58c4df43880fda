"""Folders: a tree under well-known roots, without a trash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, need, not_blank, the
from lvrestore.sandbox.api.destroy import destroy_folder
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import (
    DASHBOARD,
    FOLDER,
    FOLDER_BASE,
    LOOK_WITH_QUERY,
    living_dashboards,
    living_looks,
)
from lvrestore.sandbox.refusals import conflict, forbidden, invalid, not_found, not_modifiable, taken

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

BUILT_IN = ("is_shared_root", "is_users_root", "is_embed_shared_root", "is_embed_users_root", "is_personal")


def _check_name(instance: Instance, row: Row) -> None:
    if set(instance.store.folder_shelf.titled(row.get("parent_id"), row["name"])) - {row.get("id")}:
        raise taken("name", "Name already taken") if instance.on("folder_name_taken", "422") else conflict()


def _editable(call: Call) -> Row:
    row = the(call.instance.store.folders, call.ids[0])
    if row.get("parent_id") is None or any(row.get(flag) for flag in BUILT_IN):
        raise not_modifiable()
    return row


def _readable(call: Call) -> Row:
    call.instance.see("folder", call.ids[0])
    return the(call.instance.store.folders, call.ids[0])


def create_folder(call: Call) -> Row:
    """Make a folder under a parent."""
    instance, body = call.instance, call.body
    need(body, "name")
    parent = the(instance.store.folders, body.get("parent_id", ""))
    if parent.get("is_embed") and instance.on("embed_subfolders", "refused"):
        raise forbidden()
    _check_name(instance, body)
    row = {
        "id": instance.store.new_id("folder"),
        **body,
        "created_at": instance.now(),
        "creator_id": instance.caller_id,
        "is_personal_descendant": bool(parent.get("is_personal") or parent.get("is_personal_descendant")),
    }
    instance.store.put_folder(row)
    instance.born("folder", row["id"])
    return call.show(FOLDER, row)


def update_folder(call: Call) -> Row:
    """Rename a folder or put it under another parent, not under itself."""
    instance, row, body = call.instance, _editable(call), call.body
    not_blank(body, "name", "parent_id")
    if "parent_id" in body:
        the(instance.store.folders, body["parent_id"])
        if body["parent_id"] in instance.store.descendants(row["id"]):
            raise invalid("parent_id", "a folder cannot be its own descendant")
    _check_name(instance, {**row, **body})
    instance.store.take_folder(row)
    row.update(body)
    instance.store.put_folder(row)
    return call.show(FOLDER, row)


def delete_folder(call: Call) -> None:
    """Delete a folder with all folders, looks and dashboards below it."""
    row, destroys = _editable(call), call.instance.on("folder_delete", "destroys")
    destroy_folder(call.instance, row["id"], destroys=destroys)


def all_folders(call: Call) -> list[Row]:
    """List every folder."""
    folders = listing(call.instance, call.instance.store.folders.values(), call.params, FOLDER_BASE)
    return [call.show(FOLDER_BASE, row) for row in folders]


def search_folders(call: Call) -> list[Row]:
    """Find folders."""
    folders = listing(call.instance, call.instance.store.folders.values(), call.params, FOLDER)
    return [call.show(FOLDER, row) for row in folders]


def get_folder(call: Call) -> Row:
    """Show a folder."""
    return call.show(FOLDER, _readable(call))


def folder_children(call: Call) -> list[Row]:
    """List or search the folders directly below one."""
    store = call.instance.store
    children = [store.folders[i] for i in store.folder_shelf.ids(_readable(call)["id"])]
    return [call.show(FOLDER, row) for row in listing(call.instance, children, call.params, FOLDER)]


def folder_parent(call: Call) -> Row:
    """Show the folder above one."""
    parent_id = _readable(call).get("parent_id")
    if parent_id is None:
        raise not_found()
    return call.show(FOLDER, the(call.instance.store.folders, parent_id))


def folder_ancestors(call: Call) -> list[Row]:
    """List the folders above one, the root first."""
    found: list[Row] = []
    parent_id = _readable(call).get("parent_id")
    while parent_id is not None and parent_id not in [row["id"] for row in found]:
        found.append(the(call.instance.store.folders, parent_id))
        parent_id = found[-1].get("parent_id")
    return [call.show(FOLDER, row) for row in reversed(found)]


def folder_dashboards(call: Call) -> list[Row]:
    """List the living dashboards in a folder."""
    folder = _readable(call)
    return [call.show(DASHBOARD, d) for d in living_dashboards(call.instance, folder["id"])]


def folder_looks(call: Call) -> list[Row]:
    """List the living looks in a folder."""
    folder = _readable(call)
    return [call.show(LOOK_WITH_QUERY, row) for row in living_looks(call.instance, folder["id"])]


ROUTES = {
    "GET /folders": all_folders,
    "POST /folders": create_folder,
    "GET /folders/search": search_folders,
    "GET /folders/{folder_id}": get_folder,
    "PATCH /folders/{folder_id}": update_folder,
    "DELETE /folders/{folder_id}": delete_folder,
    "GET /folders/{folder_id}/children": folder_children,
    "GET /folders/{folder_id}/children/search": folder_children,
    "GET /folders/{folder_id}/parent": folder_parent,
    "GET /folders/{folder_id}/ancestors": folder_ancestors,
    "GET /folders/{folder_id}/dashboards": folder_dashboards,
    "GET /folders/{folder_id}/looks": folder_looks,
}
