"""How long a worker looks for a mapping while the writer commits all the time.

    python bench/mappings.py --mappings 100000

Fills a state file; then one process commits batches as a run's writer does, and others look up, one by one and in
batches. Microseconds per id; those of a batch are divided by its size.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

from lvrestore.model import ContentType, MappingNote, MatchRule, Operation, RestorationResult
from lvrestore.state.mappings import Group, IDMapper, imported
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore

THERE, HERE, AT = "https://there", "https://here", "2026-11-01T00:00:00.000+00:00"
KIND = "dashboard"
BATCH_OF_WRITER = 50
WARM_UP = 1000


def main() -> None:
    """Fill, look up, report one JSON line."""
    given = arguments()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "state.db"
        fill(path, given.mappings)
        print(json.dumps(measure(path, given)))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mappings", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=50_000, help="ids that each worker looks up, each way")
    parser.add_argument("--batch", type=int, default=100, help="ids that are looked up at once")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def fill(path: Path, mappings: int) -> None:
    """Write so many mappings."""
    group = Group(THERE, HERE, KIND)
    with StateStore(path) as store:
        store.put_mappings(imported(group, str(n), str(n + 1_000_000), AT) for n in range(mappings))


def measure(path: Path, given: argparse.Namespace) -> dict[str, object]:
    """Let the workers look up beside a writer."""
    spawn = multiprocessing.get_context("spawn")
    stop, began = spawn.Event(), spawn.Event()
    receiver, sender = spawn.Pipe(duplex=False)
    writer = spawn.Process(target=write_all_the_time, args=(path, began, stop, sender))
    writer.start()
    began.wait()
    wanted = [(path, given.mappings, given.lookups, given.batch, seed) for seed in range(given.workers)]
    with spawn.Pool(given.workers) as pool:
        measured = pool.starmap(look_up, wanted)
    stop.set()
    commits = receiver.recv()
    writer.join()
    single = [one for of_worker, _, _ in measured for one in of_worker]
    batch = [one for _, of_worker, _ in measured for one in of_worker]
    return {
        "mappings": given.mappings,
        "workers": given.workers,
        "looked_up": sum(found for _, _, found in measured),
        "commits_meanwhile": commits,
        "single_us": spread(single),
        "batch": given.batch,
        "batch_us_per_id": spread(batch),
    }


def spread(times_us: list[float]) -> dict[str, float]:
    """Median and the 99th percentile."""
    percentiles = statistics.quantiles(times_us, n=100)
    return {"median": round(percentiles[49], 2), "p99": round(percentiles[98], 2)}


def write_all_the_time(
    path: Path, began: Event, stop: Event, commits: multiprocessing.connection.Connection
) -> None:
    """Commit mappings and items as a writer does, until told to stop; tell how often."""
    n = 0
    with StateStore(path) as store:
        scope = store.begin_session(THERE, HERE, {}, {})
        while not stop.is_set():
            first = 10_000_000 + n * BATCH_OF_WRITER
            ids = [str(first + i) for i in range(BATCH_OF_WRITER)]
            store.write(scope, [message for one in ids for message in messages(one)])
            n += 1
            began.set()
    commits.send(n)


def messages(source_id: str) -> list[MappingNote | RestorationResult]:
    """What a worker sends about one item."""
    done = RestorationResult(
        seq=0,
        content_type=ContentType.DASHBOARD,
        source_id=source_id,
        name="n",
        operation=Operation.CREATED,
        destination_id=source_id,
    )
    note = MappingNote(kind=KIND, source_id=source_id, destination_id=source_id, rule=MatchRule.CREATED)
    return [note, done]


def look_up(
    path: Path, mappings: int, lookups: int, batch: int, seed: int
) -> tuple[list[float], list[float], int]:
    """Microseconds of single look-ups and, per id, of batches; and how many of all were found."""
    draw = random.Random(seed)
    ids = [str(draw.randrange(mappings)) for _ in range(lookups)]
    mapper = StateReader(path).mapper(Scope("", 0, THERE, HERE))
    for one in ids[:WARM_UP]:
        mapper.get(KIND, one)
    single = [timed(lambda one=one: [mapper.get(KIND, one)]) for one in ids]
    parts = [ids[start : start + batch] for start in range(0, lookups, batch)]
    batches = [timed(lambda part=part: found_in(mapper, part)) for part in parts]
    found = sum(n for _, n in (*single, *batches))
    return [us for us, _ in single], [us / batch for us, _ in batches], found


def found_in(mapper: IDMapper, ids: list[str]) -> list[object]:
    """What a batch finds, for each id."""
    mapped = mapper.get_many(KIND, ids)
    return [mapped.get(one) for one in ids]


def timed(ask: Callable[[], list[object]]) -> tuple[float, int]:
    """Microseconds, and how many ids were found."""
    began = time.perf_counter()
    answers = ask()
    return (time.perf_counter() - began) * 1e6, sum(one is not None for one in answers)


if __name__ == "__main__":
    main()
