"""Private temporary folders; those of runs that were killed are removed by a later one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "lvrestore-"
IN_USE = "in-use"
# A folder that was made a moment ago may not be locked yet.
SETTLED_S = 60.0
# The locks of this process, by folder: the system gives them back when it ends, however it does.
_locks: dict[Path, int] = {}


def make_folder(base: str | None = None) -> Path:
    """Make a folder that only this user can enter, in `base` or where temporary files go."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = _locks[folder] = os.open(folder / IN_USE, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, whoever made it."""
    shutil.rmtree(folder, ignore_errors=True)
    if (lock := _locks.pop(folder, None)) is not None:
        os.close(lock)


def sweep(base: Path) -> None:
    """Remove the folders in `base` that were made by processes of this user which are no more."""
    for folder in base.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or just being removed
            seen = folder.stat()
            if seen.st_uid == os.getuid() and time.time() - seen.st_mtime > SETTLED_S:
                _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    lock = os.open(folder / IN_USE, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
