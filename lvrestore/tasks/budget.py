"""The limits that a run sets itself: it begins no more than they leave room for, and finishes what is in hand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lvrestore.durations import spoken
from lvrestore.model import ContentType, Operation, RestorationResult
from lvrestore.settings import OwnLimits

UNLIMITED = 1_000_000
# What an item may cost before any of its type has told.
FIRST_GUESS_CALLS = 8.0
# Only this part of what is left is given to items that are begun: some cost many times the average, and then the
# next ones are fewer. So a run ends near the limit, one item at a time.
SHARE_IN_HAND = 3.0


class Budget:
    """What is left of the limits."""

    def __init__(
        self,
        limits: OwnLimits,
        sent: Callable[[], int],
        give_up: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sent` tells how many calls the whole run has made; `give_up` stops it, resumable."""
        self._limits, self._sent, self._give_up, self._clock = limits, sent, give_up, clock
        self._started = clock()
        self._errors = 0
        self._items: Counter[ContentType] = Counter()
        self._calls: Counter[ContentType] = Counter()

    def note(self, result: RestorationResult) -> None:
        """Count an item that has ended; one that only waits for another is no error of its own."""
        self._items[result.content_type] += 1
        self._calls[result.content_type] += result.calls.total
        failed = result.operation is Operation.FAILED
        waits = result.waits or (result.error is not None and result.error.kind == "dependency")
        self._errors += failed and not waits

    def look(self) -> None:
        """Stop the run if a limit is reached, whether it could begin items or not."""
        if (reason := self.spent()) is not None:
            self._give_up(reason)

    def room(self, in_hand: int) -> int:
        """How many more items may be begun while that many are under way; stops the run when none ever may."""
        left = self._room(in_hand)
        reason = self.spent() or (
            None
            if left > 0 or in_hand
            else f"the rest of --max-calls {self._limits.calls} is not enough for another item"
        )
        if reason is not None:
            self._give_up(reason)
            return 0
        return max(0, left)

    def _room(self, in_hand: int) -> int:
        if self._limits.calls is None:
            return UNLIMITED
        # The dearest type: the next wave may be of another one than the last.
        averages = [self._calls[one] / items for one, items in self._items.items()]
        affordable = (self._limits.calls - self._sent()) / max([FIRST_GUESS_CALLS, *averages])
        return max(int(affordable >= 1.0), int(affordable / SHARE_IN_HAND)) - in_hand

    def spent(self) -> str | None:
        """Which limit is reached; None while none is."""
        limits = self._limits
        if limits.errors is not None and self._errors >= limits.errors:
            return f"{self._errors:,} items failed (--max-errors {limits.errors})"
        if limits.calls is not None and (sent := self._sent()) >= limits.calls:
            return f"{sent:,} API calls were made (--max-calls {limits.calls})"
        return self.overtime()

    def overtime(self) -> str | None:
        """Why not even reading may go on; None while it may."""
        limit_s = self._limits.duration_s
        if limit_s is None or self._clock() - self._started < limit_s:
            return None
        return f"{spoken(limit_s)} are over (--max-duration)"
