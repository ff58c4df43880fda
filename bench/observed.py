"""`lvrestore sandbox`, with a look at what it is asked for and how long it takes; same options, same stdout.

    python bench/observed.py [--record FILE] SANDBOX-OPTIONS...

`GET /_bench/seen` tells what came since it began, or since `/_bench/forget`: counts, answering times, when the
first requests came, how many objects there are. With `--record` every request is written down as it came, to be
sent again.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from lvrestore.cli import main
from lvrestore.looker.latency import template_of
from lvrestore.sandbox import server

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SEEN, FORGET = "/_bench/seen", "/_bench/forget"
COUNTED = ("dashboards", "tiles", "filters", "layouts", "folders", "looks", "users", "groups", "roles")
COUNTED_TOO = ("permission_sets", "model_sets", "models", "boards", "sections", "items", "plans")


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """A request as it came, and the status that it was answered with."""

    method: str
    target: str
    body: bytes
    status: int


class Times:
    """How long the answers to one kind of request took, in seconds, and what their status was."""

    def __init__(self) -> None:
        self.seconds = array("d")
        self.statuses: Counter[int] = Counter()

    def shown(self) -> dict[str, Any]:
        """Count, percentiles in milliseconds, statuses."""
        return {
            "count": len(self.seconds),
            **percentiles_ms(self.seconds),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


def percentiles_ms(seconds: array[float]) -> dict[str, float]:
    """Give the middle and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {f"p{n}_ms": round(1000 * ordered[round(last * n / 100)], 1) if ordered else 0.0 for n in (50, 99)}


class ObservedApp(server.App):
    """The sandbox's application, and a record of what it does."""

    record: BinaryIO | None = None

    def __init__(self, *given: Any) -> None:  # noqa: ANN401 - the application's own
        super().__init__(*given)
        self._forget()

    def _forget(self) -> None:
        self._since = time.monotonic()
        self._seen: defaultdict[tuple[str, str], Times] = defaultdict(Times)
        self._first_at: dict[str, float] = {}

    async def __call__(self, scope: server.Scope, receive: server.Receive, send: server.Send) -> None:
        """Answer one request, and note it."""
        path = scope["raw_path"].decode()
        if path in {SEEN, FORGET}:
            await _send_json(send, self._shown())
            if path == FORGET:
                self._forget()
            return
        began, body, status = time.monotonic(), b"", 0

        async def hear() -> MutableMapping[str, Any]:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        async def say(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await super().__call__(scope, hear if self.record else receive, say)
        # What a killed client has left behind came before, though it is answered now.
        if path.startswith(server.API) and began >= self._since:
            self._note(scope["method"], path[len(server.API) :], status, began)
            self._write_down(scope, body, status)

    def _note(self, method: str, path: str, status: int, began: float) -> None:
        kind = self._seen[method, template_of(path)]
        kind.seconds.append(time.monotonic() - began)
        kind.statuses[status] += 1
        for name in ("request", *(["write"] if method != "GET" and path != "/login" else [])):
            self._first_at.setdefault(name, began)

    def _write_down(self, scope: server.Scope, body: bytes, status: int) -> None:
        if self.record is None or scope["raw_path"].endswith(b"/login"):
            return
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        frame = msgspec.msgpack.encode(Recorded(scope["method"], target, body, status))
        self.record.write(len(frame).to_bytes(4, "big") + frame)

    def _shown(self) -> dict[str, Any]:
        store = self.looker.instance.store
        reads, writes = array("d"), array("d")
        for (method, _), kind in self._seen.items():
            (reads if method == "GET" else writes).extend(kind.seconds)
        if self.record:
            self.record.flush()
        return {
            "requests": len(reads) + len(writes),
            "reads": {"count": len(reads), **percentiles_ms(reads)},
            "writes": {"count": len(writes), **percentiles_ms(writes)},
            "statuses": dict(sum((Counter(kind.statuses) for kind in self._seen.values()), Counter())),
            "first_at": self._first_at,
            "kinds": {" ".join(key): kind.shown() for key, kind in sorted(self._seen.items())},
            "objects": {name: len(getattr(store, name)) for name in (*COUNTED, *COUNTED_TOO)},
        }


async def _send_json(send: server.Send, value: dict[str, Any]) -> None:
    body = msgspec.json.encode(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def recorded(path: Path) -> list[Recorded]:
    """Read what was recorded, in the order in which it was answered."""
    data, decoder = path.read_bytes(), msgspec.msgpack.Decoder(Recorded)
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(decoder.decode(data[at + 4 : end]))
        at = end
    return found


def run(arguments: list[str]) -> None:
    """Be the sandbox."""
    if arguments[:1] == ["--record"]:
        ObservedApp.record = Path(arguments[1]).open("wb")  # noqa: SIM115 - for as long as the process lasts
        arguments = arguments[2:]
    server.App = ObservedApp  # ty: ignore[invalid-assignment] - the command makes the application by this name
    main(["sandbox", *arguments])


if __name__ == "__main__":
    run(sys.argv[1:])
