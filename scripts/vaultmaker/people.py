"""Users, and the many ways to log in."""

from __future__ import annotations

import random
from collections.abc import Callable

from vaultmaker.folders import embed_id
from vaultmaker.shapes import (
    CREDENTIALS_API3,
    CREDENTIALS_EMAIL,
    CREDENTIALS_EMBED,
    CREDENTIALS_SAML,
    USER,
    USER_PUBLIC,
    Content,
    blank,
)
from vaultmaker.tree import ROOTS, SHARED
from vaultmaker.wording import HOST, can, chance, moment, token
from vaultmaker.world import EMBED_USER, World

NO_EMAIL, DISABLED = 8, 19
ELSEWHERE_SHARE = 0.4
# All that a row may have when it was extracted with a few fields only.
FEW_KEYS = ("display_name", "email", "first_name", "group_ids", "id", "is_disabled", "last_name", "role_ids")


def user(world: World, number: int) -> Content:
    """Return a user; each eighth one has no e-mail login."""
    rng, user_id = world.rng("user", number), world.id("user", number)
    url, email = _url(user_id), f"user{number}@example.com"
    login = credentials(CREDENTIALS_EMAIL, rng, type="email", email=email, user_id=user_id) | {
        "forced_password_reset_at_next_login": False,
        "logged_in_at": _time(rng, 2025, 1),
        "url": f"{url}/credentials_email",
    }
    has_email = number % NO_EMAIL != 0
    first_name, last_name = world.user_name(number).split(" ", 1)
    made = blank(
        USER,
        can=can("show", "index", "show_details", "sudo"),
        avatar_url=f"{HOST}/avatar/{user_id}.png",
        credentials_api3=[],
        credentials_email=login if has_email else None,
        credentials_embed=[],
        display_name=f"{first_name} {last_name}",
        email=email if has_email else None,
        first_name=first_name,
        group_ids=world.groups_of(number),
        home_folder_id=world.id("folder", SHARED),
        id=user_id,
        is_disabled=number % DISABLED == 0,
        last_name=last_name,
        locale=rng.choice(("en", "fr", "ja", None)),
        looker_versions=["25.18.30"],
        personal_folder_id=world.id("folder", len(ROOTS) + number),
        presumed_looker_employee=False,
        role_ids=world.roles_of(number),
        sessions=[],
        ui_state={"homepageViewMode": "grid", "dashboardsNext": True, "lastSeen": rng.randrange(10**12)},
        verified_looker_employee=False,
        roles_externally_managed=False,
        allow_direct_roles=True,
        allow_normal_group_membership=True,
        allow_roles_from_normal_groups=True,
        is_service_account=False,
        url=url,
    )
    if world.whole:
        _vary(world, number, made)
    return made


def public_user(world: World, number: int) -> Content:
    """Return a user as it is nested in plans."""
    user_id, name = world.id("user", number), world.user_name(number)
    first_name, last_name = name.split(" ", 1)
    return blank(
        USER_PUBLIC,
        can=can("show", "show_details"),
        id=user_id,
        first_name=first_name,
        last_name=last_name,
        display_name=name,
        avatar_url=f"{HOST}/avatar/{user_id}.png",
        url=_url(user_id),
    )


def credentials(keys: list[str], rng: random.Random, **given: object) -> Content:
    """Return a login; its times are texts."""
    return blank(keys, created_at=_time(rng), is_disabled=False, **given)


def _url(user_id: str) -> str:
    return f"{HOST}/api/4.0/users/{user_id}"


def _time(rng: random.Random, *years: int) -> str:
    return moment(rng, *years).isoformat(timespec="milliseconds")


# -- what only a whole vault has --------------------------------------------------------------------


def _vary(world: World, number: int, made: Content) -> None:
    rng = world.rng("variety", number)
    if chance(rng, ELSEWHERE_SHARE):
        made["home_folder_id"] = world.id("folder", rng.randrange(world.tree.first - 1, world.tree.count))
    if made["credentials_email"]:
        made["credentials_email"]["is_disabled"] = made["is_disabled"]
    for every, offset, alter in ODDITIES if world.oddities else ():
        if number % every == offset:
            alter(rng, number, made)


def make_embed_user(rng: random.Random, number: int, made: Content) -> None:
    """Make one whom an embedding application signed in; no field of it names its folder."""
    login = credentials(
        CREDENTIALS_EMBED,
        rng,
        external_group_id=f"tenant-{number % 3}",
        external_user_id=embed_id(number),
        id=made["id"],
        logged_in_at=_time(rng, 2025, 1),
        type="embed",
        url=f"{made['url']}/credentials_embed/{made['id']}",
    )
    nothing = dict.fromkeys(("credentials_email", "email", "personal_folder_id"))
    made.update(nothing, credentials_embed=[login])


def make_service_account(rng: random.Random, number: int, made: Content) -> None:
    """Make one that only scripts log in as; its personal folder is known by the creator alone."""
    key = credentials(CREDENTIALS_API3, rng, id=str(number), client_id=token(rng, 20), type="api3")
    key["url"] = f"{made['url']}/credentials_api3/{number}"
    nothing = dict.fromkeys(("credentials_email", "email", "personal_folder_id"))
    name = f"nightly-backup-{number}"
    made.update(nothing, credentials_api3=[key], is_service_account=True, service_account_name=name)


def add_saml(rng: random.Random, number: int, made: Content) -> None:
    """Add a login at an identity provider, which gives the roles as well."""
    given = {
        "email": made["email"] or f"user{number}@example.com",
        "saml_user_id": token(rng, 16),
        "type": "saml",
    }
    made["credentials_saml"] = credentials(CREDENTIALS_SAML, rng, **given)
    made["roles_externally_managed"] = True


def capitalise_email(_: random.Random, __: int, made: Content) -> None:
    """Write the address as its owner likes it; people are the same whatever the case."""
    if made["email"]:
        made["email"] = made["email"].replace("user", "First.User")
        made["credentials_email"]["email"] = made["email"]


def keep_few_keys(_: random.Random, __: int, made: Content) -> None:
    """Keep what an extraction with few fields has; the personal folder is known by the creator alone."""
    made.update(dict.fromkeys(key for key in made if key not in FEW_KEYS))


# (every, offset, what it does): users whose number is `offset` modulo `every`.
ODDITIES: tuple[tuple[int, int, Callable[[random.Random, int, Content], None]], ...] = (
    (7, 6, add_saml),
    (11, 7, capitalise_email),
    (*EMBED_USER, make_embed_user),
    (50, 4, make_service_account),
    (40, 12, keep_few_keys),
)
