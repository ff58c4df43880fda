"""Faults on request: which calls go wrong, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lvrestore.looker.protocol import Sent


class Reply(msgspec.Struct):
    """An answer on its way to the client, late or cut off if a fault says so."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    delay_s: float = 0.0
    truncated: bool = False


class Dropped(msgspec.Struct, frozen=True):
    """The connection breaks and no answer comes."""

    sent: Sent
    reason: str


class Rule(msgspec.Struct):
    """One fault: the calls it hits, how many it lets pass first, how many it hits, and what it does."""

    method: str
    path: re.Pattern[str]
    skip: int
    times: int
    strike: Callable[[Exchange], Reply | Dropped]

    def hits(self, method: str, path: str) -> bool:
        """Tell whether a call falls under this rule."""
        return self.method in {method, "*"} and self.path.fullmatch(path) is not None


class Exchange(msgspec.Struct):
    """A call that a fault has hit: it can be carried out now, or later."""

    answer: Callable[[], Reply]
    later: Callable[[float], None]


def path_pattern(text: str) -> re.Pattern[str]:
    """Read a path in which `*` stands for one segment and `**` for anything."""
    parts = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", text)))


class Hook:
    """The calls that `on()` named; its methods say what happens to them."""

    def __init__(self, rules: list[Rule], method: str, path: str, skip: int) -> None:
        self._rules, self._method, self._path, self._skip = rules, method, path_pattern(path), skip

    def _add(self, times: int, strike: Callable[[Exchange], Reply | Dropped]) -> None:
        self._rules.append(Rule(self._method, self._path, self._skip, times, strike))

    def refuse(self, times: int = 1) -> None:
        """Refuse the connection: the request is not sent."""
        self._add(times, lambda _: Dropped(Sent.NO, "connection refused"))

    def drop_before(self, times: int = 1) -> None:
        """Drop the connection with the request on its way: nothing happens, but the client cannot know."""
        self._add(times, lambda _: Dropped(Sent.UNKNOWN, "connection reset before processing"))

    def drop_after(self, times: int = 1) -> None:
        """Carry the request out and drop the connection instead of answering."""

        def strike(exchange: Exchange) -> Dropped:
            exchange.answer()
            return Dropped(Sent.UNKNOWN, "connection reset after processing")

        self._add(times, strike)

    create_then_drop_connection = drop_after

    def late_commit(self, seconds: float, times: int = 1) -> None:
        """Drop the connection; the request is carried out when that much time has passed."""

        def strike(exchange: Exchange) -> Dropped:
            exchange.later(seconds)
            return Dropped(Sent.UNKNOWN, "connection reset")

        self._add(times, strike)

    def answer(
        self,
        status: int,
        body: object = None,
        *,
        html: str | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer with this status and body (JSON, or html as a proxy sends it); nothing happens."""
        kind = "application/json" if html is None else "text/html"
        raw = html.encode() if html is not None else b"" if body is None else msgspec.json.encode(body)
        named = {"content-type": kind, **{name.lower(): value for name, value in (headers or {}).items()}}
        self._add(times, lambda _: Reply(status, raw, named))

    def stall(self, seconds: float, times: int = 1) -> None:
        """Carry the request out and answer that much later."""

        def strike(exchange: Exchange) -> Reply:
            reply = exchange.answer()
            reply.delay_s = seconds
            return reply

        self._add(times, strike)

    def truncate(self, times: int = 1) -> None:
        """Carry the request out and send half of the answer."""

        def strike(exchange: Exchange) -> Reply:
            reply = exchange.answer()
            reply.truncated = True
            return reply

        self._add(times, strike)


FAULTS = (
    "refuse",
    "drop_before",
    "drop_after",
    "create_then_drop_connection",
    "late_commit",
    "answer",
    "stall",
    "truncate",
)


class Faults:
    """The rules in force; each call is hit by the first that has not run out."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def on(self, method: str, path: str, skip: int) -> Hook:
        """Name the calls that something is to happen to, all but the first `skip`."""
        return Hook(self.rules, method, path, skip)

    def take(self, method: str, path: str) -> Rule | None:
        """Return the rule that hits this call, and count it."""
        for rule in self.rules:
            if not rule.hits(method, path):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.times -= 1
            if rule.times <= 0:
                self.rules.remove(rule)
            return rule
        return None

    def add(self, fault: str, call: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Add a rule from plain values, as they come over HTTP; raise ValueError for what cannot be meant."""
        if fault not in FAULTS:
            raise ValueError(f"there is no fault {fault!r}; there are: {', '.join(FAULTS)}")
        hook = self.on(str(call.get("method", "*")), str(call.get("path", "**")), int(call.get("skip", 0)))
        try:
            getattr(hook, fault)(**arguments)
        except TypeError as error:
            raise ValueError(str(error)) from None
