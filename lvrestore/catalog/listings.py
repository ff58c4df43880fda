"""How all live objects of a kind are listed, with the fields that decide about a restore: facts, as a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from lvrestore.looker.models import (
    ScheduledPlanDestination,
    WriteBoard,
    WriteBoardItem,
    WriteBoardSection,
    WriteCredentialsEmail,
    WriteDashboard,
    WriteDashboardElement,
    WriteDashboardFilter,
    WriteDashboardLayout,
    WriteDashboardLayoutComponent,
    WriteGroup,
    WriteLookmlModel,
    WriteLookWithQuery,
    WriteModelSet,
    WritePermissionSet,
    WriteQuery,
    WriteResultMakerWithIdVisConfigAndDynamicFields,
    WriteScheduledPlan,
    WriteUser,
)
from lvrestore.model import Json

# No maximum is documented. Dashboards come with all their parts, so fewer of them make a page.
PAGE = 1000
PAGE_OF_DASHBOARDS = 100


def _names(model: type[msgspec.Struct], *more: str, without: Collection[str] = ()) -> str:
    names = (*(name for name in model.__struct_fields__ if name not in without), *more)
    return ",".join(dict.fromkeys(names))


def _always(_body: Mapping[str, Json]) -> bool:
    return True


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of object.

    `fields` is everything that a restore looks at. `keys` are the fields that an object is looked up by, also by
    each value of a list, and those that are asked of many objects at once. An object is as good as the answer to a
    GET of its own if it has `parts`, lists or objects that a server may leave out of a list, with at least these
    fields in each of them, and if it is `plausible`. `elsewhere` are the `fields` to ask for on another instance
    than the backup's, where ids of queries mean nothing. `page` is the number of rows of a page, None where the
    list comes as a whole. `contents` are lists of what lies in an object, which an answer to a write shows whole,
    however long: nobody looks at them there. `marks` are keys without a value, which those objects have that they
    are true of. `proves_absence` says that what is not in the list (nor in the trash, where `has_trash`) is
    answered with 404.
    """

    kind: str
    collection: str
    path: str
    fields: str
    elsewhere: str = ""
    params: Mapping[str, str] = {}
    page: int | None = None
    is_sorted: bool = True
    keys: tuple[str, ...] = ()
    marks: Mapping[str, Callable[[Mapping[str, Json]], bool]] = {}
    parts: Mapping[str, tuple[str, ...]] = {}
    plausible: Callable[[Mapping[str, Json]], bool] = _always
    contents: tuple[str, ...] = ()
    id_field: str = "id"
    has_trash: bool = False
    proves_absence: bool = True

    def is_trashed(self, row: Mapping[str, Json]) -> bool:
        """Whether a row of the list is of an object in the trash."""
        return self.has_trash and bool(row.get("deleted"))

    def is_whole(self, body: Mapping[str, Json]) -> bool:
        """Whether the object has all its parts, as a GET of its own would give them."""
        return all(_has(body.get(name), inside) for name, inside in self.parts.items()) and self.plausible(
            body
        )


def _has(value: Json, names: Collection[str]) -> bool:
    """Whether the value is a list or an object, and the objects are complete as far as `names` asks for it."""
    if not isinstance(value, list | dict):
        return False
    objects = value if isinstance(value, list) else [value]
    return not names or all(isinstance(one, dict) and one.keys() >= set(names) for one in objects)


def _has_its_tiles(dashboard: Mapping[str, Json]) -> bool:
    """Whether the lists of parts fit together: a dashboard has a layout, and rectangles are those of tiles.

    A search that answered with empty lists where it leaves the parts out would otherwise look like a dashboard
    that has lost everything.
    """
    layouts = dashboard["dashboard_layouts"]
    rectangles = any(layout["dashboard_layout_components"] for layout in layouts)
    return bool(layouts) and (bool(dashboard["dashboard_elements"]) or not rectangles)


def _is_watched(dashboard: Mapping[str, Json]) -> bool:
    """Whether a tile has alerts."""
    return any(one.get("alert_count") for one in dashboard.get("dashboard_elements") or ())


def shows_queries(dashboard: Mapping[str, Json]) -> bool:
    """Whether every tile that shows a query shows what that is: a server may leave out what is so deep in a list."""
    tiles = dashboard.get("dashboard_elements")
    return isinstance(tiles, list) and all(
        isinstance(one.get("query"), dict) and one["query"].get("id") for one in tiles if one.get("query_id")
    )


_MAKER = _names(WriteResultMakerWithIdVisConfigAndDynamicFields)
_TILE = _names(WriteDashboardElement, "id", "alert_count", without={"result_maker"})
_QUERY = _names(WriteQuery, "id")
_SHELL = _names(WriteDashboard, "id", "created_at", "updated_at", "last_updater_id", "last_updater_name")
_COMPONENT = _names(WriteDashboardLayoutComponent, "id")
_LAYOUT = _names(WriteDashboardLayout, "id", "deleted")
_ITEM = _names(WriteBoardItem, "id", without={"custom_image_data_base64"})
_SECTION = _names(WriteBoardSection, "id", "created_at")
_DESTINATION = _names(ScheduledPlanDestination, "id", without={"secret_parameters"})
_SET = "built_in,all_access,id"


def _dashboard_fields(tile: str) -> str:
    return (
        f"{_SHELL},dashboard_elements({tile},result_maker({_MAKER})),"
        f"dashboard_filters({_names(WriteDashboardFilter, 'id')}),"
        f"dashboard_layouts({_LAYOUT},dashboard_layout_components({_COMPONENT}))"
    )


LISTINGS: Mapping[str, Listing] = {
    one.kind: one
    for one in (
        Listing(
            kind="dashboard",
            collection="dashboards",
            path="/dashboards/search",
            fields=_dashboard_fields(_TILE),
            elsewhere=_dashboard_fields(f"{_TILE},query({_QUERY})"),
            page=PAGE_OF_DASHBOARDS,
            keys=("slug", "folder_id", "updated_at"),
            marks={"watched": _is_watched},
            parts={
                "dashboard_elements": ("id", "result_maker", "alert_count"),
                "dashboard_filters": ("id",),
                "dashboard_layouts": ("id", "dashboard_layout_components"),
            },
            plausible=_has_its_tiles,
            has_trash=True,
        ),
        Listing(
            kind="look",
            collection="looks",
            path="/looks/search",
            fields=_names(WriteLookWithQuery, "id", "created_at", "updated_at", "last_updater_id"),
            page=PAGE,
            keys=("folder_id", "updated_at"),
            has_trash=True,
        ),
        Listing(
            kind="folder",
            collection="folders",
            path="/folders",
            fields=(
                "id,name,parent_id,created_at,is_personal,is_embed,"
                "is_shared_root,is_users_root,is_embed_shared_root,is_embed_users_root"
            ),
            keys=("parent_id",),
            contents=("dashboards", "looks"),
        ),
        Listing(
            kind="user",
            collection="users",
            path="/users",
            fields=(
                _names(WriteUser, "id", "email", "group_ids", "role_ids", "personal_folder_id")
                + f",credentials_email({_names(WriteCredentialsEmail)})"
            ),
            page=PAGE,
            keys=("email", "role_ids"),
            parts={"group_ids": ()},
        ),
        Listing(
            kind="group",
            collection="groups",
            path="/groups",
            fields=_names(WriteGroup, "id", "externally_managed", "external_group_id", "include_by_default"),
            page=PAGE,
            keys=("name",),
        ),
        Listing(
            kind="role",
            collection="roles",
            path="/roles",
            fields="id,name,internal,permission_set(id,name),model_set(id,name)",
            keys=("name",),
            parts={"permission_set": ("id",), "model_set": ("id",)},
        ),
        Listing(
            kind="permission_set",
            collection="permission_sets",
            path="/permission_sets",
            fields=f"{_names(WritePermissionSet)},{_SET}",
            keys=("name",),
        ),
        Listing(
            kind="model_set",
            collection="model_sets",
            path="/model_sets",
            fields=f"{_names(WriteModelSet)},{_SET}",
            keys=("name",),
        ),
        # Models that are the server's own, and those without LookML, are listed only when asked for.
        Listing(
            kind="lookml_model",
            collection="lookml_models",
            path="/lookml_models",
            fields=f"{_names(WriteLookmlModel)},explores(name)",
            page=PAGE,
            is_sorted=False,
            keys=("name",),
            id_field="name",
            proves_absence=False,
        ),
        # Whether the list holds boards in the trash is undocumented.
        Listing(
            kind="board",
            collection="boards",
            path="/boards",
            fields=(
                f"{_names(WriteBoard, 'id', 'created_at', 'updated_at')},"
                f"board_sections({_SECTION},board_items({_ITEM}))"
            ),
            keys=("updated_at",),
            parts={"board_sections": ("id", "board_items")},
            proves_absence=False,
        ),
        Listing(
            kind="scheduled_plan",
            collection="scheduled_plans",
            path="/scheduled_plans",
            fields=(
                _names(
                    WriteScheduledPlan,
                    "id",
                    "created_at",
                    "updated_at",
                    "next_run_at",
                    without={"scheduled_plan_destination"},
                )
                + ",user(display_name)"
                + f",scheduled_plan_destination({_DESTINATION})"
            ),
            params={"all_users": "true"},
            keys=("dashboard_id", "look_id", "query_id", "updated_at"),
            parts={"scheduled_plan_destination": ("id",)},
        ),
    )
}
KIND_OF = {listing.collection: kind for kind, listing in LISTINGS.items()}
