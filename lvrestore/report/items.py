"""A session item by item, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from rich.table import Table

from lvrestore.model import Json, Operation
from lvrestore.report.urls import web_url
from lvrestore.state.journal import JournalItem
from lvrestore.state.store import SessionRow
from lvrestore.text import NAME_LIMIT, printable

if TYPE_CHECKING:
    from rich.console import Console

ROWS_AT_ONCE = 500
COLUMNS = ("type", "id", "name", "outcome", "here", "why", "url")


def item_object(item: JournalItem, session: SessionRow) -> dict[str, Json]:
    """The `item` line of an item."""
    return {
        "type": "item",
        "content_type": item.content_type.label,
        "content_id": item.source_id,
        "name": item.name,
        "operation": item.operation.value,
        "destination_id": item.destination_id,
        "url": web_url(session.destination_instance, item.content_type, item.destination_id),
        "old_url": web_url(session.source_instance or "", item.content_type, item.source_id),
        "reason": item.reason,
        "calls": item.calls,
        "duration_ms": item.duration_ms,
        "warnings": [{"kind": kind, "message": message} for kind, message in item.warnings],
        "error": _error_object(item),
    }


def _error_object(item: JournalItem) -> dict[str, Json] | None:
    error = item.error
    if error is None:
        if item.operation is not Operation.CONFLICT:
            return None
        told: dict[str, Json] = {
            "kind": "conflict",
            "message": item.reason,
            "http_status": None,
            "field": None,
        }
    else:
        told = {
            "kind": error.kind,
            "message": error.message,
            "http_status": error.http_status,
            "field": error.field,
        }
    return {**told, "dead_letter_id": item.letter_id}


def show_items(console: Console, items: Iterable[JournalItem], session: SessionRow, *, verbose: bool) -> int:
    """Print a table of the items, some hundred rows at a time; return how many there were.

    With `verbose` nothing is cut, and each warning has a line of its own.
    """
    rest, shown = iter(items), 0
    while chunk := list(islice(rest, ROWS_AT_ONCE)):
        console.print(_table(chunk, session, verbose=verbose, is_first=not shown))
        shown += len(chunk)
    return shown


def _table(chunk: list[JournalItem], session: SessionRow, *, verbose: bool, is_first: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=is_first)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for item in chunk:
        cut = None if verbose else NAME_LIMIT
        table.add_row(
            item.content_type.label,
            printable(item.source_id),
            printable(item.name, cut),
            item.operation.value,
            printable(item.destination_id or ""),
            "\n".join(printable(line, cut) for line in _why(item, verbose=verbose)),
            web_url(session.destination_instance, item.content_type, item.destination_id),
        )
    return table


def _why(item: JournalItem, *, verbose: bool) -> Iterator[str]:
    if item.error is not None:
        yield f"{item.error.kind}: {item.error.message}"
    elif item.reason:
        yield item.reason
    if verbose:
        yield from (f"{kind}: {message}" for kind, message in item.warnings)
    elif item.warnings:
        yield ", ".join(dict.fromkeys(kind for kind, _ in item.warnings))
