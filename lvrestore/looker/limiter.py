"""Permission to send: never more than the ceilings in any window, for all threads and processes together.

The arithmetic (`Window`, `Slots`) is pure and keeps its numbers in a row of floats; a limiter puts that row
into its own memory (`LocalLimiter`) or into a file that processes share (`SharedLimiter`).
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from lvrestore.looker.shared import RowHandle, SharedRow, local_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SECOND_S = 1.0
MINUTE_S = 60.0
# A request leaves a moment after its permission, and not every one equally late: keep this share of distance.
MARGIN = 1.005
# Sleepers queued behind one slot wake a little late each time; slower plans than permissions absorb that.
PLAN_MARGIN = 1.007
MAX_PAUSE_S = 120.0
SLICE_S = 0.2
NEVER = -math.inf


class StoppedWaiting(Exception):  # noqa: N818 - the caller asked for it; nothing went wrong
    """The stop flag was set while waiting for a permission or before a repetition; nothing was sent."""


class Limiter(Protocol):
    """Whom to ask before each request."""

    def acquire(self, stop: Callable[[], bool]) -> float:
        """Wait for permission to send one request now, and tell how long that took."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody send for this time; a pause that ends later stays."""
        ...


class NoLimit:
    """Permits everything at once."""

    def acquire(self, stop: Callable[[], bool]) -> float:  # noqa: ARG002 - the protocol's signature
        """Permit."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """Do nothing: without shared numbers, a caller's own back-off is the only wait."""


def wait_until(
    at: float, stop: Callable[[], bool], sleep: Callable[[float], None], clock: Callable[[], float]
) -> None:
    """Sleep in slices until the clock shows `at`; raise StoppedWaiting when `stop` says so."""
    while (left_s := at - clock()) > 0:
        if stop():
            raise StoppedWaiting
        sleep(min(left_s, SLICE_S))


# --- arithmetic ---


class Window:
    """One ceiling as `ceiling` slots taken in turn: two sendings of one slot are a window apart.

    That bounds every window exactly, whatever the order in which sleepers wake. The cells hold the turn, then
    for each slot when its latest taker plans to send, and when it was last used.
    """

    def __init__(self, ceiling: int, window_s: float, cells: memoryview[float]) -> None:
        self._ceiling, self._cells = ceiling, cells
        self._spacing_s, self._plan_spacing_s = window_s * MARGIN, window_s * PLAN_MARGIN

    @staticmethod
    def size(ceiling: int) -> int:
        """Give the number of cells that a ceiling needs."""
        return 1 + 2 * ceiling

    def clear(self) -> None:
        """Make every slot free."""
        self._cells[0] = 0.0
        for cell in range(1, self.size(self._ceiling)):
            self._cells[cell] = NEVER

    def next_free_at(self) -> float:
        """Tell when the slot whose turn it is can be used."""
        planned = 1 + 2 * int(self._cells[0])
        return max(self._cells[planned] + self._plan_spacing_s, self._cells[planned + 1] + self._spacing_s)

    def take(self, at: float) -> int:
        """Plan the slot whose turn it is for `at`, and give its number."""
        slot = int(self._cells[0])
        # Plan first, turn second: a taker killed in between wastes this one slot and repeats none.
        self._cells[1 + 2 * slot] = at
        self._cells[0] = (slot + 1) % self._ceiling
        return slot

    def usable_at(self, slot: int) -> float:
        """Tell when a slot that was taken can be used: its last use may have been later than planned."""
        return self._cells[2 + 2 * slot] + self._spacing_s

    def use(self, slot: int, now: float) -> None:
        """Note that a request is sent now."""
        self._cells[2 + 2 * slot] = now


class Turn(msgspec.Struct, frozen=True):
    """One caller's place: when it may send at the earliest, and its slot in each window."""

    at: float
    slots: tuple[int, ...]


class Counts(msgspec.Struct, frozen=True):
    """What a limiter did since it was made."""

    permitted: int
    pauses: int
    waited_s: float


class Slots:
    """All ceilings at once, and the pause, over one row of floats."""

    PAUSED_UNTIL, PERMITTED, PAUSES, WAITED, HEADER = range(5)

    def __init__(self, per_second: int | None, per_minute: int | None, cells: memoryview[float]) -> None:
        self._cells = cells
        self.windows: list[Window] = []
        start = self.HEADER
        for ceiling, window_s in _ceilings(per_second, per_minute):
            end = start + Window.size(ceiling)
            self.windows.append(Window(ceiling, window_s, cells[start:end]))
            start = end

    @classmethod
    def size(cls, per_second: int | None, per_minute: int | None) -> int:
        """Give the number of cells that these ceilings need."""
        return cls.HEADER + sum(Window.size(ceiling) for ceiling, _ in _ceilings(per_second, per_minute))

    def clear(self) -> None:
        """Make every slot free and every count zero."""
        self._cells[self.PAUSED_UNTIL] = NEVER
        for cell in (self.PERMITTED, self.PAUSES, self.WAITED):
            self._cells[cell] = 0.0
        for window in self.windows:
            window.clear()

    def paused_until(self) -> float:
        """Tell when the pause ends; it may be long past."""
        return self._cells[self.PAUSED_UNTIL]

    def pause(self, seconds: float, now: float) -> None:
        """Let nobody send for this time."""
        until = now + min(max(seconds, 0.0), MAX_PAUSE_S)
        self._cells[self.PAUSED_UNTIL] = max(self.paused_until(), until)
        self._cells[self.PAUSES] += 1

    def take(self, now: float) -> Turn:
        """Take the next place."""
        at = max([now, self.paused_until(), *(window.next_free_at() for window in self.windows)])
        return Turn(at, tuple(window.take(at) for window in self.windows))

    def ready_at(self, turn: Turn) -> float:
        """Tell when this turn may really be used, which others' lateness or a pause may have put off."""
        usable = (w.usable_at(slot) for w, slot in zip(self.windows, turn.slots, strict=True))
        return max([turn.at, self.paused_until(), *usable])

    def use(self, turn: Turn, now: float, waited_s: float) -> None:
        """Note that this turn's request is sent now."""
        for window, slot in zip(self.windows, turn.slots, strict=True):
            window.use(slot, now)
        self._cells[self.PERMITTED] += 1
        self._cells[self.WAITED] += waited_s

    def counts(self) -> Counts:
        """Give the counts."""
        cells = self._cells
        return Counts(int(cells[self.PERMITTED]), int(cells[self.PAUSES]), cells[self.WAITED])


def _ceilings(per_second: int | None, per_minute: int | None) -> Iterator[tuple[int, float]]:
    for ceiling, window_s in ((per_second, SECOND_S), (per_minute, MINUTE_S)):
        if ceiling is not None:
            if ceiling < 1:
                raise ValueError(f"a ceiling is at least 1, not {ceiling}")
            yield ceiling, window_s


# --- holders ---


class _SlotLimiter:
    """Waits for turns of `Slots`, whoever holds them; a subclass may lock them for more than its threads."""

    def __init__(self, slots: Slots, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._slots, self._clock, self._sleep = slots, clock, sleep
        self._threads = threading.Lock()

    def acquire(self, stop: Callable[[], bool]) -> float:
        """Wait for permission to send one request now, and tell how long that took."""
        start = self._clock()
        if not self._slots.windows:
            return self._wait_for_pause(start, stop)
        with self._locked():
            turn = self._slots.take(start)
            ready_at = self._use_if_ready(turn, start)
        while ready_at is not None:
            wait_until(ready_at, stop, self._sleep, self._clock)
            with self._locked():
                ready_at = self._use_if_ready(turn, start)
        return self._clock() - start

    def pause(self, seconds: float) -> None:
        """Let nobody send for this time, at most `MAX_PAUSE_S`; a pause that ends later stays."""
        with self._locked():
            self._slots.pause(seconds, self._clock())

    def counts(self) -> Counts:
        """Give what was permitted; without ceilings, permissions are not counted."""
        with self._locked():
            return self._slots.counts()

    def _use_if_ready(self, turn: Turn, start: float) -> float | None:
        """Use the turn, or give the time to ask again; to be called with the lock held."""
        # The clock is read under the lock, so that the numbers written are in the order of the sendings.
        now = self._clock()
        ready_at = self._slots.ready_at(turn)
        if ready_at > now:
            return ready_at
        self._slots.use(turn, now, now - start)
        return None

    def _wait_for_pause(self, start: float, stop: Callable[[], bool]) -> float:
        now = start
        while (until := self._slots.paused_until()) > now:
            wait_until(until, stop, self._sleep, self._clock)
            now = self._clock()
        return now - start

    def _locked(self) -> AbstractContextManager[object]:
        return self._threads


class LocalLimiter(_SlotLimiter):
    """A limiter for the threads of one process."""

    def __init__(
        self,
        per_second: int | None = None,
        per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        cells = local_cells(Slots.size(per_second, per_minute))
        super().__init__(Slots(per_second, per_minute, cells), clock, sleep)
        self._slots.clear()


class LimiterHandle(msgspec.Struct, frozen=True):
    """What another process needs to join a shared limiter."""

    row: RowHandle
    per_second: int | None
    per_minute: int | None


class SharedLimiter(_SlotLimiter):
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
        super().__init__(Slots(handle.per_second, handle.per_minute, row.cells), clock, sleep)

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
        row = SharedRow.create(Slots.size(per_second, per_minute))
        limiter = cls(LimiterHandle(row.handle, per_second, per_minute), row, clock=clock, sleep=sleep)
        limiter._slots.clear()
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
