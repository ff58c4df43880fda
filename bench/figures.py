"""Figures of a benchmark: for people a table, for programs JSON with facts on the machine, for the eye a chart."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("lvrestore", "apsw", "msgspec", "orjson", "urllib3", "uvicorn")
MIB = 1024 * 1024

Series = Mapping[str, Sequence[tuple[float, float]]]


def parser(doc: str | None, *, smoke: str) -> argparse.ArgumentParser:
    """Begin the command line of a benchmark: `--out`, and `--smoke` with what it does."""
    made = argparse.ArgumentParser(
        description=(doc or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    made.add_argument("--smoke", action="store_true", help=smoke)
    return made


def whole_numbers(text: str) -> list[int]:
    """Read `1,2,3`, as the type of an option."""
    return [int(part) for part in text.replace("_", "").split(",")]


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


def chart(path: Path, title: str, x: str, y: str, series: Series, *, log_x: bool = False) -> None:
    """Draw lines as SVG; the same figures give the same file."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it
    except ImportError:
        raise SystemExit("charts need matplotlib: pip install 'lvrestore[bench]'") from None
    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    mpl.rcParams["svg.hashsalt"] = "lvrestore"
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for label, points in series.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.set_ylim(bottom=0)
    if log_x:
        axes.set_xscale("log")
    axes.grid(visible=True, alpha=0.3)
    if len(series) > 1:
        axes.legend()
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
