"""Which endpoints answer with a list, and whether an answer has that form: what is no list is never an empty list.

Looker says 404 also for what a caller may not see, and a gateway says it for a path that it does not know.
"""

from __future__ import annotations

import re

from lvrestore.looker.classify import NOT_FOUND, Failure, FailureKind, Reply
from lvrestore.looker.protocol import Request
from lvrestore.model import Json

# Every GET that answers with a list by the API description, as far as the sandbox knows it.
TEMPLATES = frozenset(
    {
        *("/alerts/search", "/board_items", "/board_sections", "/boards", "/boards/search"),
        *("/color_collections", "/connections", "/credentials_email/search"),
        *("/dashboard_elements/search", "/dashboard_layouts/{}/dashboard_layout_components"),
        *("/dashboards", "/dashboards/search", "/dashboards/{}/dashboard_elements"),
        *("/dashboards/{}/dashboard_filters", "/dashboards/{}/dashboard_layouts"),
        *("/folders", "/folders/search", "/folders/{}/ancestors", "/folders/{}/children"),
        *("/folders/{}/children/search", "/folders/{}/dashboards", "/folders/{}/looks"),
        *("/groups", "/groups/search", "/groups/search/with_hierarchy", "/groups/search/with_roles"),
        *("/groups/{}/groups", "/groups/{}/users"),
        *("/lookml_models", "/looks", "/looks/search", "/model_sets", "/model_sets/search"),
        *("/permission_sets", "/permission_sets/search", "/permissions"),
        *("/roles", "/roles/search", "/roles/search/with_user_count", "/roles/{}/groups", "/roles/{}/users"),
        *("/scheduled_plans", "/scheduled_plans/search", "/scheduled_plans/dashboard/{}"),
        *("/scheduled_plans/look/{}", "/scheduled_plans/lookml_dashboard/{}"),
        *("/user_attributes", "/users", "/users/search", "/users/{}/roles"),
    }
)
_LISTS = re.compile("|".join(one.replace("{}", "[^/]+") for one in sorted(TEMPLATES)))
# What has no id is told by this.
_KEYS = {"/connections": "name", "/lookml_models": "name", "/permissions": "permission"}


def is_list(path: str) -> bool:
    """Whether a GET of this path answers with a list."""
    return _LISTS.fullmatch(path) is not None


def as_asked(request: Request, outcome: Reply | Failure) -> Reply | Failure:
    """The outcome of a call, a failure if what was read has another form than the API describes.

    A 404 to GET or DELETE of one object is a reply without a body: it is gone.
    """
    if request.method == "GET" and is_list(request.path):
        return _as_list(request, outcome)
    if isinstance(outcome, Failure):
        is_gone = outcome.kind is FailureKind.NOT_FOUND and request.method in {"GET", "DELETE"}
        return Reply(NOT_FOUND) if is_gone else outcome
    if request.method == "GET" and not isinstance(outcome.json, dict):
        return _unexpected(outcome.status, f"{_sort_of(outcome.json)} where the API has an object")
    return outcome


def _as_list(request: Request, outcome: Reply | Failure) -> Reply | Failure:
    """A list of objects that can be told apart, or a failure."""
    if isinstance(outcome, Failure):
        is_gone = outcome.kind is FailureKind.NOT_FOUND
        return _unexpected(NOT_FOUND, f"no list, but: {outcome.message}") if is_gone else outcome
    key = _KEYS.get(request.path, "id")
    if not isinstance(outcome.json, list):
        return _unexpected(outcome.status, f"{_sort_of(outcome.json)} where the API has a list")
    if not _is_asked_for(key, request) or all(_has(one, key) for one in outcome.json):
        return outcome
    return _unexpected(outcome.status, f"something in the list has no {key}")


def _is_asked_for(key: str, request: Request) -> bool:
    fields = request.params.get("fields")
    return fields is None or key in fields.split(",")


def _has(one: Json, key: str) -> bool:
    return isinstance(one, dict) and one.get(key) is not None


def _sort_of(value: Json) -> str:
    match value:
        case None:
            return "nothing"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a single value"


def _unexpected(status: int, what: str) -> Failure:
    return Failure(kind=FailureKind.UNEXPECTED_REPLY, status=status, message=f"unexpected answer: {what}")
