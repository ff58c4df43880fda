"""Restore a user with its login by e-mail, its groups and, where no role does it, its roles.

A user's passwords, keys and links to identity providers are in no backup; the personal folder is made by the server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.access import Person, may_tie, sync_groups, sync_roles, untied
from lvrestore.content.bodies import Body, body_of, changed, fingerprint, without
from lvrestore.content.calls import Change, Create, Exists, Get, Held, Mapped, Reads, Restored, Steps, Warn
from lvrestore.content.finding import by_identity
from lvrestore.content.names import Candidates, Claimant, Name, is_taken, settle
from lvrestore.content.references import (
    History,
    References,
    destination_of,
    has_own_row,
    left_unfinished,
    made_kind,
    matched_by,
    standing_in,
    superseded,
    whereabouts,
)
from lvrestore.content.shapes import known
from lvrestore.content.trying import doubtful, tried
from lvrestore.content.ui_state import give_ui_state, with_ui_state
from lvrestore.content.work import Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.models import WriteCredentialsEmail, WriteUser
from lvrestore.looker.protocol import path
from lvrestore.model import Json, Lack, MatchRule, Operation

# One person has one of these; which is an account's name depends on how the instance lets people in.
LOGINS = (
    "credentials_email",
    "credentials_google",
    "credentials_saml",
    "credentials_oidc",
    "credentials_ldap",
    "credentials_looker_openid",
    "credentials_workforce",
)
Flag = bool | None | UnsetType
# The mapping of an account that this tool made, beside that of the person.
MADE = made_kind("user")
NOT_REFUSED = (b"", b"")


class VaultUser(WriteUser, frozen=True, kw_only=True):
    """A user. Whatever a row lacks was not captured and is left as it is."""

    id: str = ""
    email: str | UnsetType | None = UNSET
    credentials_email: WriteCredentialsEmail | UnsetType | None = UNSET
    credentials_embed: list[Any] | UnsetType | None = UNSET
    credentials_google: dict[str, Any] | UnsetType | None = UNSET
    credentials_saml: dict[str, Any] | UnsetType | None = UNSET
    credentials_oidc: dict[str, Any] | UnsetType | None = UNSET
    credentials_ldap: dict[str, Any] | UnsetType | None = UNSET
    credentials_looker_openid: dict[str, Any] | UnsetType | None = UNSET
    credentials_workforce: Any = UNSET
    group_ids: list[str] | UnsetType | None = UNSET
    role_ids: list[str] | UnsetType | None = UNSET
    is_service_account: Flag = UNSET
    roles_externally_managed: Flag = UNSET

    @property
    def login(self) -> str | None:
        """The e-mail address that this user signs in with, as a login of its own.

        A row that was extracted with few fields has no logins, only the address that belongs to one of them.
        """
        credentials = known(self.credentials_email)
        if credentials is not None:
            return known(credentials.email) or None
        return None if any(known(getattr(self, name)) for name in LOGINS) else known(self.email) or None

    @property
    def address(self) -> str | None:
        """The e-mail address that tells this user from others."""
        return self.login or known(self.email) or None


TAKEN = 409
# How often to look where what a lost POST has made may be somebody else.
LOOKS = 5


class Home(msgspec.Struct, frozen=True):
    """The destination's id of the home folder, None when there is none to write; `later`: it is not there yet."""

    folder_id: str | None = None
    later: bool = False


class Login(msgspec.Struct, frozen=True):
    """What came of a login by e-mail.

    `refused` are the fingerprints of what the instance does not let anybody change, so that it is not sent again.
    """

    refused: tuple[bytes, bytes] = NOT_REFUSED
    held: Held | None = None


def restore_user(vault: VaultUser, refs: References, history: History) -> Steps[Restored]:
    """Make the destination's user equal the vault's, creating it if it is gone."""
    if reason := _untouchable(vault):
        return Restored(
            operation=Operation.SKIPPED, destination_id=(yield from _account_here(vault, refs)), reason=reason
        )
    others = set[str]()
    found = yield from _find(vault, refs, history, others)
    if isinstance(found, Restored):
        return found
    strange = found is not None and _is_strange(vault, found, refs, history)
    home = Home() if strange else (yield from _home(vault, refs))
    if found is None:
        done, live = yield from _create(vault, home, refs, others)
        home = home if home.folder_id else (yield from _home(vault, refs))
    else:
        done, live = yield from _adopt(vault, found, refs, history)
    yield from _map_personal_folder(vault, live, refs)
    login = Login()
    if strange:
        yield from _tell_differences(vault, live, refs)
    else:
        live = yield from _sync_own_fields(vault, done, live, home, refs)
        if found is not None and done.created:
            live = yield from give_ui_state(done, vault.id, known(vault.ui_state), live, refs)
        login = yield from _sync_login(vault, done, live, refs, history)
    lost: list[Lack] = []
    done.changes += yield from _sync_access(vault, done, live, refs, lost)
    if home.later and history.again and not _has_home(vault, live, refs):
        lost.append(Lack("the home folder", f"folder {known(vault.home_folder_id)}"))
    updated = Operation.UPDATED if done.changes else Operation.UNCHANGED
    return Restored(
        operation=Operation.CREATED if done.created else updated,
        destination_id=done.item_id,
        changes=tuple(done.changes),
        vault_fingerprint=login.refused[0],
        live_fingerprint=login.refused[1],
        waits=home.later and not history.again,
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


def _find(
    vault: VaultUser, refs: References, history: History, others: set[str]
) -> Steps[Body | Restored | None]:
    """The account of a user; `others` gets the ids of all that look like one that is being made for the user."""
    found = yield from by_identity(refs, "user", "users", vault.id, None, has_trash=False)
    if found is not None:
        return found
    if vault.address and (end := (yield from _by_address(vault.address, vault, refs))) is not None:
        return end
    # Made again by us it has no address if the login is not by e-mail, if the instance lets nobody give one, or if
    # the run did not come to it.
    return (yield from _by_name(vault, refs, history, others))


def _addressed(body: Body) -> Candidates:
    return (yield from users_of_address(body["email"]))


def _address_wanted(content: Mapping[str, Json], _refs: References) -> Body:
    address = (content.get("credentials_email") or {}).get("email") or content.get("email")
    return {"email": address.casefold() if isinstance(address, str) else None}


def users_of_address(address: str) -> Candidates:
    """Search is LIKE and knows no case: every hit is compared."""
    hits = yield Get("/users/search", {"email": address})
    wanted = address.casefold()
    return [one for one in hits if str(one.get("email") or "").casefold() == wanted]


def _by_address(address: str, vault: VaultUser, refs: References) -> Steps[Body | Restored | None]:
    """The account of an address; of several, the one that is no other item's of the backup."""
    found = yield from users_of_address(address)
    end: Body | Restored | None = None
    free = [one for one in found if _is_free(one, vault, refs)] if len(found) > 1 else found
    if len(free) == 1:
        end = superseded(refs, "user", vault.id, str(free[0]["id"])) or free[0]
    elif found:
        end = doubtful("user", vault.id, address, found, "same e-mail address")
    yield tried(MatchRule.EMAIL, f"users with the address {address}", found, end, _objection(vault, refs))
    return end


def _objection(vault: VaultUser, refs: References) -> Callable[[Mapping[str, Json]], str]:
    def objection(live: Mapping[str, Json]) -> str:
        other = refs.mapped_from("user", str(live["id"]))
        return f"it is user {other} of the backup" if other not in {None, vault.id} else ""

    return objection


def _by_name(
    vault: VaultUser, refs: References, history: History, others: set[str]
) -> Steps[Body | Restored | None]:
    """The user of the same name in whose name nobody can sign in, and that is no other item's.

    Of several people of one name in the backup nobody can tell whose it is, unless an earlier attempt made it.
    """
    # Asked for first: others may be made in this moment, and whoever is not known by now is counted.
    people = 1 + (yield from _others_of_name(vault, refs))
    listed = yield from _namesakes(vault, {})
    others |= {str(one["id"]) for one in listed}
    same = [
        one for one in listed if _is_free(one, vault, refs) and not has_own_row(refs, "user", str(one["id"]))
    ]
    end: Body | Restored | None = None
    if len(same) == 1 and (people == 1 or history.uncertain_since):
        end = same[0]
    elif len(same) >= people:
        end = doubtful("user", vault.id, _called(vault), same, "same name, no e-mail address")
    yield tried(MatchRule.NAME, "users of the same name without any login", same, end)
    return end


def _called(vault: VaultUser) -> str:
    return " ".join(filter(None, (known(vault.first_name), known(vault.last_name))))


def _others_of_name(vault: VaultUser, refs: References) -> Steps[int]:
    """How many others of this name the backup has of whom it is not known who they are here."""
    unknown = 0
    for other in refs.namesakes("user", vault.id):
        if other == vault.id or refs.mapped("user", other) is not None:
            continue
        if refs.same_instance and not (yield Exists("user", (other,), quiet=True)):
            continue
        content = refs.content("user", other) or {}
        address = (content.get("credentials_email") or {}).get("email") or content.get("email")
        if not address or not (yield from users_of_address(address)):
            unknown += 1
    return unknown


def _is_free(live: Body, vault: VaultUser, refs: References) -> bool:
    """Whether an account is not known to be another user's, who may have no address yet."""
    return refs.mapped_from("user", str(live["id"])) in {None, vault.id}


def _namesakes(vault: VaultUser, params: Mapping[str, str], *, fresh: bool = False) -> Candidates:
    """The users of exactly this name who have no address and no login of any kind."""
    names = {name: known(getattr(vault, name)) or "" for name in ("first_name", "last_name")}
    asked = {name: str(text) for name, text in names.items() if text}
    if not asked:
        return []  # everybody would be listed, and nobody told apart
    # Somebody with an address has no account that is a program's, with keys and no login.
    others = (
        "email",
        "is_service_account",
        "credentials_embed",
        *(["credentials_api3"] if vault.address else []),
    )
    hits = yield Get("/users/search", {**asked, **params}, fresh=fresh)
    return [
        one
        for one in hits
        if not any(one.get(name) for name in (*others, *LOGINS))
        and all((one.get(name) or "") == text for name, text in names.items())
    ]


def _is_strange(vault: VaultUser, live: Body, refs: References, history: History) -> bool:
    """Whether an account of another instance was there before: it is the same person's, and not ours to change."""
    if refs.same_instance or history.uncertain_since is not None:
        return False
    made = refs.mapped(MADE, vault.id)
    return made is None or made.destination_id != str(live["id"])


ADDRESS = Name(
    kind="user",
    fields=("email",),
    holders=_addressed,
    wanted=_address_wanted,
    interim=lambda source_id: f"lvrestore-user-{source_id}@example.invalid",
)


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
        listed = yield from _namesakes(vault, {"sorts": "id desc"}, fresh=True)
        mine = [one for one in listed if str(one["id"]) not in others and _is_free(one, vault, refs)]
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


def _adopt(vault: VaultUser, live: Body, refs: References, history: History) -> Steps[tuple[Work, Body]]:
    """Take the live user for the vault's; one that an attempt made which did not come to its end counts as new."""
    mapping, user_id = refs.mapped("user", vault.id), str(live["id"])
    is_mapped = mapping is not None and mapping.destination_id == user_id
    unfinished = is_mapped and left_unfinished(refs, "user", vault.id)
    if not is_mapped:
        by_address = vault.address is not None and _same_address(vault.address, live.get("email"))
        key = MatchRule.EMAIL if by_address else MatchRule.NAME
        yield Mapped("user", vault.id, user_id, matched_by(refs, history, vault.id, live, key))
    lost = history.uncertain_since is not None and not (refs.same_instance and user_id == vault.id)
    if lost:
        yield Mapped(MADE, vault.id, user_id, MatchRule.LOST_POST)
    return _work(live, created=lost or unfinished), live


def _work(live: Body, *, created: bool) -> Work:
    user_id = str(live["id"])
    return Work("user", path("users", user_id), user_id, None if created else live, created=created)


def _sync_own_fields(vault: VaultUser, work: Work, live: Body, home: Home, refs: References) -> Steps[Body]:
    """Write what differs; return the live user as it is then. The calling account is not disabled."""
    want = _own_fields(vault) | ({"home_folder_id": home.folder_id} if home.folder_id else {})
    delta = changed(want, live)
    caller = work.item_id == refs.policy.caller.id
    if "is_disabled" in delta and (caller or not _may_change(vault, work, refs)):
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
    if vault.login and not _same_address(vault.login, (live.get("credentials_email") or {}).get("email")):
        differing.append("credentials_email")
    if differing:
        yield Warn(
            "account_differs",
            f"user {vault.id} is user {live['id']} here, with other {', '.join(differing)}: "
            "left so, as it was here before",
        )


def _may_change(vault: VaultUser, work: Work, refs: References) -> bool:
    me = ("user", vault.id)
    return work.created or may_tie(refs, me, me)


def _sync_login(vault: VaultUser, work: Work, live: Body, refs: References, history: History) -> Steps[Login]:
    """Give the login by e-mail back. Nobody gets mail by this; some instances leave logins to others."""
    credentials = live.get("credentials_email")
    address = (credentials or {}).get("email")
    if known(vault.credentials_email) is None and live.get("email"):
        return Login()  # the backup does not say how the person signs in, and the person does
    if vault.login is None or address == vault.login or work.item_id == refs.policy.caller.id:
        return Login()
    if not _may_change(vault, work, refs):
        if not _same_address(vault.login, address):
            yield untied(f"user {vault.id} signs in as {vault.login}")
        return Login()
    marks = (fingerprint({"email": vault.login}), fingerprint({"id": work.item_id, "email": address}))
    try:
        if history.accepted != marks and (yield from _write_login(vault, work, credentials)):
            return Login()
    except Refused as refused:
        if not is_taken(ADDRESS, refused):
            raise
        return Login(held=(yield from _address_held(vault, work, credentials, refused, refs, history)))
    yield Warn("login_not_restored", f"user {vault.id}: the instance does not let logins be changed here")
    return Login(marks)


def _address_held(
    vault: VaultUser,
    work: Work,
    credentials: Body | None,
    refused: Refused,
    refs: References,
    history: History,
) -> Steps[Held]:
    """The end of a user whose address somebody else has; people who changed places get theirs by and by."""

    def rename(interim: str) -> Steps[None]:
        if credentials and credentials.get("email") != interim:
            where = path("users", work.item_id, "credentials_email")
            yield from work.update(where, "credentials_email.", {"email": interim}, credentials)

    claimant = Claimant(vault.id, work.item_id, {"email": str(vault.login).casefold()})
    return (yield from settle(ADDRESS, claimant, refused, refs, history, rename))


def _write_login(vault: VaultUser, work: Work, credentials: Body | None) -> Steps[bool]:
    """Whether the instance has taken it."""
    where = path("users", work.item_id, "credentials_email")
    body = {"email": vault.login}
    yield from work.remember()
    try:
        if credentials:
            yield from work.update(where, "credentials_email.", body, credentials)
        else:
            yield from _new_login(vault, work, where, body)
    except Refused as refused:
        if refused.kind is not FailureKind.FORBIDDEN:
            raise
        return False
    return True


def _same_address(one: str, other: str | None) -> bool:
    return other is not None and one.casefold() == other.casefold()


def _new_login(vault: VaultUser, work: Work, where: str, body: Body) -> Steps[None]:
    forced = (
        known(vault.credentials_email.forced_password_reset_at_next_login)
        if vault.credentials_email
        else None
    )
    if forced is not None:
        body = {**body, "forced_password_reset_at_next_login": forced}
    # A user has one: the server refuses a second, so the call may be repeated.
    yield Create(where, body, lambda: _login(where), unique=True, part=True)
    work.changes.append(Change("credentials_email", None, body))


def _login(where: str) -> Generator[Get, Json, Json]:
    return (yield Get(where, fresh=True))


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
