"""Named places where a test can have the process killed or stopped; they cost nothing unless one is armed."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

CRASH_POINTS = (
    "before_claim",  # parent: an item was read, nobody knows of it
    "after_claim",  # parent: the claim is stored, nobody has the item
    "before_send",  # worker: a write is about to leave
    "after_send",  # worker: a write was answered, nothing of it is noted
    "after_reply",  # worker: an item is finished, the writer does not know
    "before_commit",  # writer: a batch has arrived
    "in_commit",  # writer: the batch is written, the transaction is open
    "after_commit",  # writer: the batch is stored, nobody was told
    "between_waves",  # parent: a wave is stored, nothing of the next one is claimed
    "before_finish",  # parent: every item is stored, the session is open
)

# `name`, or `name:N` for the N-th time that a process passes there. `TYPE/ID` is where a worker begins that item.
_NAME, _, _TIMES = os.environ.get("LVRESTORE_CRASH_AT", "").partition(":")
# STOP holds the process there, so that a test can kill another one at this very moment.
_SIGNAL = signal.Signals["SIG" + os.environ.get("LVRESTORE_CRASH_SIGNAL", "KILL")]
# A file that the first process to die makes, with its pid in it: its replacement would die for ever.
_ONCE = os.environ.get("LVRESTORE_CRASH_ONCE")
_passed = count(1)


def reached(name: str) -> None:
    """Kill or stop this process if a test asked for it here."""
    if name == _NAME and next(_passed) >= int(_TIMES or 1) and _is_first():
        os.kill(os.getpid(), _SIGNAL)


def _is_first() -> bool:
    if _ONCE is None:
        return True
    try:
        with Path(_ONCE).open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True
