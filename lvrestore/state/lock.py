"""One run per destination: an OS lock beside the state file, held by the run and all its processes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from datetime import UTC, datetime
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Self

from lvrestore.errors import LockedError, ValidationError

# After a crash the children of the dead run finish what they have in hand before they let go.
ORPHANS_LEAVE_S = 15.0
POLL_S = 0.05
# Every holder shows that it lives; who comes after a crash learns from that when the last request can have left.
HEARTBEAT_S = 0.5
LATE_HEARTBEAT_S = 0.5


class RunLock:
    """An exclusive `flock`. Pickled to a child process it is the same lock, so that it outlives the parent."""

    def __init__(self, fd: int, others_sent_until: datetime | None = None) -> None:
        """`others_sent_until`: after this, no earlier run has sent anything; None when there was none."""
        self._fd = fd
        self.others_sent_until = others_sent_until
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._beating.start()

    @classmethod
    def acquire(cls, state_path: Path, usual_path: Path, timeout_s: float) -> Self:
        """Take the lock, or raise `LockedError` that names the holder.

        The lock lies beside the destination's usual state file, wherever the state is kept this time: it is the
        destination that two runs must not share. Only where that folder cannot be used it lies beside the state.
        """
        fd = _open_beside(usual_path) or _open_beside(state_path)
        if fd is None:
            raise ValidationError(
                f"cannot write beside the state file {state_path}",
                hint="give --state PATH in a folder of yours",
            )
        waited, deadline = False, time.monotonic() + timeout_s
        while not _try(fd):
            pid = _holder(fd)
            patience = 0.0 if _alive(pid) else ORPHANS_LEAVE_S
            if time.monotonic() >= deadline + patience:
                os.close(fd)
                raise LockedError(str(usual_path), f"process {pid}" if pid else "unknown process")
            waited = True
            time.sleep(POLL_S)
        others_sent_until = datetime.now(UTC) if waited else _last_sending(fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return cls(fd, others_sent_until)

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_S):
            os.utime(self._fd)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (DupFd(self._fd),)

    def release(self) -> None:
        """Let go in this process; the lock ends with the last process that has it."""
        self._released.set()
        self._beating.join()
        os.close(self._fd)


def is_held(usual_path: Path) -> bool:
    """Whether a run works on the destination whose usual state file this is."""
    try:
        fd = os.open(_beside(usual_path), os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared, and for this moment only: who looks must not keep a run from starting.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _beside(state_path: Path) -> Path:
    path = state_path.resolve()
    return path.with_name(path.name + ".lock")


def _open_beside(state_path: Path) -> int | None:
    try:
        path = _beside(state_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        return None


def _rebuild(duplicate: Any) -> RunLock:  # noqa: ANN401 - multiprocessing's own handle type
    return RunLock(duplicate.detach())


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_sending(fd: int) -> datetime | None:
    found = os.fstat(fd)
    if not found.st_size:
        return None
    return datetime.fromtimestamp(found.st_mtime + HEARTBEAT_S + LATE_HEARTBEAT_S, UTC)


def _holder(fd: int) -> int | None:
    text = os.pread(fd, 20, 0).decode(errors="replace")
    return int(text) if text.isdigit() else None


def _alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process is dead and only not yet reaped, as far as the system tells."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"
