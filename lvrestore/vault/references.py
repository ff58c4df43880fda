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


def _values(value: object, steps: list[str], place: str) -> Iterator[tuple[str, str]]:
    if not steps:
        if isinstance(value, str | int) and value != "":
            yield place, str(value)
    elif steps[0] == "*":
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield from _values(entry, steps[1:], f"{place}[{index}]")
    elif isinstance(value, dict):
        yield from _values(value.get(steps[0]), steps[1:], f"{place}.{steps[0]}")
