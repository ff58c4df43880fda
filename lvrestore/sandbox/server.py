"""The in-memory Looker behind HTTP on 127.0.0.1: an ASGI app and the server that runs it."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lvrestore.errors import ValidationError
from lvrestore.sandbox.faults import Dropped, Reply, parse_rule
from lvrestore.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, MutableMapping
    from types import FrameType

    from lvrestore.sandbox.latency import Latency
    from lvrestore.sandbox.looker import Looker

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOST = "127.0.0.1"
API = "/api/4.0"
CONTROL = "/_sandbox/"
_CONNECTION = "lvrestore.connection"
_JSON = (b"content-type", b"application/json")
# Longer than a client keeps an idle connection, so that no reply is lost to a race nobody asked for.
_KEEP_ALIVE_S = 75


class _Protocol(HttpToolsProtocol):
    """HTTP that shows the application its connection, because faults break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_CONNECTION: {"transport": self.transport}}


class RateLimit:
    """At most so many requests in any second."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._sent: deque[float] = deque()

    def exceeded(self) -> bool:
        """Count a request, and tell whether it is one too many; those that are do not count."""
        now = self._clock()
        while self._sent and self._sent[0] <= now - 1.0:
            self._sent.popleft()
        if len(self._sent) >= self._per_second:
            return True
        self._sent.append(now)
        return False


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def _params(scope: Scope) -> dict[str, str]:
    """Read the query string; a parameter given more than once is a list with commas."""
    params: dict[str, str] = {}
    for name, value in parse_qsl(scope["query_string"].decode(), keep_blank_values=True):
        params[name] = f"{params[name]},{value}" if name in params else value
    return params


def _token(scope: Scope) -> str:
    """Return the token of `Authorization: Bearer t` or `token t`; "" is never valid."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if kind.lower() in {"bearer", "token"} else ""
    return ""


class App:
    """The ASGI application."""

    def __init__(
        self, looker: Looker, latency: Latency | None = None, rate_limit: int | None = None, seed: int = 1
    ) -> None:
        self.looker, self.latency = looker, latency
        self.limit = RateLimit(rate_limit) if rate_limit else None
        self._rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.heard: Callable[[str], None] = lambda _line: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = await _read(receive)
        path: str = scope["raw_path"].decode()
        if path.startswith(CONTROL):
            await self._control(scope["method"], path.removeprefix(CONTROL), raw, send)
            return
        reply = await self._answer(scope, path, raw)
        ended = "dropped" if isinstance(reply, Dropped) else reply.status
        self.heard(f"{scope['method']} {path} {ended}")
        if isinstance(reply, Dropped):
            await asyncio.sleep(reply.delay_s)
            await _disconnect(scope, receive, abort=True)
        else:
            dated = msgspec.structs.replace(reply, headers=self.looker.dated(reply.headers))
            await _respond(scope, receive, send, dated)

    async def _answer(self, scope: Scope, path: str, raw: bytes) -> Reply | Dropped:
        # Some clients send `//api/4.0` when their base URL ends in a slash.
        path = "/" + path.lstrip("/")
        if not path.startswith(API):
            return self._refused(scope, path, Refusal(404))
        if self.limit and self.limit.exceeded():
            return self._refused(scope, path, Refusal(429))
        if self.latency:
            await asyncio.sleep(self.latency.sample(scope["method"], self._rng))
        params = _params(scope) if scope["query_string"] else {}
        return self.looker.serve(scope["method"], path[len(API) :], params, raw, _token(scope))

    def _refused(self, scope: Scope, path: str, refusal: Refusal) -> Reply:
        headers = {"content-type": "application/json"}
        if refusal.status == 429 and self.looker.switches["retry_after"] == "present":  # noqa: PLR2004 - HTTP
            headers["retry-after"] = "1"
        return Reply(refusal.status, msgspec.json.encode(refusal.body(scope["method"], path)), headers)

    # What tests and rehearsals steer the sandbox with; it needs no token and is in no log.

    async def _control(self, method: str, name: str, raw: bytes, send: Send) -> None:
        if (method, name) == ("GET", "dump"):
            await _stream(send, self.looker)
            return
        actions = {
            ("POST", "on"): self._on,
            ("GET", "log"): self._log,
            ("POST", "log/clear"): self._clear_log,
        }
        action = actions.get((method, name))
        status, body = action(raw) if action else (404, {"message": "Not found"})
        await _send(send, Reply(status, msgspec.json.encode(body), {"content-type": "application/json"}))

    def _on(self, raw: bytes) -> tuple[int, Any]:
        try:
            call = msgspec.json.decode(raw, type=dict[str, Any])
            # What is particular to a fault may also stand apart.
            arguments = msgspec.convert(call.pop("arguments", None) or {}, dict[str, Any])
            self.looker.faults.add(parse_rule(call | arguments))
        except ValueError as error:
            return 400, {"message": str(error)}
        return 200, {"message": "ok"}

    def _log(self, _raw: bytes) -> tuple[int, Any]:
        fields = ("method", "path", "params", "body", "status", "fault", "at")
        return 200, [{name: getattr(request, name) for name in fields} for request in self.looker.requests]

    def _clear_log(self, _raw: bytes) -> tuple[int, Any]:
        self.looker.clear_log()
        return 200, {"message": "ok"}


async def _disconnect(scope: Scope, receive: Receive, *, abort: bool) -> None:
    """Break the connection, and wait for that: an application that returns without an answer is an error."""
    transport = scope["extensions"][_CONNECTION]["transport"]
    (transport.abort if abort else transport.close)()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    if reply.truncated:
        await _send(send, reply, cut_at=len(reply.body) // 2)
        await _disconnect(scope, receive, abort=False)
    else:
        await _send(send, reply)


async def _send(send: Send, reply: Reply, cut_at: int | None = None) -> None:
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    cut = cut_at is not None
    await send({"type": "http.response.body", "body": reply.body[:cut_at], "more_body": cut})


async def _stream(send: Send, looker: Looker) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [_JSON]})
    for chunk in looker.dump_chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    """A server that says when it is ready, ends quietly on signals and does something on SIGUSR1."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], on_usr1: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready, self._on_usr1 = on_ready, on_usr1
        self._usr1 = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        if self._usr1:
            self._usr1 = False
            self._on_usr1()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on SIGINT and SIGTERM without dying of them: what comes after the server has to run."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {
            signal.SIGINT: self.handle_exit,
            signal.SIGTERM: self.handle_exit,
            signal.SIGUSR1: self._note_usr1,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_usr1(self, _number: int, _frame: FrameType | None) -> None:
        self._usr1 = True


def listen(port: int) -> socket.socket:
    """Bind to a port of 127.0.0.1, and to nothing else; 0 is a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ValidationError(
            f"cannot listen on {HOST}:{port}: {error.strerror}", "give another --port"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a bound socket."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _make(app: App, on_ready: Callable[[], None], on_usr1: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,  # a reply has the time of the Looker, which a test may advance
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
    )
    return _Server(config, on_ready, on_usr1)


def run(
    app: App,
    listener: socket.socket,
    on_ready: Callable[[], None],
    on_usr1: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM."""
    app.looker.instance.web_server_url = url_of(listener)
    _make(app, on_ready, on_usr1).run([listener])


@contextmanager
def running(app: App, port: int = 0) -> Generator[str]:
    """Serve from a thread while the block runs; the value is the base URL."""
    listener, ready = listen(port), threading.Event()
    app.looker.instance.web_server_url = url_of(listener)
    server = _make(app, ready.set, lambda: None)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join(10)
