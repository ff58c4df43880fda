"""What sends mail: alerts that were there before are still there, and nothing sends that slept in the trash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from comparer.sources import Content

Dump = Mapping[str, Mapping[str, Content]]
ON = {"scheduled_plans": ("scheduled_plan", "enabled", True), "alerts": ("alert", "is_disabled", False)}
SHOWN = {"dashboard_id": "dashboards", "look_id": "looks"}
# What an alert is switched off by, and what the server says of it besides.
NOT_COMPARED = {"is_disabled", "owner_display_name", "investigative_content_title"}


def lost_alerts(dump: Dump, before: Dump) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, id, what is wrong) of the alerts from before: gone, or other than they were."""
    for alert_id, was in before.get("alerts", {}).items():
        now = dump["alerts"].get(alert_id)
        if now is None:
            yield "alert", alert_id, "gone"
            continue
        for name in was.keys() - NOT_COMPARED:
            if was[name] != now.get(name):
                yield "alert", alert_id, f"{name}: {was[name]!r} != {now.get(name)!r}"


def woken(dump: Dump, before: Dump) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, id, what is wrong) of the plans and alerts that send again since their content is back."""
    for table, (kind, flag, on) in ON.items():
        for sender_id, was in before.get(table, {}).items():
            now = dump[table].get(sender_id, {})
            if was.get(flag) == now.get(flag) == on and _content_in(before, was) and _is_alive(dump, now):
                yield kind, sender_id, "sends again"


def _content_in(dump: Dump, sender: Content) -> bool:
    """Whether what it sends lies in the trash there."""
    return bool(_content(dump, sender).get("deleted"))


def _is_alive(dump: Dump, sender: Content) -> bool:
    content = _content(dump, sender)
    return bool(content) and not content.get("deleted")


def _content(dump: Dump, sender: Content) -> Content:
    for field, table in SHOWN.items():
        if sender.get(field):
            return dump[table].get(sender[field], {})
    tile_id = sender.get("dashboard_element_id")
    tiles = ((one, tile["id"]) for one in dump["dashboards"].values() for tile in one["dashboard_elements"])
    return next((one for one, found in tiles if found == tile_id), {})
