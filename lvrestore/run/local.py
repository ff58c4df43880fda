"""A run inside the parent process: for single items, small selections and dry runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from itertools import islice

import msgspec

from lvrestore.content.calls import SwitchesOff
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.model import (
    BeforeImage,
    CreateSent,
    MappingNote,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
)
from lvrestore.play.workbench import RunConfig, Workbench
from lvrestore.rehearsal.recorder import NothingRecorded
from lvrestore.run.connection import Connection
from lvrestore.run.listener import Listener
from lvrestore.run.notes import switched_off, undelete_sent
from lvrestore.run.signals import StopFlag
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore

LOOK_UP_S = 0.2
Task = RestorationTask | QueryTask
Result = RestorationResult | QueryResult


class LocalRecorder:
    """Commits every note at once; the store is shared by the threads of this process."""

    def __init__(self, store: StateStore, scope: Scope) -> None:
        self._store, self._scope = store, scope
        self._lock = threading.Lock()

    def note(self, mapping: MappingNote) -> None:
        """Store a mapping."""
        with self._lock:
            self._store.write(self._scope, [mapping])

    def keep(self, kind: str, destination_id: str, body: bytes) -> None:
        """Store a before-image."""
        image = BeforeImage(kind=kind, destination_id=destination_id, body=body, ticket=0)
        with self._lock:
            self._store.write(self._scope, [image])

    def create(self, task: RestorationTask) -> None:
        """Store that a POST is about to leave."""
        sent = CreateSent(content_type=task.content_type, source_id=task.source_id, ticket=0)
        with self._lock:
            self._store.write(self._scope, [sent])

    def undelete(self, task: RestorationTask, destination_id: str) -> None:
        """Store that an item is about to come back from the trash."""
        with self._lock:
            self._store.write(self._scope, [undelete_sent(task, destination_id)])

    def switch_off(self, note: SwitchesOff) -> None:
        """Store what is about to be switched off."""
        with self._lock:
            self._store.write(self._scope, [switched_off(note)])

    def claim(self, task: RestorationTask) -> None:
        """Store the claim of one item."""
        with self._lock:
            self._store.claim(self._scope, [(task.content_type, task.source_id)])

    def finish(self, result: RestorationResult) -> None:
        """Store how an item ended."""
        with self._lock:
            self._store.write(self._scope, [result])


def run_locally(
    config: RunConfig,
    waves: Iterable[Iterable[Task]],
    recorder: LocalRecorder | NothingRecorded,
    on_result: Callable[[RestorationResult], None],
    listener: Listener,
    *,
    connection: Connection,
    stop: StopFlag,
    threads: int,
) -> None:
    """Restore the tasks with some threads; an item counts once its result is stored, and is told to `on_result`."""
    rehearsal = recorder if isinstance(recorder, NothingRecorded) else NothingRecorded()
    bench = Workbench(
        config,
        connection.tokens,
        connection.limiter,
        connection.health,
        stop.cut_waits,
        threads,
        stop.__bool__,
        rehearsal.planned,
        rehearsal.ended,
        rehearsal.tried,
    )
    drivers = threading.local()

    def restore(task: Task) -> Result:
        if not hasattr(drivers, "restore"):
            drivers.restore = bench.driver(recorder)
        if isinstance(task, RestorationTask):
            recorder.claim(task)
        result: Result = drivers.restore(task)
        if isinstance(result, RestorationResult):
            recorder.finish(result)
        return result

    def tell(result: Result) -> None:
        if isinstance(result, QueryResult):
            listener.query(result)
        else:
            on_result(result)

    with closing(bench), ThreadPoolExecutor(threads) as pool:
        for tasks in waves:
            crowd = _Crowd(threads, listener.room, listener.tick)
            for done in crowd.run(lambda task: pool.submit(restore, task), tasks, stop):
                with suppress(StoppedWaiting):  # its claim stays: a resume settles the item
                    tell(done.result())


class _Crowd(msgspec.Struct, frozen=True):
    """Keeps the threads busy without reading ahead more than they need."""

    threads: int
    may_begin: Callable[[int], int]
    on_tick: Callable[[], None]

    def run(
        self,
        begin: Callable[[Task], Future[Result]],
        tasks: Iterable[Task],
        stop: StopFlag,
    ) -> Iterator[Future[Result]]:
        """Begin all tasks, unless stopped, and yield each as it is done."""
        source = iter(tasks)
        running: set[Future[Result]] = set()
        while True:
            begun = set() if stop else {begin(task) for task in islice(source, self._room(len(running)))}
            running |= begun
            if not running:
                return
            done, running = wait(running, LOOK_UP_S, FIRST_COMPLETED)
            yield from done
            self.on_tick()

    def _room(self, in_hand: int) -> int:
        free = self.threads - in_hand
        return min(free, self.may_begin(in_hand)) if free else 0
