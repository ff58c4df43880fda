"""Ctrl-C and SIGTERM: the first one drains, the second leaves at once. Both leave a resumable state."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

# What is in hand gets this long to finish after the first signal; then waits are cut short.
DRAIN_S = 25.0


class StopFlag:
    """Set by the signal handlers, or by a run that must not go on; looked at by everybody else."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.reason: str | None = None
        # Until items are begun there is nothing to finish: reading and asking end at once.
        self.items_begun = False
        # Whether what is in hand cannot finish anyway; then nothing is waited for.
        self.in_vain: Callable[[], bool] = lambda: False
        # Why not even reading may go on; who begins items looks at the limits itself.
        self.overtime: Callable[[], str | None] = lambda: None
        self._since = 0.0

    def __bool__(self) -> bool:
        """Whether no new item may be begun."""
        return self.signal is not None or self.reason is not None

    def give_up(self, reason: str) -> None:
        """Finish what is in hand and begin nothing more, as after a first signal."""
        if not self:
            self.reason, self._since = reason, time.monotonic()

    def cut_waits(self) -> bool:
        """Whether the time to finish what is in hand is over."""
        if not self.items_begun:
            if (reason := self.overtime()) is not None:
                self.give_up(reason)
            return bool(self)
        return bool(self) and (self.in_vain() or time.monotonic() - self._since > DRAIN_S)

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's shape
        """Note the first signal; leave at the second."""
        if not self.items_begun:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        if self.signal is not None:
            os.write(
                sys.stderr.fileno(), b"\nleaving now; the state is saved, `lvrestore resume` continues\n"
            )
            os._exit(128 + number)
        self.signal, self._since = number, time.monotonic()
        os.write(sys.stderr.fileno(), b"\nstopping: finishing the items in hand (again: leave at once)\n")


@contextmanager
def stop_on_signals() -> Generator[StopFlag]:
    """Install the handlers for the length of a run."""
    flag = StopFlag()
    before = {number: signal.signal(number, flag.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hold_signals() -> Generator[None]:
    """Put the signals off for the length of a block; a process started in it never gets them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_the_parent() -> None:
    """In a child: Ctrl-C reaches the whole process group, and the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
