"""The rules of the sandbox for boards and scheduled plans."""

import pytest


def make_section(api, board_id, **given):
    return api.ok("POST", "/board_sections", {"board_id": board_id, **given})["id"]


def make_item(api, section_id, **given):
    shown = given or {"dashboard_id": api.dashboard(f"Shown {len(api.looker.requests)}")["id"]}
    return api.ok("POST", "/board_items", {"board_section_id": section_id, **shown})["id"]


def make_plan(api, **given):
    return api.ok("POST", "/scheduled_plans", api.plan_body(**given))


# Boards


def test_board_holds_sections_with_items_in_order_of_creation(api):
    board = api.board()["id"]
    first, second = make_section(api, board, title="A"), make_section(api, board, title="B")
    items = [make_item(api, first) for _ in range(3)]
    shown = api.ok("GET", f"/boards/{board}")
    assert [s["id"] for s in shown["board_sections"]] == shown["section_order"] == [first, second]
    section = shown["board_sections"][0]
    assert [i["id"] for i in section["board_items"]] == section["item_order"] == items
    assert shown["user_id"] == api.ok("GET", "/user")["id"]


def test_nothing_about_boards_is_unique(api):
    boards = [api.board()["id"] for _ in range(2)]
    sections = [make_section(api, boards[0], title="A") for _ in range(2)]
    dashboard = api.dashboard()["id"]
    items = [make_item(api, sections[0], dashboard_id=dashboard) for _ in range(2)]
    assert (api.found("/boards", fields="id"), api.found("/board_sections")) == (boards, sections)
    assert api.found("/board_items", board_section_id=sections[0]) == items


def test_orders_are_kept_and_lose_what_is_deleted(api):
    board = api.board()["id"]
    first, second = make_section(api, board), make_section(api, board)
    items = [make_item(api, first) for _ in range(2)]
    assert api.ok("PATCH", f"/boards/{board}", {"section_order": [second, first]})["section_order"] == [
        second,
        first,
    ]
    api.ok("PATCH", f"/board_sections/{first}", {"item_order": items[::-1]})
    assert api.refused("PATCH", f"/board_sections/{first}", {"item_order": ["99"]}) == (
        422,
        ("item_order", "missing"),
    )
    api.ok("DELETE", f"/board_items/{items[1]}")
    assert api.ok("GET", f"/board_sections/{first}")["item_order"] == [items[0]]
    api.ok("DELETE", f"/board_sections/{first}")
    assert api.refused("GET", f"/board_items/{items[0]}") == (404,)
    assert api.ok("GET", f"/boards/{board}")["section_order"] == [second]
    api.ok("DELETE", f"/boards/{board}")
    assert api.refused("GET", f"/board_sections/{second}") == (404,)


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("/boards", {}, ("title", "missing_field")),
        ("/boards", {"title": "x", "user_id": "99"}, ("user_id", "missing")),
        ("/boards", {"title": "x", "board_sections": []}, ("board_sections", "invalid")),
        ("/boards", {"title": "x", "deleted_at": "yesterday"}, ("deleted_at", "invalid")),
        ("/board_sections", {"title": "x"}, ("board_id", "missing_field")),
        ("/board_sections", {"board_id": "99"}, ("board_id", "missing")),
        ("/board_items", {"dashboard_id": "1"}, ("board_section_id", "missing_field")),
        ("/board_items", {"board_section_id": "99", "custom_url": "x"}, ("board_section_id", "missing")),
        ("/board_items", {"board_section_id": "1"}, ("dashboard_id", "invalid")),
        ("/board_items", {"board_section_id": "1", "dashboard_id": "99"}, ("dashboard_id", "missing")),
        ("/board_items", {"board_section_id": "1", "look_id": "99"}, ("look_id", "missing")),
        (
            "/board_items",
            {"board_section_id": "1", "lookml_dashboard_id": "x"},
            ("lookml_dashboard_id", "missing"),
        ),
        (
            "/board_items",
            {"board_section_id": "1", "dashboard_id": "1", "lookml_dashboard_id": "a::b"},
            ("lookml_dashboard_id", "invalid"),
        ),
    ],
)
def test_board_parts_refused(api, path, body, fault):
    api.dashboard()
    make_section(api, api.board()["id"])
    assert api.refused("POST", path, body) == (422, fault)


def test_items_show_content_or_what_they_are_told(api):
    section, look = make_section(api, api.board()["id"]), api.look()["id"]
    by_look = api.ok("GET", f"/board_items/{make_item(api, section, look_id=look)}")
    assert (by_look["title"], by_look["url"]) == ("Orders", f"/looks/{look}")
    custom = {
        "custom_url": "https://x.y",
        "use_custom_url": True,
        "custom_title": "X",
        "use_custom_title": True,
    }
    link = api.ok("GET", f"/board_items/{make_item(api, section, **custom)}")
    assert (link["title"], link["url"]) == ("X", "https://x.y")
    lookml = api.ok("GET", f"/board_items/{make_item(api, section, lookml_dashboard_id='a::b')}")
    assert lookml["url"] == "/dashboards/a::b"
    assert "custom_image_data_base64" not in lookml


def test_items_and_sections_move(api):
    boards = [api.board()["id"] for _ in range(2)]
    first, second = make_section(api, boards[0]), make_section(api, boards[1])
    item = make_item(api, first)
    api.ok("PATCH", f"/board_items/{item}", {"board_section_id": second})
    orders = [api.ok("GET", f"/board_sections/{i}")["item_order"] for i in (first, second)]
    assert orders == [[], [item]]
    api.ok("PATCH", f"/board_sections/{first}", {"board_id": boards[1]})
    orders = [api.ok("GET", f"/boards/{i}")["section_order"] for i in boards]
    assert orders == [[], [second, first]]


def test_board_in_the_trash_comes_back_whole(api):
    board = api.board()["id"]
    section = make_section(api, board)
    item = make_item(api, section)
    trashed = api.ok("PATCH", f"/boards/{board}", {"deleted_at": "2024-05-01T10:00:00.000+00:00"})
    assert trashed["deleted_at"] == "2024-05-01T10:00:00.000+00:00"
    assert api.found("/boards/search") == []
    back = api.ok("PATCH", f"/boards/{board}", {"deleted_at": None})
    assert [i["id"] for i in back["board_sections"][0]["board_items"]] == [item]


def test_boards_are_found_by_title_and_creator(api):
    ann = api.looker.add_user("Ann", "B", "ann@example.com")
    first = api.board("Sales", user_id=ann)["id"]
    api.board("Costs")
    assert api.found("/boards/search", title="SAL%") == api.found("/boards/search", creator_id=ann) == [first]


# Plans


def test_new_plan_is_live_unless_told_otherwise(api):
    body = api.plan_body()
    assert api.ok("POST", "/scheduled_plans", {**body, "enabled": False})["enabled"] is False
    del body["enabled"]
    made = api.ok("POST", "/scheduled_plans", body)
    assert (made["enabled"], made["user"]["id"]) == (True, api.ok("GET", "/user")["id"])
    assert api.looker.runs == []


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"name": None}, {("name", "missing_field")}),
        ({"crontab": None}, {("crontab", "missing_field")}),
        ({"crontab": "often"}, {("crontab", "invalid")}),
        ({"datagroup": "shop::daily"}, {("datagroup", "invalid")}),
        ({"look_id": "1"}, {("look_id", "invalid"), *((f"require_{n}", "missing_field") for n in
                                                      ("results", "no_results", "change"))}),
        ({"scheduled_plan_destination": []}, {("scheduled_plan_destination", "missing_field")}),
        (
            {"scheduled_plan_destination": [{"type": "email", "format": "csv"}]},
            {("scheduled_plan_destination[0].address", "missing_field")},
        ),
        (
            {"scheduled_plan_destination": [{"address": "a@b.c", "id": "7"}]},
            {("scheduled_plan_destination[0].id", "invalid")},
        ),
        ({"name": None, "crontab": None}, {("name", "missing_field"), ("crontab", "missing_field")}),
        ({"dashboard_id": "99"}, {("dashboard_id", "missing")}),
        ({"user_id": "99"}, {("user_id", "missing")}),
        ({"user": {"id": "1"}}, {("user", "invalid")}),
    ],
)  # fmt: skip
def test_plan_refused_with_everything_that_is_wrong(api, changes, faults):
    status, *found = api.refused("POST", "/scheduled_plans", {**api.plan_body(), **changes})
    assert (status, set(found)) == (422, faults)


def test_plan_refused_without_content(api):
    body = {name: value for name, value in api.plan_body().items() if name != "dashboard_id"}
    assert api.refused("POST", "/scheduled_plans", body) == (422, ("dashboard_id", "missing_field"))


def test_plans_of_looks_queries_and_lookml_dashboards(api):
    look = api.look()["id"]
    flags = {"require_results": True, "require_no_results": False, "require_change": False}
    by_look = make_plan(api, look_id=look, **flags)
    assert by_look["title"] == "Orders"
    by_lookml = make_plan(api, lookml_dashboard_id="a::b")["id"]
    make_plan(api, query_id=api.query())
    assert api.found(f"/scheduled_plans/look/{look}") == [by_look["id"]]
    assert api.found("/scheduled_plans/lookml_dashboard/a%3A%3Ab") == [by_lookml]


def test_destinations_are_replaced_as_a_whole_and_keep_secrets(api):
    made = make_plan(api)
    (first,) = made["scheduled_plan_destination"]
    path = f"/scheduled_plans/{made['id']}"
    new = [{"type": "s3", "format": "csv", "address": "s3://x", "parameters": "{}", "secret_parameters": "y"}]
    (second,) = api.ok("PATCH", path, {"scheduled_plan_destination": new})["scheduled_plan_destination"]
    assert (second["id"] != first["id"], second["parameters"]) == (True, "{}")
    assert "secret_parameters" not in second
    for none in ([], None):
        assert api.refused("PATCH", path, {"scheduled_plan_destination": none})[0] == 422
    assert api.ok("PATCH", path, {"name": "x"})["scheduled_plan_destination"] == [second]


def test_trigger_changes_only_when_the_other_one_goes(api):
    path = f"/scheduled_plans/{make_plan(api)['id']}"
    assert api.refused("PATCH", path, {"datagroup": "shop::daily"}) == (422, ("datagroup", "invalid"))
    assert api.ok("PATCH", path, {"datagroup": "shop::daily", "crontab": None})["crontab"] is None


def test_recipients_that_are_users_are_known(api):
    ann = api.looker.add_user("Ann", "B", "Ann@example.com")
    made = make_plan(api, user_id=ann)
    assert made["scheduled_plan_destination"][0]["looker_recipient"]
    assert made["user"]["display_name"] == "Ann B"


def test_plans_of_others_are_listed_only_when_asked_for(api):
    ann = api.looker.add_user("Ann", "B", "ann@example.com")
    own, hers = make_plan(api)["id"], make_plan(api, user_id=ann, name="Weekly")
    assert api.found("/scheduled_plans") == [own]
    assert api.found("/scheduled_plans", all_users="true") == [own, hers["id"]]
    assert api.found("/scheduled_plans", user_id=ann) == [hers["id"]]
    of_dashboard = f"/scheduled_plans/dashboard/{hers['dashboard_id']}"
    assert (api.found(of_dashboard), api.found(of_dashboard, all_users="true")) == ([], [hers["id"]])
    assert api.found("/scheduled_plans/search", user_first_name="ann", all_users="true") == [hers["id"]]
    assert api.found("/scheduled_plans/search", name="week%", recipient="ann@%", all_users="true") == [
        hers["id"]
    ]


def test_plans_outlive_the_trash_but_not_their_content(api):
    made = make_plan(api)
    dashboard = f"/dashboards/{made['dashboard_id']}"
    for deleted in (True, False):
        api.ok("PATCH", dashboard, {"deleted": deleted})
        assert api.found("/scheduled_plans") == [made["id"]]
    api.ok("DELETE", dashboard)
    assert api.found("/scheduled_plans") == []


def test_plans_go_with_their_owner_and_with_trashed_content_of_an_owner(api):
    ann = api.looker.add_user("Ann", "B", "ann@example.com")
    make_plan(api, user_id=ann)
    make_plan(api, dashboard_id=api.dashboard("Hers", user_id=ann)["id"])
    kept = make_plan(api)["id"]
    api.ok("DELETE", f"/users/{ann}")
    assert api.found("/scheduled_plans", all_users="true") == [kept]


def test_plans_may_name_tabs_of_their_dashboard(api):
    made = api.dashboard()
    tab = made["dashboard_layouts"][0]["id"]
    assert make_plan(api, dashboard_id=made["id"], tab_ids=[tab])["tab_ids"] == [tab]
    body = api.plan_body(dashboard_id=made["id"], tab_ids=["99"])
    assert api.refused("POST", "/scheduled_plans", body) == (422, ("tab_ids", "missing"))


def test_whatever_sends_at_once_is_counted(api):
    plan = make_plan(api)["id"]
    api.ok("POST", f"/scheduled_plans/{plan}/run_once")
    api.ok("POST", "/scheduled_plans/run_once", api.plan_body())
    once = make_plan(api, run_once=True)["id"]
    api.ok("PATCH", f"/scheduled_plans/{plan}", {"run_once": True})
    assert api.looker.runs == [plan, "None", once, plan]
    assert api.found("/scheduled_plans") == [plan, once]
