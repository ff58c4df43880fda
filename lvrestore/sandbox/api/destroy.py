"""Destroying content for good, and what goes with it; losing an owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.trash import trashed

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Dashboard, Row


def _forget_references(instance: Instance, field: str, content_id: str) -> None:
    """Remove the plans that send something and, by the switch, the board items that show it."""
    store = instance.store
    for plan_id in store.content_plans.rights(f"{field}/{content_id}"):
        store.take_plan(store.plans[plan_id])
    for item_id in store.content_items.rights(f"{field}/{content_id}"):
        if instance.on("items_of_destroyed", "go"):
            store.take_item(store.items[item_id])


def forget_alerts(instance: Instance, tile: Row) -> None:
    """Remove the alerts of a tile that goes or, by the switch, leave them without a tile and disabled."""
    store = instance.store
    for alert_id in store.tile_alerts.rights(tile["id"]):
        alert = store.alerts[alert_id]
        if instance.on("alerts_of_tile", "go"):
            store.take_alert(alert)
        else:
            alert.update(dashboard_element_id=None, is_disabled=True)
            store.put_alert(alert)


def destroy_dashboard(instance: Instance, dashboard: Dashboard) -> None:
    """Destroy a dashboard with its parts, alerts and plans."""
    for tile in dashboard.tiles:
        forget_alerts(instance, tile)
    _forget_references(instance, "dashboard_id", dashboard.row["id"])
    instance.store.remove_dashboard(dashboard)


def destroy_look(instance: Instance, look: Row) -> None:
    """Destroy a look with its plans; tiles that showed it stay, broken."""
    _forget_references(instance, "look_id", look["id"])
    instance.store.take_look(look)


def destroy_folder(instance: Instance, folder_id: str, *, destroys: bool) -> None:
    """Delete a folder with all folders below it, and destroy or trash what is in them."""
    store = instance.store
    for below in list(store.descendants(folder_id)):
        for dashboard in [store.dashboards[i] for i in store.dashboard_shelf.ids(below)]:
            (destroy_dashboard if destroys else trash_dashboard)(instance, dashboard)
        for look in [store.looks[i] for i in store.look_shelf.ids(below)]:
            (destroy_look if destroys else trash_look)(instance, look)
        store.take_folder(store.folders[below])


def trash_dashboard(instance: Instance, dashboard: Dashboard) -> None:
    """Put a dashboard into the trash; its plans stay."""
    dashboard.row.update(deleted=True, **trashed(instance, dashboard.row, {"deleted": True}))


def trash_look(instance: Instance, look: Row) -> None:
    """Put a look into the trash; its plans stay."""
    look.update(deleted=True, **trashed(instance, look, {"deleted": True}))


def lose_owner(instance: Instance, user_id: str) -> None:
    """Trash what a user owns and delete the user's plans, those on that content too."""
    store = instance.store
    for plan in [p for p in store.plans.values() if p.get("user_id") == user_id]:
        store.take_plan(plan)
    for dashboard in [d for d in store.dashboards.values() if d.row.get("user_id") == user_id]:
        trash_dashboard(instance, dashboard)
        _take_plans(instance, f"dashboard_id/{dashboard.row['id']}")
    for look in [row for row in store.looks.values() if row.get("user_id") == user_id]:
        trash_look(instance, look)
        _take_plans(instance, f"look_id/{look['id']}")


def _take_plans(instance: Instance, content: str) -> None:
    for plan_id in instance.store.content_plans.rights(content):
        instance.store.take_plan(instance.store.plans[plan_id])
