"""Permission to send, for all threads and processes together.

The arithmetic is elsewhere and pure: `gate` (turns and ceilings), `pace` (the rate), `latency` (is it slow?).
A limiter puts the gate's numbers into its own memory (`LocalLimiter`) or where processes share them
(`SharedLimiter`), and waits.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from lvrestore.looker.gate import Counts, Gate
from lvrestore.looker.latency import LatencyWatch
from lvrestore.looker.shared import RowHandle, SharedRow, local_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

SLICE_S = 0.2
TOO_MANY_REQUESTS = 429


class StoppedWaiting(Exception):  # noqa: N818 - the caller asked for it; nothing went wrong
    """The stop flag was set while waiting for a permission or before a repetition, or no more calls are permitted.

    Nothing was sent.
    """


class Limiter(Protocol):
    """Whom to ask before each request, and to tell how it went."""

    def acquire(self, stop: Callable[[], bool]) -> float:
        """Wait for permission to send one request now, and tell how long that took."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody send for this time; a pause that ends later stays."""
        ...

    def served(self, method: str, path: str, elapsed_s: float) -> None:
        """Note that a request was served after this time."""
        ...

    def overloaded(self, status: int, elapsed_s: float, retry_after_s: float | None) -> None:
        """Slow everybody down: after this time a request was refused, because there are too many."""
        ...


class NoLimit:
    """Permits everything at once; a caller's own back-off is the only wait."""

    def acquire(self, stop: Callable[[], bool]) -> float:  # noqa: ARG002 - the protocol's signature
        """Permit."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """Do nothing: there is nobody to tell."""

    def served(self, method: str, path: str, elapsed_s: float) -> None:
        """Do nothing, as nothing depends on it."""

    def overloaded(self, status: int, elapsed_s: float, retry_after_s: float | None) -> None:
        """Do nothing: there is nobody to tell."""


def wait_until(
    at: float, stop: Callable[[], bool], sleep: Callable[[float], None], clock: Callable[[], float]
) -> None:
    """Sleep in slices until the clock shows `at`; raise StoppedWaiting when `stop` says so."""
    while (left_s := at - clock()) > 0:
        if stop():
            raise StoppedWaiting
        sleep(min(left_s, SLICE_S))


class _GateLimiter:
    """Waits at a gate, whoever holds its numbers; a subclass may lock them for more than its threads."""

    def __init__(self, gate: Gate, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._gate, self._clock, self._sleep = gate, clock, sleep
        self._watch = LatencyWatch()
        self._threads = threading.Lock()
        self._watching = threading.Lock()

    def acquire(self, stop: Callable[[], bool]) -> float:
        """Wait for permission to send one request now, and tell how long that took.

        Raises StoppedWaiting as well when as many have been permitted as may be.
        """
        start = self._clock()
        with self._locked():
            number = self._gate.draw()
            wait_s = self._pass(number, start)
        while wait_s > 0.0:
            if stop():
                raise StoppedWaiting
            # Never for long: until then there may be a pause, or less to wait for.
            self._sleep(min(wait_s, SLICE_S))
            with self._locked():
                wait_s = self._pass(number, start)
        return self._clock() - start

    def pause(self, seconds: float) -> None:
        """Let nobody send for this time, at most `MAX_PAUSE_S`; a pause that ends later stays."""
        with self._locked():
            self._gate.pause(seconds, self._clock())

    def served(self, method: str, path: str, elapsed_s: float) -> None:
        """Note that a request was served; much slower answers than usual slow everybody down."""
        sent_at = self._clock() - elapsed_s
        with self._watching:
            slow_since = self._watch.slow_since(method, path, elapsed_s, sent_at)
        # Read without the lock: this is asked after every answer, and hardly ever true.
        if slow_since is None and not self._gate.pace.is_struck:
            return
        with self._locked():
            self._gate.pace.came_through(sent_at)
            if slow_since is not None:
                self._gate.pace.slowed(self._clock(), slow_since)

    def overloaded(self, status: int, elapsed_s: float, retry_after_s: float | None) -> None:
        """Slow everybody down: a pause for as long as the server says, and a lower rate."""
        with self._locked():
            now = self._clock()
            self._gate.overloaded(now, now - elapsed_s, retry_after_s, too_many=status == TOO_MANY_REQUESTS)

    def counts(self) -> Counts:
        """Give what was permitted since the limiter was made, over all processes."""
        with self._locked():
            return self._gate.counts()

    def permit(self, calls: int | None) -> None:
        """Permit so many requests in all, to all processes; None: any number."""
        if calls is not None:
            with self._locked():
                self._gate.permit(calls)

    def is_shut(self) -> bool:
        """Whether as many requests were permitted as may be."""
        return self._gate.is_shut()

    def rate(self) -> float:
        """Give the requests a second that are permitted now."""
        with self._locked():
            return self._gate.pace.rate(self._clock())

    def _pass(self, number: int, start: float) -> float:
        """Pass, or give the time to wait; to be called with the lock held."""
        if self._gate.is_shut():
            raise StoppedWaiting
        # The clock is read under the lock, so that the numbers written are in the order of the sendings.
        now = self._clock()
        wait_s = self._gate.opens_at(number, now) - now
        if wait_s <= 0.0:
            self._gate.use(number, now, now - start, self._watch.round_s)
        return wait_s

    def _locked(self) -> AbstractContextManager[object]:
        return self._threads


class LocalLimiter(_GateLimiter):
    """A limiter for the threads of one process."""

    def __init__(
        self,
        per_second: int | None = None,
        per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        cells = local_cells(Gate.size(per_second, per_minute))
        super().__init__(Gate(per_second, per_minute, cells), clock, sleep)
        self._gate.clear()


class LimiterHandle(msgspec.Struct, frozen=True):
    """What another process needs to join a shared limiter."""

    row: RowHandle
    per_second: int | None
    per_minute: int | None


class SharedLimiter(_GateLimiter):
    """A limiter for all processes of a run.

    A waiter that is killed wastes its own slot, no more. `CLOCK_MONOTONIC` is the same in all processes.
    """

    def __init__(
        self,
        handle: LimiterHandle,
        row: SharedRow,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.handle, self._row = handle, row
        super().__init__(Gate(handle.per_second, handle.per_minute, row.cells), clock, sleep)

    @classmethod
    def create(
        cls,
        per_second: int | None = None,
        per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> SharedLimiter:
        """Make the shared numbers, which `close` removes."""
        row = SharedRow.create(Gate.size(per_second, per_minute))
        limiter = cls(LimiterHandle(row.handle, per_second, per_minute), row, clock=clock, sleep=sleep)
        limiter._gate.clear()
        return limiter

    @classmethod
    def attach(cls, handle: LimiterHandle) -> SharedLimiter:
        """Join the limiter that another process made."""
        return cls(handle, SharedRow.attach(handle.row))

    def close(self) -> None:
        """Leave; the process that made it also removes the numbers."""
        self._row.close()

    def _locked(self) -> AbstractContextManager[None]:
        return self._row.locked()
