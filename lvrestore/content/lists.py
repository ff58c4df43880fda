"""Read whole lists, and those that belong to an object."""

from __future__ import annotations

from collections.abc import Mapping

from lvrestore.content.calls import Exists, Get, Reads
from lvrestore.content.writing.bodies import Body
from lvrestore.looker.classify import NOT_FOUND, Refused
from lvrestore.looker.protocol import path

# The collections of which a list comes in pages.
PAGED = frozenset({"groups", "lookml_models"})
PAGE = 1000


def all_pages(collection: str, params: Mapping[str, str], key: tuple[str, str]) -> Reads[list[Body]]:
    """The objects of a collection; where a list has been read already perhaps only those with this (field, value)."""
    found: list[Body] = []
    before: list[Body] = []
    while True:
        page = {"limit": str(PAGE), "offset": str(len(found))} if collection in PAGED else {}
        listed: list[Body] = yield Get(path(collection), {**params, **page}, key=key)
        if listed == before:
            return found  # a server that knows no `offset` would give the same page for ever
        found += listed
        before = listed
        if not page or len(listed) < PAGE:
            return found


def lying_in(folder_id: str, sort: str, params: Mapping[str, str] | None = None) -> Reads[list[Body]]:
    """The `children`, `looks` or `dashboards` of a folder; nothing lies in a folder that is gone."""
    where = path("folders", folder_id, sort)
    return (yield from belonging_to("folder", folder_id, Get(where, params or {})))


def belonging_to(kind: str, item_id: str, get: Get) -> Reads[list[Body]]:
    """What belongs to an object, as a list of it says; nothing belongs to an object that is gone.

    A server says 404 of such a list where the object is gone, and where it only does not give the list.
    """
    try:
        listed: list[Body] = yield get
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
    else:
        return listed
    if (yield Exists(kind, (item_id,), quiet=True)):
        return []
    again: list[Body] = yield Get(get.path, get.params, seen=True)
    return again
