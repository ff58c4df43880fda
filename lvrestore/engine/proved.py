"""Find out whether the destination is the instance of the backup, and whose ids the backup has if it is not."""

from __future__ import annotations

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.looker.credentials import resolve_source
from lvrestore.model import Json
from lvrestore.plan.identity import Verdict, instance_name
from lvrestore.preflight.declared import Claim, other_names, settle
from lvrestore.preflight.live_source import LiveSource
from lvrestore.preflight.source import source_name
from lvrestore.settings import RestorationConfig
from lvrestore.state.sessions import Scope
from lvrestore.vault import Vault


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict. `source` is what the instance of the backup is called, `live_source` a way to ask it itself.

    `other_names` are those under which earlier runs mapped ids of the backup, while they took it for another
    instance's. `asks`: the caller declares that it is the instance of the backup, which is a question of its own.
    """

    verdict: Verdict
    source: str
    destination: str
    other_names: tuple[str, ...]
    live_source: LiveSource | None
    asks: bool

    @property
    def same(self) -> bool:
        """Whether ids mean the same objects on both sides."""
        return self.verdict.same

    @property
    def identity(self) -> dict[str, Json]:
        """The verdict, for programs."""
        evidence = self.verdict.evidence
        return {
            "same": self.verdict.same,
            "declared": self.verdict.declared,
            "matches": evidence.matches,
            "contradictions": evidence.contradictions,
        }

    def scope(self, session_id: str = "") -> Scope:
        """Whose mappings count, before a session has a generation of its own."""
        return Scope(session_id, 0, self.source, self.destination, self.other_names)


def prove(
    here: Connected, config: RestorationConfig, proof: Vault, backup: Vault, said: str | None
) -> Proved:
    """Judge the evidence that `proof` gives, beside what the caller and earlier runs say."""
    live_source = _live_source(here, config)
    if said is None and live_source is not None:
        said = live_source.instance
    reader = here.reader()
    claim = Claim(
        source=said,
        same=config.same_instance,
        names=(here.instance, instance_name(here.base_url)),
        samples=reader.source_samples(here.instance),
        declared=reader.declared_sources(here.instance),
    )
    verdict = settle(here.discovery.prove_instance(proof), proof, claim)
    return Proved(
        verdict=verdict,
        source=here.instance if verdict.same else said or source_name(backup, here.instance),
        destination=here.instance,
        other_names=tuple(other_names(verdict, proof, claim)),
        live_source=live_source,
        asks=verdict.declared and claim.declares_same,
    )


def mapped(here: Connected, source: str) -> int:
    """How many objects of an instance earlier runs have brought here."""
    return here.reader().mapped(source, here.instance)


def _live_source(here: Connected, config: RestorationConfig) -> LiveSource | None:
    """The instance that was backed up, if the caller says how to reach it."""
    if config.source is None:
        return None
    given = config.destination
    source = resolve_source(
        config.source, given.config, here.request.environ, allow_insecure=given.allow_insecure_http
    )
    return LiveSource(config.source, source, config.ceilings, config.retries, here.stop.cut_waits)
