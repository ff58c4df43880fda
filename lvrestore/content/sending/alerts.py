"""Alerts watch tiles and send mail. They are in no backup, so a tile that has some is not deleted unasked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lvrestore.content.calls import AlertsOn, Replaces, Steps, Warn
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body
from lvrestore.text import quoted

KIND = "alert"
KEPT = "part_kept"


def watched(tiles: Iterable[Body]) -> list[Body]:
    """The live tiles that have alerts."""
    return [tile for tile in tiles if tile.get("alert_count")]


def alert_name(alert: Body) -> str:
    """An alert, to people: its own title, else what it waits for."""
    field = alert.get("field") or {}
    condition = str(alert.get("comparison_type") or "").lower().replace("_", " ")
    name = alert.get("custom_title") or f"{field.get('title')} {condition} {alert.get('threshold')}"
    return quoted(name)


def alerts_of(tile: Body, alerts: Iterable[Body] | None) -> list[Body] | None:
    """The alerts of one tile among those that the search shows; None if it does not show all of them."""
    own = [one for one in alerts or () if one.get("dashboard_element_id") == tile["id"]]
    return None if alerts is None or len(own) < tile["alert_count"] else own


def tile_name(tile: Body) -> str:
    """A live tile, to people."""
    return f"tile {tile['id']} {quoted(tile.get('title') or tile.get('title_text') or '')}"


def told_alerts(tile: Body, alerts: Sequence[Body] | None) -> str:
    """The alerts of a tile, to people, each with its owner."""
    if alerts is None:
        n = tile["alert_count"]
        return f"{n} alert{'' if n == 1 else 's'} (their names could not be read: listing them needs an admin's key)"
    return ", ".join(f"alert {a['id']} {alert_name(a)} of {owner_of_alert(a)}" for a in alerts)


def owner_of_alert(alert: Body) -> str:
    """The owner of an alert, to people."""
    return str(alert.get("owner_display_name") or f"user {alert.get('owner_id')}")


def settle_watched(surplus: Sequence[Body], refs: References) -> Steps[set[str]]:
    """Return the ids of the surplus tiles that stay because of their alerts.

    The alerts of the other ones are stored before anything is deleted.
    """
    at_risk = watched(surplus)
    if not at_risk:
        return set()
    found = yield AlertsOn(tuple(tile["id"] for tile in at_risk))
    kept: set[str] = set()
    for tile in at_risk:
        own = alerts_of(tile, found)
        what = f"{tile_name(tile)} was added after the backup and has {told_alerts(tile, own)}"
        if refs.policy.alerts == "delete" and own is not None:
            yield from _store(own)
            yield Warn(
                "alert_deleted", f"{what}: the tile is deleted, and its alerts with it (--alerts delete)"
            )
            continue
        kept.add(tile["id"])
        unread = ": alerts that cannot be read are not deleted" if refs.policy.alerts == "delete" else ""
        yield Warn(KEPT, f"{what}: it stays{unread}")
    return kept


def remember_alerts(tile: Body) -> Steps[None]:
    """Have the alerts of a tile stored before the tile is changed."""
    if watched([tile]):
        found = yield AlertsOn((tile["id"],))
        yield from _store(alerts_of(tile, found) or ())


def _store(alerts: Iterable[Body]) -> Steps[None]:
    for alert in alerts:
        yield Replaces(KIND, alert["id"], alert)
