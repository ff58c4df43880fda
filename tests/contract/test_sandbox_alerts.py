"""Alerts on tiles, and what becomes of alerts and plans whose content is deleted or in the trash."""

import pytest

FIELD = {"title": "Count", "name": "orders.count"}
MAIL = [{"destination_type": "EMAIL", "email_address": "ops@example.com"}]


@pytest.fixture
def tile(api):
    return api.tile(api.dashboard()["id"])


def body_of_alert(tile, **given):
    return {
        "dashboard_element_id": tile["id"],
        "field": FIELD,
        "destinations": MAIL,
        "comparison_type": "GREATER_THAN",
        "threshold": 100,
        "cron": "0 5 * * *",
        **given,
    }


def test_alert_counts_on_its_tile(api, tile):
    alert = api.ok("POST", "/alerts", body_of_alert(tile))
    assert api.ok("GET", f"/dashboard_elements/{tile['id']}")["alert_count"] == 1
    shown = api.ok("GET", f"/dashboards/{tile['dashboard_id']}", fields="dashboard_elements(alert_count)")
    assert shown == {"dashboard_elements": [{"alert_count": 1}]}
    api.ok("DELETE", f"/alerts/{alert['id']}")
    assert api.ok("GET", f"/dashboard_elements/{tile['id']}")["alert_count"] == 0


@pytest.mark.parametrize("lacking", ["field", "destinations", "comparison_type", "threshold", "cron"])
def test_alert_refused_without_what_it_needs(api, tile, lacking):
    body = {name: value for name, value in body_of_alert(tile).items() if name != lacking}
    assert api.refused("POST", "/alerts", body) == (422, (lacking, "missing_field"))


def test_patch_of_an_alert_changes_few_fields(api, tile):
    alert = api.ok("POST", "/alerts", body_of_alert(tile))
    assert api.ok("PATCH", f"/alerts/{alert['id']}", {"is_disabled": True})["is_disabled"]
    assert api.refused("PATCH", f"/alerts/{alert['id']}", {"cron": "0 6 * * *"})[0] == 422


def test_alerts_of_everybody_are_for_admins(api, tile):
    other = api.looker.add_user("Ann", "B", "ann@example.com")
    mine = api.ok("POST", "/alerts", body_of_alert(tile))["id"]
    theirs = api.ok("POST", "/alerts", body_of_alert(tile, owner_id=other))["id"]
    assert api.found("/alerts/search") == [mine]
    assert api.found("/alerts/search", all_owners="true", fields="id") == [mine, theirs]
    assert api.found("/alerts/search", all_owners="true", limit="1", offset="1") == [theirs]
    assert api.refused("GET", "/alerts/search", sorts="id")[0] == 422
    api.looker.instance.store.access.forget_user(api.looker.instance.caller_id)
    assert api.refused("GET", "/alerts/search", all_owners="true") == (403,)


@pytest.mark.parametrize("whole", [False, True], ids=["the tile", "the dashboard"])
@pytest.mark.parametrize("belief", ["go", "stay"])
def test_alerts_of_a_deleted_tile(api, tile, belief, whole):
    api.looker.switches["alerts_of_tile"] = belief
    alert = api.ok("POST", "/alerts", body_of_alert(tile))["id"]
    api.ok("DELETE", f"/dashboards/{tile['dashboard_id']}" if whole else f"/dashboard_elements/{tile['id']}")
    left = api.ok("GET", "/alerts/search")
    shown = [(one["id"], one["dashboard_element_id"], one["is_disabled"]) for one in left]
    assert shown == ([(alert, None, True)] if belief == "stay" else [])


@pytest.mark.parametrize("listed", ["listed", "unlisted"])
@pytest.mark.parametrize("patch", ["accepted", "404"])
def test_what_sends_content_in_the_trash(api, tile, listed, patch):
    api.looker.switches.update({"trashed_plans": listed, "trashed_alerts": listed})
    api.looker.switches.update({"trashed_plan_patch": patch, "trashed_alert_patch": patch})
    dashboard = tile["dashboard_id"]
    plan = api.ok("POST", "/scheduled_plans", api.plan_body(dashboard_id=dashboard, enabled=True))["id"]
    alert = api.ok("POST", "/alerts", body_of_alert(tile))["id"]
    api.ok("PATCH", f"/dashboards/{dashboard}", {"deleted": True})
    lists = ("/scheduled_plans", f"/scheduled_plans/dashboard/{dashboard}", "/alerts/search")
    everybody = {"all_users": "true"}, {"all_users": "true"}, {"all_owners": "true"}
    found = [api.found(path, **params) for path, params in zip(lists, everybody, strict=True)]
    assert found == ([[plan], [plan], [alert]] if listed == "listed" else [[], [], []])
    for path, body in (
        (f"/scheduled_plans/{plan}", {"enabled": False}),
        (f"/alerts/{alert}", {"is_disabled": True}),
    ):
        if patch == "404":
            assert api.refused("PATCH", path, body) == (404,)
        else:
            api.ok("PATCH", path, body)


@pytest.mark.parametrize("belief", ["stay", "go"])
def test_tiles_of_a_deleted_layout(api, tile, belief):
    api.looker.switches["tiles_of_layout"] = belief
    body = {"dashboard_id": tile["dashboard_id"], "type": "newspaper", "active": False}
    layout = api.ok("POST", "/dashboard_layouts", body)["id"]
    api.ok("PATCH", f"/dashboard_elements/{tile['id']}", {"dashboard_layout_id": layout})
    alert = api.ok("POST", "/alerts", body_of_alert(tile))["id"]
    api.ok("DELETE", f"/dashboard_layouts/{layout}")
    left = api.found(f"/dashboards/{tile['dashboard_id']}/dashboard_elements")
    assert (left, api.found("/alerts/search")) == (([tile["id"]], [alert]) if belief == "stay" else ([], []))
