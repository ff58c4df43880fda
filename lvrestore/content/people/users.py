"""Restore a user with its login by e-mail, its groups and, where no role does it, its roles.

A user's passwords, keys and links to identity providers are in no backup; the personal folder is made by the server.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from lvrestore.content.calls import Change, Create, Exists, Mapped, Reads, Restored, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.knowledge import (
    References,
    destination_of,
    left_unfinished,
    matched_by,
    standing_in,
    whereabouts,
)
from lvrestore.content.people.access import Person, sync_groups, sync_roles, untied
from lvrestore.content.people.finding import (
    LOGINS,
    MADE,
    VaultUser,
    find_account,
    is_free,
    is_strange,
    namesakes,
    users_of_address,
)
from lvrestore.content.people.logins import Login, may_change, same_address, sync_login
from lvrestore.content.people.ui_state import give_ui_state, with_ui_state
from lvrestore.content.writing.bodies import Body, body_of, changed, without
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.work import Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.models import WriteUser
from lvrestore.looker.protocol import path
from lvrestore.model import Lack, MatchRule, Operation

TAKEN = 409
# How often to look where what a lost POST has made may be somebody else.
LOOKS = 5


class Home(msgspec.Struct, frozen=True):
    """The destination's id of the home folder, None when there is none to write; `later`: it is not there yet."""

    folder_id: str | None = None
    later: bool = False


def restore_user(case: Case[VaultUser]) -> Steps[Restored]:
    """Make the destination's user equal the vault's, creating it if it is gone."""
    if reason := _untouchable(case.vault):
        return Restored(
            operation=Operation.SKIPPED,
            destination_id=(yield from _account_here(case.vault, case.refs)),
            reason=reason,
        )
    others = set[str]()
    found = yield from find_account(case, others)
    if isinstance(found, Restored):
        return found
    strange = found is not None and is_strange(case, found)
    home = Home() if strange else (yield from _home(case.vault, case.refs))
    if found is None:
        done, live = yield from _create(case.vault, home, case.refs, others)
        home = home if home.folder_id else (yield from _home(case.vault, case.refs))
    else:
        done, live = yield from _adopt(case, found)
    yield from _map_personal_folder(case.vault, live, case.refs)
    login = Login()
    if strange:
        yield from _tell_differences(case.vault, live, case.refs)
    else:
        live = yield from _sync_own_fields(case.vault, done, live, home, case.refs)
        if found is not None and done.created:
            live = yield from give_ui_state(done, case.vault.id, known(case.vault.ui_state), live, case.refs)
        login = yield from sync_login(case, done, live)
    lost: list[Lack] = []
    done.changes += yield from _sync_access(case.vault, done, live, case.refs, lost)
    if home.later and case.history.again and not _has_home(case.vault, live, case.refs):
        lost.append(Lack("the home folder", f"folder {known(case.vault.home_folder_id)}"))
    updated = Operation.UPDATED if done.changes else Operation.UNCHANGED
    return Restored(
        operation=Operation.CREATED if done.created else updated,
        destination_id=done.item_id,
        changes=tuple(done.changes),
        vault_fingerprint=login.refused[0],
        live_fingerprint=login.refused[1],
        waits=home.later and not case.history.again,
        incomplete=tuple(lost),
        held=login.held,
    )


def _untouchable(vault: VaultUser) -> str | None:
    if known(vault.credentials_embed):
        return "made by signed embedding"
    return "a service account" if vault.is_service_account is True else None


def _account_here(vault: VaultUser, refs: References) -> Steps[str | None]:
    """Elsewhere, an account that is not ours to make has another id, if it is there: what it owns says so."""
    if refs.same_instance or refs.mapped("user", vault.id) or not vault.address:
        return None
    found = yield from users_of_address(vault.address)
    if len(found) != 1:
        return None
    user_id = str(found[0]["id"])
    yield Mapped("user", vault.id, user_id, MatchRule.EMAIL, settled=True)
    yield from _map_personal_folder(vault, found[0], refs)
    return user_id


# --- finding


# --- writing


def _own_fields(vault: VaultUser) -> Body:
    """The fields to compare and send, but for what the interface remembers: only a new account gets that."""
    return without(body_of(vault, WriteUser), "home_folder_id", "ui_state")


def _create(
    vault: VaultUser, home: Home, refs: References, others: Collection[str]
) -> Steps[tuple[Work, Body]]:
    """POST a user: disabled ones come back disabled, whatever the policy says about access.

    `others` are accounts that were there before and look like a new one.
    """
    body = _own_fields(vault) | ({"home_folder_id": home.folder_id} if home.folder_id else {})
    live = yield from with_ui_state(
        vault.id,
        known(vault.ui_state),
        refs,
        lambda state: _post(vault, body | state, refs, others),
    )
    yield Mapped("user", vault.id, str(live["id"]), MatchRule.CREATED)
    yield Mapped(MADE, vault.id, str(live["id"]), MatchRule.CREATED)
    work = _work(live, created=True)
    if vault.login is None and any(known(getattr(vault, name)) for name in LOGINS):
        yield Warn("login_not_restored", f"user {vault.id} signs in by other means than an e-mail address")
    elif vault.address is None:
        yield Warn("login_not_restored", f"user {vault.id} has no e-mail address in the backup")
    return work, live


def _post(vault: VaultUser, body: Body, refs: References, others: Collection[str]) -> Steps[Body]:
    return dict((yield Create("/users", body, lambda: _find_again(vault, refs, others))))


def _find_again(vault: VaultUser, refs: References, others: Collection[str]) -> Reads[Body | None]:
    """The user that a lost POST made: it has the name, no login yet, and was not there before.

    A namesake who is being made looks the same, until its own POST is answered and noted: that takes a moment. Where
    several are left nothing is made, as that could be one too many.
    """
    mine: list[Body] = []
    for _ in range(LOOKS):
        listed = yield from namesakes(vault, {"sorts": "id desc"}, fresh=True)
        mine = [one for one in listed if str(one["id"]) not in others and is_free(one, vault, refs)]
        if not mine or (len(mine) == 1 and not _others_may_be_made(vault, refs)):
            break
    if len(mine) > 1:
        ids = ", ".join(str(one["id"]) for one in mine)
        text = f"one of the users {ids} was made for user {vault.id}, and nothing tells which"
        raise Refused(FailureKind.UNKNOWN_OUTCOME, TAKEN, text)
    return mine[0] if mine else None


def _others_may_be_made(vault: VaultUser, refs: References) -> bool:
    for other in refs.namesakes("user", vault.id):
        if other == vault.id:
            continue
        refs.forget("user", other)  # it may have been made since this item asked last
        if refs.mapped("user", other) is None:
            return True
    return False


def _adopt(case: Case[VaultUser], live: Body) -> Steps[tuple[Work, Body]]:
    """Take the live user for the vault's; one that an attempt made which did not come to its end counts as new."""
    mapping, user_id = case.refs.mapped("user", case.vault.id), str(live["id"])
    is_mapped = mapping is not None and mapping.destination_id == user_id
    unfinished = is_mapped and left_unfinished(case.refs, "user", case.vault.id)
    if not is_mapped:
        by_address = case.vault.address is not None and same_address(case.vault.address, live.get("email"))
        key = MatchRule.EMAIL if by_address else MatchRule.NAME
        yield Mapped(
            "user", case.vault.id, user_id, matched_by(case.refs, case.history, case.vault.id, live, key)
        )
    lost = case.history.uncertain_since is not None and not (
        case.refs.same_instance and user_id == case.vault.id
    )
    if lost:
        yield Mapped(MADE, case.vault.id, user_id, MatchRule.LOST_POST)
    return _work(live, created=lost or unfinished), live


def _work(live: Body, *, created: bool) -> Work:
    user_id = str(live["id"])
    return Work("user", path("users", user_id), user_id, None if created else live, created=created)


def _sync_own_fields(vault: VaultUser, work: Work, live: Body, home: Home, refs: References) -> Steps[Body]:
    """Write what differs; return the live user as it is then. The calling account is not disabled."""
    want = _own_fields(vault) | ({"home_folder_id": home.folder_id} if home.folder_id else {})
    delta = changed(want, live)
    caller = work.item_id == refs.policy.caller.id
    if "is_disabled" in delta and (caller or not may_change(vault, work, refs)):
        del delta["is_disabled"]
        if not caller:
            yield untied(f"user {vault.id} is {'disabled' if vault.is_disabled else 'enabled'}")
    return (yield from work.update(work.path, "", delta, live)) if delta else live


def _tell_differences(vault: VaultUser, live: Body, refs: References) -> Steps[None]:
    if not vault.address:
        yield Warn(
            "matched_by_name",
            f"user {vault.id} is taken for user {live['id']} here: the same name, and neither has an e-mail address",
        )
    differing = list(changed(_own_fields(vault), live))
    home = known(vault.home_folder_id)
    if home and destination_of(refs, "folder", home) not in {None, live.get("home_folder_id")}:
        differing.append("home_folder_id")
    if vault.login and not same_address(vault.login, (live.get("credentials_email") or {}).get("email")):
        differing.append("credentials_email")
    if differing:
        yield Warn(
            "account_differs",
            f"user {vault.id} is user {live['id']} here, with other {', '.join(differing)}: "
            "left so, as it was here before",
        )


def _sync_access(
    vault: VaultUser, work: Work, live: Body, refs: References, lost: list[Lack]
) -> Steps[list[Change]]:
    changes: list[Change] = []
    if refs.policy.access == "skip" or work.item_id == refs.policy.caller.id:
        return changes
    groups, roles = known(vault.group_ids), known(vault.role_ids)
    me = Person(vault.id, work.item_id, created=work.created)
    if roles and vault.roles_externally_managed is not True and not refs.policy.grants_by_role:
        changes += yield from sync_roles(me, roles, live, refs, lost)
    if groups is not None:
        changes += yield from sync_groups(me, groups, live, refs, lost)
    return changes


# --- folders of its own


def _map_personal_folder(vault: VaultUser, live: Body, refs: References) -> Steps[None]:
    """The folder that came with the new user stands for the old one: what lay in that goes into this."""
    here, source = live.get("personal_folder_id"), refs.personal_folder(vault.id)
    if (
        here
        and source
        and standing_in(refs, "folder", source) is None
        and whereabouts(refs, "folder", source) != here
    ):
        yield Mapped("folder", source, str(here), MatchRule.PERSONAL_FOLDER, settled=True)


def _has_home(vault: VaultUser, live: Body, refs: References) -> bool:
    """Whether a user has the home folder of the backup, though nobody can see that folder."""
    here = destination_of(refs, "folder", known(vault.home_folder_id) or "")
    return here is not None and live.get("home_folder_id") == here


def _home(vault: VaultUser, refs: References) -> Steps[Home]:
    source = known(vault.home_folder_id)
    if not source:
        return Home()
    here = destination_of(refs, "folder", source)
    if here is None or (yield Exists("folder", (here,))):
        return Home(later=True)
    return Home(here)
