"""What has no parts, in a dry run: copies of what was read, with what would have been written to it."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Any

from lvrestore.looker.protocol import path
from lvrestore.model import Json

Played = dict[str, Any]
# A search for one object finds few; longer lists are not looked through for what is going to be written.
FEW = 5
SETS = ("permission_set", "model_set")


class RehearsedObjects:
    """Plays writes to users, groups, roles and whatever else is one object with fields."""

    def __init__(self) -> None:
        self._seen: dict[str, Json] = {}
        self._written: set[str] = set()

    def remember(self, where: str, live: Json) -> None:
        """Keep an object that was read whole, at its own path or by a search."""
        collection, _, rest = where.lstrip("/").partition("/")
        if isinstance(live, dict) and "/" not in rest:
            self._keep(where, live)
        if isinstance(live, list) and rest == "search" and len(live) <= FEW:
            for one in live:
                self._keep(path(collection, one["id"]), one)

    def read(self, where: str) -> Json:
        """What is at this path by now; None if it was not written."""
        return deepcopy(self._seen[where]) if where in self._written else None

    def post(self, where: str, made: Played) -> Played:
        """Make an object, a login of a user or a membership; return the answer."""
        match where.lstrip("/").split("/"):
            case ["groups", group_id, "users"]:
                self._set_groups(made["user_id"], group_id, joins=True)
            case [collection, one, name]:
                self._set(path(collection, one), {name: made, **_address(made)})
            case [collection]:
                made = _as_shown(made)
                self._seen[path(collection, made["id"])] = made
                self._written.add(path(collection, made["id"]))
        return deepcopy(made)

    def patch(self, where: str, body: Played) -> Played:
        """Change an object, or a login of a user; return the answer."""
        match where.lstrip("/").split("/"):
            case [collection, one, name]:
                login = {**(self._seen.get(path(collection, one), {}).get(name) or {}), **body}
                self._set(path(collection, one), {name: login, **_address(body)})
                return login
            case _:
                shown = _as_shown(body)
                self._set(where, shown)
                return {**self._seen.get(where, {}), **shown}

    def put(self, where: str, ids: Collection[str]) -> list[Played]:
        """Replace a list of ids; return the answer."""
        self._seen[where] = [{"id": one} for one in ids]
        self._written.add(where)
        return deepcopy(self._seen[where])

    def delete(self, where: str) -> None:
        """End a membership; nothing else that is deleted is read again."""
        match where.lstrip("/").split("/"):
            case ["groups", group_id, "users", user_id]:
                self._set_groups(user_id, group_id, joins=False)

    def _keep(self, where: str, live: Played) -> None:
        if where not in self._written:
            self._seen[where] = live

    def _set(self, where: str, fields: Played) -> None:
        """Change fields of an object of which all others are known."""
        if where in self._seen:
            self._seen[where] = {**self._seen[where], **fields}
            self._written.add(where)

    def _set_groups(self, user_id: str, group_id: str, *, joins: bool) -> None:
        where = path("users", user_id)
        others = [one for one in self._seen.get(where, {}).get("group_ids") or () if one != group_id]
        self._set(where, {"group_ids": [*others, group_id] if joins else others})


def _as_shown(fields: Played) -> Played:
    """Fields as a GET shows them: the sets of a role as objects."""
    sets = {name: {"id": fields[f"{name}_id"]} for name in SETS if f"{name}_id" in fields}
    return {**fields, **sets}


def _address(login: Played) -> Played:
    """What a user shows of its login."""
    return {"email": login["email"]} if "email" in login else {}
