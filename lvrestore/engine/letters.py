"""Try dead letters again: another subject of the same story, a small backup that is made of the letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.ended import Ending, finished
from lvrestore.engine.letter_choice import (
    Gate,
    Lacking,
    Selector,
    chosen_letters,
    rows_of,
    sessions_of,
    source_of,
    vaults_of,
    witnesses,
)
from lvrestore.engine.proved import prove
from lvrestore.engine.session import Session, new_or_named, unfinished
from lvrestore.engine.story import request_of, run
from lvrestore.engine.subject import Subject, types_in
from lvrestore.errors import ApiError, NotFoundError, UsageError, VaultError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp
from lvrestore.model import Json
from lvrestore.play.known import KnownIds
from lvrestore.report.reporter import Reporter, RetryIntent
from lvrestore.settings import Policy, Remap, RestorationConfig, Retry, Selection
from lvrestore.state.dead_letters import LetterKey
from lvrestore.state.resume import require_same_destination
from lvrestore.state.sessions import Scope, SessionRow
from lvrestore.vault import Lookups, Vault, open_vault
from lvrestore.vault.extract import write_extract


def retry(
    config: RestorationConfig,
    vault_path: Path | None,
    reporter: Reporter,
    environ: Mapping[str, str],
    session_id: str | None = None,
) -> Ending:
    """Try the dead letters of `config.retry` again, or go on with a session that does.

    `vault_path` is the backup to look things up in; None: that of the letters' session, if it is still there.
    """
    request = request_of(config, reporter, environ)
    session_of = new_or_named if session_id is None else partial(unfinished, session_id)
    return finished(request, None) or run(request, OfLetters(vault_path), session_of)


class OfLetters(msgspec.Struct, frozen=True):
    """The subjects of retries. `vault_path` is the backup that was named."""

    vault_path: Path | None

    def require_same(self, here: Connected, row: SessionRow) -> None:
        """Refuse a session of another instance; of the backup the letters have what is needed."""
        require_same_destination(row, here.instance)

    def subject(self, here: Connected, session: Session) -> Subject:
        """The letters that are chosen and what belongs to them, as a small backup."""
        reader, asked = here.reader(), session.config.retry or Retry()
        letters = chosen_letters(reader, asked, session.row, here.instance)
        source = _source(here, session, letters)
        sessions = [*([] if session.row is None else [session.row]), *sessions_of(reader, letters)]
        backup = _Backup.of(here, self.vault_path, sessions)
        proof = backup.vault or here.stack.enter_context(
            write_extract(here.scratch / "proof.db", witnesses(sessions))
        )
        proved = prove(here, session.config, proof, backup.vault or proof, source or None)
        scope = proved.scope(session.id)
        lacking = None
        if asked.fix_dependencies:
            account_of = _account_of(here, session.config, backup.vault)
            lacking = _lacking(here, scope, backup.vault, account_of, same=proved.same)
        selected = Selector(reader, scope).select(letters, lacking)
        rows = here.stack.enter_context(
            write_extract(here.scratch / "letters.db", rows_of(reader, selected, backup.vault))
        )
        policy = session.config.policy
        # What failed is tried again, deleted or not.
        selection = Selection(types=types_in(rows), deleted="include")
        return Subject(
            config=msgspec.structs.replace(
                session.config,
                selection=selection,
                policy=policy if session.row is not None else _policy_of(policy, sessions),
            ),
            rows=rows,
            backup=backup.vault or rows,
            proof=proof,
            said_source=source or None,
            proved=proved,
            made_from=backup.remembered(),
            letters=[one.id for one in selected.chosen],
            retry=RetryIntent(
                letters=len(selected.chosen),
                waiting=len(selected.waiting),
                missing=len(selected.missing),
                backup=None if backup.vault is None else backup.vault.path,
            ),
            gate=lambda scope: Gate(selected.waiting, Selector(here.reader(), scope).is_there),
            is_whole=False,
            has_backup=backup.vault is not None,
        )


class _Backup(msgspec.Struct, frozen=True):
    """The backup that letters are of; `path` is where it may be again when the session is resumed."""

    vault: Vault | None
    path: Path | None

    @classmethod
    def of(cls, here: Connected, named: Path | None, sessions: list[SessionRow]) -> _Backup:
        """The backup that was named, else the newest of the letters' sessions that can be read."""
        if named is not None:
            return cls(here.stack.enter_context(open_vault(named)), named)
        known = vaults_of(sessions)
        for path in known:
            try:
                return cls(here.stack.enter_context(open_vault(path)), path)
            except (NotFoundError, VaultError):
                continue
        return cls(None, known[0] if known else None)

    def remembered(self) -> dict[str, Json]:
        """What a session remembers of it."""
        return {
            "vault": str(self.path.resolve()) if self.path is not None else None,
            "vault_fingerprint": self.vault.fingerprint() if self.vault is not None else None,
        }


def _source(here: Connected, session: Session, letters: tuple[LetterKey, ...]) -> str:
    """Whose ids the letters carry, which was settled when they were written."""
    config, row = session.config, session.row
    source = source_of(letters) if row is None else row.source_instance or ""
    # What an earlier run took for another instance, and nobody has called one, can be declared to be this one.
    if config.same_instance and source not in here.reader().declared_sources(here.instance):
        source = here.instance
    if config.source_instance not in {None, source}:
        raise UsageError(f"the dead letters are of {source}, not of {config.source_instance}")
    return source


def _account_of(
    here: Connected, config: RestorationConfig, backup: Vault | None
) -> Callable[[str], str | None]:
    """Whose account is made again for a personal folder: nobody's, where what lay in it goes elsewhere."""
    if backup is None or config.policy.orphans_to is not None:
        return lambda _folder_id: None
    return here.stack.enter_context(closing(Lookups(backup.path, here.scratch))).owner_of


def _lacking(
    here: Connected,
    scope: Scope,
    backup: Vault | None,
    account_of: Callable[[str], str | None],
    *,
    same: bool,
) -> Lacking:
    if backup is None:
        here.reporter.warn(
            "the backup is not there: of what the letters lack, only what failed itself is known"
        )
    mapper = here.reader().mapper(scope)
    known = KnownIds({"folder": frozenset(str(one["id"]) for one in here.discovery.folders())})

    def exists(kind: str, source_id: str) -> bool:
        mapped = mapper.get(kind, source_id)
        if mapped is not None and mapped.is_half_made:
            return False
        to = mapped.destination_id if mapped else source_id if same else None
        try:
            return to is not None and not known.absent(kind, (to,), here.connection.client)[0]
        except (GaveUp, Refused) as failure:
            raise ApiError(f"cannot look for {kind} {source_id}: {failure}", "try again later") from failure

    return Lacking(here.reader(), scope, backup, exists, account_of)


def _policy_of(policy: Policy, sessions: list[SessionRow]) -> Policy:
    """The policy, with the names that the letters' sessions gave to things."""
    kept = [session.config.get("policy", {}).get("remap", {}) for session in sessions]
    remaps = [msgspec.convert(one, Remap) for one in kept]
    if any(one != remaps[0] for one in remaps):
        reason = "these dead letters are of sessions with different --remap files"
        raise UsageError(reason, "choose those of one session by --session")
    return msgspec.structs.replace(policy, remap=remaps[0]) if remaps else policy
