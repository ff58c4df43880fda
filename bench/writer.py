"""What the writer process alone takes in and commits, how long an outcome waits until it is durable, and its CPU.

    python bench/writer.py --rates 0 100 300 1000 --plots DIR

One process plays the parent and the workers of a run for the real writer, over the real pipes: it claims items, and
says of each how it ended. `updated`: an outcome; `created`: the word that a POST leaves, whose storing is waited
for, mappings of parts, an outcome; `failed`: an outcome with the backup's row, for a dead letter. At a rate of 0 there
are always as many items under way as a run may have; else so many begin each second. Latency is the time from the
sending of an outcome to the word that it is committed. Last, a whole restore tells the writer's share of its CPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import apsw
import figures as fig
import msgspec
import plots
from measure import Setup, restored
from observed import percentiles_ms
from vaults import cache_folder, mixed_vault

from lvrestore.model import (
    ContentType,
    CreateSent,
    ItemError,
    MappingNote,
    MatchRule,
    Operation,
    RestorationResult,
)
from lvrestore.run import writer
from lvrestore.run.ledger import CLAIMS_AT_ONCE, CREDITS_PER_THREAD
from lvrestore.run.messages import Claim, Finished, Hello, Message, Stop, Stored
from lvrestore.run.pipes import Pipe, meet, pipe_pair, private_folder, wait_for
from lvrestore.settings import DEFAULT_CHECKPOINT_INTERVAL
from lvrestore.state.lock import RunLock
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore, Storable

THERE, HERE = "https://there", "https://here"
KIND = ContentType.DASHBOARD
# As large as the row of an ordinary dashboard.
ROW = bytes(range(256)) * 48
LONGEST_WAIT_S = 60.0
PROBES = 50
TABLES = ("restored_items", "id_mappings", "dead_letter_queue", "restoration_checkpoints", "claims")
SMOKE = {"outcomes": 60, "rates": [0, 200], "seconds": 0.2, "procs": 2, "inflight": 2, "restore": 120}


# -- the writer's side


class Work(msgspec.Struct):
    """What the writer did: CPU seconds; how many messages each commit held; the commits of claims."""

    cpu_s: float
    batches: list[int]
    claims: int


class ObservedStore(StateStore):
    """The state file, and a count of what is committed to it by this process."""

    batches: ClassVar[list[int]] = []
    claims: ClassVar[int] = 0

    def write(self, scope: Scope, batch: Sequence[Storable]) -> None:
        """Store a batch, and note how large it was."""
        super().write(scope, batch)
        self.batches.append(len(batch))

    def claim(self, scope: Scope, items: Sequence[tuple[ContentType, str]]) -> None:
        """Store claims, and count that."""
        super().claim(scope, items)
        ObservedStore.claims += 1


def observed_writer(report: Connection, *given: Any) -> None:  # noqa: ANN401 - the writer's own
    """Be the writer; tell in the end what was done."""
    writer.StateStore = ObservedStore  # ty: ignore[invalid-assignment] - the writer opens the file by this name
    began = time.process_time()
    writer.writer_main(*given)
    work = Work(time.process_time() - began, ObservedStore.batches, ObservedStore.claims)
    report.send(msgspec.to_builtins(work))


# -- the side of parent and workers


def outcome(seq: int, **how: Any) -> RestorationResult:  # noqa: ANN401 - the result's own
    """Return the outcome of one dashboard."""
    return RestorationResult(
        seq=seq, content_type=KIND, source_id=str(seq), name=f"Dashboard {seq}", duration_ms=200, **how
    )


def updated(seq: int, _parts: int) -> list[Message]:
    """Return what a worker says of an item that was changed back."""
    marks = {"vault_fingerprint": b"v" * 16, "live_fingerprint": b"l" * 16}
    return [outcome(seq, operation=Operation.UPDATED, destination_id=str(seq), **marks)]


def created(seq: int, parts: int) -> list[Message]:
    """Return what a worker says of a new item and its parts, once the word of its POST is stored."""
    notes = [
        MappingNote(
            kind="dashboard_element",
            source_id=f"{seq}{part:03}",
            destination_id=f"{seq}{part:03}",
            rule=MatchRule.CREATED,
        )
        for part in range(parts)
    ]
    return [*notes, outcome(seq, operation=Operation.CREATED, destination_id=str(seq))]


def failed(seq: int, _parts: int) -> list[Message]:
    """Return what a worker says of an item that Looker refused."""
    error = ItemError(kind="validation", message="title: is too long", http_status=422, field="title")
    return [outcome(seq, operation=Operation.FAILED, error=error, blob=ROW)]


KINDS: dict[str, Callable[[int, int], list[Message]]] = {
    "updated": updated,
    "created": created,
    "failed": failed,
}


class Load(msgspec.Struct, kw_only=True, frozen=True):
    """What is said to the writer: outcomes of a kind, how many, how many a second (0: as fast as it takes them)."""

    kind: str
    count: int
    rate: float
    procs: int
    inflight: int
    parts: int


class Players:
    """The parent and the workers of a run, as far as the writer can tell."""

    def __init__(self, parent: Pipe, workers: Sequence[Pipe], load: Load) -> None:
        self._parent, self._workers, self._load = parent, workers, load
        self._claimed = self._begun = 0  # how many items so far, of all that there are
        self._claimable = 0  # how many of the claimed ones are stored
        self._sent_at = array("d", bytes(8 * load.count))
        self.latencies = array("d")

    def play(self) -> float:
        """Say everything, take every answer; return the seconds that took."""
        self._since = time.monotonic()
        while len(self.latencies) < self._load.count:
            self._claim()
            soon_s = self._begin()
            for pipe in wait_for([self._parent, *self._workers], soon_s):
                while pipe.waiting():
                    self._hear(pipe, pipe.receive())
        return time.monotonic() - self._since

    def _claim(self) -> None:
        """Claim as a parent does: in batches, as far ahead as the workers have credit."""
        load = self._load
        window = CREDITS_PER_THREAD * load.inflight * load.procs
        outstanding = self._claimed - len(self.latencies)
        free = window - outstanding
        if free < min(CLAIMS_AT_ONCE, window) // 2 and outstanding:
            return
        last = min(load.count, self._claimed + min(free, CLAIMS_AT_ONCE))
        if last > self._claimed:
            items = tuple((KIND, str(seq)) for seq in range(self._claimed, last))
            self._parent.send(Claim(items, last))
            self._claimed = last

    def _begin(self) -> float:
        """Begin the items that are due; return the seconds until the next one is, or how long to wait for answers."""
        load, now = self._load, time.monotonic()
        while self._begun < self._claimable:
            if self._begun - len(self.latencies) >= load.procs * load.inflight:
                return LONGEST_WAIT_S
            if load.rate and (wait_s := self._since + self._begun / load.rate - now) > 0:
                return wait_s
            seq = self._begun
            self._begun += 1
            if load.kind == "created":
                self._worker(seq).send(CreateSent(content_type=KIND, source_id=str(seq), ticket=seq))
            else:
                self._finish(seq)
        return LONGEST_WAIT_S

    def _worker(self, seq: int) -> Pipe:
        return self._workers[seq % len(self._workers)]

    def _finish(self, seq: int) -> None:
        *notes, result = KINDS[self._load.kind](seq, self._load.parts)
        for note in notes:
            self._worker(seq).send(note)
        self._sent_at[seq] = time.monotonic()
        self._worker(seq).send(result)

    def _hear(self, pipe: Pipe, message: Message) -> None:
        match message:
            case Stored(ticket) if pipe is self._parent:
                self._claimable = ticket
            case Stored(ticket):
                self._finish(ticket)
            case Finished(_, results):
                now = time.monotonic()
                self.latencies.extend(now - self._sent_at[result.seq] for result in results)


def measure(load: Load, folder: Path) -> dict[str, Any]:
    """Let a writer of its own take a load into a new state file; return the figures."""
    state = folder / f"{load.kind}-{load.rate:g}.db"
    with StateStore(state) as store:
        scope = store.begin_session(THERE, HERE, {}, {})
    spawn, door, lock = (
        multiprocessing.get_context("spawn"),
        private_folder(),
        RunLock.acquire(state, state, 1.0),
    )
    (parent, theirs), (report, reporting) = pipe_pair(), spawn.Pipe(duplex=False)
    process = spawn.Process(
        target=observed_writer,
        args=(reporting, door, (), state, DEFAULT_CHECKPOINT_INTERVAL, scope, theirs, lock),
    )
    process.start()
    theirs.close()
    reporting.close()
    parent.receive()  # its greeting
    workers = [meet(door) for _ in range(load.procs)]
    for number, worker in enumerate(workers):
        worker.send(Hello(number))
    players = Players(parent, workers, load)
    seconds = players.play()
    for worker in workers:
        worker.close()
    parent.send(Stop("drain"))
    work = msgspec.convert(report.recv(), Work)
    process.join()
    lock.release()
    return {**figures_of(load, players.latencies, seconds, work), "stored": stored(state)}


def stored(state: Path) -> dict[str, int]:
    """Count what the state file holds."""
    with closing(apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        return {table: int(db.execute(f"SELECT count(*) FROM {table}").get) for table in TABLES}  # noqa: S608 - constants


def figures_of(load: Load, latencies: array[float], seconds: float, work: Work) -> dict[str, Any]:
    """Return one line of the table."""
    commits = len(work.batches) + work.claims
    spread = percentiles_ms(latencies)
    return {
        "kind": load.kind,
        "rate": load.rate,
        "outcomes": len(latencies),
        "messages": sum(work.batches),
        "outcomes_per_s": round(len(latencies) / seconds, 1),
        "commits_per_s": round(commits / seconds, 1),
        "batch_p50": statistics.median(work.batches),
        "batch_max": max(work.batches),
        "latency_p50_ms": spread["p50_ms"],
        "latency_p99_ms": spread["p99_ms"],
        "cpu_ms_per_outcome": round(1000 * work.cpu_s / len(latencies), 3),
        "busy": round(work.cpu_s / seconds, 3),
    }


# -- the program


def main() -> int:
    """Measure the writer alone under each load, then its share in a whole restore."""
    given, facts = arguments(), fig.machine()
    with tempfile.TemporaryDirectory(prefix="writer.", dir=given.folder or cache_folder()) as name:
        sync_ms = sync_probe_ms(Path(name))
        loads = [load_of(given, kind, rate) for kind in given.kinds for rate in given.rates]
        rows = [measure(load, Path(name)) for load in loads]
    share = share_in_a_run(given)
    title = f"the writer alone, {given.procs} x {given.inflight}, a write and fsync takes {sync_ms} ms"
    columns = [name for name in rows[0] if name != "stored"]
    fig.table(title, [[row[name] for name in columns] for row in rows], columns)
    fig.table(f"in a restore of {given.restore:,} rows, all changed, no latency", share.items())
    fig.publish("writer", given, {"sync_p50_ms": sync_ms, "alone": rows, "in_a_run": share}, facts)
    plots.draw([plot(rows)] if any(given.rates) else [], given.plots)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="60 outcomes of each kind and a small restore; a few seconds")
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=list(KINDS), help="how items end")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[0, 100, 300, 1000], help="outcomes a second; 0: no limit"
    )
    parser.add_argument("--outcomes", type=int, default=20_000, help="outcomes at a rate of 0")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long the other rates are held")
    parser.add_argument("--parts", type=int, default=5, help="parts of a created item, each with a mapping")
    parser.add_argument("--procs", type=int, default=8, help="worker processes that talk to the writer")
    parser.add_argument("--inflight", type=int, default=16, help="items under way per process")
    parser.add_argument("--restore", type=int, default=5000, help="rows of the whole restore")
    parser.add_argument(
        "--folder", type=Path, help="where the state file lies; else in the cache of the user"
    )
    plots.add_option(parser)
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    if given.procs == 1 or given.restore <= given.inflight:
        parser.error(
            "so small a restore has no writer process: use --procs 2 and more --restore than --inflight"
        )
    return given


def load_of(given: argparse.Namespace, kind: str, rate: float) -> Load:
    """Return a load as the arguments say."""
    return Load(
        kind=kind,
        count=round(rate * given.seconds) if rate else given.outcomes,
        rate=rate,
        procs=given.procs,
        inflight=given.inflight,
        parts=given.parts,
    )


def sync_probe_ms(folder: Path) -> float:
    """Return what the disk takes to keep a page, which no commit can do without."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(PROBES):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 3)


def share_in_a_run(given: argparse.Namespace) -> dict[str, Any]:
    """Return what the writer takes of the CPU of a whole restore, the start of the processes included."""
    setup = Setup(
        vault=mixed_vault(given.restore),
        mode="changed",
        profile="none",
        procs=given.procs,
        inflight=given.inflight,
    )
    usage, _ = restored(setup)
    whole_s = sum(usage.cpu_s.values())
    return {
        "items": usage.items,
        "writer_cpu_ms_per_item": round(1000 * usage.cpu_s["writer"] / usage.items, 3),
        "all_cpu_ms_per_item": round(1000 * whole_s / usage.items, 3),
        "share_of_writer": round(usage.cpu_s["writer"] / whole_s, 3),
    }


def plot(rows: Sequence[dict[str, Any]]) -> plots.Plot:
    """Draw latency over rate, where there is one."""
    lines: dict[str, list[plots.Point]] = {}
    for row in rows:
        for name in ("p50", "p99") if row["rate"] else ():
            lines.setdefault(f"{row['kind']}, {name}", []).append((row["rate"], row[f"latency_{name}_ms"]))
    return plots.Plot(
        name="writer-latency",
        title="From the sending of an outcome to its commit",
        x_title="outcomes per second",
        y_title="latency, ms",
        lines=lines,
    )


if __name__ == "__main__":
    sys.exit(main())
