"""A run as a program sees it: one JSON object per line on stdout, nothing else there."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import orjson

from lvrestore.model import SUCCESSES, ItemError, Json, Operation, RestorationResult
from lvrestore.report.evidence import identity_warnings
from lvrestore.report.reporter import Intent
from lvrestore.report.tally import Tally
from lvrestore.report.terminal import ask_about
from lvrestore.report.wording import hidden_line, intent_lines
from lvrestore.text import printable


def write_line(value: Json) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


class JsonLines:
    """Summary of a bulk run, or the lines of a dry run."""

    def __init__(
        self, *, force: bool, summary: bool = True, verbose: bool = False, quiet: bool = False
    ) -> None:
        """`summary` is off for `single`, whose command writes the item's own object."""
        self._force, self._summary = force, summary
        self._verbose, self._quiet = verbose, quiet
        self._dry_run = False

    def confirm(self, intent: Intent) -> bool:
        """Ask on stderr, unless --force answered already."""
        if self._force:
            return True
        for line in intent_lines(intent):
            _tell(line)
        return ask_about(intent)

    def begin(self, intent: Intent, *, dry_run: bool) -> None:
        """Remember what kind of lines is wanted; say what nobody may miss about the instance."""
        self._dry_run = dry_run
        for line in (*identity_warnings(intent.verdict, intent.instance), *map(hidden_line, intent.hidden)):
            self.warn(line)

    def result(self, result: RestorationResult, tally: Tally) -> None:  # noqa: ARG002 - the summary has the sums
        """With -v name the item's warnings on stderr; in a dry run, write what would happen to the item."""
        for kind, message in result.warnings if self._verbose else ():
            _tell(f"{result.content_type.label} {result.source_id}: {kind}: {message}")
        if self._dry_run and self._summary:
            write_line(change_object(result))

    def seen(self, result: RestorationResult, tally: Tally) -> None:
        """Say nothing."""

    def tick(self, tally: Tally) -> None:
        """Say nothing."""

    def end(self, summary: dict[str, Json]) -> None:
        """Write the summary."""
        if self._summary:
            write_line(summary)

    def say(self, message: str) -> None:
        """Say it on stderr."""
        if not self._quiet:
            _tell(message)

    def warn(self, message: str) -> None:
        """Warn on stderr."""
        _tell(f"warning: {message}")


def _tell(message: str) -> None:
    sys.stderr.write(f"{printable(message)}\n")


def change_object(result: RestorationResult) -> dict[str, Json]:
    """The `change` line of a plan."""
    return {
        "type": "change",
        "content_type": result.content_type.label,
        "content_id": result.source_id,
        "name": result.name,
        "operation": result.operation.value,
        "done": result.done,
        "destination_id": result.destination_id,
        "reason": result.error.message if result.error else result.reason,
        **edit_fields(result),
        "changes": _changes(result),
        "warnings": list(_warnings(result)),
        "calls": result.calls.total,
    }


def result_object(result: RestorationResult, dead_letter_id: int | None, *, dry_run: bool) -> dict[str, Json]:
    """The `result` line of a single restore; a dry run also says what would change."""
    error = result.error
    if result.operation is Operation.CONFLICT:
        error = ItemError(kind="conflict", message=result.reason)
    return {
        "type": "result",
        "status": "success" if result.operation in SUCCESSES else _status(result.operation),
        "content_type": result.content_type.label,
        "content_id": result.source_id,
        "operation": result.operation.value,
        "done": result.done,
        "reason": result.reason,
        "destination_id": result.destination_id,
        "duration_ms": result.duration_ms,
        "calls": result.calls.total,
        "dependencies_checked": list(result.checked),
        "warnings": list(_warnings(result)),
        **({"dry_run": True, **edit_fields(result), "changes": _changes(result)} if dry_run else {}),
        "error": None
        if error is None
        else {
            "kind": error.kind,
            "message": error.message,
            "http_status": error.http_status,
            "field": error.field,
            "dead_letter_id": dead_letter_id,
        },
    }


def edit_fields(result: RestorationResult) -> dict[str, Json]:
    """The last change of the live object before the run, null where Looker does not tell."""
    edit = result.edit
    return {
        "live_updated_at": edit.at if edit else None,
        "live_updated_by": edit.by if edit else None,
        "edited_after_backup": edit.after_backup if edit else None,
    }


def _changes(result: RestorationResult) -> list[dict[str, Json]]:
    return [{"path": p, "from": a, "to": b} for p, a, b in result.changes]


def _status(operation: Operation) -> str:
    return operation.value  # partial, failed, skipped and conflict are both


def _warnings(result: RestorationResult) -> Iterator[dict[str, str]]:
    return ({"kind": kind, "message": message} for kind, message in result.warnings)
