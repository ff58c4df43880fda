"""What every instance has from the start: root folders, the sets and the role of administrators, All Users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.permissions import BUILT_IN_SETS, PARENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lvrestore.sandbox.store import Row, Store

ROOTS: tuple[Row, ...] = (
    {"id": "1", "name": "Shared", "is_shared_root": True},
    {"id": "2", "name": "Users", "is_users_root": True},
    {"id": "3", "name": "Embed Groups", "is_embed_shared_root": True, "is_embed": True},
    {"id": "4", "name": "Embed Users", "is_embed_users_root": True, "is_embed": True},
    {"id": "lookml", "name": "LookML Dashboards"},
)
ROOT_FLAGS = ("is_shared_root", "is_users_root", "is_embed_shared_root", "is_embed_users_root")
EVERYONE = "All Users"
# A collection of colours, and a palette of it.
COLOURS = ("7c56cc21-66e4-41c9-81ce-a60e1c3967b2", "5d189dfc-4f46-46f3-822b-bfb0b61777b1")
ADMIN = "Admin"


def _has_root(store: Store, root: Row) -> bool:
    flags = [flag for flag in ROOT_FLAGS if root.get(flag)]
    return any(row.get(flag) for row in store.folders.values() for flag in flags)


def root_with_id(store: Store, folder_id: str) -> Row:
    """Return the root folder that usually has this id, if it is not there under another one."""
    return next((dict(root) for root in ROOTS if root["id"] == folder_id and not _has_root(store, root)), {})


def add_roots(store: Store) -> None:
    """Add the root folders that are not there, under their usual ids where these are free."""
    shift = store.first_id - 1
    for root in ROOTS:
        root_id = str(int(root["id"]) + shift) if root["id"].isdecimal() else root["id"]
        store.reserve("folder", root_id)
        if _has_root(store, root) or (root_id in store.folders and not root_id.isdecimal()):
            continue
        free = root_id if root_id not in store.folders else store.new_id("folder")
        store.put_folder({**root, "id": free})


def _first(store: Store, kind: str, table: dict[str, Row], fits: Callable[[Row], bool], row: Row) -> str:
    """Return the id of the first object that fits, made if there is none."""
    found = next((known["id"] for known in table.values() if fits(known)), None)
    if found is None:
        found = store.new_id(kind)
        table[found] = {"id": found, **row}
    return str(found)


def _is_all(row: Row) -> bool:
    return bool(row.get("all_access"))


def _is_everyone(row: Row) -> bool:
    return bool(row.get("include_by_default") or row.get("name") == EVERYONE)


def add_built_ins(store: Store) -> str:
    """Add what nobody can change: the sets with everything in them, their role, All Users; return the role.

    And the colours that come with an instance.
    """
    store.add_palette(*COLOURS)
    store.color_collections[COLOURS[0]]["label"] = "Looker Classic"
    everything = {"all_access": True, "built_in": True}
    may = _first(
        store,
        "permission_set",
        store.permission_sets,
        _is_all,
        {"name": ADMIN, "permissions": list(PARENTS), **everything},
    )
    for name, permissions in BUILT_IN_SETS.items():
        if not any(row.get("name") == name for row in store.permission_sets.values()):
            set_id = store.new_id("permission_set")
            own: Row = {"id": set_id, "name": name, "permissions": list(permissions), "built_in": True}
            store.permission_sets[set_id] = own
    see = _first(store, "model_set", store.model_sets, _is_all, {"name": "All", "models": [], **everything})
    sets: Row = {"permission_set_id": may, "model_set_id": see}
    admin = _first(
        store,
        "role",
        store.roles,
        lambda row: row.get("name") == ADMIN and sets.items() <= row.items(),
        {"name": ADMIN, **sets, "built_in": True},
    )
    store.roles[admin]["built_in"] = True
    store.access.everyone = _first(
        store,
        "group",
        store.groups,
        _is_everyone,
        {"name": EVERYONE, "include_by_default": True, "can_add_to_content_metadata": True},
    )
    return admin
