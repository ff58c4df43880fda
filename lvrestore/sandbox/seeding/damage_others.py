"""Break a share of everything beside dashboards, so that the loss of one thing is not the loss of another.

Before something goes, what depends on it is handed on: a folder's content to its parent, a user's to the
caller, a set's roles to another set.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.permissions import PARENTS
from lvrestore.sandbox.store import Row

if TYPE_CHECKING:
    from lvrestore.sandbox.looker import Looker

Act = Callable[["Breaker", Row], bool]
# So often an id is drawn until one fits; then the whole table is looked through.
TRIES = 20


class Breaker:
    """Breaks objects of one kind; each act changes one or says that it cannot."""

    def __init__(self, looker: Looker, rng: random.Random) -> None:
        self.looker, self.rng = looker, rng
        self.instance, self.store = looker.instance, looker.instance.store
        self._ids: dict[int, list[str]] = {}

    def other(self, table: dict[str, Any], *but: str | None) -> str | None:
        """Choose an id of a table of the store, not these."""
        if id(table) not in self._ids:
            self._ids[id(table)] = list(table)
        ids = self._ids[id(table)]
        for _ in range(TRIES if ids else 0):
            if (one := self.rng.choice(ids)) in table and one not in but:
                return one
        left = [object_id for object_id in table if object_id not in but]
        return self.rng.choice(left) if left else None

    def delete(self, path: str) -> bool:
        """Delete through the API."""
        self.looker.call("DELETE", path)
        return True


def _set(field: str, make: Callable[[Breaker, Any], Any]) -> Act:
    """Return an act that changes a field of a row that no index knows."""

    def change(breaker: Breaker, row: Row) -> bool:
        before = row.get(field)
        row[field] = make(breaker, before)
        return bool((row[field] or None) != (before or None))

    return change


def _edited(_breaker: Breaker, text: str | None) -> str:
    return f"{text or ''} (edited)"


def _toggled(_breaker: Breaker, value: object) -> bool:
    return not value


def _without_one(breaker: Breaker, values: list[str] | None) -> list[str]:
    left = list(values or ())
    if left:
        left.remove(breaker.rng.choice(left))
    return left


def _with_one(name: str) -> Callable[[Breaker, list[str] | None], list[str]]:
    return lambda _breaker, values: [*(values or ()), name]


def _reversed(_breaker: Breaker, order: list[str] | None) -> list[str]:
    return (order or [])[::-1]


def _name(breaker: Breaker, row: Row) -> bool:
    row["name"] = f"{row.get('name') or ''} (edited {breaker.rng.randrange(10**6)})"
    return True


# Looks and folders, which are indexed by place.


def _replace_look(breaker: Breaker, row: Row, **changes: object) -> bool:
    breaker.store.take_look(row)
    row.update(changes)
    breaker.store.put_look(row)
    breaker.instance.sign(row)
    return True


def _look_title(breaker: Breaker, row: Row) -> bool:
    return _replace_look(breaker, row, title=f"{row.get('title')} (edited {row['id']})")


def _look_text(breaker: Breaker, row: Row) -> bool:
    return _replace_look(breaker, row, description=_edited(breaker, row.get("description")))


def _look_query(breaker: Breaker, row: Row) -> bool:
    query_id = breaker.other(breaker.store.queries, row.get("query_id"))
    return query_id is not None and _replace_look(breaker, row, query_id=query_id)


def _look_moved(breaker: Breaker, row: Row) -> bool:
    folder_id = breaker.other(breaker.store.folders, row.get("folder_id"))
    if folder_id is None or breaker.store.look_shelf.titled(folder_id, row.get("title")):
        return False
    return _replace_look(breaker, row, folder_id=folder_id)


def _trash_look(breaker: Breaker, row: Row) -> bool:
    breaker.looker.call("PATCH", f"/looks/{row['id']}", {"deleted": True})
    return True


def _drop_look(breaker: Breaker, row: Row) -> bool:
    return breaker.delete(f"/looks/{row['id']}")


def _replace_folder(breaker: Breaker, row: Row, **changes: object) -> bool:
    breaker.store.take_folder(row)
    row.update(changes)
    breaker.store.put_folder(row)
    return True


def _folder_name(breaker: Breaker, row: Row) -> bool:
    return _replace_folder(breaker, row, name=f"{row['name']} (edited {row['id']})")


def _folder_moved(breaker: Breaker, row: Row) -> bool:
    store = breaker.store
    parent_id = breaker.other(store.folders, row.get("parent_id"), *store.descendants(row["id"]))
    if parent_id is None or store.folder_shelf.titled(parent_id, row["name"]):
        return False
    return _replace_folder(breaker, row, parent_id=parent_id)


def _handed_on(breaker: Breaker, folder_id: str, to: str) -> bool:
    """Move what is in a folder to another one, unless a title or a name is taken there."""
    store = breaker.store
    shelves = (store.dashboard_shelf, store.look_shelf, store.folder_shelf)
    if any(shelf.titled(to, name) for shelf in shelves for name in shelf.all_titles(folder_id)):
        return False
    for dashboard_id in store.dashboard_shelf.ids(folder_id):
        store.change_dashboard(store.dashboards[dashboard_id], {"folder_id": to})
    for look_id in store.look_shelf.ids(folder_id):
        _replace_look(breaker, store.looks[look_id], folder_id=to)
    for inner in store.folder_shelf.ids(folder_id):
        _replace_folder(breaker, store.folders[inner], parent_id=to)
    return True


def _drop_folder(breaker: Breaker, row: Row) -> bool:
    parent_id = row.get("parent_id")
    if parent_id not in breaker.store.folders or not _handed_on(breaker, row["id"], parent_id):
        return False
    return breaker.delete(f"/folders/{row['id']}")


# Boards and plans


def _parts(breaker: Breaker, row: Row) -> tuple[list[Row], list[Row]]:
    store = breaker.store
    sections = [store.sections[i] for i in store.board_sections.rights(row["id"])]
    return sections, [store.items[i] for s in sections for i in store.section_items.rights(s["id"])]


def _section_changed(breaker: Breaker, row: Row) -> bool:
    sections, _ = _parts(breaker, row)
    return bool(sections) and _set("title", _edited)(breaker, breaker.rng.choice(sections))


def _section_removed(breaker: Breaker, row: Row) -> bool:
    sections, _ = _parts(breaker, row)
    return bool(sections) and breaker.delete(f"/board_sections/{breaker.rng.choice(sections)['id']}")


def _section_added(breaker: Breaker, row: Row) -> bool:
    breaker.looker.call("POST", "/board_sections", {"board_id": row["id"], "title": "Stray"})
    return True


def _item_changed(breaker: Breaker, row: Row) -> bool:
    _, items = _parts(breaker, row)
    return bool(items) and _set("custom_description", _edited)(breaker, breaker.rng.choice(items))


def _item_removed(breaker: Breaker, row: Row) -> bool:
    _, items = _parts(breaker, row)
    return bool(items) and breaker.delete(f"/board_items/{breaker.rng.choice(items)['id']}")


def _items_reversed(breaker: Breaker, row: Row) -> bool:
    reverse, (sections, _) = _set("item_order", _reversed), _parts(breaker, row)
    done = [reverse(breaker, section) for section in sections]
    return any(done)


def _trash_board(breaker: Breaker, row: Row) -> bool:
    row["deleted_at"] = breaker.instance.now()
    return True


def _drop_board(breaker: Breaker, row: Row) -> bool:
    return breaker.delete(f"/boards/{row['id']}")


def _plan_rescheduled(breaker: Breaker, row: Row) -> bool:
    row["crontab"] = f"{breaker.rng.randrange(60)} 4 1 1 *" if row.get("crontab") else None
    return bool(row["crontab"])


def _plan_readdressed(_breaker: Breaker, row: Row) -> bool:
    destinations = row.get("scheduled_plan_destination") or []
    row["scheduled_plan_destination"] = [{**d, "address": "stranger@example.com"} for d in destinations]
    return bool(destinations)


def _drop_plan(breaker: Breaker, row: Row) -> bool:
    breaker.store.take_plan(row)
    return True


# People and what they may do


def _renamed_user(_breaker: Breaker, row: Row) -> bool:
    row["first_name"] = f"{row.get('first_name') or ''} (edited)"
    row["display_name"] = " ".join(filter(None, (row["first_name"], row.get("last_name"))))
    return True


def _left_group(breaker: Breaker, row: Row) -> bool:
    members = breaker.store.access.members
    groups = members.lefts(row["id"])
    if groups:
        members.remove(breaker.rng.choice(groups), row["id"])
    return bool(groups)


def _joined_group(breaker: Breaker, row: Row) -> bool:
    access = breaker.store.access
    group_id = breaker.other(breaker.store.groups, *access.groups_of(row["id"]))
    if group_id:
        access.members.add(group_id, row["id"])
    return bool(group_id)


def _lost_role(breaker: Breaker, row: Row) -> bool:
    roles = breaker.store.access.user_roles.lefts(row["id"])
    if roles:
        breaker.store.access.user_roles.remove(breaker.rng.choice(roles), row["id"])
    return bool(roles)


def _drop_user(breaker: Breaker, row: Row) -> bool:
    store, caller = breaker.store, breaker.instance.caller_id
    shared = next(f["id"] for f in store.folders.values() if f.get("is_shared_root"))
    if not _handed_on(breaker, row.get("personal_folder_id") or "", shared):
        return False
    tables = (store.looks, store.boards, store.plans)
    owned = [*(d.row for d in store.dashboards.values()), *(r for table in tables for r in table.values())]
    for content in owned:
        if content.get("user_id") == row["id"]:
            content["user_id"] = caller
    return breaker.delete(f"/users/{row['id']}")


def _swap_set(kind: str) -> Act:
    def swap(breaker: Breaker, row: Row) -> bool:
        other = breaker.other(getattr(breaker.store, f"{kind}s"), row.get(f"{kind}_id"))
        row[f"{kind}_id"] = other or row.get(f"{kind}_id")
        return other is not None

    return swap


def _member_added(breaker: Breaker, row: Row) -> bool:
    members = breaker.store.access.members
    user_id = breaker.other(breaker.store.users, breaker.instance.caller_id, *members.rights(row["id"]))
    if user_id:
        members.add(row["id"], user_id)
    return bool(user_id)


def _member_removed(breaker: Breaker, row: Row) -> bool:
    members = breaker.store.access.members
    users = members.rights(row["id"])
    if users:
        members.remove(row["id"], breaker.rng.choice(users))
    return bool(users)


def _holder_removed(breaker: Breaker, row: Row) -> bool:
    holders = breaker.store.access.user_roles.rights(row["id"])
    if holders:
        breaker.store.access.user_roles.remove(row["id"], breaker.rng.choice(holders))
    return bool(holders)


def _holder_added(breaker: Breaker, row: Row) -> bool:
    holders = breaker.store.access.user_roles
    user_id = breaker.other(breaker.store.users, breaker.instance.caller_id, *holders.rights(row["id"]))
    if user_id:
        holders.add(row["id"], user_id)
    return bool(user_id)


def _drop_role(breaker: Breaker, row: Row) -> bool:
    return breaker.delete(f"/roles/{row['id']}")


def _drop_group(breaker: Breaker, row: Row) -> bool:
    return breaker.delete(f"/groups/{row['id']}")


def _drop_set(kind: str) -> Act:
    def drop(breaker: Breaker, row: Row) -> bool:
        for role in breaker.store.roles.values():
            if role.get(f"{kind}_id") == row["id"]:
                _swap_set(kind)(breaker, role)
        return breaker.delete(f"/{kind}s/{row['id']}")

    return drop


def _drop_model(breaker: Breaker, row: Row) -> bool:
    del breaker.store.models[row["name"]]
    return True


# Kinds


def _anything(_breaker: Breaker, _row: Row) -> bool:
    return True


def _living(_breaker: Breaker, row: Row) -> bool:
    return not row.get("deleted") and not row.get("deleted_at")


def _ordinary_folder(_breaker: Breaker, row: Row) -> bool:
    flags = ("is_personal", "is_embed", "is_shared_root", "is_users_root")
    return bool(row.get("parent_id")) and not any(row.get(flag) for flag in flags)


def _ordinary_user(breaker: Breaker, row: Row) -> bool:
    others = row.get("is_service_account") or row.get("credentials_embed")
    return row["id"] != breaker.instance.caller_id and not others


def _ordinary_group(breaker: Breaker, row: Row) -> bool:
    return row["id"] != breaker.store.access.everyone and not row.get("externally_managed")


def _ordinary(_breaker: Breaker, row: Row) -> bool:
    return not any(row.get(flag) for flag in ("built_in", "all_access", "internal"))


class Kind(msgspec.Struct, frozen=True):
    """How objects of one type are chosen, dropped, trashed and changed."""

    table: str
    fits: Act
    drop: Act
    changes: tuple[Act, ...]
    trash: Act | None = None


# In this order: what depends on others goes before them.
KINDS = {
    "look": Kind(
        "looks", _living, _drop_look, (_look_title, _look_text, _look_query, _look_moved), _trash_look
    ),
    "board": Kind(
        "boards",
        _living,
        _drop_board,
        (
            _set("title", _edited),
            _set("description", _edited),
            _set("section_order", _reversed),
            _items_reversed,
            _section_changed,
            _section_removed,
            _section_added,
            _item_changed,
            _item_removed,
        ),
        _trash_board,
    ),
    "scheduled_plan": Kind(
        "plans",
        _anything,
        _drop_plan,
        (
            _name,
            _plan_rescheduled,
            _plan_readdressed,
            _set("enabled", _toggled),
            _set("filters_string", _edited),
        ),
    ),
    "folder": Kind("folders", _ordinary_folder, _drop_folder, (_folder_name, _folder_moved)),
    "lookml_model": Kind(
        "models",
        _anything,
        _drop_model,
        (
            _set("project_name", _edited),
            _set("allowed_db_connection_names", _with_one("stray")),
            _set("unlimited_db_connections", _toggled),
        ),
    ),
    "user": Kind(
        "users",
        _ordinary_user,
        _drop_user,
        (
            _renamed_user,
            _set("is_disabled", _toggled),
            _set("locale", _edited),
            _left_group,
            _joined_group,
            _lost_role,
        ),
    ),
    "role": Kind(
        "roles",
        _ordinary,
        _drop_role,
        (_name, _swap_set("permission_set"), _swap_set("model_set"), _holder_added, _holder_removed),
    ),
    "permission_set": Kind(
        "permission_sets",
        _ordinary,
        _drop_set("permission_set"),
        (_name, _set("permissions", _without_one), _set("permissions", _with_one(next(iter(PARENTS))))),
    ),
    "model_set": Kind(
        "model_sets",
        _ordinary,
        _drop_set("model_set"),
        (_name, _set("models", _without_one), _set("models", _with_one("stray"))),
    ),
    "group": Kind(
        "groups",
        _ordinary_group,
        _drop_group,
        (_name, _set("can_add_to_content_metadata", _toggled), _member_added, _member_removed),
    ),
}


class Shares(msgspec.Struct, frozen=True):
    """How much of each type is dropped, trashed and changed."""

    drop: float
    trash: float
    change: float


def candidates(looker: Looker, name: str) -> list[str]:
    """Return the ids of one type that may be broken."""
    breaker, kind = Breaker(looker, random.Random(0)), KINDS[name]  # noqa: S311 - draws nothing
    return [i for i, row in getattr(looker.instance.store, kind.table).items() if kind.fits(breaker, row)]


def _break_first(
    breaker: Breaker, waiting: list[str], count: int, table: dict[str, Row], act: Act
) -> list[str]:
    """Do something to the first so many that it can be done to, and take these off the list."""
    done: dict[str, None] = {}
    for object_id in waiting:
        if len(done) >= count:
            break
        if act(breaker, table[object_id]):
            done[object_id] = None
    waiting[:] = [object_id for object_id in waiting if object_id not in done]
    return list(done)


def _one_of(acts: tuple[Act, ...], rng: random.Random) -> Act:
    """Return an act that makes the first change that is possible, in an order of chance."""
    return lambda breaker, row: any(act(breaker, row) for act in rng.sample(acts, len(acts)))


def break_kind(
    looker: Looker, name: str, before: list[str], shares: Shares, seed: int
) -> tuple[list[str], list[str], list[str]]:
    """Break shares of one type's candidates; return the ids dropped, trashed, changed."""
    rng = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
    breaker, kind = Breaker(looker, rng), KINDS[name]
    table: dict[str, Row] = getattr(looker.instance.store, kind.table)
    gone = [object_id for object_id in before if object_id not in table]
    waiting = [object_id for object_id in before if object_id in table]
    rng.shuffle(waiting)
    counts = {field: round(len(before) * getattr(shares, field)) for field in ("drop", "trash", "change")}
    dropped = [*gone, *_break_first(breaker, waiting, counts["drop"] - len(gone), table, kind.drop)]
    trashed = _break_first(breaker, waiting, counts["trash"], table, kind.trash) if kind.trash else []
    changed = _break_first(breaker, waiting, counts["change"], table, _one_of(kind.changes, rng))
    return dropped, trashed, changed
