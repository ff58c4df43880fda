"""What processes take: memory (PSS) and CPU, sampled from /proc while they run."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Reading a process's memory takes a millisecond of the system's time, so it is not done all the time.
EVERY_S = 0.25
CHILD = b"spawn_main"
ROLES = {0: "parent", 1: "writer"}


class Process(msgspec.Struct):
    """One process: what it is for, its highest PSS in bytes, its CPU seconds so far."""

    role: str
    pss: int = 0
    cpu_s: float = 0.0


class Group:
    """The processes of one command, which leads a process group: parent, writer, workers, by order of start."""

    def __init__(self, leader: int) -> None:
        self.leader, self.processes = leader, dict[int, Process]()
        self.peak_sum = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()
        self._thread.join()

    def peaks(self) -> dict[str, int]:
        """Give the highest PSS of each process, in bytes."""
        return {one.role: one.pss for one in self.processes.values()}

    def cpu(self) -> dict[str, float]:
        """Give the CPU seconds of each process as they were seen last."""
        return {one.role: round(one.cpu_s, 2) for one in self.processes.values()}

    def _watch(self) -> None:
        while not self._done.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        total = 0
        for pid in members(self.leader):
            with suppress(OSError, ValueError):  # it may have ended meanwhile
                process = self.processes.setdefault(pid, Process(self._role()))
                memory, process.cpu_s = pss_bytes(pid), cpu_seconds(pid)
                process.pss = max(process.pss, memory)
                total += memory
        self.peak_sum = max(self.peak_sum, total)

    def _role(self) -> str:
        number = len(self.processes)
        return ROLES.get(number, f"worker {number - 1}")


def members(leader: int) -> list[int]:
    """Give the pids of the command and of what it spawned, the oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it may have ended meanwhile
                pid = int(entry.name)
                if pid == leader:
                    found.append((-1, pid))
                elif os.getpgid(pid) == leader and CHILD in (entry / "cmdline").read_bytes():
                    found.append((int(_fields(pid)[19]), pid))
    return [pid for _, pid in sorted(found)]


def pss_bytes(pid: int) -> int:
    """Give the memory of a process, what it shares with others counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Give the user and system time of a process, without its children."""
    user, system = _fields(pid)[11:13]
    return (int(user) + int(system)) / TICKS_PER_S


def _fields(pid: int) -> list[str]:
    """Give what `/proc/PID/stat` has after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Stopwatch:
    """Seconds, and the CPU seconds of another process meanwhile."""

    def __init__(self, pid: int) -> None:
        self._pid, self._began, self._cpu = pid, time.monotonic(), cpu_seconds(pid)

    def read(self) -> tuple[float, float]:
        """Give both."""
        return time.monotonic() - self._began, cpu_seconds(self._pid) - self._cpu
