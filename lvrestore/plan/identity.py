"""Is the destination the instance that the vault was taken from? Judged by evidence, never by the URL."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from lvrestore.model import Json
from lvrestore.times import contradicts, parse_time

ENOUGH = 3
# What the instance of a backup is called where nobody says.
UNKNOWN = "unknown"
# Evidence is thin where less than this share of the objects is there.
THIN = 0.1


class Evidence(msgspec.Struct, frozen=True):
    """Vault rows compared with live objects of the same id.

    `looked_for` counts the rows of the lists that were read to their end.
    """

    matches: int = 0
    contradictions: int = 0
    looked_for: int = 0

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.matches + other.matches,
            self.contradictions + other.contradictions,
            self.looked_for + other.looked_for,
        )

    @property
    def is_thin(self) -> bool:
        """Whether most of what the backup has is not there."""
        return self.matches < self.looked_for * THIN

    def __str__(self) -> str:
        of_all = f" of {self.looked_for:,}" if self.looked_for >= self.matches else ""
        there = "object is" if self.matches == 1 and not of_all else "objects are"
        text = f"{self.matches:,}{of_all} {there} there with the same id and creation time"
        if not self.contradictions:
            return text
        return f"{text}, {self.contradictions:,} with the same id and another creation time"


class Verdict(msgspec.Struct, frozen=True):
    """Whether ids mean the same objects on both sides, and why.

    `declared`: somebody said so, and no evidence decides it: that it is the same instance, where that cannot be
    proved, or that it is another one.
    """

    same: bool
    evidence: Evidence
    declared: bool = False

    def __str__(self) -> str:
        if self.same:
            what = "the instance this backup was taken from"
            how = "declared, not proved" if self.declared else "checked"
        elif self.declared:
            what, how = "another instance than the backup's", "you said so with --source-instance"
        else:
            what, how = "not proved to be the instance this backup was taken from", "checked"
        return f"{what} ({how}: {self.evidence})"


def instance_name(said: str) -> str:
    """What an instance is called, from any URL of it or its bare host: `https://host[:port]`, lower case."""
    parts = urlsplit(said if "://" in said else f"https://{said}")
    return f"{parts.scheme}://{parts.netloc}".lower()


def judge(evidence: Evidence, comparable_rows: int = ENOUGH) -> Verdict:
    """The same instance needs 3 matches (all rows, if there are fewer) that outnumber the contradictions."""
    needed = max(1, min(ENOUGH, comparable_rows))
    same = evidence.matches >= needed and evidence.matches > evidence.contradictions
    return Verdict(same, evidence)


def declared_same(found: Verdict) -> Verdict | None:
    """The verdict after somebody declared that it is the same instance; None where the evidence contradicts that."""
    if found.same:
        return found
    return (
        None if found.evidence.contradictions else Verdict(same=True, evidence=found.evidence, declared=True)
    )


def settled(evidence: Evidence) -> bool:
    """Whether more samples would not change the verdict's mind."""
    return judge(evidence).same or evidence.contradictions >= ENOUGH


def compare(pairs: Iterable[tuple[Json, Json]]) -> Evidence:
    """Evidence from pairs of creation times, vault's and live one's, of objects with one id."""
    known = [(a, b) for a, b in pairs if parse_time(a) is not None and parse_time(b) is not None]
    against = sum(contradicts(a, b) for a, b in known)
    return Evidence(len(known) - against, against)
