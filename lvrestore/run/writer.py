"""The writer process: the only one that writes the state file. It commits what has arrived, then says so."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from lvrestore.errors import PeerGone, StateError
from lvrestore.model import (
    BeforeImage,
    CreateSent,
    MappingNote,
    QueryResult,
    RestorationResult,
    SwitchedOff,
    UndeleteSent,
)
from lvrestore.run.messages import Claim, Fatal, Finished, Hello, Message, Stop, Stored, Unbegun, WorkerGone
from lvrestore.run.pipes import MeetingPoint, Pipe, wait_for
from lvrestore.run.signals import leave_signals_to_the_parent
from lvrestore.scratch import remove_folder
from lvrestore.state.lock import RunLock
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore, Storable

log = logging.getLogger(__name__)
FRAMES_PER_TURN = 64
# After the parent's death the workers finish their requests; what they still report is kept.
LAST_WORDS_S = 10.0


def writer_main(
    folder: Path,
    leftovers: tuple[Path, ...],
    state_path: Path,
    checkpoint_interval: int,
    scope: Scope,
    parent: Pipe,
    lock: RunLock,
) -> None:
    """Entry of the writer process. Holding `lock` keeps the destination ours until the last word is stored.

    `leftovers` are temporary folders of the run: a parent that was killed cannot remove them.
    """
    leave_signals_to_the_parent()
    try:
        with StateStore(state_path, checkpoint_interval) as store:
            _Writer(MeetingPoint(folder), store, scope, parent).run()
    except StateError as error:
        # Nothing more can be promised to anybody.
        with suppress(PeerGone):  # it may have met the full disk itself
            parent.send(Fatal(error.kind, str(error), error.hint))
        os._exit(1)
    finally:
        for leftover in (folder, *leftovers):
            remove_folder(leftover)
        lock.release()


class _Writer:
    def __init__(self, door: MeetingPoint, store: StateStore, scope: Scope, parent: Pipe) -> None:
        self._door, self._store, self._scope, self._parent = door, store, scope, parent
        self._workers: dict[Pipe, int] = {}
        self._parent_left = False
        self._stopping = False

    def run(self) -> None:
        self._parent.send(Hello(-1))
        while not self._stopping or self._workers:
            sources = [self._door, *self._workers, *([] if self._parent_left else [self._parent])]
            ready = wait_for(sources, LAST_WORDS_S if self._stopping else None)
            if not ready:
                return
            self._turn(ready)

    def _turn(self, ready: list[Any]) -> None:
        if self._door in ready:
            self._workers[self._door.accept()] = -1
        claims: list[Claim | Unbegun] = []
        batch: list[tuple[Pipe, Storable | QueryResult]] = []
        gone: list[Pipe] = []
        for pipe in [p for p in (*self._workers, self._parent) if p in ready]:
            for message in self._frames(pipe, gone):
                match message:
                    case Claim() | Unbegun():
                        claims.append(message)
                    case Stop():
                        self._stopping = True
                    case Hello(worker):
                        self._workers[pipe] = worker
                    case MappingNote() | BeforeImage() | CreateSent() | UndeleteSent() | SwitchedOff():
                        batch.append((pipe, message))
                    case RestorationResult() | QueryResult():
                        batch.append((pipe, message))
        self._commit(claims, batch)
        self._acknowledge(claims, batch)
        self._see_off(gone)

    def _frames(self, pipe: Pipe, gone: list[Pipe]) -> list[Message]:
        frames: list[Message] = []
        try:
            while len(frames) < FRAMES_PER_TURN and pipe.waiting():
                frames.append(pipe.receive())
        except PeerGone:
            gone.append(pipe)
        return frames

    def _commit(
        self,
        claims: list[Claim | Unbegun],
        batch: list[tuple[Pipe, Storable | QueryResult]],
    ) -> None:
        for claim in claims:
            store = self._store.claim if isinstance(claim, Claim) else self._store.unclaim
            store(self._scope, claim.items)
        # The mappings of a query were stored before: its result only says that there are no more.
        if storable := [message for _, message in batch if not isinstance(message, QueryResult)]:
            self._store.write(self._scope, storable)

    def _acknowledge(
        self,
        claims: list[Claim | Unbegun],
        batch: list[tuple[Pipe, Storable | QueryResult]],
    ) -> None:
        for claim in claims:
            if isinstance(claim, Claim):
                self._tell(self._parent, Stored(claim.ticket))
        finished: defaultdict[int, list[RestorationResult | QueryResult]] = defaultdict(list)
        for pipe, message in batch:
            if isinstance(message, BeforeImage | CreateSent | MappingNote | SwitchedOff | UndeleteSent):
                if message.ticket is not None:
                    self._tell(pipe, Stored(message.ticket))
            elif isinstance(message, RestorationResult):
                light = msgspec.structs.replace(message, blob=None, changes=())
                # The parent itself gives up what kills its workers.
                finished[self._workers.get(pipe, -1)].append(light)
            else:
                finished[self._workers[pipe]].append(message)
        for worker, results in finished.items():
            self._tell(self._parent, Finished(worker, tuple(results)))

    def _see_off(self, gone: list[Pipe]) -> None:
        for pipe in gone:
            if pipe is self._parent:
                # Without a parent nobody gives out work: stay for the last words of the workers.
                self._parent_left = self._stopping = True
                continue
            worker = self._workers.pop(pipe)
            pipe.close()
            self._tell(self._parent, WorkerGone(worker))

    def _tell(self, pipe: Pipe, message: Message) -> None:
        try:
            pipe.send(message)
        except PeerGone:
            log.debug("nobody there to take %s", type(message).__name__)
