"""Count results as they are committed; the sums of a summary always add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from lvrestore.model import (
    SUCCESSES,
    Calls,
    ContentType,
    Json,
    Operation,
    QueryCounts,
    RestorationResult,
)

# Reasons that name an id are as many as items.
MOST_REASONS = 20


class Tally:
    """Totals of a run: by type and operation, errors and warnings by kind, calls by method."""

    def __init__(self) -> None:
        self.by_type: defaultdict[ContentType, Counter[Operation]] = defaultdict(Counter)
        self.errors: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.calls = Calls()

    def add(self, result: RestorationResult) -> None:
        """Count one result."""
        counts = self.by_type[result.content_type]
        counts[result.operation] += 1
        if result.earlier is not None:
            counts[result.earlier] -= 1  # it was counted when it was looked at first
            if result.earlier is Operation.FAILED and result.earlier_error is not None:
                self.errors[result.earlier_error] -= 1
        self.warnings.update(kind for kind, _ in result.warnings)
        if result.operation is Operation.SKIPPED:
            self.skipped[result.reason] += 1
        if result.error is not None and result.operation is Operation.FAILED:
            self.errors[result.error.kind] += 1
        self.calls.add(result.calls)

    def count(self, *operations: Operation) -> int:
        """Items that ended as one of these, over all types."""
        return sum(counts[op] for counts in self.by_type.values() for op in operations)

    def merged(self, other: Tally) -> Tally:
        """Both together."""
        both = Tally()
        for one in (self, other):
            for content_type, counts in one.by_type.items():
                both.by_type[content_type].update(counts)
            both.errors.update(one.errors)
            both.warnings += one.warnings
            both.skipped += one.skipped
            both.calls.add(one.calls)
        return both

    @property
    def total(self) -> int:
        """All items that have ended."""
        return self.count(*Operation)


class Frame:
    """What a summary says besides the counts."""

    def __init__(
        self,
        *,
        session_id: str | None,
        source: str,
        destination: str,
        same_instance: bool,
        identity: Json,
        left_out_deleted: int,
        live_source: dict[str, Json] | None = None,
    ) -> None:
        """`live_source` is what the source was asked for, if it was."""
        self.session_id, self.source, self.destination = session_id, source, destination
        self.same_instance, self.left_out_deleted = same_instance, left_out_deleted
        self.identity, self.live_source = identity, live_source


def summary(
    tally: Tally,
    frame: Frame,
    *,
    status: str,
    duration_s: float,
    other_calls: Calls | None = None,
    queries: QueryCounts | None = None,
) -> dict[str, Json]:
    """The summary object of the command-line contract.

    `other_calls` are those of no item: login, look-ups, and `queries`, which were made before the items.
    """
    calls = Calls()
    calls.add(tally.calls)
    if other_calls is not None:
        calls.add(other_calls)
    rate = tally.total / duration_s if duration_s else 0.0
    return {
        "type": "summary",
        "status": status,
        "session_id": frame.session_id,
        "source_instance": frame.source,
        "destination_instance": frame.destination,
        "same_instance": frame.same_instance,
        "identity": frame.identity,
        "summary": {
            "total_items": tally.total,
            "success_count": tally.count(*SUCCESSES),
            **{f"{op}_count": tally.count(op) for op in Operation if op is not Operation.FAILED},
            "error_count": tally.count(Operation.FAILED),
            "left_out_deleted": frame.left_out_deleted,
            "duration_seconds": round(duration_s, 3),
            "average_throughput": round(rate, 2),
        },
        "content_type_breakdown": {
            t.label: _breakdown(counts) for t, counts in sorted(tally.by_type.items())
        },
        "error_breakdown": {kind: n for kind, n in tally.errors.items() if n},
        "warnings": [{"kind": kind, "count": n} for kind, n in tally.warnings.most_common()],
        "skipped": [{"reason": reason, "count": n} for reason, n in tally.skipped.most_common(MOST_REASONS)],
        "source": frame.live_source,
        "queries": counted(queries or QueryCounts()),
        "calls": {
            "total": calls.total,
            **{
                method: calls.by_method.get(method, 0) for method in ("GET", "POST", "PATCH", "PUT", "DELETE")
            },
        },
        "retries": calls.retries,
        "rate_limited": calls.rate_limited,
    }


def counted(counts: QueryCounts) -> dict[str, dict[str, int]]:
    """The counts by kind, as a summary shows them."""
    return {
        kind: {
            "made": counts.made.get(kind, 0),
            "found": counts.found.get(kind, 0),
            "refused": counts.refused.get(kind, 0),
        }
        for kind in ("query", "merge_query")
    }


def _breakdown(counts: Mapping[Operation, int]) -> dict[str, int]:
    return {"total": sum(counts.values()), **{op.value: counts.get(op, 0) for op in Operation}}
