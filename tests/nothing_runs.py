"""Held over every test that restores: nothing is sent, and without being asked nobody gets more access.

A test that asks for it says so: `enables_plans` for `--schedules as-backup`, `wakes` where what comes back from the
trash is to send, `widens_access` for `--access restore`.
"""

import json
import re
import threading

import pytest

from lvrestore.sandbox.looker import Looker

KINDS = ("users", "groups", "roles")
PLAN = re.compile(r"/scheduled_plans(?:/[^/]+)?")
JOINS = re.compile(r"/groups/([^/]+)/(users|groups)")
GRANTS = re.compile(r"/(roles|users)/([^/]+)/(users|groups|roles)")
USER = re.compile(r"/users/([^/]+)(/credentials_email)?")


class Watch:
    """What one Looker was asked for by the tool; `made` are the users, groups and roles that the tool made."""

    def __init__(self, looker):
        self.looker, self.made, self.late = looker, set(), []
        self.enabled, self.widened = [], []
        self.asleep = set()

    def ids(self):
        return {(kind, one) for kind in KINDS for one in getattr(self.looker.instance.store, kind)}

    def look_at(self, logged):
        """Note a request of the tool before it is carried out."""
        body = json.loads(logged.raw) if logged.raw and logged.path != "/login" else {}
        said = f"{logged.method} {logged.path} {body}"
        if logged.method == "PATCH" and body.get("deleted") is False:
            self.asleep |= set(self.sending(in_trash=True))
        if logged.method in {"POST", "PATCH"} and PLAN.fullmatch(logged.path) and body.get("enabled"):
            self.enabled.append(said)
        if any(not self.made & set(ends) for ends in self.ties(logged, body)):
            self.widened.append(said)

    def sending(self, *, in_trash):
        """The plans and alerts that are switched on, of content in the trash or of what lives."""
        store = self.looker.instance.store
        deleted = {("dashboard_id", i): bool(d.row.get("deleted")) for i, d in store.dashboards.items()}
        deleted |= {("look_id", i): bool(one.get("deleted")) for i, one in store.looks.items()}
        for plan in store.plans.values():
            content = next((field for field in ("dashboard_id", "look_id") if plan.get(field)), None)
            if plan.get("enabled") and content and deleted.get((content, plan[content])) is in_trash:
                yield "plan", plan["id"]
        for alert in store.alerts.values():
            tile = store.tiles.get(alert.get("dashboard_element_id"))
            if (
                tile
                and not alert.get("is_disabled")
                and deleted["dashboard_id", tile["dashboard_id"]] is in_trash
            ):
                yield "alert", alert["id"]

    def ties(self, logged, body):
        """Both ends of everything that somebody may do after this request and not before."""
        path = logged.path
        if logged.method == "POST" and (match := JOINS.fullmatch(path)):
            kind = match[2]
            yield ("groups", match[1]), (kind, body[f"{kind[:-1]}_id"])
        elif logged.method == "PUT" and (match := GRANTS.fullmatch(path)):
            kind, one, others = match.groups()
            held = self.held(kind, one, others)
            yield from (((kind, one), (others, other)) for other in body if other not in held)
        elif match := USER.fullmatch(path):
            gets_in = match[2] and logged.method in {"POST", "PATCH"}
            if gets_in or (logged.method == "PATCH" and body.get("is_disabled") is False):
                yield (("users", match[1]),)

    def held(self, kind, one, others):
        access = self.looker.instance.store.access
        if kind == "users":
            return access.user_roles.lefts(one)
        return (access.user_roles if others == "users" else access.group_roles).rights(one)


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch, request):
    """Watch every Looker that a test makes; what tests themselves ask of it does not count."""
    watches, sends = {}, threading.local()
    begin, send, exchange, carry_out = (
        getattr(Looker, name) for name in ("__init__", "send", "_exchange", "_carry_out")
    )

    def watched(looker, *arguments, **options):
        begin(looker, *arguments, **options)
        watches[id(looker)] = Watch(looker)

    def sent(looker, one):
        sends.now = True
        try:
            return send(looker, one)
        finally:
            sends.now = False

    def is_of_tool(arrived):
        return arrived.token is not None or getattr(sends, "now", False)

    def exchanged(looker, arrived):
        if is_of_tool(arrived) and id(looker) in watches:
            watches[id(looker)].late.append(arrived.logged)
        return exchange(looker, arrived)

    def carried_out(looker, arrived):
        watch = watches.get(id(looker))  # none for one that several tests share
        if watch is None or not (is_of_tool(arrived) or any(one is arrived.logged for one in watch.late)):
            return carry_out(looker, arrived)
        watch.look_at(arrived.logged)
        before = watch.ids()
        reply = carry_out(looker, arrived)
        watch.made |= watch.ids() - before
        return reply

    for name, wrapped in (
        ("__init__", watched), ("send", sent), ("_exchange", exchanged), ("_carry_out", carried_out),
    ):  # fmt: skip
        monkeypatch.setattr(Looker, name, wrapped)
    yield
    for watch in watches.values():
        assert watch.looker.runs == []
        assert not [r for r in watch.looker.requests if "run_once" in r.path]
        assert request.node.get_closest_marker("enables_plans") or watch.enabled == []
        assert _asks_for_mail(request) or watch.asleep.isdisjoint(watch.sending(in_trash=False))
        assert request.node.get_closest_marker("widens_access") or watch.widened == []


def _asks_for_mail(request):
    return any(map(request.node.get_closest_marker, ("wakes", "enables_plans")))
