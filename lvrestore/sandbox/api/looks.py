"""Looks: saved queries in folders, with a trash like that of dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, accepted, merged, need, not_blank, refer, refer_query, the
from lvrestore.sandbox.api.destroy import destroy_look
from lvrestore.sandbox.api.queries import make_query
from lvrestore.sandbox.api.search import long_listing
from lvrestore.sandbox.api.trash import stays_put, trashed
from lvrestore.sandbox.api.views import LOOK, LOOK_WITH_QUERY
from lvrestore.sandbox.refusals import not_found, taken

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row


def _check_title(instance: Instance, row: Row) -> None:
    if instance.on("look_title", "free"):
        return
    for other_id in instance.store.look_shelf.titled(row.get("folder_id"), row.get("title")):
        counts = not instance.store.looks[other_id].get("deleted") or instance.on(
            "trashed_title_blocks", "yes"
        )
        if counts and other_id != row.get("id"):
            raise taken("[:title, :space_id]", "Look with this title already exists.")


def _body(call: Call) -> Row:
    """Return the body with an inline query replaced by its id, if the instance honours it."""
    body = call.body
    if body.get("query") and not body.get("query_id") and call.instance.on("inline_query", "honoured"):
        body = {**body, "query_id": make_query(call.instance, body["query"])}
    refer_query(call.instance, body)
    return accepted(call.instance, body)


def create_look(call: Call) -> Row:
    """Make a look."""
    instance, body = call.instance, _body(call)
    need(body, "title", "query_id", "folder_id")
    refer(body, "folder_id", instance.store.folders)
    _check_title(instance, body)
    now = instance.now()
    row = {
        "id": instance.store.new_id("look"),
        "created_at": now,
        "updated_at": now,
        "last_updater_id": instance.caller_id,
        **body,
        "user_id": body.get("user_id") or instance.caller_id,
    }
    row.update(trashed(instance, row, body))
    instance.store.put_look(row)
    instance.born("look", row["id"])
    return call.show(LOOK_WITH_QUERY, row)


def _change(instance: Instance, row: Row, changes: Row) -> None:
    not_blank(changes, "title", "query_id", "folder_id")
    undeleted = row.get("deleted") and changes.get("deleted") is False
    changes = stays_put(instance, row, changes)
    after = {**row, **changes}
    if undeleted or "folder_id" in changes:
        refer(after, "folder_id", instance.store.folders)
    moved = (after.get("folder_id"), after["title"]) != (row.get("folder_id"), row["title"])
    if not after.get("deleted") and (undeleted or moved):
        _check_title(instance, after)
    changes = {**changes, **trashed(instance, row, changes)}
    instance.store.take_look(row)
    row.update(changes)
    instance.store.put_look(row)
    instance.sign(row)
    instance.revoke(row, changes)


def update_look(call: Call) -> Row:
    """Change a look; `deleted` moves it into the trash and back."""
    row = the(call.instance.store.looks, call.ids[0])
    _change(call.instance, row, merged(call.instance, row, _body(call)))
    return call.show(LOOK_WITH_QUERY, row)


def move_look(call: Call) -> Row:
    """Put a look into another folder."""
    need(call.params, "folder_id")
    row = the(call.instance.store.looks, call.ids[0])
    _change(call.instance, row, {"folder_id": call.params["folder_id"]})
    return call.show(LOOK_WITH_QUERY, row)


def delete_look(call: Call) -> None:
    """Destroy a look for good; tiles that showed it stay, broken."""
    destroy_look(call.instance, the(call.instance.store.looks, call.ids[0]))


def get_look(call: Call) -> Row:
    """Show a look with its query."""
    call.instance.see("look", call.ids[0])
    row = the(call.instance.store.looks, call.ids[0])
    if row.get("deleted") and call.instance.on("get_trashed", "404"):
        raise not_found()
    return call.show(LOOK_WITH_QUERY, row)


def search_looks(call: Call) -> list[Row]:
    """Find looks, alive ones unless `deleted=true` asks for the trash."""
    in_trash = call.params.get("deleted") == "true"
    looks = (row for row in call.instance.store.looks.values() if bool(row.get("deleted")) == in_trash)
    return [call.show(LOOK, row) for row in long_listing(call.instance, looks, call.params, LOOK)]


ROUTES = {
    "GET /looks": search_looks,
    "POST /looks": create_look,
    "GET /looks/search": search_looks,
    "GET /looks/{look_id}": get_look,
    "PATCH /looks/{look_id}": update_look,
    "DELETE /looks/{look_id}": delete_look,
    "PATCH /looks/{look_id}/move": move_look,
}
