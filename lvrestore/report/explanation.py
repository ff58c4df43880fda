"""How an item is found, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from lvrestore.content.calls import Candidate, Tried
from lvrestore.model import Json, Operation, RestorationResult
from lvrestore.plan.identity import Verdict
from lvrestore.report.wording import named
from lvrestore.state.mappings import IDMapping
from lvrestore.text import printable, quoted


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """How an item is found. `verdict` is on the instance, and `identity` the same for programs."""

    result: RestorationResult
    source_instance: str
    destination_instance: str
    verdict: Verdict
    identity: Json
    mapping: IDMapping | None
    tried: tuple[Tried, ...]

    @property
    def outcome(self) -> str:
        """What a run would make of it: the object that it takes, or why it takes none."""
        result = self.result
        if result.operation is Operation.PARTIAL:
            return (
                "would be created, but for a part"
                if result.destination_id is None
                else "matched, but for a part"
            )
        match result.operation:
            case Operation.UPDATED | Operation.UNCHANGED | Operation.UNDELETED if result.destination_id:
                return "matched"
            case Operation.CREATED:
                return "would be created"
            case Operation.FAILED if result.destination_id:
                return "matched, but its restore would fail"
            case Operation.UNCHANGED:
                return "unchanged, but which object it is nobody can tell"
            case _:
                return result.operation.value

    @property
    def reason(self) -> str:
        """Why it is skipped, in conflict, would fail, or would be partial."""
        return self.result.error.message if self.result.error else self.result.reason


def explanation_lines(one: Explanation, *, verbose: bool = False) -> Iterator[str]:
    """The lines of an explanation: item, instance, mapping, rules in the order they were tried, result.

    With `verbose` names are whole.
    """
    result = one.result
    said = repr if verbose else quoted
    yield f"{named(result.content_type)} {result.source_id} {said(result.name)} of {one.source_instance}"
    yield f"on {one.destination_instance}: {one.verdict}"
    yield f"mapping: {_mapping(one.mapping)}"
    for number, note in enumerate(one.tried, 1):
        yield from _tried(number, note, said)
    if not one.tried:
        yield "no rule was tried"
    here = f" {result.destination_id}" if result.destination_id else ""
    reason = f": {printable(one.reason)}" if one.reason else ""
    yield f"result: {one.outcome}{here} ({result.operation}){reason}"


def _mapping(mapping: IDMapping | None) -> str:
    if mapping is None:
        return "none"
    by = f"found by {mapping.rule}" if mapping.rule else "found by an unknown rule"
    since = f" at {mapping.mapped_at[:19]}" if mapping.mapped_at else ""
    session = f", session {mapping.session_id}" if mapping.session_id else ""
    return f"to {mapping.destination_id} ({mapping.state}), {by}{since}{session}"


def _tried(number: int, note: Tried, said: Callable[[object], str]) -> Iterator[str]:
    asked = f" {printable(note.asked)}:" if note.asked else ""
    yield f"{number}. {note.rule}:{asked} {printable(note.outcome)}"
    yield from (_candidate(one, said) for one in note.candidates)


def _candidate(one: Candidate, said: Callable[[object], str]) -> str:
    where = f" ({one.where})" if one.where else ""
    objection = f": not this one, {one.objection}" if one.objection else ""
    return printable(f"     - {one.id} {said(one.name)}{where}{objection}")
