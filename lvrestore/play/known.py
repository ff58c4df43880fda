"""Which referenced objects the destination has: read in bulk at the start of a run, else asked one by one."""

from __future__ import annotations

from collections.abc import Mapping

from lvrestore.looker.classify import Refused
from lvrestore.looker.client import Sender
from lvrestore.looker.protocol import Request, path

COLLECTIONS = {
    "board": "boards",
    "dashboard": "dashboards",
    "group": "groups",
    "role": "roles",
    "folder": "folders",
    "look": "looks",
    "lookml_model": "lookml_models",
    "model_set": "model_sets",
    "permission_set": "permission_sets",
    "scheduled_plan": "scheduled_plans",
    "user": "users",
}
HAS_TRASH = frozenset({"dashboard", "look"})
# GET /roles/{id} alone knows no `fields` (API description 4.0), and a server may refuse what it does not know.
TAKES_NO_FIELDS = frozenset({"role"})


class KnownIds:
    """Ids that exist, by kind. What no bulk list has is asked for once: a server may cut its pages short."""

    def __init__(self, listed: Mapping[str, frozenset[str]]) -> None:
        """`listed` holds, per kind, the ids that a bulk list had."""
        self._listed = listed
        self._seen: set[tuple[str, str]] = set()

    def absent(
        self, kind: str, ids: tuple[str, ...], client: Sender
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the ids that are gone, and those that exist in the trash."""
        gone: list[str] = []
        trashed: list[str] = []
        for one in ids:
            if self._is_alive(kind, one, client):
                continue
            (trashed if kind in HAS_TRASH and _in_trash(kind, one, client) else gone).append(one)
        return tuple(gone), tuple(trashed)

    def _is_alive(self, kind: str, one: str, client: Sender) -> bool:
        if one in self._listed.get(kind, ()):
            return True
        # That something is absent is not remembered: it may be restored a moment later.
        if (kind, one) not in self._seen and _ask(kind, one, client):
            self._seen.add((kind, one))
        return (kind, one) in self._seen


def _ask(kind: str, one: str, client: Sender) -> bool:
    field = "name" if kind == "lookml_model" else "id"
    fields = f"{field},deleted" if kind in HAS_TRASH else field
    params = {"fields": fields} if kind not in TAKES_NO_FIELDS else {}
    try:
        live = client.call(Request("GET", path(COLLECTIONS[kind], one), params)).json
    except Refused:
        # Not allowed to look is not the same as absent: the write itself will tell.
        return True
    if live is None and kind == "lookml_model":
        return _lists_no_model(client)
    return live is not None and not live.get("deleted")


def _lists_no_model(client: Sender) -> bool:
    """Whether the caller sees no model at all: then a model that is not seen may well be there."""
    page = {"fields": "name", "limit": "1"}
    try:
        return not client.call(Request("GET", "/lookml_models", page)).json
    except Refused:
        return True


def _in_trash(kind: str, one: str, client: Sender) -> bool:
    params = {"id": one, "deleted": "true", "fields": "id"}
    hits = client.call(Request("GET", f"/{COLLECTIONS[kind]}/search", params)).json
    return any(hit["id"] == one for hit in hits)
