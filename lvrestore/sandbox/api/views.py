"""How objects look in replies: the fields of their type, what is computed, and what `fields=` asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.api.facts import FACTS, Field
from lvrestore.sandbox.instance import Instance, iso
from lvrestore.sandbox.refusals import invalid
from lvrestore.sandbox.store import Dashboard, Layout, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Thing = Dashboard | Layout | Row
Wanted = dict[str, Any]  # field name -> what is wanted inside it; empty: everything

_CAN = {"index": True, "show": True, "update": True, "destroy": True}


@lru_cache(maxsize=1 << 10)
def parse_fields(text: str) -> Wanted:
    """Read `id,title,folder(id,name)` into nested dicts; blanks are nothing, an open bracket is refused."""
    root: Wanted = {}
    stack, name = [root], ""
    for char in [*text, ","]:
        if char not in "(),":
            name += char
            continue
        inner: Wanted = {}
        if name.strip():
            stack[-1][name.strip()] = inner
        name = ""
        if char == "(":
            stack.append(inner)
        elif char == ")" and len(stack) > 1:
            stack.pop()
    if len(stack) > 1:
        raise invalid("fields", "fields has an open bracket")
    return root


def _default(name: str, field: Field) -> Any:  # noqa: ANN401 - any JSON
    if name == "can":
        return _CAN
    return {"boolean": False, "array": []}.get(field.type) if not field.nullable else None


def _filled(name: str, type_name: str) -> Callable[[Instance, Any, Wanted], Any]:
    nothing = {
        name: _default(name, field) for name, field in FACTS.types[type_name].items() if not field.write_only
    }

    def compute(_instance: Instance, thing: Thing, wanted: Wanted) -> Row | None:
        value = row_of(thing).get(name)
        return None if value is None else pick(nothing | value, wanted)

    return compute


def row_of(thing: Thing) -> Row:
    """Return an object's own fields."""
    return thing if isinstance(thing, dict) else thing.row


class View:
    """One type of the API description, made from what is stored and what is computed."""

    def __init__(
        self, type_name: str, computed: Mapping[str, Callable[[Instance, Any, Wanted], Any]]
    ) -> None:
        known = {name: f for name, f in FACTS.types[type_name].items() if not f.write_only}
        self.type_name = type_name
        self.defaults = {name: _default(name, field) for name, field in known.items()}
        filled = {
            name: _filled(name, field.type) for name, field in known.items() if field.type in FACTS.types
        }
        self.computed = {name: compute for name, compute in {**filled, **computed}.items() if name in known}

    def render(self, instance: Instance, thing: Thing, wanted: Wanted) -> Row:
        """Return the object as a reply has it."""
        return self._chosen(instance, thing, wanted) if wanted else self._whole(instance, thing)

    def _whole(self, instance: Instance, thing: Thing) -> Row:
        row = row_of(thing)
        shown = {name: row.get(name, default) for name, default in self.defaults.items()}
        for name, compute in self.computed.items():
            shown[name] = compute(instance, thing, {})
        return shown

    def _chosen(self, instance: Instance, thing: Thing, wanted: Wanted) -> Row:
        row = row_of(thing)
        shown: Row = {}
        for name, inside in wanted.items():
            if name in self.computed:
                shown[name] = self.computed[name](instance, thing, inside)
            elif name in self.defaults:
                shown[name] = pick(row.get(name, self.defaults[name]), inside)
            elif instance.on("unknown_fields", "refused"):
                raise invalid("fields", f"{name} is not a field of {self.type_name}")
        return shown


def pick(value: Any, wanted: Wanted) -> Any:  # noqa: ANN401 - any JSON
    """Return what is wanted of a value that no view makes."""
    if isinstance(value, list):
        return [pick(item, wanted) for item in value]
    if wanted and isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    if not wanted or not isinstance(value, dict):
        return value
    return {name: pick(value.get(name), inside) for name, inside in wanted.items()}


# What the replies hold beside the stored fields, by type.


def _time(name: str) -> Callable[[Instance, Any, Wanted], str | None]:
    return lambda _instance, thing, _wanted: iso(row_of(thing).get(name))


def _user_name(name: str) -> Callable[[Instance, Any, Wanted], str | None]:
    def compute(instance: Instance, thing: Thing, _wanted: Wanted) -> str | None:
        return instance.store.users.get(row_of(thing).get(name) or "", {}).get("display_name")

    return compute


TIME_FIELDS = (
    "created_at",
    "updated_at",
    "deleted_at",
    "last_viewed_at",
    "last_accessed_at",
    "last_run_at",
    "next_run_at",
)
TIMES = {name: _time(name) for name in TIME_FIELDS}


def _folder_of(instance: Instance, thing: Thing, wanted: Wanted) -> Row | None:
    folder = instance.store.folders.get(row_of(thing).get("folder_id") or "")
    return FOLDER_BASE.render(instance, folder, wanted) if folder else None


def query(instance: Instance, query_id: str | None, wanted: Wanted) -> Any:  # noqa: ANN401 - raw or JSON
    """Return a query as a reply has it, undecoded when all of it is wanted."""
    return pick(instance.store.queries.get(query_id or ""), wanted)


def _tiles(instance: Instance, thing: Dashboard, wanted: Wanted) -> list[Row]:
    return [TILE.render(instance, tile, wanted) for tile in thing.tiles]


def _filters(instance: Instance, thing: Dashboard, wanted: Wanted) -> list[Row]:
    return [FILTER.render(instance, row, wanted) for row in thing.filters]


def _layouts(instance: Instance, thing: Dashboard, wanted: Wanted) -> list[Row]:
    return [LAYOUT.render(instance, layout, wanted) for layout in thing.layouts]


def _dashboard_url(_instance: Instance, thing: Dashboard, _wanted: Wanted) -> str:
    return f"/dashboards/{thing.row['id']}"


def _look_of(instance: Instance, tile: Row, wanted: Wanted) -> Row | None:
    look = instance.store.looks.get(tile.get("look_id") or "")
    return LOOK_WITH_QUERY.render(instance, look, wanted) if look else None


def _tile_query(instance: Instance, tile: Row, wanted: Wanted) -> Any:  # noqa: ANN401 - raw or JSON
    return query(instance, tile.get("query_id"), wanted)


def _alert_count(instance: Instance, tile: Row, _wanted: Wanted) -> int:
    return instance.store.tile_alerts.count(tile["id"])


def source_query_id(instance: Instance, tile: Row) -> str | None:
    """Return the query that a tile shows, its own or its look's; None for merged results and text."""
    look = instance.store.looks.get(tile.get("look_id") or "")
    return look.get("query_id") if look else tile.get("query_id")


def result_maker_from_source(instance: Instance, tile: Row) -> Row:
    """Return the parts of a result maker as they follow from the tile's source alone."""
    query_id = source_query_id(instance, tile)
    if query_id not in instance.store.queries:
        return {"filterables": [], "vis_config": None, "dynamic_fields": None, "sorts": None, "total": None}
    parts = instance.store.query_parts(query_id)
    return {
        "filterables": [{"model": parts.model, "view": parts.view, "name": "", "listen": []}],
        "vis_config": parts.vis_config,
        "dynamic_fields": parts.dynamic_fields,
        "sorts": parts.sorts,
        "total": parts.total or None,
    }


def _result_maker(instance: Instance, tile: Row, wanted: Wanted) -> Row | None:
    own = tile.get("result_maker", {})
    if own is None or tile.get("result_maker_id") is None:
        return None
    query_id = source_query_id(instance, tile)
    shown = {
        "id": tile["result_maker_id"],
        **result_maker_from_source(instance, tile),
        "merge_result_id": tile.get("merge_result_id"),
        "query_id": query_id,
        "sql_query_id": None,
        "query": query(instance, query_id, {}),
        **own,
    }
    return pick(shown, wanted)  # type: ignore[no-any-return]  # a dict, as given


def _layout_components(instance: Instance, thing: Layout, wanted: Wanted) -> list[Row]:
    return [COMPONENT.render(instance, row, wanted) for row in thing.components]


def _dashboard_title(instance: Instance, thing: Layout, _wanted: Wanted) -> str | None:
    return instance.store.dashboard_of(thing.row).row.get("title")


def _layout_deleted(instance: Instance, thing: Layout, _wanted: Wanted) -> bool:
    return bool(thing.row.get("deleted")) or _goes_with_dashboard(instance, thing)


def _rectangle_deleted(instance: Instance, component: Row, _wanted: Wanted) -> bool:
    layout = instance.store.layouts[component["dashboard_layout_id"]]
    return bool(component.get("deleted")) or _goes_with_dashboard(instance, layout)


def _goes_with_dashboard(instance: Instance, layout: Layout) -> bool:
    """Tell whether a layout is shown as deleted because its dashboard is in the trash."""
    if instance.on("trashed_layouts", "as_they_were"):
        return False
    return bool(instance.store.dashboard_of(layout.row).row.get("deleted"))


def _of_tile(name: str, default: object = None) -> Callable[[Instance, Any, Wanted], Any]:
    def compute(instance: Instance, component: Row, _wanted: Wanted) -> Any:  # noqa: ANN401 - any JSON
        return instance.store.tiles.get(component["dashboard_element_id"], {}).get(name, default)

    return compute


def _child_count(instance: Instance, folder: Row, _wanted: Wanted) -> int:
    return instance.store.folder_shelf.count(folder["id"])


def living_dashboards(instance: Instance, folder_id: str) -> list[Dashboard]:
    """Return the dashboards in a folder that are not in the trash."""
    found = (instance.store.dashboards[i] for i in instance.store.dashboard_shelf.ids(folder_id))
    return [dashboard for dashboard in found if not dashboard.row.get("deleted")]


def living_looks(instance: Instance, folder_id: str) -> list[Row]:
    """Return the looks in a folder that are not in the trash."""
    found = (instance.store.looks[i] for i in instance.store.look_shelf.ids(folder_id))
    return [look for look in found if not look.get("deleted")]


def _folder_dashboards(instance: Instance, folder: Row, wanted: Wanted) -> list[Row]:
    return [DASHBOARD_BASE.render(instance, d, wanted) for d in living_dashboards(instance, folder["id"])]


def _folder_looks(instance: Instance, folder: Row, wanted: Wanted) -> list[Row]:
    return [
        LOOK_WITH_DASHBOARDS.render(instance, row, wanted) for row in living_looks(instance, folder["id"])
    ]


def _look_query(instance: Instance, look: Row, wanted: Wanted) -> Any:  # noqa: ANN401 - raw or JSON
    return query(instance, look.get("query_id"), wanted)


def _look_model(instance: Instance, look: Row, wanted: Wanted) -> Row | None:
    if look.get("query_id") not in instance.store.queries:
        return None
    model = instance.store.query_parts(look["query_id"]).model
    label = instance.store.models.get(model, {}).get("label")
    return pick({"id": model, "label": label}, wanted)  # type: ignore[no-any-return]  # a dict, as given


def _look_dashboards(instance: Instance, look: Row, wanted: Wanted) -> list[Row]:
    tiles = instance.store.tiles_of_look(look["id"])
    owners = {tile["dashboard_id"]: instance.store.dashboard_of(tile) for tile in tiles}
    return [DASHBOARD_BASE.render(instance, dashboard, wanted) for dashboard in owners.values()]


def _look_url(_instance: Instance, look: Row, _wanted: Wanted) -> str:
    return f"/looks/{look['id']}"


_OF_DASHBOARD = {
    **TIMES,
    "folder": _folder_of,
    "user_name": _user_name("user_id"),
    "last_updater_name": _user_name("last_updater_id"),
    "url": _dashboard_url,
}
_PARTS_OF_DASHBOARD = {
    "dashboard_elements": _tiles,
    "dashboard_filters": _filters,
    "dashboard_layouts": _layouts,
}
_OF_LOOK = {
    **TIMES,
    "folder": _folder_of,
    "user_name": _user_name("user_id"),
    "model": _look_model,
    "short_url": _look_url,
}

DASHBOARD = View("Dashboard", {**_OF_DASHBOARD, **_PARTS_OF_DASHBOARD})
DASHBOARD_FOUND = View("Dashboard", _OF_DASHBOARD)  # a search that leaves the parts out
DASHBOARD_BASE = View("DashboardBase", _OF_DASHBOARD)
TILE = View(
    "DashboardElement",
    {
        "look": _look_of,
        "query": _tile_query,
        "result_maker": _result_maker,
        "alert_count": _alert_count,
    },
)
FILTER = View("DashboardFilter", {})
LAYOUT = View(
    "DashboardLayout",
    {
        "dashboard_layout_components": _layout_components,
        "dashboard_title": _dashboard_title,
        "deleted": _layout_deleted,
    },
)
COMPONENT = View(
    "DashboardLayoutComponent",
    {
        "element_title": _of_tile("title"),
        "element_title_hidden": _of_tile("title_hidden", default=False),
        "vis_type": _of_tile("type"),
        "deleted": _rectangle_deleted,
    },
)
FOLDER_BASE = View("FolderBase", {"created_at": TIMES["created_at"], "child_count": _child_count})
FOLDER = View(
    "Folder",
    {
        "created_at": TIMES["created_at"],
        "child_count": _child_count,
        "dashboards": _folder_dashboards,
        "looks": _folder_looks,
    },
)
LOOK = View("Look", _OF_LOOK)
LOOK_WITH_QUERY = View("LookWithQuery", {**_OF_LOOK, "query": _look_query, "url": _look_url})
LOOK_WITH_DASHBOARDS = View("LookWithDashboards", {**_OF_LOOK, "dashboards": _look_dashboards})
MERGE_QUERY = View("MergeQuery", {})


def _explores(instance: Instance, model: Row, wanted: Wanted) -> list[Row]:
    shown = instance.store.explores.get(model["name"], [])
    return pick(shown, wanted)  # type: ignore[no-any-return]  # a list, as given


def _has_explores(instance: Instance, model: Row, _wanted: Wanted) -> bool:
    return bool(instance.store.explores.get(model["name"]))


MODEL = View("LookmlModel", {"explores": _explores, "has_content": _has_explores})
EXPLORE = View("LookmlModelExplore", {})

# People and what they may do.


def _user_groups(instance: Instance, user: Row, _wanted: Wanted) -> list[str]:
    return instance.store.access.groups_of(user["id"])


def _user_roles(instance: Instance, user: Row, _wanted: Wanted) -> list[str]:
    inherited = instance.on("role_ids", "with_inherited")
    return instance.store.access.roles_of(user["id"], inherited=inherited)


def _named(table: str, field: str, view: View) -> Callable[[Instance, Any, Wanted], Row | None]:
    def compute(instance: Instance, thing: Row, wanted: Wanted) -> Row | None:
        named = getattr(instance.store, table).get(thing.get(field) or "")
        return view.render(instance, named, wanted) if named else None

    return compute


def _user_count(instance: Instance, group: Row, _wanted: Wanted) -> int:
    return instance.store.access.member_count(group["id"])


def _holder_count(instance: Instance, role: Row, _wanted: Wanted) -> int:
    return len(instance.store.access.users_with(role["id"], inherited=True))


def _has_caller(instance: Instance, group: Row, _wanted: Wanted) -> bool:
    return group["id"] in instance.store.access.groups_of(instance.caller_id)


def _outer_groups(instance: Instance, group: Row, _wanted: Wanted) -> list[str]:
    return instance.store.access.nested.lefts(group["id"])


def _role_ids(instance: Instance, group: Row, _wanted: Wanted) -> list[str]:
    return instance.store.access.group_roles.lefts(group["id"])


def _group_roles(instance: Instance, group: Row, wanted: Wanted) -> list[Row]:
    roles = instance.store.roles
    return [ROLE.render(instance, roles[i], wanted) for i in _role_ids(instance, group, {})]


USER = View("User", {"group_ids": _user_groups, "role_ids": _user_roles})
CREDENTIALS_EMAIL = View("CredentialsEmail", {})
CREDENTIALS_FOUND = View("CredentialsEmailSearch", {})
PERMISSION_SET = View("PermissionSet", {})
MODEL_SET = View("ModelSet", {})
_OF_ROLE = {
    "permission_set": _named("permission_sets", "permission_set_id", PERMISSION_SET),
    "model_set": _named("model_sets", "model_set_id", MODEL_SET),
}
ROLE = View("Role", _OF_ROLE)
ROLE_FOUND = View("RoleSearch", {**_OF_ROLE, "user_count": _holder_count})
_OF_GROUP = {"user_count": _user_count, "contains_current_user": _has_caller}
GROUP = View("Group", _OF_GROUP)
GROUP_IN_TREE = View(
    "GroupHierarchy", {**_OF_GROUP, "parent_group_ids": _outer_groups, "role_ids": _role_ids}
)
GROUP_WITH_ROLES = View("GroupSearch", {**_OF_GROUP, "roles": _group_roles})
