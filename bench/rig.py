"""A real sandbox and the real command, in processes of their own, for benchmarks that break things."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import urllib3
from watch import members

HERE = Path(__file__).resolve().parent
KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")
START_S = 60.0
# An empty instance begins its ids here, so that none means something in the backup by chance.
FAR_ID = 5_000_000
DAMAGE = ("--drop", "0.4", "--trash", "0.2", "--change", "0.2")


class Sandbox:
    """A running stand-in, as its control paths show it."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid, self._http = url, pid, urllib3.PoolManager()

    def _get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        return self._http.request("GET", f"{self.url}/{path}").json()

    def seen(self) -> dict[str, Any]:
        """Return what an observed sandbox was asked for, see `observed.py`."""
        seen: dict[str, Any] = self._get("_bench/seen")
        return seen

    def forget(self) -> None:
        """Let an observed sandbox count anew."""
        self._get("_bench/forget")

    def dump(self) -> dict[str, Any]:
        """Return the whole content; links to the sandbox itself do not say at which port it listens."""
        text = self._http.request("GET", f"{self.url}/_sandbox/dump").data
        content: dict[str, Any] = json.loads(text.replace(self.url.encode(), b"https://sandbox"))
        return content

    def log(self) -> list[dict[str, Any]]:
        """Return the requests so far."""
        return self._get("_sandbox/log")


@contextmanager
def running_sandbox(folder: Path, *arguments: str) -> Iterator[Sandbox]:
    """Run a sandbox while the block lasts; what it says on stderr is in `sandbox.err` of the folder."""
    with _serving(folder, [sys.executable, "-m", "lvrestore", "sandbox", *arguments]) as sandbox:
        yield sandbox


@contextmanager
def observed_sandbox(folder: Path, *arguments: str, record: Path | None = None) -> Iterator[Sandbox]:
    """Run a sandbox that counts and times what it is asked for, and writes it down if there is a file to `record`."""
    more = ("--record", str(record)) if record else ()
    with _serving(folder, [sys.executable, str(HERE / "observed.py"), *more, *arguments]) as sandbox:
        yield sandbox


@contextmanager
def _serving(folder: Path, command: list[str]) -> Iterator[Sandbox]:
    with (folder / "sandbox.err").open("wb") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, env=_environment())  # noqa: S603 - our own program
    with process:
        try:
            first = process.stdout.readline() if process.stdout else ""
            if not first.startswith("sandbox: "):
                raise RuntimeError(f"the sandbox did not start: {(folder / 'sandbox.err').read_text()}")
            yield Sandbox(first.split()[1], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def instance(kind: str, vault: Path) -> tuple[str, ...]:
    """Return the arguments for a sandbox that has lost a part of the backup's content, or all of it."""
    if kind == "damaged":
        return ("--from-vault", str(vault), *DAMAGE)
    return ("--first-id", str(FAR_ID))


class Ended:
    """How a command ended: exit code (None if it had to be ended), the last object on stdout, seconds."""

    def __init__(self, code: int | None, said: dict[str, Any], seconds: float) -> None:
        self.code, self.said, self.seconds = code, said, seconds


class Command:
    """The restore command against one sandbox, with one vault and one state file."""

    def __init__(self, folder: Path, vault: Path, url: str, *options: str) -> None:
        self.folder, self._options = folder, options
        self.state, self._url = folder / "state.db", url
        self._files = (
            "--db-path",
            str(vault),
            "--state",
            str(self.state),
            "--base-url",
            url,
            "--force",
            "--json",
        )
        self.number = 0

    def everything(self) -> Running:
        """Start to restore everything, access and schedules included."""
        policy = ("--access", "restore", "--schedules", "as-backup")
        return self._start("all", *policy, *self._files, *self._options)

    def restore(self, *arguments: str) -> Running:
        """Start `single`, `bulk` or `all` with arguments of its own."""
        return self._start(*arguments, *self._files, *self._options)

    def resume(self) -> Running:
        """Start to continue what was cut off."""
        return self._start("resume", *self._files, *self._options)

    def status(self) -> dict[str, Any]:
        """Return what the newest session did, by its journal."""
        return self._start("status", "--state", str(self.state), "--json").end(START_S).said

    def dead_letters(self) -> set[tuple[str, str, str]]:
        """Return type, id and kind of error of all that failed."""
        run = self._start("dlq", "list", "--state", str(self.state), "--json")
        run.end(START_S)
        letters = [json.loads(line) for line in run.out.read_text().splitlines()]
        return {(one["content_type"], one["content_id"], one["error_kind"]) for one in letters}

    def _start(self, *arguments: str) -> Running:
        self.number += 1
        return Running(self.folder / f"{self.number:02}-{arguments[0]}", arguments)


class Running:
    """A command under way in a process group of its own; its output is in files."""

    def __init__(self, path: Path, arguments: tuple[str, ...]) -> None:
        self.out, self._started = path.with_suffix(".out"), time.monotonic()
        command = [sys.executable, "-m", "lvrestore", *arguments]
        with self.out.open("wb") as out, path.with_suffix(".err").open("wb") as err:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=_environment() | {"LOOKER_CLIENT_ID": "chaos", "LOOKER_CLIENT_SECRET": "chaos"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The parent's, and the number of the process group."""
        return self._process.pid

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Let it run for so long, or until it ends."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def end(self, patience_s: float) -> Ended:
        """Wait until it has ended; one that does not is killed."""
        self.wait(patience_s)
        code = self._process.poll()
        if code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        lines = self.out.read_text().splitlines()
        return Ended(code, json.loads(lines[-1]) if lines else {}, time.monotonic() - self._started)

    def kill(self, victim: str) -> str | None:
        """SIGKILL the `parent`, the `writer`, a `worker` or the whole `group`; return who it was.

        The parent, where the other is not there yet; None where all is over.
        """
        if self._process.poll() is not None:
            return None
        _, *spawned = members(self._process.pid) or [0]
        children = dict(zip(("writer", "worker"), spawned, strict=False))
        with suppress(ProcessLookupError):
            if victim == "group":
                os.killpg(self._process.pid, signal.SIGKILL)
                return victim
            os.kill(children.get(victim, self._process.pid), signal.SIGKILL)
            return victim if victim in children else "parent"
        return None


def _environment() -> dict[str, str]:
    # Settings of a real instance have no say here.
    return {name: os.environ[name] for name in KEPT if name in os.environ}
