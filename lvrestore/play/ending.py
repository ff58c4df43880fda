"""Turn the end of an attempt at an item into its result."""

from __future__ import annotations

import msgspec

from lvrestore.content.calls import Restored
from lvrestore.content.knowledge import References
from lvrestore.errors import DependencyError, DeserializationError, ValidationError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, ResponseRecord
from lvrestore.model import SUCCESSES, Edit, ItemError, Operation, RestorationResult, RestorationTask, Waits
from lvrestore.play.attempt import Attempt
from lvrestore.play.missing import lacking, message_of


class Ending(msgspec.Struct, frozen=True):
    """How an item ended, what was done to the item if it is partial, and what is wrong with it."""

    operation: Operation
    done: Operation | None = None
    error: ItemError | None = None


def ending_of(attempt: Attempt, end: Restored, refs: References) -> Ending:
    """How an item ended whose steps came to their end."""
    if (error := _nameless(attempt, end)) is not None:
        return Ending(Operation.FAILED, error=error)
    done = _done(attempt.item, end)
    if not end.incomplete:
        return Ending(done)
    error = lacking(end.incomplete, refs, is_rehearsal=attempt.client.rehearses)
    return Ending(Operation.PARTIAL, done, error)


def failure_of(attempt: Attempt, failure: Refused | GaveUp | ValidationError, refs: References) -> Ending:
    """How an item ended whose steps were broken off."""
    return Ending(Operation.FAILED, error=_error_of(attempt, failure, refs))


def result_of(attempt: Attempt, end: Restored | None, ending: Ending, refs: References) -> RestorationResult:
    """Gather all that is known of the attempt; `end` is None if the steps did not come to their end."""
    task, touched, operation, error = attempt.item, attempt.touched, ending.operation, ending.error
    became = ending.done or operation
    edit = touched.edit(task, became, refs, begun=attempt.begun)
    overwritten = [("newer_overwritten", _told(task, edit))] if touched.overwrites(edit) else []
    return RestorationResult(
        seq=task.seq,
        content_type=task.content_type,
        source_id=task.source_id,
        name=task.name,
        operation=operation,
        done=ending.done,
        destination_id=_known_id(attempt, end),
        reason=end.reason if end else "",
        duration_ms=attempt.duration_ms,
        calls=attempt.calls,
        warnings=(*attempt.warnings, *overwritten),
        checked=tuple(dict.fromkeys(attempt.checked)),
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


def _done(task: RestorationTask, end: Restored) -> Operation:
    """What was done to the item; a second look leaves it created or undeleted, as it became in this run."""
    earlier = task.earlier_done or task.earlier
    if earlier is Operation.FAILED:
        return Operation.UPDATED if end.operation is Operation.UNCHANGED else end.operation
    changed = earlier is Operation.UNCHANGED and end.operation is not Operation.UNCHANGED
    return end.operation if earlier is None or changed else earlier


def _nameless(attempt: Attempt, end: Restored) -> ItemError | None:
    """Why an item has not the name that it cannot be without.

    A name that a list shows as taken is not tried: then the list is the answer that says so.
    """
    refused = end.held.refused if end.held is not None else None
    if end.held is None or refused is None:
        return None
    if attempt.client.rehearses and attempt.item.again and end.held.waits:
        return None  # in a rehearsal the holder keeps a name that it would be rid of by now
    return _refusal_error(refused, attempt.client.last_response if attempt.calls.by_method else None)


def _error_of(attempt: Attempt, failure: Refused | GaveUp | ValidationError, refs: References) -> ItemError:
    last = attempt.client.last_response
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
            message = message_of(failure, refs, is_rehearsal=attempt.client.rehearses)
            return ItemError(kind=failure.kind, message=message, blockers=failure.missing)
        case DeserializationError(field=field):
            return ItemError(kind=failure.kind, message=str(failure), field=field or None)
        case _:
            return ItemError(kind=failure.kind, message=str(failure))


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


def _told(task: RestorationTask, edit: Edit | None) -> str:
    """The report line of an edit that was overwritten."""
    at, by = (edit.at, edit.by) if edit is not None else ("", None)
    who = f" by {by}" if by else ""
    return f"{task.content_type.label} {task.source_id} was edited after the backup, at {at}{who}"


def _known_id(attempt: Attempt, end: Restored | None) -> str | None:
    """The id on the destination; what a rehearsal made has none yet."""
    created = end is not None and _done(attempt.item, end) is Operation.CREATED
    if end is None or (attempt.client.rehearses and created):
        return None
    return end.destination_id


def _waits(task: RestorationTask, end: Restored | None) -> Waits:
    """Why an item is to be looked at again; for others that come later it waits only once."""
    if end is None:
        return Waits.NO
    if end.held is not None and end.held.waits:
        return end.held.waits
    return Waits.FOR_OTHERS if end.waits and task.again is not Waits.FOR_OTHERS else Waits.NO
