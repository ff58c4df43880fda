"""One call to Looker: permission, token, sending, judging, repeating, and when to stop doing so."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import msgspec

from lvrestore.errors import ApiError
from lvrestore.looker.classify import (
    OVERLOAD,
    Failure,
    FailureKind,
    Refused,
    Reply,
    is_redirect,
    read_reply,
)
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import Limiter, NoLimit, wait_until
from lvrestore.looker.lists import as_asked
from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent, Token, Transport
from lvrestore.looker.redaction import masked, redacted
from lvrestore.looker.retry import RetryPolicy, Rng, Wait, after_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from lvrestore.looker.tokens import TokenSource

__all__ = [
    "CallCounts",
    "GaveUp",
    "LookerClient",
    "Reply",
    "ResponseRecord",
    "Sender",
    "UnknownOutcome",
]

log = logging.getLogger(__name__)

RECORDED_BODY = 2048


class CallCounts(msgspec.Struct, frozen=True):
    """What a client has sent. Requests that cannot have left this machine are not calls."""

    by_method: dict[str, int]
    retries: int
    rate_limited: int

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_method.values())


class ResponseRecord(msgspec.Struct, frozen=True):
    """The last answer to a thread, fit for a dead letter: secrets removed, body cut."""

    method: str
    path: str
    status: int | None
    body: str


class GaveUp(Exception):  # noqa: N818 - the end of trying, not a fault of ours
    """A call failed in a way that may pass, as often as the policy permits."""

    def __init__(self, failure: Failure, attempts: int) -> None:
        super().__init__(failure, attempts)
        self.failure, self.attempts = failure, attempts

    def __str__(self) -> str:
        status = f"{self.failure.status} " if self.failure.status is not None else ""
        return f"{status}{self.message}"

    @property
    def message(self) -> str:
        """What failed, and after how many attempts if it was tried more than once."""
        often = f" (after {self.attempts:,} attempts)" if self.attempts > 1 else ""
        return f"{self.failure.message}{often}"


class UnknownOutcome(Exception):  # noqa: N818 - neither done nor failed
    """A create may have happened. `sent_at` is the client's clock; with `lands_late` it still may happen."""

    def __init__(self, sent_at: float, lands_late: bool, failure: Failure) -> None:  # noqa: FBT001 - pickles
        super().__init__(sent_at, lands_late, failure)
        self.sent_at, self.lands_late, self.failure = sent_at, lands_late, failure

    def __str__(self) -> str:
        return f"unknown whether it was created: {self.failure.message}"


class _Renewed(msgspec.Struct, frozen=True):
    """The token was refused, and there is a new one."""


class _Series(msgspec.Struct, frozen=True):
    """Attempts at one call: when they began, how many outages there were before, and which one it is now."""

    since: float
    outages_before: int
    attempt: int = 1


class Sender(Protocol):
    """Whoever carries out the calls of an item: `LookerClient`, or one that stands before it."""

    def call(self, request: Request, *, creates: bool = False) -> Reply:
        """Send until it is answered for good; see `LookerClient.call`."""
        ...

    @property
    def counts(self) -> CallCounts:
        """What was sent so far."""
        ...

    @property
    def last_response(self) -> ResponseRecord | None:
        """The last answer that this thread got, None before the first."""
        ...

    @property
    def rehearses(self) -> bool:
        """Whether the client plays writes on a copy instead of sending them."""
        ...


class LookerClient:
    """Calls Looker; safe to share between threads."""

    rehearses = False

    def __init__(
        self,
        transport: Transport,
        *,
        tokens: TokenSource | None = None,
        limiter: Limiter | None = None,
        health: Health | None = None,
        policy: RetryPolicy | None = None,
        stop: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Rng | None = None,
    ) -> None:
        self._transport, self._tokens = transport, tokens
        self._limiter, self._policy = limiter or NoLimit(), policy or RetryPolicy()
        self._health = health or Health()
        self._stop, self._sleep, self._clock = stop, sleep, clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._tally = _Tally()
        self._last = threading.local()

    def call(self, request: Request, *, creates: bool = False) -> Reply:
        """Send until it is answered for good; a 404 to DELETE, or to GET of an object, is a reply without a body.

        Raises Refused for a permanent refusal, UnknownOutcome at once for a create that may have happened,
        GaveUp when the attempts are used up, StoppedWaiting when the stop flag is set during a wait, ApiError
        when the instance as a whole cannot be used.
        """
        tries, renewed = _Series(self._clock(), self._health.outages), False
        while True:
            self._health.wait_while_out(self._stop)
            self._limiter.acquire(self._stop)
            sent_at = self._clock()
            outcome = self._attempt(request, creates=creates, may_renew=not renewed)
            self._note_health(outcome)
            if isinstance(outcome, Reply):
                return outcome
            if isinstance(outcome, _Renewed):
                renewed = True
            elif outcome.may_have_happened:
                raise UnknownOutcome(sent_at, outcome.lands_late, outcome)
            else:
                tries = self._before_repeating(outcome, tries)
            self._tally.retry()

    @property
    def counts(self) -> CallCounts:
        """What was sent so far."""
        return self._tally.counts()

    @property
    def last_response(self) -> ResponseRecord | None:
        """The last answer that this thread got, None before the first."""
        last: tuple[Request, Answered | NoAnswer] | None = getattr(self._last, "answer", None)
        return None if last is None else _record(*last)

    def _attempt(self, request: Request, *, creates: bool, may_renew: bool) -> Reply | Failure | _Renewed:
        """Send once with a token that is good now; a token that is refused is renewed instead."""
        if self._tokens is None:
            return self._send(request, None, creates=creates)
        try:
            # Asked for only now: waiting for permission takes its time, and tokens end.
            token = self._tokens.current()
            outcome = self._send(request, token, creates=creates)
            if may_renew and isinstance(outcome, Failure) and outcome.kind is FailureKind.AUTH:
                self._tokens.renew(token)
                return _Renewed()
        except ApiError as error:
            if not error.passing:
                raise
            return Failure(
                kind=FailureKind.TRANSIENT, status=error.status, message=str(error), repeatable=True
            )
        return outcome

    def _note_health(self, outcome: Reply | Failure | _Renewed) -> None:
        """An answer that will pass, like 503 or 429, says nothing but that the instance cannot serve now."""
        if isinstance(outcome, Failure) and (outcome.repeatable or outcome.may_have_happened):
            self._health.lost()
        else:
            self._health.answered()

    def _send(self, request: Request, token: Token | None, *, creates: bool) -> Reply | Failure:
        sent = request if token is None else msgspec.structs.replace(request, token=token)
        answer = self._transport.send(sent)
        self._last.answer = (sent, answer)
        self._tally.sent(request.method, answer)
        _log_answer(request, answer)
        outcome = read_reply(answer, creates=creates, expects_json=request.method != "DELETE")
        if isinstance(outcome, Reply):
            self._limiter.served(request.method, request.path, answer.elapsed_s)
        elif outcome.status in OVERLOAD:
            self._limiter.overloaded(outcome.status, answer.elapsed_s, outcome.retry_after_s)
        return as_asked(request, outcome)

    def _before_repeating(self, failure: Failure, tries: _Series) -> _Series:
        """Wait for the next attempt, or raise when there is none."""
        tried_for_s = self._clock() - tries.since
        decision = after_failure(failure, tries.attempt, self._policy, self._rng, tried_for_s)
        if isinstance(decision, Wait):
            wait_until(self._clock() + decision.seconds, self._stop, self._sleep, self._clock)
            return msgspec.structs.replace(tries, attempt=tries.attempt + 1)
        # Attempts made while nobody was answered say nothing about this call.
        if failure.repeatable and self._health.outlasted(tries.outages_before, self._stop):
            return _Series(self._clock(), self._health.outages)
        raise _final(failure, tries.attempt, self.last_response)


def _final(failure: Failure, attempts: int, last: ResponseRecord | None) -> Exception:
    if failure.repeatable or failure.status is None:
        return GaveUp(failure, attempts)
    if is_redirect(failure.status):
        hint = "a Looker API never redirects: check --base-url (https, host, port)"
        return ApiError(failure.message, hint, failure.status)
    request, response = (f"{last.method} {last.path}", last.body) if last else ("", "")
    return Refused(
        failure.kind, failure.status, failure.message, failure.fields, failure.codes, request, response
    )


class _Tally:
    """Counts, for threads that share a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_method: Counter[str] = Counter()
        self._retries = self._rate_limited = 0

    def sent(self, method: str, answer: Answered | NoAnswer) -> None:
        with self._lock:
            if not isinstance(answer, NoAnswer) or answer.sent is not Sent.NO:
                self._by_method[method] += 1
            if isinstance(answer, Answered) and answer.status == 429:  # noqa: PLR2004 - too many requests
                self._rate_limited += 1

    def retry(self) -> None:
        with self._lock:
            self._retries += 1

    def counts(self) -> CallCounts:
        with self._lock:
            return CallCounts(dict(self._by_method), self._retries, self._rate_limited)


def _log_answer(request: Request, answer: Answered | NoAnswer) -> None:
    if log.isEnabledFor(logging.DEBUG):
        what = answer.status if isinstance(answer, Answered) else answer.reason
        log.debug("%s %s: %s in %.0f ms", request.method, request.path, what, answer.elapsed_s * 1000)


def _record(request: Request, answer: Answered | NoAnswer) -> ResponseRecord:
    if isinstance(answer, NoAnswer):
        return ResponseRecord(request.method, request.path, None, answer.reason)
    # Redacted before it is cut: a value that is cut has no end to find it by.
    body = redacted(answer.body[: 2 * RECORDED_BODY].decode("utf-8", "replace"))
    if request.token is not None:
        body = masked(body, request.token.value)
    return ResponseRecord(request.method, request.path, answer.status, body[:RECORDED_BODY])
