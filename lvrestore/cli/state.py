"""`lvrestore status` and `dlq`: what earlier runs did and what failed, read from the state file alone."""

from __future__ import annotations

import os
from pathlib import Path

import click
import orjson
from rich.table import Table

from lvrestore.cli import options as opt
from lvrestore.errors import NotFoundError, UsageError
from lvrestore.looker.transport import normalise_base_url
from lvrestore.model import ContentType, Json
from lvrestore.report.console import result_console
from lvrestore.report.jsonl import write_line
from lvrestore.report.session import session_summary
from lvrestore.report.terminal import summary_lines, summary_table
from lvrestore.report.text import printable
from lvrestore.settings import default_state_path
from lvrestore.state.store import DeadLetterItem, SessionRow, StateReader
from lvrestore.vault import decode_blob

URL_VARIABLES = ("LOOKER_BASE_URL", "LOOKERVAULT_API_URL", "LOOKERSDK_BASE_URL")
PREVIEW_CHARACTERS = 2000


@click.command()
@click.argument("session", required=False)
@opt.option("--all", "all_sessions", is_flag=True, help="List all sessions.")
@opt.state_option
@opt.base_url_option
@opt.json_option
def status(
    session: str | None, *, all_sessions: bool, state_path: Path | None, base_url: str | None, as_json: bool
) -> None:
    """Show what the newest session did, or the one named."""
    reader = _reader(state_path, base_url)
    sessions = reader.sessions()
    if session is not None:
        sessions = [s for s in sessions if s.id == session]
    if not sessions:
        what = f"session {session}" if session else "a session"
        raise NotFoundError(what, f"the state file {reader.path}", "`lvrestore status --all` lists them")
    shown = sessions if all_sessions else sessions[:1]
    summaries = [session_summary(reader, one) for one in shown]
    if as_json:
        for summary in summaries:
            write_line(summary)
    elif all_sessions:
        result_console().print(_sessions_table(shown, summaries))
    else:
        _show_session(shown[0], summaries[0])


def _sessions_table(sessions: list[SessionRow], summaries: list[dict[str, Json]]) -> Table:
    table = Table("session", "started", "status", "items", "failed", box=None, padding=(0, 2, 0, 0))
    for one, summary in zip(sessions, summaries, strict=True):
        counts = summary["summary"]
        cells = (f"{counts['total_items']:,}", f"{counts['error_count']:,}")
        table.add_row(one.id, one.started_at[:19], summary["status"], *cells)
    return table


def _show_session(session: SessionRow, summary: dict[str, Json]) -> None:
    console = result_console()
    end = f" to {session.completed_at[:19]}" if session.completed_at else ""
    console.print(f"session {session.id}: {summary['status']}, {session.started_at[:19]}{end}")
    console.print(f"destination {session.destination_instance}")
    if summary["content_type_breakdown"]:
        console.print(summary_table(summary))
    for line in summary_lines(summary):
        console.print(line)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def dlq() -> None:
    """Look at what failed: the dead letters."""


@dlq.command("list")
@opt.option("--session", metavar="S", help="Only of this session.")
@opt.one_type_option
@opt.option("--kind", metavar="K", help="Only errors of this kind.")
@opt.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@opt.option("--offset", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first so many.")
@opt.state_option
@opt.base_url_option
@opt.json_option
def list_letters(
    session: str | None,
    content_type: ContentType | None,
    kind: str | None,
    limit: int | None,
    offset: int,
    state_path: Path | None,
    base_url: str | None,
    *,
    as_json: bool,
) -> None:
    """List the dead letters."""
    letters = _reader(state_path, base_url).dead_letters(
        session_id=session, content_type=content_type, kind=kind, limit=limit or -1, offset=offset
    )
    if as_json:
        for letter in letters:
            write_line(_letter_object(letter))
        return
    if not letters:
        click.echo("no dead letters")
        return
    table = Table("id", "item", "name", "kind", "status", "message", box=None, padding=(0, 2, 0, 0))
    for one in letters:
        item = f"{one.content_type} {one.content_id}"
        http_status = str(one.http_status or "")
        table.add_row(
            str(one.id), item, printable(one.name, 30), one.error_kind, http_status, printable(one.message)
        )
    result_console().print(table)


@dlq.command("show")
@click.argument("letter_id", metavar="ID", type=int)
@opt.state_option
@opt.base_url_option
@opt.json_option
def show_letter(letter_id: int, state_path: Path | None, base_url: str | None, *, as_json: bool) -> None:
    """Show one dead letter: request, response, attempts, and a preview of the content."""
    reader = _reader(state_path, base_url)
    letter = reader.dead_letter(letter_id)
    if letter is None:
        hint = "`lvrestore dlq list` shows them"
        raise NotFoundError(f"dead letter {letter_id}", f"the state file {reader.path}", hint)
    if as_json:
        write_line(_letter_object(letter) | _letter_details(letter))
        return
    for name, value in (_letter_object(letter) | _letter_details(letter)).items():
        if value not in (None, "") and name != "type":
            click.echo(f"{name:>14}: {printable(str(value))}")


def _letter_object(letter: DeadLetterItem) -> dict[str, Json]:
    return {
        "type": "dead_letter",
        "id": letter.id,
        "session_id": letter.session_id,
        "content_type": letter.content_type,
        "content_id": letter.content_id,
        "name": letter.name,
        "error_kind": letter.error_kind,
        "http_status": letter.http_status,
        "message": letter.message,
        "attempts": letter.attempts,
        "failed_at": letter.failed_at,
    }


def _letter_details(letter: DeadLetterItem) -> dict[str, Json]:
    return {
        "field": letter.field,
        "request": letter.request,
        "response": letter.response,
        "blocker": letter.blocker,
        "trace": letter.trace,
        "content": _preview(letter.blob),
    }


def _preview(blob: bytes | None) -> str | None:
    if blob is None:
        return None
    try:
        return orjson.dumps(decode_blob(blob), default=str).decode()[:PREVIEW_CHARACTERS]
    except ValueError as error:
        return f"({len(blob)} bytes that do not decode: {error})"


def _reader(state_path: Path | None, base_url: str | None) -> StateReader:
    """The state file named, or that of the instance named by option or environment."""
    if state_path is None:
        url = base_url or next((os.environ[name] for name in URL_VARIABLES if os.environ.get(name)), None)
        if url is None:
            raise UsageError("which destination?", hint="give --state PATH or --base-url URL")
        state_path = default_state_path(normalise_base_url(url, allow_insecure=True))
    if not state_path.exists():
        hint = "nothing was restored there from this account yet, or it needs --state PATH"
        raise NotFoundError(f"the state file {state_path.name}", str(state_path.parent), hint)
    return StateReader(state_path)
