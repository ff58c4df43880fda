"""Which fields of each content type refer to other content, and what a given item refers to."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.model import ContentType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    return _keys(_KEYS.get(content_type), content)


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
    for (_, model, explore), _, entry in _at_ends(_EXPLORES.get(content_type), content):
        if isinstance(entry, dict) and isinstance(name := entry.get(model), str) and name:
            found.add((name, str(entry.get(explore) or "")))
    return found


def palettes_of(content_type: ContentType, content: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (collection, palette) pairs that an item's visualisations name; the palette may be empty."""
    configs = _at_ends(_VISUALISATIONS.get(content_type), content)
    return {pair for _, _, config in configs for pair in _palettes(config)}


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
    for key in _keys(_KEYS_IN_MODELS.get(content_type), content):
        if key.kind in IN_MODELS:
            model, separator, _ = key.value.partition("::")
            if separator:
                yield model
        else:
            yield key.value


def _keys(tree: _Step | None, content: dict[str, Any]) -> list[ForeignKey]:
    found = _at_ends(tree, content)
    return [ForeignKey(at, row[1], str(v)) for row, at, v in found if isinstance(v, str | int) and v != ""]


class _Step(msgspec.Struct):
    """What is at one step of the paths of a table: the rows whose paths end here, and the steps that follow.

    The paths of a table share their beginnings, so that an item is gone through once, however many they are.
    """

    ends: list[tuple[int, tuple[str, ...]]] = []
    after: dict[str, _Step] = {}


def _tree(table: Iterable[tuple[str, ...]]) -> _Step:
    """The rows of a table by the steps of their paths, which come first in each."""
    root = _Step()
    for number, row in enumerate(table):
        step = root
        for name in row[0].split("."):
            step = step.after.setdefault(name, _Step())
        step.ends.append((number, row))
    return root


def _at_ends(tree: _Step | None, content: dict[str, Any]) -> list[tuple[tuple[str, ...], str, Any]]:
    """Every value that a path of the table leads to: its row, its own place (`$.a[0].b`), and the value."""
    found: list[tuple[int, tuple[str, ...], str, Any]] = []
    if tree is not None:
        _visit(content, tree, "$", found)
    found.sort(key=itemgetter(0))
    return [one[1:] for one in found]


def _visit(value: Any, step: _Step, place: str, found: list[tuple[int, tuple[str, ...], str, Any]]) -> None:  # noqa: ANN401 - any JSON
    found.extend((number, row, place, value) for number, row in step.ends)
    for name, following in step.after.items():
        if name == "*":
            for index, entry in enumerate(value if isinstance(value, list) else ()):
                _visit(entry, following, f"{place}[{index}]", found)
        elif isinstance(value, dict) and (inner := value.get(name)) is not None:
            _visit(inner, following, f"{place}.{name}", found)


_KEYS = {one: _tree(table) for one, table in REFERENCES.items()}
_KEYS_IN_MODELS = {
    one: _tree(row for row in table if row[1] in IN_MODELS or one is ContentType.MODEL_SET)
    for one, table in REFERENCES.items()
}
_EXPLORES = {one: _tree(table) for one, table in EXPLORES.items()}
_VISUALISATIONS = {one: _tree((path,) for path in paths) for one, paths in VISUALISATIONS.items()}
