"""Which session a run begins or continues, and what its earlier runs have done."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.model import Calls, QueryCounts
from lvrestore.report.session import journal_tally, queries_of
from lvrestore.report.tally import Tally
from lvrestore.settings import RestorationConfig
from lvrestore.state.resume import (
    require_same_declaration,
    require_same_request,
    require_same_source_name,
    unfinished_session,
)
from lvrestore.state.sessions import SessionRow
from lvrestore.vault import DoneIn

Requires = Callable[[Connected, SessionRow], None]


class Earlier(msgspec.Struct, frozen=True):
    """What the earlier runs of a session come to. `calls` are those that belong to no item."""

    tally: Tally
    queries: QueryCounts
    calls: Calls
    seconds: float


class Session(msgspec.Struct, frozen=True):
    """The session of a run; `row` is None until a new one is begun. `config` is what its first run was asked for."""

    config: RestorationConfig
    row: SessionRow | None
    earlier: Earlier

    @property
    def id(self) -> str:
        """The id of a session that goes on, else nothing."""
        return "" if self.row is None else self.row.id

    @property
    def is_finished(self) -> bool:
        """Whether everything was tried already."""
        return self.row is not None and self.row.is_finished

    def done_in(self, here: Connected) -> DoneIn | None:
        """Where the items are told that the session has done."""
        return None if self.row is None else DoneIn(here.state_path, self.row.id)


def new_or_named(here: Connected, require_same: Requires) -> Session:
    """The session that has the caller's id, else a new one."""
    config = here.request.config
    # Only with the lock: whoever held the destination may have worked on this very session.
    row = here.reader().session(config.run_id) if config.run_id is not None else None
    if row is None:
        return Session(config, None, Earlier(Tally(), QueryCounts(), Calls(), 0.0))
    require_same_request(row, config)
    require_same(here, row)
    return Session(config, row, _earlier(here, row)) if row.is_finished else _continued(here, row)


def unfinished(session_id: str | None, here: Connected, require_same: Requires) -> Session:
    """The newest session that is not finished, or the one named."""
    row = unfinished_session(here.reader(), session_id)
    require_same(here, row)
    return _continued(here, row)


def _continued(here: Connected, row: SessionRow) -> Session:
    config = here.request.config
    require_same_source_name(row, config.source_instance)
    require_same_declaration(row, config)
    # What the instance was then it is now, whatever is on it by now.
    is_same = row.is_same_instance
    config = msgspec.structs.replace(
        config.recalled(row.config),
        source_instance=None if is_same else row.source_instance,
        same_instance=is_same,
    )
    return Session(config, row, _earlier(here, row))


def _earlier(here: Connected, row: SessionRow) -> Earlier:
    reader = here.reader()
    return Earlier(
        tally=journal_tally(reader, row),
        queries=queries_of(row),
        calls=Calls(**row.metadata.get("own_calls", {})),
        seconds=row.ran_s(reader.last_activity(row.id)),
    )
