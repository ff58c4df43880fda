"""The dashboard of a dry run: a copy of what was read, with what would have been written to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from lvrestore.looker.protocol import path
from lvrestore.model import Json

Played = dict[str, Any]
PARTS = ("dashboard_elements", "dashboard_filters", "dashboard_layouts")
COMPONENTS = "dashboard_layout_components"


class RehearsedDashboard:
    """Plays writes to one dashboard and its parts, which get a rectangle in every layout as a server gives them.

    Where new tiles come up is the server's decision, so calls that place them are an upper bound.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._live: Played = {}
        self._is_copy = False

    def remember(self, live: Json) -> None:
        """Keep the dashboard that was read last, until one is written to: that is the one."""
        found = live[0] if isinstance(live, list) and len(live) == 1 else live
        if not self._is_copy and isinstance(found, dict) and {"id", "title"} <= found.keys():
            self._live = found

    def read(self, where: str) -> Json:
        """What is at this path by now; None if nothing of it was written, or if the parts were never read."""
        if not self._is_copy:
            return None
        own = path("dashboards", self._live["id"])
        if where == own:
            is_whole = all(self._live.get(sort) is not None for sort in PARTS)
            return deepcopy(self._live) if is_whole else None
        sort = where.removeprefix(f"{own}/")
        return deepcopy(self._live.get(sort) or []) if sort in PARTS else None

    def post(self, sort: str, made: Played) -> Played:
        """Make the dashboard, or a part of it; return the answer."""
        if sort == "dashboards":
            layout = {"id": self._new_id(), "active": True, COMPONENTS: []}
            self._live = {
                **made,
                "dashboard_layouts": [layout],
                "dashboard_elements": [],
                "dashboard_filters": [],
            }
            self._is_copy = True
            return deepcopy(self._live)
        self._take_copy()
        self._add_part(sort, made)
        return deepcopy(made)

    def patch(self, where: str, body: Played) -> Played:
        """Change what is at this path; return the answer."""
        self._take_copy()
        one = next(self._at(where), {})
        one.update(body)
        return deepcopy(one)

    def delete(self, where: str) -> None:
        """Remove the part at this path."""
        self._take_copy()
        for gone in list(self._at(where)):
            for sort in PARTS:
                self._live[sort] = [one for one in self._live.get(sort) or () if one is not gone]

    def _take_copy(self) -> None:
        if not self._is_copy:
            self._live, self._is_copy = deepcopy({"id": "", **self._live}), True

    def _at(self, where: str) -> Iterator[Played]:
        if where == path("dashboards", self._live["id"]):
            yield self._live
        for sort in PARTS:
            yield from (one for one in self._live.get(sort) or () if where == path(sort, one["id"]))
        for layout in self._live.get("dashboard_layouts") or ():
            yield from (one for one in layout.get(COMPONENTS) or () if where == path(COMPONENTS, one["id"]))

    def _add_part(self, sort: str, made: Played) -> None:
        self._live[sort] = [*(self._live.get(sort) or ()), made]
        if sort == "dashboard_layouts":
            tiles = self._live.get("dashboard_elements") or ()
            made[COMPONENTS] = [self._component(made, tile) for tile in tiles]
        if sort == "dashboard_elements":
            for layout in self._live.get("dashboard_layouts") or ():
                layout[COMPONENTS] = [*(layout.get(COMPONENTS) or ()), self._component(layout, made)]

    def _component(self, layout: Played, tile: Played) -> Played:
        return {
            "id": self._new_id(),
            "dashboard_layout_id": layout["id"],
            "dashboard_element_id": tile["id"],
            "deleted": False,
        }
