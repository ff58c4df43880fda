"""Which live account is the backup's user: by address, else by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from lvrestore.content.calls import Exists, Get, Restored, Steps
from lvrestore.content.case import Case
from lvrestore.content.identity.by_identity import by_identity
from lvrestore.content.identity.names import Candidates, Name
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import References, has_own_row, made_kind, superseded
from lvrestore.content.writing.bodies import Body
from lvrestore.content.writing.shapes import known
from lvrestore.looker.models import WriteCredentialsEmail, WriteUser
from lvrestore.model import Json, MatchRule

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


def find_account(case: Case[VaultUser], others: set[str]) -> Steps[Body | Restored | None]:
    """The account of a user; `others` gets the ids of all that look like one that is being made for the user."""
    found = yield from by_identity(case.refs, "user", "users", case.vault.id, None, has_trash=False)
    if found is not None:
        return found
    if (
        case.vault.address
        and (end := (yield from _by_address(case.vault.address, case.vault, case.refs))) is not None
    ):
        return end
    # Made again by us it has no address if the login is not by e-mail, if the instance lets nobody give one, or if
    # the run did not come to it.
    return (yield from _by_name(case, others))


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
    free = [one for one in found if is_free(one, vault, refs)] if len(found) > 1 else found
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


def _by_name(case: Case[VaultUser], others: set[str]) -> Steps[Body | Restored | None]:
    """The user of the same name in whose name nobody can sign in, and that is no other item's.

    Of several people of one name in the backup nobody can tell whose it is, unless an earlier attempt made it.
    """
    # Asked for first: others may be made in this moment, and whoever is not known by now is counted.
    people = 1 + (yield from _others_of_name(case.vault, case.refs))
    listed = yield from namesakes(case.vault, {})
    others |= {str(one["id"]) for one in listed}
    same = [
        one
        for one in listed
        if is_free(one, case.vault, case.refs) and not has_own_row(case.refs, "user", str(one["id"]))
    ]
    end: Body | Restored | None = None
    if len(same) == 1 and (people == 1 or case.history.uncertain_since):
        end = same[0]
    elif len(same) >= people:
        end = doubtful("user", case.vault.id, _called(case.vault), same, "same name, no e-mail address")
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


def is_free(live: Body, vault: VaultUser, refs: References) -> bool:
    """Whether an account is not known to be another user's, who may have no address yet."""
    return refs.mapped_from("user", str(live["id"])) in {None, vault.id}


def namesakes(vault: VaultUser, params: Mapping[str, str], *, fresh: bool = False) -> Candidates:
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


def is_strange(case: Case[VaultUser], live: Body) -> bool:
    """Whether an account of another instance was there before: it is the same person's, and not ours to change."""
    if case.refs.same_instance or case.history.uncertain_since is not None:
        return False
    made = case.refs.mapped(MADE, case.vault.id)
    return made is None or made.destination_id != str(live["id"])


ADDRESS = Name(
    kind="user",
    fields=("email",),
    holders=_addressed,
    wanted=_address_wanted,
    interim=lambda source_id: f"lvrestore-user-{source_id}@example.invalid",
)
