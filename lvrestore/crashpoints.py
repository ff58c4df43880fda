"""Named places where a test can have the process killed; they cost nothing unless one is armed."""

from __future__ import annotations

import os
import signal
from itertools import count

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

# `name`, or `name:N` for the N-th time that a process passes there.
_NAME, _, _TIMES = os.environ.get("LVRESTORE_CRASH_AT", "").partition(":")
# A file that the first process to die makes: its replacement would die for ever.
_ONCE = os.environ.get("LVRESTORE_CRASH_ONCE")
_passed = count(1)


def reached(name: str) -> None:
    """Kill this process if a test asked for it here."""
    if name == _NAME and next(_passed) >= int(_TIMES or 1) and _is_first():
        os.kill(os.getpid(), signal.SIGKILL)


def _is_first() -> bool:
    if _ONCE is None:
        return True
    try:
        os.close(os.open(_ONCE, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True
