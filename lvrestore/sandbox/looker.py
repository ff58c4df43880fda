"""An in-memory Looker: the whole sandbox without a socket.

It speaks the transport protocol of `lvrestore.looker.protocol`: tests and drivers use it like a server.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent
from lvrestore.sandbox.api import (
    about,
    access,
    alerts,
    boards,
    certification,
    dashboards,
    folders,
    groups,
    lookml,
    looks,
    parts,
    people,
    plans,
    queries,
    tiles,
)
from lvrestore.sandbox.api.call import Call, Handler
from lvrestore.sandbox.api.facts import FACTS, Endpoint, check_params, parse_body
from lvrestore.sandbox.api.views import (
    DASHBOARD,
    FOLDER_BASE,
    GROUP,
    LOOK,
    MERGE_QUERY,
    MODEL,
    MODEL_SET,
    PERMISSION_SET,
    ROLE,
    TILE,
    USER,
    View,
    parse_fields,
)
from lvrestore.sandbox.faults import Dropped, Exchange, Faults, Hook, Method, Reply
from lvrestore.sandbox.instance import Instance
from lvrestore.sandbox.refusals import Refusal
from lvrestore.sandbox.relations import id_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from lvrestore.sandbox.relations import Relation
    from lvrestore.sandbox.store import Row

ROUTES: dict[str, Handler] = {
    **about.ROUTES,
    **people.ROUTES,
    **lookml.ROUTES,
    **access.ROUTES,
    **groups.ROUTES,
    **queries.ROUTES,
    **folders.ROUTES,
    **looks.ROUTES,
    **dashboards.ROUTES,
    **certification.ROUTES,
    **tiles.ROUTES,
    **parts.ROUTES,
    **boards.ROUTES,
    **plans.ROUTES,
    **alerts.ROUTES,
}

JSON_HEADERS = {"content-type": "application/json"}
TOKEN_LIFETIME_S = 3600.0
_LOGIN = ("POST", "/login")
_LOGOUT = ("DELETE", "/logout")
DEFAULT_URL = "https://looker.example.com"
WRONG_SECRET = "wrong"  # noqa: S105 - the one secret that is refused


class Route(msgspec.Struct, frozen=True):
    """Where a method of a path leads."""

    template: str
    endpoint: Endpoint
    handler: Handler
    slots: tuple[int, ...]


def _routes() -> dict[tuple[str, ...], Route]:
    table: dict[tuple[str, ...], Route] = {}
    for name, handler in ROUTES.items():
        method, template = name.split(" ")
        segments = template.split("/")[1:]
        slots = tuple(i for i, segment in enumerate(segments) if segment.startswith("{"))
        key = (method, *("*" if i in slots else segment for i, segment in enumerate(segments)))
        table[key] = Route(template, FACTS.paths[template][method], handler, slots)
    return table


_ROUTES = _routes()
# Which segments may be ids, by number of segments; names come before ids, so `/looks/search` is not a look.
_SLOTS = {
    length: sorted({route.slots for key, route in _ROUTES.items() if len(key) == length + 1}, key=len)
    for length in range(1, 6)
}


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """Return the route of a request and the ids in its path."""
    segments = path.split("/")[1:]
    for slots in _SLOTS.get(len(segments), ()):
        key = (method, *("*" if i in slots else segment for i, segment in enumerate(segments)))
        if key in _ROUTES:
            return _ROUTES[key], tuple(unquote(segments[i]) for i in slots)
    raise Refusal(501)


class Logged(msgspec.Struct):
    """One request as it arrived.

    `status` is what carrying it out gave, None while that is not done; `fault` is what went wrong by a rule.
    """

    method: str
    path: str
    params: dict[str, str]
    raw: bytes
    at: float
    status: int | None = None
    fault: str | None = None

    @property
    def body(self) -> Any:  # noqa: ANN401 - any JSON
        """The decoded body, None if there was none."""
        return msgspec.json.decode(self.raw) if self.raw else None


class _Arrived(msgspec.Struct, frozen=True):
    """A request as it is carried out, secrets included."""

    logged: Logged
    params: dict[str, str]
    raw: bytes
    token: str | None


class CallRefusedError(AssertionError):
    """A call that had to succeed was refused."""

    def __init__(self, status: int, body: Any) -> None:  # noqa: ANN401 - any JSON
        super().__init__(status, body)
        self.status, self.body = status, body


class Looker:
    """A stateful stand-in for one Looker instance."""

    def __init__(
        self,
        switches: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        token_lifetime_s: float = TOKEN_LIFETIME_S,
        timeout_s: float = 120.0,
        log_limit: int | None = None,
        web_server_url: str = DEFAULT_URL,
        first_id: int = 1,
        seed: int = 1,
    ) -> None:
        self.instance = Instance(switches, clock, web_server_url, first_id)
        self.faults = Faults(seed)
        self.token_lifetime_s, self.timeout_s = token_lifetime_s, timeout_s
        self._log: deque[Logged] = deque(maxlen=log_limit)
        self._tokens: dict[str, float] = {}
        self._late: list[tuple[float, _Arrived]] = []
        self._lock = threading.RLock()

    # What tests see and set.

    @property
    def switches(self) -> dict[str, str]:
        """The switches; setting one to a bad value is refused."""
        return self.instance.switches

    @property
    def requests(self) -> list[Logged]:
        """Every request so far, oldest first."""
        return list(self._log)

    @property
    def runs(self) -> list[str]:
        """The ids of the plans that somebody had sent at once, by whatever call."""
        return list(self.instance.runs)

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    def on(self, method: Method, path: str, *, skip: int = 0) -> Hook:
        """Name calls that something is to happen to: `looker.on("POST", "/looks").drop_after(times=2)`."""
        return self.faults.on(method, path, skip)

    def call(
        self, method: str, path: str, body: object = None, params: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - any JSON
        """Make a call that must succeed; return its decoded reply."""
        status, reply = self.handle(method, path, params, body)
        if status >= 400:  # noqa: PLR2004 - the client errors begin here
            raise CallRefusedError(status, reply)
        return reply

    def titles(self, kind: str = "dashboards") -> list[str]:
        """Return the titles of the living `dashboards`, `looks` or `boards`, or the names of others, by id."""
        field = "title" if kind in {"dashboards", "looks", "boards"} else "name"
        found = self.call("GET", f"/{kind}", params={"fields": field})
        return [title for row in found for title in row.values()]

    def add(self, kind: str, **fields: object) -> str:
        """Add an object to `groups`, `roles`, `user_attributes`, ... with fields that no call can set."""
        with self._lock:
            object_id = self.instance.store.new_id(kind[:-1])
            getattr(self.instance.store, kind)[object_id] = {"id": object_id, **fields}
            return object_id

    def add_user(
        self, first_name: str, last_name: str, email: str, *, group_ids: Iterable[str] = (), **fields: object
    ) -> str:
        """Add a user without a folder of its own; return the id."""
        names = {
            "first_name": first_name,
            "last_name": last_name,
            "display_name": f"{first_name} {last_name}",
        }
        with self._lock:
            user_id = self.add("users", **names, **fields)
            user = self.instance.store.users[user_id]
            user["credentials_email"] = {"email": email, "user_id": user_id, "type": "email"}
            self.instance.store.set_email(user, email)
            for group_id in group_ids:
                self.instance.store.access.members.add(group_id, user_id)
            return user_id

    def add_model(self, name: str, explores: Iterable[str] = (), **fields: object) -> None:
        """Add a LookML model with explores."""
        listed = [{"name": e, "label": e.title(), "description": None, "hidden": False} for e in explores]
        with self._lock:
            row = {"name": name, "label": name.title(), "project_name": name, **fields}
            self.instance.store.models[name], self.instance.store.explores[name] = row, listed

    def add_alert(self, tile_id: str, **fields: object) -> str:
        """Add an alert to a tile; return the id."""
        body: Row = {
            "dashboard_element_id": tile_id,
            "field": {"title": "Count", "name": "orders.count"},
            "destinations": [{"destination_type": "EMAIL", "email_address": "ops@example.com"}],
            "comparison_type": "GREATER_THAN",
            "threshold": 100,
            "cron": "0 5 * * *",
            **fields,
        }
        alert_id: str = self.call("POST", "/alerts", body)["id"]
        return alert_id

    def add_connection(self, name: str) -> None:
        """Add a database connection."""
        with self._lock:
            self.instance.store.add_connection(name)

    def add_palette(self, collection: str, palette: str = "") -> None:
        """Add a colour collection, and a palette in it."""
        with self._lock:
            self.instance.store.add_palette(collection, palette)

    def advance(self, seconds: float) -> None:
        """Let time pass: late commits happen, tokens expire."""
        with self._lock:
            self.instance.ahead_s += seconds
            self._settle()

    @contextmanager
    def aside(self, at: float) -> Generator[None]:
        """Make calls at a time of one's own, without faults, that no log shows."""
        with self._lock:
            kept = self._log, self.faults
            self._log, self.faults, self.instance.at = deque(), Faults(), at
            try:
                yield
            finally:
                self._log, self.faults = kept
                self.instance.at = None

    # The ways in.

    def send(self, request: Request) -> Answered | NoAnswer:
        """Answer a request of the tool, as its own transport would."""
        raw = b"" if request.body is None else msgspec.json.encode(request.body)
        match self.serve(request.method, request.path, dict(request.params), raw):
            case Dropped(sent=sent, reason=reason, delay_s=delay_s):
                return NoAnswer(sent, reason, min(delay_s, self.timeout_s))
            case Reply(delay_s=delay_s) if delay_s >= self.timeout_s:
                return NoAnswer(Sent.UNKNOWN, "timed out", self.timeout_s)
            case Reply(truncated=True):
                return NoAnswer(Sent.UNKNOWN, "the answer was cut off")
            case reply:
                return Answered(reply.status, self.dated(reply.headers), reply.body, reply.delay_s)

    def dated(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a reply with the time that it is here."""
        return {"date": formatdate(self.instance.now(), usegmt=True), **headers}

    def handle(
        self, method: str, path: str, params: Mapping[str, str] | None = None, body: object = None
    ) -> tuple[int, Any]:
        """Answer a call with status and decoded body; dropped connections raise ConnectionError."""
        raw = b"" if body is None else msgspec.json.encode(body)
        if path == "/login" and isinstance(body, dict):
            raw = urlencode(body).encode()
        reply = self.serve(method, path, dict(params or {}), raw)
        if isinstance(reply, Dropped):
            raise ConnectionError(reply.reason)
        is_json = reply.body and reply.headers.get("content-type") == "application/json"
        return reply.status, msgspec.json.decode(reply.body) if is_json else reply.body.decode() or None

    def serve(
        self, method: str, path: str, params: dict[str, str], raw: bytes, token: str | None = None
    ) -> Reply | Dropped:
        """Answer one request; without a token the caller is trusted, a wrong or expired one is refused."""
        with self._lock:
            self._settle()
            logged = Logged(method, path, params, raw, self.instance.now())
            if (method, path) == _LOGIN:
                logged = Logged(method, path, {}, b"", logged.at)  # a log must not hold secrets
            self._log.append(logged)
            arrived = _Arrived(logged, params, raw, token)
            rule = self.faults.take(method, path, logged.at) if self.faults.rules else None
            if rule is None:
                return self._carry_out(arrived)
            logged.fault = rule.label
            return rule.strike(self._exchange(arrived))

    def _exchange(self, arrived: _Arrived) -> Exchange:
        def later(seconds: float) -> None:
            # Its token was looked at when it came, and may have expired by the time it is carried out.
            trusted = msgspec.structs.replace(arrived, token=None)
            self._late.append((self.instance.now() + seconds, trusted))

        return Exchange(lambda: self._carry_out(arrived), later, arrived.logged.at)

    def _carry_out(self, arrived: _Arrived) -> Reply:
        logged = arrived.logged
        try:
            reply = self._answer(arrived, (logged.method, logged.path))
        except Refusal as refusal:
            body = refusal.body(logged.method, logged.path)
            reply = Reply(refusal.status, msgspec.json.encode(body), JSON_HEADERS)
        logged.status = reply.status
        return reply

    def _answer(self, arrived: _Arrived, call: tuple[str, str]) -> Reply:
        if call == _LOGIN:
            return self._login({**arrived.params, **dict(parse_qsl(arrived.raw.decode()))})
        if arrived.token is not None and not self._is_valid(arrived.token):
            raise Refusal(401)
        if call == _LOGOUT:
            self._tokens.pop(arrived.token or "", None)
            return Reply(204)
        reply = self._dispatch(arrived.logged)
        return Reply(204) if reply is None else Reply(200, msgspec.json.encode(reply), JSON_HEADERS)

    def _dispatch(self, logged: Logged) -> Any:  # noqa: ANN401 - any JSON
        route, ids = find_route(logged.method, logged.path)
        if logged.method != "GET":
            self.instance.kept_order = None
        strict = self.instance.on("unknown_fields", "refused")
        if logged.params:
            check_params(route.endpoint, logged.params, strict=strict)
        wanted = parse_fields(logged.params["fields"]) if "fields" in logged.params else {}
        expected = route.endpoint.body if logged.raw or not route.endpoint.optional_body else None
        body = parse_body(expected, logged.raw, strict=strict) if expected else {}
        return route.handler(Call(self.instance, ids, dict(logged.params), wanted, body))

    def _settle(self) -> None:
        """Carry out the late commits whose time has come, each at its own time."""
        if not self._late:
            return
        now = self.instance.now()
        due = sorted((late for late in self._late if late[0] <= now), key=lambda late: late[0])
        self._late = [late for late in self._late if late[0] > now]
        for at, arrived in due:
            self.instance.at = at
            try:
                self._carry_out(arrived)
            finally:
                self.instance.at = None

    # Tokens.

    def _login(self, form: Mapping[str, str]) -> Reply:
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if not client_id or not secret or secret == WRONG_SECRET:
            raise Refusal(int(self.switches["bad_credentials"]))
        access_token = secrets.token_hex(20)
        self._tokens[access_token] = self.instance.now() + self.token_lifetime_s
        body = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(self.token_lifetime_s),
            "refresh_token": None,
        }
        return Reply(200, msgspec.json.encode(body), JSON_HEADERS)

    def _is_valid(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > self.instance.now()

    def expire_tokens(self) -> None:
        """Make every token invalid at once."""
        with self._lock:
            self._tokens.clear()

    # The whole content.

    def dump(self) -> dict[str, dict[str, Any]]:
        """Return everything by kind and id, the trash too; what a reply embeds of others is left to ids."""
        dumped: dict[str, dict[str, Any]] = msgspec.json.decode(b"".join(self.dump_chunks()))
        return dumped

    def dump_chunks(self) -> Iterator[bytes]:
        """Yield the dump as JSON, an object at a time."""
        with self._lock:
            self._settle()
            opening = b"{"
            for kind, objects in self._content():
                yield opening + msgspec.json.encode(kind) + b":{"
                separator = b""
                for object_id, value in objects:
                    yield separator + msgspec.json.encode(object_id) + b":" + msgspec.json.encode(value)
                    separator = b","
                opening = b"},"
            yield b"}}\n"

    def _content(self) -> Iterator[tuple[str, Iterator[tuple[str, Any]]]]:
        store = self.instance.store
        yield "dashboards", self._shown(DASHBOARD, store.dashboards, _DUMPED_DASHBOARD)
        yield "folders", self._shown(FOLDER_BASE, store.folders, {})
        yield "looks", self._shown(LOOK, store.looks, _DUMPED_LOOK)
        yield "queries", iter(store.queries.items())
        yield "merge_queries", self._shown(MERGE_QUERY, store.merges, {})
        yield "users", self._shown(USER, store.users, {})
        yield "models", self._shown(MODEL, store.models, {})
        yield "permission_sets", self._shown(PERMISSION_SET, store.permission_sets, {})
        yield "model_sets", self._shown(MODEL_SET, store.model_sets, {})
        yield "roles", self._shown(ROLE, store.roles, {})
        yield "groups", self._shown(GROUP, store.groups, {})
        yield "boards", self._shown(boards.BOARD, store.boards, {})
        yield "scheduled_plans", self._shown(plans.PLAN, store.plans, {})
        yield "alerts", self._shown(alerts.ALERT, store.alerts, {})
        yield "grants", _pairs(store.roles, store.access.user_roles, store.access.group_roles)
        yield "memberships", _pairs(store.groups, store.access.members, store.access.nested)

    def _shown(self, view: View, table: Mapping[str, Any], wanted: Row) -> Iterator[tuple[str, Row]]:
        return ((object_id, view.render(self.instance, thing, wanted)) for object_id, thing in table.items())


def _pairs(table: Iterable[str], users: Relation, groups: Relation) -> Iterator[tuple[str, Row]]:
    """Yield which users and groups belong to each object directly."""
    for object_id in table:
        yield (
            object_id,
            {
                "user_ids": sorted(users.rights(object_id), key=id_order),
                "group_ids": sorted(groups.rights(object_id), key=id_order),
            },
        )


def _all_but(view_fields: Iterable[str], *left_out: str) -> dict[str, Any]:
    return {name: {} for name in view_fields if name not in left_out}


_DUMPED_TILE = {
    **_all_but(TILE.defaults, "look", "query"),
    "result_maker": _all_but(FACTS.types["ResultMakerWithIdVisConfigAndDynamicFields"], "query"),
}
_DUMPED_DASHBOARD = {**_all_but(DASHBOARD.defaults, "folder"), "dashboard_elements": _DUMPED_TILE}
_DUMPED_LOOK = _all_but(LOOK.defaults, "folder")
