"""Content that comes back from the trash wakes its schedules and alerts. They are switched off: nothing is sent.

Whether Looker lists the schedules and alerts of what is in the trash, and lets them be changed, is undocumented. Where
it does, they are switched off before the content comes back, else in the calls right after that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lvrestore.content.calls import AlertsOn, Change, Get, Steps, SwitchesOff, Undeletes, Update, Warn
from lvrestore.content.knowledge import References
from lvrestore.content.sending.alerts import alert_name, alerts_of, owner_of_alert, watched
from lvrestore.content.writing.bodies import Body
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import History, Json
from lvrestore.text import quoted

T = TypeVar("T")
Patch = Callable[[Body, Body], Steps[tuple[Body, T]]]
PLAN, ALERT = "scheduled_plan", "alert"


class Sort(msgspec.Struct, frozen=True):
    """A sort of thing that sends mail: where it is, how it is switched off, what people call it."""

    kind: str
    collection: str
    flag: str
    off: bool
    called: str
    named: Callable[[Body], str]
    owner: Callable[[Body], str]

    def is_on(self, sender: Body) -> bool:
        """Whether it sends."""
        return bool(sender.get(self.flag)) is not self.off

    def told(self, sender: Body) -> str:
        """One of them, to people."""
        following = sender.get("next_run_at")
        times = (
            f", next run {following}"
            if following
            else f", runs at {sender['cron']}"
            if sender.get("cron")
            else ""
        )
        return f"{self.called} {sender['id']} {self.named(sender)} (owner {self.owner(sender)}{times})"


def _owner_of_plan(plan: Body) -> str:
    user = plan.get("user") or {}
    return str(user.get("display_name") or f"user {plan.get('user_id')}")


PLANS = Sort(
    kind=PLAN,
    collection="scheduled_plans",
    flag="enabled",
    off=False,
    called="schedule",
    named=lambda plan: quoted(plan.get("name")),
    owner=_owner_of_plan,
)
ALERTS = Sort(
    kind=ALERT,
    collection="alerts",
    flag="is_disabled",
    off=True,
    called="alert",
    named=alert_name,
    owner=owner_of_alert,
)


class Waking:
    """What sends by itself on one dashboard or look, which comes back from the trash."""

    def __init__(self, kind: str, item_id: str, refs: References, changes: list[Change]) -> None:
        """`changes` takes what is switched off."""
        self._kind, self._id, self._refs, self._changes = kind, item_id, refs, changes
        self._done: set[tuple[str, str]] = set()
        self._later: list[tuple[Sort, Body]] = []
        self._lists_plans = False
        self._failed: Refused | None = None
        self._stays_on = refs.policy.schedules == "as-backup"

    def switching_off(self, live: Body, patch: Patch[T]) -> Steps[Patch[T]]:
        """Switch off what can be before the content comes back. The patch returned does the rest as it comes back."""
        if not self._stays_on:
            yield Undeletes(self._kind, self._id)
            yield from self._before(live)

        def patched(body: Body, now: Body) -> Steps[tuple[Body, T]]:
            was_in_trash = bool(now.get("deleted"))
            now, result = yield from patch(body, now)
            if was_in_trash and not now.get("deleted"):
                yield from self.is_back(now)
            return now, result

        return patched

    def is_back(self, now: Body) -> Steps[None]:
        """Switch off what still sends, as the content is back; with `as-backup` report what sends."""
        for sort, sender in self._later:
            yield from self._settle(sort, sender)
        if not self._lists_plans:
            for plan in (yield from self._plans(fresh=not self._refs.policy.sees_trashed_plans)):
                yield from self._settle(PLANS, plan)
        yield from self.alerts_are_back(now)

    def alerts_are_back(self, now: Body) -> Steps[None]:
        """The same for alerts alone, on the tiles that `now` shows; raise what any of them was refused with."""
        yield from self._alerts_that_are_back(now)
        if self._failed is not None:
            raise self._failed

    # -- before

    def _before(self, live: Body) -> Steps[None]:
        plans = yield from self._plans(fresh=False)
        self._lists_plans = bool(plans) or self._refs.policy.sees_trashed_plans
        for plan in plans:
            yield from self._early(PLANS, plan)
        for alert in (yield from self._alerts(watched(live.get("dashboard_elements") or ()))) or ():
            yield from self._early(ALERTS, alert)

    def _early(self, sort: Sort, sender: Body) -> Steps[None]:
        if not sort.is_on(sender):
            return
        try:
            yield from self._switch_off(sort, sender, late=False)
        except Refused as refused:
            if refused.kind is not FailureKind.NOT_FOUND:
                raise
            self._later.append((sort, sender))

    # -- afterwards

    def _settle(self, sort: Sort, sender: Body) -> Steps[None]:
        if (sort.kind, sender["id"]) in self._done or not sort.is_on(sender):
            return
        if self._stays_on:
            yield Warn(
                f"wakes_{sort.called}", f"{sort.told(sender)} on {self._content} is active again and sends"
            )
            return
        try:
            yield from self._switch_off(sort, sender, late=True)
        except Refused as refused:  # the others are switched off all the same
            self._failed = self._failed or refused

    def _alerts_that_are_back(self, now: Body) -> Steps[None]:
        tiles = watched(now.get("dashboard_elements") or ())
        found = yield from self._alerts(tiles)
        if found is not None and any(alerts_of(tile, found) is None for tile in tiles):
            found = yield from self._alerts(tiles, fresh=True)
        for alert in found or ():
            yield from self._settle(ALERTS, alert)
        if unread := [tile for tile in tiles if alerts_of(tile, found) is None]:
            n = sum(tile["alert_count"] for tile in unread)
            yield Warn(
                "alerts_may_send",
                f"{n} alert{'' if n == 1 else 's'} on {self._content} may send again: they cannot be read, which "
                "needs an admin's key",
            )

    # -- what both need

    @property
    def _content(self) -> str:
        return f"{self._kind} {self._id}"

    def _plans(self, *, fresh: bool) -> Steps[list[Body]]:
        try:
            params = {"all_users": "true"}
            plans: list[Body] = yield Get(path(PLANS.collection, self._kind, self._id), params, fresh=fresh)
        except Refused:
            yield Warn(
                "schedules_may_send",
                f"the schedules of {self._content} cannot be read: those that are switched on send again",
            )
            return []
        return plans

    def _alerts(self, tiles: list[Body], *, fresh: bool = False) -> Steps[list[Body] | None]:
        ids = tuple(tile["id"] for tile in tiles)
        found: list[Body] | None = (yield AlertsOn(ids, fresh=fresh)) if ids else []
        return found

    def _switch_off(self, sort: Sort, sender: Body, *, late: bool) -> Steps[None]:
        yield SwitchesOff(
            sort.kind, sender["id"], sort.named(sender), sort.owner(sender), sender, self._kind, self._id
        )
        try:
            reply: Json = yield Update(path(sort.collection, sender["id"]), {sort.flag: sort.off})
        except Refused as refused:
            if refused.kind is FailureKind.NOT_FOUND and not late:
                raise
            raise self._sends(sort, sender, refused, late=late) from refused
        if isinstance(reply, dict) and sort.is_on({**sender, **reply}):
            yield Warn(
                f"wakes_{sort.called}", f"{sort.told(sender)} on {self._content} could not be switched off"
            )
            return
        self._done.add((sort.kind, sender["id"]))
        self._changes.append(Change(f"{sort.collection}[{sender['id']}].{sort.flag}", not sort.off, sort.off))
        when = f"{'right after' if late else 'before'} {self._content} comes back from the trash"
        yield Warn("switched_off", f"{sort.told(sender)} is switched off {when}")

    def _sends(self, sort: Sort, sender: Body, refused: Refused, *, late: bool) -> Refused:
        """The refusal, with what it means: the item fails, and is tried again as one that is not finished."""
        stays = f"{self._content} stays in the trash (unless --schedules as-backup is given)"
        left = "it sends again" if late else stays
        text = f"{sort.told(sender)} cannot be switched off, so {left}: {refused.message}"
        return Refused(refused.kind, refused.status, text, refused.fields, refused.codes)


def make_good(
    kind: str, item_id: str, live: Body, refs: References, history: History, changes: list[Change]
) -> Steps[None]:
    """Switch off what sends on content that an unfinished attempt brought back from the trash."""
    if history.undeletes == item_id and not live.get("deleted"):
        yield from Waking(kind, item_id, refs, changes).is_back(live)
