"""Where results are printed: stdout, as wide as the terminal, and unwrapped into a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

UNWRAPPED = 10_000
# Wider than any table: how wide one would like to be.
UNBOUND = 100_000


def result_console(*, quiet: bool = False) -> Console:
    """A console on stdout; programs that read a pipe get every row on one line."""
    width = None if sys.stdout.isatty() else UNWRAPPED
    return Console(highlight=False, markup=False, width=width, quiet=quiet)


def fits(console: Console, table: Table) -> bool:
    """Whether no cell of the table has to be cut or folded."""
    unbound = console.options.update(max_width=UNBOUND)
    return console.measure(table, options=unbound).maximum <= console.width
