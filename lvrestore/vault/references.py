"""Which fields of each content type refer to other content, and what a given item refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.model import ContentType

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUERY_MODEL = ("dashboard_elements.*.query.model", ContentType.LOOKML_MODEL)
# Paths into decoded content; `*` is every entry of a list.
REFERENCES: dict[ContentType, tuple[tuple[str, ContentType], ...]] = {
    ContentType.DASHBOARD: (
        ("folder_id", ContentType.FOLDER),
        ("user_id", ContentType.USER),
        ("dashboard_elements.*.look_id", ContentType.LOOK),
        _QUERY_MODEL,
        ("dashboard_elements.*.result_maker.filterables.*.model", ContentType.LOOKML_MODEL),
        ("dashboard_filters.*.model", ContentType.LOOKML_MODEL),
    ),
    ContentType.LOOK: (
        ("folder_id", ContentType.FOLDER),
        ("user_id", ContentType.USER),
        ("model.id", ContentType.LOOKML_MODEL),
    ),
    ContentType.FOLDER: (("parent_id", ContentType.FOLDER),),
    ContentType.BOARD: (
        ("user_id", ContentType.USER),
        ("board_sections.*.board_items.*.dashboard_id", ContentType.DASHBOARD),
        ("board_sections.*.board_items.*.look_id", ContentType.LOOK),
    ),
    ContentType.USER: (
        ("group_ids.*", ContentType.GROUP),
        ("role_ids.*", ContentType.ROLE),
        ("home_folder_id", ContentType.FOLDER),
        ("personal_folder_id", ContentType.FOLDER),
    ),
    ContentType.ROLE: (
        ("permission_set.id", ContentType.PERMISSION_SET),
        ("model_set.id", ContentType.MODEL_SET),
    ),
    ContentType.MODEL_SET: (("models.*", ContentType.LOOKML_MODEL),),
    ContentType.SCHEDULED_PLAN: (
        ("user_id", ContentType.USER),
        ("dashboard_id", ContentType.DASHBOARD),
        ("look_id", ContentType.LOOK),
    ),
}

# Where content names explores: the path of what names one, then its fields for model and explore, if any.
EXPLORES: dict[ContentType, tuple[tuple[str, str, str], ...]] = {
    ContentType.DASHBOARD: (
        ("dashboard_elements.*.query", "model", "view"),
        ("dashboard_elements.*.result_maker.filterables.*", "model", "view"),
        ("dashboard_filters.*", "model", "explore"),
    ),
    ContentType.LOOK: (("query", "model", "view"), ("model", "id", "")),
}
# A LookML dashboard, `model::dashboard`, is in no backup, but the model that has it can be looked for.
LOOKML_DASHBOARDS: dict[ContentType, str] = {
    ContentType.BOARD: "board_sections.*.board_items.*.lookml_dashboard_id",
    ContentType.SCHEDULED_PLAN: "lookml_dashboard_id",
}


class Reference(msgspec.Struct, frozen=True):
    """One reference: where in the content it stands, and what it means."""

    path: str
    content_type: ContentType
    source_id: str


def references_of(content_type: ContentType, content: dict[str, Any]) -> list[Reference]:
    """Return what an item refers to, each object once, at the first place that names it."""
    found: dict[tuple[ContentType, str], Reference] = {}
    for path, target in REFERENCES.get(content_type, ()):
        for place, value in _values(content, path.split("."), "$"):
            found.setdefault((target, value), Reference(place, target, value))
    return list(found.values())


def explores_of(content_type: ContentType, content: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (model, explore) pairs that an item names; where it names a model only, the explore is empty."""
    found = {(model, "") for model in _models(content_type, content)}
    for path, model, explore in EXPLORES.get(content_type, ()):
        for _, entry in _entries(content, path.split("."), "$"):
            if isinstance(entry, dict) and isinstance(name := entry.get(model), str) and name:
                found.add((name, str(entry.get(explore) or "")))
    return found


def _models(content_type: ContentType, content: dict[str, Any]) -> Iterator[str]:
    if content_type is ContentType.MODEL_SET:
        yield from (name for _, name in _values(content, ["models", "*"], "$"))
    if path := LOOKML_DASHBOARDS.get(content_type):
        for _, source_id in _values(content, path.split("."), "$"):
            model, separator, _ = source_id.partition("::")
            if separator:
                yield model


def _values(value: object, steps: list[str], place: str) -> Iterator[tuple[str, str]]:
    for where, found in _entries(value, steps, place):
        if isinstance(found, str | int) and found != "":
            yield where, str(found)


def _entries(value: object, steps: list[str], place: str) -> Iterator[tuple[str, object]]:
    if not steps:
        yield place, value
    elif steps[0] == "*":
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield from _entries(entry, steps[1:], f"{place}[{index}]")
    elif isinstance(value, dict):
        yield from _entries(value.get(steps[0]), steps[1:], f"{place}.{steps[0]}")
