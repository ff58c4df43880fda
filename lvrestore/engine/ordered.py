"""The tasks of a run in their order: items by type and depth, queries before what shows them, second looks last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain

from lvrestore.engine.fetched import references
from lvrestore.engine.letter_choice import Gate
from lvrestore.engine.ready import Ready
from lvrestore.engine.surveyed import read_again
from lvrestore.model import ContentType, Operation, Waits
from lvrestore.rehearsal.in_order import Rehearsal
from lvrestore.rehearsal.recorder import NothingRecorded
from lvrestore.report.tally import Tally, counted
from lvrestore.report.wording import queries_line
from lvrestore.state.sessions import Scope
from lvrestore.tasks.query_waves import SHOWING, QueryWaves, rows_of
from lvrestore.tasks.waves import NAMED, AnyTasks, Unfinished, Waves, nameless_in, waiting_in
from lvrestore.vault import Definitions, DoneIn

DASHBOARD = ContentType.DASHBOARD.label


def plan_queries(ready: Ready, stack: ExitStack, scope: Scope, nothing: NothingRecorded) -> QueryWaves | None:
    """Elsewhere queries are made before the items that show them, where those of the destination are known.

    In a run that is too small to list these, each item recognises its own, or makes them.
    """
    here, selected = ready.here, ready.selected
    scanned = ready.surveyed.scanned
    listed = [one for one in scanned if one.kind == DASHBOARD and one.items and one.complete]
    if ready.proved.same or not any(one.shows_queries for one in listed):
        return None
    lacking, subject, policy = ready.lacking, ready.subject, ready.surveyed.policy
    return QueryWaves(
        rows_of(selected.rows, selected.chosen.types, selected.wanted()),
        references(here, stack, scope, subject, policy, nothing.planned, nothing.ended),
        lacking.definitions if lacking else stack.enter_context(closing(Definitions(here.scratch))),
        stack.enter_context(closing(here.index())),
        lambda: bool(here.stop),
    )


def in_waves(
    ready: Ready,
    scope: Scope,
    queries: QueryWaves | None,
    unfinished: Unfinished,
    gate: Gate | None,
    tally: Tally,
) -> Iterator[AnyTasks]:
    """Every item once, names that are free by now at once, then what had to wait for everything else."""
    state_path = ready.here.state_path
    positions = {
        one.content_type: one.position
        for one in ready.here.reader().checkpoints(scope.session_id)
        if one.position is not None
    }
    done_in, selected = DoneIn(state_path, scope.session_id), ready.selected
    passes = gate.passes if gate is not None else lambda _item: True
    waves = Waves(selected.rows, selected.chosen, unfinished, done_in, positions, passes)
    nameless = partial(nameless_in, state_path, scope)
    for content_type, tasks in _first(ready, waves, queries, tally):
        yield tasks
        if content_type in NAMED:
            yield from waves.rounds(partial(nameless, (content_type,)))
    waiting = waiting_in(state_path, scope, same_instance=ready.proved.same)
    yield from waves.again(waiting, Waits.FOR_OTHERS)
    yield from waves.rounds(partial(nameless, NAMED))


def rehearsed(ready: Ready, queries: QueryWaves | None, rehearsal: Rehearsal) -> Iterator[AnyTasks]:
    """Every item once, then what waits for others."""
    waves = Waves(ready.selected.rows, ready.selected.chosen, Unfinished(), None)
    return chain(
        (tasks for _, tasks in _first(ready, waves, queries, Tally())),
        waves.again(rehearsal.waiting(same_instance=ready.proved.same), Waits.FOR_OTHERS),
    )


def _first(
    ready: Ready, waves: Waves, queries: QueryWaves | None, tally: Tally
) -> Iterator[tuple[ContentType | None, AnyTasks]]:
    """Yield the first pass over all items.

    An entry carries its type only when it is that type's last batch. Query tasks come just before the first type that
    shows queries.
    """
    queries_made = queries is None
    for content_type, tasks, is_last in waves.first():
        if queries is not None and content_type in SHOWING and not queries_made:
            yield from ((None, some) for some in queries)
            if line := queries_line(counted(queries.counts)):
                ready.here.reporter.say(line)
            queries_made = True
        read_again(
            ready.here,
            ready.subject,
            ready.proved,
            ready.selected,
            ready.surveyed,
            content_type,
            may_show_more=_may_show_more(ready, content_type, tally),
        )
        yield content_type if is_last else None, tasks


def _may_show_more(ready: Ready, content_type: ContentType, tally: Tally) -> bool:
    """Whether a list of schedules may have left out those of content that has come back from the trash since."""
    if content_type is not ContentType.SCHEDULED_PLAN or ready.dry_run:
        return False
    return bool(tally.count(Operation.UNDELETED)) and not ready.surveyed.policy.sees_trashed_plans
