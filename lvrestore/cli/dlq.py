"""`lvrestore failures`, or `dlq`: what failed and why; try it again, or forget it."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
from rich.table import Table

from lvrestore.cli import options as opt
from lvrestore.cli.output import Output
from lvrestore.cli.retry import retry_letters
from lvrestore.cli.state_file import absent_letters, require_known, state_reader
from lvrestore.errors import CancelledError, UsageError
from lvrestore.looker.redaction import redacted
from lvrestore.model import ContentType, Json
from lvrestore.report.console import fits
from lvrestore.report.terminal import ask
from lvrestore.report.wording import counted
from lvrestore.settings import default_state_path
from lvrestore.state.dead_letters import DeadLetterItem, LetterFilter, masked
from lvrestore.state.lock import RunLock
from lvrestore.state.store import StateStore
from lvrestore.text import NAME_LIMIT, printable
from lvrestore.vault import decode_blob

PREVIEW_CHARACTERS = 2000
MESSAGE_LIMIT = 300


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def dlq() -> None:
    """List what failed, retry it, or remove it from the list."""


dlq.add_command(retry_letters)


@dlq.command("list")
@opt.session_filter
@opt.one_type_option
@opt.kind_option
@opt.limit_option
@opt.offset_option
@opt.about_destination
@opt.shown
def list_letters(
    session: str | None,
    content_type: ContentType | None,
    kind: str | None,
    limit: int | None,
    offset: int,
    where: opt.Whereabouts,
    out: Output,
) -> None:
    """List what failed: why, how often, and when last."""
    reader = state_reader(where)
    wanted = LetterFilter(session_id=session, content_type=content_type, kind=kind)
    require_known(reader, wanted)
    letters = reader.dead_letters.find(wanted, limit=limit or -1, offset=offset)
    if out.as_json:
        for letter in letters:
            out.line(letter_object(letter))
    elif letters:
        print_letters(letters, out)
    else:
        out.say("no failures")


def print_letters(letters: list[DeadLetterItem], out: Output) -> None:
    """Print the table, or a paragraph for each failure where the terminal has no room for it."""
    table = _letters_table(letters, out)
    if fits(out.console, table):
        out.console.print(table)
        return
    for one in letters:
        status = f" {one.http_status}" if one.http_status else ""
        tried = counted(one.attempts, "attempt")
        named = f'{one.content_type} {one.content_id} "{printable(one.name, out.cut(NAME_LIMIT))}"'
        out.console.print(
            f"{one.id}  {printable(named)}: {one.error_kind}{status}, {tried}, {one.failed_at[:19]}"
        )
        out.console.print(f"    {printable(one.message, out.cut(MESSAGE_LIMIT))}")


def _letters_table(letters: list[DeadLetterItem], out: Output) -> Table:
    columns = ("id", "item", "name", "kind", "status", "attempts", "failed", "message")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for one in letters:
        table.add_row(
            str(one.id),
            printable(f"{one.content_type} {one.content_id}", out.cut(NAME_LIMIT)),
            printable(one.name, out.cut(30)),
            one.error_kind,
            str(one.http_status or ""),
            f"{one.attempts:,}",
            one.failed_at[:19],
            printable(one.message, out.cut(MESSAGE_LIMIT)),
        )
    return table


@dlq.command("show")
@click.argument("letter_id", metavar="ID", type=int)
@opt.about_destination
@opt.shown
def show_letter(letter_id: int, where: opt.Whereabouts, out: Output) -> None:
    """Show one failure: request, response, attempts, and a preview of the content (with -v all of it)."""
    reader = state_reader(where)
    letter = reader.dead_letters.get(letter_id)
    if letter is None:
        raise absent_letters([letter_id], reader)
    shown = letter_object(letter) | letter_details(letter, out.cut(PREVIEW_CHARACTERS))
    if out.as_json:
        out.line(shown)
        return
    for name, value in shown.items():
        if value not in (None, "") and name != "type":
            out.say(f"{name:>14}: {printable(str(value))}")


@dlq.command("clear")
@opt.letters_argument
@opt.session_filter
@opt.one_type_option
@opt.option("--all", "all_letters", is_flag=True, help="All of them.", in_file=False)
@opt.about_destination
@opt.lock_timeout_option
@opt.force_option
@opt.shown
def clear_letters(
    ids: tuple[int, ...],
    session: str | None,
    content_type: ContentType | None,
    where: opt.Whereabouts,
    lock_timeout_s: float,
    out: Output,
    *,
    all_letters: bool,
    force: bool,
) -> None:
    """Remove failures from the list: the given ids, those of a session or type, or all.

    Nothing changes on the instance. If the item fails in a later run, that run lists it again.
    """
    wanted = LetterFilter(ids=ids or None, session_id=session, content_type=content_type)
    if wanted.is_empty != all_letters:
        raise UsageError("say which failures: ids, --session, --type, or --all alone")
    reader = state_reader(where)
    require_known(reader, wanted)
    letters = reader.dead_letters.find(wanted)
    for one in letters:
        out.details(printable(f"{one.id}: {one.content_type} {one.content_id}: {one.message}", MESSAGE_LIMIT))
    click.echo(_what_is_cleared(letters, reader.path), err=True)
    if letters and not force and not ask():
        raise CancelledError
    if letters:
        _clear(reader.path, letters, lock_timeout_s)
    if out.as_json:
        out.line({"type": "cleared", "count": len(letters)})
    elif letters:
        out.say(f"{counted(len(letters), 'failure')} removed from the list")


def _what_is_cleared(letters: list[DeadLetterItem], path: Path) -> str:
    if not letters:
        return "no failures to remove"
    what = counted(len(letters), "failure")
    return f"Remove {what} from the list in {path}. Nothing else knows what failed."


def _clear(path: Path, letters: list[DeadLetterItem], lock_timeout_s: float) -> None:
    """Only one process writes the state file: a run that is under way is waited for, or in the way."""
    lock = RunLock.acquire(path, default_state_path(letters[0].destination_instance), lock_timeout_s)
    try:
        with StateStore(path) as store:
            store.clear_dead_letters([letter.id for letter in letters])
    finally:
        lock.release()


def letter_object(letter: DeadLetterItem) -> dict[str, Json]:
    """The line of a dead letter in a list."""
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


def letter_details(letter: DeadLetterItem, most: int | None = PREVIEW_CHARACTERS) -> dict[str, Json]:
    """What is shown of one dead letter besides; of its content so many characters."""
    return {
        "field": letter.field,
        "request": letter.request,
        "response": letter.response,
        "blocker": letter.blocker,
        "trace": letter.trace,
        "content": _preview(letter, most),
    }


def _preview(letter: DeadLetterItem, most: int | None) -> str | None:
    if letter.blob is None:
        return None
    try:
        content = masked(ContentType[letter.content_type.upper()], decode_blob(letter.blob))
    except ValueError as error:
        return f"({len(letter.blob)} bytes that do not decode: {error})"
    # Redacted before it is cut: a value that is cut has no end to find it by.
    return redacted(orjson.dumps(content, default=str).decode())[:most]
