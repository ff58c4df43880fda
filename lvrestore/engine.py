"""The whole flow of a restore on one page: select, prove, ask, run, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import msgspec

from lvrestore.content.calls import Tried
from lvrestore.content.edited import TIMED
from lvrestore.errors import (
    ApiError,
    CancelledError,
    ExitCode,
    LimitReachedError,
    NotFoundError,
    StateError,
    StateLostError,
    UsageError,
    ValidationError,
)
from lvrestore.looker.credentials import Destination, resolve, resolve_source
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.model import (
    LACKING,
    Calls,
    ContentType,
    Json,
    Operation,
    QueryCounts,
    QueryResult,
    RestorationResult,
    VaultRow,
    Waits,
)
from lvrestore.plan.dependencies import circles
from lvrestore.plan.identity import Verdict, declared_same, instance_name
from lvrestore.report.reporter import Intent, Reporter
from lvrestore.report.session import journal_tally, queries_of, session_summary
from lvrestore.report.tally import Frame, Tally, counted, summary
from lvrestore.report.terminal import can_ask
from lvrestore.report.urls import API_PORT
from lvrestore.report.wording import (
    disbelieved_line,
    fetched_line,
    hidden_line,
    left_the_source,
    named,
    plural,
    queries_line,
)
from lvrestore.run.budget import Budget
from lvrestore.run.connection import Connection
from lvrestore.run.discovery import Discovery
from lvrestore.run.edits import Edits
from lvrestore.run.estimate import FEW_ITEMS, least_calls
from lvrestore.run.foreseen import Foreseen
from lvrestore.run.identity import Claim, other_names, settle
from lvrestore.run.index import Index
from lvrestore.run.indexed import IndexedClient
from lvrestore.run.listings import LISTINGS
from lvrestore.run.live_source import LiveSource, note_lacking
from lvrestore.run.local import LocalRecorder, NothingRecorded, run_locally
from lvrestore.run.memory import keep_one_heap
from lvrestore.run.parent import Crew, RunBrokenError
from lvrestore.run.pipes import private_folder
from lvrestore.run.plausibility import CloserLook
from lvrestore.run.preflight import SelectedRows, Standing, Translate, look_ahead
from lvrestore.run.queries import SHOWING, QueryWaves, rows_of
from lvrestore.run.references import StateReferences
from lvrestore.run.remap import check_names, find_folders, require_other_instance
from lvrestore.run.scan import FOUND_BY_KEY, AtHand, Scanned, Scanner, referred_to
from lvrestore.run.senders import Foreteller, Senders
from lvrestore.run.sessions import (
    require_same_declaration,
    require_same_destination,
    require_same_request,
    require_same_source_name,
    require_same_vault,
    state_file,
    unfinished_session,
)
from lvrestore.run.signals import stop_on_signals
from lvrestore.run.source import require_own_name, require_same_source, sample_of, source_name
from lvrestore.run.target import stood_for
from lvrestore.run.waves import (
    NAMED,
    AnyTasks,
    Chosen,
    Item,
    Rehearsal,
    Unfinished,
    Waves,
    both_looks,
    nameless_in,
    waiting_in,
)
from lvrestore.run.workbench import RunConfig
from lvrestore.scratch import remove_folder, sweep
from lvrestore.settings import Caller, Policy, RestorationConfig, Selection, default_state_path
from lvrestore.state.lock import RunLock
from lvrestore.state.places import network_warning
from lvrestore.state.store import Scope, SessionRow, StateReader, StateStore
from lvrestore.text import quoted
from lvrestore.vault import Definitions, DoneIn, Lookups, Vault, Wanted
from lvrestore.vault.hosts import source_hosts

DASHBOARD = ContentType.DASHBOARD.label
DRY_RUN_THREADS = 16
NAMED_IDS = 10
LOST_IN_AN_OUTAGE = frozenset({"transient", "rate_limited", "unknown_outcome"})
AN_OUTAGE = 10
IN_FOLDERS = (ContentType.DASHBOARD, ContentType.LOOK)
BY_FOLDER = frozenset({*IN_FOLDERS, ContentType.FOLDER})
SELECTS = "--folder selects only folders, looks and dashboards"
BATCH = 500
T = TypeVar("T")
DELETED_ON_SOURCE = "deleted_on_source"
ABOUT_PEOPLE = frozenset({ContentType.USER, ContentType.GROUP, ContentType.ROLE})


class Ending(msgspec.Struct, frozen=True):
    """How a restore ended."""

    exit_code: int
    summary: dict[str, Json]
    results: tuple[RestorationResult, ...] = ()
    state_path: Path | None = None
    fatal: ApiError | None = None


def restore(config: RestorationConfig, vault: Vault, reporter: Reporter, environ: dict[str, str]) -> Ending:
    """Restore a selection of the vault in a new session, or in the one that has the caller's id."""
    require_selected(vault, config)
    destination = resolve(config.destination, environ)
    if (done := finished(config, vault, reporter, destination)) is not None:
        return done
    return Restore(config, vault, reporter, destination, environ).run()


def finished(
    config: RestorationConfig, vault: Vault | None, reporter: Reporter, destination: Destination
) -> Ending | None:
    """The end of the session that has the caller's id, if it is finished: nothing is asked of the instance.

    `vault`: the backup that it must have been of; None: it may be of any.
    """
    if config.run_id is None:
        return None
    base_url = destination.endpoint.base_url
    reader = StateReader(config.state_path or default_state_path(base_url))
    session = reader.session(config.run_id)
    if session is None or not session.is_finished:
        return None
    require_same_request(session, config)
    if vault is not None:
        require_same_vault(session, vault)
    require_same_destination(session, base_url)
    return _told_again(reader, session, reporter)


def _told_again(reader: StateReader, session: SessionRow, reporter: Reporter) -> Ending:
    reporter.say(f"session {session.id} is finished: nothing is done again")
    summary = session_summary(reader, session)
    reporter.end(summary)
    return Ending(session.metadata.get("exit_code", ExitCode.OK), summary, state_path=reader.path)


def resume(
    config: RestorationConfig,
    session_id: str | None,
    vault: Vault,
    reporter: Reporter,
    environ: dict[str, str],
) -> Ending:
    """Continue an unfinished session with the vault and the instance it was started with."""
    destination = resolve(config.destination, environ)
    return Restore(config, vault, reporter, destination, environ).run_again(session_id)


def require_selected(vault: Vault, config: RestorationConfig) -> None:
    """Ids that the vault does not have are an error before anything is done."""
    if config.selection.ids is None:
        return
    for content_type in config.selection.types:
        if absent := vault.absent(content_type, config.selection.ids):
            names = ", ".join(f"{content_type.label} {i}" for i in absent[:NAMED_IDS])
            more = f" and {len(absent) - NAMED_IDS} more" if len(absent) > NAMED_IDS else ""
            hint = f"`lvrestore vault list --type {content_type.label}` shows what is in it"
            raise NotFoundError(names + more, f"the vault {vault.path}", hint)


class Restore:
    """One run from the login to the report.

    `_vault` has the rows to restore, `_backup` all that they may refer to, `_proof` what proves the instance: one and
    the same, but for a retry, which is a run of rows of its own.
    """

    _vault: Vault
    _backup: Vault
    _proof: Vault
    _source_refs: StateReferences

    def __init__(
        self,
        config: RestorationConfig,
        vault: Vault | None,
        reporter: Reporter,
        destination: Destination,
        environ: Mapping[str, str],
    ) -> None:
        """Without a vault `_gather` is to settle what is restored. `environ` may tell where the config file is."""
        self._environ = environ
        self._config, self._reporter = config, reporter
        if vault is not None:
            self._vault = self._backup = self._proof = vault
        self._passes: Callable[[Item], bool] = lambda _item: True
        self._held_back: Collection[Item] = ()
        self._letters: Collection[int] = ()
        self._destination = destination
        self._tally, self._earlier = Tally(), Tally()
        self._started = time.monotonic()
        self._results: list[RestorationResult] = []
        self._fatal: ApiError | None = None
        self._lost_in_a_row, self._items_lost = 0, False
        self._news: Callable[[], list[str]] = list
        self._rehearsal = Rehearsal(self._on_result, lambda result: reporter.seen(result, self._tally))
        self._unfinished = Unfinished()
        self._known: dict[str, frozenset[str]] = {}
        self._nothing = NothingRecorded(self._on_tried)
        self._queries: QueryWaves | None = None
        self._definitions: Definitions | None = None
        self._earlier_queries, self._earlier_calls, self._earlier_s = QueryCounts(), Calls(), 0.0
        for warning in destination.warnings:
            reporter.warn(warning)

    def run(self) -> Ending:
        """Begin a session, or go on with the one that has the caller's id."""
        self._require_calls_for_lists(self._config.selection)
        with self._within_limits(), ExitStack() as stack:
            self._connect(stack)
            self._take_lock(stack)
            # Only now: whoever held the destination may have worked on this very session.
            reader, run_id = StateReader(self._state_path), self._config.run_id
            session = reader.session(run_id) if run_id is not None else None
            if session is None:
                return self._run(stack, None)
            require_same_request(session, self._config)
            self._require_same(session)
            if session.is_finished:
                return _told_again(reader, session, self._reporter)
            return self._continue(stack, session)

    def run_again(self, session_id: str | None) -> Ending:
        """Go on with an unfinished session."""
        self._require_calls_for_rest(session_id)
        with self._within_limits(), ExitStack() as stack:
            self._connect(stack)
            self._take_lock(stack)
            session = unfinished_session(StateReader(self._state_path), session_id)
            self._require_same(session)
            return self._continue(stack, session)

    def _require_calls_for_rest(self, session_id: str | None) -> None:
        """Likewise for what an unfinished session has left, if it can be told where its state file is."""
        path = self._config.state_path or default_state_path(self._destination.endpoint.base_url)
        with suppress(NotFoundError):
            session = unfinished_session(StateReader(path), session_id)
            done_in = DoneIn(path, session.id)
            self._require_calls_for_lists(self._config.recalled(session.config).selection, done_in)

    def _require_calls_for_lists(self, selection: Selection, done_in: DoneIn | None = None) -> None:
        """Refuse a run, before the login, that could only read until its calls are used up."""
        limit = self._config.own_limits.calls
        if limit is None:
            return
        chosen = self._choice(selection)
        left = {one: self._vault.count(one, **chosen.rows(done_in)) for one in chosen.in_order}
        if (least := least_calls(left, self._vault.count)) > limit:
            raise LimitReachedError(
                f"to log in and to read the lists takes {least} calls (--max-calls {limit})"
            )

    @contextmanager
    def _within_limits(self) -> Generator[None]:
        try:
            yield
        except StoppedWaiting:  # of what is in hand it is heard by whoever began it
            if self._stop.signal is not None:
                raise SystemExit(128 + self._stop.signal) from None
            raise LimitReachedError(str(self._stop.reason or self._budget.spent())) from None

    def _require_same(self, session: SessionRow) -> None:
        require_same_vault(session, self._vault)
        require_same_destination(session, self._instance)

    def _continue(self, stack: ExitStack, session: SessionRow) -> Ending:
        require_same_source_name(session, self._config.source_instance)
        require_same_declaration(session, self._config)
        self._config = self._config.recalled(session.config)
        # What it was then it is now, whatever is on the instance by now.
        was = session.is_same_instance
        source = None if was else session.source_instance
        self._config = msgspec.structs.replace(self._config, source_instance=source, same_instance=was)
        self._earlier = journal_tally(StateReader(self._state_path), session)
        self._earlier_queries = queries_of(session)
        self._earlier_calls = Calls(**session.metadata.get("own_calls", {}))
        self._earlier_s = session.ran_s(StateReader(self._state_path).last_activity(session.id))
        return self._run(stack, session)

    def _take_lock(self, stack: ExitStack) -> None:
        if self._config.dry_run:
            return
        usual = default_state_path(self._instance)
        if (warning := network_warning(self._state_path)) is not None:
            self._reporter.warn(warning)
        self._lock = RunLock.acquire(self._state_path, usual, self._config.lock_timeout_s)
        stack.callback(self._lock.release)

    def _connect(self, stack: ExitStack) -> None:
        """Log in, learn the destination's name, find its state file."""
        config = self._config
        keep_one_heap()
        if config.state_path is not None:
            StateReader(config.state_path).session("")  # what is no state file is told before a call is spent
        self._scratch = private_folder()
        stack.callback(remove_folder, self._scratch)
        sweep(self._scratch.parent)
        self._stop = stack.enter_context(stop_on_signals())
        self._connection = Connection(
            self._destination,
            config.ceilings,
            config.retries,
            self._stop,
            calls=config.own_limits.calls,
            shared=not config.dry_run and config.procs > 1,
        )
        stack.callback(self._connection.close)
        self._budget = Budget(config.own_limits, self._connection.sent, self._stop.give_up)
        self._stop.overtime = self._budget.overtime
        self._connection.tokens.latest()  # a wrong address or key ends it here, with what to check
        self._discovery = Discovery(self._connection.client)
        self._instance = self._discovery.instance_name(self._destination.endpoint.base_url)
        self._state_path = config.state_path or state_file(
            self._instance, self._destination.endpoint.base_url
        )

    def _gather(self, stack: ExitStack, session: SessionRow | None) -> None:
        """Settle which rows are restored, where the caller did not say."""

    def _run(self, stack: ExitStack, session: SessionRow | None) -> Ending:
        self._gather(stack, session)
        intent = self._look(session)
        self._require_same_source(intent)
        self._name_circles()
        self._policy = self._settled_policy(intent)
        if session is None and not intent.verdict.same:
            self._check_names(intent)
        intent = self._look_at_source(stack, intent)
        intent = self._read_while_permitted(intent)
        self._require_word(intent)
        asked = time.monotonic()
        if not self._config.dry_run and intent.total and not self._reporter.confirm(intent):
            raise CancelledError
        self._stop.items_begun = True
        self._waited = time.monotonic() - asked
        self._reporter.begin(intent, dry_run=self._config.dry_run)
        self._say_what_left_the_source(intent)
        self._fetch(intent)
        if self._config.dry_run:
            return self._rehearse(stack, intent)
        return self._really(stack, intent, session)

    def _choice(self, selection: Selection) -> Chosen:
        """What of the backup is selected."""
        return Chosen(
            types=selection.types,
            ids=selection.ids,
            deleted="include" if selection.ids is not None else selection.deleted,
            folder_ids=_folders(self._vault, selection.folder, recursive=selection.recursive),
        )

    def _look(self, session: SessionRow | None) -> Intent:
        selection = self._config.selection
        self._chosen = self._choice(selection)
        folders = self._chosen.folder_ids
        if folders is not None:
            self._say_what_no_folder_holds()
        counts = {t: self._left(t) for t in self._chosen.in_order}
        self._say_what_is_marked_deleted()
        left_out = 0
        if self._chosen.deleted == "exclude":
            left_out = sum(
                self._vault.count(t, ids=None, folder_ids=folders, deleted="only") for t in selection.types
            )
        return Intent(
            counts=counts,
            left_out_deleted=left_out,
            vault_path=self._vault.path,
            vault_newest=self._vault.newest,
            instance=self._instance,
            source=self._source_name(),
            verdict=self._verdict,
            mapped=0 if self._verdict.same else self._mapped(self._source_name()),
            session=session,
            asks_identity=self._verdict.declared and session is None and self._claim.declares_same,
            absent_types=tuple(t for t in self._chosen.in_order if not self._vault.has_type(t)),
            only=self._only_row(session) if sum(counts.values()) == 1 else None,
        )

    def _only_row(self, session: SessionRow | None) -> VaultRow | None:
        """The one row that is left to be restored."""
        rows = self._chosen.rows(DoneIn(self._state_path, session.id) if session else None)
        return next((row for t in self._chosen.in_order for row in self._vault.rows(t, **rows)), None)

    def _mapped(self, source: str) -> int:
        """How many objects of an instance earlier runs have brought here."""
        return StateReader(self._state_path).mapped(source, self._instance)

    @cached_property
    def _verdict(self) -> Verdict:
        """Whether it is the instance that was backed up: what is said to be another one is never the same."""
        return settle(self._discovery.prove_instance(self._proof), self._proof, self._claim)

    @cached_property
    def _claim(self) -> Claim:
        """What the caller and earlier runs say about the instance of the backup."""
        reader = StateReader(self._state_path)
        return Claim(
            source=self._said_source,
            same=self._config.same_instance,
            names=(self._instance, instance_name(self._destination.endpoint.base_url)),
            samples=reader.source_samples(self._instance),
            declared=reader.declared_sources(self._instance),
        )

    @cached_property
    def _other_names(self) -> tuple[str, ...]:
        """The names under which earlier runs mapped ids of the backup, while they took it for another instance's."""
        return tuple(other_names(self._verdict, self._proof, self._claim))

    def _scope(self, session_id: str = "") -> Scope:
        """Whose mappings count, before a session has a generation of its own."""
        return Scope(session_id, 0, self._source_name(), self._instance, self._other_names)

    @property
    def _said_source(self) -> str | None:
        """The instance that the backup is of, if somebody said so, or if it can be asked itself."""
        if self._config.source_instance is not None or self._live_source is None:
            return self._config.source_instance
        return self._live_source.instance

    @cached_property
    def _live_source(self) -> LiveSource | None:
        """The instance that was backed up, if the caller says how to reach it."""
        config = self._config
        if config.source is None:
            return None
        given = config.destination
        return LiveSource(
            config.source,
            resolve_source(
                config.source, given.config, self._environ, allow_insecure=given.allow_insecure_http
            ),
            config.ceilings,
            config.retries,
            self._stop.cut_waits,
        )

    def _look_at_source(self, stack: ExitStack, intent: Intent) -> Intent:
        """Prove the source, and note which definitions only it has."""
        if self._live_source is None or intent.verdict.same:
            return intent
        self._live_source.prove(self._proof)
        session_id = intent.session.id if intent.session is not None else ""
        self._definitions = stack.enter_context(closing(Definitions(self._scratch)))
        self._source_refs = self._references(stack, self._scope(session_id))
        rows = rows_of(self._vault, self._chosen.types, self._rows_left(intent))
        lacking = note_lacking(rows, self._definitions, self._source_refs)
        return msgspec.structs.replace(intent, to_fetch=lacking, live_source=self._live_source.instance)

    def _fetch(self, intent: Intent) -> None:
        """Get from the source what no backup has."""
        if intent.to_fetch and self._live_source is not None and self._definitions is not None:
            self._live_source.fetch(self._definitions, self._source_refs)
            self._reporter.say(fetched_line(self._live_source.instance, self._live_source.fetched))

    def _require_same_source(self, intent: Intent) -> None:
        """Mappings are of an instance; a name alone does not prove that the backup is of that one."""
        if intent.verdict.same:
            return
        samples = StateReader(self._state_path).source_samples(self._instance)
        require_same_source(self._proof, samples.pop(intent.source, []), intent.source)
        if intent.session is None and not intent.mapped:
            others = {name: sample for name, sample in samples.items() if self._mapped(name)}
            require_own_name(self._proof, others, intent.source)

    def _say_what_is_marked_deleted(self) -> None:
        """Who names an item gets it, also one that was deleted before the backup was made, perhaps on purpose."""
        deleted = msgspec.structs.replace(self._chosen, deleted="only")
        for content_type in deleted.in_order if deleted.ids is not None else ():
            if marked := [*self._vault.ids(content_type, **deleted.rows())]:
                named_ones = ", ".join(marked[:NAMED_IDS]) + (", ..." if len(marked) > NAMED_IDS else "")
                self._reporter.warn(
                    f"the backup marks {plural(content_type, len(marked))} deleted that "
                    f"{'is' if len(marked) == 1 else 'are'} named: {named_ones}"
                )

    def _say_what_no_folder_holds(self) -> None:
        outside = [t for t in self._config.selection.types if t not in BY_FOLDER]
        if len(outside) == len(self._config.selection.types):
            names = " or ".join(f"{named(t)}s" for t in outside)
            raise UsageError(f"--folder cannot select {names}: {SELECTS}")
        if lost := [f"{named(t)}s" for t in outside if self._vault.has_type(t)]:
            self._reporter.warn(f"{SELECTS}: left out are all {', '.join(lost)}")

    def _left(self, content_type: ContentType) -> int:
        """How many rows of a type are to be restored; all that the session has done are among those selected."""
        done = self._earlier.by_type.get(content_type)
        return self._vault.count(content_type, **self._chosen.rows()) - (done.total() if done else 0)

    def _read_while_permitted(self, intent: Intent) -> Intent:
        """Read in bulk; a run that uses up its calls so begins its session all the same, which can be resumed."""
        try:
            return self._read_in_bulk(intent)
        except StoppedWaiting:
            if self._stop or not self._connection.limiter.is_shut():
                raise
            return intent

    def _read_in_bulk(self, intent: Intent) -> Intent:
        """Read what costs fewer calls so, and look for what will go wrong."""
        with closing(Index(self._scratch, self._config.max_staleness_s)) as index:
            scanner = self._scanner(intent, index, {"folder": self._discovery.folders})
            found = [self._scan(scanner, index, intent, one) for one, n in intent.counts.items() if n]
            closer = self._closer_look(intent, index)
            scanned = [closer.at(one) if intent.verdict.same else one for one in found if one is not None]
            for line in map(disbelieved_line, closer.disbelieved):
                self._reporter.warn(line)
            intent = msgspec.structs.replace(intent, hidden=tuple(closer.hidden))
            if intent.total > FEW_ITEMS:
                kinds = referred_to(t for t, n in intent.counts.items() if n) - {one.kind for one in scanned}
                if intent.session is None:
                    kinds.discard("lookml_model")  # looking ahead needs more of them than their names
                scanned += [self._scan_referred(scanner, kind, intent) for kind in sorted(kinds)]
                if intent.session is None:
                    self._look_ahead(
                        intent,
                        {o.kind: partial(index.standing, o.kind) for o in scanned if o.complete},
                        index,
                    )
            there = self._there(intent, scanned, index)
            scanned, sending = self._what_sends(intent, scanner, scanned, index)
            edited = self._edited(intent, scanned, index)
        return msgspec.structs.replace(
            intent, scanned=tuple(scanned), there=there, edited=edited, sending=sending
        )

    def _what_sends(
        self, intent: Intent, scanner: Scanner, scanned: list[Scanned], index: Index
    ) -> tuple[list[Scanned], tuple[str, ...]]:
        """List the schedules if content comes back from the trash; say what becomes of them, and of alerts."""
        senders = Senders(self._vault, self._rows_left(intent), index, self._translator(intent), scanned)
        back, plan = senders.coming_back(), ContentType.SCHEDULED_PLAN
        if (n := sum(map(len, back.values()))) and all(one.kind != plan.label for one in scanned):
            found = scanner.scan(plan.label, n, self._vault.count(plan), lambda: ())
            scanned = [*scanned, *([msgspec.structs.replace(found, items=0)] if found is not None else [])]
        self._policy = msgspec.structs.replace(self._policy, sees_trashed_plans=index.sees_trashed_plans())
        foreteller = Foreteller(index, self._connection.client, self._scratch, self._policy)
        unlisted = intent.verdict.same and senders.unlisted(intent.counts)
        return scanned, tuple(foreteller.lines(back, senders.at_risk(), unlisted=unlisted))

    def _edited(self, intent: Intent, scanned: Iterable[Scanned], index: Index) -> dict[ContentType, int]:
        """How many items were edited on the instance after the backup, of the types that were listed to the end."""
        edits = Edits(StateReader(self._state_path), self._instance, index, self._translator(intent))
        types = [ContentType[one.kind.upper()] for one in scanned if one.items and one.complete]
        rows = self._rows_left(intent)
        return {one: edits.count(one, self._vault.rows(one, **rows)) for one in types if one.label in TIMED}

    def _closer_look(self, intent: Intent, index: Index) -> CloserLook:
        rows = self._rows_left(intent)
        return CloserLook(
            self._connection.client,
            index,
            self._translator(intent),
            count=self._backup.count,
            backed_up=lambda one: batches(self._backup.ids(one)),
            selected=lambda one: batches(self._vault.ids(one, **rows)),
        )

    def _require_word(self, intent: Intent) -> None:
        """Unless somebody can be asked, much is made again only on an instance that was named."""
        given = self._config.destination.expect_host is not None
        lines = [hidden_line(one) for one in intent.hidden if one.needs_word]
        if lines and not given and not can_ask() and not self._config.dry_run:
            host = self._destination.endpoint.host
            raise ApiError(
                " ".join(lines),
                f"if all of it is gone, give --expect-host {host} beside --force; nothing was written",
            )

    def _there(self, intent: Intent, scanned: Iterable[Scanned], index: Index) -> dict[ContentType, int]:
        """How many items are on the destination already, of the types that were listed to the end."""
        if not intent.verdict.same or self._config.dry_run:
            return {}
        translate, there = self._translator(intent), Counter[ContentType]()
        for one in scanned:
            if not one.items or not one.complete:
                continue
            content_type = ContentType[one.kind.upper()]
            for ids in batches(self._vault.ids(content_type, **self._rows_left(intent))):
                here = [to for source_id in ids if (to := translate(one.kind, source_id)) is not None]
                alive = index.standing(one.kind, here)
                there[content_type] += sum(to in alive for to in here)
        return there

    def _rows_left(self, intent: Intent) -> Wanted:
        """Which rows are to be restored: those that the session has not done yet."""
        return self._chosen.rows(DoneIn(self._state_path, intent.session.id) if intent.session else None)

    def _scanner(self, intent: Intent, index: Index, at_hand: AtHand) -> Scanner:
        return Scanner(self._connection.client, index, at_hand, same_instance=intent.verdict.same)

    def _scan(
        self, scanner: Scanner, index: Index, intent: Intent, content_type: ContentType
    ) -> Scanned | None:
        """List the objects of a type, if that is cheaper than to ask for each."""
        kind, rows = content_type.label, self._rows_left(intent)
        if kind not in LISTINGS or intent.counts[content_type] == 1:
            return None  # no list is cheaper than to ask for one

        def missing() -> Iterator[str]:
            for ids in batches(self._vault.ids(content_type, **rows)):
                alive = index.standing(kind, ids)
                yield from (one for one in ids if one not in alive)

        return scanner.scan(kind, intent.counts[content_type], self._vault.count(content_type), missing)

    def _read_again(self, intent: Intent, content_type: ContentType) -> None:
        """List a type anew before its items begin if that was long ago: else each of them would soon be asked for.

        Nothing of it is under way now, and of what was written to the index believes no list.
        """
        if not any(one.kind == content_type.label and one.items and one.complete for one in intent.scanned):
            return
        with closing(Index(self._scratch, self._config.max_staleness_s)) as index:
            began = index.begun(content_type.label)
            half_s = self._config.max_staleness_s / 2
            is_due = began is not None and 0 < half_s < time.monotonic() - began
            is_due = is_due or self._may_show_more(content_type)
            if is_due and not self._stop:
                with suppress(StoppedWaiting):
                    self._scan(self._scanner(intent, index, {}), index, intent, content_type)

    def _may_show_more(self, content_type: ContentType) -> bool:
        """Whether a list of schedules may have left out those of content that has come back from the trash since."""
        if content_type is not ContentType.SCHEDULED_PLAN or self._config.dry_run:
            return False
        return bool(self._tally.count(Operation.UNDELETED)) and not self._policy.sees_trashed_plans

    def _scan_referred(self, scanner: Scanner, kind: str, intent: Intent) -> Scanned:
        """List a kind that is only referred to: its ids, and where ids mean nothing what it is found by."""
        found = None
        if not intent.verdict.same and kind in FOUND_BY_KEY:
            expected = self._backup.count(ContentType[kind.upper()])
            found = scanner.scan(kind, intent.total, expected, lambda: ())
        if found is None:
            return scanner.note_ids(kind, intent.total)
        return msgspec.structs.replace(found, items=0)

    def _translator(self, intent: Intent) -> Translate:
        mapper = StateReader(self._state_path).mapper(self._scope())

        def translate(kind: str, source_id: str) -> str | None:
            if kind == "folder" and source_id in self._policy.folders:
                return self._policy.folders[source_id]
            found = mapper.get(kind, source_id)
            return found.destination_id if found else source_id if intent.verdict.same else None

        return translate

    def _look_ahead(self, intent: Intent, listed: Mapping[str, Standing], index: Index) -> None:
        with ExitStack() as stack:
            translate = self._translator(intent)
            if not intent.verdict.same:
                lookups = stack.enter_context(closing(Lookups(self._backup.path, self._scratch)))
                client = IndexedClient(self._connection.client, index, same_instance=False)
                translate = Foreseen(
                    StateReader(self._state_path),
                    self._scope(),
                    lookups,
                    client,
                    self._discovery.folders,
                    self._policy,
                )
            ahead = look_ahead(
                self._connection.client,
                SelectedRows(self._vault, self._chosen, intent.counts, backup=self._backup),
                versions=self._discovery.versions(),
                caller_id=self._policy.caller.id,
                listed=listed,
                translate=translate,
                policy=self._policy,
            )
        self._known = {"lookml_model": ahead.models}
        for problem in ahead.problems:
            self._reporter.warn(problem.message)

    def _plan_queries(self, stack: ExitStack, intent: Intent, scope: Scope) -> None:
        """Elsewhere queries are made before the items that show them, where those of the destination are known.

        In a run that is too small to list these, each item recognises its own, or makes them.
        """
        listed = [one for one in intent.scanned if one.kind == DASHBOARD and one.items and one.complete]
        if intent.verdict.same or not any(one.shows_queries for one in listed):
            return
        self._queries = QueryWaves(
            rows_of(self._vault, self._chosen.types, self._rows_left(intent)),
            self._references(stack, scope),
            self._definitions or stack.enter_context(closing(Definitions(self._scratch))),
            stack.enter_context(closing(Index(self._scratch, self._config.max_staleness_s))),
            lambda: bool(self._stop),
        )

    def _references(self, stack: ExitStack, scope: Scope) -> StateReferences:
        """What the parent itself asks about queries and their mappings."""
        return StateReferences(
            StateReader(self._state_path),
            scope,
            stack.enter_context(closing(Lookups(self._backup.path, self._scratch))),
            self._nothing.planned,
            self._nothing.ended,
            same_instance=False,
            policy=self._policy,
        )

    def _say_what_left_the_source(self, intent: Intent) -> None:
        """What earlier runs brought here and the other instance has no more is named, and stays."""
        # A retry has but the rows of its letters.
        whole = self._chosen.ids is None and self._chosen.folder_ids is None and self._vault is self._backup
        if intent.verdict.same or not whole:
            return
        reader = StateReader(self._state_path)
        for content_type in (one for one in self._chosen.types if self._vault.has_type(one)):
            mapped = reader.mapped_ids(intent.source, self._instance, content_type.label)
            gone = [*_left_out(mapped, partial(self._vault.ids, content_type, deleted="exclude"))]
            if gone:
                self._tally.warnings[DELETED_ON_SOURCE] += len(gone)
                self._reporter.warn(left_the_source(content_type, gone))

    def _check_names(self, intent: Intent) -> None:
        """Whether what is called otherwise is there under its new name, and what is not, under its old one."""
        rows = SelectedRows(self._vault, self._chosen, intent.counts, backup=self._backup)
        remap = self._policy.remap
        for warning in check_names(self._connection.client, rows, self._backup, remap, self._folders):
            self._reporter.warn(warning)

    def _name_circles(self) -> None:
        """Folders that lie in each other can never be made; each fails, and here it is said why."""
        folders = self._vault.folder_tree.folders if ContentType.FOLDER in self._chosen.types else {}
        for circle in circles({one: folder.parent_id for one, folder in folders.items()}):
            names = ", ".join(f"{one} {quoted(folders[one].name)}" for one in circle[:NAMED_IDS])
            self._reporter.warn(f"in the backup these folders lie in each other: {names}")

    def _settled_policy(self, intent: Intent) -> Policy:
        """The policy, with what only vault and destination can tell."""
        policy, types = self._config.policy, self._chosen.types
        if policy.assignments == "exact" and not self._backup.has_type(ContentType.USER):
            raise ValidationError(
                "--assignments exact would take all roles from everybody: the backup has no users"
            )
        if policy.assignments == "exact" and not intent.verdict.same:
            raise ValidationError(
                "--assignments exact is for the instance that was backed up: here it would take from people what "
                "they have of this instance's own",
                "leave it out: what the backup has is added",
            )
        require_other_instance(policy.remap, same_instance=intent.verdict.same)
        self._folders = find_folders(policy.remap, self._backup, self._discovery)
        there = self._instance.removesuffix(API_PORT)
        caller = policy.caller
        if policy.owner_policy == "me" or not ABOUT_PEOPLE.isdisjoint(types):
            caller = self._discovery.caller()
        return msgspec.structs.replace(
            policy,
            orphans_to=self._discovery.folder_id(policy.orphans_to) if policy.orphans_to else None,
            grants_by_role=ContentType.ROLE in types,
            folders=self._target(policy.target_folder, intent) | self._folders.here(policy.remap),
            members_by_user=ContentType.USER in types,
            link_hosts={host: host if intent.verdict.same else there for host in source_hosts(self._backup)},
            caller=caller,
            heir=self._heir(caller),
            could_be_same=_could_be_same(intent.verdict),
        )

    def _target(self, folder: str | None, intent: Intent) -> dict[str, str]:
        """The folders that the target stands for, with its id."""
        if folder is None:
            return {}
        if intent.verdict.same:
            raise ValidationError(
                "--target-folder is for another instance, and this is the one that was backed up",
                "leave it out: a restore puts things back; what has lost its folder can go --orphans-to another one",
            )
        target_id, chosen = self._discovery.folder_id(folder), self._config.selection.folder
        return dict.fromkeys(stood_for(self._backup, self._chosen, chosen), target_id)

    def _heir(self, caller: Caller) -> str | None:
        """Who gets what belongs to somebody that the destination does not have."""
        match self._config.policy.owner_policy:
            case "keep":
                return None
            case "me":
                return caller.id
            case address:
                return self._discovery.user_id(address)

    # -- the two ways to run

    def _rehearse(self, stack: ExitStack, intent: Intent) -> Ending:
        scope = self._scope()
        self._plan_queries(stack, intent, scope)
        waves = self._waves(None)
        rehearse = partial(
            self._run_here,
            self._run_config(intent, scope, dry_run=True),
            chain(
                (tasks for _, tasks in self._first(intent, waves)),
                waves.again(self._rehearsal.waiting(same_instance=intent.verdict.same), Waits.FOR_OTHERS),
            ),
            self._nothing,
            self._rehearsal.take,
            threads=min(DRY_RUN_THREADS, max(1, intent.total)),
        )
        status, code = self._guarded(rehearse, intent.total)
        # What would fail has the exit code of the run that it would fail in: a plan is read by scripts as well.
        return self._end(intent, None, "planned" if status == "completed" else status, code)

    def _on_tried(self, note: Tried) -> None:
        """Hear how an item is looked for, in a rehearsal."""

    def _really(self, stack: ExitStack, intent: Intent, session: SessionRow | None) -> Ending:
        with StateStore(self._state_path, self._config.checkpoint_interval) as store:
            scope = self._open_session(store, intent, session)
            self._plan_queries(stack, intent, scope)
            self._unfinished = Unfinished(
                uncertain=store.uncertain(scope),
                cut_off=store.cut_off(scope),
                lands_until=self._last_landing(),
            )
            self._say_what_was_cut_off()
            if self._fits_in_one_process(intent):
                run = partial(
                    self._run_here,
                    self._run_config(intent, scope),
                    self._all_waves(scope, intent),
                    LocalRecorder(store, scope),
                    self._on_result,
                    threads=max(1, min(self._config.inflight, intent.total)),
                )
                status, code = self._settled(scope, intent, self._guarded(run, intent.total))
                return self._close(store, scope, intent, status, code)
        # The writer process owns the file from here until it has ended.
        ended = self._guarded(lambda: self._run_crew(scope, intent), intent.total)
        status, code = self._settled(scope, intent, ended)
        try:
            with StateStore(self._state_path, create=False) as store:
                return self._close(store, scope, intent, status, code)
        except StateLostError as lost:
            if status == "completed":  # the writer has not met it: it was taken away in the last moment
                self._reporter.warn(f"{lost}; {lost.hint}")
            return self._end(intent, scope, "stopped", code or ExitCode.STOPPED)

    def _say_what_was_cut_off(self) -> None:
        until = self._unfinished.lands_until
        left_s = (until - datetime.now(UTC)).total_seconds() if until else 0.0
        if self._unfinished.cut_off and left_s > 0:
            self._reporter.warn(
                f"a run was cut off a moment ago: what it had in hand waits up to {left_s:.0f} s, "
                "until its last requests cannot land any more"
            )

    def _last_landing(self) -> datetime | None:
        """When the last request of an earlier run has been carried out, if ever."""
        grace = timedelta(seconds=self._destination.endpoint.grace_s)
        until = self._lock.others_sent_until
        return until + grace if until else None

    def _open_session(self, store: StateStore, intent: Intent, session: SessionRow | None) -> Scope:
        store.take_over(self._scope())
        if session is not None:
            return store.continue_session(session)
        is_proved = intent.verdict.same and not intent.verdict.declared
        metadata = {
            **self._made_from(),
            "base_url": self._destination.endpoint.base_url,
            "same_instance": intent.verdict.same,
            "identity": intent.identity,
            "selected": {one.label: n for one, n in intent.counts.items() if n},
            "witnesses": self._discovery.witnesses if intent.verdict.same else [],
            "source_sample": None if is_proved else sample_of(self._proof),
        }
        return store.begin_session(
            self._source_name(),
            self._instance,
            self._config.remembered(),
            metadata,
            session_id=self._config.run_id,
            letters=self._letters,
        )

    def _made_from(self) -> dict[str, Json]:
        """What a session remembers of its backup."""
        return {"vault": str(self._vault.path.resolve()), "vault_fingerprint": self._vault.fingerprint()}

    def _fits_in_one_process(self, intent: Intent) -> bool:
        return self._config.procs == 1 or intent.total <= self._config.inflight

    def _run_here(
        self,
        config: RunConfig,
        waves: Iterator[AnyTasks],
        recorder: LocalRecorder | NothingRecorded,
        on_result: Callable[[RestorationResult], None],
        *,
        threads: int,
    ) -> None:
        run_locally(
            config,
            waves,
            recorder,
            on_result,
            on_query=self._on_query,
            connection=self._connection,
            stop=self._stop,
            threads=threads,
            may_begin=self._budget.room,
            on_tick=self._on_tick,
        )

    def _run_crew(self, scope: Scope, intent: Intent) -> None:
        crew = Crew(self._run_config(intent, scope), self._connection, self._lock, self._stop)
        crew.on_result = self._on_result
        crew.on_query = self._on_query
        crew.on_tick = self._on_tick
        crew.may_begin = self._budget.room
        crew.run(self._all_waves(scope, intent))

    def _run_config(self, intent: Intent, scope: Scope, *, dry_run: bool = False) -> RunConfig:
        return RunConfig(
            endpoint=self._destination.endpoint,
            scope=scope,
            state_path=self._state_path,
            vault_path=self._backup.path,
            same_instance=intent.verdict.same,
            procs=self._config.procs,
            inflight=self._config.inflight,
            retries=self._config.retries,
            known=self._known if intent.scanned else self._discovery.ids_at_hand(),
            indexed=bool(intent.scanned),
            max_staleness_s=self._config.max_staleness_s,
            checkpoint_interval=self._config.checkpoint_interval,
            scratch=self._scratch,
            policy=self._policy,
            dry_run=dry_run,
        )

    def _waves(self, scope: Scope | None) -> Waves:
        if scope is None:
            return Waves(self._vault, self._chosen, self._unfinished, None)
        positions = {
            one.content_type: one.position
            for one in StateReader(self._state_path).checkpoints(scope.session_id)
            if one.position is not None
        }
        done_in = DoneIn(self._state_path, scope.session_id)
        return Waves(self._vault, self._chosen, self._unfinished, done_in, positions, self._passes)

    def _first(self, intent: Intent, waves: Waves) -> Iterator[tuple[ContentType | None, AnyTasks]]:
        """Every item once, with the type that comes to its end so; before the first that shows queries, these."""
        queries_made = self._queries is None
        for content_type, tasks, is_last in waves.first():
            if content_type in SHOWING and not queries_made:
                yield from ((None, queries) for queries in self._queries or ())
                self._say_what_queries_were_made()
                queries_made = True
            self._read_again(intent, content_type)
            yield content_type if is_last else None, tasks

    def _say_what_queries_were_made(self) -> None:
        counts = self._queries.counts if self._queries is not None else QueryCounts()
        if line := queries_line(counted(counts)):
            self._reporter.say(line)

    def _all_waves(self, scope: Scope, intent: Intent) -> Iterator[AnyTasks]:
        """Every item once, names that are free by now at once, then what had to wait for everything else."""
        waves = self._waves(scope)
        nameless = partial(nameless_in, self._state_path, scope)
        for content_type, tasks in self._first(intent, waves):
            yield tasks
            if content_type in NAMED:
                yield from waves.rounds(partial(nameless, (content_type,)))
        waiting = waiting_in(self._state_path, scope, same_instance=intent.verdict.same)
        yield from waves.again(waiting, Waits.FOR_OTHERS)
        yield from waves.rounds(partial(nameless, NAMED))

    def _on_tick(self) -> None:
        self._budget.look()
        for message in self._news():
            self._reporter.warn(message)
        self._reporter.tick(self._tally)

    def _on_query(self, result: QueryResult) -> None:
        if self._queries is not None:
            self._queries.take(result)

    def _on_result(self, result: RestorationResult) -> None:
        self._tally.add(result)
        self._budget.note(result)
        self._watch_for_outage(result)
        self._reporter.result(result, self._tally)
        if self._config.selection.ids is not None and len(self._config.selection.ids) == 1:
            self._results = [both_looks(*self._results, result)]

    def _watch_for_outage(self, result: RestorationResult) -> None:
        """Stop when no item comes through any more, though the instance answers when it is asked how it is.

        An outage must not drain the vault into dead letters. What took no call says nothing either way.
        """
        if not result.calls.total:
            return
        lost = result.error is not None and result.error.kind in LOST_IN_AN_OUTAGE
        self._lost_in_a_row = self._lost_in_a_row + 1 if lost else 0
        if self._lost_in_a_row >= AN_OUTAGE and result.error is not None:
            self._give_up_after_losses(f"{AN_OUTAGE} items in a row were lost: {result.error.message}")

    def _give_up_after_losses(self, reason: str) -> None:
        """Stop; what was lost on the way is no item's fault, and is tried again by a resume."""
        self._items_lost = True
        self._stop.give_up(reason)

    # -- the end

    def _guarded(self, run: Callable[[], None], expected: int) -> tuple[str, int]:
        """Run; say how it ended. Every one of the `expected` items must have."""
        try:
            self._run_through_outages(run)
        except (RunBrokenError, StateError) as broken:
            self._reporter.warn(f"{broken}; {broken.hint}")
            return "stopped", ExitCode.STOPPED
        except ApiError as error:
            self._reporter.warn(f"{error}; {error.hint}" if error.hint else str(error))
            self._fatal = error
            return "failed", ExitCode.API
        if self._stop.signal is not None:
            return "interrupted", 128 + self._stop.signal
        if self._stop.reason is not None and self._tally.total < expected:
            self._reporter.warn(f"stopped: {self._stop.reason}; `lvrestore resume` goes on")
            return "stopped", ExitCode.STOPPED
        if self._tally.total != expected - len(self._held_back):
            # Whatever the reason, nobody may believe that all is done.
            self._reporter.warn(
                f"{self._tally.total} of {expected} items have ended: this is a bug, please report it"
            )
            return "stopped", ExitCode.INTERNAL
        troubled = sum(t.count(*LACKING, Operation.CONFLICT) for t in (self._earlier, self._tally))
        return "completed", ExitCode.ITEMS_FAILED if troubled else ExitCode.OK

    def _settled(self, scope: Scope, intent: Intent, ended: tuple[str, int]) -> tuple[str, int]:
        """The status and the code of a run; one that was stopped before the second look at items is not completed."""
        if ended[0] != "completed" or self._stop.reason is None:
            return ended
        waiting = waiting_in(self._state_path, scope, same_instance=intent.verdict.same)
        if not any(True for _ in chain(waiting, nameless_in(self._state_path, scope, NAMED))):
            return ended
        self._reporter.warn(f"stopped: {self._stop.reason}; `lvrestore resume` goes on")
        return "stopped", ExitCode.STOPPED

    def _run_through_outages(self, run: Callable[[], None]) -> None:
        patience_s = self._config.outage_timeout_s
        if not patience_s:
            run()
            return
        with self._connection.watched(patience_s, self._give_up_after_losses) as self._news:
            run()
        self._on_tick()

    def _close(self, store: StateStore, scope: Scope, intent: Intent, status: str, code: int) -> Ending:
        ending = self._end(intent, scope, status, code)
        try:
            if self._items_lost:
                store.reopen(scope, LOST_IN_AN_OUTAGE)
            made = self._queries.counts if self._queries is not None else None
            store.finish_session(scope, status, ending.summary, self._own_calls(), code, made)
        except StateError as error:  # its items are stored; the next run finds the session cut off
            self._reporter.warn(str(error))
        return ending

    def _end(self, intent: Intent, scope: Scope | None, status: str, code: int) -> Ending:
        frame = Frame(
            session_id=scope.session_id if scope else None,
            source=self._source_name(),
            destination=self._instance,
            same_instance=intent.verdict.same,
            identity=intent.identity,
            left_out_deleted=intent.left_out_deleted,
            live_source=self._told_of_source(),
        )
        duration = self._earlier_s + time.monotonic() - self._started - self._waited
        other_calls = self._own_calls()
        other_calls.add(self._earlier_calls)
        result = summary(
            self._earlier.merged(self._tally),
            frame,
            status=status,
            duration_s=duration,
            other_calls=other_calls,
            queries=self._earlier_queries.plus(
                self._queries.counts if self._queries is not None else QueryCounts()
            ),
        )
        self._reporter.end(result)
        return Ending(code, result, tuple(self._results), self._state_path, self._fatal)

    def _told_of_source(self) -> dict[str, Json] | None:
        """What the source itself was asked for; its calls are not those of the destination."""
        if self._live_source is None:
            return None
        source = self._live_source
        return {
            "instance": source.instance,
            "fetched": dict(source.fetched),
            "withheld": source.withheld,
            "calls": source.calls,
        }

    def _own_calls(self) -> Calls:
        """Calls that belong to no item: the parent's own, and those for queries."""
        calls = self._connection.own_calls()
        if self._queries is not None:
            calls.add(self._queries.calls)
        return calls

    def _source_name(self) -> str:
        if self._verdict.same:
            return self._instance
        return self._said_source or source_name(self._backup, self._instance)


def _could_be_same(verdict: Verdict) -> bool:
    """Whether the caller could declare that it is the instance of the backup."""
    return declared_same(verdict) is not None and not verdict.same and not verdict.declared


def _left_out(
    mapped: Iterable[tuple[str, str]], present: Callable[..., Iterable[str]]
) -> Iterator[tuple[str, str]]:
    """Those of (source id, destination id) that the backup does not have; asked for in batches."""
    for batch in batches(mapped):
        there = set(present(ids=[source_id for source_id, _ in batch]))
        yield from (one for one in batch if one[0] not in there)


def _folders(vault: Vault, folder: str | None, *, recursive: bool) -> Collection[str] | None:
    if folder is None:
        return None
    try:
        root = vault.find_folder(folder)
    except NotFoundError:
        # A backup of some types has no folder rows, but its items say by id where they lie.
        if not any(vault.count(t, folder_ids={folder}, deleted="include") for t in IN_FOLDERS):
            raise
        root = folder
    return {root, *(vault.subfolders(root) if recursive else ())}


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """All items, so many at a time as one statement asks about."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
