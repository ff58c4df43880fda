"""Boards, their sections and the items in these: nothing about them is unique, and order is a list of ids."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from lvrestore.sandbox.api.call import Call, accepted, need, not_blank, refer, the
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import TIMES, View
from lvrestore.sandbox.refusals import invalid, missing, not_found
from lvrestore.sandbox.store import content_keys

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

TARGETS = ("dashboard_id", "look_id", "lookml_dashboard_id")


def _content(instance: Instance, item: Row) -> Row:
    store = instance.store
    if item.get("dashboard_id") in store.dashboards:
        return store.dashboards[item["dashboard_id"]].row
    return store.looks.get(item.get("look_id") or "", {})


def _title(instance: Instance, item: Row, _wanted: Row) -> str | None:
    title = _content(instance, item).get("title")
    return item.get("custom_title") if item.get("use_custom_title") else title


def _url(_instance: Instance, item: Row, _wanted: Row) -> str | None:
    paths = [f"/{key.replace('_id/', 's/')}" for key in content_keys(item)]
    lookml = f"/dashboards/{item['lookml_dashboard_id']}" if item.get("lookml_dashboard_id") else None
    return item.get("custom_url") if item.get("use_custom_url") else next(iter(paths), lookml)


def _items(instance: Instance, section: Row, wanted: Row) -> list[Row]:
    items = instance.store.section_items.rights(section["id"])
    return [ITEM.render(instance, instance.store.items[i], wanted) for i in items]


def _sections(instance: Instance, board: Row, wanted: Row) -> list[Row]:
    sections = instance.store.board_sections.rights(board["id"])
    return [SECTION.render(instance, instance.store.sections[i], wanted) for i in sections]


def _visible_order(_instance: Instance, section: Row, _wanted: Row) -> list[str]:
    return section.get("item_order") or []


ITEM = View("BoardItem", {"title": _title, "url": _url})
SECTION = View("BoardSection", {**TIMES, "board_items": _items, "visible_item_order": _visible_order})
BOARD = View("Board", {**TIMES, "board_sections": _sections})


def _taken(call: Call, order: str, own: list[str]) -> Row:
    """Return what is taken from a body: the trash as a time, an order only of what is there."""
    body = accepted(call.instance, call.body)
    if call.instance.on("order_arrays", "checked") and not set(body.get(order) or ()) <= set(own):
        raise missing(order)
    if "deleted_at" in body:
        body["deleted_at"] = _stamp(body["deleted_at"])
        if body["deleted_at"] is None and call.instance.on("board_undelete", "ignored"):
            del body["deleted_at"]
    return body


def _stamp(text: str | None) -> float | None:
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise invalid("deleted_at", "deleted_at is not a time") from None


def _dated(instance: Instance, row: Row) -> Row:
    return {"created_at": instance.now(), "updated_at": instance.now(), **row}


def _appended(row: Row, order: str, object_id: str) -> None:
    row[order] = [*(row.get(order) or []), object_id]


def _touch(call: Call, section: Row) -> None:
    """Note on the board of a section that something on it changed."""
    call.instance.touch_board(call.instance.store.boards[section["board_id"]])


# Boards


def create_board(call: Call) -> Row:
    """Make a board without sections."""
    instance, body = call.instance, _taken(call, "section_order", [])
    need(body, "title")
    owner = body.get("user_id") or instance.caller_id
    row = _dated(instance, {"id": instance.store.new_id("board"), **body, "user_id": owner})
    instance.store.put_board(row)
    instance.born("board", row["id"])
    return call.show(BOARD, row)


def update_board(call: Call) -> Row:
    """Change a board; `deleted_at` moves it into the trash and back."""
    store = call.instance.store
    row = the(store.boards, call.ids[0])
    body = _taken(call, "section_order", store.board_sections.rights(row["id"]))
    not_blank(body, "title")
    row.update(body, updated_at=call.instance.now())
    return call.show(BOARD, row)


def delete_board(call: Call) -> None:
    """Destroy a board with its sections and items."""
    call.instance.store.take_board(the(call.instance.store.boards, call.ids[0]))


def get_board(call: Call) -> Row:
    """Show a board with its sections and items."""
    call.instance.see("board", call.ids[0])
    row = the(call.instance.store.boards, call.ids[0])
    if row.get("deleted_at") and call.instance.on("get_trashed", "404"):
        raise not_found()
    return call.show(BOARD, row)


def all_boards(call: Call) -> list[Row]:
    """List or find boards, as a rule not those in the trash."""
    boards = list(call.instance.store.boards.values())
    if call.instance.on("trashed_boards", "unlisted"):
        boards = [row for row in boards if not row.get("deleted_at")]
    creator = call.params.pop("creator_id", None)
    found = [row for row in boards if creator in {None, row.get("user_id")}]
    return [call.show(BOARD, row) for row in listing(call.instance, found, call.params, BOARD)]


# Sections


def create_section(call: Call) -> Row:
    """Make a section at the end of a board."""
    store, body = call.instance.store, _taken(call, "item_order", [])
    need(body, "board_id")
    refer(body, "board_id", store.boards)
    row = _dated(call.instance, {"id": store.new_id("section"), **body})
    store.put_section(row)
    _appended(store.boards[row["board_id"]], "section_order", row["id"])
    _touch(call, row)
    return call.show(SECTION, row)


def update_section(call: Call) -> Row:
    """Change a section, or put it onto another board."""
    store = call.instance.store
    row = the(store.sections, call.ids[0])
    body = _taken(call, "item_order", store.section_items.rights(row["id"]))
    not_blank(body, "board_id")
    refer(body, "board_id", store.boards)
    if body.get("board_id", row["board_id"]) != row["board_id"]:
        store.move_section(row, body["board_id"])
    row.update(body, updated_at=call.instance.now())
    _touch(call, row)
    return call.show(SECTION, row)


def delete_section(call: Call) -> None:
    """Destroy a section with its items."""
    row = the(call.instance.store.sections, call.ids[0])
    call.instance.store.take_section(row)
    _touch(call, row)


def get_section(call: Call) -> Row:
    """Show a section with its items."""
    return call.show(SECTION, the(call.instance.store.sections, call.ids[0]))


def all_sections(call: Call) -> list[Row]:
    """List the sections of all boards."""
    sections = listing(call.instance, call.instance.store.sections.values(), call.params, SECTION)
    return [call.show(SECTION, row) for row in sections]


# Items


def _check_item(instance: Instance, row: Row) -> None:
    store = instance.store
    refer(row, "board_section_id", store.sections)
    refer(row, "dashboard_id", store.dashboards)
    refer(row, "look_id", store.looks)
    targets = [field for field in TARGETS if row.get(field)]
    if len(targets) > 1:
        raise invalid(targets[1], "an item shows one thing")
    if not targets and not row.get("custom_url"):
        raise invalid("dashboard_id", "an item must show something")
    if "::" not in (row.get("lookml_dashboard_id") or "::"):
        raise missing("lookml_dashboard_id")


def create_item(call: Call) -> Row:
    """Make an item at the end of a section."""
    store, body = call.instance.store, dict(call.body)
    need(body, "board_section_id")
    _check_item(call.instance, body)
    row = {"id": store.new_id("item"), **body}
    store.put_item(row)
    _appended(store.sections[row["board_section_id"]], "item_order", row["id"])
    _touch(call, store.sections[row["board_section_id"]])
    return call.show(ITEM, row)


def update_item(call: Call) -> Row:
    """Change an item, or put it into another section."""
    store, body = call.instance.store, call.body
    row = the(store.items, call.ids[0])
    not_blank(body, "board_section_id")
    changed = {name: value for name, value in body.items() if row.get(name) != value}
    if changed.keys() & {"board_section_id", "custom_url", *TARGETS}:
        _check_item(call.instance, {**row, **body})
    section_id = row["board_section_id"]
    if changed.get("board_section_id"):
        store.take_item(row)
    row.update(body)
    store.put_item(row)
    if row["board_section_id"] != section_id:
        _appended(store.sections[row["board_section_id"]], "item_order", row["id"])
    _touch(call, store.sections[row["board_section_id"]])
    return call.show(ITEM, row)


def delete_item(call: Call) -> None:
    """Remove an item, not what it shows."""
    row = the(call.instance.store.items, call.ids[0])
    call.instance.store.take_item(row)
    _touch(call, call.instance.store.sections[row["board_section_id"]])


def get_item(call: Call) -> Row:
    """Show an item."""
    return call.show(ITEM, the(call.instance.store.items, call.ids[0]))


def all_items(call: Call) -> list[Row]:
    """List the items of all boards, or of one section."""
    items = listing(call.instance, call.instance.store.items.values(), call.params, ITEM)
    return [call.show(ITEM, row) for row in items]


def _routes(path: str, one: str, *handlers: Any) -> dict[str, Any]:  # noqa: ANN401 - handlers
    names = (f"GET {path}", f"POST {path}", f"GET {one}", f"PATCH {one}", f"DELETE {one}")
    return dict(zip(names, handlers, strict=True))


ROUTES = {
    **_routes(
        "/boards", "/boards/{board_id}", all_boards, create_board, get_board, update_board, delete_board
    ),
    "GET /boards/search": all_boards,
    **_routes(
        "/board_sections",
        "/board_sections/{board_section_id}",
        *(all_sections, create_section, get_section, update_section, delete_section),
    ),
    **_routes(
        "/board_items",
        "/board_items/{board_item_id}",
        *(all_items, create_item, get_item, update_item, delete_item),
    ),
}
