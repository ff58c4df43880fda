"""What `lvrestore vault` prints: tables for people, or one JSON object per line."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lvrestore.text import NAME_LIMIT, printable
from lvrestore.vault.check import BadRow, Checked, Damage, Dangling, Finding, Superseded
from lvrestore.vault.limits import NOT_IN_A_BACKUP, WITHOUT, missing_matters
from lvrestore.vault.trashed import is_deleted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lvrestore.model import VaultRow
    from lvrestore.vault.foreign_keys import Reference
    from lvrestore.vault.reader import VaultInfo

# Without a terminal nothing is cut off at 80 columns.
WIDTH_WITHOUT_TERMINAL = 160
# Rows per table: a list of any length is printed in constant memory.
PAGE_ROWS = 500
VALUE_LIMIT = 300


class VaultOutput(Protocol):
    """Where the results of the vault commands go."""

    def info(self, path: Path, info: VaultInfo) -> None:
        """Show what a vault is and holds."""

    def rows(self, rows: Iterable[VaultRow]) -> None:
        """Show rows as they come."""

    def left_out(self, count: int) -> None:
        """Say how many rows were left out because they are deleted in the backup."""

    def item(self, row: VaultRow, content: dict[str, Any], references: list[Reference]) -> None:
        """Show one item."""

    def findings(self, findings: Iterable[Finding]) -> int:
        """Show the findings of a check as they come, and return how many rows are bad."""


def output_for(*, as_json: bool, verbose: bool = False, quiet: bool = False) -> VaultOutput:
    """Return the chosen output."""
    return JsonOutput() if as_json else HumanOutput(verbose=verbose, quiet=quiet)


# -- JSON ------------------------------------------------------------------------------------------


class JsonOutput:
    """One JSON object per line, each with its type."""

    def info(self, path: Path, info: VaultInfo) -> None:
        """Print the vault line."""
        counts = {t.label: {"rows": c.rows, "deleted": c.deleted} for t, c in info.counts.items()}
        missing = [t.label for t in info.missing_types]
        known = msgspec.structs.asdict(info) | {"counts": counts, "missing_types": missing}
        limits = [{"what": what, "why": why} for what, why in NOT_IN_A_BACKUP.items()]
        _print_json("vault", {"path": str(path)} | known | {"not_restorable": limits})

    def rows(self, rows: Iterable[VaultRow]) -> None:
        """Print a line per row, without its content."""
        for row in rows:
            _print_json("row", _row_fields(row))

    def left_out(self, count: int) -> None:
        """Say it on stderr: the list has a line per row and no other."""
        _say_left_out(count)

    def item(self, row: VaultRow, content: dict[str, Any], references: list[Reference]) -> None:
        """Print the item with all of its decoded content; times in ISO 8601."""
        targets = [f"{r.content_type.label}:{r.source_id}" for r in references]
        _print_json("item", _row_fields(row) | {"references": targets, "content": content})

    def findings(self, findings: Iterable[Finding]) -> int:
        """Print a line per finding; the last one is the summary."""
        bad = 0
        for finding in findings:
            bad = finding.bad if isinstance(finding, Checked) else bad
            _print_json("", msgspec.to_builtins(finding))
        return bad


def _say_left_out(count: int) -> None:
    if count:
        sys.stderr.write(f"{count:,} left out: deleted in the backup (--deleted include shows them)\n")


def _row_fields(row: VaultRow) -> dict[str, Any]:
    return {
        "content_type": row.content_type.label,
        "content_id": row.source_id,
        "name": row.name,
        "owner_id": row.owner_id,
        "folder_id": row.folder_id,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
        "deleted": is_deleted(row),
        "size": len(row.blob),
    }


def _print_json(kind: str, fields: dict[str, Any]) -> None:
    line = {"type": kind} | fields if kind else fields
    sys.stdout.write(msgspec.json.encode(line, enc_hook=str).decode() + "\n")


# -- people ----------------------------------------------------------------------------------------


class HumanOutput:
    """Tables on stdout, remarks on stderr. With `verbose` nothing is cut, with `quiet` nothing is shown."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self._console, self._quiet = _console(sys.stdout, quiet=quiet), quiet
        self._name_limit: int | None = None if verbose else NAME_LIMIT
        self._value_limit: int | None = None if verbose else VALUE_LIMIT

    def info(self, path: Path, info: VaultInfo) -> None:
        """Print what there is, what is missing and what never is in a backup."""
        for line in _info_lines(path, info):
            self._line(line)
        table = _table("Type", "Rows", "Deleted")
        for content_type, count in info.counts.items():
            table.add_row(content_type.label, f"{count.rows:,}", f"{count.deleted:,}")
        self._console.print(table)
        if missing_matters(info.missing_types):
            self._pairs("Missing from this backup", {t.label: WITHOUT[t] for t in info.missing_types})
        self._pairs("Not in any lookervault backup", NOT_IN_A_BACKUP)

    def rows(self, rows: Iterable[VaultRow]) -> None:
        """Print the rows, a table per page of them."""
        left = iter(rows)
        while page := list(islice(left, PAGE_ROWS)):
            table = _table("Type", "Id", "Name", "Folder", "Owner", "Updated", "Deleted")
            for row in page:
                table.add_row(*_row_cells(row, self._name_limit))
            self._console.print(table)

    def left_out(self, count: int) -> None:
        """Say it on stderr: it is no part of the list."""
        if not self._quiet:
            _say_left_out(count)

    def item(self, row: VaultRow, content: dict[str, Any], references: list[Reference]) -> None:
        """Print an item's own values, its parts and what it refers to."""
        self._line(f"{row.content_type.label} {row.source_id}  {printable(row.name, self._value_limit)}")
        if row.deleted_at:
            self._line(f"marked deleted by the backup at {row.deleted_at}")
        elif is_deleted(row):
            self._line("in the trash when it was backed up")
        self._pairs(
            "",
            {key: _short(value, self._value_limit) for key, value in content.items() if not _is_part(value)},
        )
        for title, part, columns in _PARTS:
            self._parts(title, _dicts(content.get(part)), columns)
        for place in _dicts(content.get("dashboard_layouts")):
            self._parts(_layout_title(place), _dicts(place.get("dashboard_layout_components")), _PLACE)
        targets = {f"{r.content_type.label} {r.source_id}": r.path for r in references}
        self._pairs("Refers to", targets)

    def findings(self, findings: Iterable[Finding]) -> int:
        """Print a line per finding and the summary."""
        bad = 0
        for finding in findings:
            bad = finding.bad if isinstance(finding, Checked) else bad
            self._line(_finding_line(finding, self._name_limit, self._value_limit))
        return bad

    def _line(self, text: str) -> None:
        self._console.print(Text(printable(text)), soft_wrap=True)

    def _pairs(self, title: str, pairs: dict[str, str]) -> None:
        if not pairs:
            return
        table = Table(title=title or None, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in pairs.items():
            table.add_row(Text(printable(key, self._name_limit)), Text(printable(value)))
        self._console.print(table)

    def _parts(self, title: str, parts: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
        if not parts:
            return
        table = _table(*columns, title=title)
        for part in parts:
            table.add_row(
                *(Text(printable(_short(part.get(column), self._value_limit))) for column in columns)
            )
        self._console.print(table)


_PLACE = ("dashboard_element_id", "row", "column", "width", "height", "deleted")
# What is shown of the lists inside an item.
_PARTS = (
    (
        "Filters",
        "dashboard_filters",
        ("id", "name", "title", "type", "default_value", "dimension", "listens_to_filters"),
    ),
    (
        "Tiles",
        "dashboard_elements",
        ("id", "type", "title", "title_text", "query_id", "look_id", "merge_result_id", "extension_id"),
    ),
    ("Explores", "explores", ("name", "label", "hidden")),
    ("Sections", "board_sections", ("id", "title")),
    ("Destinations", "scheduled_plan_destination", ("id", "format", "type")),
)


def _console(stream: Any, *, quiet: bool) -> Console:  # noqa: ANN401 - whatever stands in for stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, quiet=quiet)


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title and Text(printable(title)), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _info_lines(path: Path, info: VaultInfo) -> Iterator[str]:
    yield f"{path}: schema version {info.schema_version}, {info.id_form} ids, {info.size_bytes:,} bytes"
    yield f"synchronised from {info.oldest or 'never'} to {info.newest or 'never'}"
    if info.source_instance:
        yield f"source: {info.source_instance}"
    if info.extraction_status not in (None, "completed"):
        yield f"the last extraction ended as {info.extraction_status}: rows may be missing"
    if info.superseded:
        yield f"{info.superseded:,} rows are there under both forms of their id: the one synced last counts"
    for number, rows in info.unknown_types.items():
        yield f"{rows:,} rows of unknown content type {number} are ignored"


def _row_cells(row: VaultRow, limit: int | None) -> tuple[Text | str, ...]:
    texts = (row.source_id, printable(row.name, limit), row.folder_id, row.owner_id)
    deleted = row.deleted_at or ("in trash" if is_deleted(row) else "")
    dates = (value[:10] for value in (row.updated_at or "", deleted))
    return (row.content_type.label, *(Text(printable(text or "")) for text in texts), *dates)


def _finding_line(finding: Finding, limit: int | None, value_limit: int | None) -> str:
    match finding:
        case Damage(message=message):
            return f"the file is damaged: {message}"
        case BadRow(field=field, reason=reason):
            where = f" at {field}" if field else ""
            return f"bad: {_named(finding, limit)}: {printable(reason, value_limit)}{where}"
        case Dangling(path=path, refers_to=target, state=state):
            state_text = "marked deleted in" if state == "deleted" else "not in"
            what = f"{printable(path, limit)} is {printable(target, limit)}"
            return f"warning: {_named(finding, limit)}: {what}, {state_text} the vault"
        case Superseded():
            return f"warning: {_named(finding, limit)}: not used, the other form of this id was synced later"
    return f"{finding.rows:,} rows checked, {finding.bad:,} bad, {finding.warnings:,} warnings"


def _named(finding: BadRow | Dangling | Superseded, limit: int | None) -> str:
    return f"{finding.content_type} {finding.content_id} ({printable(finding.name, limit)})"


def _is_part(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _short(value: object, limit: int | None) -> str:
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return printable(text, limit)


def _layout_title(place: dict[str, Any]) -> str:
    label = place.get("label") or ""
    states = (("inactive", not place.get("active")), ("deleted", place.get("deleted")))
    remarks = ", ".join(name for name, is_so in states if is_so)
    return " ".join(filter(None, (f"Layout {place.get('id')}", str(place.get("type") or ""), label, remarks)))
