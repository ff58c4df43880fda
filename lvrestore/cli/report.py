"""`lvrestore report`: what a session did, item by item, read from the state file alone."""

from __future__ import annotations

import click

from lvrestore.cli import options as opt
from lvrestore.cli.output import Output
from lvrestore.cli.state_file import session_named, state_reader
from lvrestore.model import Operation
from lvrestore.report.items import item_object, show_items
from lvrestore.state.journal import JournalFilter


@click.command()
@click.argument("session", required=False)
@opt.report_filters
@opt.about_destination
@opt.shown
def report(
    session: str | None,
    operations: tuple[str, ...],
    where: opt.Whereabouts,
    out: Output,
    *,
    warnings: bool,
    conflicts: bool,
    failures: bool,
) -> None:
    """Show the newest session item by item, or the one named.

    With several of --operation, --warnings, --conflicts and --failures, what any of them means is shown.
    """
    reader = state_reader(where)
    found = session_named(reader, session)
    wanted = JournalFilter(
        operations=tuple(map(Operation, (*operations, *([Operation.CONFLICT] if conflicts else ())))),
        warnings=warnings,
        failures=failures,
    )
    items = reader.journal(found, wanted)
    if out.as_json:
        for item in items:
            out.line(item_object(item, found))
    elif not show_items(out.console, items, found, verbose=out.verbose):
        out.say(
            f"session {found.id} has no such items"
            if wanted != JournalFilter()
            else f"session {found.id} has no items"
        )
