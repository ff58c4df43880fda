"""A session's summary from its journal: right also for a session that was cut off."""

from __future__ import annotations

from datetime import datetime

import orjson

from lvrestore.model import Calls, ItemError, Json, Operation, RestorationResult
from lvrestore.report.tally import Frame, Tally, summary
from lvrestore.state.store import SessionRow, StateReader


def session_summary(reader: StateReader, session: SessionRow) -> dict[str, Json]:
    """The summary object of a session, with `started_at` and `completed_at`."""
    tally = journal_tally(reader, session)
    shown = session.metadata.get("summary") or {}
    frame = Frame(
        session_id=session.id,
        source=session.source_instance or "",
        destination=session.destination_instance,
        same_instance=session.source_instance == session.destination_instance,
        left_out_deleted=shown.get("summary", {}).get("left_out_deleted", 0),
    )
    own = Calls(**session.metadata.get("own_calls", {}))
    result = summary(tally, frame, status=session.status, duration_s=_duration_s(session), other_calls=own)
    return {**result, "started_at": session.started_at, "completed_at": session.completed_at}


def _duration_s(session: SessionRow) -> float:
    if session.completed_at is None:
        return 0.0
    return (
        datetime.fromisoformat(session.completed_at) - datetime.fromisoformat(session.started_at)
    ).total_seconds()


def journal_tally(reader: StateReader, session: SessionRow) -> Tally:
    """The counts of all items of a session that have ended."""
    tally = Tally()
    for content_type, status, calls, error_kind, warnings, reason, source_id in reader.results(session.id):
        tally.add(
            RestorationResult(
                seq=0,
                content_type=content_type,
                source_id=source_id,
                name="",
                operation=Operation(status),
                reason=reason,
                calls=Calls(**orjson.loads(calls)),
                warnings=tuple((kind, message) for kind, message in orjson.loads(warnings)),
                error=ItemError(kind=error_kind, message="") if error_kind else None,
            )
        )
    return tally
