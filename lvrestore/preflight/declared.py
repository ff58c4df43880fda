"""Settle whether the destination is the instance of the backup: by evidence, by declaration, by earlier runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from lvrestore.errors import UsageError, ValidationError
from lvrestore.plan.identity import Verdict, declared_same, judge
from lvrestore.preflight.source import Sample, compared
from lvrestore.vault import Vault


class Claim(msgspec.Struct, frozen=True):
    """What the caller says: the name of the backup's instance, and whether that is the destination.

    `names` are those that the destination has. `samples` are what earlier runs remember of the instances of backups,
    by name; under the destination's own name only a run that declared it keeps one. `declared` are those of the names
    that somebody has said.
    """

    source: str | None
    same: bool
    names: Collection[str]
    samples: Mapping[str, Sample]
    declared: Collection[str] = ()

    @property
    def declares_same(self) -> bool:
        """Whether the caller says that the destination is the instance of the backup."""
        return self.same or self.source in self.names

    def require_consistent(self) -> None:
        """Refuse a claim that contradicts itself."""
        if self.same and self.source is not None and self.source not in self.names:
            reason = (
                f"--same-instance says that the backup is of the destination, and its source is {self.source}"
            )
            raise UsageError(reason, "leave one of them out")


def settle(found: Verdict, vault: Vault, claim: Claim) -> Verdict:
    """The verdict on the destination. `found` is what the evidence alone says."""
    claim.require_consistent()
    if claim.declares_same:
        return _declared(found, vault, claim)
    if claim.source is not None:
        return Verdict(same=False, evidence=found.evidence, declared=True)
    is_remembered = any(is_of(vault, claim.samples.get(name, [])) for name in claim.names)
    return (declared_same(found) if is_remembered else None) or found


def _declared(found: Verdict, vault: Vault, claim: Claim) -> Verdict:
    verdict = declared_same(found)
    if verdict is None:
        raise ValidationError(
            f"the backup {vault.path} cannot be declared to be of this instance: {found.evidence}",
            "leave out --same-instance or --source-instance, or name the instance that the backup is of",
        )
    for name in claim.names if verdict.declared else ():
        evidence = compared(vault, claim.samples.get(name, []))
        if evidence.contradictions > evidence.matches:
            raise ValidationError(
                f"the backup {vault.path} cannot be declared to be of this instance: an earlier run declared that of "
                f"another backup, and of its objects {evidence.contradictions:,} have the same id and another "
                "creation time in this one",
                "name the instance that the backup is of: --source-instance URL",
            )
    return verdict


def is_of(vault: Vault, sample: Sample) -> bool:
    """Whether the backup is of the instance that a sample is of."""
    return judge(compared(vault, sample), len(sample)).same


def other_names(verdict: Verdict, vault: Vault, claim: Claim) -> Iterator[str]:
    """The names under which earlier runs mapped ids of this instance, while they took it for another one.

    What somebody called another instance stays one until somebody declares that it is the destination.
    """
    for name, sample in claim.samples.items() if verdict.same else ():
        is_undone = verdict.declared or name not in claim.declared
        if name not in claim.names and is_undone and is_of(vault, sample):
            yield name
