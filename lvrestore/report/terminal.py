"""A run as a person sees it: questions, progress and warnings on stderr, the result on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext

import click
import orjson
from rich.console import Console
from rich.table import Table

from lvrestore.errors import UsageError
from lvrestore.model import SUCCESSES, ContentType, Json, Operation, RestorationResult
from lvrestore.report.console import fits, result_console
from lvrestore.report.evidence import identity_question
from lvrestore.report.meanings import counted_kind
from lvrestore.report.progress import Progress
from lvrestore.report.reporter import Intent
from lvrestore.report.tally import Tally
from lvrestore.report.wording import (
    NOT_SHOWN,
    api_calls,
    counted,
    intent_lines,
    last_change,
    queries_line,
    what_is_restored,
)
from lvrestore.text import NAME_LIMIT, printable, shortened_pair

SHOWN_CHANGES = 8
# Warnings about mail: a dry run names each.
SENDING = frozenset(
    {
        "switched_off",
        "wakes_schedule",
        "wakes_alert",
        "schedules_may_send",
        "alerts_may_send",
        "part_kept",
        "alert_deleted",
    }
)
# What those who want to see errors only are not shown of a dry run.
NO_TROUBLE = SUCCESSES | {Operation.SKIPPED}
PATH_LIMIT = 120


class Terminal:
    """Progress bar on a TTY, else a heartbeat line; tables at the end."""

    def __init__(
        self, *, force: bool, quiet: bool, verbose: bool, progress: bool, summary: bool = True
    ) -> None:
        """`summary` is off for `single`, whose command says in a sentence how the item ended."""
        self._force, self._quiet, self._verbose = force, quiet, verbose
        self._progress, self._summary = progress and not quiet, summary
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = result_console()
        self._bars: Progress | None = None
        self._tally = Tally()
        self._dry_run = False
        self._waiting: dict[tuple[ContentType, str], str] = {}

    def confirm(self, intent: Intent) -> bool:
        """Show the intent and ask, unless --force answered already."""
        if self._force:
            self._say(intent_lines(intent))
            return True
        for line in intent_lines(intent):  # nobody can answer a question that was not put
            self._err.print(printable(line), markup=False)
        return ask_about(intent)

    def begin(self, intent: Intent, *, dry_run: bool) -> None:
        """Start the bars."""
        self._dry_run = dry_run
        if dry_run:
            self._say(["Nothing is written: this only shows what would be done.", *intent_lines(intent)])
        if not intent.total and not self._quiet:
            self._err.print("Nothing to restore.")
        if self._progress and intent.total > 1:
            self._bars = Progress(intent.counts, intent.absent_types, self._line)

    def result(self, result: RestorationResult, tally: Tally) -> None:
        """Show what matters of one item, and move on."""
        if self._dry_run and (not self._quiet or result.operation not in NO_TROUBLE):
            with self._bars.aside() if self._bars is not None else nullcontext():
                self._show_changes(result)
        for kind, message in result.warnings if self._verbose else ():
            self._note(f"{result.content_type.label} {result.source_id}: {kind}: {message}")
        self._tell_trouble(result)
        self._tally = tally
        if self._bars is not None and not self._dry_run:
            self._bars.result(result, tally)

    def _tell_trouble(self, result: RestorationResult) -> None:
        """Say once what is wrong with an item, and if that has come right when it is looked at again."""
        item = (result.content_type, result.source_id)
        line, told = self._trouble(result), self._waiting.pop(item, None)
        if result.waits and line is not None:
            self._waiting[item] = line
        if line is None and told is not None:
            self._note(f"{result.operation} after all: {_named(result)}")
        elif line is not None and line != told:
            self._note(line)

    def _trouble(self, result: RestorationResult) -> str | None:
        if result.error is not None and not self._dry_run:
            kind = "" if result.operation is Operation.PARTIAL else f"{result.error.kind}: "
            return f"{result.operation}: {_named(result)}: {kind}{result.error.message}"
        if result.operation is Operation.CONFLICT or (
            self._verbose and result.operation is Operation.SKIPPED
        ):
            return f"{result.operation}: {_named(result)}: {result.reason}"
        return None

    def seen(self, result: RestorationResult, tally: Tally) -> None:
        """Move the bar on."""
        self._tally = tally
        if self._bars is not None:
            self._bars.result(result, tally)

    def tick(self, tally: Tally) -> None:
        """Say that the run is alive where no bar does."""
        if self._bars is not None:
            self._bars.tick(tally)

    def end(self, summary: dict[str, Json]) -> None:
        """Show the summary."""
        if self._bars is not None:
            self._bars.close(self._tally, completed=summary["status"] in {"completed", "planned"})
            self._bars = None
        if self._quiet or not self._summary or not summary["summary"]["total_items"]:
            return
        print_summary_table(self._out, summary)
        for line in summary_lines(summary):
            self._out.print(line)

    def say(self, message: str) -> None:
        """Say a sentence about the whole run."""
        if not self._quiet:
            self._note(message)

    def warn(self, message: str) -> None:
        """Show a warning about the whole run."""
        self._note(f"warning: {message}")

    def _say(self, lines: list[str]) -> None:
        for line in [] if self._quiet else lines:
            self._err.print(printable(line), markup=False)

    def _note(self, text: str) -> None:
        line = printable(text)
        if self._bars is not None:
            self._bars.write(line)
        else:
            self._line(line)

    def _line(self, text: str) -> None:
        self._err.print(text, markup=False)

    def _show_changes(self, result: RestorationResult) -> None:
        sending = [message for kind, message in result.warnings if kind in SENDING]
        if result.operation is Operation.UNCHANGED and self._summary and not sending:
            return
        would = "would fail" if result.operation is Operation.FAILED else f"would be {result.operation}"
        self._out.print(f"{would}: {_named(result)} ({api_calls(result.calls.total)})")
        if result.error is not None:
            self._out.print(f"    {result.error.kind}: {printable(result.error.message)}")
        for message in sending:
            self._out.print(f"    ! {printable(message)}")
        if result.became is Operation.CREATED:
            return  # everything in it is new
        if result.became is not Operation.UNDELETED and result.edit is not None and result.edit.after_backup:
            self._out.print(f"    edited after the backup: {printable(last_change(result.edit), 80)}")
        changes = [one for change in result.changes for one in narrowed(*change)]
        for path, before, after in changes[:SHOWN_CHANGES]:
            old, new = shortened_pair(_shown(before), _shown(after))
            self._out.print(f"    {printable(path, PATH_LIMIT)}: {old} -> {new}")
        if (more := len(changes) - SHOWN_CHANGES) > 0:
            self._out.print(f"    and {counted(more, 'more change')}")


def ask_about(intent: Intent) -> bool:
    """Ask for a yes to a run, and first to what its caller declares."""
    return (not intent.asks_identity or ask(identity_question(intent.instance))) and ask(
        f"Restore {what_is_restored(intent)} to {intent.instance}?"
    )


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def ask(question: str = "Go on?") -> bool:
    """Ask for a yes; without a terminal nobody can answer, and a guess would be wrong."""
    if not can_ask():
        raise UsageError(
            "this command writes and needs a yes, but there is no terminal to ask on",
            hint="add --force or --yes to run it without asking",
        )
    return click.confirm(question, default=False, err=True)


def _named(result: RestorationResult) -> str:
    return f'{result.content_type.label} {result.source_id} "{printable(result.name, NAME_LIMIT)}"'


def narrowed(path: str, before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    """Each place within a value where it is to be another one: what is not there is null."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(f"{path}[{n}]", *both) for n, both in enumerate(zip(before, after, strict=True))]
    elif isinstance(before, dict) and isinstance(after, dict):
        pairs = [(f"{path}.{name}", before.get(name), value) for name, value in after.items()]
    else:
        pairs = []
    differing = [(where, old, new) for where, old, new in pairs if old != new]
    if not differing:
        yield path, before, after
    for one in differing:
        yield from narrowed(*one)


def _shown(value: Json) -> str:
    return printable(orjson.dumps(value).decode())


def summary_table(summary: dict[str, Json]) -> Table:
    """One row per content type, one column per operation that happened."""
    breakdown: dict[str, dict[str, int]] = summary["content_type_breakdown"]
    columns = [op for op in Operation if op is Operation.FAILED or any(b[op] for b in breakdown.values())]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("type")
    for name in ("total", *columns):
        table.add_column(name, justify="right")
    for content_type, counts in breakdown.items():
        cells = [f"{counts[name]:,}" for name in ("total", *columns)]
        table.add_row(content_type, *cells)
    return table


def print_summary_table(console: Console, summary: dict[str, Json]) -> None:
    """Print the table, or lines without columns where the terminal has no room for it."""
    table = summary_table(summary)
    if fits(console, table):
        console.print(table)
    else:  # a table with its columns cut says nothing
        console.print("\n".join(type_lines(summary)))


def type_lines(summary: dict[str, Json]) -> Iterator[str]:
    """The table without columns, for a terminal that has no room for them."""
    for content_type, counts in summary["content_type_breakdown"].items():
        done = [f"{counts[op]:,} {op}" for op in Operation if counts[op]]
        yield f"{content_type} {counts['total']:,}: {', '.join(done)}"


def summary_lines(summary: dict[str, Json]) -> list[str]:
    """Calls, errors, warnings and what to do next, in words."""
    counts, calls = summary["summary"], summary["calls"]
    methods = ", ".join(f"{calls[m]:,} {m}" for m in ("GET", "POST", "PATCH", "PUT", "DELETE") if calls[m])
    speed = f"{counts['duration_seconds']:.1f} s, {counts['average_throughput']:.1f} items/s"
    sent = f"{calls['total']:,} calls" + (f" ({methods})" if methods else "")
    lines = [f"{speed}, {sent}, {summary['retries']:,} retries"]
    if counts["left_out_deleted"]:
        lines.append(f"left out: {counts['left_out_deleted']:,} that are deleted in the backup")
    lines += [line] if (line := queries_line(summary["queries"])) else []
    lines += [f"skipped: {one['count']:,} {one['reason']}" for one in summary["skipped"]]
    lines += [f"errors: {n:,} {kind}" for kind, n in summary["error_breakdown"].items()]
    lines += [f"warnings: {counted_kind(one['count'], one['kind'])}" for one in summary["warnings"]]
    if counts["partial_count"]:
        lines.append(f"partly restored: {counted(counts['partial_count'], 'item')}, without what is named")
    if (counts["error_count"] or counts["partial_count"]) and summary["status"] != "planned":
        lines.append("`lvrestore failures list` shows what failed or is missing, and why")
    if counts["conflict_count"] and summary["status"] != "planned":
        lines.append("`lvrestore report --conflicts` shows what is in conflict and why")
    if summary["warnings"] and summary["status"] != "planned":
        lines.append("`lvrestore report --warnings` shows which items have warnings")
    if summary["status"] in {"stopped", "interrupted", "failed"}:
        session_id = summary["session_id"]
        goes_on = f"`lvrestore resume` continues session {session_id}" if session_id else NOT_SHOWN
        lines.append(f"{summary['status']}: {goes_on}")
    return lines
