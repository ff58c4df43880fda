"""Who has what in hand: which task is claimed, given out, given out again or given up.

The ledger knows workers by their numbers. It starts no process, sends nothing and reads no clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from itertools import count

import msgspec

from lvrestore.model import (
    ContentType,
    ItemError,
    Operation,
    QueryTask,
    RestorationResult,
    RestorationTask,
)

CLAIMS_AT_ONCE = 64
CREDITS_PER_THREAD = 2
# A task that was in hand at so many deaths is a suspect; at one more it is given up.
DEATHS_THAT_MAKE_SUSPECT = 2
Task = RestorationTask | QueryTask
Names = tuple[tuple[ContentType, str], ...]


class Claimed(msgspec.Struct, frozen=True):
    """Items that are given out once their claim is stored. `ticket` tells this claim from the others."""

    ticket: int
    items: Names


class Lost(msgspec.Struct, frozen=True):
    """What becomes of the tasks of a dead worker: `again` counts those that are given out again."""

    again: int
    given_up: tuple[RestorationResult, ...]


class Ledger:
    """The tasks of a run, from their claim to their stored result."""

    def __init__(self, workers: int, threads: int) -> None:
        """`workers` is how many work at a time; `threads` is how many tasks each of them works on at a time."""
        self._credit = CREDITS_PER_THREAD * threads
        self._window = self._credit * workers
        self._in_hand: dict[int, dict[int, Task]] = {}
        self._tickets = count(1)
        self._claiming: dict[int, list[RestorationTask]] = {}
        self._waiting: deque[Task] = deque()
        self._exhausted = False
        self._deaths: Counter[int] = Counter()
        self._buried: set[int] = set()

    # -- a wave

    def begin_wave(self) -> None:
        """Expect tasks again after the last wave has come to its end."""
        self._exhausted = False

    def wave_is_done(self) -> bool:
        """Whether every task of the wave was claimed and has a stored result."""
        return self._exhausted and not self.outstanding()

    def outstanding(self) -> int:
        """How many tasks have no stored result yet: claimed, waiting, in hand or given up."""
        claiming = sum(len(batch) for batch in self._claiming.values())
        in_hand = sum(len(tasks) for tasks in self._in_hand.values())
        return claiming + len(self._waiting) + in_hand + len(self._buried)

    # -- claims

    def free(self) -> int:
        """How many tasks may be claimed now. Returns 0 until it is worth a claim, and at the end of a wave."""
        free = self._window - self.outstanding()
        if self._exhausted or free < min(CLAIMS_AT_ONCE, self._window) // 2:
            return 0
        return min(free, CLAIMS_AT_ONCE)

    def claim(self, batch: Sequence[Task]) -> Claimed | None:
        """Take the next tasks of the wave, and return the claim to store. An empty batch is the end of the wave.

        A query is not an item: it needs no claim and can be given out at once.
        """
        self._exhausted = not batch
        self._waiting.extend(task for task in batch if isinstance(task, QueryTask))
        items = [task for task in batch if isinstance(task, RestorationTask)]
        if not items:
            return None
        ticket = next(self._tickets)
        self._claiming[ticket] = items
        return Claimed(ticket, _names(items))

    def stored(self, ticket: int) -> None:
        """Let the items of a claim be given out: their claim is stored."""
        self._waiting.extend(self._claiming.pop(ticket))

    def unbegun(self) -> Names:
        """The items that were claimed and that no worker began. A resume need not doubt them."""
        tasks = [*self._waiting, *(task for batch in self._claiming.values() for task in batch)]
        return _names([task for task in tasks if isinstance(task, RestorationTask) and not task.uncertain])

    # -- workers

    def hire(self, worker: int) -> None:
        """Give tasks to this worker from now on: it is ready."""
        self._in_hand[worker] = {}

    def is_hired(self, worker: int) -> bool:
        """Whether the worker has said that it is ready."""
        return worker in self._in_hand

    def has_waiting(self) -> bool:
        """Whether a task waits for a worker."""
        return bool(self._waiting)

    def give_out(self) -> tuple[int, Task] | None:
        """Give the first waiting task to the worker that has the fewest in hand.

        Returns None if no task waits or no worker can take it.
        """
        if not self._waiting:
            return None
        task = self._waiting[0]
        able = [worker for worker in self._in_hand if self._can_take(worker, task)]
        if not able:
            return None
        worker = min(able, key=lambda one: (len(self._in_hand[one]), one))
        self._in_hand[worker][task.seq] = self._waiting.popleft()
        return worker, task

    def finish(self, worker: int, seq: int) -> None:
        """Strike out a task: its result is stored."""
        self._in_hand.get(worker, {}).pop(seq, None)
        self._buried.discard(seq)

    def lose(self, worker: int, lands_until: datetime) -> Lost:
        """Settle what a dead worker had in hand; everything else that it did is stored.

        Its tasks are given out again, before all others. Items are uncertain then: the last request of an item may
        still be carried out until `lands_until`. A query that is given up is just not made; the items that show the
        query find that out.
        """
        tasks = self._in_hand.pop(worker, {})
        self._deaths.update(tasks.keys())
        guilty = [seq for seq in tasks if self._deaths[seq] > DEATHS_THAT_MAKE_SUSPECT]
        again = [_uncertain(task, lands_until) for seq, task in tasks.items() if seq not in guilty]
        self._waiting.extendleft(again)
        given_up = [tasks[seq] for seq in guilty]
        return Lost(len(again), tuple(self._bury(t) for t in given_up if isinstance(t, RestorationTask)))

    def _can_take(self, worker: int, task: Task) -> bool:
        """Whether a worker has credit. A suspect is its worker's only task, to see whether the suspect is to blame."""
        in_hand = self._in_hand[worker]
        # Asked for every task and worker: where none has died there is nobody to suspect.
        if self._deaths and any(self._is_suspect(one) for one in (task, *in_hand.values())):
            return not in_hand
        return len(in_hand) < self._credit

    def _is_suspect(self, task: Task) -> bool:
        return self._deaths[task.seq] >= DEATHS_THAT_MAKE_SUSPECT

    def _bury(self, task: RestorationTask) -> RestorationResult:
        """Give up an item that one worker after the other died of, the last one with nothing else in hand."""
        self._buried.add(task.seq)
        deaths = self._deaths[task.seq]
        message = f"{deaths} worker processes died while they restored it (out of memory, or a bug)"
        return RestorationResult(
            seq=task.seq,
            content_type=task.content_type,
            source_id=task.source_id,
            name=task.name,
            operation=Operation.FAILED,
            attempts=deaths,
            error=ItemError(kind="internal", message=message),
            blob=task.blob,
            earlier=task.earlier,
            earlier_error=task.earlier_error,
        )


def _names(items: Sequence[RestorationTask]) -> Names:
    return tuple((item.content_type, item.source_id) for item in items)


def _uncertain(task: Task, lands_until: datetime) -> Task:
    # A query is simply made again: the server gives back the one that is there.
    if isinstance(task, QueryTask):
        return task
    return msgspec.structs.replace(task, uncertain=True, lands_until=lands_until)
