"""A session's summary from its journal: right also for a session that runs, or was cut off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from lvrestore.model import Calls, Json, Operation, QueryCounts
from lvrestore.report.tally import Frame, Tally, summary
from lvrestore.settings import default_state_path
from lvrestore.state.lock import is_held
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import SessionRow


def session_summary(reader: StateReader, session: SessionRow) -> dict[str, Json]:
    """The summary object of a session, with `started_at` and `completed_at`."""
    shown = session.metadata.get("summary") or {}
    frame = Frame(
        session_id=session.id,
        source=session.source_instance or "",
        destination=session.destination_instance,
        same_instance=session.is_same_instance,
        identity=session.metadata.get("identity"),
        left_out_deleted=shown.get("summary", {}).get("left_out_deleted", 0),
        live_source=shown.get("source"),
    )
    status = actual_status(reader, session)
    until = datetime.now(UTC).isoformat() if status == "running" else reader.last_activity(session.id)
    result = summary(
        journal_tally(reader, session),
        frame,
        status=status,
        duration_s=session.ran_s(until),
        other_calls=Calls(**session.metadata.get("own_calls", {})),
        queries=queries_of(session),
    )
    return {
        **result,
        "started_at": session.started_at,
        "completed_at": session.completed_at,
        "progress": _progress(session, result["content_type_breakdown"]),
    }


def _progress(session: SessionRow, done: Mapping[str, Mapping[str, int]]) -> dict[str, Json] | None:
    """How many of its items a session is done with, by type; None where a version began it that did not note how many.

    Types that it has not come to are there as well.
    """
    selected: dict[str, int] | None = session.metadata.get("selected")
    if selected is None:
        return None
    types = {
        label: {"done": done[label]["total"] if label in done else 0, "total": total}
        for label, total in selected.items()
    }
    sums = {name: sum(one[name] for one in types.values()) for name in ("done", "total")}
    return {**sums, "types": types}


def queries_of(session: SessionRow) -> QueryCounts:
    """How many queries the runs of a session that have ended made for its items."""
    return QueryCounts(**session.metadata.get("queries", {}))


def actual_status(reader: StateReader, session: SessionRow) -> str:
    """The status of a session; `interrupted` if it says that it is running, and nobody holds the destination."""
    if session.status == "running":
        places = (default_state_path(session.destination_instance), reader.path)
        return "running" if any(map(is_held, places)) else "interrupted"
    return session.status


def journal_tally(reader: StateReader, session: SessionRow) -> Tally:
    """The counts of all items of a session that have ended."""
    tally = Tally()
    for content_type, counts in reader.counts(session.id).items():
        tally.by_type[content_type].update(msgspec.convert(counts.operations, dict[Operation, int]))
        tally.errors.update(counts.errors)
        tally.warnings.update(counts.warnings)
        tally.skipped.update(counts.skipped)
        tally.calls.add(counts.calls)
    return tally
