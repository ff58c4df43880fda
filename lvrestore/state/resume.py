"""Which session a command begins or continues, and whether it is meant for that one."""

from __future__ import annotations

from collections.abc import Iterator

from lvrestore.errors import NothingToResumeError, SessionMismatchError
from lvrestore.model import ContentType, Json
from lvrestore.settings import RestorationConfig
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import SessionRow
from lvrestore.vault import Vault

SHOWN = 200
# What is compared as one: an entry more or less is a change as well.
WHOLE = frozenset({"remap"})


def unfinished_session(reader: StateReader, session_id: str | None) -> SessionRow:
    """The newest session that is not finished, or the one named."""
    if session_id is None:
        found = next((one for one in reader.sessions() if not one.is_finished), None)
    else:
        found = reader.session(session_id)
    if found is None or found.is_finished:
        raise NothingToResumeError(session_id, str(reader.path), found is not None)
    return found


def require_same_vault(session: SessionRow, vault: Vault) -> None:
    """Refuse to go on with another backup: what is done would be of one, the rest of another."""
    stored, given = session.metadata.get("vault_fingerprint", ""), vault.fingerprint()
    if stored != given:
        was, now = session.metadata.get("vault"), vault.path.resolve()
        raise SessionMismatchError("vault", f"{was} ({stored[:12]})", f"{now} ({given[:12]})")


def require_same_destination(session: SessionRow, *names: str) -> None:
    """Refuse to go on with another instance; `names` are what it calls itself, or where it is reached."""
    known = {session.destination_instance, session.metadata.get("base_url")}
    if known.isdisjoint(names):
        raise SessionMismatchError("destination", session.destination_instance, names[0])


def require_same_source_name(session: SessionRow, said: str | None) -> None:
    """Refuse to go on with the backup of one instance as if it were of another."""
    if said not in {None, session.source_instance}:
        raise SessionMismatchError("source instance", str(session.source_instance), str(said))


def require_same_declaration(session: SessionRow, config: RestorationConfig) -> None:
    """Refuse to go on with a backup of another instance as if it were of the destination."""
    if config.same_instance and not session.is_same_instance:
        raise SessionMismatchError("same instance", "no", "--same-instance")


def require_same_request(session: SessionRow, config: RestorationConfig) -> None:
    """Refuse to go on when something else is selected, or something else may be done, than at the start."""
    asked = dict(_flat(config.remembered()))
    for name, stored in _flat(session.config):
        # By which name of the config file the source is asked concerns nothing that was restored; a declaration
        # holds for as long as its session.
        is_left_out = name == "source" or (name == "same_instance" and not asked.get(name))
        if name in asked and not is_left_out and asked[name] != stored:
            raise SessionMismatchError(name, _shown(name, stored), _shown(name, asked[name]))


def request_of(session: SessionRow) -> Iterator[tuple[str, str]]:
    """What a session was asked to do, by name, for people; what was not said is left out."""
    for name, value in _flat(session.config):
        if value not in (None, False, [], {}):
            yield name, _shown(name, value)


def _flat(kept: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    for name, value in kept.items():
        if isinstance(value, dict) and name not in WHOLE:
            yield from _flat(value)
        else:
            yield name, list(value) if isinstance(value, tuple) else value


def _shown(name: str, value: Json) -> str:
    if name == "types":
        value = [ContentType(one).label for one in value]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
