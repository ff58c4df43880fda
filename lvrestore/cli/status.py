"""`lvrestore status`: what sessions did, read from the state file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

from lvrestore.cli import options as opt
from lvrestore.cli.output import Output
from lvrestore.cli.state_file import session_named, state_reader
from lvrestore.model import Json
from lvrestore.report.console import fits
from lvrestore.report.session import session_summary
from lvrestore.report.terminal import print_summary_table, summary_lines
from lvrestore.state.reader import StateReader
from lvrestore.state.resume import request_of
from lvrestore.state.sessions import SessionRow

if TYPE_CHECKING:
    from rich.console import Console

# What makes a session end with 1, and the summary's key that counts it.
AMISS = {"partial": "partial_count", "conflict": "conflict_count", "failed": "error_count"}


@click.command()
@click.argument("session", required=False)
@opt.option("--all", "all_sessions", is_flag=True, help="List all sessions.", in_file=False)
@opt.about_destination
@opt.shown
def status(session: str | None, where: opt.Whereabouts, out: Output, *, all_sessions: bool) -> None:
    """Show what the newest session did, or the one named."""
    reader = state_reader(where)
    listed = reader.sessions() if all_sessions and session is None else []
    shown = listed or [session_named(reader, session)]
    summaries = [session_summary(reader, one) for one in shown]
    if out.as_json:
        for summary in summaries:
            out.line(summary)
    elif all_sessions:
        print_sessions(out.console, shown, summaries)
    else:
        _show_session(out, reader, shown[0], summaries[0])


def print_sessions(console: Console, sessions: list[SessionRow], summaries: list[dict[str, Json]]) -> None:
    """Print the table, or a paragraph for each session where the terminal has no room for its ids."""
    table = _sessions_table(sessions, summaries)
    if fits(console, table):
        console.print(table)
        return
    for one, summary in zip(sessions, summaries, strict=True):
        counts = {name: summary["summary"][key] for name, key in AMISS.items()}
        amiss = "".join(f", {n:,} {name}" for name, n in counts.items() if n)
        console.print(
            f"{one.id}\n    {one.started_at[:19]} {summary['status']}, {_items(summary)} items{amiss}"
        )


def _sessions_table(sessions: list[SessionRow], summaries: list[dict[str, Json]]) -> Table:
    heads = ("session", "started", "status", "items", *AMISS)
    table = Table(*heads, box=None, padding=(0, 2, 0, 0))
    for one, summary in zip(sessions, summaries, strict=True):
        amiss = [f"{summary['summary'][key]:,}" for key in AMISS.values()]
        table.add_row(one.id, one.started_at[:19], summary["status"], _items(summary), *amiss)
    return table


def _items(summary: dict[str, Json]) -> str:
    """How many items have ended, and of how many where some are left."""
    done = f"{summary['summary']['total_items']:,}"
    progress = summary["progress"] if summary["status"] != "completed" else None
    return done if progress is None else f"{done} of {progress['total']:,}"


def _show_session(out: Output, reader: StateReader, session: SessionRow, summary: dict[str, Json]) -> None:
    console = out.console
    end = f" to {session.completed_at[:19]}" if session.completed_at else ""
    console.print(f"session {session.id}: {summary['status']}, {session.started_at[:19]}{end}")
    console.print(f"destination {session.destination_instance}")
    if out.verbose:
        console.print(f"source {session.source_instance}")
        console.print(f"backup {session.metadata.get('vault')}")
        console.print(f"state file {reader.path}")
        for name, value in request_of(session):
            console.print(f"  {name}: {value}")
    if summary["status"] != "completed" and summary["progress"]:
        console.print(_progress_table(summary["progress"]))
    if summary["content_type_breakdown"]:
        print_summary_table(console, summary)
    for line in summary_lines(summary):
        console.print(line)


def _progress_table(progress: dict[str, Json]) -> Table:
    """What is done of a session that is not finished, type by type."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("type")
    for name in ("done", "of"):
        table.add_column(name, justify="right")
    for label, one in (*progress["types"].items(), ("all", progress)):
        table.add_row(label, f"{one['done']:,}", f"{one['total']:,}")
    return table
