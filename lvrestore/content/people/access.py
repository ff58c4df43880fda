"""Who is in which group and who has which role: the parts of a restore that may widen somebody's access.

Without being asked to (`--access restore`), only ties of which this run has made one end are tied again, or an earlier
run that could not restore all of it; all other differences are reported. The calling account's own groups and roles
are never changed.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from functools import partial

import msgspec

from lvrestore.content.calls import (
    Change,
    Create,
    Delete,
    Exists,
    Get,
    Having,
    Replace,
    Replaces,
    Steps,
    Warn,
)
from lvrestore.content.flat.widening import gives_everything
from lvrestore.content.knowledge import References, destination_of, is_as_new
from lvrestore.content.writing.bodies import Body
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import Json, Lack

IDS = {"fields": "id"}
DIRECT = {"fields": "id", "direct_association_only": "true"}
# Also what tells that somebody else decides about a holder.
HOLDERS = {
    "fields": "id,is_service_account,roles_externally_managed,credentials_embed(external_user_id)",
    "direct_association_only": "true",
}


class Person(msgspec.Struct, frozen=True):
    """A user under restoration, by its source id and its live id; `created`: this very item made it."""

    source_id: str
    user_id: str
    created: bool


class Group(msgspec.Struct, frozen=True):
    """A group under restoration, by its source id and its live id; `created`: this very item made it."""

    source_id: str
    group_id: str
    created: bool


class Role(msgspec.Struct, frozen=True):
    """A role under restoration, by its source id and its live id.

    `created`: this very item made it, if not in this attempt; `empty`: a moment ago, so that nobody has it.
    """

    source_id: str
    role_id: str
    created: bool
    empty: bool


def may_tie(refs: References, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two items, as (kind, source id), may be tied together again."""
    if refs.policy.access == "new":
        return any(refs.made_now(*end) or is_as_new(refs, *end) for end in (one, other))
    return refs.policy.access == "restore"


def untied(what: str) -> Warn:
    """The report of a difference that is left as it is."""
    return Warn("access_differs", f"{what} in the backup, and not here (--access restore writes it)")


def _takes_away(refs: References) -> bool:
    return refs.policy.access == "restore" and refs.policy.assignments == "exact"


# --- members of groups


def fills_itself(group: Mapping[str, Json]) -> bool:
    """Whether somebody else decides who is in a group: everybody is, or a directory or signed embedding says so."""
    flags = ("include_by_default", "externally_managed", "external_group_id")
    return any(group.get(flag) for flag in flags)


def sync_groups(
    user: Person, vault_groups: Iterable[str], live: Mapping[str, Json], refs: References, lost: list[Lack]
) -> Steps[list[Change]]:
    """Put a user into the groups that the backup says; groups that should be there and are not go to `lost`."""
    source_id, user_id = user.source_id, user.user_id
    standing = {str(i) for i in live.get("group_ids") or ()}
    wanted: dict[str, str] = {}
    for group in dict.fromkeys(vault_groups):
        if (here := destination_of(refs, "group", group)) is not None:
            wanted[here] = group
        elif not fills_itself(refs.content("group", group) or {}):
            lost.append(_membership(group))
    missing = [g for g in wanted if g not in standing and not _fills_itself(refs, wanted[g])]
    added = [g for g in missing if user.created or may_tie(refs, ("user", source_id), ("group", wanted[g]))]
    for group_id in missing:
        if group_id not in added:
            yield untied(f"user {source_id} is in group {wanted[group_id]}")
    changes = yield from _join(user_id, {g: wanted[g] for g in added}, lost)
    if _takes_away(refs):
        changes += yield from _leave(user_id, standing - wanted.keys())
    return changes


def _membership(group: str) -> Lack:
    return Lack("a membership", f"group {group}")


def _may_get(refs: References, end: tuple[str, str], *, created: bool) -> bool:
    """Whether an item would be tied to others if these were there."""
    return created or may_tie(refs, end, end)


def _fills_itself(refs: References, source_id: str) -> bool:
    return fills_itself(refs.content("group", source_id) or {})


def _join(user_id: str, groups: Mapping[str, str], lost: list[Lack]) -> Steps[list[Change]]:
    absent = (yield Exists("group", tuple(groups))) if groups else ()
    changes = []
    for group_id, source_id in groups.items():
        if group_id not in absent:
            changes += yield from _add_member(group_id, user_id, Change("group_ids", None, group_id))
        else:
            lost.append(_membership(source_id))
    return changes


def _add_member(group_id: str, user_id: str, change: Change) -> Steps[list[Change]]:
    """Put a user into a group; no change where the instance leaves that to somebody else.

    Doing it twice changes nothing, so the call may be repeated.
    """
    where = path("groups", group_id, "users")
    again = partial(_member, group_id, user_id)
    try:
        yield Create(where, {"user_id": user_id}, again, unique=True, part=True)
    except Refused as refused:
        if refused.kind is not FailureKind.FORBIDDEN:
            raise
        yield Warn("membership_lost", f"user {user_id} may not be put into group {group_id}: {refused}")
        return []
    return [change]


def _member(group_id: str, user_id: str) -> Generator[Get, Json, Json]:
    members = yield Get(path("groups", group_id, "users"), IDS, seen=True)
    return next((one for one in members if one["id"] == user_id), None)


def _leave(user_id: str, groups: Collection[str]) -> Steps[list[Change]]:
    changes = []
    for group_id in sorted(groups):
        group = yield Get(path("groups", group_id))
        if group is not None and not fills_itself(group):
            yield Delete(path("groups", group_id, "users", user_id))
            changes.append(Change("group_ids", group_id, None))
    return changes


def sync_members(
    group: Group, refs: References, lost: list[Lack], *, managed: bool = False
) -> Steps[list[Change]]:
    """Put the backup's members into a group: those that do not join it as users. Who should be there goes to `lost`.

    These are all where the run does not restore users, and `managed` ones of a group that was made again: nobody
    restores those.
    """
    source_id, group_id, created = group.source_id, group.group_id, group.created
    members = refs.holders("group", source_id, managed=managed)
    wanted = yield from _people(refs, members)
    if not managed and _may_get(refs, ("group", source_id), created=created):
        lost += _absent_people("member", members, wanted, refs)
    if not wanted:
        return []
    where = path("groups", group_id, "users")
    standing = set() if created else _ids((yield Get(where, IDS, seen=True)))
    changes = []
    for user_id, user in wanted.items():
        if user_id in standing:
            continue
        if created or may_tie(refs, ("group", source_id), ("user", user)):
            changes += yield from _add_member(group_id, user_id, Change("users", None, user_id))
        else:
            yield untied(f"user {user} is in group {source_id}")
    return changes


# --- holders of roles


def sync_holders(role: Role, refs: References, lost: list[Lack]) -> Steps[list[Change]]:
    """Give a role to those who have it in the backup, with one call that names all of its holders.

    Of some of them somebody else decides: they get it only with a role that was made again, since nobody but this
    run can know that they have lost it. Those of the others who should be there go to `lost`.
    """
    holders = refs.holders("role", role.source_id)
    ours = yield from _people(refs, holders)
    absent = _absent_people("holder", holders, ours, refs)
    if absent and _may_get(refs, ("role", role.source_id), created=role.created):
        lost += () if (yield from _is_guarded(role.source_id, role.role_id, refs)) else absent
    managed = yield from _people(refs, refs.holders("role", role.source_id, managed=True))
    missing = yield from _missing_holders(role, {**ours, **managed})
    added = yield from _added_holders(role, missing, ours, managed, refs)
    if not added and not _takes_away(refs):
        return []
    where = path("roles", role.role_id, "users")
    listed: list[Body] = [] if role.empty else (yield Get(where, HOLDERS, seen=True))
    direct = _ids(listed)
    surplus = _surplus(role.source_id, listed, ours, refs) if _takes_away(refs) else set()
    target = (direct - surplus) | set(added)
    if target == direct:
        return []
    return (yield from _assign(where, role.role_id, sorted(direct), sorted(target)))


def _added_holders(
    role: Role,
    missing: Collection[str],
    ours: Mapping[str, str],
    managed: Mapping[str, str],
    refs: References,
) -> Steps[list[str]]:
    """Those of `missing` who are given the role; the others are named."""
    if not missing:
        return []
    guarded = yield from _is_guarded(role.source_id, role.role_id, refs)
    added = []
    for user_id in missing:
        user = ours.get(user_id) or managed[user_id]
        if user_id in managed and not (role.created and _may_be_given(user, refs)):
            yield _decided_elsewhere(user, role.source_id)
        elif not guarded and (role.created or may_tie(refs, ("role", role.source_id), ("user", user))):
            added.append(user_id)
        else:
            yield untied(f"user {user} has role {role.source_id}")
    return added


def _is_guarded(source_id: str, role_id: str, refs: References) -> Steps[bool]:
    """Whether a role, like Admin, lets people do everything: nobody gets it without being asked for."""
    return refs.policy.access == "new" and (yield from gives_everything(source_id, role_id, refs))


def _may_be_given(user: str, refs: References) -> bool:
    """Whether roles can be given to a user at all, and not just to the groups that it is in."""
    return (refs.content("user", user) or {}).get("allow_direct_roles") is not False


def _decided_elsewhere(user: str, role: str) -> Warn:
    message = f"user {user} has role {role} in the backup, and not here: whoever manages that user gives it"
    return Warn("access_differs", message)


def _surplus(role: str, live_holders: Iterable[Body], ours: Collection[str], refs: References) -> set[str]:
    """Holders to take a role from: all but the caller, and those who may have it for all that the backup says."""
    return {
        str(live["id"])
        for live in live_holders
        if str(live["id"]) not in {*ours, refs.policy.caller.id}
        and not roles_managed(live)
        and not _may_have(role, str(live["id"]), refs)
    }


def roles_managed(user: Mapping[str, Json]) -> bool:
    """Whether somebody else decides about a user's roles: an identity provider, or whoever made the account."""
    flags = ("roles_externally_managed", "is_service_account", "credentials_embed")
    return any(user.get(flag) for flag in flags)


def _may_have(role: str, user_id: str, refs: References) -> bool:
    """Whether the backup says that a live user has the role or that somebody else decides, or tells nothing."""
    user = refs.mapped_from("user", user_id) or (user_id if refs.same_instance else None)
    content = refs.content("user", user) if user is not None else None
    if user is None or content is None:
        return user is not None and refs.in_vault("user", user)  # there, and not readable
    roles = content.get("role_ids")
    return roles is None or role in roles or roles_managed(content)


def _people(refs: References, users: Iterable[str]) -> Steps[dict[str, str]]:
    """The users that the destination has, by their ids there, without the calling account."""
    found = {here: user for user in users if (here := destination_of(refs, "user", user)) is not None}
    found.pop(refs.policy.caller.id, None)
    absent = (yield Exists("user", tuple(found))) if found else ()
    return {here: user for here, user in found.items() if here not in absent}


def _absent_people(part: str, users: Iterable[str], here: Mapping[str, str], refs: References) -> list[Lack]:
    """Those of the backup's users whom the destination does not have. The calling account is there."""
    caller = refs.policy.caller.id
    absent = [
        one for one in users if one not in here.values() and destination_of(refs, "user", one) != caller
    ]
    return [Lack(f"a {part}", f"user {one}") for one in absent]


def _missing_holders(role: Role, wanted: Mapping[str, str]) -> Steps[list[str]]:
    """Those who do not have the role, not even through a group: a direct grant would outlive that.

    Who has it by the list of users has it; that list may leave out what comes through a group.
    """
    if role.empty or not wanted:
        return list(wanted)
    if wanted.keys() <= (yield Having("user", "role_ids", role.role_id)):
        return []
    holders = _ids((yield Get(path("roles", role.role_id, "users"), IDS, seen=True)))
    return [user_id for user_id in wanted if user_id not in holders]


def _assign(where: str, role_id: str, before: list[str], after: list[str]) -> Steps[list[Change]]:
    yield Replaces("role_users", role_id, {"ids": before})
    kept = _ids((yield Replace(where, after)))
    if kept != set(after):
        yield Warn("not_kept", f"users of role {role_id}: the server stored others than it was sent")
    return [Change("users", before, after)]


def sync_roles(
    user: Person,
    vault_roles: Collection[str],
    live: Mapping[str, Json],
    refs: References,
    lost: list[Lack],
) -> Steps[list[Change]]:
    """Give a user its roles, for a run that does not restore the roles themselves.

    What `live` shows the user has; it may leave out what comes through a group. Roles that the user would get and that
    are not there go to `lost`.
    """
    source_id, user_id = user.source_id, user.user_id
    where = path("users", user_id, "roles")
    wanted = {r: i for i in vault_roles if (r := destination_of(refs, "role", i)) is not None}
    may_get = _may_get(refs, ("user", source_id), created=user.created)
    for unknown in sorted(set(vault_roles) - set(wanted.values())):
        if may_get:
            lost.append(_grant(unknown))
        else:
            yield Warn(
                "access_differs", f"user {source_id} has role {unknown} in the backup: it is not known here"
            )
    held = {str(one) for one in live.get("role_ids") or ()}
    if not wanted.keys() <= held:
        held = _ids((yield Get(where, IDS, seen=True)))
    missing = [r for r in wanted if r not in held]
    absent = (yield Exists("role", tuple(missing))) if missing else ()
    added = []
    for role_id in missing:
        if role_id in absent and may_get:
            lost.append(_grant(wanted[role_id]))
        elif role_id not in absent and (yield from _may_grant(user, wanted[role_id], role_id, refs)):
            added.append(role_id)
        else:
            yield untied(f"user {source_id} has role {wanted[role_id]}")
    if not added and not _takes_away(refs):
        return []
    direct = _ids((yield Get(where, DIRECT, seen=True)))
    # A role of the backup that is not known here may be any of those that the user has.
    all_known = len(wanted) == len(set(vault_roles))
    target = (direct & wanted.keys() if _takes_away(refs) and all_known else direct) | set(added)
    if target == direct:
        return []
    yield Replaces("user_roles", user_id, {"ids": sorted(direct)})
    yield Replace(where, sorted(target))
    return [Change("role_ids", sorted(direct), sorted(target))]


def _grant(role: str) -> Lack:
    return Lack("a role", f"role {role}")


def _may_grant(user: Person, role: str, role_id: str, refs: References) -> Steps[bool]:
    """Whether a user is given a role: a new one is, as far as the backup tells what the role is."""
    if not (user.created or may_tie(refs, ("user", user.source_id), ("role", role))):
        return False
    if refs.policy.access == "new" and not refs.in_vault("role", role):
        return False
    return not (yield from _is_guarded(role, role_id, refs))


def _ids(listed: list[Body] | None) -> set[str]:
    return {str(one["id"]) for one in listed or ()}
