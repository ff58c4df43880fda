"""What a run is about: which rows it restores, of which backup, and what proves the instance.

A restore of a backup and a retry of dead letters are different subjects of one story.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.letter_choice import Gate
from lvrestore.engine.proved import Proved, mapped, prove
from lvrestore.engine.session import Session
from lvrestore.model import ContentType, Json
from lvrestore.preflight.source import require_own_name, require_same_source
from lvrestore.report.reporter import RetryIntent
from lvrestore.settings import RestorationConfig
from lvrestore.state.resume import require_same_destination, require_same_vault
from lvrestore.state.sessions import Scope, SessionRow
from lvrestore.vault import Vault


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` are restored, `backup` is all that they may refer to, `proof` proves the instance: one vault, or three.

    `config` holds selection and policy. `said_source` is what the backup's instance is called, if somebody said so.
    `proved`: what making the subject has proved already.
    `letters` are the dead letters that the session takes over, `retry` what the question says of them. `gate` makes
    what holds items back, for a scope. `made_from` is what a session remembers of its backup. `is_whole`: the rows are
    those of the backup, so that what is not among them has left it. `has_backup`: the backup is more than the rows.
    """

    config: RestorationConfig
    rows: Vault
    backup: Vault
    proof: Vault
    said_source: str | None
    proved: Proved | None = None
    made_from: dict[str, Json]
    letters: Collection[int] = ()
    retry: RetryIntent | None = None
    gate: Callable[[Scope], Gate] | None = None
    is_whole: bool = True
    has_backup: bool = True


class Kind(Protocol):
    """Makes subjects of one kind, and knows which session is meant for them."""

    def require_same(self, here: Connected, row: SessionRow) -> None:
        """Refuse a session of another backup or instance."""
        ...

    def subject(self, here: Connected, session: Session) -> Subject:
        """What this run is about."""
        ...


class OfBackup(msgspec.Struct, frozen=True):
    """The subjects of ordinary restores: the rows of a backup."""

    vault: Vault

    def require_same(self, here: Connected, row: SessionRow) -> None:
        """Refuse a session of another backup or instance."""
        require_same_vault(row, self.vault)
        require_same_destination(row, here.instance)

    def subject(self, here: Connected, session: Session) -> Subject:  # noqa: ARG002 - nothing else decides
        """The selected rows of the backup."""
        return Subject(
            config=session.config,
            rows=self.vault,
            backup=self.vault,
            proof=self.vault,
            said_source=session.config.source_instance,
            made_from={
                "vault": str(self.vault.path.resolve()),
                "vault_fingerprint": self.vault.fingerprint(),
            },
        )


def prove_subject(here: Connected, session: Session, subject: Subject) -> Proved:
    """Prove the instance for a subject. Refuse its backup if ids are mapped that are not of its instance."""
    proved = subject.proved or prove(here, session.config, subject.proof, subject.backup, subject.said_source)
    if not proved.same:
        _require_same_source(here, session, subject, proved)
    return proved


def _require_same_source(here: Connected, session: Session, subject: Subject, proved: Proved) -> None:
    """Mappings are of an instance; a name alone does not prove that the backup is of that one."""
    samples = here.reader().source_samples(here.instance)
    require_same_source(subject.proof, samples.pop(proved.source, []), proved.source)
    if session.row is None and not mapped(here, proved.source):
        others = {name: sample for name, sample in samples.items() if mapped(here, name)}
        require_own_name(subject.proof, others, proved.source)


def types_in(vault: Vault) -> tuple[ContentType, ...]:
    """The types that a vault has rows of."""
    return tuple(one for one in ContentType if vault.has_type(one))
