"""How a run ended: the summary, the exit code, and the session that is closed with them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from lvrestore.engine.connected import RestoreRequest
from lvrestore.engine.fetched import told_of
from lvrestore.engine.letter_choice import Gate
from lvrestore.engine.listening import LOST_IN_AN_OUTAGE, Listening
from lvrestore.engine.proved import Proved
from lvrestore.engine.ready import Ready
from lvrestore.errors import ApiError, ExitCode, StateError
from lvrestore.model import Calls, Json, RestorationResult
from lvrestore.report.reporter import Reporter
from lvrestore.report.session import session_summary
from lvrestore.report.tally import Frame, summary
from lvrestore.settings import default_state_path
from lvrestore.state.reader import StateReader
from lvrestore.state.resume import (
    require_same_destination,
    require_same_request,
    require_same_vault,
)
from lvrestore.state.sessions import Scope, SessionRow
from lvrestore.state.store import StateStore
from lvrestore.vault import Vault


class Outcome(msgspec.Struct, frozen=True):
    """The status and the exit code of a run; `fatal` is what no item is to blame for."""

    status: str
    code: int
    fatal: ApiError | None = None


class Done(msgspec.Struct, frozen=True):
    """A run that is over. `scope` is None where there is no session, `waited_s` was waited for an answer."""

    outcome: Outcome
    scope: Scope | None
    listening: Listening
    waited_s: float
    gate: Gate | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a restore ended. `proved` is None where a finished session was only told again."""

    exit_code: int
    summary: dict[str, Json]
    results: tuple[RestorationResult, ...] = ()
    state_path: Path | None = None
    fatal: ApiError | None = None
    proved: Proved | None = None


def ended(ready: Ready, done: Done) -> Ending:
    """Tell the summary of the whole session."""
    here, proved, earlier = ready.here, ready.proved, ready.session.earlier
    frame = Frame(
        session_id=done.scope.session_id if done.scope else None,
        source=proved.source,
        destination=here.instance,
        same_instance=proved.same,
        identity=proved.identity,
        left_out_deleted=ready.selected.left_out_deleted,
        live_source=told_of(proved.live_source),
    )
    other_calls = _own_calls(ready, done)
    other_calls.add(earlier.calls)
    result = summary(
        earlier.tally.merged(done.listening.tally),
        frame,
        status=done.outcome.status,
        duration_s=earlier.seconds + time.monotonic() - here.started - done.waited_s,
        other_calls=other_calls,
        queries=earlier.queries.plus(done.listening.query_counts),
    )
    here.reporter.end(result)
    return Ending(
        exit_code=done.outcome.code,
        summary=result,
        results=done.listening.results,
        state_path=here.state_path,
        fatal=done.outcome.fatal,
        proved=proved,
    )


def close(store: StateStore, ready: Ready, done: Done) -> Ending:
    """Tell the summary, and write down with it how the session ended."""
    if done.gate is not None and done.gate.held_back:
        waiting = len(done.gate.held_back)
        ready.here.reporter.say(f"{waiting:,} items still wait for what is not there yet")
    ending = ended(ready, done)
    scope, outcome, listening = done.scope, done.outcome, done.listening
    assert scope is not None  # noqa: S101 - what is closed was opened
    try:
        if listening.items_were_lost:
            store.reopen(scope, LOST_IN_AN_OUTAGE)
        own_calls, made = _own_calls(ready, done), listening.query_counts
        store.finish_session(scope, outcome.status, ending.summary, own_calls, outcome.code, made)
    except StateError as error:  # its items are stored; the next run finds the session cut off
        ready.here.reporter.warn(str(error))
    return ending


def _own_calls(ready: Ready, done: Done) -> Calls:
    """Calls that belong to no item: the parent's own, and those for queries."""
    calls = ready.here.connection.own_calls()
    calls.add(done.listening.query_calls)
    return calls


def finished(request: RestoreRequest, vault: Vault | None) -> Ending | None:
    """The end of the session that has the caller's id, if it is finished: nothing is asked of the instance.

    `vault`: the backup that it must have been of; None: it may be of any.
    """
    config, base_url = request.config, request.destination.endpoint.base_url
    if config.run_id is None:
        return None
    reader = StateReader(config.state_path or default_state_path(base_url))
    row = reader.session(config.run_id)
    if row is None or not row.is_finished:
        return None
    require_same_request(row, config)
    if vault is not None:
        require_same_vault(row, vault)
    require_same_destination(row, base_url)
    return told_again(reader, row, request.reporter)


def told_again(reader: StateReader, row: SessionRow, reporter: Reporter) -> Ending:
    """The end of a finished session, as it was."""
    reporter.say(f"session {row.id} is finished: nothing is done again")
    result = session_summary(reader, row)
    reporter.end(result)
    code = row.metadata.get("exit_code", ExitCode.OK)
    return Ending(exit_code=code, summary=result, state_path=reader.path)
