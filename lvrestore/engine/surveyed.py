"""Read the destination in bulk where that costs fewer calls, and look for what will go wrong."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial

import msgspec

from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import Index
from lvrestore.catalog.listings import LISTINGS
from lvrestore.catalog.scan import FOUND_BY_KEY, AtHand, Scanner, referred_to
from lvrestore.content.identity.edited import TIMED
from lvrestore.engine.connected import Connected
from lvrestore.engine.proved import Proved
from lvrestore.engine.selected import Selected, batches
from lvrestore.engine.session import Session
from lvrestore.engine.subject import Subject
from lvrestore.errors import ApiError
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.model import ContentType, Scanned
from lvrestore.plan.plausibility import Visible
from lvrestore.preflight.closer_look import CloserLook
from lvrestore.preflight.edits import Edits
from lvrestore.preflight.estimate import FEW_ITEMS
from lvrestore.preflight.foreseen import Foreseen
from lvrestore.preflight.problems import SelectedRows, Standing, Translate, look_ahead
from lvrestore.preflight.senders import Foreteller, Senders
from lvrestore.report.terminal import can_ask
from lvrestore.report.wording import disbelieved_line, hidden_line
from lvrestore.settings import Policy
from lvrestore.vault import Lookups


class Surveyed(msgspec.Struct, frozen=True, kw_only=True):
    """What was read before the question. `there` counts, by type, items that are on the destination already.

    `edited` counts those that somebody has edited after the backup. `sending` says what would send mail. `hidden` is
    what lists show next to nothing of. `known` are ids, by kind, that nobody need ask for.
    """

    policy: Policy
    scanned: tuple[Scanned, ...] = ()
    there: dict[ContentType, int] = {}
    edited: dict[ContentType, int] = {}
    sending: tuple[str, ...] = ()
    hidden: tuple[Visible, ...] = ()
    known: dict[str, frozenset[str]] = {}

    def lists(self, kind: str) -> bool:
        """Whether the items of a kind were listed to the end."""
        return any(one.kind == kind and one.items and one.complete for one in self.scanned)


class Survey(msgspec.Struct, frozen=True):
    """What a survey goes by. `at_hand` are lists that the run has read anyway."""

    here: Connected
    subject: Subject
    proved: Proved
    selected: Selected
    policy: Policy
    index: Index
    at_hand: AtHand = {}

    @property
    def scanner(self) -> Scanner:
        """Fills the index."""
        return Scanner(self.here.connection.client, self.index, self.at_hand, same_instance=self.proved.same)


def survey(
    here: Connected, session: Session, subject: Subject, proved: Proved, selected: Selected, policy: Policy
) -> Surveyed:
    """List the types that are restored, and the kinds that they refer to; foresee problems of a new session."""
    with closing(here.index()) as index:
        at_hand: AtHand = {"folder": here.discovery.folders}
        try:
            return _surveyed(Survey(here, subject, proved, selected, policy, index, at_hand), session)
        except StoppedWaiting:
            if here.stop or not here.connection.limiter.is_shut():
                raise
            return Surveyed(
                policy=policy
            )  # a run whose calls are used up begins a session that can be resumed


def _surveyed(survey: Survey, session: Session) -> Surveyed:
    selected, index = survey.selected, survey.index
    found = [one for one in (_scan(survey, t) for t in selected.types) if one is not None]
    closer = _closer_look(survey)
    scanned = [closer.at(one) if survey.proved.same else one for one in found]
    for line in map(disbelieved_line, closer.disbelieved):
        survey.here.reporter.warn(line)
    known: dict[str, frozenset[str]] = {}
    if selected.total > FEW_ITEMS:
        kinds = referred_to(selected.types) - {one.kind for one in scanned}
        if session.row is None:
            kinds.discard("lookml_model")  # looking ahead needs more of them than their names
        scanned += [_scan_referred(survey, kind) for kind in sorted(kinds)]
        if session.row is None:
            listed = {one.kind: partial(index.standing, one.kind) for one in scanned if one.complete}
            known = {"lookml_model": _look_ahead(survey, listed)}
    there = _there(survey, scanned)
    scanned = _with_schedules(survey, scanned)
    policy = msgspec.structs.replace(survey.policy, sees_trashed_plans=index.sees_trashed_plans())
    return Surveyed(
        policy=policy,
        scanned=tuple(scanned),
        there=there,
        edited=_edited(survey, scanned),
        sending=_what_sends(survey, scanned, policy),
        hidden=tuple(closer.hidden),
        known=known,
    )


def _closer_look(survey: Survey) -> CloserLook:
    selected, backup = survey.selected, survey.subject.backup
    wanted = selected.wanted()
    return CloserLook(
        survey.here.connection.client,
        survey.index,
        _translator(survey),
        count=backup.count,
        backed_up=lambda one: batches(backup.ids(one)),
        selected=lambda one: batches(selected.rows.ids(one, **wanted)),
    )


def require_word(here: Connected, subject: Subject, surveyed: Surveyed) -> None:
    """Unless somebody can be asked, much is made again only on an instance that was named.

    Of what failed to be made nothing is there: only a whole backup tells what should be visible.
    """
    given = subject.config.destination.expect_host is not None
    lines = [hidden_line(one) for one in surveyed.hidden if one.needs_word]
    if lines and subject.has_backup and not given and not can_ask() and not here.request.config.dry_run:
        host = here.request.destination.endpoint.host
        raise ApiError(
            " ".join(lines),
            f"if all of it is gone, give --expect-host {host} beside --force; nothing was written",
        )


def _senders(survey: Survey, scanned: Iterable[Scanned]) -> Senders:
    selected = survey.selected
    return Senders(selected.rows, selected.wanted(), survey.index, _translator(survey), scanned)


def _with_schedules(survey: Survey, scanned: list[Scanned]) -> list[Scanned]:
    """List the schedules as well if content comes back from the trash, which they may hang on."""
    plan, back = ContentType.SCHEDULED_PLAN, _senders(survey, scanned).coming_back()
    n = sum(map(len, back.values()))
    if not n or any(one.kind == plan.label for one in scanned):
        return scanned
    found = survey.scanner.scan(plan.label, n, survey.selected.rows.count(plan), lambda: ())
    return scanned if found is None else [*scanned, msgspec.structs.replace(found, items=0)]


def _what_sends(survey: Survey, scanned: Iterable[Scanned], policy: Policy) -> tuple[str, ...]:
    """What becomes of the schedules and alerts that the run would wake, or that hang on what it deletes."""
    here, senders = survey.here, _senders(survey, scanned)
    foreteller = Foreteller(survey.index, here.connection.client, here.scratch, policy)
    counts = survey.selected.counts
    return tuple(
        foreteller.lines(
            senders.coming_back(),
            senders.at_risk(),
            unlisted=survey.proved.same and senders.unlisted(counts),
            unread_tiles=senders.unread_tiles(counts),
        )
    )


def _edited(survey: Survey, scanned: Iterable[Scanned]) -> dict[ContentType, int]:
    """How many items were edited on the instance after the backup, of the types that were listed to the end."""
    selected = survey.selected
    edits = Edits(survey.here.reader(), survey.here.instance, survey.index, _translator(survey))
    types = [ContentType[one.kind.upper()] for one in scanned if one.items and one.complete]
    wanted = selected.wanted()
    return {one: edits.count(one, selected.rows.rows(one, **wanted)) for one in types if one.label in TIMED}


def read_again(
    here: Connected,
    subject: Subject,
    proved: Proved,
    selected: Selected,
    surveyed: Surveyed,
    content_type: ContentType,
    *,
    may_show_more: bool = False,
) -> None:
    """List a type anew before its items begin if that was long ago: else each of them would soon be asked for.

    Nothing of it is under way now, and of what was written to the index believes no list. `may_show_more`: a list of
    now can show what the first one left out.
    """
    if not surveyed.lists(content_type.label):
        return
    with closing(here.index()) as index:
        began = index.begun(content_type.label)
        half_s = here.request.config.max_staleness_s / 2
        is_due = began is not None and 0 < half_s < time.monotonic() - began
        if (is_due or may_show_more) and not here.stop:
            with suppress(StoppedWaiting):
                _scan(Survey(here, subject, proved, selected, surveyed.policy, index), content_type)


def _scan(survey: Survey, content_type: ContentType) -> Scanned | None:
    """List the objects of a type, if that is cheaper than to ask for each."""
    kind, selected = content_type.label, survey.selected
    if kind not in LISTINGS or selected.counts[content_type] == 1:
        return None  # no list is cheaper than to ask for one

    def missing() -> Iterator[str]:
        for ids in batches(selected.rows.ids(content_type, **selected.wanted())):
            alive = survey.index.standing(kind, ids)
            yield from (one for one in ids if one not in alive)

    expected = selected.rows.count(content_type)
    return survey.scanner.scan(kind, selected.counts[content_type], expected, missing)


def _scan_referred(survey: Survey, kind: str) -> Scanned:
    """List a kind that is only referred to: its ids, and where ids mean nothing what it is found by."""
    found, total = None, survey.selected.total
    if not survey.proved.same and kind in FOUND_BY_KEY:
        expected = survey.subject.backup.count(ContentType[kind.upper()])
        found = survey.scanner.scan(kind, total, expected, lambda: ())
    if found is None:
        return survey.scanner.note_ids(kind, total)
    return msgspec.structs.replace(found, items=0)


def _there(survey: Survey, scanned: Iterable[Scanned]) -> dict[ContentType, int]:
    """How many items are on the destination already, of the types that were listed to the end."""
    if not survey.proved.same or survey.here.request.config.dry_run:
        return {}
    selected, translate, there = survey.selected, _translator(survey), Counter[ContentType]()
    for one in scanned:
        if not one.items or not one.complete:
            continue
        content_type = ContentType[one.kind.upper()]
        for ids in batches(selected.rows.ids(content_type, **selected.wanted())):
            here = [to for source_id in ids if (to := translate(one.kind, source_id)) is not None]
            alive = survey.index.standing(one.kind, here)
            there[content_type] += sum(to in alive for to in here)
    return there


def _translator(survey: Survey) -> Translate:
    mapper = survey.here.reader().mapper(survey.proved.scope())

    def translate(kind: str, source_id: str) -> str | None:
        if kind == "folder" and source_id in survey.policy.folders:
            return survey.policy.folders[source_id]
        found = mapper.get(kind, source_id)
        return found.destination_id if found else source_id if survey.proved.same else None

    return translate


def _look_ahead(survey: Survey, listed: Mapping[str, Standing]) -> frozenset[str]:
    """Say what will go wrong; return the names of the models that the destination has."""
    here, subject = survey.here, survey.subject
    with ExitStack() as stack:
        translate = _translator(survey)
        if not survey.proved.same:
            translate = Foreseen(
                here.reader(),
                survey.proved.scope(),
                stack.enter_context(closing(Lookups(subject.backup.path, here.scratch))),
                IndexedClient(here.connection.client, survey.index, same_instance=False),
                here.discovery.folders,
                survey.policy,
            )
        selected = survey.selected
        ahead = look_ahead(
            here.connection.client,
            SelectedRows(subject.rows, selected.chosen, selected.counts, backup=subject.backup),
            versions=here.discovery.versions(),
            caller_id=survey.policy.caller.id,
            listed=listed,
            translate=translate,
            policy=survey.policy,
        )
    for problem in ahead.problems:
        here.reporter.warn(problem.message)
    return ahead.models
