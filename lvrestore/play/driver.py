"""Play a content generator against Looker: send its calls, settle unknown outcomes, turn the end into a result."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec
import orjson

from lvrestore.catalog.alert_search import AlertSearch
from lvrestore.content.calls import (
    AlertsOn,
    Create,
    Delete,
    Exists,
    Get,
    Having,
    Live,
    Mapped,
    Replace,
    Replaces,
    Restored,
    Steps,
    SwitchesOff,
    Tried,
    Undeletes,
    Unforeseen,
    Update,
    Warn,
)
from lvrestore.content.identity.names import row_of
from lvrestore.content.knowledge import References, mapped_as
from lvrestore.content.moved.queries import bring_query
from lvrestore.crashpoints import reached
from lvrestore.errors import (
    ApiError,
    DependencyError,
    DeserializationError,
    PeerGone,
    RestorationError,
    ValidationError,
)
from lvrestore.looker.classify import Failure, FailureKind, Refused
from lvrestore.looker.client import CallCounts, GaveUp, ResponseRecord, Sender, UnknownOutcome
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Request
from lvrestore.model import (
    SUCCESSES,
    Calls,
    Edit,
    History,
    ItemError,
    Json,
    MappingNote,
    Operation,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
    Waits,
)
from lvrestore.play.known import KnownIds
from lvrestore.play.missing import lacking, message_of
from lvrestore.play.touched import Touched

log = logging.getLogger(__name__)
R = TypeVar("R")
TRACE_LIMIT = 4_000
NOT_FOUND, TAKEN = 404, 409
NOT_READY_WAITS_S = (0.5, 1.0, 2.0)
FIRST_LOOK_AGAIN_S = 0.5
LONGEST_LOOK_AGAIN_S = 15.0


class _Unsettled(Exception):  # noqa: N818 - a signal from a create to the start of the item
    """Something is to be created that a request of an earlier attempt may still create."""


class Recorder(Protocol):
    """Takes what must be written down while an item is under way."""

    def note(self, mapping: MappingNote) -> None:
        """Store soon, in order."""
        ...

    def keep(self, kind: str, destination_id: str, body: bytes) -> None:
        """Return when the before-image is durable."""
        ...

    def create(self, task: RestorationTask) -> None:
        """Return when it is durable that the POST which makes this item is about to leave."""
        ...

    def undelete(self, task: RestorationTask, destination_id: str) -> None:
        """Return when it is durable that this item is about to come back from the trash."""
        ...

    def switch_off(self, note: SwitchesOff) -> None:
        """Return when it is durable how this was that is about to be switched off."""
        ...


class Generators(Protocol):
    """Makes the steps that restore an item; knows the content types."""

    def __call__(self, task: RestorationTask, refs: References, history: History) -> Steps[Restored]:
        """Decode the blob and start the generator of its type."""
        ...


def _done(task: RestorationTask, end: Restored) -> Operation:
    """What was done to the item; a second look leaves it created or undeleted, as it became in this run."""
    earlier = task.earlier_done or task.earlier
    if earlier is Operation.FAILED:
        return Operation.UPDATED if end.operation is Operation.UNCHANGED else end.operation
    changed = earlier is Operation.UNCHANGED and end.operation is not Operation.UNCHANGED
    return end.operation if earlier is None or changed else earlier


def _refusal_error(refused: Refused, last: ResponseRecord | None) -> ItemError:
    """The error of an item by a refusal. Where nothing was sent to be refused, the last answer says why."""
    sent = (refused.request, refused.response)
    request, response = sent if refused.request else _seen(last)
    return ItemError(
        kind=refused.kind.value,
        message=refused.message,
        http_status=refused.status,
        field=refused.fields[0] if refused.fields else None,
        request=request,
        response=response,
    )


def _seen(last: ResponseRecord | None) -> tuple[str | None, str | None]:
    """The request and the response of a dead letter."""
    return (f"{last.method} {last.path}", last.body) if last else (None, None)


def _may_have_changed(task: RestorationTask) -> bool:
    """Whether somebody has written to the item in this run, or may have: what was read before does not count then.

    What lacks something else is either not written at all or, like any write, known to the index.
    """
    left_alone = task.earlier in {None, Operation.UNCHANGED} or task.earlier_error == DependencyError.kind
    return not left_alone


def _told(task: RestorationTask, edit: Edit | None) -> str:
    """The report line of an edit that was overwritten."""
    at, by = (edit.at, edit.by) if edit is not None else ("", None)
    who = f" by {by}" if by else ""
    return f"{task.content_type.label} {task.source_id} was edited after the backup, at {at}{who}"


def _waits(task: RestorationTask, end: Restored | None) -> Waits:
    """Why an item is to be looked at again; for others that come later it waits only once."""
    if end is None:
        return Waits.NO
    if end.held is not None and end.held.waits:
        return end.held.waits
    return Waits.FOR_OTHERS if end.waits and task.again is not Waits.FOR_OTHERS else Waits.NO


class Driver:
    """Restores one item at a time with one client; a worker thread has one of these."""

    def __init__(
        self,
        client: Sender,
        recorder: Recorder,
        known: KnownIds,
        generators: Generators,
        refs: References,
        history: Callable[[RestorationTask], History],
        *,
        grace_s: float,
        max_repeats: int,
        wait: Callable[[float], None],
        wait_idly: Callable[[float], None],
        doubt: Callable[[str, str], None] = lambda _kind, _id: None,
        there: Callable[[str, str], None] = lambda _kind, _id: None,
        having: Callable[[str, str, str], frozenset[str]] = lambda _kind, _field, _value: frozenset(),
        tried: Callable[[Tried], None] = lambda _note: None,
        alerts: AlertSearch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`grace_s`: how long after sending a POST without an answer may still land.

        `wait` ends early by raising, `wait_idly` as soon as the run is to end: nothing of the item is under way.
        `doubt` is told of every object that is about to be changed, `there` of those that an attempt made whose
        answer was lost, or whose process: nobody else could know of them. `having` gives the ids that a list shows
        with a value. `tried` hears how items are looked for. `alerts` is the search that the run shares.
        """
        self._client, self._recorder, self._known = client, recorder, known
        self._generators, self._refs, self._history = generators, refs, history
        self._grace_s, self._max_repeats = grace_s, max_repeats
        self._wait, self._wait_idly, self._clock = wait, wait_idly, clock
        self._doubt, self._there = doubt, there
        self._having, self._tried = having, tried
        self._alerts = alerts or AlertSearch()
        self._repeats = 0
        self._only_server_knows = self._is_uncertain = False
        self._lands_until = 0.0
        self._warnings: list[tuple[str, str]] = []
        self._checked: list[str] = []
        self._task: RestorationTask
        self._touched, self._begun = Touched(), False

    def carry_out(self, task: RestorationTask | QueryTask) -> RestorationResult | QueryResult:
        """Do what a task says."""
        return self.bring(task) if isinstance(task, QueryTask) else self.restore(task)

    def bring(self, task: QueryTask) -> QueryResult:
        """Make queries that items of the run show. What fails in passing is left to those items."""
        self._repeats, self._is_uncertain, self._only_server_knows = 0, False, False
        self._lands_until, self._touched = 0.0, Touched()
        before = self._client.counts
        here = refused = None
        self._refs.begin_item()
        try:
            here = self._play(bring_query(task, self._refs))
        except (Refused, ValidationError) as failure:
            refused = str(failure)
        except GaveUp as failure:
            log.warning("%s %s was not made: %s", task.kind, task.source_ids[0], failure)
        return QueryResult(
            seq=task.seq,
            kind=task.kind,
            source_ids=task.source_ids,
            here=here,
            made=here is not None and bool(task.body),
            refused=refused,
            calls=self._calls_since(before),
        )

    def restore(self, task: RestorationTask) -> RestorationResult:
        """Restore one item. Every failure of the item becomes a result; only a stop or a lost login is raised."""
        self._task, self._repeats, self._is_uncertain = task, 0, task.uncertain
        self._only_server_knows = task.uncertain or _may_have_changed(task)
        self._lands_until = self._on_our_clock(task.lands_until)
        touched = self._touched = Touched((task.content_type.label, task.source_id))
        started, before = self._clock(), self._client.counts
        end: Restored | None = None
        error: ItemError | None = None
        operation, done = Operation.FAILED, None
        try:
            end = self._play_settled(task)
            operation, done, error = self._ended(task, end, before)
        except (Refused, GaveUp, ValidationError) as failure:
            error = self._item_error(failure)
        except (RestorationError, StoppedWaiting, PeerGone):
            raise
        except Exception as bug:
            log.exception("%s %s", task.content_type.label, task.source_id)
            error = ItemError(kind="internal", message=repr(bug), trace=traceback.format_exc()[-TRACE_LIMIT:])
        became = done or operation
        edit = touched.edit(task, became, self._refs, begun=self._begun)
        if touched.overwrites(edit):
            self._warnings.append(("newer_overwritten", _told(task, edit)))
        return RestorationResult(
            seq=task.seq,
            content_type=task.content_type,
            source_id=task.source_id,
            name=task.name,
            operation=operation,
            done=done,
            destination_id=self._known_id(end),
            reason=end.reason if end else "",
            duration_ms=round((self._clock() - started) * 1000),
            calls=self._calls_since(before),
            warnings=tuple(self._warnings),
            checked=tuple(dict.fromkeys(self._checked)),
            changes=tuple((c.path, c.from_, c.to) for c in end.changes) if end else (),
            error=error,
            blob=task.blob if error else None,
            vault_fingerprint=end.vault_fingerprint if end else b"",
            live_fingerprint=end.live_fingerprint if end else b"",
            waits=_waits(task, end),
            earlier=task.earlier,
            earlier_error=task.earlier_error,
            edit=edit,
            own_write=touched.own_write(task, done=became in SUCCESSES),
        )

    def _ended(
        self, task: RestorationTask, end: Restored, before: CallCounts
    ) -> tuple[Operation, Operation | None, ItemError | None]:
        """How the item ended, what was done to it if it is partial, and what it lacks.

        `before` are the calls before the item.
        """
        if (error := self._nameless(end, before)) is not None:
            return Operation.FAILED, None, error
        done = _done(task, end)
        if not end.incomplete:
            return done, None, None
        return (
            Operation.PARTIAL,
            done,
            lacking(end.incomplete, self._refs, is_rehearsal=self._client.rehearses),
        )

    def _nameless(self, end: Restored, before: CallCounts) -> ItemError | None:
        """Why an item has not the name that it cannot be without. `before` are the calls before the item.

        A name that a list shows as taken is not tried: then the list is the answer that says so.
        """
        refused = end.held.refused if end.held is not None else None
        if end.held is None or refused is None:
            return None
        if self._client.rehearses and self._task.again and end.held.waits:
            return None  # in a rehearsal the holder keeps a name that it would be rid of by now
        has_called = bool(self._calls_since(before).by_method)
        return _refusal_error(refused, self._client.last_response if has_called else None)

    def _on_our_clock(self, at: datetime | None) -> float:
        return self._clock() + (at - datetime.now(UTC)).total_seconds() if at else 0.0

    def _play_settled(self, task: RestorationTask) -> Restored:
        """Play the item; from the start again if it must wait for what an earlier attempt may have sent."""
        while True:
            self._warnings, self._checked = [], []
            self._refs.begin_item()
            history = self._history(task)
            self._begun = history.begun
            try:
                return self._play(self._generators(task, self._refs, history))
            except _Unsettled:
                self._wait_idly(self._lands_until - self._clock())

    def _known_id(self, end: Restored | None) -> str | None:
        """The id on the destination; what a rehearsal made has none yet."""
        created = end is not None and _done(self._task, end) is Operation.CREATED
        if end is None or (self._client.rehearses and created):
            return None
        return end.destination_id

    def _calls_since(self, before: CallCounts) -> Calls:
        now = self._client.counts
        sent = {method: n - before.by_method.get(method, 0) for method, n in now.by_method.items()}
        return Calls(
            by_method={method: n for method, n in sent.items() if n},
            retries=now.retries - before.retries + self._repeats,
            rate_limited=now.rate_limited - before.rate_limited,
        )

    def _play(self, steps: Generator[object, Json, R]) -> R:
        """Run a generator to its end; a refusal is thrown into it at the call that met it."""
        reply: Json = None
        refused: Refused | None = None
        while True:
            try:
                call = steps.send(reply) if refused is None else steps.throw(refused)
            except StopIteration as stop:
                value: R = stop.value
                return value
            reply = refused = None
            try:
                reply = self._perform(call)
            except Refused as answer:
                if answer.kind is FailureKind.AUTH:
                    # A fresh token was refused as well: nobody can go on, and it is no item's fault.
                    raise ApiError(
                        f"the instance refuses the login: {answer}", status=answer.status
                    ) from answer
                refused = answer

    def _perform(self, call: object) -> Json:
        match call:
            case Get():
                return self._get(call)
            case Create():
                return self._create(call)
            case Update() | Replace() | Delete():
                return self._change(call)
            case Exists() | Having() | AlertsOn():
                return self._look_up(call)
            case _:
                self._take_note(call)
        return None

    def _look_up(self, call: Exists | Having | AlertsOn) -> Json:
        """Answer from what the run knows, as far as it can."""
        match call:
            case Exists():
                return self._absent(call)
            case Having():
                return self._shown(call)
            case AlertsOn():
                return self._alerts.on(call, self._client)

    def _shown(self, call: Having) -> frozenset[str]:
        return frozenset() if self._only_server_knows else self._having(call.kind, call.field, call.value)

    def _take_note(self, note: object) -> None:
        match note:
            case Mapped(kind, source_id, destination_id):
                if self._only_server_knows:
                    self._there(kind, destination_id)
                kept_as = mapped_as(self._refs.policy, kind, source_id)
                kept = msgspec.structs.replace(note, source_id=kept_as)
                self._recorder.note(MappingNote(**msgspec.structs.asdict(kept)))
                self._refs.forget(kind, source_id)
                self._touched.mapped(kind, source_id, destination_id)
            case Replaces(kind, destination_id, body):
                self._recorder.keep(kind, destination_id, orjson.dumps(body))
                self._doubt(kind, destination_id)
            case Undeletes(_, destination_id):
                self._recorder.undelete(self._task, destination_id)
            case SwitchesOff():
                self._recorder.switch_off(note)
            case Tried():
                if not self._task.again:  # a second look finds what this rehearsal made
                    self._tried(note)
            case Live(body):
                self._touched.found(body)
            case Warn(kind, message):
                self._warnings.append((kind, message))
            case _:
                raise TypeError(note)

    def _change(self, call: Update | Replace | Delete) -> Json:
        """Send; a rehearsal refuses, as the server would, to give something a name that is taken."""
        if isinstance(call, Delete):
            return self._send(Request("DELETE", call.path))
        if isinstance(call, Replace):
            return self._send(Request("PUT", call.path, body=call.body))
        if self._client.rehearses and call.is_taken is not None and self._play(call.is_taken()):
            raise Refused(FailureKind.CONFLICT, TAKEN, "the name is taken")
        body = {**call.body, **call.shows} if self._client.rehearses else call.body
        return self._send(Request("PATCH", call.path, body=body))

    def _send(self, write: Request, *, creates: bool = False) -> Json:
        reached("before_send")
        try:
            reply = self._client.call(write, creates=creates)
        except Refused:
            raise
        except Exception:
            self._touched.lost()
            raise
        self._touched.answered(reply)
        reached("after_send")
        return reply.json

    def _get(self, call: Get) -> Json:
        fresh = call.fresh or call.seen or self._only_server_knows
        request = Request("GET", call.path, call.params, fresh=fresh, key=call.key)
        if not call.seen:
            return self._client.call(request).json
        # In a rehearsal nothing is made that a server may not know yet.
        for wait_s in () if self._client.rehearses else NOT_READY_WAITS_S:
            try:
                return self._seen(request)
            except Refused as refused:
                if refused.status != NOT_FOUND:
                    raise
            self._wait(wait_s)
        return self._seen(request)

    def _seen(self, request: Request) -> Json:
        """What is there for sure; a 404 is a refusal."""
        reply = self._client.call(request).json
        if reply is None:
            sort = Unforeseen if self._client.rehearses else Refused
            gone = f"{request.path} is answered with 404, though it is there"
            raise sort(FailureKind.NOT_FOUND, NOT_FOUND, gone)
        return reply

    def _absent(self, call: Exists) -> tuple[str, ...]:
        absent, trashed = self._known.absent(call.kind, call.ids, self._client)
        if not call.quiet:
            self._checked += [f"{call.kind}:{i}" for i in call.ids]
            left = [i for i in trashed if not self._comes_back(call.kind, i)]
            self._warnings += [("in_trash", f"{call.kind} {i} is in the trash") for i in left]
        return tuple(i for i in absent if not self._is_new(call.kind, i))

    def _comes_back(self, kind: str, destination_id: str) -> bool:
        """Whether a rehearsal has brought it back: the real trash still has it."""
        if not self._client.rehearses or (source_id := row_of(kind, destination_id, self._refs)) is None:
            return False
        return self._refs.ended(kind, source_id) and not self._refs.lost(kind, source_id)

    def _is_new(self, kind: str, destination_id: str) -> bool:
        """Whether this run made it: then it is there, although a server may not know it yet for a moment."""
        source_id = self._refs.mapped_from(kind, destination_id)
        return source_id is not None and self._refs.made_now(kind, source_id)

    def _create(self, call: Create) -> Json:
        """POST once; after an unknown outcome look before every repeat, so that nothing is made twice."""
        # A part has no name of its own: one that lands late could not be told from the one made now.
        if not call.unique and self._clock() < self._lands_until:
            raise _Unsettled
        if not call.part:
            self._recorder.create(self._task)
        repeats = 0
        while True:
            try:
                return self._post(call)
            except UnknownOutcome as lost:
                self._only_server_knows = True
                if (found := self._look_again(call, lost)) is not None:
                    return found
                repeats += 1
                if repeats > self._max_repeats:
                    raise GaveUp(lost.failure, repeats) from lost
                self._repeats += 1
            except Refused:
                self._only_server_knows = True
                # The server says it is there already: perhaps by a POST whose answer was lost.
                if (repeats or (self._is_uncertain and call.part)) and (
                    found := self._play(call.find_again())
                ) is not None:
                    return found
                raise

    def _post(self, call: Create) -> Json:
        """Send a POST; an answer without the new object says nothing about what was made."""
        sent_at = self._clock()
        made = self._send(Request("POST", call.path, body=call.body), creates=True)
        # A login has no id of its own, and a model is named by its name.
        if isinstance(made, dict) and any(made.get(field) for field in ("id", "name", "email")):
            return made
        failure = Failure(
            kind=FailureKind.UNKNOWN_OUTCOME, status=None, message="the answer lacks the new object"
        )
        raise UnknownOutcome(sent_at, lands_late=False, failure=failure)

    def _look_again(self, call: Create, lost: UnknownOutcome) -> Json:
        """Look for what the lost POST may have made, until it cannot land any more."""
        wait_s = FIRST_LOOK_AGAIN_S
        deadline = lost.sent_at + self._grace_s if lost.lands_late and not call.unique else lost.sent_at
        while True:
            found = self._play(call.find_again())
            left = deadline - self._clock()
            if found is not None or left <= 0:
                return found
            self._wait(min(wait_s, left))
            wait_s = min(wait_s * 2, LONGEST_LOOK_AGAIN_S)

    def _item_error(self, failure: Refused | GaveUp | ValidationError) -> ItemError:
        last = self._client.last_response
        request, response = _seen(last)
        match failure:
            case Refused():
                return _refusal_error(failure, last)
            case GaveUp(failure=cause):
                return ItemError(
                    kind=cause.kind.value,
                    message=failure.message,
                    http_status=cause.status,
                    request=request,
                    response=response,
                )
            case DependencyError():
                message = message_of(failure, self._refs, is_rehearsal=self._client.rehearses)
                return ItemError(kind=failure.kind, message=message, blockers=failure.missing)
            case DeserializationError(field=field):
                return ItemError(kind=failure.kind, message=str(failure), field=field or None)
            case _:
                return ItemError(kind=failure.kind, message=str(failure))
