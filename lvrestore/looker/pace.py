"""How many requests a second to send: a gentle start, less after a sign of overload, then back.

Pure arithmetic over a row of floats, which a limiter puts where all processes share it. Times are those of
one clock, rates are requests a second.

Open road: the rate doubles once per round as long as it is used, and follows what is used otherwise, so that
it never runs far ahead of what the instance has been seen to bear. After a sign of overload it is cut, goes
back to where that was within `PLATEAU_S`, lingers there, and is at its old height after `RECOVERED_S`: near
the rate at which an instance objects most of the time is spent, and a limit that has gone is soon found gone.
"""

from __future__ import annotations

import math

START_RATE = 40.0
# Below this a run would stand still; a ceiling that is lower still counts.
LEAST_RATE = 2.0
CEILING_SHARE_AT_START = 0.6
CEILING_SHARE_PER_ROUND = 0.1
USED_SHARE = 0.7
UNUSED_HALVES_IN_S = 5.0
MIN_ROUND_S, MAX_ROUND_S = 0.1, 0.5
# A lone refusal may be chance (a request that came late, another client), many at once are not: each of a round
# takes this share, down to a lowest. Doubling overshoots by up to that factor; later cuts are near the limit.
CUT_PER_REFUSAL = 0.04
LOWEST_WHILE_GROWING, LOWEST = 0.5, 0.8
GROWING_S = 2.0
PLATEAU_S = 5.0
RECOVERED_S = 30.0
# Recovery begins with the end of a pause, but not so late that it would take more than two minutes in all.
LATEST_RECOVERY_S = 90.0
# Slow answers alone never take a run below this share of what it had.
LEAST_SHARE_WHEN_SLOW = 0.25
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 8.0
NEVER = -math.inf


def recovering_rate(since_s: float, low: float, plateau: float, full: float) -> float:
    """Give the rate this long after the recovery began: from `low` to `plateau`, and on to `full`."""
    if since_s <= 0.0:
        return low
    if since_s < PLATEAU_S:
        return plateau - (plateau - low) * (1.0 - since_s / PLATEAU_S) ** 3
    if since_s < RECOVERED_S:
        return plateau + (full - plateau) * ((since_s - PLATEAU_S) / (RECOVERED_S - PLATEAU_S)) ** 3
    return full


def open_rate(rate: float, used: float, elapsed_s: float, start: float) -> float:
    """Give the next rate on an open road, after a round in which so many requests a second were sent."""
    if used >= USED_SHARE * rate:
        return 2.0 * rate
    enough = max(start, 2.0 * used)
    return max(min(rate, enough), rate * math.exp2(-elapsed_s / UNUSED_HALVES_IN_S))


class Pace:
    """The rate, and what was seen that changes it.

    Every cell is written so that a process killed between two of them leaves a rate that makes sense.
    """

    # On an open road the rate, else what the recovery starts with, lingers at, and leads to.
    RATE, PLATEAU, FULL, RECOVERS_FROM = range(4)
    # The round that is measured: its begin, what was sent in it, and the requests a second of the one before.
    ROUND_AT, SENT, USED, GREW_AT = range(4, 8)
    # Of the last cut: refusals of what was sent earlier tell nothing new but their number, slow answers nothing.
    # How low further refusals can take the rate, by how much each, and how many cuts since anything was served.
    OLD_BEFORE, SLOW_BEFORE, LOWEST, STEP, STRIKES, SIZE = range(8, 14)

    def __init__(self, ceiling: float | None, cells: memoryview[float]) -> None:
        self._cells = cells
        self._ceiling = math.inf if ceiling is None else ceiling
        self._least = min(LEAST_RATE, self._ceiling)
        self._start = max(self._least, min(START_RATE, self._ceiling * CEILING_SHARE_AT_START))

    def clear(self) -> None:
        """Begin gently."""
        cells = self._cells
        cells[self.RATE] = cells[self.FULL] = cells[self.PLATEAU] = self._start
        for cell in (self.RECOVERS_FROM, self.ROUND_AT, self.GREW_AT, self.OLD_BEFORE, self.SLOW_BEFORE):
            cells[cell] = NEVER
        for cell in (self.SENT, self.USED, self.LOWEST, self.STEP, self.STRIKES):
            cells[cell] = 0.0

    def rate(self, now: float) -> float:
        """Give the rate."""
        cells = self._cells
        if cells[self.RECOVERS_FROM] == NEVER:
            return cells[self.RATE]
        since_s = now - cells[self.RECOVERS_FROM]
        return recovering_rate(since_s, cells[self.RATE], cells[self.PLATEAU], cells[self.FULL])

    def sent(self, now: float, round_s: float) -> None:
        """Note that a request is sent; a round lasts as long as some answers take, `round_s`."""
        cells = self._cells
        cells[self.SENT] += 1.0
        elapsed_s = now - cells[self.ROUND_AT]
        if elapsed_s < round_s:
            return
        if elapsed_s < math.inf:
            cells[self.USED] = cells[self.SENT] / elapsed_s
            self._end_round(now, elapsed_s)
        cells[self.ROUND_AT], cells[self.SENT] = now, 0.0

    def is_old(self, sent_at: float) -> bool:
        """Whether a request was sent before the last cut for a refusal could have any effect on it."""
        return sent_at < self._cells[self.OLD_BEFORE]

    def next_pause_s(self) -> float:
        """Give how long to be silent when the server does not say: longer while nothing comes through."""
        return min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * math.exp2(min(self._cells[self.STRIKES], 10.0)))

    @property
    def is_struck(self) -> bool:
        """Whether nothing has come through since the last refusal."""
        return self._cells[self.STRIKES] > 0.0

    def came_through(self, sent_at: float) -> None:
        """Note that a request was served."""
        if not self.is_old(sent_at):
            self._cells[self.STRIKES] = 0.0

    def refused(self, now: float, resumes_at: float) -> None:
        """Cut the rate because the server refuses requests; nobody sends until `resumes_at`."""
        cells, in_use = self._cells, self._in_use(now)
        growing = now - cells[self.GREW_AT] < GROWING_S
        cells[self.LOWEST] = max(self._least, in_use * (LOWEST_WHILE_GROWING if growing else LOWEST))
        cells[self.STEP] = CUT_PER_REFUSAL * in_use
        self._cut(now, max(cells[self.LOWEST], in_use - cells[self.STEP]), resumes_at)
        cells[self.OLD_BEFORE] = resumes_at

    def struck(self) -> None:
        """Note that nothing may come through for a while."""
        self._cells[self.STRIKES] += 1.0

    def refused_too(self) -> None:
        """Deepen the last cut, as another request of its round was refused."""
        cells = self._cells
        cells[self.RATE] = min(cells[self.RATE], max(cells[self.LOWEST], cells[self.RATE] - cells[self.STEP]))

    def slowed(self, now: float, since: float) -> None:
        """Cut the rate because answers to what was sent since that time take much longer than usual."""
        if since < self._cells[self.SLOW_BEFORE]:
            return
        in_use = self._in_use(now)
        least = max(self._least, LEAST_SHARE_WHEN_SLOW * self._full(now))
        self._cut(now, max(least, LOWEST * in_use), now)

    def _cut(self, now: float, rate: float, resumes_at: float) -> None:
        cells, in_use, full = self._cells, self._in_use(now), self._full(now)
        # The first sign for long may be chance, a second one while recovering tells where the limit is.
        cells[self.PLATEAU] = in_use if self._recovers(now) else full
        cells[self.FULL] = full
        cells[self.RATE] = min(in_use, rate)
        cells[self.RECOVERS_FROM] = min(resumes_at, now + LATEST_RECOVERY_S)
        cells[self.SLOW_BEFORE] = resumes_at

    def _in_use(self, now: float) -> float:
        """Give the rate, or less if less is used: to cut what nobody uses would change nothing."""
        rate, used = self.rate(now), self._cells[self.USED]
        return rate if used >= USED_SHARE * rate else min(rate, max(used, self._start))

    def _full(self, now: float) -> float:
        """Give what is to be reached again: what was used before the first of a chain of cuts."""
        if self._ceiling < math.inf:
            return self._ceiling
        return max(self._in_use(now), self._start, self._cells[self.FULL] if self._recovers(now) else 0.0)

    def _recovers(self, now: float) -> bool:
        return now - self._cells[self.RECOVERS_FROM] < RECOVERED_S

    def _end_round(self, now: float, elapsed_s: float) -> None:
        cells = self._cells
        if self._recovers(now):
            return
        rate = self.rate(now)
        new = open_rate(rate, cells[self.USED], elapsed_s, self._start)
        # Connections are opened meanwhile: what is sent in the first moments arrives late and bunched.
        new = min(new, self._ceiling, rate + self._ceiling * CEILING_SHARE_PER_ROUND)
        if new > rate:
            cells[self.GREW_AT] = now
        cells[self.RATE] = new
        cells[self.RECOVERS_FROM] = NEVER
