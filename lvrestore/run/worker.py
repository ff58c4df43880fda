"""A worker process: some threads that restore items, and a main thread that listens to parent and writer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec

from lvrestore.content.calls import SwitchesOff
from lvrestore.crashpoints import reached
from lvrestore.errors import ApiError, PeerGone, RestorationError
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import SharedLimiter, StoppedWaiting
from lvrestore.looker.protocol import Token
from lvrestore.model import (
    BeforeImage,
    CreateSent,
    MappingNote,
    QueryTask,
    RestorationTask,
    SwitchedOff,
    UndeleteSent,
)
from lvrestore.play.workbench import RunConfig, Workbench
from lvrestore.run.memory import keep_one_heap
from lvrestore.run.messages import (
    Fatal,
    Hello,
    SharedNumbers,
    Stop,
    Stored,
    TokenGiven,
    TokenWanted,
    Unbegun,
)
from lvrestore.run.notes import switched_off, undelete_sent
from lvrestore.run.pipes import Pipe, meet, wait_for
from lvrestore.run.signals import DRAIN_S, leave_signals_to_the_parent
from lvrestore.state.lock import RunLock

LOOK_UP_S = 0.2
# The parent may have been busy with an older wish when this one arrived.
ASK_AGAIN_S = 2.0
# Without a parent or a writer nothing that is done now can be written down: only open requests may end.
ORPHAN_S = 3.0


class PipeTokens:
    """Tokens from the parent; one request however many threads need a newer one."""

    def __init__(self, parent: Pipe, first: Token, stop: Callable[[], bool] = lambda: False) -> None:
        self._parent, self._token, self._stop = parent, first, stop
        self._changed = threading.Condition()
        self._asked_for = 0
        self._error: ApiError | None = None

    def current(self) -> Token:
        """A token that can be used now."""
        token = self._token
        return token if time.monotonic() < token.expires_at_monotonic else self.renew(token)

    def renew(self, stale: Token) -> Token:
        """Ask the parent for a newer token than this one, and wait for it."""
        with self._changed:
            while self._token.generation <= stale.generation:
                if self._asked_for <= stale.generation:
                    self._asked_for = stale.generation + 1
                    self._error = None
                    self._parent.send(TokenWanted(stale.generation))
                if not self._changed.wait(ASK_AGAIN_S):
                    self._asked_for = 0
                if self._error is not None:
                    raise self._error
                if self._stop():
                    raise StoppedWaiting
            return self._token

    def give(self, given: TokenGiven) -> None:
        """Take a token, or the reason for none, from the parent."""
        with self._changed:
            if given.error is not None:
                self._error, self._asked_for = ApiError(given.error, passing=given.passing), 0
            elif given.generation > self._token.generation:
                self._token = Token(given.value, given.generation, given.expires_at_monotonic)
            self._changed.notify_all()


class PipeRecorder:
    """Sends what must be written down to the writer, in order."""

    def __init__(self, writer: Pipe) -> None:
        self._writer = writer
        self._tickets = count(1)
        self._waiting: dict[int, threading.Event] = {}
        self._given_up = False

    def note(self, mapping: MappingNote) -> None:
        """Send a mapping; the item's own result follows on the same pipe.

        One that is settled or referred to is waited for: the item goes on to look it up.
        """
        if mapping.settled or mapping.referred:
            self._store(lambda ticket: msgspec.structs.replace(mapping, ticket=ticket))
        else:
            self._writer.send(mapping)

    def keep(self, kind: str, destination_id: str, body: bytes) -> None:
        """Send a before-image and wait until it is stored."""
        self._store(
            lambda ticket: BeforeImage(kind=kind, destination_id=destination_id, body=body, ticket=ticket)
        )

    def _store(
        self,
        message: Callable[[int], BeforeImage | CreateSent | MappingNote | SwitchedOff | UndeleteSent],
    ) -> None:
        ticket = next(self._tickets)
        stored = self._waiting[ticket] = threading.Event()
        self._writer.send(message(ticket))
        # Whoever gives up sets the flag first: either it is seen here, or the event is set there.
        if not self._given_up:
            stored.wait()
        del self._waiting[ticket]
        if self._given_up:
            raise PeerGone

    def create(self, task: RestorationTask) -> None:
        """Send that a POST is about to leave and wait until that is stored."""
        self._store(
            lambda ticket: CreateSent(content_type=task.content_type, source_id=task.source_id, ticket=ticket)
        )

    def undelete(self, task: RestorationTask, destination_id: str) -> None:
        """Send that an item is about to come back from the trash and wait until that is stored."""
        self._store(lambda ticket: undelete_sent(task, destination_id, ticket))

    def switch_off(self, note: SwitchesOff) -> None:
        """Send what is about to be switched off and wait until that is stored."""
        self._store(lambda ticket: switched_off(note, ticket))

    def stored(self, ticket: int) -> None:
        """Let whoever waits for this ticket go on."""
        self._waiting[ticket].set()

    def give_up(self) -> None:
        """Nothing is going to be stored any more: what waits for it must not be written."""
        self._given_up = True
        for stored in list(self._waiting.values()):
            stored.set()


def worker_main(
    number: int,
    config: RunConfig,
    folder: Path,
    parent: Pipe,
    token: Token,
    shared: SharedNumbers,
    lock: RunLock,
) -> None:
    """Entry of a worker process. Holding `lock` keeps the destination ours while a request may be under way."""
    leave_signals_to_the_parent()
    keep_one_heap()
    try:
        writer = meet(folder)
        writer.send(Hello(number))
        _Worker(config, parent, writer, token, shared).run(number)
    except PeerGone:
        os._exit(1)
    except RestorationError as error:  # a scratch disk that is full, for one
        with suppress(PeerGone):
            parent.send(Fatal(error.kind, str(error)))
        os._exit(1)
    lock.release()


class _Worker:
    def __init__(
        self, config: RunConfig, parent: Pipe, writer: Pipe, token: Token, shared: SharedNumbers
    ) -> None:
        self._parent, self._writer = parent, writer
        self._tokens = PipeTokens(parent, token, self._cut_waits)
        self._recorder = PipeRecorder(writer)
        self._inbox: SimpleQueue[RestorationTask | QueryTask | None] = SimpleQueue()
        self._drain_until: float | None = None
        self._is_cut_off = False
        limiter, health = SharedLimiter.attach(shared.limits), Health.attach(shared.health)
        self._bench = Workbench(
            config, self._tokens, limiter, health, self._cut_waits, config.inflight, self._is_leaving
        )
        self._threads = [
            threading.Thread(target=self._restore_all, args=(self._bench,), daemon=True)
            for _ in range(config.inflight)
        ]

    def run(self, number: int) -> None:
        """Listen until there is nothing more to do, or nobody to do it for."""
        for thread in self._threads:
            thread.start()
        self._parent.send(Hello(number))
        while any(thread.is_alive() for thread in self._threads) or self._waits_for_the_end():
            for pipe in wait_for([self._parent, self._writer], LOOK_UP_S):
                if not self._listen(pipe):
                    self._leave_orphaned()
                    return
        self._bench.close()

    def _listen(self, pipe: Pipe) -> bool:
        try:
            message = pipe.receive()
        except PeerGone:
            return False
        match message:
            case RestorationTask() | QueryTask():
                self._inbox.put(message)
            case TokenGiven():
                self._tokens.give(message)
            case Stored(ticket):
                self._recorder.stored(ticket)
            case Stop(how):
                self._drain(DRAIN_S if how == "drain" else 0.0)
        return True

    def _drain(self, seconds: float) -> None:
        """Begin nothing new, and say what is left: nobody need doubt it."""
        self._drain_until = time.monotonic() + seconds
        left = [
            task for task in self._emptied_inbox() if isinstance(task, RestorationTask) and not task.uncertain
        ]
        if left:
            with suppress(PeerGone):
                self._writer.send(Unbegun(tuple((task.content_type, task.source_id) for task in left)))
        for _ in self._threads:
            self._inbox.put(None)

    def _emptied_inbox(self) -> Iterator[RestorationTask | QueryTask]:
        with suppress(Empty):
            while True:
                if (task := self._inbox.get_nowait()) is not None:
                    yield task

    def _leave_orphaned(self) -> None:
        self._drain(0.0)
        self._recorder.give_up()
        deadline = time.monotonic() + ORPHAN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        os._exit(1)

    def _waits_for_the_end(self) -> bool:
        """Whether no more calls are permitted, and the parent has not said yet that the run is over.

        A worker that ends before that counts as dead, and what it had in hand as lost.
        """
        return self._is_cut_off and not self._is_leaving()

    def _is_leaving(self) -> bool:
        return self._drain_until is not None

    def _cut_waits(self) -> bool:
        return self._drain_until is not None and time.monotonic() > self._drain_until

    def _restore_all(self, bench: Workbench) -> None:
        restore = bench.driver(self._recorder)
        while (task := self._inbox.get()) is not None:
            try:
                reached(_point_of(task))
                result = restore(task)
                reached("after_reply")
                self._writer.send(result)
            except StoppedWaiting:
                self._is_cut_off = True
                return
            except PeerGone:
                return
            except RestorationError as error:
                # Not the item's fault: nobody can go on with this login or this state file.
                with suppress(PeerGone):
                    self._parent.send(Fatal(error.kind, str(error)))
                return


def _point_of(task: RestorationTask | QueryTask) -> str:
    """The crash point of a task: its item, or what is to be made of queries."""
    return task.kind if isinstance(task, QueryTask) else f"{task.content_type.label}/{task.source_id}"
