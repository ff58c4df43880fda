"""The whole flow of a restore on one page: connect, prove, select, survey, ask, run, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from lvrestore.engine.connected import Connected, RestoreRequest, connected
from lvrestore.engine.ended import Ending, finished, told_again
from lvrestore.engine.executed import Progress, execute, rehearse
from lvrestore.engine.fetched import fetch, note_what_is_lacking
from lvrestore.engine.ready import Ready, intent_of
from lvrestore.engine.selected import (
    require_calls,
    require_selected,
    say_what_left_the_source,
    say_which_circles,
    select,
)
from lvrestore.engine.session import Requires, Session, new_or_named, unfinished
from lvrestore.engine.settled import settle_policy
from lvrestore.engine.subject import Kind, OfBackup, prove_subject
from lvrestore.engine.surveyed import require_word, survey
from lvrestore.errors import CancelledError, NotFoundError
from lvrestore.looker.credentials import resolve
from lvrestore.report.reporter import Intent, Reporter
from lvrestore.settings import RestorationConfig, default_state_path
from lvrestore.state.reader import StateReader
from lvrestore.state.resume import unfinished_session
from lvrestore.vault import DoneIn, Vault

SessionOf = Callable[[Connected, Requires], Session]


def restore(
    config: RestorationConfig, vault: Vault, reporter: Reporter, environ: Mapping[str, str]
) -> Ending:
    """Restore a selection of the vault in a new session, or in the one that has the caller's id."""
    require_selected(vault, config)
    request = request_of(config, reporter, environ)
    if (done := finished(request, vault)) is not None:
        return done
    require_calls(config, vault)
    return run(request, OfBackup(vault), new_or_named)


def resume(
    config: RestorationConfig,
    session_id: str | None,
    vault: Vault,
    reporter: Reporter,
    environ: Mapping[str, str],
) -> Ending:
    """Continue an unfinished session with the vault and the instance it was started with."""
    request = request_of(config, reporter, environ)
    _require_calls_for_rest(request, session_id, vault)
    return run(request, OfBackup(vault), partial(unfinished, session_id))


def _require_calls_for_rest(request: RestoreRequest, session_id: str | None, vault: Vault) -> None:
    """Refuse to go on where the calls would do only for lists, if it can be told where the state file is."""
    path = request.config.state_path or default_state_path(request.destination.endpoint.base_url)
    with suppress(NotFoundError):
        row = unfinished_session(StateReader(path), session_id)
        require_calls(request.config.recalled(row.config), vault, DoneIn(path, row.id))


def request_of(config: RestorationConfig, reporter: Reporter, environ: Mapping[str, str]) -> RestoreRequest:
    """What is asked for, with the destination that options, environment and files say."""
    destination = resolve(config.destination, environ)
    return RestoreRequest(config=config, destination=destination, reporter=reporter, environ=environ)


def run(request: RestoreRequest, kind: Kind, session_of: SessionOf) -> Ending:
    """One run from the login to the report. Each stage needs the values of those before it."""
    with connected(request) as here:
        session = session_of(here, kind.require_same)
        if session.row is not None and session.is_finished:
            return told_again(here.reader(), session.row, here.reporter)
        subject = kind.subject(here, session)  # which rows, and of which backup
        selected = select(here, session, subject)  # rows, counts, what was left out
        proved = prove_subject(here, session, subject)  # the same instance? whose backup?
        say_which_circles(here, selected)
        policy = settle_policy(here, session, subject, proved, selected)
        lacking = note_what_is_lacking(here, session, subject, proved, selected, policy)
        surveyed = survey(here, session, subject, proved, selected, policy)  # what is there, what will fail
        require_word(here, subject, surveyed)
        ready = Ready(
            here=here,
            session=session,
            subject=subject,
            proved=proved,
            selected=selected,
            lacking=lacking,
            surveyed=surveyed,
        )
        intent = intent_of(ready)
        waited_s = _asked(ready, intent)
        here.stop.items_begun = True
        here.reporter.begin(intent, dry_run=ready.dry_run)
        gone = say_what_left_the_source(here, subject, proved, selected)
        fetch(here, lacking)
        return (rehearse if ready.dry_run else execute)(ready, Progress(waited_s, gone))


def _asked(ready: Ready, intent: Intent) -> float:
    """Ask whether to go on, where anything is to be written; return for how many seconds that was waited."""
    if ready.dry_run or not ready.selected.total:
        return 0.0
    began = time.monotonic()
    if not ready.here.reporter.confirm(intent):
        raise CancelledError
    return time.monotonic() - began
