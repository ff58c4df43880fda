"""What a command shows of its result: lines for programs, or as much for people as they asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from lvrestore.errors import UsageError
from lvrestore.model import Json

if TYPE_CHECKING:
    from rich.console import Console


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """`--json`, `-v` (nothing is cut, and details are shown) and `-q` (people see errors and questions only)."""

    as_json: bool
    verbose: bool
    quiet: bool

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        require_one_voice(verbose=self.verbose, quiet=self.quiet)

    @property
    def console(self) -> Console:
        """Where tables go."""
        # Tables take long to import, and `--help` must not wait for them.
        from lvrestore.report.console import result_console  # noqa: PLC0415

        return result_console(quiet=self.quiet)

    def line(self, value: Json) -> None:
        """Write an object for programs."""
        from lvrestore.report.jsonl import write_line  # noqa: PLC0415 - as above

        write_line(value)

    def say(self, text: str, *, err: bool = False) -> None:
        """Tell people."""
        if not self.quiet:
            click.echo(text, err=err)

    def details(self, text: str) -> None:
        """Tell people who want to know more, beside the result."""
        if self.verbose:
            click.echo(text, err=True)

    def cut(self, limit: int) -> int | None:
        """How long a text may be."""
        return None if self.verbose else limit


def require_one_voice(*, verbose: bool, quiet: bool) -> None:
    """Refuse to be quiet and verbose."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict each other", "give one of them")
