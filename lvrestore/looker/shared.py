"""A row of numbers that all processes of a run read and write: a mapped file, guarded by a file lock."""

from __future__ import annotations

import fcntl
import mmap
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lvrestore.scratch import make_folder, remove_folder

if TYPE_CHECKING:
    from collections.abc import Generator

BYTES_PER_CELL = 8


class RowHandle(msgspec.Struct, frozen=True):
    """What another process needs to share a row."""

    path: str

    @property
    def folder(self) -> Path:
        """The folder that goes with the row; whoever outlives its maker removes it."""
        return Path(self.path).parent


class SharedRow:
    """Floats in a mapped file; `cells` may be read at any time, and should be written inside `locked()`.

    Nobody holds the lock for more than some microseconds, and the system takes it back from a process that
    dies. What that process was writing may then be half done: write so that each single cell makes sense.
    """

    def __init__(self, handle: RowHandle) -> None:
        self.handle = handle
        self._owned_dir: Path | None = None
        self._threads = threading.Lock()
        self._file = Path(handle.path).open("r+b", buffering=0)  # noqa: SIM115 - open until close()
        self.cells: memoryview[float] = memoryview(mmap.mmap(self._file.fileno(), 0)).cast("d")

    @classmethod
    def create(cls, size: int) -> SharedRow:
        """Make a row of that many zeros in a private temporary directory, which `close` removes."""
        directory = make_folder()
        path = directory / "row"
        path.write_bytes(bytes(BYTES_PER_CELL * size))
        row = cls(RowHandle(str(path)))
        row._owned_dir = directory
        return row

    @classmethod
    def attach(cls, handle: RowHandle) -> SharedRow:
        """Share the row that another process made."""
        return cls(handle)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep all other threads and processes out; not to be nested."""
        # A file lock belongs to the open file, so threads of one process need their own lock before it.
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave; who made the row also removes the file, which others may still be using."""
        self._file.close()
        if self._owned_dir is not None:
            remove_folder(self._owned_dir)
            self._owned_dir = None


def local_cells(size: int) -> memoryview[float]:
    """Give a row of that many zeros for one process alone."""
    return memoryview(bytearray(BYTES_PER_CELL * size)).cast("d")
