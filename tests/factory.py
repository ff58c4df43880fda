"""Make small Lookers and take backups of them, as lookervault would store them."""

from datetime import datetime

import msgspec

from lvrestore.sandbox.looker import Looker

TIMES = {"created_at", "updated_at", "deleted_at", "last_viewed_at", "last_accessed_at"}


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


def make_looker(**switches):
    """A Looker with one folder, a model, a user, a look."""
    clock = Clock()
    looker = Looker(switches, clock=clock)
    looker.advance = clock.advance
    looker.add_model("thelook", ["orders"])
    looker.owner = looker.add_user("Ann", "B", "ann@example.com")
    looker.folder = looker.call("POST", "/folders", {"name": "Sales", "parent_id": "1"})["id"]
    looker.query = new_query(looker, "orders.count")
    look = {"title": "Look", "query_id": looker.query, "folder_id": looker.folder}
    looker.look = looker.call("POST", "/looks", look)["id"]
    return looker


def new_query(looker, field):
    body = {"model": "thelook", "view": "orders", "fields": [field]}
    return looker.call("POST", "/queries", body)["id"]


def make_dashboard(looker, title="Sales", *, tiles=3, filters=2, layouts=1, **fields):
    """A dashboard with query, look and text tiles that listen to its filters; return its id."""
    body = {"title": title, "folder_id": looker.folder, "user_id": looker.owner, **fields}
    dashboard_id = looker.call("POST", "/dashboards", body)["id"]
    for n in range(filters):
        looker.call("POST", "/dashboard_filters", make_filter(dashboard_id, f"Filter {n}"))
    for n in range(1, layouts):
        body = {"dashboard_id": dashboard_id, "type": "static", "active": False, "width": 1200 + n}
        looker.call("POST", "/dashboard_layouts", body)
    for n in range(tiles):
        looker.call("POST", "/dashboard_elements", make_tile(looker, dashboard_id, n))
    arrange(looker, dashboard_id)
    return dashboard_id


def make_filter(dashboard_id, name):
    return {
        "dashboard_id": dashboard_id, "name": name, "title": name, "type": "field_filter", "default_value": "7 days",
        "model": "thelook", "explore": "orders", "dimension": "orders.date", "row": 0,
    }  # fmt: skip


def make_tile(looker, dashboard_id, n):
    tile = {"dashboard_id": dashboard_id, "title": f"Tile {n}", "type": "vis"}
    listen = [{"dashboard_filter_name": "Filter 0", "field": "orders.date"}]
    maker = {"filterables": [{"model": "thelook", "view": "orders", "name": "", "listen": listen}]}
    match n % 3:
        case 0:
            return {**tile, "query_id": new_query(looker, f"orders.f{n}"), "result_maker": maker}
        case 1:
            return {**tile, "look_id": looker.look}
        case _:
            return {
                "dashboard_id": dashboard_id,
                "type": "text",
                "title_text": "Hello",
                "body_text": f"<b>{n}</b>",
            }


def arrange(looker, dashboard_id):
    """Move every rectangle somewhere the server would not put it."""
    row = 0
    for layout in looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_layouts"):
        for component in layout["dashboard_layout_components"]:
            row += 3
            place = {"row": row, "column": 2, "width": 5, "height": 3}
            looker.call("PATCH", f"/dashboard_layout_components/{component['id']}", place)


def decoded(looker, dashboard_id):
    """The dashboard as the vault's dict: times as datetimes, top-level nulls gone."""
    return _times(
        {k: v for k, v in looker.call("GET", f"/dashboards/{dashboard_id}").items() if v is not None}
    )


def backup(looker, dashboard_id, **changes):
    """A vault row (id, blob) of the dashboard as it is now."""
    content = {k: v for k, v in {**decoded(looker, dashboard_id), **changes}.items() if v is not ...}
    return content["id"], msgspec.msgpack.encode(content)


def _times(value):
    if isinstance(value, dict):
        return {k: _time(v) if k in TIMES and isinstance(v, str) else _times(v) for k, v in value.items()}
    return [_times(v) for v in value] if isinstance(value, list) else value


def _time(text):
    return datetime.fromisoformat(text)


def destroy(looker, dashboard_id):
    looker.call("DELETE", f"/dashboards/{dashboard_id}")


def trash(looker, dashboard_id):
    looker.call("PATCH", f"/dashboards/{dashboard_id}", {"deleted": True})


def requests(looker):
    """The requests so far, as `METHOD /path` with ids left in, and forget them."""
    said = [f"{r.method} {r.path}" for r in looker.requests]
    looker.clear_log()
    return said
