"""The address that somebody signs in with: compared, and written where that is allowed."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from lvrestore.content.calls import Change, Create, Get, Held, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.identity.names import Claimant, is_taken, settle
from lvrestore.content.knowledge import References
from lvrestore.content.people.access import may_tie, untied
from lvrestore.content.people.finding import ADDRESS, VaultUser
from lvrestore.content.writing.bodies import Body, fingerprint
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.work import Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import Json

NOT_REFUSED = (b"", b"")


class Login(msgspec.Struct, frozen=True):
    """What came of a login by e-mail.

    `refused` are the fingerprints of what the instance does not let anybody change, so that it is not sent again.
    """

    refused: tuple[bytes, bytes] = NOT_REFUSED
    held: Held | None = None


def may_change(vault: VaultUser, work: Work, refs: References) -> bool:
    """Whether this run may write the address that somebody signs in with."""
    me = ("user", vault.id)
    return work.created or may_tie(refs, me, me)


def sync_login(case: Case[VaultUser], work: Work, live: Body) -> Steps[Login]:
    """Give the login by e-mail back. Nobody gets mail by this; some instances leave logins to others."""
    credentials = live.get("credentials_email")
    address = (credentials or {}).get("email")
    if known(case.vault.credentials_email) is None and live.get("email"):
        return Login()  # the backup does not say how the person signs in, and the person does
    if case.vault.login is None or address == case.vault.login or work.item_id == case.refs.policy.caller.id:
        return Login()
    if not may_change(case.vault, work, case.refs):
        if not same_address(case.vault.login, address):
            yield untied(f"user {case.vault.id} signs in as {case.vault.login}")
        return Login()
    marks = (fingerprint({"email": case.vault.login}), fingerprint({"id": work.item_id, "email": address}))
    try:
        if case.history.accepted != marks and (yield from _write_login(case.vault, work, credentials)):
            return Login()
    except Refused as refused:
        if not is_taken(ADDRESS, refused):
            raise
        return Login(held=(yield from _address_held(case, work, credentials, refused)))
    yield Warn(
        "login_not_restored", f"user {case.vault.id}: the instance does not let logins be changed here"
    )
    return Login(marks)


def _address_held(
    case: Case[VaultUser],
    work: Work,
    credentials: Body | None,
    refused: Refused,
) -> Steps[Held]:
    """The end of a user whose address somebody else has; people who changed places get theirs by and by."""

    def rename(interim: str) -> Steps[None]:
        if credentials and credentials.get("email") != interim:
            where = path("users", work.item_id, "credentials_email")
            yield from work.update(where, "credentials_email.", {"email": interim}, credentials)

    claimant = Claimant(case.vault.id, work.item_id, {"email": str(case.vault.login).casefold()})
    return (yield from settle(ADDRESS, claimant, refused, case.refs, case.history, rename))


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


def same_address(one: str, other: str | None) -> bool:
    """Whether two addresses are one; their case means nothing."""
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
