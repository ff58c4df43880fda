"""What no backup has and the instance of the backup itself can still give: definitions of queries."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.proved import Proved
from lvrestore.engine.selected import Selected
from lvrestore.engine.session import Session
from lvrestore.engine.subject import Subject
from lvrestore.model import Json, MappedId
from lvrestore.play.answers import StateReferences
from lvrestore.preflight.live_source import LiveSource, note_lacking
from lvrestore.report.wording import fetched_line
from lvrestore.settings import Policy
from lvrestore.state.sessions import Scope
from lvrestore.tasks.query_waves import rows_of
from lvrestore.vault import Definitions, Lookups


class Lacking(msgspec.Struct, frozen=True):
    """The `count` definitions that the selected rows lack; `definitions` takes what the source gives."""

    source: LiveSource
    definitions: Definitions
    refs: StateReferences
    count: int


def note_what_is_lacking(
    here: Connected,
    session: Session,
    subject: Subject,
    proved: Proved,
    selected: Selected,
    policy: Policy,
) -> Lacking | None:
    """Prove the source, and note which definitions only it has; None where it is not asked."""
    source = proved.live_source
    if source is None or proved.same:
        return None
    source.prove(subject.proof)
    definitions = here.stack.enter_context(closing(Definitions(here.scratch)))
    refs = references(here, here.stack, proved.scope(session.id), subject, policy)
    rows = rows_of(selected.rows, selected.chosen.types, selected.wanted())
    return Lacking(source, definitions, refs, note_lacking(rows, definitions, refs))


def fetch(here: Connected, lacking: Lacking | None) -> None:
    """Get from the source what is lacking."""
    if lacking is not None and lacking.count:
        lacking.source.fetch(lacking.definitions, lacking.refs)
        here.reporter.say(fetched_line(lacking.source.instance, lacking.source.fetched))


def told_of(source: LiveSource | None) -> dict[str, Json] | None:
    """What the source itself was asked for; its calls are not those of the destination."""
    if source is None:
        return None
    return {
        "instance": source.instance,
        "fetched": dict(source.fetched),
        "withheld": source.withheld,
        "calls": source.calls,
    }


def references(
    here: Connected,
    stack: ExitStack,
    scope: Scope,
    subject: Subject,
    policy: Policy,
    planned: Mapping[tuple[str, str], MappedId] = {},
    rehearsed: Mapping[tuple[str, str], bool] = {},
) -> StateReferences:
    """What the parent itself asks about queries and their mappings; the last two are of a rehearsal."""
    lookups = stack.enter_context(closing(Lookups(subject.backup.path, here.scratch)))
    return StateReferences(
        here.reader(), scope, lookups, planned, rehearsed, same_instance=False, policy=policy
    )
