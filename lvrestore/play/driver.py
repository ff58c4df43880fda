"""Play a content generator against Looker: send its calls, settle unknown outcomes, turn the end into a result."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from typing import TypeVar

import msgspec
import orjson

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
    SwitchesOff,
    Tried,
    Undeletes,
    Unforeseen,
    Update,
    Warn,
)
from lvrestore.content.identity.names import row_of
from lvrestore.content.knowledge import mapped_as
from lvrestore.content.moved.queries import bring_query
from lvrestore.crashpoints import reached
from lvrestore.errors import (
    ApiError,
    PeerGone,
    RestorationError,
    ValidationError,
)
from lvrestore.looker.classify import Failure, FailureKind, Refused
from lvrestore.looker.client import GaveUp, Sender, UnknownOutcome
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Request
from lvrestore.model import (
    ItemError,
    Json,
    MappingNote,
    Operation,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
)
from lvrestore.play.attempt import Attempt
from lvrestore.play.ending import Ending, ending_of, failure_of, result_of
from lvrestore.play.listener import Listener
from lvrestore.play.needs import Facts, Generators, Patience, Recorder

log = logging.getLogger(__name__)
R = TypeVar("R")
TRACE_LIMIT = 4_000
NOT_FOUND, TAKEN = 404, 409
NOT_READY_WAITS_S = (0.5, 1.0, 2.0)
FIRST_LOOK_AGAIN_S = 0.5
LONGEST_LOOK_AGAIN_S = 15.0


class _Unsettled(Exception):  # noqa: N818 - a signal from a create to the start of the item
    """Something is to be created that a request of an earlier attempt may still create."""


class Driver:
    """Restores one item at a time with one client; a worker thread has one of these."""

    def __init__(
        self,
        client: Sender,
        recorder: Recorder,
        generators: Generators,
        facts: Facts,
        listener: Listener,
        patience: Patience,
    ) -> None:
        self._client, self._recorder, self._generators = client, recorder, generators
        self._refs, self._facts, self._listener = facts.refs, facts, listener
        self._patience, self._clock = patience, patience.clock
        self._attempt: Attempt

    def carry_out(self, task: RestorationTask | QueryTask) -> RestorationResult | QueryResult:
        """Do what a task says."""
        return self.bring(task) if isinstance(task, QueryTask) else self.restore(task)

    def bring(self, task: QueryTask) -> QueryResult:
        """Make queries that items of the run show. What fails in passing is left to those items."""
        attempt = self._attempt = Attempt(task, self._client, self._clock)
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
            calls=attempt.calls,
        )

    def restore(self, task: RestorationTask) -> RestorationResult:
        """Restore one item. Every failure of the item becomes a result; only a stop or a lost login is raised."""
        attempt = self._attempt = Attempt(task, self._client, self._clock)
        end: Restored | None = None
        try:
            end = self._play_settled(attempt)
            ending = ending_of(attempt, end, self._refs)
        except (Refused, GaveUp, ValidationError) as failure:
            ending = failure_of(attempt, failure, self._refs)
        except (RestorationError, StoppedWaiting, PeerGone):
            raise
        except Exception as bug:
            log.exception("%s %s", task.content_type.label, task.source_id)
            trace = traceback.format_exc()[-TRACE_LIMIT:]
            error = ItemError(kind="internal", message=repr(bug), trace=trace)
            ending = Ending(Operation.FAILED, error=error)
        return result_of(attempt, end, ending, self._refs)

    def _play_settled(self, attempt: Attempt) -> Restored:
        """Play the item; from the start again if it must wait for what an earlier attempt may have sent."""
        while True:
            attempt.start_over()
            self._refs.begin_item()
            history = self._facts.history(attempt.item)
            attempt.begun = history.begun
            try:
                return self._play(self._generators(attempt.item, self._refs, history))
            except _Unsettled:
                self._patience.wait_idly(attempt.landing_s)

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
                return self._facts.alerts.on(call, self._client)

    def _shown(self, call: Having) -> frozenset[str]:
        if self._attempt.only_server_knows:
            return frozenset()
        return self._listener.having(call.kind, call.field, call.value)

    def _take_note(self, note: object) -> None:
        match note:
            case Mapped(kind, source_id, destination_id):
                if self._attempt.only_server_knows:
                    self._listener.is_there(kind, destination_id)
                kept_as = mapped_as(self._refs.policy, kind, source_id)
                kept = msgspec.structs.replace(note, source_id=kept_as)
                self._recorder.note(MappingNote(**msgspec.structs.asdict(kept)))
                self._refs.forget(kind, source_id)
                self._attempt.touched.mapped(kind, source_id, destination_id)
            case Replaces(kind, destination_id, body):
                self._recorder.keep(kind, destination_id, orjson.dumps(body))
                self._listener.will_change(kind, destination_id)
            case Undeletes(_, destination_id):
                self._recorder.undelete(self._attempt.item, destination_id)
            case SwitchesOff():
                self._recorder.switch_off(note)
            case Tried():
                if not self._attempt.item.again:  # a second look finds what this rehearsal made
                    self._listener.tried(note)
            case Live(body):
                self._attempt.touched.found(body)
            case Warn(kind, message):
                self._attempt.warnings.append((kind, message))
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
            self._attempt.touched.lost()
            raise
        self._attempt.touched.answered(reply)
        reached("after_send")
        return reply.json

    def _get(self, call: Get) -> Json:
        fresh = call.fresh or call.seen or self._attempt.only_server_knows
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
            self._patience.wait(wait_s)
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
        absent, trashed = self._facts.known.absent(call.kind, call.ids, self._client)
        if not call.quiet:
            self._attempt.checked += [f"{call.kind}:{i}" for i in call.ids]
            left = [i for i in trashed if not self._comes_back(call.kind, i)]
            self._attempt.warnings += [("in_trash", f"{call.kind} {i} is in the trash") for i in left]
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
        if not call.unique and self._attempt.landing_s > 0:
            raise _Unsettled
        if not call.part:
            self._recorder.create(self._attempt.item)
        repeats = 0
        while True:
            try:
                return self._post(call)
            except UnknownOutcome as lost:
                self._attempt.only_server_knows = True
                if (found := self._look_again(call, lost)) is not None:
                    return found
                repeats += 1
                if repeats > self._patience.max_repeats:
                    raise GaveUp(lost.failure, repeats) from lost
                self._attempt.repeats += 1
            except Refused:
                self._attempt.only_server_knows = True
                # The server says it is there already: perhaps by a POST whose answer was lost.
                if (repeats or (self._attempt.is_uncertain and call.part)) and (
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
        deadline = (
            lost.sent_at + self._patience.grace_s if lost.lands_late and not call.unique else lost.sent_at
        )
        while True:
            found = self._play(call.find_again())
            left = deadline - self._clock()
            if found is not None or left <= 0:
                return found
            self._patience.wait(min(wait_s, left))
            wait_s = min(wait_s * 2, LONGEST_LOOK_AGAIN_S)
