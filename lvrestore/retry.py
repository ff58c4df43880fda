"""Try dead letters again: a run of its own rows, through the same engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from lvrestore.engine import Ending, Restore, finished
from lvrestore.errors import ApiError, NotFoundError, UsageError, ValidationError, VaultError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp
from lvrestore.looker.credentials import Destination, resolve
from lvrestore.model import ContentType, Json
from lvrestore.report.reporter import Intent, Reporter, RetryIntent
from lvrestore.run.known import KnownIds
from lvrestore.run.retry import (
    Gate,
    Lacking,
    Selected,
    Selector,
    chosen_letters,
    rows_of,
    sessions_of,
    source_of,
    vaults_of,
    witnesses,
)
from lvrestore.run.sessions import require_same_destination
from lvrestore.run.waves import Waves
from lvrestore.settings import Policy, Remap, RestorationConfig, Retry, Selection
from lvrestore.state.store import Scope, SessionRow, StateReader, StateStore
from lvrestore.vault import DoneIn, Lookups, Vault, open_vault
from lvrestore.vault.extract import write_extract


def retry(
    config: RestorationConfig,
    vault_path: Path | None,
    reporter: Reporter,
    environ: dict[str, str],
    session_id: str | None = None,
) -> Ending:
    """Try the dead letters of `config.retry` again, or go on with a session that does.

    `vault_path` is the backup to look things up in; None: that of the letters' session, if it is still there.
    """
    destination = resolve(config.destination, environ)
    if (done := finished(config, None, reporter, destination)) is not None:
        return done
    run = _RetryRun(config, vault_path, reporter, destination, environ)
    return run.run() if session_id is None else run.run_again(session_id)


class _RetryRun(Restore):
    """The rows are a small backup made of the letters, so that all else is as in any run."""

    _selected: Selected
    _source: str
    _has_backup: bool
    _session: SessionRow | None

    def __init__(
        self,
        config: RestorationConfig,
        vault_path: Path | None,
        reporter: Reporter,
        destination: Destination,
        environ: Mapping[str, str],
    ) -> None:
        super().__init__(config, None, reporter, destination, environ)
        self._vault_path = vault_path

    def _require_calls_for_lists(self, selection: Selection, done_in: DoneIn | None = None) -> None:
        """What is tried again, only the state file tells, whose place is known after the login."""

    def _require_same(self, session: SessionRow) -> None:
        require_same_destination(session, self._instance)  # of the backup the letters have what is needed

    def _gather(self, stack: ExitStack, session: SessionRow | None) -> None:
        """Choose the letters and what belongs to them, and make a backup of it."""
        reader, asked = StateReader(self._state_path), self._config.retry or Retry()
        letters = chosen_letters(reader, asked, session, self._instance)
        self._session = session
        self._source = source_of(letters) if session is None else session.source_instance or ""
        # What an earlier run took for another instance, and nobody has called one, can be declared to be this one.
        if self._config.same_instance and self._source not in reader.declared_sources(self._instance):
            self._source = self._instance
        if self._config.source_instance not in {None, self._source}:
            said = str(self._config.source_instance)
            raise UsageError(f"the dead letters are of {self._source}, not of {said}")
        sessions = [*([] if session is None else [session]), *sessions_of(reader, letters)]
        backup = self._open_backup(stack, sessions)
        self._proof = backup or stack.enter_context(
            write_extract(self._scratch / "proof.db", witnesses(sessions))
        )
        scope = self._scope(session.id if session else "")
        lacking = self._lacking(stack, reader, scope, backup) if asked.fix_dependencies else None
        self._selected = Selector(reader, scope).select(letters, lacking)
        self._letters = [one.id for one in self._selected.chosen]
        rows = write_extract(self._scratch / "letters.db", rows_of(reader, self._selected, backup))
        self._vault = stack.enter_context(rows)
        self._backup = backup or self._vault
        self._has_backup = backup is not None
        types = tuple(one for one in ContentType if self._vault.has_type(one))
        policy = self._config.policy if session is not None else _policy_of(self._config.policy, sessions)
        chosen = Selection(types=types, deleted="include")  # what failed is tried again, deleted or not
        self._config = msgspec.structs.replace(self._config, selection=chosen, policy=policy)

    def _open_backup(self, stack: ExitStack, sessions: list[SessionRow]) -> Vault | None:
        """The backup that was named, else the newest of the letters' sessions that can be read."""
        if self._vault_path is not None:
            return stack.enter_context(open_vault(self._vault_path))
        known = vaults_of(sessions)
        for path in known:
            try:
                backup = stack.enter_context(open_vault(path))
            except (NotFoundError, VaultError):
                continue
            self._vault_path = path
            return backup
        self._vault_path = known[0] if known else None  # it may be back when this session is resumed
        return None

    def _lacking(self, stack: ExitStack, reader: StateReader, scope: Scope, backup: Vault | None) -> Lacking:
        if backup is None:
            self._reporter.warn(
                "the backup is not there: of what the letters lack, only what failed itself is known"
            )
        mapper = reader.mapper(scope)
        known = KnownIds({"folder": frozenset(str(one["id"]) for one in self._discovery.folders())})

        def exists(kind: str, source_id: str) -> bool:
            mapped = mapper.get(kind, source_id)
            if mapped is not None and mapped.is_half_made:
                return False
            here = mapped.destination_id if mapped else source_id if self._verdict.same else None
            try:
                return here is not None and not known.absent(kind, (here,), self._connection.client)[0]
            except (GaveUp, Refused) as failure:
                raise ApiError(
                    f"cannot look for {kind} {source_id}: {failure}", "try again later"
                ) from failure

        return Lacking(reader, scope, backup, exists, self._account_of(stack, backup))

    def _account_of(self, stack: ExitStack, backup: Vault | None) -> Callable[[str], str | None]:
        """Whose account is made again for a personal folder: nobody's, where what lay in it goes elsewhere."""
        if backup is None or self._config.policy.orphans_to is not None:
            return lambda _folder_id: None
        lookups = stack.enter_context(closing(Lookups(backup.path, self._scratch)))
        return lookups.owner_of

    def _look(self, session: SessionRow | None) -> Intent:
        counts = RetryIntent(
            letters=len(self._selected.chosen),
            waiting=len(self._selected.waiting),
            missing=len(self._selected.missing),
            backup=self._backup.path if self._has_backup else None,
        )
        intent = super()._look(session)
        return msgspec.structs.replace(intent, vault_path=self._state_path, vault_newest=None, retry=counts)

    def _left(self, content_type: ContentType) -> int:
        done_in = DoneIn(self._state_path, self._session.id) if self._session else None
        return self._vault.count(content_type, **self._chosen.rows(done_in))

    def _check_names(self, intent: Intent) -> None:
        """What is called otherwise was checked when the session of the letters began."""

    def _settled_policy(self, intent: Intent) -> Policy:
        if self._config.policy.assignments == "exact" and not self._has_backup:
            reason = "--assignments exact would take roles from those who are only in the backup, which is not there"
            raise ValidationError(reason, "say where it is with --db-path")
        return super()._settled_policy(intent)

    def _require_word(self, intent: Intent) -> None:
        """Of what failed to be made nothing is there: only a whole backup tells what should be visible."""
        if self._has_backup:
            super()._require_word(intent)

    def _made_from(self) -> dict[str, Json]:
        return {
            "vault": str(self._vault_path.resolve()) if self._vault_path is not None else None,
            "vault_fingerprint": self._backup.fingerprint() if self._has_backup else None,
        }

    @property
    def _said_source(self) -> str | None:
        """Whose ids the letters carry was settled when they were written."""
        return self._source or None

    def _waves(self, scope: Scope | None) -> Waves:
        if scope is not None:
            gate = Gate(self._selected.waiting, Selector(StateReader(self._state_path), scope).is_there)
            self._passes, self._held_back = gate.passes, gate.held_back
        return super()._waves(scope)

    def _close(self, store: StateStore, scope: Scope, intent: Intent, status: str, code: int) -> Ending:
        if self._held_back:
            self._reporter.say(f"{len(self._held_back):,} items still wait for what is not there yet")
        return super()._close(store, scope, intent, status, code)


def _policy_of(policy: Policy, sessions: list[SessionRow]) -> Policy:
    """The policy, with the names that the letters' sessions gave to things."""
    kept = [session.config.get("policy", {}).get("remap", {}) for session in sessions]
    remaps = [msgspec.convert(one, Remap) for one in kept]
    if any(one != remaps[0] for one in remaps):
        reason = "these dead letters are of sessions with different --remap files"
        raise UsageError(reason, "choose those of one session by --session")
    return msgspec.structs.replace(policy, remap=remaps[0]) if remaps else policy
