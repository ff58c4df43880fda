"""The policy of a run, with what only backup and destination together can tell."""

from __future__ import annotations

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.proved import Proved
from lvrestore.engine.selected import Selected
from lvrestore.engine.session import Session
from lvrestore.engine.subject import Subject
from lvrestore.errors import ValidationError
from lvrestore.model import ContentType
from lvrestore.plan.identity import Verdict, declared_same
from lvrestore.preflight.other_names import check_names, find_folders, require_other_instance
from lvrestore.preflight.problems import SelectedRows
from lvrestore.preflight.target import stood_for
from lvrestore.report.urls import API_PORT
from lvrestore.settings import Caller, Policy
from lvrestore.vault.hosts import source_hosts

ABOUT_PEOPLE = frozenset({ContentType.USER, ContentType.GROUP, ContentType.ROLE})


def settle_policy(
    here: Connected, session: Session, subject: Subject, proved: Proved, selected: Selected
) -> Policy:
    """Check the policy against both sides, and look up the folders and people that it names."""
    policy, types = subject.config.policy, selected.chosen.types
    _require_fit_for_exact(policy, subject, proved)
    require_other_instance(policy.remap, same_instance=proved.same)
    folders = find_folders(policy.remap, subject.backup, here.discovery)
    there = here.instance.removesuffix(API_PORT)
    caller = policy.caller
    if policy.owner_policy == "me" or not ABOUT_PEOPLE.isdisjoint(types):
        caller = here.discovery.caller()
    settled = msgspec.structs.replace(
        policy,
        orphans_to=here.discovery.folder_id(policy.orphans_to) if policy.orphans_to else None,
        grants_by_role=ContentType.ROLE in types,
        folders=_target(here, subject, proved, selected) | folders.here(policy.remap),
        members_by_user=ContentType.USER in types,
        link_hosts={host: host if proved.same else there for host in source_hosts(subject.backup)},
        caller=caller,
        heir=_heir(here, policy.owner_policy, caller),
        could_be_same=_could_be_same(proved.verdict),
    )
    if session.row is None and subject.retry is None and not proved.same:
        rows = SelectedRows(subject.rows, selected.chosen, selected.counts, backup=subject.backup)
        client = here.connection.client
        for warning in check_names(client, rows, subject.backup, settled.remap, folders):
            here.reporter.warn(warning)
    return settled


def _require_fit_for_exact(policy: Policy, subject: Subject, proved: Proved) -> None:
    if policy.assignments != "exact":
        return
    if not subject.has_backup:
        reason = (
            "--assignments exact would take roles from those who are only in the backup, which is not there"
        )
        raise ValidationError(reason, "say where it is with --db-path")
    if not subject.backup.has_type(ContentType.USER):
        raise ValidationError(
            "--assignments exact would take all roles from everybody: the backup has no users"
        )
    if not proved.same:
        raise ValidationError(
            "--assignments exact is for the instance that was backed up: here it would take from people what "
            "they have of this instance's own",
            "leave it out: what the backup has is added",
        )


def _target(here: Connected, subject: Subject, proved: Proved, selected: Selected) -> dict[str, str]:
    """The folders that the target folder stands for, with its id."""
    folder = subject.config.policy.target_folder
    if folder is None:
        return {}
    if proved.same:
        raise ValidationError(
            "--target-folder is for another instance, and this is the one that was backed up",
            "leave it out: a restore puts things back; what has lost its folder can go --orphans-to another one",
        )
    target_id, chosen = here.discovery.folder_id(folder), subject.config.selection.folder
    return dict.fromkeys(stood_for(subject.backup, selected.chosen, chosen), target_id)


def _heir(here: Connected, owner_policy: str, caller: Caller) -> str | None:
    """Who gets what belongs to somebody that the destination does not have."""
    match owner_policy:
        case "keep":
            return None
        case "me":
            return caller.id
        case address:
            return here.discovery.user_id(address)


def _could_be_same(verdict: Verdict) -> bool:
    """Whether the caller could declare that it is the instance of the backup."""
    return declared_same(verdict) is not None and not verdict.same and not verdict.declared
