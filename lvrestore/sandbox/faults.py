"""Faults: which calls go wrong, how, and when. Rules come from Python, from `/_sandbox/on` and from files."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from math import inf
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from lvrestore.looker.protocol import Sent

Method = Literal["*", "GET", "POST", "PATCH", "PUT", "DELETE"]
When = Literal["before", "after"]
Form = Literal["seconds", "date"]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*$")]


class Reply(msgspec.Struct):
    """An answer on its way to the client, late or cut off if a fault says so."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    delay_s: float = 0.0
    truncated: bool = False


class Dropped(msgspec.Struct, frozen=True):
    """The connection breaks, at once or after a silence, and no answer comes."""

    sent: Sent
    reason: str
    delay_s: float = 0.0


class Exchange(msgspec.Struct):
    """A call that a fault has hit: it can be carried out now, or so many seconds later; `now` is a Unix time."""

    answer: Callable[[], Reply]
    later: Callable[[float], None]
    now: float


class Rule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="fault",
):
    """Which calls a fault hits. Each kind of fault is a subclass, whose `strike` does it to a call.

    `path` is a pattern as in `path_pattern`. The rule looks at the calls that fit, between `from` and `until`
    seconds after the first call of all: it lets `skip` of them pass, and hits each of the others with the given
    probability, `times` at most.
    """

    method: Method = "*"
    path: Annotated[str, msgspec.Meta(pattern=r"^[/*]")] = "**"
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    from_s: Seconds = msgspec.field(default=0.0, name="from")
    until_s: Seconds = msgspec.field(default=inf, name="until")

    def __post_init__(self) -> None:
        if self.until_s <= self.from_s:
            raise ValueError("until must be later than from")

    @property
    def most(self) -> float:
        """How many calls it hits: one, unless it says how many, how often or how long."""
        is_open = self.probability < 1 or self.from_s > 0 or self.until_s < inf
        return self.times or (inf if is_open else 1)

    @property
    def label(self) -> str:
        """What the log calls this fault."""
        return str(self.__struct_config__.tag)


class Refuse(Rule, frozen=True, kw_only=True, tag="refuse"):
    """The connection is refused: the request is not sent."""

    def strike(self, exchange: Exchange) -> Dropped:  # noqa: ARG002 - nothing happens
        """Refuse it."""
        return Dropped(Sent.NO, "connection refused")


class DropBefore(Rule, frozen=True, kw_only=True, tag="drop_before"):
    """The connection breaks with the request on its way: nothing happens, but the client cannot know."""

    def strike(self, exchange: Exchange) -> Dropped:  # noqa: ARG002 - nothing happens
        """Break it."""
        return Dropped(Sent.UNKNOWN, "connection reset before processing")


class DropAfter(Rule, frozen=True, kw_only=True, tag="drop_after"):
    """The request is carried out, and the connection breaks instead of an answer."""

    def strike(self, exchange: Exchange) -> Dropped:
        """Carry it out and break it."""
        exchange.answer()
        return Dropped(Sent.UNKNOWN, "connection reset after processing")


class LateCommit(Rule, frozen=True, kw_only=True, tag="late_commit"):
    """The connection breaks; the request is carried out when that much time has passed."""

    seconds: Seconds

    def strike(self, exchange: Exchange) -> Dropped:
        """Break it and keep the request for later."""
        exchange.later(self.seconds)
        return Dropped(Sent.UNKNOWN, "connection reset")


class Answer(Rule, frozen=True, kw_only=True, tag="answer"):
    """A given answer, JSON or HTML as a proxy sends it; what was asked is not done, or done before.

    A `body` of None is the JSON `null`; without any the answer is empty.
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    body: Any = msgspec.UNSET
    html: str | None = None
    headers: dict[HeaderName, HeaderValue] = {}
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    retry_after_form: Form = "seconds"
    when: When = "before"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.body is not msgspec.UNSET and self.html is not None:
            raise ValueError("it is either body or html")

    @property
    def label(self) -> str:
        """The kind with the status."""
        return f"answer {self.status}"

    def strike(self, exchange: Exchange) -> Reply:
        """Answer so."""
        if self.when == "after":
            exchange.answer()
        return Reply(self.status, self._raw(), self._headers(exchange.now))

    def _raw(self) -> bytes:
        if self.html is not None:
            return self.html.encode()
        return b"" if self.body is msgspec.UNSET else msgspec.json.encode(self.body)

    def _headers(self, now: float) -> dict[str, str]:
        headers = {"content-type": "application/json" if self.html is None else "text/html"}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        if self.retry_after is not None:
            at = formatdate(now + self.retry_after, usegmt=True)
            headers["retry-after"] = at if self.retry_after_form == "date" else str(self.retry_after)
        return headers


class Stall(Rule, frozen=True, kw_only=True, tag="stall"):
    """Silence: the answer comes that much later, or nothing is done and the connection breaks at last."""

    seconds: Seconds
    when: When = "after"

    def strike(self, exchange: Exchange) -> Reply | Dropped:
        """Keep the client waiting."""
        if self.when == "before":
            return Dropped(Sent.UNKNOWN, "no answer", self.seconds)
        reply = exchange.answer()
        reply.delay_s = self.seconds
        return reply


class Truncate(Rule, frozen=True, kw_only=True, tag="truncate"):
    """The request is carried out, and half of the answer is sent."""

    def strike(self, exchange: Exchange) -> Reply:
        """Carry it out and cut the answer."""
        reply = exchange.answer()
        reply.truncated = True
        return reply


AnyRule = Refuse | DropBefore | DropAfter | LateCommit | Answer | Stall | Truncate
KINDS: dict[str, type[AnyRule]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRule)}
# Another name for a kind, as tests like to call it.
ALIASES = {"create_then_drop_connection": "drop_after"}
FAULTS = (*KINDS, *ALIASES)


def path_pattern(text: str) -> re.Pattern[str]:
    """Read a path in which `*` stands for one segment and `**` for anything."""
    parts = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", text)))


class RuleError(ValueError):
    """What is wrong with a rule, where in it, and what would be right."""


def parse_rule(given: object) -> AnyRule:
    """Make a rule of plain values, as JSON and TOML give them; raise RuleError for what cannot be meant."""
    if not isinstance(given, dict):
        raise RuleError(f"a rule is a table of keys and values, not {given!r}")
    name = given.get("fault")
    kind = KINDS.get(ALIASES.get(str(name), str(name)))
    if kind is None:
        said = "key fault is missing" if name is None else f"fault: there is no {name!r}"
        raise RuleError(f"{said}; there are: {', '.join(FAULTS)}")
    known = {"fault", *kind.__struct_encode_fields__}
    if unknown := sorted(given.keys() - known):
        raise RuleError(f"there is no key {unknown[0]!r}; {name} knows: {', '.join(sorted(known))}")
    try:
        return msgspec.convert({**given, "fault": kind.__struct_config__.tag}, kind)
    except msgspec.ValidationError as error:
        raise RuleError(_explained(kind, str(error))) from None


def _explained(kind: type[AnyRule], message: str) -> str:
    """Put the key first, and say which values it can have where there are only a few."""
    reason, _, where = message.partition(" - at `$.")
    if not where:
        return reason
    where = where.rstrip("`")
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    allowed = types[re.split(r"\W", where)[0]]
    if get_origin(allowed) is Literal:
        reason = f"it can be: {', '.join(get_args(allowed))}"
    return f"{where}: {reason}"


class Watch:
    """A rule in force, and what it has seen. Its draws follow from the seed, its number and the calls seen."""

    def __init__(self, rule: AnyRule, number: int, seed: int) -> None:
        self.rule, self.path = rule, path_pattern(rule.path)
        self.seen = self.hits = 0
        self.since: float | None = None
        self._rng = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose

    def fits(self, method: str, path: str, now: float) -> bool:
        """Tell whether a call falls under this rule."""
        rule, age_s = self.rule, now - (now if self.since is None else self.since)
        in_time = rule.from_s <= age_s < rule.until_s
        return in_time and rule.method in {method, "*"} and self.path.fullmatch(path) is not None

    def hit(self) -> bool:
        """Count a call that fits; tell whether it is hit."""
        self.seen += 1
        is_drawn = self._rng.random() < self.rule.probability
        is_hit = is_drawn and self.seen > self.rule.skip
        self.hits += is_hit
        return is_hit


class Faults:
    """The rules in force. A call is hit by the first that wants it, and those after that do not see it."""

    def __init__(self, seed: int = 1) -> None:
        self.rules: list[Watch] = []
        self._seed, self._added = seed, 0

    def add(self, rule: AnyRule) -> None:
        """Let a rule be in force from now on."""
        self._added += 1
        self.rules.append(Watch(rule, self._added, self._seed))

    def on(self, method: Method, path: str, skip: int) -> Hook:
        """Name the calls that something is to happen to, all but the first `skip`."""
        return Hook(self, method, path, skip)

    def take(self, method: str, path: str, now: float) -> AnyRule | None:
        """Return the rule that hits this call, and count it."""
        for watch in self.rules:
            watch.since = now if watch.since is None else watch.since
        for watch in self.rules:
            if watch.fits(method, path, now) and watch.hit():
                if watch.hits >= watch.rule.most:
                    self.rules.remove(watch)
                return watch.rule
        return None


class Hook:
    """The calls that `on()` named; its methods say what happens to them."""

    def __init__(self, faults: Faults, method: Method, path: str, skip: int) -> None:
        self._faults = faults
        self._calls: dict[str, Any] = {"method": method, "path": path, "skip": skip}

    def refuse(self, times: int = 1) -> None:
        """Refuse the connection."""
        self._faults.add(Refuse(**self._calls, times=times))

    def drop_before(self, times: int = 1) -> None:
        """Drop the connection before anything happens."""
        self._faults.add(DropBefore(**self._calls, times=times))

    def drop_after(self, times: int = 1) -> None:
        """Carry the request out and drop the connection instead of answering."""
        self._faults.add(DropAfter(**self._calls, times=times))

    create_then_drop_connection = drop_after

    def late_commit(self, seconds: float, times: int = 1) -> None:
        """Drop the connection; the request is carried out when that much time has passed."""
        self._faults.add(LateCommit(**self._calls, times=times, seconds=seconds))

    def answer(
        self,
        status: int,
        body: object = msgspec.UNSET,
        *,
        html: str | None = None,
        headers: dict[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer with this status and body (JSON, or html as a proxy sends it); nothing happens."""
        rule = Answer(**self._calls, times=times, status=status, body=body, html=html, headers=headers or {})
        self._faults.add(rule)

    def stall(self, seconds: float, times: int = 1) -> None:
        """Carry the request out and answer that much later."""
        self._faults.add(Stall(**self._calls, times=times, seconds=seconds))

    def truncate(self, times: int = 1) -> None:
        """Carry the request out and send half of the answer."""
        self._faults.add(Truncate(**self._calls, times=times))
