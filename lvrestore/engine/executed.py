"""Carry a run out: in this process or by a crew of processes, or rehearse it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain

import msgspec

from lvrestore.engine.ended import Done, Ending, Outcome, close, ended
from lvrestore.engine.letter_choice import Gate
from lvrestore.engine.listening import Listening
from lvrestore.engine.ordered import in_waves, plan_queries, rehearsed
from lvrestore.engine.ready import Ready
from lvrestore.errors import ApiError, ExitCode, StateError, StateLostError
from lvrestore.model import LACKING, Operation
from lvrestore.play.workbench import RunConfig
from lvrestore.preflight.source import sample_of
from lvrestore.rehearsal.in_order import Rehearsal
from lvrestore.rehearsal.recorder import NothingRecorded
from lvrestore.report.wording import NOT_SHOWN
from lvrestore.run.local import LocalRecorder, run_locally
from lvrestore.run.parent import Crew, RunBrokenError
from lvrestore.state.lock import RunLock
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore
from lvrestore.tasks.waves import NAMED, Unfinished, nameless_in, waiting_in

DRY_RUN_THREADS = 16


class Progress(msgspec.Struct, frozen=True):
    """What came before the first item: `waited_s` for an answer to the question, items that left the source."""

    waited_s: float
    left_the_source: int


def rehearse(ready: Ready, progress: Progress) -> Ending:
    """Look at every item and write nothing.

    What would fail has the exit code of the run that it would fail in: a plan is read by scripts as well.
    """
    here, scope = ready.here, ready.proved.scope()
    nothing = NothingRecorded(here.request.tried)
    queries = plan_queries(ready, here.stack, scope, nothing)
    listening = Listening(ready, queries, progress.left_the_source)
    rehearsal = Rehearsal(listening.result, listening.seen)

    def run() -> None:
        run_locally(
            _run_config(ready, scope),
            rehearsed(ready, queries, rehearsal),
            nothing,
            rehearsal.take,
            listening,
            connection=here.connection,
            stop=here.stop,
            threads=min(DRY_RUN_THREADS, max(1, ready.selected.total)),
        )

    outcome = _guarded(run, ready, listening, gate=None)
    if outcome.status == "completed":
        outcome = msgspec.structs.replace(outcome, status="planned")
    return ended(ready, Done(outcome, None, listening, progress.waited_s))


def execute(ready: Ready, progress: Progress) -> Ending:
    """Restore every item, and close the session."""
    here, config = ready.here, ready.here.request.config
    with StateStore(here.state_path, config.checkpoint_interval) as store:
        scope = _open_session(store, ready)
        gate = ready.subject.gate(scope) if ready.subject.gate is not None else None
        queries = plan_queries(ready, here.stack, scope, NothingRecorded())
        listening = Listening(ready, queries, progress.left_the_source)
        waves = in_waves(ready, scope, queries, _unfinished(store, scope, ready), gate, listening.tally)
        if config.procs == 1 or ready.selected.total <= config.inflight:

            def run_here() -> None:
                run_locally(
                    _run_config(ready, scope),
                    waves,
                    LocalRecorder(store, scope),
                    listening.result,
                    listening,
                    connection=here.connection,
                    stop=here.stop,
                    threads=max(1, min(config.inflight, ready.selected.total)),
                )

            outcome = _settled(ready, scope, _guarded(run_here, ready, listening, gate))
            return close(store, ready, Done(outcome, scope, listening, progress.waited_s, gate))

    def run_crew() -> None:
        Crew(_run_config(ready, scope), here.connection, _lock(ready), here.stop, listening).run(waves)

    # The writer process owns the file from here until it has ended.
    outcome = _settled(ready, scope, _guarded(run_crew, ready, listening, gate))
    done = Done(outcome, scope, listening, progress.waited_s, gate)
    try:
        with StateStore(here.state_path, create=False) as store:
            return close(store, ready, done)
    except StateLostError as lost:
        if (
            done.outcome.status == "completed"
        ):  # the writer has not met it: it was taken away in the last moment
            here.reporter.warn(f"{lost}; {lost.hint}")
        stopped = Outcome("stopped", done.outcome.code or ExitCode.STOPPED)
        return ended(ready, msgspec.structs.replace(done, outcome=stopped))


def _lock(ready: Ready) -> RunLock:
    assert ready.here.lock is not None  # noqa: S101 - only a rehearsal has none
    return ready.here.lock


def _open_session(store: StateStore, ready: Ready) -> Scope:
    here, session, subject, proved = ready.here, ready.session, ready.subject, ready.proved
    store.take_over(proved.scope())
    if session.row is not None:
        return store.continue_session(session.row)
    metadata = {
        **subject.made_from,
        "base_url": here.base_url,
        "same_instance": proved.same,
        "identity": proved.identity,
        "selected": {one.label: ready.selected.counts[one] for one in ready.selected.types},
        "witnesses": here.discovery.witnesses if proved.same else [],
        "source_sample": None if proved.same and not proved.verdict.declared else sample_of(subject.proof),
    }
    return store.begin_session(
        proved.source,
        here.instance,
        subject.config.remembered(),
        metadata,
        session_id=session.config.run_id,
        letters=subject.letters,
    )


def _unfinished(store: StateStore, scope: Scope, ready: Ready) -> Unfinished:
    """What earlier runs left. Say how long it must wait, where its last requests may still land."""
    others_sent_until = _lock(ready).others_sent_until
    grace = timedelta(seconds=ready.here.request.destination.endpoint.grace_s)
    unfinished = Unfinished(
        uncertain=store.uncertain(scope),
        cut_off=store.cut_off(scope),
        lands_until=others_sent_until + grace if others_sent_until else None,
    )
    until = unfinished.lands_until
    left_s = (until - datetime.now(UTC)).total_seconds() if until else 0.0
    if unfinished.cut_off and left_s > 0:
        ready.here.reporter.warn(
            f"a run was cut off a moment ago: what it had in hand waits up to {left_s:.0f} s, "
            "until its last requests cannot land any more"
        )
    return unfinished


def _run_config(ready: Ready, scope: Scope) -> RunConfig:
    here, surveyed = ready.here, ready.surveyed
    config = here.request.config
    return RunConfig(
        endpoint=here.request.destination.endpoint,
        scope=scope,
        state_path=here.state_path,
        vault_path=ready.subject.backup.path,
        same_instance=ready.proved.same,
        procs=config.procs,
        inflight=config.inflight,
        retries=config.retries,
        known=surveyed.known if surveyed.scanned else here.discovery.ids_at_hand(),
        indexed=bool(surveyed.scanned),
        max_staleness_s=config.max_staleness_s,
        checkpoint_interval=config.checkpoint_interval,
        scratch=here.scratch,
        policy=surveyed.policy,
        dry_run=ready.dry_run,
    )


def _guarded(run: Callable[[], None], ready: Ready, listening: Listening, gate: Gate | None) -> Outcome:
    """Run; say how it ended. Every one of the selected items must have, but for those that are held back."""
    here, tally = ready.here, listening.tally
    try:
        _through_outages(run, ready, listening)
    except (RunBrokenError, StateError) as broken:
        here.reporter.warn(f"{broken}; {broken.hint}")
        return Outcome("stopped", ExitCode.STOPPED)
    except ApiError as error:
        here.reporter.warn(f"{error}; {error.hint}" if error.hint else str(error))
        return Outcome("failed", ExitCode.API, error)
    if here.stop.signal is not None:
        return Outcome("interrupted", 128 + here.stop.signal)
    if here.stop.reason is not None and tally.total < ready.selected.total:
        _say_stopped(ready)
        return Outcome("stopped", ExitCode.STOPPED)
    if tally.total != ready.selected.total - (len(gate.held_back) if gate is not None else 0):
        # Whatever the reason, nobody may believe that all is done.
        here.reporter.warn(
            f"{tally.total} of {ready.selected.total} items have ended: this is a bug, please report it"
        )
        return Outcome("stopped", ExitCode.INTERNAL)
    both = ready.session.earlier.tally.merged(tally)
    troubled = both.count(*LACKING, Operation.CONFLICT)
    return Outcome("completed", ExitCode.ITEMS_FAILED if troubled else ExitCode.OK)


def _say_stopped(ready: Ready) -> None:
    goes_on = NOT_SHOWN if ready.dry_run else "`lvrestore resume` goes on"
    ready.here.reporter.warn(f"stopped: {ready.here.stop.reason}; {goes_on}")


def _settled(ready: Ready, scope: Scope, outcome: Outcome) -> Outcome:
    """How a run ended; one that was stopped before the second look at items is not completed."""
    here = ready.here
    if outcome.status != "completed" or here.stop.reason is None:
        return outcome
    waiting = waiting_in(here.state_path, scope, same_instance=ready.proved.same)
    if not any(True for _ in chain(waiting, nameless_in(here.state_path, scope, NAMED))):
        return outcome
    _say_stopped(ready)
    return Outcome("stopped", ExitCode.STOPPED)


def _through_outages(run: Callable[[], None], ready: Ready, listening: Listening) -> None:
    patience_s = ready.here.request.config.outage_timeout_s
    if not patience_s:
        run()
        return
    with ready.here.connection.watched(patience_s, listening.give_up) as listening.news:
        run()
    listening.tick()
