"""The rules of the sandbox for dashboards, looks, folders, and every switch."""

import pytest

from lvrestore.sandbox.api.facts import FACTS
from lvrestore.sandbox.switches import SWITCHES

QUERY = {"model": "shop", "view": "orders", "fields": ["orders.count"], "vis_config": {"type": "looker_bar"}}
CLIENT_ID = "abcdefghijklmnopqrstuv"


# Dashboards


def test_new_dashboard_has_id_owner_times_slug_and_one_active_layout(api):
    made = api.dashboard()
    assert made == api.ok("GET", f"/dashboards/{made['id']}")
    assert made["user_id"] == api.ok("GET", "/user")["id"]
    assert made["created_at"] == made["updated_at"]
    assert len(made["slug"]) == 22
    assert [layout["active"] for layout in made["dashboard_layouts"]] == [True]
    assert (made["dashboard_elements"], made["dashboard_filters"]) == ([], [])
    assert made["folder"]["name"] == "Shared"


def test_reply_has_every_field_of_its_type(api):
    made = api.dashboard()
    assert made.keys() == FACTS.types["Dashboard"].keys()
    tile = api.tile(made["id"])
    assert tile.keys() == FACTS.types["DashboardElement"].keys()
    assert tile["query"].keys() == FACTS.types["Query"].keys()
    assert tile["result_maker"].keys() == FACTS.types["ResultMakerWithIdVisConfigAndDynamicFields"].keys()
    assert api.look().keys() == FACTS.types["LookWithQuery"].keys()
    assert api.ok("GET", "/folders/1").keys() == FACTS.types["Folder"].keys()


def test_ids_are_never_given_twice(api):
    first = api.dashboard("One")["id"]
    api.ok("DELETE", f"/dashboards/{first}")
    assert int(api.dashboard("Two")["id"]) > int(first)


def test_title_is_unique_among_the_living_of_a_folder(api):
    first = api.dashboard()
    body = {"title": "Sales", "folder_id": "1"}
    assert api.refused("POST", "/dashboards", body) == (422, ("[:title, :space_id]", "already_exists"))
    assert api.dashboard(folder_id=api.folder())["title"] == "Sales"
    api.ok("PATCH", f"/dashboards/{first['id']}", {"deleted": True})
    second = api.dashboard()
    undelete = api.refused("PATCH", f"/dashboards/{first['id']}", {"deleted": False})
    assert undelete == (422, ("[:title, :space_id]", "already_exists"))
    api.ok("PATCH", f"/dashboards/{second['id']}", {"title": "Other"})
    assert api.ok("PATCH", f"/dashboards/{first['id']}", {"deleted": False})["deleted_at"] is None


def test_slug_is_unique_even_against_the_trash(api):
    first = api.dashboard("One", slug="taken")
    api.ok("PATCH", f"/dashboards/{first['id']}", {"deleted": True})
    assert api.refused("POST", "/dashboards", {"title": "Two", "folder_id": "1", "slug": "taken"}) == (409,)
    second = api.dashboard("Two")
    assert api.refused("PATCH", f"/dashboards/{second['id']}", {"slug": "taken"}) == (409,)
    assert api.ok("PATCH", f"/dashboards/{first['id']}", {"slug": "taken"})["slug"] == "taken"


def test_trash_keeps_everything_and_is_listed_apart(api):
    made = api.dashboard()
    tile = api.tile(made["id"])["id"]
    trashed = api.ok("PATCH", f"/dashboards/{made['id']}", {"deleted": True})
    assert trashed["deleted_at"]
    assert api.found("/dashboards/search") == []
    assert api.found("/dashboards/search", deleted="true") == [made["id"]]
    assert api.ok("GET", "/dashboards") == []
    back = api.ok("PATCH", f"/dashboards/{made['id']}", {"deleted": False})
    assert (back["slug"], back["deleted_at"]) == (made["slug"], None)
    assert [t["id"] for t in back["dashboard_elements"]] == [tile]


def test_destroyed_dashboard_takes_its_parts_along(api):
    made = api.dashboard()
    tile, row = api.tile(made["id"])["id"], api.filter(made["id"])["id"]
    layout = made["dashboard_layouts"][0]["id"]
    component = api.layouts(made["id"])[0]["dashboard_layout_components"][0]["id"]
    assert api.ok("DELETE", f"/dashboards/{made['id']}") is None
    for path in (f"/dashboards/{made['id']}", f"/dashboard_elements/{tile}", f"/dashboard_filters/{row}"):
        assert api.refused("GET", path) == (404,)
    assert api.refused("GET", f"/dashboard_layouts/{layout}") == (404,)
    assert api.refused("GET", f"/dashboard_layout_components/{component}") == (404,)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"folder_id": "1"}, (422, ("title", "missing_field"))),
        ({"title": "x"}, (422, ("folder_id", "missing_field"))),
        ({"title": "x", "folder_id": "99"}, (422, ("folder_id", "missing"))),
        ({"title": "x", "folder_id": "1", "user_id": "99"}, (422, ("user_id", "missing"))),
    ],
)
def test_dashboard_refused_without_what_it_needs(api, body, answer):
    assert api.refused("POST", "/dashboards", body) == answer


def test_dashboard_moves_by_patch_and_by_move(api):
    made, folder = api.dashboard(), api.folder()
    assert api.ok("PATCH", f"/dashboards/{made['id']}", {"folder_id": folder})["folder"]["name"] == "Sales"
    assert api.ok("PATCH", f"/dashboards/{made['id']}/move", folder_id="1")["folder_id"] == "1"
    assert api.refused("PATCH", f"/dashboards/{made['id']}/move", folder_id="99") == (
        422,
        ("folder_id", "missing"),
    )


def test_lookml_dashboard_cannot_be_modified(api):
    assert api.refused("PATCH", "/dashboards/shop::overview", {"title": "x"}) == (405,)
    assert api.refused("DELETE", "/dashboards/shop::overview") == (405,)
    assert api.refused("GET", "/dashboards/shop::overview") == (404,)


def test_folder_object_in_a_body_is_ignored(api):
    body = {"title": "x", "folder_id": "1", "folder": {"name": "Elsewhere"}}
    assert api.ok("POST", "/dashboards", body)["folder"]["name"] == "Shared"


# Certificates

CERTIFIED = {"certification_status": "certified", "notes": "checked"}


def certified(api, kind, item_id):
    return (api.ok("GET", f"/{kind}s/{item_id}")["certification_metadata"] or {}).get("certification_status")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"certification_status": "maybe"}, "certification_status"),
        ({"certification_status": "certified", "user_name": "Ann"}, "user_name"),
        ({"certification_status": "certified", "updated_at": "2024-01-01T00:00:00Z"}, "updated_at"),
        ({"certification_status": "certified", "notes": 7}, "notes"),
        ({"notes": "no status"}, "certification_status"),
        ({"certification_status": None}, "certification_status"),
    ],
)
def test_a_certificate_has_one_of_two_states_and_notes(api, body, field):
    dashboard = api.ok("POST", "/dashboards", {"title": "x", "folder_id": "1"})["id"]
    assert api.refused("PATCH", f"/dashboards/{dashboard}/certification", body)[1][0] == field
    assert certified(api, "dashboard", dashboard) is None


def test_what_lookml_defines_and_what_is_not_there_is_not_certified(api):
    assert api.refused("PATCH", "/dashboards/m::d/certification", CERTIFIED)[0] == 405
    assert api.refused("PATCH", "/dashboards/999/certification", CERTIFIED)[0] == 404
    assert api.refused("PATCH", "/looks/999/certification", CERTIFIED)[0] == 404


# Strictness


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("no_such_field", 1),
        ("id", "7"),
        ("created_at", "2024-01-01"),
        ("dashboard_elements", []),
        ("model", {"id": "shop"}),
        ("title", 7),
        ("hidden", "yes"),
        ("hidden", None),
        ("appearance.no_such_field", 1),
        ("appearance.tile_shadow", "dark"),
        ("download_settings.rows_limit", 1.5),
        ("certification_metadata.certification_status", "maybe"),
        ("certification_metadata.ui_status", "fine"),
    ],
)
def test_body_refused_for_what_the_api_does_not_accept(api, field, value):
    outer, _, inner = field.partition(".")
    body = {"title": "x", "folder_id": "1", outer: {inner: value} if inner else value}
    assert api.refused("POST", "/dashboards", body) == (422, (field, "invalid"))
    assert api.looker.titles() == []


def test_every_fault_of_a_body_is_named(api):
    body = {"title": 1, "nothing": 2, "hidden": None}
    assert {field for field, _ in api.refused("POST", "/dashboards", body)[1:]} == {
        "title",
        "nothing",
        "hidden",
    }


@pytest.mark.parametrize(
    ("path", "params"), [("/dashboards", {"limit": "5"}), ("/looks/search", {"titel": "x"})]
)
def test_unknown_parameter_refused(api, path, params):
    assert api.refused("GET", path, **params)[0] == 422


@pytest.mark.parametrize(
    "params", [{"limit": "many"}, {"filter_or": "perhaps"}, {"fields": "id,nmae"}, {"sorts": "x"}]
)
def test_parameter_that_cannot_be_read_refused(api, params):
    api.dashboard()
    assert api.refused("GET", "/dashboards/search", **params)[0] == 422


def test_listen_is_writable_although_described_as_read_only(api):
    made = api.dashboard()
    listen = [{"dashboard_filter_name": "Date", "field": "orders.date"}]
    entry = {"model": "shop", "view": "orders", "name": "", "listen": listen}
    assert api.tile(made["id"], result_maker={"filterables": [entry]})["result_maker"]["filterables"] == [
        entry
    ]


def test_endpoint_that_is_not_served_says_so(api):
    assert api.refused("GET", "/themes") == (501,)
    assert api.refused("POST", "/dashboard_layout_components", {}) == (501,)


# Tiles


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "vis"}, "type"),
        ({"type": "look"}, "type"),
        ({"type": "vis", "query_id": "1", "look_id": "1"}, "look_id"),
        ({"type": "vis", "query_id": "1", "result_maker_id": "1"}, "result_maker_id"),
    ],
)
def test_tile_refused_without_exactly_one_source(api, given, field):
    made, _ = api.dashboard(), api.look()
    assert api.refused("POST", "/dashboard_elements", {"dashboard_id": made["id"], **given}) == (
        422,
        (field, "invalid"),
    )


@pytest.mark.parametrize("kind", ["text", "button", "extension"])
def test_tile_without_data_needs_no_source(api, kind):
    tile = api.tile(api.dashboard()["id"], type=kind, body_text="Hello")
    assert (tile["result_maker"], tile["result_maker_id"]) == (None, None)


@pytest.mark.parametrize(
    "field", ["look_id", "query_id", "merge_result_id", "result_maker_id", "dashboard_layout_id"]
)
def test_tile_refused_for_a_reference_to_nothing(api, field):
    body = {"dashboard_id": api.dashboard()["id"], "type": "text", field: "99"}
    assert api.refused("POST", "/dashboard_elements", body) == (422, (field, "missing"))


def test_tile_refused_on_a_dashboard_that_is_not_there(api):
    assert api.refused("POST", "/dashboard_elements", {"dashboard_id": "99", "type": "text"}) == (
        422,
        ("dashboard_id", "missing"),
    )


def test_query_tile_keeps_one_filterables_entry_and_merge_tile_all(api):
    made, query_id = api.dashboard(), api.query()
    entries = [{"model": "shop", "view": "orders", "name": name, "listen": []} for name in ("a", "b")]
    assert (
        len(api.tile(made["id"], result_maker={"filterables": entries})["result_maker"]["filterables"]) == 1
    )
    merge = api.ok("POST", "/merge_queries", {"source_queries": [{"query_id": query_id, "name": "a"}]})
    tile = api.tile(
        made["id"], type="vis", merge_result_id=merge["id"], result_maker={"filterables": entries}
    )
    assert tile["result_maker"]["filterables"] == entries
    assert tile["result_maker"]["query"] is None


def test_look_tile_shows_the_query_of_its_look(api):
    look = api.look()
    tile = api.tile(api.dashboard()["id"], type="vis", look_id=look["id"])
    assert tile["query_id"] is None
    assert tile["look"]["title"] == "Orders"
    assert tile["result_maker"]["query_id"] == look["query_id"]
    assert tile["result_maker"]["vis_config"] == QUERY["vis_config"]


def test_result_maker_follows_the_query_until_told_otherwise(api):
    tile = api.tile(api.dashboard()["id"])
    path, other = f"/dashboard_elements/{tile['id']}", api.query(vis_config={"type": "looker_pie"})
    assert api.ok("PATCH", path, {"query_id": other})["result_maker"]["vis_config"] == {"type": "looker_pie"}
    own = {"type": "table", "rows": [1, 2]}
    assert api.ok("PATCH", path, {"result_maker": {"vis_config": own}})["result_maker"]["vis_config"] == own
    assert api.ok("PATCH", path, {"query_id": tile["query_id"]})["result_maker"]["vis_config"] == own


def test_tile_made_from_a_result_maker_shares_its_source(api):
    made = api.dashboard()
    first = api.tile(made["id"])
    second = api.tile(made["id"], type="vis", result_maker_id=first["result_maker_id"])
    assert second["query_id"] == first["query_id"]
    assert second["result_maker_id"] != first["result_maker_id"]


def test_apply_filters_binds_the_filters_on_the_tiles_explore(api):
    made = api.dashboard()
    api.filter(made["id"], "Date", model="shop", explore="orders", dimension="orders.date")
    api.filter(made["id"], "Other", model="shop", explore="users", dimension="users.name")
    body = {"dashboard_id": made["id"], "type": "vis", "query_id": api.query()}
    tile = api.ok("POST", "/dashboard_elements", body, apply_filters="true")
    listen = tile["result_maker"]["filterables"][0]["listen"]
    assert listen == [{"dashboard_filter_name": "Date", "field": "orders.date"}]


def test_tile_stays_on_its_dashboard(api):
    tile, other = api.tile(api.dashboard()["id"]), api.dashboard("Other")
    answer = api.refused("PATCH", f"/dashboard_elements/{tile['id']}", {"dashboard_id": other["id"]})
    assert answer == (422, ("dashboard_id", "invalid"))


# Filters


def test_filter_title_is_unique_per_dashboard(api):
    first, other = api.dashboard("One"), api.dashboard("Two")
    api.filter(first["id"])
    api.filter(other["id"])
    body = {"dashboard_id": first["id"], "name": "x", "title": "Date", "type": "field_filter"}
    assert api.refused("POST", "/dashboard_filters", body) == (422, ("title", "already_exists"))
    second = api.filter(first["id"], "Region")
    answer = api.refused("PATCH", f"/dashboard_filters/{second['id']}", {"title": "Date"})
    assert answer == (422, ("title", "already_exists"))


def test_filter_refused_without_what_it_needs(api):
    body = {"dashboard_id": api.dashboard()["id"], "name": "x"}
    assert api.refused("POST", "/dashboard_filters", body) == (422, ("title", "missing_field"))


def test_filter_keeps_model_and_can_be_removed(api):
    made = api.dashboard()
    row = api.filter(made["id"], model="shop")
    assert (row["model"], row["row"]) == ("shop", 0)
    assert api.ok("PATCH", f"/dashboard_filters/{row['id']}", {"model": None})["model"] is None
    api.ok("DELETE", f"/dashboard_filters/{row['id']}")
    assert api.ok("GET", f"/dashboards/{made['id']}/dashboard_filters") == []


# Layouts and components


def test_every_tile_has_a_component_in_every_layout(api):
    made = api.dashboard()
    first = api.tile(made["id"])["id"]
    api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"], "type": "newspaper", "label": "Two"})
    second = api.tile(made["id"], type="text")["id"]
    shown = [
        [component["dashboard_element_id"] for component in layout["dashboard_layout_components"]]
        for layout in api.layouts(made["id"])
    ]
    assert shown == [[first, second], [first, second]]
    api.ok("DELETE", f"/dashboard_elements/{first}")
    assert all(len(layout["dashboard_layout_components"]) == 1 for layout in api.layouts(made["id"]))


def test_new_tiles_are_placed_below_the_others(api):
    made = api.dashboard()
    for _ in range(3):
        api.tile(made["id"])
    rows = [c["row"] for c in api.layouts(made["id"])[0]["dashboard_layout_components"]]
    assert rows == [0, 6, 12]


def test_component_is_moved_and_keeps_its_id(api):
    made = api.dashboard()
    api.tile(made["id"], title="Orders")
    component = api.layouts(made["id"])[0]["dashboard_layout_components"][0]
    path = f"/dashboard_layout_components/{component['id']}"
    moved = api.ok("PATCH", path, {"row": 3, "column": 4, "width": 5, "height": 6})
    assert moved == {**component, "row": 3, "column": 4, "width": 5, "height": 6}
    assert (moved["element_title"], moved["deleted"]) == ("Orders", False)
    assert api.ok("GET", path) == moved
    layout = component["dashboard_layout_id"]
    assert api.ok("GET", f"/dashboard_layouts/{layout}/dashboard_layout_components") == [moved]


def test_component_moves_between_layouts_of_its_dashboard_only(api):
    made, other = api.dashboard(), api.dashboard("Other")
    api.tile(made["id"])
    second = api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"]})["id"]
    component = api.layouts(made["id"])[0]["dashboard_layout_components"][0]["id"]
    path = f"/dashboard_layout_components/{component}"
    assert api.ok("PATCH", path, {"dashboard_layout_id": second})["dashboard_layout_id"] == second
    assert [len(layout["dashboard_layout_components"]) for layout in api.layouts(made["id"])] == [0, 2]
    strange = other["dashboard_layouts"][0]["id"]
    assert api.refused("PATCH", path, {"dashboard_layout_id": strange}) == (
        422,
        ("dashboard_layout_id", "missing"),
    )


def test_posting_an_active_layout_deactivates_the_others(api):
    made = api.dashboard()
    api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"], "active": True})
    assert [layout["active"] for layout in api.layouts(made["id"])] == [False, True]


def test_active_layout_is_not_deleted(api):
    made = api.dashboard()
    second = api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"]})["id"]
    active = made["dashboard_layouts"][0]["id"]
    assert api.refused("DELETE", f"/dashboard_layouts/{active}") == (422, ("active", "invalid"))
    api.ok("DELETE", f"/dashboard_layouts/{second}")
    assert [layout["id"] for layout in api.layouts(made["id"])] == [active]


# Queries


def test_query_is_made_once_per_content(api):
    first = api.query()
    assert api.query(pivots=None) == first
    assert api.query(fields=["orders.count", "orders.date"]) != api.query(
        fields=["orders.date", "orders.count"]
    )
    shown = api.ok("GET", f"/queries/{first}")
    assert api.ok("GET", f"/queries/slug/{shown['slug']}") == shown
    assert api.ok("GET", f"/queries/{first}", fields="id,vis_config(type)") == {
        "id": first,
        "vis_config": {"type": "looker_bar"},
    }


def test_query_refused_without_model_or_on_one_that_is_not_configured(api):
    assert api.refused("POST", "/queries", {"model": "shop"}) == (422, ("view", "missing_field"))
    assert api.refused("POST", "/queries", {**QUERY, "model": "elsewhere"}) == (404,)


def test_client_id_of_a_query_is_a_unique_word_of_22(api):
    assert api.refused("POST", "/queries", {**QUERY, "client_id": "short"}) == (422, ("client_id", "invalid"))
    made = api.query(client_id=CLIENT_ID)
    assert api.query(client_id=CLIENT_ID) == made
    again = api.refused("POST", "/queries", {**QUERY, "limit": "7", "client_id": CLIENT_ID})
    assert again == (422, ("client_id", "already_exists"))


def test_merge_query_is_made_once_per_content(api):
    body = {
        "source_queries": [{"query_id": api.query(), "name": "a", "merge_fields": []}],
        "vis_config": {"rows": 1},
    }
    made = api.ok("POST", "/merge_queries", body)
    assert api.ok("POST", "/merge_queries", body) == made
    assert api.ok("GET", f"/merge_queries/{made['id']}") == made
    assert len(made["id"]) == 22
    assert api.refused("POST", "/merge_queries", {"source_queries": [{"query_id": "99"}]})[0] == 422


# Looks


def test_look_has_a_trash_and_unique_titles(api):
    made = api.look()
    assert made["query"]["id"] == made["query_id"]
    body = {"title": "Orders", "folder_id": "1", "query_id": made["query_id"]}
    assert api.refused("POST", "/looks", body) == (422, ("[:title, :space_id]", "already_exists"))
    api.ok("PATCH", f"/looks/{made['id']}", {"deleted": True})
    assert api.found("/looks") == api.found("/looks/search") == []
    assert api.found("/looks/search", deleted="true") == [made["id"]]
    api.ok("PATCH", f"/looks/{made['id']}", {"deleted": False, "description": "back"})
    folder = api.folder()
    assert api.ok("PATCH", f"/looks/{made['id']}/move", folder_id=folder)["folder_id"] == folder
    api.ok("DELETE", f"/looks/{made['id']}")
    assert api.refused("GET", f"/looks/{made['id']}") == (404,)


def test_destroyed_look_leaves_its_tile_broken(api):
    made, look = api.dashboard(), api.look()
    tile = api.tile(made["id"], type="vis", look_id=look["id"])
    api.ok("DELETE", f"/looks/{look['id']}")
    left = api.ok("GET", f"/dashboard_elements/{tile['id']}")
    assert (left["look_id"], left["look"]) == (look["id"], None)


# Folders


def test_folders_form_a_tree(api):
    outer = api.folder("Outer")
    inner = api.folder("Inner", outer)
    assert api.ok("GET", f"/folders/{outer}")["child_count"] == 1
    assert api.found(f"/folders/{outer}/children") == [inner]
    assert api.found("/folders/1/children/search", name="out%") == [outer]
    assert api.ok("GET", f"/folders/{inner}/parent")["id"] == outer
    assert api.found(f"/folders/{inner}/ancestors") == ["1", outer]
    assert api.refused("GET", "/folders/1/parent") == (404,)
    assert api.refused("PATCH", f"/folders/{outer}", {"parent_id": inner}) == (422, ("parent_id", "invalid"))
    assert api.ok("PATCH", f"/folders/{inner}", {"parent_id": "1", "name": "Moved"})["parent_id"] == "1"


def test_folder_holds_dashboards_and_looks(api):
    folder = api.folder()
    dashboard, look = api.dashboard(folder_id=folder)["id"], api.look(folder_id=folder)["id"]
    assert api.found(f"/folders/{folder}/dashboards") == [dashboard]
    assert api.found(f"/folders/{folder}/looks") == [look]
    shown = api.ok("GET", f"/folders/{folder}", fields="dashboards(id),looks(id)")
    assert shown == {"dashboards": [{"id": dashboard}], "looks": [{"id": look}]}


def test_deleted_folder_takes_everything_below_it(api):
    outer = api.folder("Outer")
    inner = api.folder("Inner", outer)
    dashboard, look = api.dashboard(folder_id=inner)["id"], api.look(folder_id=inner)["id"]
    api.ok("DELETE", f"/folders/{outer}")
    for path in (f"/folders/{inner}", f"/dashboards/{dashboard}", f"/looks/{look}"):
        assert api.refused("GET", path) == (404,)


def test_folder_refused_for_name_parent_or_root(api):
    api.folder()
    assert api.refused("POST", "/folders", {"name": "Sales", "parent_id": "1"}) == (
        422,
        ("name", "already_exists"),
    )
    assert api.refused("POST", "/folders", {"name": "x", "parent_id": "99"}) == (404,)
    assert api.refused("POST", "/folders", {"name": "x"}) == (404,)
    assert api.refused("POST", "/folders", {"parent_id": "1"}) == (422, ("name", "missing_field"))
    assert api.refused("PATCH", "/folders/1", {"name": "x"}) == (405,)
    assert api.refused("DELETE", "/folders/lookml") == (405,)


def test_roots_are_known_by_their_flags(api):
    assert api.found("/folders/search", is_shared_root="true") == ["1"]
    assert api.found("/folders/search", is_users_root="true") == ["2"]


# Search, sorting, paging


@pytest.mark.parametrize(
    ("params", "titles"),
    [
        ({"title": "sales"}, ["Sales"]),
        ({"title": "SALES%"}, ["Sales", "Sales, 50%"]),
        ({"title": "_ales"}, ["Sales"]),
        ({"title": "Sales, 50%"}, ["Sales"]),
        ({"title": "Sales,Costs"}, ["Costs", "Sales"]),
        ({"description": "IS NULL"}, ["Costs", "NOT NULL"]),
        ({"title": "NOT NULL"}, ["Costs", "NOT NULL", "Sales", "Sales, 50%"]),
        ({"description": "not null", "title": "s%"}, ["Sales", "Sales, 50%"]),
        ({"title": "Costs", "description": "x", "filter_or": "true"}, ["Costs", "Sales"]),
        ({"folder_id": "2"}, []),
        ({"user_id": "1"}, ["Costs", "NOT NULL", "Sales", "Sales, 50%"]),
        ({"user_id": "1", "not_owned_by": "true"}, []),
        ({"slug": "TAKEN"}, ["Costs"]),
        ({"id": "1"}, ["Sales"]),
        ({"id": "77"}, []),
    ],
)
def test_search_speaks_like_and_operators(api, params, titles):
    api.dashboard("Sales", description="x")
    api.dashboard("Costs", slug="taken")
    api.dashboard("Sales, 50%", description="y")
    api.dashboard("NOT NULL")
    found = api.ok("GET", "/dashboards/search", **params, sorts="title", fields="title")
    assert [row["title"] for row in found] == titles


def test_pages_in_the_order_asked_for(api):
    for title in ("c", "a", "b"):
        api.dashboard(title)
    for i in range(9):
        api.dashboard(f"z{i}")

    def page(**params):
        return [row["title"] for row in api.ok("GET", "/dashboards/search", fields="title", **params)]

    assert page(sorts="title", limit=2) == ["a", "b"]
    assert page(sorts="title", limit=2, offset=2) == ["c", "z0"]
    assert page(sorts="title desc", limit=1) == ["z8"]
    assert page(sorts="id", offset=9) == ["z6", "z7", "z8"]  # as numbers: 10 comes after 9
    assert page(sorts="user_id,title desc", limit=2) == ["z8", "z7"]
    assert page(sorts="title", page=2, per_page=2) == ["c", "z0"]
    assert page(sorts="id", limit=5, offset=99) == []


def test_fields_choose_at_any_depth(api):
    made = api.dashboard()
    tile = api.tile(made["id"])
    wanted = "id,folder(id,name),dashboard_elements(id,query(model),result_maker(filterables(view)))"
    assert api.ok("GET", "/dashboards/search", fields=wanted) == [
        {
            "id": made["id"],
            "folder": {"id": "1", "name": "Shared"},
            "dashboard_elements": [
                {
                    "id": tile["id"],
                    "query": {"model": "shop"},
                    "result_maker": {"filterables": [{"view": "orders"}]},
                }
            ],
        }
    ]


def test_tiles_are_found_by_look_and_by_dashboard(api):
    made, look = api.dashboard(), api.look()
    tile = api.tile(made["id"], type="vis", look_id=look["id"])["id"]
    api.tile(made["id"])
    assert api.found("/dashboard_elements/search", look_id=look["id"]) == [tile]
    assert len(api.found("/dashboard_elements/search", dashboard_id=made["id"])) == 2
    assert api.found("/dashboard_elements/search", deleted="true") == []


def test_users_are_found(api):
    group = api.ok("POST", "/groups", {"name": "Sales"})["id"]
    ann = api.looker.add_user("Ann", "B", "ann@example.com", group_ids=[group])
    assert api.found("/users/search", email="ANN@%") == [ann]
    assert api.found("/users/search", group_id=group) == [ann]
    assert api.found("/users", ids=f"{ann},99") == [ann]
    assert api.found("/users", sorts="id", limit=1, offset=1) == [ann]
    assert api.ok("GET", f"/users/{ann}", fields="display_name") == {"display_name": "Ann B"}


def test_models_come_with_their_explores(api):
    assert api.ok("GET", "/lookml_models", fields="name,explores(name)") == [
        {"name": "shop", "explores": [{"name": "orders"}]}
    ]
    assert api.ok("GET", "/lookml_models/shop")["project_name"] == "shop"
    assert api.refused("GET", "/lookml_models/none") == (404,)


def test_versions_say_who_the_instance_is(api):
    shown = api.ok("GET", "/versions")
    assert shown["web_server_url"] == api.looker.instance.web_server_url
    assert shown["looker_release_version"]


# Every switch, both ways


def _inline(api):
    body = {"dashboard_id": api.dashboard()["id"], "type": "vis", "query": QUERY}
    return api.call("POST", "/dashboard_elements", body, {})[0]


def _active(api):
    made = api.dashboard()
    api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"], "active": True})
    return [layout["active"] for layout in api.layouts(made["id"])]


def _active_deleted(api):
    made = api.dashboard()
    api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"]})
    status, _ = api.call("DELETE", f"/dashboard_layouts/{made['dashboard_layouts'][0]['id']}", None, {})
    return status, [layout["active"] for layout in api.layouts(made["id"])]


def _placed(api):
    made = api.dashboard()
    second = api.ok("POST", "/dashboard_layouts", {"dashboard_id": made["id"]})["id"]
    api.tile(made["id"])
    api.tile(made["id"], type="text", dashboard_layout_id=second)
    return [len(layout["dashboard_layout_components"]) for layout in api.layouts(made["id"])]


def _same_name(api):
    made = api.dashboard()
    api.filter(made["id"])
    body = {"dashboard_id": made["id"], "name": "Date", "title": "Other", "type": "x"}
    return api.call("POST", "/dashboard_filters", body, {})[0]


def _folder_gone(api):
    folder = api.folder()
    dashboard, look = api.dashboard(folder_id=folder)["id"], api.look(folder_id=folder)["id"]
    api.ok("DELETE", f"/folders/{folder}")
    trash = api.found("/dashboards/search", deleted="true"), api.found("/looks/search", deleted="true")
    return trash == ([dashboard], [look])


def _in_embed(api):
    folder = api.folder()
    api.looker.instance.store.folders[folder]["is_embed"] = True
    return api.call("POST", "/folders", {"name": "reports", "parent_id": folder}, {})[0]


def _name_taken(api):
    api.folder()
    return api.call("POST", "/folders", {"name": "Sales", "parent_id": "1"}, {})[0]


def _get_trashed(api):
    dashboard, look = api.dashboard(deleted=True)["id"], api.look(deleted=True)["id"]
    paths = (f"/dashboards/{dashboard}", f"/dashboards/{dashboard}/dashboard_elements", f"/looks/{look}")
    return {api.call("GET", path, None, {})[0] for path in paths}


def _listens(api):
    body = {"name": "Date", "title": "Date", "type": "x", "listens_to_filters": ["Region"]}
    return api.call("POST", "/dashboard_filters", {"dashboard_id": api.dashboard()["id"], **body}, {})[0]


def _same_look(api):
    made = api.look()
    body = {"title": "Orders", "folder_id": "1", "query_id": made["query_id"]}
    return api.call("POST", "/looks", body, {})[0]


def _defaults(api):
    made = api.dashboard("One"), api.dashboard("Two", preferred_viewer=None)
    return [row["preferred_viewer"] for row in made]


def _normalised(api):
    made = api.dashboard(description="text  ", title_color="#ABCDEF", appearance={"key_color": "#ABCDEF"})
    return made["description"], made["title_color"], made["appearance"]["key_color"]


def _just_made(api):
    made = api.dashboard()
    return [api.call("GET", f"/dashboards/{made['id']}", None, {})[0] for _ in range(2)]


def _nested(api):
    made = api.dashboard(appearance={"key_color": "#1", "tile_shadow": True})
    patched = api.ok("PATCH", f"/dashboards/{made['id']}", {"appearance": {"tile_shadow": False}})
    tile = api.tile(made["id"], result_maker={"vis_config": {"type": "table"}, "total": True})
    after = api.ok("PATCH", f"/dashboard_elements/{tile['id']}", {"result_maker": {"total": False}})
    return patched["appearance"]["key_color"], after["result_maker"]["vis_config"]["type"]


def _parts_found(api):
    api.dashboard()
    found = api.ok("GET", "/dashboards/search")[0]
    return found["dashboard_layouts"] is not None


def _id_list(api):
    ids = [api.dashboard("One")["id"], api.dashboard("Two")["id"]]
    return api.found("/dashboards/search", id=",".join(ids)) == ids


def _listens_after_swap(api):
    entry = {"model": "shop", "view": "orders", "listen": [{"dashboard_filter_name": "D", "field": "x"}]}
    tile = api.tile(api.dashboard()["id"], result_maker={"filterables": [entry]})
    after = api.ok("PATCH", f"/dashboard_elements/{tile['id']}", {"query_id": api.query(limit="7")})
    return len(after["result_maker"]["filterables"][0]["listen"])


def _swap(api):
    tile, look = api.tile(api.dashboard()["id"]), api.look()
    path = f"/dashboard_elements/{tile['id']}"
    first = api.call("PATCH", path, {"look_id": look["id"]}, {})[0]
    after = api.ok("PATCH", path, {"look_id": look["id"], "query_id": None})
    return first, after["query_id"], after["look_id"] == look["id"]


def _touched(api):
    made = api.dashboard()
    api.looker.advance(60)
    api.tile(made["id"], type="text")
    return api.ok("GET", f"/dashboards/{made['id']}")["updated_at"] > made["updated_at"]


def _board_touched(api):
    """Whether what is changed on a board moves its time, whichever way it is changed."""
    board = api.ok("POST", "/boards", {"title": "B"})["id"]
    moved, seen = [], api.ok("GET", f"/boards/{board}")["updated_at"]

    def note(made):
        nonlocal seen
        now = api.ok("GET", f"/boards/{board}")["updated_at"]
        moved.append(now > seen)
        seen = now
        api.looker.advance(60)
        return made

    api.looker.advance(60)
    section = note(api.ok("POST", "/board_sections", {"board_id": board}))["id"]
    item = note(api.ok("POST", "/board_items", {"board_section_id": section, "custom_url": "https://x.y"}))[
        "id"
    ]
    note(api.ok("PATCH", f"/board_items/{item}", {"custom_title": "X"}))
    note(api.ok("PATCH", f"/board_sections/{section}", {"title": "S"}))
    note(api.ok("DELETE", f"/board_items/{item}"))
    note(api.ok("DELETE", f"/board_sections/{section}"))
    return set(moved)


def _trashed_parts(api):
    """Whether layouts and rectangles go with their dashboard, and come back with it."""
    made = api.dashboard()["id"]
    api.tile(made, type="text")
    shown = []
    for deleted in (True, False):
        (layout,) = api.ok("PATCH", f"/dashboards/{made}", {"deleted": deleted})["dashboard_layouts"]
        (rectangle,) = layout["dashboard_layout_components"]
        shown.append((layout["deleted"], rectangle["deleted"]))
    return shown


def _trashed_title(api):
    api.dashboard(deleted=True)
    return api.call("POST", "/dashboards", {"title": "Sales", "folder_id": "1"}, {})[0]


def _undelete_elsewhere(api):
    """Whether something is moved by the PATCH that undeletes it, and by one in the trash."""
    made, folder = api.dashboard(deleted=True), api.folder()
    undeletes = {"deleted": False, "folder_id": folder}
    moved = api.ok("PATCH", f"/dashboards/{made['id']}", undeletes)["folder_id"] == folder
    path = f"/looks/{api.look()['id']}"
    api.ok("PATCH", path, {"deleted": True})
    return moved, api.ok("PATCH", path, {"folder_id": folder})["folder_id"] == folder


def _unknown(api):
    body = {"title": "x", "folder_id": "1", "id": "7", "nothing": 1, "appearance": {"nothing": 1}}
    status = api.call("POST", "/dashboards", body, {})[0]
    return status, api.call("GET", "/dashboards", None, {"limit": "1", "fields": "nothing,id"})[0]


def _unknown_query(api):
    return api.call("POST", "/looks", {"title": "x", "folder_id": "1", "query_id": "99"}, {})[0]


def _unsorted(api):
    for title in "abcde":
        api.dashboard(title)
    return api.found("/dashboards/search") == api.found("/dashboards/search")


def _owner(api):
    ann = api.looker.add_user("Ann", "B", "ann@example.com")
    status, made = api.call("POST", "/dashboards", {"title": "x", "folder_id": "1", "user_id": ann}, {})
    return status, made.get("user_id") == ann


def _same_group_name(api):
    api.ok("POST", "/groups", {"name": "Sales"})
    return api.call("POST", "/groups", {"name": "Sales"}, {})[0]


def _unknown_in(path, field):
    def probe(api):
        return api.call("POST", path, {"name": "x", field: ["nothing"]}, {})[0]

    return probe


def _set_deleted(api):
    sets = {
        f"{kind}_id": api.ok("POST", f"/{kind}s", {"name": "x"})["id"]
        for kind in ("permission_set", "model_set")
    }
    role = api.ok("POST", "/roles", {"name": "x", **sets})["id"]
    status = api.call("DELETE", f"/model_sets/{sets['model_set_id']}", None, {})[0]
    return status, api.ok("GET", f"/roles/{role}")["model_set"] is None


def _inherited_role(api):
    me = api.ok("GET", "/user")
    sets = {"permission_set_id": "1", "model_set_id": "1"}
    role = api.ok("POST", "/roles", {"name": "x", **sets})["id"]
    api.ok("PUT", f"/roles/{role}/groups", me["group_ids"])
    return len(api.ok("GET", "/user")["role_ids"])


def _circle(api):
    outer, inner = (api.ok("POST", "/groups", {"name": name})["id"] for name in ("outer", "inner"))
    api.ok("POST", f"/groups/{outer}/groups", {"group_id": inner})
    return api.call("POST", f"/groups/{inner}/groups", {"group_id": outer}, {})[0]


def _same_email(api):
    api.looker.add_user("Ann", "B", "ann@example.com")
    made = api.ok("POST", "/users", {"first_name": "Bob"})
    path = f"/users/{made['id']}/credentials_email"
    return api.call("POST", path, {"email": "ANN@example.com"}, {})[0]


def _inline_login(api):
    body = {"first_name": "Bob", "credentials_email": {"email": "bob@example.com"}}
    return api.ok("POST", "/users", body)["email"]


def _own_login(api):
    made = api.ok("POST", "/users", {"first_name": "Bob"})
    path = f"/users/{made['id']}/credentials_email"
    return api.call("POST", path, {"email": "bob@example.com"}, {})[0]


def _same_model(api):
    return api.call("POST", "/lookml_models", {"name": "shop"}, {})[0]


def _undeleted_board(api):
    board = api.board(deleted_at="2024-01-01T00:00:00Z")["id"]
    return api.ok("PATCH", f"/boards/{board}", {"deleted_at": None})["deleted_at"] is None


def _boards_listed(api):
    api.board(deleted_at="2024-01-01T00:00:00Z")
    return len(api.found("/boards"))


def _strange_order(api):
    return api.call("PATCH", f"/boards/{api.board()['id']}", {"section_order": ["99"]}, {})[0]


def _item_left(api):
    section = api.ok("POST", "/board_sections", {"board_id": api.board()["id"]})["id"]
    made = api.dashboard()["id"]
    api.ok("POST", "/board_items", {"board_section_id": section, "dashboard_id": made})
    api.ok("DELETE", f"/dashboards/{made}")
    return len(api.found("/board_items"))


def _disabled_owner(api):
    ann = api.looker.add_user("Ann", "B", "ann@example.com", is_disabled=True)
    return api.call("POST", "/scheduled_plans", api.plan_body(user_id=ann), {})[0]


def _strange_tab(api):
    return api.call("POST", "/scheduled_plans", api.plan_body(tab_ids=["99"]), {})[0]


def _bad_login(api):
    return api.call("POST", "/login", None, {"client_id": "x", "client_secret": "wrong"})[0]


def _certified_in_bodies(api):
    body = {"title": "x", "folder_id": "1", "certification_metadata": CERTIFIED}
    dashboard = api.ok("POST", "/dashboards", body)["id"]
    text = {"dashboard_id": dashboard, "type": "text", "body_text": "x"}
    tile = api.ok("POST", "/dashboard_elements", text)["id"]
    changed = api.ok("PATCH", f"/dashboard_elements/{tile}", {"certification_metadata": CERTIFIED})
    state = (changed["certification_metadata"] or {}).get("certification_status")
    return [certified(api, "dashboard", dashboard), state]


def _certified_after_edits(api):
    dashboard = api.ok("POST", "/dashboards", {"title": "x", "folder_id": "1"})["id"]
    text = {"dashboard_id": dashboard, "type": "text", "body_text": "x"}
    tile = api.ok("POST", "/dashboard_elements", text)["id"]
    states = []
    for edited, body in (
        (f"/dashboards/{dashboard}", {"certification_metadata": CERTIFIED}),
        (f"/dashboards/{dashboard}", {"title": "y"}),
        (f"/dashboard_elements/{tile}", text),
    ):
        api.ok("PATCH", f"/dashboards/{dashboard}/certification", CERTIFIED)
        api.ok("PATCH", edited, body)
        states.append(certified(api, "dashboard", dashboard))
    return states


def _remembered(api):
    return api.call("POST", "/users", {"first_name": "A", "ui_state": {"width": 7}}, {})[0]


PROBES = {
    "active_layout": (_active, {"post_deactivates_others": [False, True], "keeps": [True, True]}),
    "active_layout_delete": (_active_deleted, {"refused": (422, [True, False]), "allowed": (204, [True])}),
    "bad_credentials": (_bad_login, {"404": 404, "401": 401}),
    "board_undelete": (_undeleted_board, {"honoured": True, "ignored": False}),
    "certification_in_body": (
        _certified_in_bodies,
        {"honoured": ["certified", "certified"], "ignored": [None, None]},
    ),
    "component_placement": (_placed, {"every_layout": [2, 2], "named_or_active": [1, 1]}),
    "disabled_owner": (_disabled_owner, {"accepted": 200, "refused": 422}),
    "edit_revokes": (
        _certified_after_edits,
        {"no": ["certified"] * 3, "yes": ["certified", "revoked", "revoked"]},
    ),
    "email_credentials": (_own_login, {"allowed": 200, "forbidden": 403}),
    "email_taken": (_same_email, {"409": 409, "422": 422}),
    "embed_subfolders": (_in_embed, {"made": 200, "refused": 403}),
    "filter_name": (_same_name, {"free": 200, "unique": 422}),
    "folder_delete": (_folder_gone, {"destroys": False, "trashes": True}),
    "folder_name_taken": (_name_taken, {"422": 422, "409": 409}),
    "get_trashed": (_get_trashed, {"answers": {200}, "404": {404}}),
    "group_cycle": (_circle, {"refused": 422, "allowed": 200}),
    "inline_credentials": (_inline_login, {"ignored": None, "honoured": "bob@example.com"}),
    "inline_query": (_inline, {"ignored": 422, "honoured": 200}),
    "item_edits_move_updated_at": (_board_touched, {"no": {False}, "yes": {True}}),
    "items_of_destroyed": (_item_left, {"go": 0, "stay": 1}),
    "listens_to_filters": (_listens, {"unchecked": 200, "must_exist": 422}),
    "look_title": (_same_look, {"unique": 422, "free": 200}),
    "model_taken": (_same_model, {"422": 422, "409": 409}),
    "name_taken": (_same_group_name, {"422": 422, "409": 409, "allowed": 200}),
    "new_dashboard": (_defaults, {"defaults": ["dashboards-next", None], "empty": [None, None]}),
    "normalises": (
        _normalised,
        {"nothing": ("text  ", "#ABCDEF", "#ABCDEF"), "text_and_colours": ("text", "#abcdef", "#abcdef")},
    ),
    "not_found_just_after_create": (_just_made, {"no": [200, 200], "once": [404, 200]}),
    "order_arrays": (_strange_order, {"checked": 422, "unchecked": 200}),
    "patch_nested": (_nested, {"merges": ("#1", "table"), "replaces": (None, "looker_bar")}),
    "role_ids": (_inherited_role, {"direct": 1, "with_inherited": 2}),
    "search_has_elements": (_parts_found, {"yes": True, "no": False}),
    "search_id_list": (_id_list, {"no": False, "yes": True}),
    "set_in_use": (_set_deleted, {"refused": (405, False), "allowed": (204, True)}),
    "source_change": (_listens_after_swap, {"keeps_listens": 1, "drops_listens": 0}),
    "source_swap": (_swap, {"implied": (200, None, True), "explicit": (422, None, True)}),
    "tab_ids": (_strange_tab, {"checked": 422, "unchecked": 200}),
    "tile_edits_move_updated_at": (_touched, {"yes": True, "no": False}),
    "trashed_boards": (_boards_listed, {"unlisted": 0, "listed": 1}),
    "trashed_layouts": (
        _trashed_parts,
        {"as_they_were": [(False, False)] * 2, "deleted": [(True, True), (False, False)]},
    ),
    "trashed_title_blocks": (_trashed_title, {"no": 200, "yes": 422}),
    "ui_state": (_remembered, {"any": 200, "text": 422}),
    "undelete_moves": (
        _undelete_elsewhere,
        {"yes": (True, True), "no": (False, True), "never": (False, False)},
    ),
    "unknown_fields": (_unknown, {"refused": (422, 422), "ignored": (200, 200)}),
    "unknown_model": (_unknown_in("/model_sets", "models"), {"accepted": 200, "refused": 422}),
    "unknown_permission": (
        _unknown_in("/permission_sets", "permissions"),
        {"refused": 422, "accepted": 200},
    ),
    "unknown_query": (_unknown_query, {"422": 422, "404": 404}),
    "unsorted_pages": (_unsorted, {"stable": True, "shifting": False}),
    "user_id": (_owner, {"honoured": (200, True), "ignored": (200, False), "unknown": (422, False)}),
}
# The rate limit is the server's: see the tests of that.
ELSEWHERE = {
    "retry_after",
    # in test_sandbox_alerts.py
    *(
        "tiles_of_layout",
        "alerts_of_tile",
        "trashed_alert_patch",
        "trashed_alerts",
        "trashed_plan_patch",
        "trashed_plans",
    ),
}


def test_every_switch_is_probed_in_every_position():
    assert PROBES.keys() | ELSEWHERE == SWITCHES.keys()
    for name, (_, expected) in PROBES.items():
        assert expected.keys() == set(SWITCHES[name].allowed)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, (_, expected) in PROBES.items() for v in expected])
def test_switch_changes_what_it_names(make, name, value):
    probe, expected = PROBES[name]
    assert probe(make(**{name: value})) == expected[value]
