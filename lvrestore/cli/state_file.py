"""The state file that a command is about, found without asking the instance for its name, and what must be in it."""

from __future__ import annotations

import os
from pathlib import Path

from lvrestore.cli.options import Whereabouts
from lvrestore.errors import NotFoundError, UsageError
from lvrestore.looker.credentials import base_url_of
from lvrestore.looker.transport import normalise_base_url
from lvrestore.settings import default_state_path
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import SessionRow


def state_reader(where: Whereabouts) -> StateReader:
    """The state file named, or that of the destination, as far as anything says which it is."""
    if where.state_path is not None:
        return reader_of(where.state_path)
    url = base_url_of(where.destination, os.environ)
    if url is None:
        raise UsageError(
            "no Looker instance is given",
            "use --instance NAME, --base-url URL, LOOKER_BASE_URL, --ini PATH or --state PATH",
        )
    return reader_of(default_state_path(normalise_base_url(url, allow_insecure=True)))


def reader_of(path: Path) -> StateReader:
    """The state file at a path; it must be there."""
    if not path.exists():
        hint = "nothing was restored there from this account yet, or it needs --state PATH"
        raise NotFoundError(f"the state file {path.name}", str(path.parent), hint)
    return StateReader(path)


def session_named(reader: StateReader, session_id: str | None) -> SessionRow:
    """The session that was named, or the newest."""
    found = reader.newest_session() if session_id is None else reader.session(session_id)
    if found is None:
        what, hint = (
            (f"session {session_id}", "`lvrestore status --all` lists the sessions")
            if session_id
            else ("a session", "no restore has used this state file yet")
        )
        raise NotFoundError(what, f"the state file {reader.path}", hint)
    return found


def require_known(reader: StateReader, wanted: LetterFilter) -> None:
    """Raise `NotFoundError` for ids that no letter has, and for a session that is not there."""
    absent = reader.dead_letters.absent(wanted.ids or ())
    if absent:
        names = ", ".join(str(one) for one in absent)
        raise NotFoundError(
            f"dead letter {names}", f"the state file {reader.path}", "`lvrestore failures list` shows them"
        )
    if wanted.session_id is not None:
        session_named(reader, wanted.session_id)


def absent_letters(ids: list[int], reader: StateReader) -> NotFoundError:
    """The error for dead letters that are not there."""
    what = "dead letter " + ", ".join(str(one) for one in ids)
    return NotFoundError(what, f"the state file {reader.path}", "`lvrestore failures list` shows them")
