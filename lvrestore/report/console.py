"""Where results are printed: stdout, as wide as the terminal, and unwrapped into a pipe."""

from __future__ import annotations

import sys

from rich.console import Console

UNWRAPPED = 10_000


def result_console(*, quiet: bool = False) -> Console:
    """A console on stdout; programs that read a pipe get every row on one line."""
    width = None if sys.stdout.isatty() else UNWRAPPED
    return Console(highlight=False, markup=False, width=width, quiet=quiet)
