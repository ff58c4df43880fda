"""Who hears of results, queries, losses and the time that passes while a run is under way."""

from __future__ import annotations

from collections.abc import Callable

from lvrestore.engine.ready import Ready
from lvrestore.model import Calls, QueryCounts, QueryResult, RestorationResult, both_looks
from lvrestore.report.tally import Tally
from lvrestore.tasks.query_waves import QueryWaves

LOST_IN_AN_OUTAGE = frozenset({"transient", "rate_limited", "unknown_outcome"})
AN_OUTAGE = 10
DELETED_ON_SOURCE = "deleted_on_source"


class Listening:
    """Counts what comes, tells it, and stops a run in which nothing comes through any more."""

    def __init__(self, ready: Ready, queries: QueryWaves | None, left_the_source: int) -> None:
        """`queries` hears what became of its own; `left_the_source` items were named before the run."""
        here, ids = ready.here, ready.subject.config.selection.ids
        self._reporter, self._budget, self._stop = here.reporter, here.budget, here.stop
        self._queries = queries
        self._keeps_result = ids is not None and len(ids) == 1
        self._lost_in_a_row = 0
        self.tally = Tally()
        if left_the_source:
            self.tally.warnings[DELETED_ON_SOURCE] += left_the_source
        self.results: tuple[RestorationResult, ...] = ()
        self.items_were_lost = False
        # What there is to say about the instance since it was last asked.
        self.news: Callable[[], list[str]] = list

    def result(self, result: RestorationResult) -> None:
        """An item has ended, and that is stored."""
        self.tally.add(result)
        self._budget.note(result)
        self._watch_for_losses(result)
        self._reporter.result(result, self.tally)
        if self._keeps_result:
            self.results = (both_looks(*self.results, result),)

    def seen(self, result: RestorationResult) -> None:
        """An item of a rehearsal was looked at; it may be looked at again before it is told."""
        self._reporter.seen(result, self.tally)

    def query(self, result: QueryResult) -> None:
        """A query was made, found or refused."""
        if self._queries is not None:
            self._queries.take(result)

    def tick(self) -> None:
        """Time passes."""
        self._budget.look()
        for message in self.news():
            self._reporter.warn(message)
        self._reporter.tick(self.tally)

    def room(self, in_hand: int) -> int:
        """How many more items may be begun while that many are under way."""
        return self._budget.room(in_hand)

    def give_up(self, reason: str) -> None:
        """Stop; what was lost on the way is no item's fault, and is tried again by a resume."""
        self.items_were_lost = True
        self._stop.give_up(reason)

    @property
    def query_counts(self) -> QueryCounts:
        """What became of the queries of this run."""
        return self._queries.counts if self._queries is not None else QueryCounts()

    @property
    def query_calls(self) -> Calls:
        """The calls that were made for queries; they belong to no item."""
        return self._queries.calls if self._queries is not None else Calls()

    def _watch_for_losses(self, result: RestorationResult) -> None:
        """Stop when no item comes through any more, though the instance answers when it is asked how it is.

        An outage must not drain the vault into dead letters. What took no call says nothing either way.
        """
        if not result.calls.total:
            return
        lost = result.error is not None and result.error.kind in LOST_IN_AN_OUTAGE
        self._lost_in_a_row = self._lost_in_a_row + 1 if lost else 0
        if self._lost_in_a_row >= AN_OUTAGE and result.error is not None:
            self.give_up(f"{AN_OUTAGE} items in a row were lost: {result.error.message}")
