"""`lvrestore report`: what a session did, item by item, read from the state file alone."""

from __future__ import annotations

from pathlib import Path

import click

from lvrestore.cli import options as opt
from lvrestore.cli.state_file import session_named, state_reader
from lvrestore.model import Operation
from lvrestore.report.console import result_console
from lvrestore.report.items import item_object, show_items
from lvrestore.report.jsonl import write_line
from lvrestore.state.journal import JournalFilter


@click.command()
@click.argument("session", required=False)
@opt.option(
    "--operation",
    "operations",
    multiple=True,
    type=click.Choice([one.value for one in Operation]),
    help="Only items that ended so.",
)
@opt.option("--warnings", is_flag=True, help="Only items with warnings.")
@opt.option("--conflicts", is_flag=True, help="Only items in conflict.")
@opt.option("--failures", is_flag=True, help="Only items that failed, or of which something failed.")
@opt.state_option
@opt.base_url_option
@opt.json_option
@opt.verbose_option
def report(
    session: str | None,
    operations: tuple[str, ...],
    state_path: Path | None,
    base_url: str | None,
    *,
    warnings: bool,
    conflicts: bool,
    failures: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Show the newest session item by item, or the one named.

    With several of --operation, --warnings, --conflicts and --failures, what any of them means is shown.
    """
    reader = state_reader(state_path, base_url)
    found = session_named(reader, session)
    wanted = JournalFilter(
        operations=tuple(map(Operation, (*operations, *([Operation.CONFLICT] if conflicts else ())))),
        warnings=warnings,
        failures=failures,
    )
    items = reader.journal(found, wanted)
    if as_json:
        for item in items:
            write_line(item_object(item, found))
    elif not show_items(result_console(), items, found, verbose=verbose):
        click.echo(f"session {found.id}: no such items" if wanted != JournalFilter() else "no items")
