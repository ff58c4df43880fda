"""Are answers slower than they used to be? Every kind of request is compared with itself alone.

Pure arithmetic. Each process judges what it sees; what follows from it is decided for all of them.
"""

from __future__ import annotations

import math
import re

from lvrestore.looker.pace import MAX_ROUND_S, MIN_ROUND_S

# Half of a Looker's answers may come within 100 ms and one in a hundred take 800 ms. So a verdict needs many
# slow answers: with such a tail one in nine is three times slower than the middle, but nine in twelve never.
SLOW_FACTOR = 3.0
SLOW_BY_S = 0.2
VERDICT_OF = 12
SLOW_IN_VERDICT = 9
KNOWN_AFTER = 20
# What has lasted for some hundred answers is the new normal.
MEMORY = 200
SHORTEST_S = 1e-4
ANSWERS_PER_ROUND = 3.0
ROUND_SMOOTHING = 1 / 16

WORD = re.compile(r"[a-z_]+")


def template_of(path: str) -> str:
    """Give a path without what names a single object: `/dashboards/42` is `/dashboards/{id}`."""
    segments = path.split("/")[1:]
    return "".join("/" + (s if _is_fixed(place, s) else "{id}") for place, s in enumerate(segments))


def _is_fixed(place: int, segment: str) -> bool:
    # Collections and ids take turns: a LookML model's name looks like a collection's.
    if place % 2 == 0:
        return WORD.fullmatch(segment) is not None
    return segment == "search"


class Baseline:
    """How long one kind of request usually takes (the mean of the logarithm), and the latest answers."""

    def __init__(self) -> None:
        self._known, self._log_mean = 0, 0.0
        self._since, self._judged, self._slow = math.inf, 0, 0

    def slow_since(self, elapsed_s: float, sent_at: float) -> float | None:
        """Take an answer; give since when requests are answered slowly, once that is sure."""
        if self._known >= KNOWN_AFTER:
            usual_s = math.exp(self._log_mean)
            self._since = min(self._since, sent_at)
            self._judged += 1
            self._slow += elapsed_s > max(SLOW_FACTOR * usual_s, usual_s + SLOW_BY_S)
        self._learn(elapsed_s)
        return self._verdict() if self._judged == VERDICT_OF else None

    def _learn(self, elapsed_s: float) -> None:
        self._known = min(self._known + 1, MEMORY)
        self._log_mean += (math.log(max(elapsed_s, SHORTEST_S)) - self._log_mean) / self._known

    def _verdict(self) -> float | None:
        since, slow = self._since, self._slow
        self._since, self._judged, self._slow = math.inf, 0, 0
        return since if slow >= SLOW_IN_VERDICT else None


class LatencyWatch:
    """All kinds of requests of one process."""

    def __init__(self) -> None:
        self._baselines: dict[tuple[str, str], Baseline] = {}
        self._mean_s = MAX_ROUND_S / ANSWERS_PER_ROUND

    @property
    def round_s(self) -> float:
        """How long to wait for the effect of a change of pace: some answers, whatever they are to."""
        return min(MAX_ROUND_S, max(MIN_ROUND_S, ANSWERS_PER_ROUND * self._mean_s))

    def slow_since(self, method: str, path: str, elapsed_s: float, sent_at: float) -> float | None:
        """Take an answer; give since when requests of its kind are answered slowly, once that is sure."""
        self._mean_s += (elapsed_s - self._mean_s) * ROUND_SMOOTHING
        key = method, template_of(path)
        baseline = self._baselines.get(key)
        if baseline is None:
            baseline = self._baselines[key] = Baseline()
        return baseline.slow_since(elapsed_s, sent_at)
