"""Break a share of the dashboards, or of everything, the same way for the same seed.

That is what a restore is rehearsed on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.errors import UsageError
from lvrestore.sandbox.api.dashboards import change_dashboard
from lvrestore.sandbox.api.views import TILE
from lvrestore.sandbox.seeding.damage_others import KINDS, Shares, break_kind, candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lvrestore.sandbox.looker import Looker
    from lvrestore.sandbox.store import Dashboard, Row

DAY_S = 86_400.0
EXTRA_CHANGES = 2

DASHBOARD = "dashboard"
TYPES = (DASHBOARD, *KINDS)

# What a scalar is set to where it is not set.
NEW_VALUES: Row = {
    "description": "Edited by somebody in a hurry",
    "refresh_interval": "2 hours",
    "query_timezone": "Europe/Berlin",
    "background_color": "#102030",
    "title_color": "#405060",
    "tile_background_color": "#708090",
    "lookml_link_id": "sandbox::overview",
}


class Broken(msgspec.Struct, frozen=True):
    """Which objects of one type were broken, and how."""

    dropped: list[str] = []
    trashed: list[str] = []
    changed: list[str] = []


class Damage(msgspec.Struct):
    """Which dashboards were broken, and how; and what else was, by type."""

    dropped: list[str] = []
    trashed: list[str] = []
    changed: dict[str, list[str]] = {}
    others: dict[str, Broken] = {}


class Vandal:
    """Breaks one dashboard after the other; each method makes one kind of change or says that it cannot."""

    def __init__(self, looker: Looker, rng: random.Random) -> None:
        self.looker, self.rng = looker, rng
        self._queries = sorted(looker.instance.store.queries)

    def _own(self, dashboard: Dashboard, **changes: object) -> bool:
        change_dashboard(self.looker.instance, dashboard, changes)
        return True

    def _part(self, method: str, kind: str, part_id: str | None, body: object = None) -> bool:
        path = f"/dashboard_{kind}" + (f"/{part_id}" if part_id else "")
        self.looker.call(method, path, body, {"fields": "id"} if method != "DELETE" else None)
        return True

    def title(self, dashboard: Dashboard) -> bool:
        """Rename the dashboard."""
        row = dashboard.row
        return self._own(dashboard, title=f"{row.get('title')} (edited {row['id']})")

    def scalar_cleared(self, dashboard: Dashboard) -> bool:
        """Clear one of its fields."""
        given = [name for name in NEW_VALUES if dashboard.row.get(name) is not None]
        return bool(given) and self._own(dashboard, **{self.rng.choice(given): None})

    def scalar_set(self, dashboard: Dashboard) -> bool:
        """Fill one of its empty fields."""
        empty = [name for name in NEW_VALUES if dashboard.row.get(name) is None]
        name = self.rng.choice(empty) if empty else ""
        return bool(empty) and self._own(dashboard, **{name: NEW_VALUES[name]})

    def tile_moved(self, dashboard: Dashboard) -> bool:
        """Move and resize a tile."""
        components = [component for layout in dashboard.layouts for component in layout.components]
        if not components:
            return False
        component = self.rng.choice(components)
        body = {"row": (component.get("row") or 0) + 7, "width": (component.get("width") or 0) % 24 + 1}
        return self._part("PATCH", "layout_components", component["id"], body)

    def tile_removed(self, dashboard: Dashboard) -> bool:
        """Remove a tile."""
        if not dashboard.tiles:
            return False
        return self._part("DELETE", "elements", self.rng.choice(dashboard.tiles)["id"])

    def tile_added(self, dashboard: Dashboard) -> bool:
        """Add a tile that the vault does not know."""
        body: Row = {"dashboard_id": dashboard.row["id"], "type": "text", "title_text": "Under construction"}
        if self._queries and self.rng.random() < 0.5:  # noqa: PLR2004 - every other one
            body = {**body, "type": "vis", "title": "Stray", "query_id": self.rng.choice(self._queries)}
        return self._part("POST", "elements", None, body)

    def source_swapped(self, dashboard: Dashboard) -> bool:
        """Let a tile show another query."""
        tiles = [tile for tile in dashboard.tiles if tile.get("query_id")]
        if not tiles or len(self._queries) <= 1:
            return False
        tile = self.rng.choice(tiles)
        others = [query_id for query_id in self.rng.sample(self._queries, 2) if query_id != tile["query_id"]]
        return self._part("PATCH", "elements", tile["id"], {"query_id": others[0]})

    def filter_edited(self, dashboard: Dashboard) -> bool:
        """Change what a filter is set to."""
        if not dashboard.filters:
            return False
        row = self.rng.choice(dashboard.filters)
        body = {
            "default_value": f"{row.get('default_value') or ''} edited",
            "required": not row.get("required"),
        }
        return self._part("PATCH", "filters", row["id"], body)

    def filter_renamed(self, dashboard: Dashboard) -> bool:
        """Give a filter another name."""
        if not dashboard.filters:
            return False
        row = self.rng.choice(dashboard.filters)
        body = {name: f"{row.get(name) or ''} renamed {row['id']}" for name in ("name", "title")}
        return self._part("PATCH", "filters", row["id"], body)

    def filter_removed(self, dashboard: Dashboard) -> bool:
        """Remove a filter."""
        if not dashboard.filters:
            return False
        return self._part("DELETE", "filters", self.rng.choice(dashboard.filters)["id"])

    def filter_added(self, dashboard: Dashboard) -> bool:
        """Add a filter that the vault does not know."""
        name = f"Stray {self.rng.randrange(10**6)}"
        body = {"dashboard_id": dashboard.row["id"], "name": name, "title": name, "type": "string_filter"}
        return self._part("POST", "filters", None, body)

    def listen_removed(self, dashboard: Dashboard) -> bool:
        """Let a tile stop listening to a filter."""
        shown = [
            TILE.render(self.looker.instance, t, _LISTENS) for t in dashboard.tiles if t.get("result_maker")
        ]
        tiles = [t for t in shown if any(e["listen"] for e in t["result_maker"]["filterables"])]
        if not tiles:
            return False
        tile = self.rng.choice(tiles)
        entries = tile["result_maker"]["filterables"]
        victim = self.rng.choice([i for i, entry in enumerate(entries) if entry["listen"]])
        left = [
            {**e, "listen": e["listen"][1:] if i == victim else e["listen"]} for i, e in enumerate(entries)
        ]
        return self._part("PATCH", "elements", tile["id"], {"result_maker": {"filterables": left}})

    def layout_label(self, dashboard: Dashboard) -> bool:
        """Change a layout's label."""
        layout = self.rng.choice(dashboard.layouts)
        return self._part("PATCH", "layouts", layout.row["id"], {"label": f"Tab {self.rng.randrange(10**6)}"})


_LISTENS: dict[str, Any] = {"id": {}, "result_maker": {"filterables": {}}}

# The methods of the vandal, in the order in which dashboards meet them.
CHANGES = (
    "title",
    "scalar_cleared",
    "scalar_set",
    "tile_moved",
    "tile_removed",
    "tile_added",
    "source_swapped",
    "filter_edited",
    "filter_renamed",
    "filter_removed",
    "filter_added",
    "listen_removed",
    "layout_label",
)


def _change(vandal: Vandal, dashboard: Dashboard, turn: int) -> list[str]:
    """Make the change whose turn it is, or the next that is possible, and up to two more."""
    turns = (CHANGES[(turn + i) % len(CHANGES)] for i in range(len(CHANGES)))
    first = next(name for name in turns if getattr(vandal, name)(dashboard))
    extra = vandal.rng.sample([n for n in CHANGES if n != first], vandal.rng.randint(0, EXTRA_CHANGES))
    return [first, *(name for name in extra if getattr(vandal, name)(dashboard))]


def _check_shares(*shares: float) -> None:
    if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1:
        raise UsageError(
            "the shares to drop, trash and change must be between 0 and 1, and at most 1 together"
        )


def _check_types(types: Sequence[str]) -> tuple[str, ...]:
    wanted = TYPES if "all" in types else tuple(types)
    if unknown := [name for name in wanted if name not in TYPES]:
        raise UsageError(
            f"there is no type {unknown[0]!r} to break", f"the types are: {', '.join(TYPES)}, all"
        )
    return wanted


def damage(
    looker: Looker,
    drop: float = 0.0,
    trash: float = 0.0,
    change: float = 0.0,
    seed: int = 1,
    *,
    types: Sequence[str] = (DASHBOARD,),
) -> Damage:
    """Destroy, trash and change disjoint shares of what lives, by type; return what was done to which.

    What has no trash is only destroyed and changed. Content of a lost folder or owner goes to the parent
    folder or the caller, and what was done to dashboards does not depend on the other types.
    """
    _check_shares(drop, trash, change)
    wanted = _check_types(types)
    before = {name: candidates(looker, name) for name in KINDS if name in wanted}
    # A day after the last edit, not now: the same vault and seed give the same dump.
    rows = [dashboard.row for dashboard in looker.instance.store.dashboards.values()]
    last = max((row.get("updated_at") or 0.0 for row in rows), default=0.0)
    with looker.aside(last + DAY_S):
        done = _damage_dashboards(looker, drop, trash, change, seed) if DASHBOARD in wanted else Damage()
        for name, ids in before.items():
            broken = break_kind(looker, name, ids, Shares(drop, trash, change), seed)
            done.others[name] = Broken(*broken)
    return done


def _damage_dashboards(looker: Looker, drop: float, trash: float, change: float, seed: int) -> Damage:
    store = looker.instance.store
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    living = [i for i, dashboard in store.dashboards.items() if not dashboard.row.get("deleted")]
    rng.shuffle(living)
    ends = [round(len(living) * share) for share in (drop, drop + trash, drop + trash + change)]
    done = Damage(living[: ends[0]], living[ends[0] : ends[1]])
    for dashboard_id in done.dropped:
        looker.call("DELETE", f"/dashboards/{dashboard_id}")
    for dashboard_id in done.trashed:
        change_dashboard(looker.instance, store.dashboards[dashboard_id], {"deleted": True})
    vandal = Vandal(looker, rng)
    for turn, dashboard_id in enumerate(living[ends[1] : ends[2]]):
        done.changed[dashboard_id] = _change(vandal, store.dashboards[dashboard_id], turn)
    return done
