"""A dry run: reads go to the instance, writes are played on a copy of what was read."""

from __future__ import annotations

from itertools import count
from typing import Any

from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.client import CallCounts, Reply, ResponseRecord, Sender
from lvrestore.looker.protocol import Request, path
from lvrestore.model import Json
from lvrestore.run.rehearsed_boards import RehearsedBoards

CREATED = 201
NEW = "new-"
NUMBERS = count(1)
OK = 200
UNPROCESSABLE = 422
PARTS = frozenset({"dashboard_elements", "dashboard_filters", "dashboard_layouts"})
BOARDS = ("boards", "board_sections", "board_items")


class RehearsalClient:
    """Stands in for `LookerClient` for one item; no write ever leaves it.

    Where new tiles come up is the server's decision, so calls that place them are an upper bound.
    """

    def __init__(self, client: Sender) -> None:
        self._client = client
        self._dashboard: dict[str, Any] | None = None
        self._boards = RehearsedBoards()
        self._written = False
        self._planned: dict[str, int] = {}

    @property
    def counts(self) -> CallCounts:
        """What was sent, and the writes that a real run would send."""
        sent = self._client.counts
        methods = sent.by_method.keys() | self._planned.keys()
        both = {m: sent.by_method.get(m, 0) + self._planned.get(m, 0) for m in methods}
        return CallCounts(both, sent.retries, sent.rate_limited)

    @property
    def last_response(self) -> ResponseRecord | None:
        """The last real answer."""
        return self._client.last_response

    def call(self, request: Request, *, creates: bool = False) -> Reply:
        """Read from the instance; play everything else on the copy."""
        if request.method == "GET":
            return self._read(request)
        # A query is part of nothing yet, so that what is read next is as it was.
        self._written = self._written or request.path != "/queries"
        self._planned[request.method] = self._planned.get(request.method, 0) + 1
        play = {"POST": self._post, "PATCH": self._patch, "PUT": self._delete, "DELETE": self._delete}[
            request.method
        ]
        return Reply(CREATED if creates else OK, play(request), {})

    def _read(self, request: Request) -> Reply:
        if self._written and self._dashboard is not None:
            sort = request.path.rpartition("/")[2]
            if request.path.startswith(f"/dashboards/{self._dashboard['id']}"):
                return Reply(OK, self._dashboard.get(sort) or [] if sort in PARTS else self._dashboard, {})
        if self._written and (board := self._boards.read(request.path)) is not None:
            return Reply(OK, board, {})
        if made := next((part for part in request.path.split("/") if part.startswith(NEW)), None):
            # Another item of this rehearsal made it: it is there, and has nothing in it.
            return Reply(OK, {"id": made} if request.path.endswith(made) else [], {})
        reply = self._client.call(request)
        if _sort(request) in BOARDS:
            self._boards.remember(reply.json)
        else:
            self._remember(reply.json)
        return reply

    def _remember(self, live: Json) -> None:
        """Keep the dashboard that was read last: it is the one that is going to be changed."""
        found = live[0] if isinstance(live, list) and len(live) == 1 else live
        if isinstance(found, dict) and "title" in found and "id" in found:
            self._dashboard = found

    def _new_id(self) -> str:
        return f"{NEW}{next(NUMBERS)}"

    def _post(self, request: Request) -> Json:
        made = {**request.body, "id": self._new_id()}
        if _sort(request) in BOARDS:
            return self._boards.post(_sort(request), made)
        if request.path == "/dashboards":
            self._refuse_taken_title(request.body)
            layout = {"id": self._new_id(), "active": True, "dashboard_layout_components": []}
            self._dashboard = made | {
                "dashboard_layouts": [layout],
                "dashboard_elements": [],
                "dashboard_filters": [],
            }
            return self._dashboard
        if self._dashboard is not None:
            self._add_part(request.path.lstrip("/"), made)
        return made

    def _refuse_taken_title(self, body: dict[str, Any]) -> None:
        """Refuse as the server would: a title is unique within its folder."""
        listed = self._read(
            Request("GET", path("folders", body["folder_id"], "dashboards"), {"fields": "id,title,deleted"})
        ).json
        if any(one.get("title") == body["title"] and not one.get("deleted") for one in listed or ()):
            message = "a dashboard with this title is in the folder already"
            raise Refused(FailureKind.VALIDATION, UNPROCESSABLE, message, ("title",))

    def _add_part(self, sort: str, made: dict[str, Any]) -> None:
        board = self._dashboard or {}
        board.setdefault(sort, []).append(made)
        if sort == "dashboard_layouts":
            tiles = board.get("dashboard_elements") or []
            made["dashboard_layout_components"] = [self._component(made, tile) for tile in tiles]
        if sort == "dashboard_elements":
            for layout in board.get("dashboard_layouts") or []:
                layout.setdefault("dashboard_layout_components", []).append(self._component(layout, made))

    def _component(self, layout: dict[str, Any], tile: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self._new_id(),
            "dashboard_layout_id": layout["id"],
            "dashboard_element_id": tile["id"],
            "deleted": False,
        }

    def _patch(self, request: Request) -> Json:
        if request.path.startswith("/dashboards/"):
            self._dashboard = {**(self._dashboard or {}), **request.body}
            return self._dashboard
        return self._boards.patch(request.path, request.body) if _sort(request) in BOARDS else request.body

    def _delete(self, request: Request) -> Json:  # noqa: ARG002 - same shape as the others
        return None


def _sort(request: Request) -> str:
    return request.path.split("/")[1]
