"""One run of the command against an observed sandbox, measured: what all benchmarks of whole runs share."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
from rig import FAR_ID, Command, Running, Sandbox, observed_sandbox
from watch import Group, Stopwatch

from lvrestore.model import ContentType

MODES = {
    "changed": ("--change", "1"),
    "dropped": ("--drop", "0.5"),
    "unchanged": (),
    "empty": ("--first-id", str(FAR_ID)),
}
POLICY = ("--access", "restore", "--schedules", "as-backup")
EVERYTHING = ("all", *POLICY)
DASHBOARDS = ("bulk", "--type", "dashboard")
FINISHED = {0, 1}
PROFILES = ("none", "fast", "typical", "strained")
LONGEST_S = 6 * 3600.0
# What an instance under strain does beside being slow: shares of all calls.
STRAIN = ((429, 0.01), (502, 0.003), (503, 0.003), (504, 0.003))
JOURNAL = (
    "SELECT content_type, status, calls, duration_ms, unixepoch(finished_at, 'subsec') FROM restored_items"
    " ORDER BY finished_at"
)


class Setup(msgspec.Struct, kw_only=True, frozen=True):
    """What is measured: which backup, what is wrong with the instance, how slow it is, how wide the command goes."""

    vault: Path
    mode: str
    profile: str
    procs: int
    inflight: int
    what: tuple[str, ...] = EVERYTHING


class Usage(msgspec.Struct, kw_only=True):
    """What a run took, seen from outside: seconds, CPU seconds, bytes of PSS."""

    exit_code: int | None
    said: dict[str, Any]
    seconds: float
    client_cpu_s: float
    sandbox_cpu_s: float
    cpu_s: dict[str, float]
    pss: dict[str, int]
    pss_sum: int
    seen: dict[str, Any]

    @property
    def items(self) -> int:
        """How many items were tried."""
        return int(self.said["summary"]["total_items"])

    @property
    def requests(self) -> int:
        """How many requests reached the sandbox."""
        return int(self.seen["requests"])


def sandbox_arguments(folder: Path, vault: Path, mode: str, profile: str, seed: int = 1) -> list[str]:
    """Return what makes a sandbox of this mode and profile."""
    source = [] if mode == "empty" else ["--from-vault", str(vault)]
    slow = [] if profile == "none" else ["--latency", profile]
    if profile == "strained":
        slow += ["--faults", str(_strain(folder / "strain.toml"))]
    return [*source, *MODES[mode], *slow, "--seed", str(seed), "--token-lifetime", str(LONGEST_S)]


def _strain(path: Path) -> Path:
    page = "<html><title>{0}</title></html>"
    rules = (
        f'[[rules]]\nfault = "answer"\nstatus = {status}\nprobability = {share}\n'
        f'html = "{page.format(status)}"\n'
        for status, share in STRAIN
    )
    path.write_text("\n".join(rules))
    return path


def restored(setup: Setup) -> tuple[Usage, float]:
    """Restore into a sandbox of its own; return what it took, and the items a second in the middle of the run."""
    with tempfile.TemporaryDirectory(prefix="lvrestore-bench.") as name:
        folder = Path(name)
        with observed_sandbox(
            folder, *sandbox_arguments(folder, setup.vault, setup.mode, setup.profile)
        ) as sandbox:
            width = ("--procs", str(setup.procs), "--inflight", str(setup.inflight))
            command = Command(folder, setup.vault, sandbox.url, *width)
            usage = measured(command.restore(*setup.what), sandbox)
            if usage.exit_code not in FINISHED:
                raise RuntimeError(f"the run ended with {usage.exit_code}: {usage.said}")
            return usage, steady_items_per_s(command.state)


def measured(run: Running, sandbox: Sandbox, patience_s: float = LONGEST_S) -> Usage:
    """Watch a run to its end."""
    stopwatch, group = Stopwatch(sandbox.pid), Group(run.pid)
    before = _children_cpu_s()
    ended = run.end(patience_s)
    # Nobody else of our children ended meanwhile: the sandbox lives, and who has ended took its own along.
    client = _children_cpu_s() - before
    group.stop()
    _, served = stopwatch.read()
    if not ended.said.get("summary"):
        raise RuntimeError(f"the run ended with {ended.code}: {ended.said}; see {run.out.parent}")
    return Usage(
        exit_code=ended.code,
        said=ended.said,
        seconds=ended.seconds,
        client_cpu_s=client,
        sandbox_cpu_s=served,
        cpu_s=group.cpu(),
        pss=group.peaks(),
        pss_sum=group.peak_sum,
        seen=sandbox.seen(),
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Wave(msgspec.Struct):
    """The items of one type: how many, how they ended, their calls, and the seconds from the end of those before."""

    content_type: str
    items: int = 0
    calls: int = 0
    retries: int = 0
    seconds: float = 0.0
    operations: Counter[str] = msgspec.field(default_factory=Counter)


def waves(state: Path, began_at: float) -> list[Wave]:
    """Return what the journal says of each type, in the order in which they came to their ends.

    `began_at` is the time (Unix) of the run's start: the first wave holds all that comes before it as well.
    """
    found: dict[int, Wave] = {}
    ends: dict[int, float] = {}
    with closing(apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        for number, status, calls, _, at in db.execute(JOURNAL):
            wave = found.setdefault(number, Wave(ContentType(number).label))
            counted = json.loads(calls)
            wave.items += 1
            wave.calls += sum(counted["by_method"].values())
            wave.retries += counted["retries"]
            wave.operations[status] += 1
            ends[number] = at
    for number in sorted(found, key=ends.__getitem__):
        found[number].seconds, began_at = ends[number] - began_at, ends[number]
    return [found[number] for number in sorted(found, key=ends.__getitem__)]


def steady_items_per_s(state: Path) -> float:
    """Give the pace from the first quarter of the items to nine tenths: no start of processes, no stragglers."""
    with closing(apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        ends = [at for *_, at in db.execute(JOURNAL)]
    first, last = len(ends) // 4, len(ends) * 9 // 10
    seconds = ends[last] - ends[first] if ends else 0.0
    return (last - first) / seconds if seconds else 0.0


def journaled(state: Path) -> int:
    """Count the items that have ended."""
    try:
        with closing(apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            return int(db.execute("SELECT count(*) FROM restored_items").fetchone()[0])
    except apsw.Error:  # not there yet, or not yet with this table
        return 0


def kill_half_way(run: Running, command: Command, half: int) -> int:
    """SIGKILL all processes of a run once so many items have ended; return how many had."""
    while not run.is_over() and journaled(command.state) < half:
        time.sleep(0.05)
    run.kill("group")
    run.wait(LONGEST_S)
    return journaled(command.state)
