"""Whether the instance answers at all, as every process of a run sees it: times and a gate in shared numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lvrestore.looker.limiter import SLICE_S, StoppedWaiting
from lvrestore.looker.shared import SharedRow, local_cells

if TYPE_CHECKING:
    from lvrestore.looker.shared import RowHandle


class Health:
    """Clients note how their calls ended; whoever watches shuts the gate while nobody is answered.

    Each number is written as a whole and the latest one counts, so that no lock is needed. Without a watcher
    the gate is open and nobody waits for anything.
    """

    ANSWERED_AT, LOST_AT, OUTAGES, OUT, WATCHED, SIZE = range(6)

    def __init__(
        self,
        row: SharedRow | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._row, self._clock, self._sleep = row, clock, sleep
        self._cells = row.cells if row is not None else local_cells(self.SIZE)

    @classmethod
    def create(cls) -> Health:
        """Make the numbers for all processes of a run; `close` removes them."""
        return cls(SharedRow.create(cls.SIZE))

    @classmethod
    def attach(cls, handle: RowHandle) -> Health:
        """Share the numbers that another process made."""
        return cls(SharedRow.attach(handle))

    @property
    def handle(self) -> RowHandle | None:
        """What another process needs to share the numbers; None of those of one process."""
        return self._row.handle if self._row is not None else None

    def close(self) -> None:
        """Leave; who made the numbers removes them."""
        if self._row is not None:
            self._row.close()

    # -- what clients note and ask

    def answered(self) -> None:
        """Note an answer that is about the request, be it a refusal."""
        self._cells[self.ANSWERED_AT] = self._clock()

    def lost(self) -> None:
        """Note that a request got no such answer."""
        self._cells[self.LOST_AT] = self._clock()

    def wait_while_out(self, stop: Callable[[], bool]) -> None:
        """Wait until the gate is open; raise StoppedWaiting when `stop` says so."""
        while self.is_out:
            self._pass_time(stop)

    def outlasted(self, outages_before: int, stop: Callable[[], bool]) -> bool:
        """Wait until anybody is answered, and tell whether there was an outage since that many outages.

        If so, it was not the request's fault that it failed. Without a watcher nobody need wait for that.
        """
        lost_at = self._clock()
        while self._cells[self.WATCHED] and (self.is_out or self._cells[self.ANSWERED_AT] <= lost_at):
            self._pass_time(stop)
        return self.outages > outages_before

    def _pass_time(self, stop: Callable[[], bool]) -> None:
        if stop():
            raise StoppedWaiting
        self._sleep(SLICE_S)

    # -- for the watcher

    @property
    def is_out(self) -> bool:
        """Whether nothing is to be sent."""
        return bool(self._cells[self.OUT])

    @property
    def outages(self) -> int:
        """How many outages there were since the watch began."""
        return int(self._cells[self.OUTAGES])

    def begin_watch(self) -> None:
        """From now on somebody looks into it when nobody is answered."""
        self.answered()
        self._cells[self.WATCHED] = 1.0

    def end_watch(self) -> None:
        """Nobody looks into it any more."""
        self._cells[self.WATCHED] = 0.0

    def silent_s(self) -> float:
        """Seconds since anybody was answered, 0 when nothing was lost since."""
        answered_at, lost_at = self._cells[self.ANSWERED_AT], self._cells[self.LOST_AT]
        return self._clock() - answered_at if lost_at > answered_at else 0.0

    def begin_outage(self) -> None:
        """Shut the gate."""
        self._cells[self.OUTAGES] += 1
        self._cells[self.OUT] = 1.0

    def end_outage(self) -> None:
        """Open it again: somebody was answered."""
        self.answered()
        self._cells[self.OUT] = 0.0
