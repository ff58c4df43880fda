"""Searching, sorting and paging as the list and search endpoints do it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lvrestore.sandbox.api.views import row_of
from lvrestore.sandbox.refusals import invalid
from lvrestore.sandbox.relations import id_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lvrestore.sandbox.api.views import Thing, View
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

    Params = dict[str, str]

# Parameters that do not compare a field; `deleted` is answered by whoever knows the trash.
_NO_FILTERS = frozenset(
    {
        *("fields", "limit", "offset", "page", "per_page", "sorts", "filter_or"),
        *("deleted", "not_owned_by", "curate", "ids"),
        *("group_id", "direct_association_only", "get_all_support_roles"),
        *("exclude_empty", "exclude_hidden", "include_internal", "include_self_service"),
    }
)

_OF_PAGE = frozenset({"limit", "offset", "page", "per_page", "fields"})
# To sort so many for each of their pages takes longer than to show them.
MANY = 10_000

# Parameters that are not named like the field they look at.
_VALUES: dict[str, Callable[[Row], Any]] = {
    "full_name": lambda row: row.get("display_name"),
    "built_in": lambda row: bool(row.get("built_in")),
    "permission_set_ids": lambda row: row.get("permission_set_id"),
    "model_set_ids": lambda row: row.get("model_set_id"),
    "embed_user": lambda row: bool(row.get("credentials_embed")),
}


@lru_cache(maxsize=1 << 10)
def like(pattern: str) -> Callable[[str], bool]:
    """Return a test for SQL's LIKE, ignoring case."""
    if "%" not in pattern and "_" not in pattern:
        folded = pattern.casefold()
        return lambda text: text.casefold() == folded
    parts = {"%": ".*", "_": "."}
    expression = re.compile("".join(parts.get(c) or re.escape(c) for c in pattern), re.IGNORECASE | re.DOTALL)
    return lambda text: expression.fullmatch(text) is not None


def matches(text: str, *, is_list: bool) -> Callable[[Any], bool]:
    """Return a test for one search parameter: an operator, a list, or a pattern."""
    operator = text.strip().upper()
    if operator == "IS NULL":
        return lambda value: value is None
    if operator == "NOT NULL":
        return lambda value: value is not None
    tests = [like(part.strip() if is_list else part) for part in (text.split(",") if is_list else [text])]
    return lambda value: any(test(word) for word in _words(value) for test in tests)


def _words(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if value is None:
        return []
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def found(instance: Instance, things: Iterable[Any], params: Params, view: View) -> list[Any]:
    """Return the things that the search parameters ask for, unsorted."""
    tests: list[tuple[Callable[[Row], Any], Callable[[Any], bool]]] = []
    for name, text in params.items():
        if name not in _NO_FILTERS:
            is_list = "," in text and (name != "id" or instance.on("search_id_list", "yes"))
            tests.append((_VALUES.get(name) or _field(name, view), matches(text, is_list=is_list)))
    if not tests:
        return list(things)
    combine = any if params.get("filter_or") == "true" else all
    return [t for t in things if combine(test(value(row_of(t))) for value, test in tests)]


def _field(name: str, view: View) -> Callable[[Row], Any]:
    default = view.defaults.get(name)
    return lambda row: row.get(name, default)


def _sort_key(name: str) -> Callable[[Thing], tuple[bool, Any]]:
    def key(thing: Thing) -> tuple[bool, Any]:
        value = row_of(thing).get(name)
        if value is None:
            return (True, ())
        return (
            False,
            id_order(value) if isinstance(value, str) and value.isdecimal() else _plain_order(value),
        )

    return key


def _plain_order(value: object) -> tuple[int, str]:
    return (int(value), "") if isinstance(value, (int, float)) else (1 << 62, str(value).casefold())


def ordered(instance: Instance, things: list[Any], params: Params, view: View) -> list[Any]:
    """Sort by `sorts=title desc,id`; without it the order is the server's business."""
    if "sorts" not in params:
        return _unsorted(instance, things)
    for order in reversed(params["sorts"].split(",")):
        name, _, direction = order.strip().partition(" ")
        if name not in view.defaults:
            raise invalid("sorts", f"{name} is not a field of {view.type_name}")
        backwards = direction.strip().lower() == "desc"
        things = (
            _by_id(things, backwards)
            if name == "id"
            else sorted(things, key=_sort_key(name), reverse=backwards)
        )
    return things


def _by_id(things: list[Any], backwards: bool) -> list[Any]:  # noqa: FBT001 - it is one
    """Sort as every reader of pages asks for each of them: ids first become numbers, all at once."""
    ids = [row_of(thing)["id"] for thing in things]
    try:
        keys: list[Any] = list(map(int, ids))
    except ValueError:
        keys = list(map(id_order, ids))
    places = sorted(range(len(things)), key=keys.__getitem__, reverse=backwards)
    return [things[place] for place in places]


def _unsorted(instance: Instance, things: list[Any]) -> list[Any]:
    if instance.on("unsorted_pages", "stable") or not things:
        return things
    instance.turn += 1
    cut = instance.turn * 7 % len(things)
    return things[cut:] + things[:cut]


def page(things: list[Any], params: Params) -> list[Any]:
    """Cut out the page asked for."""
    if "limit" in params or "offset" in params:
        start, size = int(params.get("offset", 0)), params.get("limit")
    else:
        size = params.get("per_page")
        start = (int(params.get("page", 1)) - 1) * int(size or 0)
    return things[start : start + int(size)] if size else things[start:]


def listing(instance: Instance, things: Iterable[Any], params: Params, view: View) -> list[Any]:
    """Search, sort and page."""
    return page(ordered(instance, found(instance, things, params, view), params, view), params)


def long_listing(instance: Instance, things: Iterable[Any], params: Params, view: View) -> list[Any]:
    """Search, sort and page; sorted once for all pages that are asked for before something is written."""
    asked = (view.type_name, *sorted((name, params[name]) for name in params.keys() - _OF_PAGE))
    if instance.kept_order is not None and instance.kept_order[0] == asked:
        return page(instance.kept_order[1], params)
    in_order = ordered(instance, found(instance, things, params, view), params, view)
    if "sorts" in params and len(in_order) > MANY:
        instance.kept_order = (asked, in_order)
    return page(in_order, params)
