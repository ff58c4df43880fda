"""Which fields of each content type refer to other content, and what a given item refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.model import ContentType

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = {one.label: one for one in ContentType}
# Kinds that are no content type. Ids: every instance has its own. Names: the same wherever the thing exists.
ID_KINDS = frozenset(
    {
        "query",
        "merge_query",
        "dashboard_element",
        "dashboard_filter",
        "dashboard_layout",
        "board_section",
        "board_item",
    }
)
NAME_KINDS = frozenset({"connection", "project", "extension", "lookml_dashboard", "datagroup"})
# These begin with the name of the model that has them: `model::name`.
IN_MODELS = frozenset({"lookml_dashboard", "datagroup"})

_TILES = "dashboard_elements.*"
_LAYOUTS = "dashboard_layouts.*"
_COMPONENTS = f"{_LAYOUTS}.dashboard_layout_components.*"
_BOARD_ITEMS = "board_sections.*.board_items.*"
# Every foreign key: the path into decoded content, in which `*` is every entry of a list, and the kind of its target.
REFERENCES: dict[ContentType, tuple[tuple[str, str], ...]] = {
    ContentType.DASHBOARD: (
        ("folder_id", "folder"),
        ("user_id", "user"),
        ("lookml_link_id", "lookml_dashboard"),
        (f"{_TILES}.look_id", "look"),
        (f"{_TILES}.query_id", "query"),
        (f"{_TILES}.merge_result_id", "merge_query"),
        (f"{_TILES}.dashboard_layout_id", "dashboard_layout"),
        (f"{_TILES}.filter_id", "dashboard_filter"),
        (f"{_TILES}.extension_id", "extension"),
        (f"{_TILES}.query.model", "lookml_model"),
        (f"{_TILES}.result_maker.filterables.*.model", "lookml_model"),
        ("dashboard_filters.*.model", "lookml_model"),
        (f"{_LAYOUTS}.lookml_link_id", "lookml_dashboard"),
        (f"{_COMPONENTS}.dashboard_layout_id", "dashboard_layout"),
        (f"{_COMPONENTS}.dashboard_element_id", "dashboard_element"),
    ),
    ContentType.LOOK: (
        ("folder_id", "folder"),
        ("user_id", "user"),
        ("query_id", "query"),
        ("model.id", "lookml_model"),
        ("query.model", "lookml_model"),
    ),
    ContentType.LOOKML_MODEL: (
        ("project_name", "project"),
        ("allowed_db_connection_names.*", "connection"),
    ),
    ContentType.FOLDER: (("parent_id", "folder"),),
    ContentType.BOARD: (
        ("user_id", "user"),
        ("section_order.*", "board_section"),
        ("board_sections.*.item_order.*", "board_item"),
        (f"{_BOARD_ITEMS}.dashboard_id", "dashboard"),
        (f"{_BOARD_ITEMS}.look_id", "look"),
        (f"{_BOARD_ITEMS}.lookml_dashboard_id", "lookml_dashboard"),
    ),
    ContentType.USER: (
        ("group_ids.*", "group"),
        ("role_ids.*", "role"),
        ("home_folder_id", "folder"),
        ("personal_folder_id", "folder"),
    ),
    ContentType.ROLE: (
        ("permission_set.id", "permission_set"),
        ("model_set.id", "model_set"),
    ),
    ContentType.MODEL_SET: (("models.*", "lookml_model"),),
    ContentType.SCHEDULED_PLAN: (
        ("user_id", "user"),
        ("dashboard_id", "dashboard"),
        ("look_id", "look"),
        ("lookml_dashboard_id", "lookml_dashboard"),
        ("query_id", "query"),
        ("tab_ids.*", "dashboard_layout"),
        ("datagroup", "datagroup"),
    ),
}

# Where content names explores: the path of what names one, then its fields for model and explore, if any.
EXPLORES: dict[ContentType, tuple[tuple[str, str, str], ...]] = {
    ContentType.DASHBOARD: (
        (f"{_TILES}.query", "model", "view"),
        (f"{_TILES}.result_maker.filterables.*", "model", "view"),
        ("dashboard_filters.*", "model", "explore"),
    ),
    ContentType.LOOK: (("query", "model", "view"), ("model", "id", "")),
}
# Where visualisations are, which may name colour collections and palettes of the instance at any depth.
VISUALISATIONS: dict[ContentType, tuple[str, ...]] = {
    ContentType.DASHBOARD: (f"{_TILES}.query.vis_config", f"{_TILES}.result_maker.vis_config"),
    ContentType.LOOK: ("query.vis_config",),
}


class ForeignKey(msgspec.Struct, frozen=True):
    """One place in an item that refers to something; `kind` is the label of a content type or another kind."""

    path: str
    kind: str
    value: str


class Reference(msgspec.Struct, frozen=True):
    """One reference to an item: where in the content it stands, and what it means."""

    path: str
    content_type: ContentType
    source_id: str


def foreign_keys_of(content_type: ContentType, content: dict[str, Any]) -> list[ForeignKey]:
    """Return every foreign key in an item, explores and palettes aside, in the order of the table."""
    return [
        ForeignKey(place, kind, value)
        for path, kind in REFERENCES.get(content_type, ())
        for place, value in _values(content, path.split("."), "$")
    ]


def references_of(content_type: ContentType, content: dict[str, Any]) -> list[Reference]:
    """Return what other items an item refers to, each once, at the first place that names it."""
    found: dict[tuple[str, str], Reference] = {}
    for key in foreign_keys_of(content_type, content):
        if key.kind in TYPES:
            found.setdefault((key.kind, key.value), Reference(key.path, TYPES[key.kind], key.value))
    return list(found.values())


def explores_of(content_type: ContentType, content: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (model, explore) pairs that an item names; where it names a model only, the explore is empty."""
    found = {(model, "") for model in _models(content_type, content)}
    for path, model, explore in EXPLORES.get(content_type, ()):
        for _, entry in entries(content, path):
            if isinstance(entry, dict) and isinstance(name := entry.get(model), str) and name:
                found.add((name, str(entry.get(explore) or "")))
    return found


def palettes_of(content_type: ContentType, content: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (collection, palette) pairs that an item's visualisations name; the palette may be empty."""
    return {
        pair
        for path in VISUALISATIONS.get(content_type, ())
        for _, config in entries(content, path)
        for pair in _palettes(config)
    }


def entries(content: dict[str, Any], path: str) -> Iterator[tuple[str, object]]:
    """Yield everything at a path of the tables, None where a dict lacks it, each with its own place (`$.a[0].b`)."""
    return _entries(content, path.split("."), "$")


def _palettes(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(collection := value.get("collection_id"), str) and collection:
            yield collection, str(value.get("palette_id") or "")
        for inner in value.values():
            yield from _palettes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _palettes(inner)


def _models(content_type: ContentType, content: dict[str, Any]) -> Iterator[str]:
    for key in foreign_keys_of(content_type, content):
        if key.kind in IN_MODELS:
            model, separator, _ = key.value.partition("::")
            if separator:
                yield model
        elif content_type is ContentType.MODEL_SET:
            yield key.value


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
