"""Groups, roles, and the sets of permissions and models that roles are made of."""

from __future__ import annotations

import random
from collections.abc import Callable

from vaultmaker.shapes import GROUP, MODEL_SET, PERMISSION_SET, ROLE, Content, blank, words
from vaultmaker.wording import HOST, MODELS, can
from vaultmaker.world import World, falls

ODD_TITLE = (4, 0)
PERMISSIONS = words(
    """access_data clear_cache_refresh create_alerts create_public_looks create_table_calculations deploy
    develop download_with_limit download_without_limit embed_browse_spaces embed_save_shared_space explore
    follow_alerts manage_embed_settings manage_models manage_spaces save_content
    schedule_external_look_emails schedule_look_emails see_drill_overlay see_logs see_lookml_dashboards
    see_looks see_queries see_user_dashboards see_users send_to_s3 send_to_sftp sudo support_access_toggle
    use_sql_runner"""
)
# What Looker comes with, by number. The first of each cannot be changed at all.
ALL_USERS = "All Users"
BUILT_IN_PERMISSION_SETS = (
    "Admin",
    "Developer",
    "LookML Dashboard User",
    "User",
    "User who can't view LookML",
    "Viewer",
)
BUILT_IN_MODEL_SET = "All"
ROLES_OF_OLD = {1: "Admin", 2: "Developer", 3: "User", 4: "Viewer"}


def permission_set(world: World, number: int) -> Content:
    """Return a permission set; the first ones are built in."""
    rng, built_in = world.rng("permission_set", number), number <= len(BUILT_IN_PERMISSION_SETS)
    own = world.title(rng, number - len(BUILT_IN_PERMISSION_SETS), ODD_TITLE)
    some = sorted(rng.sample(PERMISSIONS, rng.randint(1, len(PERMISSIONS) - 1)))
    return blank(
        PERMISSION_SET,
        can=can("show"),
        all_access=number == 1,
        built_in=built_in,
        id=world.id("permission_set", number),
        name=BUILT_IN_PERMISSION_SETS[number - 1] if built_in else own,
        permissions=PERMISSIONS if number == 1 else some,
        url=f"{HOST}/api/4.0/permission_sets/{world.id('permission_set', number)}",
    )


def model_set(world: World, number: int) -> Content:
    """Return a model set; the first one holds all models."""
    rng, built_in = world.rng("model_set", number), number == 1
    own = world.title(rng, number - 1, ODD_TITLE)
    some = rng.sample(MODELS, rng.randint(1, len(MODELS)))
    return blank(
        MODEL_SET,
        can=can("show"),
        all_access=built_in,
        built_in=built_in,
        id=world.id("model_set", number),
        models=list(MODELS) if built_in else some,
        name=BUILT_IN_MODEL_SET if built_in else own,
        url=f"{HOST}/api/4.0/model_sets/{world.id('model_set', number)}",
    )


def role(world: World, number: int) -> Content:
    """Return a role with both of its sets in it; the first ones are those of a new instance."""
    rng, role_id = world.rng("role", number), world.id("role", number)
    own = world.title(rng, number - len(ROLES_OF_OLD), ODD_TITLE)
    permissions = permission_set(world, _set_number(world, rng, number, "permission_set"))
    models = model_set(world, _set_number(world, rng, number, "model_set"))
    url = f"{HOST}/api/4.0/roles/{role_id}"
    return blank(
        ROLE,
        can=can("show", "update"),
        id=role_id,
        name=ROLES_OF_OLD.get(number, own),
        permission_set=permissions,
        permission_set_id=permissions["id"],
        model_set=models,
        model_set_id=models["id"],
        url=url,
        users_url=f"{url}/users",
    )


def _set_number(world: World, rng: random.Random, role_number: int, kind: str) -> int:
    if role_number not in ROLES_OF_OLD:
        return world.some_number(rng, kind)
    named = BUILT_IN_PERMISSION_SETS.index(ROLES_OF_OLD[role_number]) + 1
    return named if kind == "permission_set" and named <= world.counts[kind] else 1


def group(world: World, number: int) -> Content:
    """Return a group; the first one is everybody."""
    rng, everybody, group_id = world.rng("group", number), number == 1, world.id("group", number)
    own = world.title(rng, number - 1, ODD_TITLE)
    made = blank(
        GROUP,
        can=can("show", "index", "update"),
        can_add_to_content_metadata=True,
        contains_current_user=everybody,
        externally_managed=False,
        id=group_id,
        include_by_default=everybody,
        name=ALL_USERS if everybody else own,
        user_count=world.group_sizes[group_id],
    )
    for every, offset, alter in GROUP_ODDITIES if world.oddities else ():
        if falls(number, (every, offset)):
            alter(number, made)
    return made


def manage_externally(number: int, made: Content) -> None:
    """Give the group to an identity provider."""
    made.update(externally_managed=True, external_group_id=f"idp-group-{number}")


def make_embed_group(number: int, made: Content) -> None:
    """Make a group that came with the users of an embedding application."""
    made.update(external_group_id=f"tenant-{number}", name=f"tenant-{number}")


GROUP_ODDITIES: tuple[tuple[int, int, Callable[[int, Content], None]], ...] = (
    (9, 6, manage_externally),
    (13, 11, make_embed_group),
)
