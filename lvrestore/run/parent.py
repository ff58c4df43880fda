"""The parent of a run with worker processes: claims, gives out, tallies, replaces the dead.

It never waits for one worker: each has a credit of items, and gets more as the writer says they are stored.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from multiprocessing.process import BaseProcess
from typing import Any

import msgspec

from lvrestore.crashpoints import reached
from lvrestore.errors import ApiError, PeerGone, RestorationError, StateError
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.model import (
    ItemError,
    Operation,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
)
from lvrestore.play.workbench import RunConfig
from lvrestore.run.connection import Connection
from lvrestore.run.listener import Listener
from lvrestore.run.messages import (
    Claim,
    Fatal,
    Finished,
    Hello,
    Message,
    Stop,
    Stored,
    TokenGiven,
    TokenWanted,
    Unbegun,
    WorkerGone,
)
from lvrestore.run.pipes import Pipe, pipe_pair, private_folder, wait_for
from lvrestore.run.signals import DRAIN_S, StopFlag, hold_signals
from lvrestore.run.worker import worker_main
from lvrestore.run.writer import LAST_WORDS_S, writer_main
from lvrestore.scratch import remove_folder
from lvrestore.state.lock import RunLock

log = logging.getLogger(__name__)
LOOK_UP_S = 0.2
CLAIMS_AT_ONCE = 64
CREDITS_PER_THREAD = 2
REPLACEMENTS_PER_WORKER = 3
DEATHS_THAT_MAKE_SUSPECT = 2
GOODBYE_S = DRAIN_S + 5.0
Task = RestorationTask | QueryTask


class RunBrokenError(RestorationError):
    """A process that the run cannot do without has ended; what is stored is stored."""

    kind = "stopped"

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint or "nothing that was stored is lost: `lvrestore resume` continues"

    def __str__(self) -> str:
        return self.reason


class _Child:
    """A worker as the parent sees it."""

    def __init__(self, process: BaseProcess, pipe: Pipe) -> None:
        self.process, self.pipe = process, pipe
        self.ready = False
        self.in_hand: dict[int, Task] = {}


class Crew:
    """Workers and writer of one run."""

    def __init__(
        self,
        config: RunConfig,
        connection: Connection,
        lock: RunLock,
        stop: StopFlag,
        listener: Listener,
    ) -> None:
        self._config, self._tokens, self._lock = config, connection.tokens, lock
        self._shared = connection.numbers()
        self._stop, self._listener = stop, listener
        self._context = multiprocessing.get_context("spawn")
        self._folder = private_folder()
        self._workers: dict[int, _Child] = {}
        self._numbers = count(1)
        self._tickets = count(1)
        self._claiming: dict[int, list[RestorationTask]] = {}
        self._ready: deque[Task] = deque()
        self._exhausted = False
        self._unstarted = config.procs
        self._replacements_left = REPLACEMENTS_PER_WORKER * config.procs
        self._deaths: Counter[int] = Counter()
        self._buried: set[int] = set()
        self._login: threading.Thread | None = None

    def run(self, waves: Iterator[Iterator[Task]]) -> None:
        """Restore all tasks. Returns when every one has a stored result, or the stop flag was obeyed."""
        self._start_writer()
        try:
            self._start_more()
            for tasks in waves:
                self._work(tasks)
                reached("between_waves")
            self._say_goodbye()
        finally:
            self._end_all()
        reached("before_finish")

    # -- starting and ending

    def _start_writer(self) -> None:
        ours, theirs = pipe_pair()
        self._writer = ours
        self._writer_process = self._context.Process(
            target=writer_main,
            args=(
                self._folder,
                self._shared.folders,
                self._config.state_path,
                self._config.checkpoint_interval,
                self._config.scope,
                theirs,
                self._lock,
            ),
            name="lvrestore writer",
            daemon=True,
        )
        _start(self._writer_process)
        theirs.close()
        self._handle_writer(self._receive(self._writer))

    def _start_more(self) -> None:
        """Start workers that are wanted, as many at a time as start side by side: the first one is soon ready."""
        starting = sum(not child.ready for child in self._workers.values())
        for _ in range(min(self._unstarted, (os.cpu_count() or 1) - starting)):
            self._unstarted -= 1
            self._start_worker()

    def _start_worker(self) -> None:
        number = next(self._numbers)
        ours, theirs = pipe_pair()
        process = self._context.Process(
            target=worker_main,
            args=(
                number,
                self._config,
                self._folder,
                theirs,
                self._tokens.latest(),
                self._shared,
                self._lock,
            ),
            name=f"lvrestore worker {number}",
            daemon=True,
        )
        _start(process)
        theirs.close()
        self._workers[number] = _Child(process, ours)

    def _say_goodbye(self) -> None:
        """Let the workers finish, then the writer: it stores what they still say."""
        self._unclaim([*self._ready, *(task for batch in self._claiming.values() for task in batch)])
        stop = Stop("now" if self._stop.cut_waits() else "drain")
        for child in self._workers.values():
            self._tell(child.pipe, stop)
        while self._workers:
            if not self._turn(GOODBYE_S):
                log.warning("%d workers did not end in time", len(self._workers))
                break
        self._tell(self._writer, Stop("drain"))
        self._writer_process.join(GOODBYE_S)

    def _unclaim(self, tasks: list[Task]) -> None:
        """Take back the claims of items that nobody began: a resume need not doubt them."""
        items = [task for task in tasks if isinstance(task, RestorationTask)]
        if unbegun := tuple((t.content_type, t.source_id) for t in items if not t.uncertain):
            self._tell(self._writer, Unbegun(unbegun))

    def _end_all(self) -> None:
        """Whatever happened, leave no process behind."""
        for child in self._workers.values():
            child.pipe.close()
        self._writer.close()
        for child in self._workers.values():
            _end(child.process, 1.0)
        _end(self._writer_process, LAST_WORDS_S)
        remove_folder(self._folder)

    # -- the loop

    def _work(self, tasks: Iterator[Task]) -> None:
        """Restore one wave; the next one may refer to what is made here."""
        self._exhausted = False
        while not self._stop:
            if not self._exhausted:
                self._exhausted = not self._claim_more(tasks)
            self._give_out()
            if self._exhausted and not self._outstanding():
                return
            self._turn(LOOK_UP_S)

    def _outstanding(self) -> int:
        claiming = sum(len(batch) for batch in self._claiming.values())
        in_hand = sum(len(child.in_hand) for child in self._workers.values())
        return claiming + len(self._ready) + in_hand + len(self._buried)

    def _claim_more(self, tasks: Iterator[Task]) -> bool:
        """Have the next tasks claimed, up to what the workers have credit for; False at the end of the vault."""
        window = CREDITS_PER_THREAD * self._config.inflight * self._config.procs
        outstanding = self._outstanding()
        free = window - outstanding
        if free < min(CLAIMS_AT_ONCE, window) // 2 and outstanding:
            return True
        room = min(free, CLAIMS_AT_ONCE, self._listener.room(outstanding))
        if room <= 0:
            return True
        batch = list(islice(tasks, room))
        self._ready.extend(task for task in batch if isinstance(task, QueryTask))  # no item's, so no claim
        if items := [task for task in batch if isinstance(task, RestorationTask)]:
            self._send_claim(items)
        return bool(batch)

    def _send_claim(self, batch: list[RestorationTask]) -> None:
        reached("before_claim")
        ticket = next(self._tickets)
        self._claiming[ticket] = batch
        self._tell(self._writer, Claim(tuple((t.content_type, t.source_id) for t in batch), ticket))

    def _give_out(self) -> None:
        """One item at a time to whoever has the fewest in hand."""
        while self._ready:
            able = [child for child in self._workers.values() if self._can_take(child, self._ready[0])]
            if not able:
                self._start_more()
                return
            child = min(able, key=lambda c: len(c.in_hand))
            task = self._ready.popleft()
            child.in_hand[task.seq] = task
            self._tell(child.pipe, task)

    def _can_take(self, child: _Child, task: Task) -> bool:
        """Whether a worker has credit. An item that workers died of has one for itself, to see whether it was it."""
        # Asked for every item and worker: where none has died there is nobody to suspect.
        if self._deaths and any(self._is_suspect(one) for one in (task, *child.in_hand.values())):
            return child.ready and not child.in_hand
        return child.ready and len(child.in_hand) < CREDITS_PER_THREAD * self._config.inflight

    def _is_suspect(self, task: Task) -> bool:
        return self._deaths[task.seq] >= DEATHS_THAT_MAKE_SUSPECT

    def _turn(self, timeout_s: float) -> bool:
        """Handle what has arrived; False when nothing did."""
        pipes: dict[Any, int] = {
            child.pipe: number for number, child in self._workers.items() if child.process.is_alive()
        }
        # The end of a worker that was ready is announced by the writer, after its last words.
        sentinels = {c.process.sentinel: number for number, c in self._workers.items() if not c.ready}
        ready = wait_for([self._writer, self._writer_process.sentinel, *pipes, *sentinels], timeout_s)
        for one in ready:
            if one is self._writer or one == self._writer_process.sentinel:
                self._handle_writer(self._receive(self._writer))
            elif one in pipes:
                self._handle_worker(pipes[one])
        for one in ready:
            if one in sentinels:
                self._take_back(sentinels[one])
        self._listener.tick()
        return bool(ready)

    def _receive(self, pipe: Pipe) -> Message:
        try:
            return pipe.receive()
        except PeerGone as gone:
            raise RunBrokenError("the process that writes the state file has ended") from gone

    def _tell(self, pipe: Pipe, message: Message) -> None:
        with suppress(PeerGone):  # its end is met, and handled, in the loop
            pipe.send(message)

    # -- what others say

    def _handle_writer(self, message: Message) -> None:
        match message:
            case Stored(ticket):
                reached("after_claim")
                self._ready.extend(self._claiming.pop(ticket))
            case Finished(worker, results):
                for result in results:
                    self._finish(worker, result)
            case WorkerGone(worker):
                self._take_back(worker)
            case Fatal():
                raise RunBrokenError(message.message, message.hint)

    def _finish(self, worker: int, result: RestorationResult | QueryResult) -> None:
        if worker in self._workers:
            self._workers[worker].in_hand.pop(result.seq, None)
        if isinstance(result, QueryResult):
            self._listener.query(result)
            return
        self._buried.discard(result.seq)
        self._listener.result(result)

    def _handle_worker(self, number: int) -> None:
        child = self._workers.get(number)
        if child is None:
            return  # taken back a moment ago
        try:
            message = child.pipe.receive()
        except PeerGone:
            return  # its sentinel follows
        match message:
            case Hello():
                child.ready = True
            case TokenWanted(generation):
                self._renew_token(generation)
            case Fatal(kind=StateError.kind, message=text):
                raise RunBrokenError(text)
            case Fatal(message=text):
                raise ApiError(text)

    def _renew_token(self, generation: int) -> None:
        """Log in, beside the loop, which must not wait for the instance."""
        if self._login is None or not self._login.is_alive():
            self._login = threading.Thread(target=self._log_in, args=(generation,), name="login", daemon=True)
            self._login.start()

    def _log_in(self, generation: int) -> None:
        try:
            token = self._tokens.latest()
            if token.generation <= generation:
                token = self._tokens.renew(token)
            given = TokenGiven(token.value, token.generation, token.expires_at_monotonic)
        except ApiError as error:
            given = TokenGiven("", generation, 0.0, error=str(error), passing=error.passing)
        except StoppedWaiting:
            return
        for child in list(self._workers.values()):
            self._tell(child.pipe, given)

    def _take_back(self, number: int) -> None:
        """Everything the worker did is stored; what it still had in hand is uncertain and given out again."""
        child = self._workers.pop(number, None)
        if child is None:
            return
        child.pipe.close()
        _end(child.process, 1.0)
        self._deaths.update(child.in_hand.keys())
        lost = [self._uncertain(task) for task in child.in_hand.values() if not self._bury(task)]
        self._ready.extendleft(lost)
        if self._stop or (self._exhausted and not self._outstanding()):
            return
        log.warning(
            "worker %d ended (exit code %s); %d of its items are looked up and tried again",
            number,
            child.process.exitcode,
            len(lost),
        )
        if self._replacements_left == 0:
            raise RunBrokenError("worker processes keep dying")
        self._replacements_left -= 1
        self._start_worker()

    def _bury(self, task: Task) -> bool:
        """Give an item up that one worker after the other died of, the last one with nothing else in hand.

        A query is just not made: the items that show it find that out.
        """
        deaths = self._deaths[task.seq]
        if deaths <= DEATHS_THAT_MAKE_SUSPECT:
            return False
        if isinstance(task, QueryTask):
            return True
        self._buried.add(task.seq)
        message = f"{deaths} worker processes died while they restored it (out of memory, or a bug)"
        result = RestorationResult(
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
        self._tell(self._writer, result)
        return True

    def _uncertain(self, task: Task) -> Task:
        """The item as it is given out again: its last request may be on its way for as long as one can take.

        A query is simply made again: the server gives back the one that is there.
        """
        if isinstance(task, QueryTask):
            return task
        return msgspec.structs.replace(
            task,
            uncertain=True,
            lands_until=datetime.now(UTC) + timedelta(seconds=self._config.endpoint.grace_s),
        )


def _start(process: BaseProcess) -> None:
    # A child that has not yet said so would die of the Ctrl-C that is meant for the parent.
    with hold_signals():
        process.start()


def _end(process: BaseProcess, patience_s: float) -> None:
    process.join(patience_s)
    if process.is_alive():
        process.kill()
        process.join()
