"""A dry run: reads go to the instance, writes are played on a copy of what was read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.client import CallCounts, Reply, ResponseRecord, Sender
from lvrestore.looker.protocol import CERTIFICATION, Request, path
from lvrestore.model import Json
from lvrestore.rehearsal.boards import RehearsedBoards
from lvrestore.rehearsal.dashboard import COMPONENTS, PARTS, RehearsedDashboard
from lvrestore.rehearsal.objects import RehearsedObjects

CREATED = 201
NEW = "new-"
NUMBERS = count(1)
OK = 200
UNPROCESSABLE = 422
QUERIES = frozenset({"/queries", "/merge_queries"})
DASHBOARDS = frozenset({"dashboards", *PARTS, COMPONENTS})
BOARDS = frozenset({"boards", "board_sections", "board_items"})


def new_id() -> str:
    """An id that only the server could give."""
    return f"{NEW}{next(NUMBERS)}"


def knows_nothing(_request: Request) -> bool:
    """Every read is a call."""
    return False


class Rehearsed:
    """What one item has read and written so far. An item that is looked at again goes on with it."""

    def __init__(self) -> None:
        self.dashboard, self.boards, self.objects = (
            RehearsedDashboard(new_id),
            RehearsedBoards(),
            RehearsedObjects(),
        )
        self.written = False

    def read(self, where: str) -> Json:
        """What is at this path by now; None if the instance can tell."""
        if not self.written:
            return None
        sort = _sort(where)
        if sort in DASHBOARDS:
            return self.dashboard.read(where)
        return self.boards.read(where) if sort in BOARDS else self.objects.read(where)

    def remember(self, request: Request, live: Json) -> None:
        """Keep what was read, for it may be what is going to be changed."""
        sort = _sort(request.path)
        if sort in DASHBOARDS:
            self.dashboard.remember(live)
        elif sort in BOARDS:
            self.boards.remember(live)
        elif "fields" not in request.params:
            self.objects.remember(request.path, live)

    def play(self, request: Request) -> Json:
        """Carry a write out; return the answer."""
        # A query is part of nothing yet, so that what is read next is as it was.
        self.written = self.written or request.path not in QUERIES
        where, sort = request.path, _sort(request.path)
        match request.method:
            case "POST":
                made = {**request.body, "id": new_id()}
                if sort in DASHBOARDS:
                    return self.dashboard.post(sort, made)
                return (
                    self.boards.post(sort, made)
                    if sort in BOARDS
                    else self.objects.post(where, _complete(where, made))
                )
            case "PUT":
                return self.objects.put(where, request.body)
        player = self.dashboard if sort in DASHBOARDS else self.boards if sort in BOARDS else self.objects
        if request.method == "DELETE":
            return player.delete(where)
        if where.endswith(CERTIFICATION):
            return player.patch(where.removesuffix(CERTIFICATION), {CERTIFICATE: request.body})
        return player.patch(where, request.body)


class RehearsalClient:
    """Stands in for `LookerClient` for one item; no write ever leaves it.

    It counts what a real run would send, whoever answers here.
    """

    rehearses = True

    def __init__(
        self,
        client: Sender,
        rehearsed: Rehearsed | None = None,
        models: set[str] | None = None,
        knows: Callable[[Request], bool] = knows_nothing,
    ) -> None:
        """`models` are the names of those that the whole rehearsal has made; `knows` tells what needs no call."""
        self._client, self._knows = client, knows
        self._rehearsed = rehearsed if rehearsed is not None else Rehearsed()
        self._models = models if models is not None else set()
        self._planned: dict[str, int] = {}

    @property
    def counts(self) -> CallCounts:
        """What was sent, and what a real run would send besides."""
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
        self._count(request)
        if request.path == "/dashboards":
            self._refuse_taken_title(request.body)
        if request.path == "/lookml_models":
            self._models.add(request.body["name"])
        return Reply(CREATED if creates else OK, self._rehearsed.play(request), {})

    def _count(self, request: Request) -> None:
        self._planned[request.method] = self._planned.get(request.method, 0) + 1

    def _read(self, request: Request) -> Reply:
        if (played := self._rehearsed.read(request.path)) is not None:
            self._count(request)
            return Reply(OK, played, {})
        if (made := self._made_by_another(request.path)) is not None:
            if request.fresh or not self._knows(request):
                self._count(request)
            return Reply(OK, made, {})
        reply = self._client.call(request)
        self._rehearsed.remember(request, reply.json)
        return reply

    def _made_by_another(self, where: str) -> Json:
        """What another item of this rehearsal made: it is there, and has nothing in it."""
        names = where.lstrip("/").split("/")
        if names[0] == "lookml_models" and names[-1] in self._models:
            return {"name": names[-1]}
        if not any(name.startswith(NEW) for name in names):
            return None
        return {"id": names[-1]} if names[-1].startswith(NEW) else []

    def _refuse_taken_title(self, body: dict[str, Any]) -> None:
        """Refuse as the server would: a title is unique within its folder."""
        where = path("folders", body["folder_id"], "dashboards")
        if self._made_by_another(where) is not None:
            return
        try:
            listed = self._client.call(Request("GET", where, {"fields": "id,title,deleted"})).json
        except Refused:
            return  # a run does not ask, and the server would say it
        if any(one.get("title") == body["title"] and not one.get("deleted") for one in listed):
            message = "a dashboard with this title is in the folder already"
            raise Refused(FailureKind.VALIDATION, UNPROCESSABLE, message, ("title",))


def _complete(where: str, made: dict[str, Any]) -> dict[str, Any]:
    """A new object with what the server adds: the folder that it makes for a user."""
    return {**made, "personal_folder_id": new_id()} if where == "/users" else made


def _sort(where: str) -> str:
    return where.split("/")[1]
