"""How throughput grows with processes and requests under way, and what an item costs the more of them there are.

    python bench/scale.py --part grid --procs 1 2 4 8 --inflight 4 8 16 32
    python bench/scale.py --part tiles --tiles 1 5 10 25 50 100
    python bench/scale.py --part items --items 1000 5000 50000 500000 --plots DIR

`grid` restores the same dashboards with every width; 1 process means that the parent does all by itself. `tiles`
restores dashboards of so many tiles each, `items` backups of so many rows, both with one `--width`. CPU is the
command's, all of its processes; the start is taken off, which two runs of different size tell. Pace is that of the
middle of a run, without start and stragglers. Budget: an item of the largest backup costs at most 1.15 times the CPU
of one of the smallest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import figures as fig
import msgspec
import plots
from measure import DASHBOARDS, EVERYTHING, MODES, PROFILES, Setup, restored
from vaults import MIXES, dashboards_vault

FLAT = 1.15
# The smaller run, beside the first one of a part: large enough to have all processes started.
SHARE_OF_SMALL = 4
FEWEST_TILED, FEWEST_ROWS = 2 * SHARE_OF_SMALL, 40 * SHARE_OF_SMALL
# Start and noise weigh in runs of so many rows; several are made.
FEW_ROWS = 5000
SMOKE = {
    "procs": [1, 2],
    "inflight": [2],
    "dashboards": 20,
    "tiles": [1, 5],
    "tiled": 12,
    "items": [240, 300],
    "width": [2, 2],
    "repeat": 1,
    "profile": "none",
}


class Run(msgspec.Struct, kw_only=True, frozen=True):
    """What one restore came to; `items_per_s` is the pace in the middle of it."""

    procs: int
    inflight: int
    items: int
    calls: int
    seconds: float
    items_per_s: float
    client_cpu_s: float
    sandbox_cpu_s: float

    @property
    def calls_per_item(self) -> float:
        """Return how many requests came to the sandbox for each item, those of the whole run included."""
        return self.calls / self.items

    @property
    def client_cores(self) -> float:
        """Return how many cores the command kept busy."""
        return self.client_cpu_s / self.seconds

    @property
    def sandbox_cores(self) -> float:
        """Return how many cores the sandbox kept busy: with nearly one it is what bounds the run."""
        return self.sandbox_cpu_s / self.seconds

    def cpu_ms_per_item(self, start_s: float = 0.0) -> float:
        """Return the milliseconds of CPU that an item takes, those of the start taken off."""
        return 1000 * (self.client_cpu_s - start_s) / self.items


def main() -> int:
    """Measure the parts that were asked for."""
    given, facts = arguments(), fig.machine()
    measured = {part: PARTS[part](given) for part in given.part}
    found = {part: figures for part, (figures, _) in measured.items()}
    fig.publish("scale", given, found, facts)
    plots.draw([plot for _, drawn in measured.values() for plot in drawn], given.plots)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="all parts with a few items; half a minute")
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS), help="what to measure")
    parser.add_argument("--procs", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument(
        "--inflight", type=int, nargs="+", default=[4, 8, 16, 32], help="requests per process"
    )
    parser.add_argument(
        "--width", type=int, nargs=2, default=[4, 8], metavar=("PROCS", "INFLIGHT"), help="of tiles and items"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help=f"runs of up to {FEW_ROWS:,} rows; that of median CPU counts"
    )
    parser.add_argument("--dashboards", type=int, default=2000, help="dashboards of the grid")
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[1, 5, 10, 25, 50, 100], help="tiles of each dashboard"
    )
    parser.add_argument("--tiled", type=int, default=300, help="dashboards of each number of tiles")
    parser.add_argument(
        "--items", type=int, nargs="+", default=[1000, 5000, 50_000, 500_000], help="rows of the backup"
    )
    parser.add_argument("--mix", choices=MIXES, default="whole", help="what backups of --items consist of")
    parser.add_argument("--profile", choices=PROFILES, default="fast", help="how slow the sandbox is")
    parser.add_argument("--mode", choices=[mode for mode in MODES if mode != "empty"], default="changed")
    plots.add_option(parser)
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    if given.tiled < FEWEST_TILED or min(given.items) < FEWEST_ROWS:
        parser.error(
            f"use --tiled {FEWEST_TILED} and --items {FEWEST_ROWS} or more: a quarter is restored as well"
        )
    return given


def run(given: argparse.Namespace, vault: Path, what: tuple[str, ...], procs: int, inflight: int) -> Run:
    """Restore once."""
    setup = Setup(
        vault=vault,
        mode=given.mode,
        profile=given.profile,
        procs=procs,
        inflight=inflight,
        what=what,
    )
    usage, pace = restored(setup)
    return Run(
        procs=procs,
        inflight=inflight,
        items=usage.items,
        calls=usage.requests,
        seconds=usage.seconds,
        items_per_s=pace,
        client_cpu_s=usage.client_cpu_s,
        sandbox_cpu_s=usage.sandbox_cpu_s,
    )


def middle_run(given: argparse.Namespace, vault: Path, what: tuple[str, ...], rows: int) -> Run:
    """Restore with the one width; few rows several times, of which the run of median CPU is returned."""
    times = given.repeat if rows <= FEW_ROWS else 1
    runs = sorted(
        (run(given, vault, what, *given.width) for _ in range(times)), key=lambda one: one.client_cpu_s
    )
    return runs[len(runs) // 2]


def start_cpu_s(small: Run, larger: Run) -> float:
    """Return what two runs of different size and the same kind of items took beside their items."""
    per_item = (larger.client_cpu_s - small.client_cpu_s) / (larger.items - small.items)
    return max(0.0, small.client_cpu_s - small.items * per_item)


Part = tuple[dict[str, Any], list[plots.Plot]]


def grid(given: argparse.Namespace) -> Part:
    """Restore the same dashboards with every number of processes and of requests under way."""
    vault = dashboards_vault(given.dashboards)
    runs = [
        run(given, vault, DASHBOARDS, procs, inflight) for procs in given.procs for inflight in given.inflight
    ]
    rows = [
        {
            "procs": one.procs,
            "inflight": one.inflight,
            "items": one.items,
            "items_per_s": round(one.items_per_s, 1),
            "calls_per_s": round(one.items_per_s * one.calls_per_item, 1),
            "seconds": round(one.seconds, 2),
            "cpu_ms_per_item": round(one.cpu_ms_per_item(), 2),
            "client_cores": round(one.client_cores, 2),
            "sandbox_cores": round(one.sandbox_cores, 2),
        }
        for one in runs
    ]
    show(f"{given.dashboards:,} dashboards, {given.mode}, {given.profile}", rows)
    lines = {
        f"{procs} {'process' if procs == 1 else 'processes'}": [
            (float(one.inflight), one.items_per_s) for one in runs if one.procs == procs
        ]
        for procs in given.procs
    }
    drawn = plots.Plot(
        name="scale-grid",
        title=f"Throughput over width, {given.profile} latency",
        x_title="requests under way per process",
        y_title="dashboards per second",
        lines=lines,
        is_log_x=True,
    )
    return {"runs": rows}, [drawn]


def tiles(given: argparse.Namespace) -> Part:
    """Restore dashboards of more and more tiles."""

    def restore(dashboards: int, count: int) -> Run:
        return middle_run(given, dashboards_vault(dashboards, tiles=count), DASHBOARDS, dashboards)

    runs = {count: restore(given.tiled, count) for count in sorted(given.tiles)}
    fewest = min(runs)
    start_s = start_cpu_s(restore(given.tiled // SHARE_OF_SMALL, fewest), runs[fewest])
    rows = [
        {
            "tiles": count,
            "items": one.items,
            "calls_per_item": round(one.calls_per_item, 2),
            "items_per_s": round(one.items_per_s, 1),
            "tiles_per_s": round(one.items_per_s * count, 1),
            "cpu_ms_per_item": round(one.cpu_ms_per_item(start_s), 2),
            "cpu_ms_per_tile": round(one.cpu_ms_per_item(start_s) / count, 3),
        }
        for count, one in runs.items()
    ]
    show(f"{given.tiled:,} dashboards of so many tiles each, {given.mode}, {given.profile}", rows)
    about = f"of one dashboard over its tiles, {given.mode}"
    drawn = [
        over("scale-tiles-cpu", f"CPU {about}", "tiles", "CPU per dashboard, ms", rows, "cpu_ms_per_item"),
        over("scale-tiles-pace", f"Pace {about}", "tiles", "dashboards per second", rows, "items_per_s"),
    ]
    return {"start_cpu_s": round(start_s, 2), "runs": rows}, drawn


def items(given: argparse.Namespace) -> Part:
    """Restore backups of more and more rows."""

    def restore(rows: int) -> Run:
        return middle_run(given, MIXES[given.mix](rows), EVERYTHING, rows)

    runs = {count: restore(count) for count in sorted(given.items)}
    fewest = min(runs)
    start_s = start_cpu_s(restore(fewest // SHARE_OF_SMALL), runs[fewest])
    rows = [
        {
            "rows": count,
            "items": one.items,
            "seconds": round(one.seconds, 2),
            "items_per_s": round(one.items_per_s, 1),
            "calls_per_item": round(one.calls_per_item, 3),
            "cpu_ms_per_item": round(one.cpu_ms_per_item(start_s), 3),
            "cpu_ms_per_item_with_start": round(one.cpu_ms_per_item(), 3),
            "sandbox_cpu_ms_per_item": round(1000 * one.sandbox_cpu_s / one.items, 3),
        }
        for count, one in runs.items()
    ]
    show(f"{given.mix} mix, {given.mode}, {given.profile}", rows)
    ratio = rows[-1]["cpu_ms_per_item"] / rows[0]["cpu_ms_per_item"]
    flat = {"last_to_first": round(ratio, 3), "flat_is_up_to": FLAT, "is_flat": ratio <= FLAT}
    fig.table("CPU of an item, largest backup to smallest", flat.items())
    title = f"CPU of an item over their number, {given.mode}"
    drawn = over("scale-items", title, "rows of the backup", "CPU per item, ms", rows, "cpu_ms_per_item")
    drawn.is_log_x = True
    return {"start_cpu_s": round(start_s, 2), "runs": rows, **flat}, [drawn]


def over(
    name: str, title: str, x_title: str, y_title: str, rows: Sequence[dict[str, Any]], column: str
) -> plots.Plot:
    """Draw one column of a table over its first one."""
    first = next(iter(rows[0]))
    points = [(float(row[first]), float(row[column])) for row in rows]
    return plots.Plot(name=name, title=title, x_title=x_title, y_title=y_title, lines={column: points})


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print a table of named columns."""
    fig.table(title, [tuple(row.values()) for row in rows], tuple(rows[0]))


PARTS: dict[str, Callable[[argparse.Namespace], Part]] = {"grid": grid, "tiles": tiles, "items": items}


if __name__ == "__main__":
    sys.exit(main())
