"""Compare the content of two sandboxes, field by field, by what things are: their ids may differ.

Takes two dumps (`GET /_sandbox/dump`, `lvrestore sandbox --dump`). Shares no code with the tool on purpose.
Everything in a dump is compared but for ids, times, counts and what else a server sets by itself. Exit code 1
when anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from comparer.fields import words

Content = dict[str, Any]
SHOWN = 50
# Tables whose objects are compared on their own; queries are compared where they are used.
KINDS = words(
    "folders looks dashboards boards scheduled_plans users groups roles permission_sets model_sets models grants"
    " memberships alerts"
)
SERVERS_OWN = words(
    "can id created_at updated_at last_accessed_at last_viewed_at last_updater_id last_updater_name logged_in_at"
    " next_run_at last_run_at content_metadata_id content_favorite_id favorite_count view_count usage_count"
    " deleter_id url edit_uri short_url public_url public_slug avatar_url user_url users_url result_maker_id"
    " board_id board_section_id scheduled_plan_id creator_id user"
)
# Which table the id in a field, or each id in its list, belongs to.
REFERENCES = {
    "folder_id": "folders",
    "parent_id": "folders",
    "home_folder_id": "folders",
    "personal_folder_id": "folders",
    "dashboard_id": "dashboards",
    "dashboard_element_id": "tiles",
    "dashboard_layout_id": "layouts",
    "tab_ids": "layouts",
    "look_id": "looks",
    "query_id": "queries",
    "merge_result_id": "merge_queries",
    "user_id": "users",
    "owner_id": "users",
    "investigative_content_id": "dashboards",
    "user_ids": "users",
    "group_ids": "groups",
    "role_ids": "roles",
    "section_order": "sections",
    "item_order": "items",
    "visible_item_order": "items",
}
# Lists in which the place of an element says nothing but when it was made.
UNORDERED = words(
    "dashboard_elements dashboard_filters dashboard_layouts dashboard_layout_components board_sections board_items"
    " scheduled_plan_destination user_ids group_ids role_ids"
)
# A time that says only whether something lies in the trash.
FLAGS = {"deleted_at"}
QUERY = words(
    "model view fields pivots fill_fields filters filter_expression sorts limit column_limit total row_total"
    " subtotals vis_config filter_config visible_ui_sections dynamic_fields query_timezone"
)
# What things are called; others are called by their content.
NAMED: dict[str, Callable[[Content], str]] = {
    "boards": lambda one: one["title"],
    "sections": lambda one: str(one["title"]),
    "scheduled_plans": lambda one: f"{one['name']} of {one['title']}",
    "users": lambda one: (one["credentials_email"] or {}).get("email") or one["display_name"],
    "groups": lambda one: one["name"],
    "roles": lambda one: one["name"],
    "permission_sets": lambda one: one["name"],
    "model_sets": lambda one: one["name"],
    "models": lambda one: one["name"],
    "layouts": lambda one: f"{one['type']} {one['label']} {one['order']}",
}
LINK = re.compile(r"/(dashboards|looks|folders|boards)/(\w+)")


class Difference:
    """What is not the same: `missing` (only in the first), `surplus` (only in the second) or `differs`."""

    def __init__(self, how: str, kind: str, name: str, path: str = "") -> None:
        self.how, self.kind, self.name, self.path = how, kind, name, path

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.how}{self.path and ' ' + self.path}"


class Dump:
    """A dump, in which things are called by what they are."""

    def __init__(self, content: Mapping[str, Mapping[str, Content]]) -> None:
        self._content = content
        self._names: dict[tuple[str, str], str] = {}

    @cached_property
    def _tables(self) -> dict[str, Mapping[str, Content]]:
        """The tables of the dump, and those of the parts inside its objects."""
        dashboards, boards = self._content["dashboards"].values(), self._content["boards"].values()
        sections = [section for board in boards for section in board["board_sections"]]
        parts = {
            "tiles": [tile for one in dashboards for tile in one["dashboard_elements"]],
            "layouts": [layout for one in dashboards for layout in one["dashboard_layouts"]],
            "sections": sections,
            "items": [item for section in sections for item in section["board_items"]],
        }
        return {**self._content, **{kind: {one["id"]: one for one in all_} for kind, all_ in parts.items()}}

    def name(self, kind: str, object_id: str) -> str:
        """Return what is under this id: the same words in every dump."""
        if (kind, object_id) not in self._names:
            thing = self._tables[kind].get(object_id)
            made = f"unknown {object_id}" if thing is None else self._describe(kind, object_id, thing)
            self._names[kind, object_id] = made
        return self._names[kind, object_id]

    def _describe(self, kind: str, object_id: str, thing: Content) -> str:
        if kind in {"grants", "memberships"}:
            return self.name("roles" if kind == "grants" else "groups", object_id)
        if kind == "folders":
            return f"{self._path(thing['parent_id'])}/{thing['name']}"
        if kind in {"dashboards", "looks"}:
            return f"{self._path(thing['folder_id'])}/{thing['title']}"
        if kind in NAMED:
            return NAMED[kind](thing)
        return _digest(self.plain({k: thing.get(k) for k in QUERY} if kind == "queries" else thing))

    def _path(self, folder_id: str | None) -> str:
        return self.name("folders", folder_id) if folder_id else ""

    def plain(self, value: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON
        """Return a value without ids: references and links by name, lists without order in one order."""
        if field in FLAGS:
            return value is not None
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items() if k not in SERVERS_OWN}
        if isinstance(value, list):
            listed = [self.plain(one, field) for one in value]
            return sorted(listed, key=_text) if field in UNORDERED else listed
        if isinstance(value, str):
            return self.name(REFERENCES[field], value) if field in REFERENCES else self._without_ids(value)
        return value

    def _without_ids(self, text: str) -> str:
        return LINK.sub(lambda link: f"/{link[1]}/<{self.name(link[1], link[2])}>", text)

    def by_name(self, kind: str) -> dict[str, list[Any]]:
        """Return all objects of a table, several where they are called the same."""
        found: dict[str, list[Any]] = defaultdict(list)
        for object_id, thing in self._content.get(kind, {}).items():
            found[self.name(kind, object_id)].append(self.plain(thing))
        return {name: sorted(things, key=_text) for name, things in found.items()}


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value, sort_keys=True)


def _digest(value: Any) -> str:  # noqa: ANN401 - any JSON
    return hashlib.sha256(_text(value).encode()).hexdigest()[:16]


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what is not the same in two dumps."""
    one, other = Dump(first), Dump(second)
    for kind in KINDS:
        wanted, found = one.by_name(kind), other.by_name(kind)
        for name in sorted(wanted.keys() | found.keys()):
            yield from _of_one_name(kind, name, wanted.get(name, []), found.get(name, []))


def _of_one_name(kind: str, name: str, wanted: list[Any], found: list[Any]) -> Iterator[Difference]:
    if (more := len(found) - len(wanted)) != 0:
        yield from [Difference("surplus" if more > 0 else "missing", kind, name)] * abs(more)
        return
    for left, right in zip(wanted, found, strict=True):
        yield from (Difference("differs", kind, name, path) for path in _paths(left, right, ""))


def _paths(left: Any, right: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            yield from _paths(left.get(name), right.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(left, list) and isinstance(right, list):
        if path.rpartition(".")[2] in UNORDERED:
            left, right = _without_common(left, right), _without_common(right, left)
        for i, (a, b) in enumerate(zip_longest(left, right)):
            yield from _paths(a, b, f"{path}[{i}]")
    else:
        yield f"{path}: {_text(left)[:80]} != {_text(right)[:80]}"


def _without_common(these: list[Any], those: list[Any]) -> list[Any]:
    """Return what only the first list has, each as often as it has more of it."""
    left = Counter(_text(one) for one in these) - Counter(_text(one) for one in those)
    return [json.loads(text) for text in sorted(left.elements())]


def main() -> int:
    """Compare two files and print what differs."""
    parser = argparse.ArgumentParser(description="Compare two dumps of a sandbox.")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    given = parser.parse_args()
    found = list(differences(*(json.loads(path.read_bytes()) for path in (given.first, given.second))))
    for difference in found[:SHOWN]:
        print(difference)
    print(f"{len(found)} differences" if found else "the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
