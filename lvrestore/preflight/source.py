"""The instance that a backup is of, where that is not the destination: its name, and a sample to know it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from lvrestore.errors import IDMappingError
from lvrestore.model import ContentType
from lvrestore.plan.identity import UNKNOWN, Evidence, compare, instance_name, judge
from lvrestore.preflight.discovery import created_at_of
from lvrestore.times import parse_time
from lvrestore.vault import Vault
from lvrestore.vault.hosts import source_hosts

DATED = (ContentType.FOLDER, ContentType.LOOK, ContentType.DASHBOARD)
SAMPLE = 50
# (type, id, creation time), as a session remembers them.
Sample = list[list[str]]


def source_name(vault: Vault, destination: str) -> str:
    """What the backup itself calls its instance: the extraction says so, or all its rows name the same host.

    `unknown` if they do not, or if they name the destination, which it was not proved to be.
    """
    said = vault.source_instance
    hosts = source_hosts(vault)
    if said is None and len(hosts) == 1:
        said = next(iter(hosts))
    name = instance_name(said) if said else UNKNOWN
    return UNKNOWN if name == destination else name


def sample_of(vault: Vault) -> Sample:
    """Some objects of the backup with their creation times: enough to tell its instance from another one."""
    return [list(one) for t in DATED for one in islice(_dated(vault, t), SAMPLE)]


def _dated(vault: Vault, content_type: ContentType) -> Iterator[tuple[str, str, str]]:
    for row in vault.rows(content_type, deleted="include"):
        at = parse_time(created_at_of(row.blob))
        if at is not None:
            yield content_type.label, row.source_id, at.isoformat()


def require_same_source(vault: Vault, sample: Sample, name: str) -> None:
    """Refuse a backup of another instance than the one whose ids are mapped under this name: 42 is not 42 there."""
    evidence = compared(vault, sample)
    if evidence.contradictions > evidence.matches:
        raise IDMappingError(
            f"the backup {vault.path} is of another instance than the one that earlier runs restored from here as "
            f"{name}: {evidence.matches} objects match on id and creation time, {evidence.contradictions} contradict",
            "say which instance it is of: --source-instance URL",
        )


def require_own_name(vault: Vault, others: Mapping[str, Sample], name: str) -> None:
    """Refuse a backup of an instance whose ids are mapped under another name: all of it would be new here.

    `others` are the samples of sources that have mappings, by name; nothing is mapped under `name` itself. Enough
    objects must match, as where an instance is proved: nothing is said against two that have a few numbers in common.
    """
    for other, sample in others.items():
        evidence = compared(vault, sample)
        if judge(evidence, len(sample)).same:
            raise IDMappingError(
                f"the backup {vault.path} is of the instance that earlier runs restored from here as {other}, and "
                f"nothing was restored as {name}: {evidence.matches} objects match on id and creation time, "
                f"{evidence.contradictions} contradict. What was renamed since would be made twice",
                f"{_goes_on_with(other, name)}; a copy of that instance, which is another one, needs a state file "
                "of its own (--state FILE)",
            )


def _goes_on_with(other: str, name: str) -> str:
    """How a run goes on with the mappings that are there; no option says `unknown`."""
    if other != UNKNOWN:
        return f"say which instance it is of: --source-instance {other}"
    return (
        "leave out --source-instance, as those runs did, or let the mappings have the name: `lvrestore map export`, "
        f"put {name} for {UNKNOWN} in the file, `lvrestore map import`"
    )


def compared(vault: Vault, sample: Sample) -> Evidence:
    """The objects of a sample beside those of the same ids in the backup."""
    evidence = Evidence()
    for content_type in DATED:
        times = {source_id: at for kind, source_id, at in sample if kind == content_type.label}
        rows = vault.rows(content_type, ids=list(times), deleted="include") if times else ()
        evidence += compare((created_at_of(row.blob), times[row.source_id]) for row in rows)
    return evidence
