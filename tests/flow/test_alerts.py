"""A tile with alerts that is not in the backup stays, unless its deletion was asked for."""

import json

import pytest
from factory import backup, make_dashboard, make_looker, make_tile, new_query
from harness import Memory, restore

from lvrestore.model import Operation

BELIEFS = ["go", "stay"]


class Site:
    """A dashboard with one tile more than its backup has, and an alert on it."""

    def __init__(self, *, layouts=1, alerts=1, **switches):
        self.looker = make_looker(**switches)
        self.row = backup(self.looker, make_dashboard(self.looker, layouts=layouts))
        self.extra = self.looker.call("POST", "/dashboard_elements", self.tile())["id"]
        fields = {"owner_id": self.looker.owner, "custom_title": "Margin low"}
        self.alerts = [self.looker.add_alert(self.extra, **fields) for _ in range(alerts)]
        self.looker.clear_log()

    def tile(self, **more):
        query = new_query(self.looker, "orders.extra")
        return {"dashboard_id": self.row[0], "title": "Margin", "type": "vis", "query_id": query, **more}

    def restore(self, memory=None, **more):
        self.looker.clear_log()
        (result,) = restore(self.looker, [self.row], memory, **more)
        return result

    def live(self):
        return self.looker.call("GET", f"/dashboards/{self.row[0]}")

    def tiles(self):
        return {one["id"] for one in self.live()["dashboard_elements"]}

    def writes(self):
        return [f"{r.method} {r.path}" for r in self.looker.requests if r.method != "GET"]

    def searches(self):
        return sum(r.path == "/alerts/search" for r in self.looker.requests)

    def refuse_search(self):
        self.looker.instance.store.access.forget_user(self.looker.instance.caller_id)


@pytest.mark.parametrize("belief", BELIEFS)
def test_a_tile_with_alerts_stays_and_is_no_difference(belief):
    site = Site(alerts_of_tile=belief)
    before = site.looker.dump()
    for _ in range(2):
        result = site.restore()
        assert (result.operation, site.writes()) == (Operation.UNCHANGED, [])
        ((kind, message),) = result.warnings
        assert kind == "part_kept"
        assert f"tile {site.extra} 'Margin'" in message
        assert f"alert {site.alerts[0]} 'Margin low' of Ann B" in message
        assert site.looker.dump() == before
        assert site.searches() == 1


def test_everything_else_of_the_dashboard_is_restored():
    site = Site()
    site.looker.call("PATCH", f"/dashboards/{site.row[0]}", {"title": "Spoiled"})
    (lost, *_) = (one["id"] for one in site.live()["dashboard_elements"] if one["id"] != site.extra)
    site.looker.call("DELETE", f"/dashboard_elements/{lost}")
    assert site.restore().operation is Operation.UPDATED
    assert site.live()["title"] == "Sales"
    assert (site.extra in site.tiles(), len(site.tiles())) == (True, 4)
    assert site.looker.instance.store.alerts[site.alerts[0]]["dashboard_element_id"] == site.extra


@pytest.mark.parametrize("belief", BELIEFS)
def test_it_is_deleted_when_that_is_asked_for_and_its_alerts_are_stored_beforehand(belief):
    site, memory = Site(alerts=2, alerts_of_tile=belief), Memory(alerts="delete")
    result = site.restore(memory)
    assert site.extra not in site.tiles()
    stored = [(i, json.loads(body)) for kind, i, body in memory.before if kind == "alert"]
    assert [i for i, _ in stored] == site.alerts
    assert all(body["destinations"] and body["threshold"] == 100 for _, body in stored)
    assert [kind for kind, _ in result.warnings] == ["alert_deleted"]
    assert "Margin low" in result.warnings[0][1]
    assert site.restore(memory).operation is Operation.UNCHANGED
    assert (site.writes(), site.searches()) == ([], 0)


def test_what_was_accepted_with_its_tile_is_looked_at_again_when_deletion_is_asked_for():
    site, memory = Site(normalises="text_and_colours"), Memory()
    content = {**site.live(), "description": "ends with blanks  "}
    del content["dashboard_elements"][-1]
    for layout in content["dashboard_layouts"]:
        del layout["dashboard_layout_components"][-1]
    site.row = backup(site.looker, site.row[0], **content)
    site.restore(memory)
    assert site.restore(memory).operation is Operation.UNCHANGED
    memory.policy = Memory(alerts="delete").policy
    site.restore(memory)
    assert site.extra not in site.tiles()


@pytest.mark.parametrize("alerts", ["keep", "delete"])
def test_where_alerts_cannot_be_searched_for_the_tile_stays(alerts):
    site = Site(alerts=2)
    site.refuse_search()
    result = site.restore(Memory(alerts=alerts))
    assert (result.operation, site.writes()) == (Operation.UNCHANGED, [])
    ((kind, message),) = result.warnings
    assert kind == "part_kept"
    assert "2 alerts" in message
    assert "admin" in message


def test_where_the_search_does_not_show_all_of_them_the_tile_stays():
    site = Site(alerts=2)
    (shown,) = site.looker.call("GET", "/alerts/search", params={"all_owners": "true", "limit": "1"})
    site.looker.on("GET", "/alerts/search").answer(200, [shown])
    assert site.restore(Memory(alerts="delete")).operation is Operation.UNCHANGED
    assert site.extra in site.tiles()


@pytest.mark.parametrize(
    ("status", "odd"),
    [(200, {}), (200, {"alerts": []}), (200, "none"), (204, None), (404, None), (403, None)],
)
def test_an_odd_answer_to_the_search_is_no_list(status, odd):
    site = Site()
    site.looker.on("GET", "/alerts/search").answer(status, odd)
    assert site.restore(Memory(alerts="delete")).operation is Operation.UNCHANGED
    assert site.extra in site.tiles()


def test_without_alerts_nothing_is_searched_for():
    site = Site(alerts=0)
    assert site.restore().operation is Operation.UPDATED
    assert (site.extra in site.tiles(), site.searches()) == (False, 0)


def test_alerts_of_a_tile_that_is_changed_are_stored_beforehand():
    site, memory = Site(alerts=0), Memory()
    tile = next(one for one in site.live()["dashboard_elements"] if one["id"] != site.extra)
    alert = site.looker.add_alert(tile["id"])
    site.looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"title": "Renamed"})
    site.restore(memory)
    kinds = [(kind, i) for kind, i, _ in memory.before]
    assert kinds == [("alert", alert), ("dashboard", site.row[0])]
    assert site.looker.instance.store.alerts[alert]["dashboard_element_id"] == tile["id"]


def test_a_tile_with_alerts_that_shows_what_a_lost_tile_did_becomes_that_tile():
    site = Site(alerts=0)
    lost = site.live()["dashboard_elements"][0]
    site.looker.call("DELETE", f"/dashboard_elements/{lost['id']}")
    site.looker.call("DELETE", f"/dashboard_elements/{site.extra}")
    body = {**make_tile(site.looker, site.row[0], 0), "title": "Made anew", "query_id": lost["query_id"]}
    other = site.looker.call("POST", "/dashboard_elements", body)["id"]
    alert = site.looker.add_alert(other)
    result = site.restore()
    assert result.operation is Operation.UPDATED
    assert not [one for one in site.writes() if "POST" in one or "DELETE" in one]
    assert {one["id"]: one["title"] for one in site.live()["dashboard_elements"]}[other] == "Tile 0"
    assert alert in site.looker.instance.store.alerts
    assert site.restore().operation is Operation.UNCHANGED


@pytest.mark.parametrize("belief", ["stay", "go"])
@pytest.mark.parametrize("alerts", ["keep", "delete"])
def test_a_layout_stays_that_would_take_a_tile_with_alerts_along(alerts, belief):
    site, memory = Site(alerts=0, tiles_of_layout=belief), Memory(alerts=alerts)
    body = {"dashboard_id": site.row[0], "type": "newspaper", "label": "Watched", "active": False}
    layout = site.looker.call("POST", "/dashboard_layouts", body)["id"]
    tile = site.looker.call("POST", "/dashboard_elements", site.tile(dashboard_layout_id=layout))["id"]
    alert = site.looker.add_alert(tile)
    result = site.restore(memory)
    layouts = {one["id"] for one in site.live()["dashboard_layouts"]}
    assert (layout in layouts, tile in site.tiles()) == ((alerts == "keep"), (alerts == "keep"))
    assert (alert in site.looker.instance.store.alerts) == (alerts == "keep")
    kept = [message for kind, message in result.warnings if kind == "part_kept"]
    assert len(kept) == (2 if alerts == "keep" else 0)
    assert site.restore(memory).operation is Operation.UNCHANGED
    assert site.writes() == []


def test_a_dry_run_names_tile_and_alerts():
    site = Site()
    before = site.looker.dump()
    for alerts, kind in (("keep", "part_kept"), ("delete", "alert_deleted")):
        result = site.restore(Memory(alerts=alerts), dry_run=True)
        assert [one for one, _ in result.warnings] == [kind]
        assert "Margin low" in result.warnings[0][1]
    assert site.looker.dump() == before
