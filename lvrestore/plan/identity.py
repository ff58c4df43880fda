"""Is the destination the instance that the vault was taken from? Judged by evidence, never by the URL."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from lvrestore.content.references import contradicts, parse_time
from lvrestore.model import Json

ENOUGH = 3


class Evidence(msgspec.Struct, frozen=True):
    """Vault rows compared with live objects of the same id."""

    matches: int = 0
    contradictions: int = 0

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.matches + other.matches, self.contradictions + other.contradictions)


class Verdict(msgspec.Struct, frozen=True):
    """Whether ids mean the same objects on both sides, and why.

    `declared`: it was said that the backup is of another instance, so that no evidence can make it the same one.
    """

    same: bool
    evidence: Evidence
    declared: bool = False

    def __str__(self) -> str:
        e = self.evidence
        seen = f"{e.matches} objects match on id and creation time, {e.contradictions} contradict"
        if self.declared:
            return f"another instance than the backup's, as was said: {seen}"
        return f"{'the same instance' if self.same else 'not proved to be the same instance'}: {seen}"


def instance_name(said: str) -> str:
    """What an instance is called, from any URL of it or its bare host: `https://host[:port]`, lower case."""
    parts = urlsplit(said if "://" in said else f"https://{said}")
    return f"{parts.scheme}://{parts.netloc}".lower()


def judge(evidence: Evidence, comparable_rows: int = ENOUGH) -> Verdict:
    """The same instance needs 3 matches (all rows, if there are fewer) that outnumber the contradictions."""
    needed = max(1, min(ENOUGH, comparable_rows))
    same = evidence.matches >= needed and evidence.matches > evidence.contradictions
    return Verdict(same, evidence)


def settled(evidence: Evidence) -> bool:
    """Whether more samples would not change the verdict's mind."""
    return judge(evidence).same or evidence.contradictions >= ENOUGH


def compare(pairs: Iterable[tuple[Json, Json]]) -> Evidence:
    """Evidence from pairs of creation times, vault's and live one's, of objects with one id."""
    known = [(a, b) for a, b in pairs if parse_time(a) is not None and parse_time(b) is not None]
    against = sum(contradicts(a, b) for a, b in known)
    return Evidence(len(known) - against, against)
