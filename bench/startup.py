"""How long the command takes to say `--help`, beside an interpreter that does nothing, and what it imports.

    python bench/startup.py --runs 50

The programs take turns, so that none has a quieter machine than the others. Budget: `lvrestore --help` in less than
150 ms, half of the time.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import figures as fig
import msgspec

BUDGET_MS = 150.0
SLOWEST = 10
SMOKE = {"runs": 2}


class Import(msgspec.Struct, frozen=True):
    """A module that was imported: microseconds of its own, and with what it imports in turn."""

    name: str
    own_us: int
    whole_us: int


def main() -> int:
    """Start all programs by turns, then look at the imports."""
    given, facts = arguments(), fig.machine()
    programs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        **{shown(options): [*command(), *options] for options in HELP},
    }
    times = measure(programs, given.runs)
    found: dict[str, Any] = {"programs": {name: spread(one) for name, one in times.items()}}
    median = found["programs"][shown(HELP[0])]["median_ms"]
    found["budget"] = {
        "program": shown(HELP[0]),
        "median_below_ms": BUDGET_MS,
        "is_within": median < BUDGET_MS,
    }
    found["imports"] = {
        shown(options): [msgspec.to_builtins(one) for one in slowest(options)] for options in HELP
    }
    show(found, given)
    fig.publish("startup", given, found, facts)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="two runs of each; a few seconds")
    parser.add_argument("--runs", type=int, default=50, help="how often each program is started")
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    return given


HELP = (("--help",), ("bulk", "--help"))


def shown(options: tuple[str, ...]) -> str:
    """Give the command as one types it."""
    return " ".join(("lvrestore", *options))


def command() -> list[str]:
    """Give the installed command, as one runs it."""
    installed = Path(sys.executable).with_name("lvrestore")
    if not installed.exists():
        raise SystemExit(f"{installed} is missing: install the package into the environment of this Python")
    return [str(installed)]


def measure(programs: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Give the seconds of each run, the first one left out: it compiles what it imports."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(runs + 1):
        for name, started in programs.items():
            began = time.perf_counter()
            subprocess.run(started, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own programs
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def spread(times: list[float]) -> dict[str, float]:
    """Give the median and the 90th percentile, in milliseconds."""
    ordered = sorted(times)
    return {
        "runs": len(times),
        "median_ms": round(1000 * statistics.median(times), 1),
        "p90_ms": round(1000 * ordered[math.ceil(0.9 * len(ordered)) - 1], 1),
    }


def slowest(options: tuple[str, ...]) -> list[Import]:
    """Give the modules whose own code takes longest to import."""
    started = [sys.executable, "-X", "importtime", *command(), *options]
    ended = subprocess.run(started, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    return sorted(imports(ended.stderr), key=lambda one: one.own_us, reverse=True)[:SLOWEST]


def imports(told: str) -> list[Import]:
    """Read what `-X importtime` told: `import time: OWN | WHOLE | NAME`, after a line of titles."""
    lines = (line.partition("import time:")[2].split("|") for line in told.splitlines())
    columns = [line for line in lines if len(line) == len(Import.__struct_fields__)]
    return [
        Import(name.strip(), int(own), int(whole)) for own, whole, name in columns if own.strip().isdigit()
    ]


def show(found: dict[str, Any], given: argparse.Namespace) -> None:
    """Print the figures."""
    rows = [(name, one["median_ms"], one["p90_ms"]) for name, one in found["programs"].items()]
    fig.table(f"start, {given.runs} runs each", rows, ("program", "median, ms", "p90, ms"))
    fig.table("budget", found["budget"].items())
    for name, modules in found["imports"].items():
        lines = [(one["name"], one["own_us"] / 1000, one["whole_us"] / 1000) for one in modules]
        fig.table(f"slowest imports of {name}", lines, ("module", "own, ms", "with its imports, ms"))


if __name__ == "__main__":
    sys.exit(main())
