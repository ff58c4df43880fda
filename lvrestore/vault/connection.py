"""Open a vault file so that nothing is ever written beside it, and say plainly why one cannot be read."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from lvrestore.errors import NotFoundError, VaultError
from lvrestore.scratch import make_folder, remove_folder

if TYPE_CHECKING:
    from collections.abc import Generator

COPY_ATTEMPTS = 3
# Companions that hold content which is not in the main file yet.
_LEFTOVERS = ("-wal", "-journal")
_PRAGMAS = ("PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -400")
_BUSY_TIMEOUT_MS = 5000
_HEADER_BYTES = 100

Stamp = tuple[int, int, int]


class Database:
    """A read-only connection to a vault, or to a private copy of it when rows wait in its `-wal`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._real = _readable_file(path)
        self._copy: Path | None = None
        self._seen = _stamp(self._real)
        with sqlite_errors(path, self._real):
            self.connection = self._connect()

    @property
    def size_bytes(self) -> int:
        """Size of the vault with what waits beside it."""
        return sum(file.stat().st_size for file in (self._real, *_leftovers(self._real)))

    def require_unchanged(self) -> None:
        """Raise VaultError when the file was written to: unlocked reading would mix two states of it.

        A file put in its place does no harm, since the one that is open stays whole; nor does a new log.
        """
        if self._copy is not None or not self._real.exists():
            return
        inode, *state = _stamp(self._real)
        if inode == self._seen[0] and tuple(state) != self._seen[1:]:
            raise VaultError(
                f"the vault {self.path} changed while it was read",
                hint="wait until the backup has finished, or read a copy of it",
            )

    def close(self) -> None:
        """Close the connection and remove the private copy, if there was one."""
        self.connection.close()
        self._remove_copy()

    def _connect(self) -> apsw.Connection:
        try:
            connection = self._open_copy() if _leftovers(self._real) else _open_immutable(self._real)
            connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except BaseException:
            self._remove_copy()
            raise
        return connection

    def _open_copy(self) -> apsw.Connection:
        self._copy = make_folder()
        copy = _copy_at_rest(self._real, self._copy)
        # Read-write, because SQLite must fold the log into the file; both are ours.
        # With URIs, as a state file is attached by one.
        return apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)

    def _remove_copy(self) -> None:
        if self._copy is not None:
            remove_folder(self._copy)
            self._copy = None


@contextmanager
def sqlite_errors(path: Path, real: Path | None = None) -> Generator[None]:
    """Turn SQLite's errors on a vault into VaultError: one clear line and what to do."""
    try:
        yield
    except apsw.NotADBError as error:
        raise VaultError(f"{path} is not a lookervault backup: it is no SQLite file", _WANTED) from error
    except (apsw.CorruptError, apsw.IOError) as error:
        raise VaultError(_damage(path, real or path, error), _AGAIN) from error
    except apsw.Error as error:
        raise VaultError(f"the vault {path} cannot be read: {error}", _WANTED) from error


_WANTED = "give the file that `lookervault extract` wrote with --db-path"
_AGAIN = "copy or extract the backup again; the rows before the damage can still be read"


def _damage(path: Path, real: Path, error: Exception) -> str:
    promised, found = _promised_bytes(real), real.stat().st_size
    if promised > found:
        return f"the vault {path} is truncated: {found:,} of {promised:,} bytes"
    return f"the vault {path} is damaged: {error}"


def _promised_bytes(real: Path) -> int:
    with real.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    page_size = int.from_bytes(header[16:18], "big")
    # The format writes a page of 65,536 bytes as 1.
    return (65_536 if page_size == 1 else page_size) * int.from_bytes(header[28:32], "big")


def _readable_file(path: Path) -> Path:
    if not path.exists():
        raise NotFoundError(f"the vault {path.name}", str(path.absolute().parent), _WANTED)
    if not path.is_file():
        raise VaultError(f"{path} is not a file", _WANTED)
    if not path.stat().st_size:
        raise VaultError(f"the vault {path} is empty", _WANTED)
    try:
        path.open("rb").close()
    except OSError as error:
        raise VaultError(f"the vault {path} cannot be read: {error.strerror}") from error
    # SQLite looks for the companions beside the file itself, not beside a link to it.
    return path.resolve()


def _leftovers(real: Path) -> list[Path]:
    beside = (real.with_name(real.name + ending) for ending in _LEFTOVERS)
    return [file for file in beside if file.exists() and file.stat().st_size]


def _stamp(file: Path) -> Stamp:
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _stamps(real: Path) -> list[Stamp]:
    return [_stamp(file) for file in (real, *_leftovers(real))]


def _open_immutable(real: Path) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{real.as_uri()}?mode=ro&immutable=1", flags=flags)


def _copy_at_rest(real: Path, folder: Path) -> Path:
    """Copy the file and its companions; again, when someone wrote meanwhile."""
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(real)
        for file in (real, *_leftovers(real)):
            _copy_file(file, folder / file.name)
        if _stamps(real) == before:
            return folder / real.name
    raise VaultError(
        f"the vault {real} is being written right now", hint="wait until the backup has finished"
    )


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise VaultError(
                f"no room in {target.parent.parent} for a private copy of the vault {source}",
                hint="rows wait in the vault's -wal file, so a copy is needed: free space, or set TMPDIR",
            ) from error
        raise VaultError(f"{source} cannot be copied: {os.strerror(error.errno or 0)}") from error
