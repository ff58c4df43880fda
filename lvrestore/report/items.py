"""A session item by item, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.table import Table

from lvrestore.model import Json, Operation
from lvrestore.report.console import fits
from lvrestore.report.urls import web_url
from lvrestore.state.journal import JournalItem
from lvrestore.state.sessions import SessionRow
from lvrestore.text import NAME_LIMIT, printable

if TYPE_CHECKING:
    from rich.console import Console

ROWS_AT_ONCE = 500
WHY_LIMIT = 300
COLUMNS = ("type", "id", "name", "outcome", "here", "why", "url")


def item_object(item: JournalItem, session: SessionRow) -> dict[str, Json]:
    """The `item` line of an item."""
    return {
        "type": "item",
        "content_type": item.content_type.label,
        "content_id": item.source_id,
        "name": item.name,
        "operation": item.operation.value,
        "done": item.done,
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

    With `verbose` nothing is cut, and each warning is told. A terminal that has no room for the table gets a paragraph
    for each item. A pipe gets each item on a line: without the work that a terminal's width makes, which takes a
    minute for 50,000 items.
    """
    rest, shown, in_columns = iter(items), 0, True
    while chunk := list(islice(rest, ROWS_AT_ONCE)):
        rows = [_cells(item, session, verbose=verbose) for item in chunk]
        if console.is_terminal:
            table = _table(rows, is_first=not shown)
            in_columns = in_columns and fits(console, table)
            console.print(table if in_columns else "\n".join(map(_paragraph, rows)), soft_wrap=not in_columns)
        else:
            console.out("\n".join(_lines(rows if shown else [COLUMNS, *rows])), highlight=False)
        shown += len(chunk)
    return shown


def _cells(item: JournalItem, session: SessionRow, *, verbose: bool) -> tuple[str, ...]:
    cut = None if verbose else NAME_LIMIT
    return (
        item.content_type.label,
        printable(item.source_id),
        printable(item.name, cut),
        item.operation.value,
        printable(item.destination_id or ""),
        "; ".join(printable(line, None if verbose else WHY_LIMIT) for line in _why(item, verbose=verbose)),
        web_url(session.destination_instance, item.content_type, item.destination_id) or "",
    )


def _table(rows: list[tuple[str, ...]], *, is_first: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=is_first)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _paragraph(row: tuple[str, ...]) -> str:
    """An item for a terminal without room for the table: reason and URL have lines of their own."""
    kind, source_id, name, outcome, here, *more = row
    moved = f", here {here}" if here not in {"", source_id} else ""
    return "\n    ".join((f'{kind} {source_id} "{name}": {outcome}{moved}', *filter(None, more)))


def _lines(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _why(item: JournalItem, *, verbose: bool) -> Iterator[str]:
    if item.error is not None:
        yield f"{item.error.kind}: {item.error.message}"
    elif item.reason:
        yield item.reason
    if verbose:
        yield from (f"{kind}: {message}" for kind, message in item.warnings)
    elif item.warnings:
        yield ", ".join(dict.fromkeys(kind for kind, _ in item.warnings))
