"""One request on its way through the sandbox, and the checks that every kind of object needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lvrestore.sandbox.instance import CERTIFICATE, Instance
from lvrestore.sandbox.refusals import absent, conflict, invalid, missing, not_found, taken

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from lvrestore.sandbox.api.views import Thing, View
    from lvrestore.sandbox.store import Row

T = TypeVar("T")

# Objects inside a body that name what something belongs to, and that the server does not take from there.
IGNORED = ("folder", "look", "query")

_MERGED = ("appearance", "download_settings", "certification_metadata", "ui_config")


class Call(msgspec.Struct):
    """A request that has passed the checks of the API description."""

    instance: Instance
    ids: tuple[str, ...]
    params: dict[str, str]
    wanted: dict[str, Any]
    body: dict[str, Any]

    def show(self, view: View, thing: Thing) -> Row:
        """Return an object as this call wants it."""
        return view.render(self.instance, thing, self.wanted)


Handler = Callable[[Call], Any]


def the(table: Mapping[str, T], object_id: str) -> T:
    """Return an object by id, or refuse with 404."""
    if object_id not in table:
        raise not_found()
    return table[object_id]


def refer(body: Row, field: str, table: Container[str]) -> None:
    """Refuse a reference to nothing; an absent or null one is none."""
    if body.get(field) is not None and body[field] not in table:
        raise missing(field)


def refer_query(instance: Instance, body: Row) -> None:
    """Refuse a query id that does not exist."""
    if body.get("query_id") is not None and body["query_id"] not in instance.store.queries:
        raise missing("query_id") if instance.on("unknown_query", "422") else not_found()


def need(body: Row, *fields: str) -> None:
    """Refuse a body in which one of these is absent, null or blank."""
    for field in fields:
        if not body.get(field):
            raise absent(field)


def with_ids(call: Call, table: Mapping[str, T]) -> list[T]:
    """Return the objects that `ids` asks for; without it, all."""
    ids = call.params.get("ids")
    return [thing for i, thing in table.items() if ids is None or i in ids.split(",")]


def check_name(instance: Instance, table: Mapping[str, Row], row: Row) -> None:
    """Refuse a name that another one has, unless this instance does not care."""
    if instance.on("name_taken", "allowed"):
        return
    if any(o.get("name") == row.get("name") and o["id"] != row.get("id") for o in table.values()):
        raise conflict() if instance.on("name_taken", "409") else taken("name", "Name already taken")


def stays(row: Row, body: Row) -> None:
    """Refuse to move a part to another dashboard."""
    if body.get("dashboard_id", row["dashboard_id"]) != row["dashboard_id"]:
        raise invalid("dashboard_id", "a part cannot move to another dashboard")


def not_blank(body: Row, *fields: str) -> None:
    """Refuse a change that would clear what an object must have."""
    need(body, *(field for field in fields if field in body))


def accepted(instance: Instance, body: Row) -> Row:
    """Return what the server takes from a body: owner and certificate by the switches, texts perhaps tidied up."""
    taken = {name: value for name, value in body.items() if name not in IGNORED}
    if "user_id" in taken and not instance.on("user_id", "honoured"):
        if instance.on("user_id", "unknown") and instance.on("unknown_fields", "refused"):
            raise invalid("user_id", "user_id is not a field")
        del taken["user_id"]
    refer(taken, "user_id", instance.store.users)
    if instance.on("certification_in_body", "ignored"):
        taken.pop(CERTIFICATE, None)
    elif taken.get(CERTIFICATE):
        taken[CERTIFICATE] = instance.certified(taken[CERTIFICATE])
    if instance.on("normalises", "text_and_colours"):
        taken = {name: _tidy(name, value) for name, value in taken.items()}
    return taken


def _tidy(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if name == "appearance" and isinstance(value, dict):
        return {inner: _tidy(inner, v) for inner, v in value.items()}
    if not isinstance(value, str):
        return value
    return value.lower() if name.endswith("_color") else value.rstrip()


def merged(instance: Instance, row: Row, changes: Row) -> Row:
    """Return the changes with nested objects as they will stand: merged with the old ones, or not."""
    if instance.on("patch_nested", "replaces"):
        return changes
    return {
        name: {**row[name], **value} if name in _MERGED and value and row.get(name) else value
        for name, value in changes.items()
    }
