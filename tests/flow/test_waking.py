"""What comes back from the trash sends nothing: its schedules and alerts are switched off, whatever Looker lists."""

from datetime import UTC, datetime
from itertools import product

import msgspec
import pytest
from factory import backup, make_dashboard, make_looker, trash
from harness import Memory
from harness import restore as restore_any

from lvrestore.looker.protocol import Answered
from lvrestore.model import ContentType, Operation

EMAIL = {"type": "email", "format": "wysiwyg_pdf", "address": "ann@example.com"}
BELIEFS = [
    pytest.param(
        {"trashed_plans": p, "trashed_plan_patch": pp, "trashed_alerts": a, "trashed_alert_patch": ap}
    )
    for p, pp, a, ap in product(
        ("listed", "unlisted"), ("accepted", "404"), ("listed", "unlisted"), ("accepted", "404")
    )
]
FLAGS = ("deleted", "enabled", "is_disabled")


def make_plan(looker, **fields):
    body = {
        "name": "Daily", "user_id": looker.owner, "crontab": "0 6 * * *", "enabled": True,
        "require_results": True, "require_no_results": False, "require_change": False,
        "scheduled_plan_destination": [EMAIL], **fields,
    }  # fmt: skip
    return looker.call("POST", "/scheduled_plans", body)["id"]


class Site:
    """Content in the trash with a schedule and an alert that are on, and others that are off."""

    def __init__(self, kind="dashboard", **switches):
        self.looker, self.kind = make_looker(**switches), kind
        self.alerts = []
        if kind == "look":
            live = self.looker.call("GET", f"/looks/{self.looker.look}")
            content = {
                k: v for k, v in live.items() if v is not None and k not in {"created_at", "updated_at"}
            }
            self.row = self.looker.look, msgspec.msgpack.encode(content)
        else:
            self.row = backup(self.looker, make_dashboard(self.looker))
            tile = self.looker.call("GET", f"/dashboards/{self.row[0]}")["dashboard_elements"][0]["id"]
            fields = {"owner_id": self.looker.owner, "custom_title": "Margin low"}
            self.alerts = [self.looker.add_alert(tile, is_disabled=off, **fields) for off in (False, True)]
        on = {f"{kind}_id": self.row[0]}
        self.plans = [make_plan(self.looker, enabled=enabled, **on) for enabled in (True, False)]
        self.looker.call("PATCH", f"/{kind}s/{self.row[0]}", {"deleted": True})
        self.looker.clear_log()

    def restore(self, memory=None, looker=None, **more):
        content_type = ContentType[self.kind.upper()]
        (result,) = restore_any(looker or self.looker, [self.row], memory, content_type=content_type, **more)
        return result

    def senders(self):
        store = self.looker.instance.store
        return [store.plans[i]["enabled"] for i in self.plans], [
            not store.alerts[i].get("is_disabled") for i in self.alerts
        ]

    def flags(self):
        """The writes that decide about sending, in order: path and value."""
        bodies = [
            (r.method, r.path, r.body) for r in self.looker.requests if r.method != "GET" and r.status == 200
        ]
        return [(path, {k: v for k, v in body.items() if k in FLAGS}) for _, path, body in bodies]

    def searches(self):
        return sum(r.path == "/alerts/search" for r in self.looker.requests)


KINDS = ["dashboard", "look"]


@pytest.mark.parametrize("schedules", ["disabled", "skip"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("belief", BELIEFS)
def test_nothing_sends_that_comes_back(kind, belief, schedules):
    site = Site(kind, **belief)
    memory = Memory(schedules=schedules)
    result = site.restore(memory)
    assert result.operation is Operation.UNDELETED, result
    assert site.senders() == ([False, False], [False for _ in site.alerts])
    told = sorted((message for kind, message in result.warnings if kind == "switched_off"), reverse=True)
    assert len(told) == 1 + bool(site.alerts)
    assert told[0].startswith(f"schedule {site.plans[0]} 'Daily' (owner Ann B")
    assert all("'Margin low' (owner Ann B" in one for one in told[1:])
    stored = [(kind, i) for kind, i, _ in memory.switched_off]
    assert set(stored) == {("scheduled_plan", site.plans[0]), *(("alert", i) for i in site.alerts[:1])}
    assert all(
        body.get("enabled", True) and not body.get("is_disabled") for _, _, body in memory.switched_off
    )
    site.looker.clear_log()
    again = site.restore(memory)
    assert again.operation is Operation.UNCHANGED
    assert site.flags() == []


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_switched_off_before_the_content_comes_back_where_that_can_be(kind):
    site = Site(kind)
    site.restore()
    alerts = [(f"/alerts/{i}", {"is_disabled": True}) for i in site.alerts[:1]]
    back = (f"/{kind}s/{site.row[0]}", {"deleted": False})
    assert site.flags() == [(f"/scheduled_plans/{site.plans[0]}", {"enabled": False}), *alerts, back]
    bodies = [r.body for r in site.looker.requests if r.method == "PATCH"]
    assert bodies[0] == {"enabled": False}  # that alone: everything else stays as it is
    assert site.searches() == bool(site.alerts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "switches", [{"trashed_plan_patch": "404", "trashed_alert_patch": "404"}, {"trashed_plans": "unlisted"}]
)
def test_else_in_the_very_next_calls(kind, switches):
    site = Site(kind, **switches)
    site.restore()
    writes = [(r.method, r.path) for r in site.looker.requests if r.method != "GET" and r.status == 200]
    back = writes.index(("PATCH", f"/{kind}s/{site.row[0]}"))
    assert writes[back + 1] == ("PATCH", f"/scheduled_plans/{site.plans[0]}")


def test_without_alerts_nothing_is_searched_for():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    trash(looker, row[0])
    looker.clear_log()
    restore_any(looker, [row])
    assert not [r for r in looker.requests if "alerts" in r.path]


def test_one_search_for_alerts_serves_all_content_that_comes_back():
    looker = make_looker()
    rows = [backup(looker, make_dashboard(looker, f"Sales {n}")) for n in range(3)]
    for dashboard_id, _ in rows:
        tile = looker.call("GET", f"/dashboards/{dashboard_id}")["dashboard_elements"][0]["id"]
        looker.add_alert(tile)
        trash(looker, dashboard_id)
    looker.clear_log()
    restore_any(looker, rows)
    assert sum(r.path == "/alerts/search" for r in looker.requests) == 1
    assert all(alert["is_disabled"] for alert in looker.instance.store.alerts.values())


@pytest.mark.wakes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("belief", BELIEFS)
def test_as_in_the_backup_they_stay_on_and_are_reported(kind, belief):
    site = Site(kind, **belief)
    memory = Memory(schedules="as-backup")
    result = site.restore(memory)
    assert site.senders() == ([True, False], [True, False][: len(site.alerts)])
    assert site.flags() == [(f"/{kind}s/{site.row[0]}", {"deleted": False})]
    told = [kind for kind, _ in result.warnings]
    assert told == ["wakes_schedule", *["wakes_alert" for _ in site.alerts[:1]]]
    assert memory.switched_off == []


@pytest.mark.wakes
def test_alerts_that_cannot_be_searched_for_are_said_to_send():
    site = Site()
    site.looker.instance.store.access.forget_user(site.looker.instance.caller_id)
    result = site.restore()
    assert result.operation is Operation.UNDELETED
    assert site.senders() == ([False, False], [True, False])
    assert "2 alerts on dashboard" in dict(result.warnings)["alerts_may_send"]
    assert site.searches() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_switched_off_stays_in_the_trash(kind):
    site = Site(kind)
    site.looker.on("PATCH", f"/scheduled_plans/{site.plans[0]}").answer(403)
    result = site.restore()
    assert (result.operation, result.error.http_status) == (Operation.FAILED, 403)
    assert "stays in the trash" in result.error.message
    assert site.looker.call("GET", f"/{kind}s/{site.row[0]}")["deleted"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("belief", BELIEFS)
def test_what_could_not_be_switched_off_afterwards_is_tried_again(kind, belief):
    site, memory = Site(kind, **belief), Memory()
    site.looker.on("PATCH", f"/scheduled_plans/{site.plans[0]}").answer(403, times=2)
    first = site.restore(memory)
    assert first.operation is Operation.FAILED
    again = site.restore(memory, uncertain_since=datetime.fromtimestamp(site.looker.instance.now(), UTC))
    assert again.error is None or site.restore(memory).error is None
    assert site.senders() == ([False, False], [False for _ in site.alerts])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("belief", BELIEFS)
def test_killed_after_every_call_nothing_sends_in_the_end(kind, belief):
    site = Site(kind, **belief)
    site.restore()
    calls = len(site.looker.requests)
    assert calls > 3
    for cut in range(calls):
        site, memory = Site(kind, **belief), Memory()
        with pytest.raises(PowerCut):
            site.restore(memory, Cut(site.looker, cut))
        result = site.restore(memory, uncertain_since=datetime.fromtimestamp(site.looker.instance.now(), UTC))
        assert result.error is None, cut
        assert not site.looker.call("GET", f"/{kind}s/{site.row[0]}")["deleted"]
        assert site.senders() == ([False, False], [False for _ in site.alerts]), cut
        site.looker.clear_log()
        assert site.restore(memory).operation is Operation.UNCHANGED, cut
        assert site.flags() == []


class PowerCut(BaseException):
    """Ends the process that runs the driver."""


class Cut:
    """Sends so many requests, then nothing ever again; the last one is carried out."""

    def __init__(self, looker, after):
        self._looker, self._left = looker, after

    def send(self, request):
        answer: Answered = self._looker.send(request)
        if self._left == 0:
            raise PowerCut
        self._left -= 1
        return answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_names_what_would_be_switched_off(kind):
    site = Site(kind)
    before = site.looker.dump()
    result = site.restore(dry_run=True)
    assert result.operation is Operation.UNDELETED
    assert [kind for kind, _ in result.warnings] == ["switched_off"] * (1 + bool(site.alerts))
    assert all("is switched off before" in text for _, text in result.warnings)  # nothing was done yet
    assert (f"scheduled_plans[{site.plans[0]}].enabled", True, False) in result.changes
    assert site.looker.dump() == before


@pytest.mark.parametrize("belief", ["listed", "unlisted"])
def test_a_schedule_of_content_that_comes_back_is_neither_doubled_nor_switched_on(belief):
    site, memory = Site(trashed_plans=belief), Memory()
    content = {k: v for k, v in site.looker.instance.store.plans[site.plans[0]].items() if v is not None}
    content = {k: v for k, v in content.items() if k not in {"created_at", "updated_at"}}
    site.restore(memory)
    row = site.plans[0], msgspec.msgpack.encode(content)
    (result,) = restore_any(site.looker, [row], memory, content_type=ContentType.SCHEDULED_PLAN)
    assert result.operation is Operation.UNCHANGED, result
    assert site.senders()[0] == [False, False]
    assert len(site.looker.instance.store.plans) == 2
