"""Who may send when: callers in their turn, never more than the ceilings in any window, at the present pace.

Pure arithmetic over a row of floats, which a limiter puts where all processes share it.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import msgspec

from lvrestore.looker.pace import NEVER, Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND_S = 1.0
MINUTE_S = 60.0
# A request leaves a moment after its permission, and not every one equally late: keep this distance.
MARGIN_S = 0.012
MAX_PAUSE_S = 120.0
# Who has been silent may send so many at once: small runs need not feel the pace.
BURST = 8
BURST_S = 0.05


class Window:
    """One ceiling: the times of the last `ceiling` requests, in a ring.

    The next one waits until the oldest of them is a window ago, which bounds every window exactly. The cells
    hold the place of the oldest, then the times.
    """

    def __init__(self, ceiling: int, window_s: float, cells: memoryview[float]) -> None:
        self._ceiling, self._cells = ceiling, cells
        self._spacing_s = window_s + MARGIN_S

    @staticmethod
    def size(ceiling: int) -> int:
        """Give the number of cells that a ceiling needs."""
        return 1 + ceiling

    def clear(self) -> None:
        """Forget all requests."""
        self._cells[0] = 0.0
        for cell in range(1, self.size(self._ceiling)):
            self._cells[cell] = NEVER

    def free_at(self, ahead: int) -> float:
        """Tell when the caller with so many others before it may send, if those send as soon as they may."""
        place = (int(self._cells[0]) + ahead) % self._ceiling
        laps = ahead // self._ceiling
        return self._cells[1 + place] + self._spacing_s * (1 + laps)

    def use(self, now: float) -> None:
        """Note that a request is sent now."""
        place = int(self._cells[0])
        # The place first: killed in between, nothing was sent, and one old time stays. The other way round
        # the next caller would wait for a request that never was.
        self._cells[0] = (place + 1) % self._ceiling
        self._cells[1 + place] = now


class Counts(msgspec.Struct, frozen=True):
    """What a limiter did since it was made: requests permitted, pauses, seconds that callers have waited."""

    permitted: int
    pauses: int
    waited_s: float


class Gate:
    """All ceilings, the pace and the pause; callers pass in the order in which they came.

    A caller draws a number and passes when its time has come. That time is worked out anew whenever it asks,
    so a change of pace or a pause concerns those who already wait. Nothing is kept for a caller: one that
    dies costs the next one a moment.
    """

    PAUSED_UNTIL, NEXT_AT, DRAWN, PASSED, PERMITTED, PAUSES, WAITED, MOST, HEADER = range(9)

    def __init__(self, per_second: int | None, per_minute: int | None, cells: memoryview[float]) -> None:
        self._cells = cells
        start = self.HEADER + Pace.SIZE
        self.pace = Pace(per_second, cells[self.HEADER : start])
        self.windows: list[Window] = []
        for ceiling, window_s in _ceilings(per_second, per_minute):
            end = start + Window.size(ceiling)
            self.windows.append(Window(ceiling, window_s, cells[start:end]))
            start = end

    @classmethod
    def size(cls, per_second: int | None, per_minute: int | None) -> int:
        """Give the number of cells that these ceilings need."""
        ceilings = sum(Window.size(ceiling) for ceiling, _ in _ceilings(per_second, per_minute))
        return cls.HEADER + Pace.SIZE + ceilings

    def clear(self) -> None:
        """Forget everything."""
        self._cells[self.PAUSED_UNTIL] = self._cells[self.NEXT_AT] = NEVER
        for cell in (self.DRAWN, self.PASSED, self.PERMITTED, self.PAUSES, self.WAITED):
            self._cells[cell] = 0.0
        self._cells[self.MOST] = inf
        self.pace.clear()
        for window in self.windows:
            window.clear()

    def permit(self, calls: int) -> None:
        """Let nobody pass any more after so many requests."""
        self._cells[self.MOST] = float(calls)

    def is_shut(self) -> bool:
        """Whether as many requests were permitted as may be."""
        return self._cells[self.PERMITTED] >= self._cells[self.MOST]

    def draw(self) -> int:
        """Give a caller its number."""
        number = int(self._cells[self.DRAWN])
        self._cells[self.DRAWN] = number + 1
        return number

    def opens_at(self, number: int, now: float) -> float:
        """Tell when the caller with this number may send, as far as can be known now."""
        cells = self._cells
        ahead = max(0, number - int(cells[self.PASSED]))
        at = max(cells[self.PAUSED_UNTIL], cells[self.NEXT_AT] + ahead / self.pace.rate(now))
        for window in self.windows:
            at = max(at, window.free_at(ahead))
        return at

    def use(self, number: int, now: float, waited_s: float, round_s: float) -> None:
        """Note that the caller with this number sends now."""
        cells = self._cells
        # Whoever has a lower number and is still here is late, or dead.
        cells[self.PASSED] = max(cells[self.PASSED], number + 1.0)
        for window in self.windows:
            window.use(now)
        rate = self.pace.rate(now)
        unused_since = now - max(BURST / rate, BURST_S)
        cells[self.NEXT_AT] = max(cells[self.NEXT_AT], unused_since) + 1.0 / rate
        cells[self.PERMITTED] += 1.0
        cells[self.WAITED] += waited_s
        self.pace.sent(now, round_s)

    def paused_until(self) -> float:
        """Tell when the pause ends; it may be long past."""
        return self._cells[self.PAUSED_UNTIL]

    def pause(self, seconds: float, now: float) -> None:
        """Let nobody send for this time, and nobody make up for it afterwards."""
        until = max(self.paused_until(), now + min(max(seconds, 0.0), MAX_PAUSE_S))
        self._cells[self.PAUSED_UNTIL] = until
        self._cells[self.NEXT_AT] = max(self._cells[self.NEXT_AT], until)
        self._cells[self.PAUSES] += 1.0

    def overloaded(self, now: float, sent_at: float, retry_after_s: float | None, *, too_many: bool) -> None:
        """Slow down because a request was refused that was sent at that time.

        `too_many`: as one of too many, not because the instance is down, which whoever watches for an outage
        should find out soon: only then do pauses grow.
        """
        if retry_after_s:
            self.pause(retry_after_s, now)
        if self.pace.is_old(sent_at):
            self.pace.refused_too()
            return
        if not retry_after_s:
            self.pause(self.pace.next_pause_s(), now)
        self.pace.refused(now, max(now, self.paused_until()))
        if too_many:
            self.pace.struck()

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
