"""How much memory a restore takes at its highest, over the number of items and of processes.

    python bench/memory.py --items 5000 50000 500000 --procs 4 8 --plots DIR
    python bench/memory.py --items 5000 50000 --mode unchanged

PSS, sampled while the command runs: pages that processes share are counted once. `changed` processes every row,
`unchanged` only compares. The sandbox holds the whole backup in memory, some 17 KB a row; `--mix light` is a backup
of little but looks, for sizes at which a whole instance takes hours. With 1 process the parent does all by itself.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

import figures as fig
import msgspec
import plots
from measure import MODES, PROFILES, Setup, restored
from vaults import MIXES

WORKER = "worker"
SMOKE = {"items": [60, 120], "procs": [1, 2], "inflight": 2, "profile": "none"}


class Point(msgspec.Struct, kw_only=True, frozen=True):
    """One run: how many rows and processes, how many items were tried, the highest PSS in MiB."""

    rows: int
    procs: int
    items: int
    seconds: float
    all_mib: float
    by_role_mib: dict[str, float]

    @property
    def worker_mib(self) -> list[float]:
        """Return the highest PSS of each worker; there is none where the parent does all by itself."""
        return [mib for role, mib in self.by_role_mib.items() if role.startswith(WORKER)]

    @property
    def one_worker_mib(self) -> float:
        """Return the mean of the workers."""
        return statistics.fmean(self.worker_mib or [0.0])

    @property
    def writer_mib(self) -> float:
        """Return the highest PSS of the writer."""
        return self.by_role_mib.get("writer", 0.0)


def main() -> int:
    """Restore each size with each number of processes."""
    given, facts = arguments(), fig.machine()
    points = [measure(given, rows, procs) for procs in given.procs for rows in given.items]
    grown = growth(points)
    found = {"points": [msgspec.to_builtins(one) for one in points], "growth": grown}
    show(points, given)
    fig.table("growth", ((name, value) for name, value in grown.items() if value is not None))
    fig.publish("memory", given, found, facts)
    plots.draw([plot(points, given)], given.plots)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="60 and 120 items with 1 and 2 processes; half a minute")
    parser.add_argument(
        "--items", type=int, nargs="+", default=[5000, 50_000, 500_000], help="rows of the backup"
    )
    parser.add_argument("--procs", type=int, nargs="+", default=[8])
    parser.add_argument("--inflight", type=int, default=16, help="requests under way per process")
    parser.add_argument("--profile", choices=PROFILES, default="none", help="how slow the sandbox is")
    parser.add_argument("--mode", choices=MODES, default="changed", help="what is wrong with the instance")
    parser.add_argument("--mix", choices=MIXES, default="whole", help="what the backup consists of")
    plots.add_option(parser)
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    return given


def measure(given: argparse.Namespace, rows: int, procs: int) -> Point:
    """Restore once."""
    vault = MIXES[given.mix](rows)
    setup = Setup(vault=vault, mode=given.mode, profile=given.profile, procs=procs, inflight=given.inflight)
    usage, _ = restored(setup)
    return Point(
        rows=rows,
        procs=procs,
        items=usage.items,
        seconds=round(usage.seconds, 2),
        all_mib=round(usage.pss_sum / fig.MIB, 1),
        by_role_mib={role: round(peak / fig.MIB, 1) for role, peak in usage.pss.items()},
    )


def growth(points: Sequence[Point]) -> dict[str, float | None]:
    """Return what an item and a worker add, in the runs of most processes and of fewest items."""
    widest = [one for one in points if one.procs == max(p.procs for p in points)]
    smallest = [one for one in points if one.rows == min(p.rows for p in points) and one.worker_mib]
    by_size = sorted(widest, key=lambda one: one.items)
    return {
        "bytes_per_item": slope_bytes(widest, [one.all_mib for one in widest]),
        "bytes_per_item_parent": slope_bytes(widest, [one.by_role_mib["parent"] for one in widest]),
        "bytes_per_item_writer": slope_bytes(widest, [one.writer_mib for one in widest]),
        "bytes_per_item_each_worker": slope_bytes(widest, [one.one_worker_mib for one in widest]),
        "mib_of_a_worker": round(smallest[-1].one_worker_mib, 1) if smallest else None,
        "mib_per_further_worker": slope([one.procs for one in smallest], [one.all_mib for one in smallest]),
        "largest_to_smallest": round(by_size[-1].all_mib / by_size[0].all_mib, 2),
    }


def slope_bytes(points: Sequence[Point], mib: Sequence[float]) -> float | None:
    """Return the bytes that one more item adds."""
    return slope([one.items for one in points], [one * fig.MIB for one in mib])


def slope(over: Sequence[float], values: Sequence[float]) -> float | None:
    """Return the slope of the line that fits best; None where there are not two places to lay it through."""
    return round(statistics.linear_regression(over, values).slope, 1) if len(set(over)) > 1 else None


def show(points: Sequence[Point], given: argparse.Namespace) -> None:
    """Print the runs."""
    header = ("rows", "procs", "items", "seconds", "all, MiB", "parent", "writer", "each worker")
    rows = [
        (
            f"{one.rows:,}",
            one.procs,
            one.items,
            one.seconds,
            one.all_mib,
            one.by_role_mib["parent"],
            one.writer_mib,
            f"{min(one.worker_mib):.1f} to {max(one.worker_mib):.1f}" if one.worker_mib else "none",
        )
        for one in points
    ]
    fig.table(f"highest PSS, {given.mode}, {given.profile}, {given.mix} mix", rows, header)


def plot(points: Sequence[Point], given: argparse.Namespace) -> plots.Plot:
    """Draw memory over items: all processes for each width, and each role where there are most processes."""
    widest = max(one.procs for one in points)
    lines: dict[str, list[plots.Point]] = {}
    for one in points:
        lines.setdefault(f"all, {one.procs} workers", []).append((one.rows, one.all_mib))
        if one.procs == widest:
            for role, mib in (
                ("parent", one.by_role_mib["parent"]),
                ("writer", one.writer_mib),
                ("a worker", one.one_worker_mib),
            ):
                lines.setdefault(role, []).append((one.rows, mib))
    return plots.Plot(
        name=f"memory-{given.mode}",
        title=f"Memory at its highest, {given.mode}",
        x_title="rows of the backup",
        y_title="PSS, MiB",
        lines=lines,
        is_log_x=True,
    )


if __name__ == "__main__":
    sys.exit(main())
