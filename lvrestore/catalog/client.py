"""A client that answers from what was read in bulk, and keeps that true through its own writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from lvrestore.catalog.index import Entry, Index
from lvrestore.catalog.listings import KIND_OF, LISTINGS, shows_queries
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import CallCounts, Reply, ResponseRecord, Sender
from lvrestore.looker.protocol import CERTIFICATION, Request
from lvrestore.model import Json

OK, NOT_FOUND = 200, 404
ONE = re.compile(r"/(?P<collection>\w+)/(?P<item_id>[^/]+)")
IN_FOLDER = re.compile(r"/folders/(?P<folder_id>[^/]+)/(?P<sort>children|looks|dashboards)")
SEARCH = re.compile(r"/(?P<collection>dashboards|looks|users)/search")
PLANS = re.compile(r"/scheduled_plans/(?P<kind>dashboard|look)/(?P<item_id>[^/]+)")
MEMBERS = re.compile(r"/groups/[^/]+/users(?:/(?P<user_id>[^/]+))?")
ROLES = re.compile(r"/users/(?P<user_id>[^/]+)/roles")
HOLDERS = re.compile(r"/roles/(?P<role_id>[^/]+)/users")
OF_FOLDER = {
    "children": ("folder", "parent_id"),
    "looks": ("look", "folder_id"),
    "dashboards": ("dashboard", "folder_id"),
}
SEARCHED = {"dashboards": "slug", "users": "email"}


class IndexedClient:
    """Stands in for `LookerClient`. A request that is `fresh` is always sent."""

    def __init__(self, client: Sender, index: Index, *, same_instance: bool) -> None:
        self._client, self._index = client, index
        self._same_instance = same_instance

    @property
    def counts(self) -> CallCounts:
        """What was sent so far."""
        return self._client.counts

    @property
    def last_response(self) -> ResponseRecord | None:
        """The last answer that came from the server."""
        return self._client.last_response

    @property
    def rehearses(self) -> bool:
        """Whether the client behind this one rehearses."""
        return self._client.rehearses

    def call(self, request: Request, *, creates: bool = False) -> Reply:
        """Answer from the index if it can tell, else send."""
        if request.method == "GET":
            known = None if request.fresh else self._read(request)
            return known or self._client.call(request)
        return self._write(request, creates=creates)

    # -- reading

    def knows(self, request: Request) -> bool:
        """Whether a read is answered without a call."""
        return not request.fresh and self._read(request) is not None

    def _read(self, request: Request) -> Reply | None:
        path, params = request.path, request.params
        if request.key is not None:
            return self._by_key(KIND_OF[path.lstrip("/")], *request.key)
        if match := IN_FOLDER.fullmatch(path):
            kind, field = OF_FOLDER[match["sort"]]
            return _listed(self._index.look_up(kind, field, unquote(match["folder_id"])))
        if match := SEARCH.fullmatch(path):
            return self._search(match["collection"], params)
        if match := PLANS.fullmatch(path):
            field = f"{match['kind']}_id"
            return _listed(self._index.look_up("scheduled_plan", field, unquote(match["item_id"])))
        if (match := ONE.fullmatch(path)) and match["collection"] in KIND_OF:
            return self._one(KIND_OF[match["collection"]], unquote(match["item_id"]), params)
        return None

    def _by_key(self, kind: str, field: str, value: str) -> Reply | None:
        if field in LISTINGS[kind].keys:
            return _listed(self._index.look_up(kind, field, value))
        return _listed(self._index.alive(kind, value))

    def _search(self, collection: str, params: Mapping[str, str]) -> Reply | None:
        kind, field = KIND_OF[collection], SEARCHED.get(collection, "")
        if params.get("deleted") == "true" and "id" in params:
            return _listed(self._index.in_trash(kind, params["id"]))
        if "id" in params and params.keys() <= {"id", "fields"}:
            return _listed(self._index.alive(kind, params["id"]))
        if field in params and params.keys() <= {field, "fields"}:
            return _listed(self._index.look_up(kind, field, params[field]))
        return None

    def _one(self, kind: str, item_id: str, params: Mapping[str, str]) -> Reply | None:
        if self._index.lacks(kind, item_id):
            return Reply(NOT_FOUND)
        asked = set(filter(None, params.get("fields", "").split(",")))
        alive: dict[str, Json] = {LISTINGS[kind].id_field: item_id}
        if LISTINGS[kind].has_trash:
            alive["deleted"] = False
        if asked and asked <= alive.keys() and self._index.stands(kind, item_id):
            return Reply(OK, {name: alive[name] for name in asked})
        entry = self._index.get(kind, item_id)
        if entry is None:
            return None
        enough = entry.body.keys() >= asked if asked else self._is_enough(kind, entry)
        return Reply(OK, entry.body) if enough else None

    def _is_enough(self, kind: str, entry: Entry) -> bool:
        """Whether a body does for a GET; where queries have no ids yet a dashboard must show those of its tiles."""
        has_queries = self._same_instance or kind != "dashboard" or shows_queries(entry.body)
        return entry.whole and has_queries

    # -- writing

    def _write(self, request: Request, *, creates: bool) -> Reply:
        kind, item_id = self._target(request)
        if kind and item_id:
            self._index.doubt(kind, item_id)
        try:
            reply = self._client.call(request, creates=creates)
        except Refused:
            raise
        except Exception:
            # It may have been carried out: names, folders and addresses are not known any more.
            if kind:
                self._index.doubt_all(kind)
            raise
        if kind and isinstance(reply.json, dict) and LISTINGS[kind].id_field in reply.json:
            self._index.now(kind, reply.json)
            if kind == "user" and (folder_id := reply.json.get("personal_folder_id")):
                self._index.note("folder", str(folder_id))  # the server makes one with the user
        return reply

    def _target(self, request: Request) -> tuple[str | None, str | None]:
        """The kind and the id of what a write is about, if the index has such objects."""
        if member := MEMBERS.fullmatch(request.path):
            self._index.doubt("user", str(member["user_id"] or (request.body or {}).get("user_id")))
        if holder := ROLES.fullmatch(request.path):
            self._index.doubt("user", unquote(holder["user_id"]))
        if role := HOLDERS.fullmatch(request.path):
            self._index.doubt_having("user", "role_ids", unquote(role["role_id"]))
        collection, _, item_id = request.path.removesuffix(CERTIFICATION).lstrip("/").partition("/")
        if collection not in KIND_OF or "/" in item_id:
            return None, None
        return KIND_OF[collection], unquote(item_id) or None


def _listed(found: list[Json] | None) -> Reply | None:
    return None if found is None else Reply(OK, found)
