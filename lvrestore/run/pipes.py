"""Framed pipes between processes, one per pair, and the address at which workers meet the writer."""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import tempfile
import threading
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lvrestore.errors import PeerGone
from lvrestore.run.messages import Message, pack, unpack
from lvrestore.scratch import make_folder

# What the shortest-minded systems accept as the path of a Unix socket.
LONGEST_ADDRESS = 100


class Pipe:
    """One end of a connection. Several threads may send; one thread receives."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Pipe, (self.connection,)

    def fileno(self) -> int:
        """For `wait_for`."""
        return self.connection.fileno()

    def send(self, message: Message) -> None:
        """Send one frame."""
        try:
            with self._lock:
                self.connection.send_bytes(pack(message))
        except (OSError, ValueError) as error:
            raise PeerGone from error

    def receive(self) -> Message:
        """The next frame; waits for it."""
        try:
            return unpack(self.connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise PeerGone from error

    def waiting(self) -> bool:
        """Whether a frame, or the end, can be received without waiting."""
        try:
            return bool(_ready([self.fileno()], 0.0))
        except OSError:  # it was closed
            return True

    def close(self) -> None:
        """Close this end."""
        self.connection.close()


class MeetingPoint:
    """A Unix socket in a private folder: replaced workers can reach the writer without the parent's help."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(folder / "writer"))
        self._socket.listen(128)

    def fileno(self) -> int:
        """For `wait_for`."""
        return self._socket.fileno()

    def accept(self) -> Pipe:
        """The next process that has connected."""
        peer, _ = self._socket.accept()
        return Pipe(Connection(peer.detach()))

    def close(self) -> None:
        """Accept nobody any more."""
        self._socket.close()


def meet(folder: Path) -> Pipe:
    """Connect to the process that has its meeting point in this folder."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(str(folder / "writer"))
    except OSError as error:
        raise PeerGone from error
    return Pipe(Connection(peer.detach()))


def wait_for(sources: Iterable[Any], timeout_s: float | None) -> list[Any]:
    """The sources (pipes, meeting points, process sentinels) that have something to say; None waits for ever."""
    # multiprocessing.connection.wait makes a selector each time, which costs more than the message.
    by_number = {one if isinstance(one, int) else one.fileno(): one for one in sources}
    return [by_number[number] for number in _ready(by_number, timeout_s)]


def _ready(numbers: Iterable[int], timeout_s: float | None) -> list[int]:
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    # It rounds up, so that a short wait is not a busy one.
    return [number for number, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)]


def pipe_pair() -> tuple[Pipe, Pipe]:
    """Two ends; the second one is for a child process."""
    ours, theirs = multiprocessing.Pipe()
    return Pipe(ours), Pipe(theirs)


def private_folder() -> Path:
    """A folder that only this user can enter, with a path short enough for a meeting point."""
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > LONGEST_ADDRESS - len("/lvrestore-12345678/writer"):
        base = "/tmp"  # noqa: S108 - the folder below it is private
    return make_folder(base)
