"""The parent of a run with worker processes: starts them, talks to them, replaces the dead.

It never waits for one worker: each has a credit of items, and gets more as the writer says they are stored. The ledger
decides who gets what.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from lvrestore.crashpoints import reached
from lvrestore.errors import ApiError, PeerGone, RestorationError, StateError
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.model import QueryResult, RestorationResult
from lvrestore.play.workbench import RunConfig
from lvrestore.run.connection import Connection
from lvrestore.run.ledger import Ledger, Task
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
REPLACEMENTS_PER_WORKER = 3
GOODBYE_S = DRAIN_S + 5.0


class RunBrokenError(RestorationError):
    """A process that the run cannot do without has ended; what is stored is stored."""

    kind = "stopped"

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint or "nothing that was stored is lost: `lvrestore resume` continues"

    def __str__(self) -> str:
        return self.reason


class _Child(NamedTuple):
    """A worker as the parent sees it."""

    process: BaseProcess
    pipe: Pipe


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
        self._ledger = Ledger(config.procs, config.inflight)
        self._unstarted = config.procs
        self._replacements_left = REPLACEMENTS_PER_WORKER * config.procs
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
        starting = sum(not self._ledger.is_hired(number) for number in self._workers)
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
        if unbegun := self._ledger.unbegun():
            self._tell(self._writer, Unbegun(unbegun))
        stop = Stop("now" if self._stop.cut_waits() else "drain")
        for child in self._workers.values():
            self._tell(child.pipe, stop)
        while self._workers:
            if not self._turn(GOODBYE_S):
                log.warning("%d workers did not end in time", len(self._workers))
                break
        self._tell(self._writer, Stop("drain"))
        self._writer_process.join(GOODBYE_S)

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
        self._ledger.begin_wave()
        while not self._stop:
            self._claim_more(tasks)
            self._give_out()
            if self._ledger.wave_is_done():
                return
            self._turn(LOOK_UP_S)

    def _claim_more(self, tasks: Iterator[Task]) -> None:
        """Have the next tasks claimed: as many as workers have credit for, and as the limits of the run permit."""
        if not (free := self._ledger.free()):
            return
        room = min(free, self._listener.room(self._ledger.outstanding()))
        if room <= 0:
            return
        if claimed := self._ledger.claim(list(islice(tasks, room))):
            reached("before_claim")
            self._tell(self._writer, Claim(claimed.items, claimed.ticket))

    def _give_out(self) -> None:
        while given := self._ledger.give_out():
            worker, task = given
            self._tell(self._workers[worker].pipe, task)
        if self._ledger.has_waiting():
            self._start_more()

    def _turn(self, timeout_s: float) -> bool:
        """Handle what has arrived; False when nothing did."""
        pipes: dict[Any, int] = {
            child.pipe: number for number, child in self._workers.items() if child.process.is_alive()
        }
        # The end of a worker that was ready is announced by the writer, after its last words.
        sentinels = {
            child.process.sentinel: number
            for number, child in self._workers.items()
            if not self._ledger.is_hired(number)
        }
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
                self._ledger.stored(ticket)
            case Finished(worker, results):
                for result in results:
                    self._finish(worker, result)
            case WorkerGone(worker):
                self._take_back(worker)
            case Fatal():
                raise RunBrokenError(message.message, message.hint)

    def _finish(self, worker: int, result: RestorationResult | QueryResult) -> None:
        self._ledger.finish(worker, result.seq)
        if isinstance(result, QueryResult):
            self._listener.query(result)
        else:
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
                self._ledger.hire(number)
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
        """Everything the worker did is stored; the ledger settles what it still had in hand."""
        child = self._workers.pop(number, None)
        if child is None:
            return
        child.pipe.close()
        _end(child.process, 1.0)
        lost = self._ledger.lose(number, datetime.now(UTC) + timedelta(seconds=self._config.endpoint.grace_s))
        for result in lost.given_up:
            self._tell(self._writer, result)
        if self._stop or self._ledger.wave_is_done():
            return
        log.warning(
            "worker %d ended (exit code %s); %d of its items are looked up and tried again",
            number,
            child.process.exitcode,
            lost.again,
        )
        if self._replacements_left == 0:
            raise RunBrokenError("worker processes keep dying")
        self._replacements_left -= 1
        self._start_worker()


def _start(process: BaseProcess) -> None:
    # A child that has not yet said so would die of the Ctrl-C that is meant for the parent.
    with hold_signals():
        process.start()


def _end(process: BaseProcess, patience_s: float) -> None:
    process.join(patience_s)
    if process.is_alive():
        process.kill()
        process.join()
