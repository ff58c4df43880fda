"""What a driver needs from the process that it works in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from lvrestore.catalog.alert_search import AlertSearch
from lvrestore.content.calls import Restored, Steps, SwitchesOff
from lvrestore.content.knowledge import References
from lvrestore.model import History, MappingNote, RestorationTask
from lvrestore.play.known import KnownIds


class Recorder(Protocol):
    """Takes what must be written down while an item is under way."""

    def note(self, mapping: MappingNote) -> None:
        """Store soon, in order."""

    def keep(self, kind: str, destination_id: str, body: bytes) -> None:
        """Return when the before-image is durable."""

    def create(self, task: RestorationTask) -> None:
        """Return when it is durable that the POST which makes this item is about to leave."""

    def undelete(self, task: RestorationTask, destination_id: str) -> None:
        """Return when it is durable that this item is about to come back from the trash."""

    def switch_off(self, note: SwitchesOff) -> None:
        """Return when it is durable how this was that is about to be switched off."""


class Generators(Protocol):
    """Makes the steps that restore an item; knows the content types."""

    def __call__(self, task: RestorationTask, refs: References, history: History) -> Steps[Restored]:
        """Decode the blob and start the generator of its type."""


class Facts(msgspec.Struct, frozen=True):
    """What can be known of an item and of what it refers to: the same for all threads of a process.

    `known`: the ids that the destination has. `history`: what earlier runs left of an item. `alerts`: the search for
    alerts, which the whole run shares.
    """

    refs: References
    known: KnownIds
    history: Callable[[RestorationTask], History]
    alerts: AlertSearch


class Patience(msgspec.Struct, frozen=True):
    """How a driver waits, and for how long.

    `grace_s`: how long after sending a POST without an answer may still land. `max_repeats`: how often a POST is sent
    again. `wait` ends early by raising. `wait_idly` ends as soon as the run is to end, and is for times when nothing
    of the item is under way.
    """

    grace_s: float
    max_repeats: int
    wait: Callable[[float], None]
    wait_idly: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
