"""Plots of figures, as SVG that is the same for the same figures and can be read on light and on dark ground."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

Point = tuple[float, float]
# Of middle lightness: each stands out from white as well as from the near-black of dark pages.
INK = "#767676"
COLOURS = ("#3b82f6", "#d97706", "#16a34a", "#a855f7", "#ef4444", "#0d9488", "#db2777", "#8a7350")
MARKERS = "osD^vPX*"
SETTINGS = {
    # Ids and text do not depend on the run, the release or the fonts that are there.
    "svg.hashsalt": "lvrestore",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
SIZE_INCHES = (7.2, 4.2)


class Plot(msgspec.Struct, kw_only=True):
    """Lines over one axis. Titles of axes name the unit; `lines` are points by what the line shows."""

    name: str
    title: str
    x_title: str
    y_title: str
    lines: dict[str, Sequence[Point]]
    is_log_x: bool = False


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark take `--plots`."""
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="draw the figures as SVG; needs matplotlib (.[bench])"
    )


def draw(plots: Sequence[Plot], folder: Path | None) -> None:
    """Write each plot to `NAME.svg` of a folder; without a folder nothing, without matplotlib a word about it."""
    if folder is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        print("\nplots are left out: matplotlib is missing, `pip install '.[bench]'` brings it")
        return
    folder.mkdir(parents=True, exist_ok=True)
    print()
    for plot in plots:
        path = folder / f"{plot.name}.svg"
        _write(plot, path)
        print(f"plot: {path}")


def _write(plot: Plot, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - it is optional, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        _fill(figure.add_subplot(), plot)
        if len(plot.lines) > 1:
            figure.legend(loc="outside right upper", frameon=False)
        # Date and release would differ each time.
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _fill(axes: Any, plot: Plot) -> None:  # noqa: ANN401 - matplotlib may be missing
    for number, (label, points) in enumerate(plot.lines.items()):
        axes.plot(
            *zip(*sorted(points), strict=True),
            label=label,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1.8,
        )
    if plot.is_log_x:
        axes.set_xscale("log")
    ticks = sorted({x for points in plot.lines.values() for x, _ in points})
    axes.set_xticks(ticks, [f"{x:,.6g}" for x in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.set_xlabel(plot.x_title)
    axes.set_ylabel(plot.y_title)
    axes.set_title(plot.title, loc="left")
    axes.grid(visible=True)
