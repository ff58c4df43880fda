"""The circuit breaker: when nobody is answered any more, the run waits, looks now and then, and goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from lvrestore.durations import spoken
from lvrestore.errors import ApiError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, LookerClient
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Request

LOOK_S = 0.25
# So long may all requests fail by chance before somebody asks whether the instance is there at all.
SUSPICIOUS_S = 2.0
FIRST_PROBE_AFTER_S = 1.0
LONGEST_BETWEEN_PROBES_S = 15.0


class OutageWatch:
    """One thread of the parent that shuts the gate for everybody, and opens it again.

    What it has to say is collected, for the thread that owns the terminal.
    """

    def __init__(
        self,
        health: Health,
        probe: Callable[[], str | None],
        give_up: Callable[[str], None],
        *,
        host: str,
        timeout_s: float,
    ) -> None:
        """`probe` returns None when the instance answers, else why not. `give_up` stops the run, resumable."""
        self._health, self._probe, self._give_up = health, probe, give_up
        self._host, self._timeout_s = host, timeout_s
        self._ended = threading.Event()
        self._messages: deque[str] = deque()

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch while the block runs."""
        self._health.begin_watch()
        thread = threading.Thread(target=self._watch, name="outage watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._health.end_watch()
            self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()

    def news(self) -> list[str]:
        """What there is to say since this was last asked."""
        return [self._messages.popleft() for _ in range(len(self._messages))]

    def look(self) -> None:
        """See whether anybody is answered; return when somebody is, or when the patience is used up."""
        if self._health.silent_s() < SUSPICIOUS_S:
            return
        if (reason := self._probe()) is None:
            self._health.answered()
            return
        self._health.begin_outage()
        self._messages.append(
            f"nothing gets through to {self._host} any more ({reason});"
            f" waiting up to {spoken(self._timeout_s)} for it"
        )
        self._sit_it_out()

    def _sit_it_out(self) -> None:
        for wait_s in _between_probes():
            left_s = self._timeout_s - self._health.silent_s()
            if self._ended.wait(min(wait_s, max(0.0, left_s))):
                return
            if (reason := self._probe()) is None:
                out_s = self._health.silent_s()
                self._messages.append(f"{self._host} answers again after {spoken(out_s)}; going on")
                self._health.end_outage()
                return
            if self._health.silent_s() >= self._timeout_s:
                self._give_up(f"nothing got through to {self._host} for {spoken(self._timeout_s)}: {reason}")
                self._ended.set()
                return


def _between_probes() -> Iterator[float]:
    wait_s = FIRST_PROBE_AFTER_S
    while True:
        yield wait_s
        wait_s = min(wait_s * 2, LONGEST_BETWEEN_PROBES_S)


def probe(client: LookerClient) -> str | None:
    """Ask for what every Looker tells, and return why it does not; a refusal is an answer.

    `client` should neither repeat nor wait long.
    """
    try:
        client.call(Request("GET", "/versions"))
    except GaveUp as failure:
        return failure.failure.message
    except ApiError as error:
        # A login that is refused for good is met, and told, by whoever needs it.
        return str(error) if error.passing else None
    except StoppedWaiting:
        return "the run is being stopped"
    except Refused:
        return None
    return None
