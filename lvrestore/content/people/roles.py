"""Restore what people are tied to: roles with their holders, groups with their members."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lvrestore.content.calls import Change, Mapped, Restored, Steps
from lvrestore.content.case import Case
from lvrestore.content.flat.generator import restore_flat
from lvrestore.content.flat.rows import GROUP, ROLE, VaultGroup, VaultRole
from lvrestore.content.knowledge import References, left_unfinished, made_kind, whereabouts
from lvrestore.content.people.access import Group, Role, sync_holders, sync_members
from lvrestore.model import SUCCESSES, History, Lack, MatchRule, Operation


def restore_role(case: Case[VaultRole]) -> Steps[Restored]:
    """Make a role equal the vault's, and give it to its holders. A built-in one only has holders to restore."""
    done = yield from restore_flat(ROLE, case)
    if case.refs.policy.access == "skip" or done.operation is Operation.CONFLICT:
        return done
    where = done.destination_id or whereabouts(case.refs, "role", case.vault.id)
    if where is None:
        return done
    empty = done.operation is Operation.CREATED
    done = yield from _counted_as_new(done, "role", case.vault.id, case.refs, case.history)
    role = Role(case.vault.id, where, created=done.operation is Operation.CREATED, empty=empty)
    lost: list[Lack] = []
    return _with(done, where, (yield from sync_holders(role, case.refs, lost)), lost)


def restore_group(case: Case[VaultGroup]) -> Steps[Restored]:
    """Make a group equal the vault's. Its members join it as users, where these are restored.

    Service accounts and people of signed embedding are never restored: of them, a new group has lost its members.
    """
    done = yield from restore_flat(GROUP, case)
    if case.refs.policy.access == "skip" or done.destination_id is None or GROUP.skip(case.vault):
        return done
    if done.operation not in {*SUCCESSES, Operation.SKIPPED}:
        return done
    done = yield from _counted_as_new(done, "group", case.vault.id, case.refs, case.history)
    group = Group(case.vault.id, str(done.destination_id), done.operation is Operation.CREATED)
    changes: list[Change] = []
    lost: list[Lack] = []
    if not case.refs.policy.members_by_user:
        changes += yield from sync_members(group, case.refs, lost)
    if group.created:
        changes += yield from sync_members(group, case.refs, lost, managed=True)
    return _with(done, group.group_id, changes, lost)


def _counted_as_new(
    done: Restored, kind: str, source_id: str, refs: References, history: History
) -> Steps[Restored]:
    """What an attempt made that did not come to its end has lost its people, and is new to those tied to it.

    That this tool made it is noted before anybody is tied to it, since that may fail.
    """
    if done.operation in {Operation.UPDATED, Operation.UNCHANGED}:
        the_old_one = refs.same_instance and done.destination_id == source_id
        lost = history.uncertain_since is not None and not the_old_one
        if lost or left_unfinished(refs, kind, source_id):
            done = msgspec.structs.replace(done, operation=Operation.CREATED)
    if done.operation is Operation.CREATED and done.destination_id is not None:
        lost = history.uncertain_since is not None
        rule = MatchRule.LOST_POST if lost else MatchRule.CREATED
        yield Mapped(made_kind(kind), source_id, done.destination_id, rule)
    return done


def _with(done: Restored, destination_id: str, changes: list[Change], lost: Sequence[Lack]) -> Restored:
    """The end of the item, with what was changed about its people, and who of them is missing."""
    quiet = done.operation in {Operation.UNCHANGED, Operation.SKIPPED}
    if not changes and not lost:
        return done
    if not changes:
        return msgspec.structs.replace(
            done,
            operation=Operation.UNCHANGED if quiet else done.operation,
            destination_id=destination_id,
            reason="",
            incomplete=tuple(lost),
        )
    return msgspec.structs.replace(
        done,
        operation=Operation.UPDATED if quiet else done.operation,
        destination_id=destination_id,
        reason="",
        changes=(*done.changes, *changes),
        incomplete=tuple(lost),
    )
