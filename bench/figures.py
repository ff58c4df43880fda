"""Figures of a benchmark: for people a table, for programs JSON with facts on the machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("lvrestore", "apsw", "msgspec", "orjson", "urllib3", "uvicorn")
MIB = 1024 * 1024


def parser(doc: str | None, *, smoke: str) -> argparse.ArgumentParser:
    """Begin the command line of a benchmark: `--out`, and `--smoke` with what it does."""
    made = argparse.ArgumentParser(
        description=(doc or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    made.add_argument("--smoke", action="store_true", help=smoke)
    return made


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def publish(name: str, given: argparse.Namespace, figures: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write the figures to `--out`, together with options and machine."""
    if given.out is None:
        return
    options = {key: value for key, value in vars(given).items() if key != "out" and value is not None}
    whole = {"benchmark": name, "options": options, "machine": facts, **figures}
    given.out.write_text(json.dumps(whole, indent=1, default=str) + "\n")


def table(title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Print rows in columns; numbers stand to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    lines = [list(header), *cells] if header else cells
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))] if lines else []
    print(f"\n{title}")
    for number, line in enumerate(lines):
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  " + "  ".join(padded).rstrip())
        if header and number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 100 else f"{cell:,.0f}"  # noqa: PLR2004 - three figures are enough
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
