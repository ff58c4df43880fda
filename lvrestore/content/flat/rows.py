"""The types without parts, a row each: folders, looks, models, sets, roles, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.calls import Exists, Get, Steps
from lvrestore.content.flat.row import Flag, Flat, Text
from lvrestore.content.flat.widening import role_gains
from lvrestore.content.identity.names import Candidates
from lvrestore.content.identity.namesakes import follows_model
from lvrestore.content.knowledge import References, has_own_row, whereabouts
from lvrestore.content.lists import all_pages, lying_in
from lvrestore.content.writing.bodies import Body, bare, body_of
from lvrestore.content.writing.certificates import as_comparable
from lvrestore.content.writing.homes import MADE_BY_LOGIN, ROOTS, is_made_by_login
from lvrestore.content.writing.shapes import known
from lvrestore.looker.models import (
    CreateFolder,
    WriteGroup,
    WriteLookmlModel,
    WriteLookWithQuery,
    WriteModelSet,
    WritePermissionSet,
    WriteRole,
)
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MatchRule
from lvrestore.text import quoted

PAGE = 500


class VaultFolder(CreateFolder, frozen=True, kw_only=True):
    """A folder; roots, personal and embed folders are known by their flags, never by name."""

    id: str = ""
    created_at: Any = UNSET
    is_shared_root: Flag = UNSET
    is_users_root: Flag = UNSET
    is_embed_shared_root: Flag = UNSET
    is_embed_users_root: Flag = UNSET
    is_personal: Flag = UNSET
    is_embed: Flag = UNSET
    external_id: Text = UNSET


class VaultLook(WriteLookWithQuery, frozen=True, kw_only=True):
    """A look; its query is in the backup only if something else than lookervault put it there."""

    id: str = ""
    created_at: Any = UNSET
    query: dict[str, Any] | UnsetType | None = UNSET


class VaultModel(WriteLookmlModel, frozen=True, kw_only=True):
    """A LookML model's configuration; its name is its id."""

    id: str = ""


class VaultSet(msgspec.Struct, frozen=True, kw_only=True):
    """What permission sets and model sets have in common."""

    id: str = ""
    built_in: Flag = UNSET
    all_access: Flag = UNSET


class VaultPermissionSet(WritePermissionSet, frozen=True, kw_only=True):
    """A permission set."""

    id: str = ""
    built_in: Flag = UNSET
    all_access: Flag = UNSET


class VaultModelSet(WriteModelSet, frozen=True, kw_only=True):
    """A model set."""

    id: str = ""
    built_in: Flag = UNSET
    all_access: Flag = UNSET


class VaultRole(WriteRole, frozen=True, kw_only=True):
    """A role; a GET shows its sets as objects, only their ids are written."""

    id: str = ""
    internal: Flag = UNSET
    permission_set: VaultSet | UnsetType | None = UNSET
    model_set: VaultSet | UnsetType | None = UNSET


class VaultGroup(WriteGroup, frozen=True, kw_only=True):
    """A group, without members: those are in the users' `group_ids`."""

    id: str = ""
    externally_managed: Flag = UNSET
    external_group_id: Text = UNSET
    include_by_default: Flag = UNSET


def _folder_candidates(body: Body) -> Candidates:
    listed = yield from lying_in(body["parent_id"], "children")
    return _so_called(body, "name", listed)


def _so_called(body: Body, field: str, listed: Sequence[Body]) -> list[Body]:
    """Those of exactly this name; else those of the name that is left when a server strips it."""
    exact = [live for live in listed if live.get(field) == body.get(field)]
    return exact or [live for live in listed if bare(live.get(field)) == bare(body.get(field))]


def same_root(vault: VaultFolder) -> Candidates:
    """The root folder with the same flag, which is no matter of name or id; a personal folder has none."""
    flag = next((name for name in ROOTS if getattr(vault, name) is True), None)
    if flag is None:
        return []
    listed = yield Get("/folders", {"fields": f"id,{','.join(ROOTS)}"})
    return [live for live in listed if live.get(flag) is True]


def _folder_skip(vault: VaultFolder) -> str | None:
    if any(getattr(vault, name) is True for name in ROOTS):
        return "a root folder comes with the instance"
    if vault.is_personal is True:
        return "a personal folder is made with its user"
    if vault.is_embed is True and known(vault.external_id):
        return MADE_BY_LOGIN
    return None if vault.id.isdigit() else "not an ordinary folder"


def _embed_skip(vault: VaultFolder, refs: References) -> str | None:
    """The folder of an embed user has no mark of its own but its place; those in it are ordinary ones."""
    place = {"is_embed": known(vault.is_embed), "parent_id": known(vault.parent_id)}
    return MADE_BY_LOGIN if is_made_by_login(place, refs) else None


def _same_name_in_backup(vault: VaultFolder, refs: References) -> Steps[str | None]:
    """A folder's name is unique in its place, but a backup may have it twice, and only one of them can be here.

    That is one that is here already, else the first. It is asked of the backup and not of what others have found
    by now, so that the same one gets it in every order, also in a run without the mappings of an earlier one.
    """
    alike = refs.namesakes("folder", vault.id)
    if alike in {(), (vault.id,)}:
        return None
    here = {i: whereabouts(refs, "folder", i) for i in (*alike, vault.id)}
    absent = yield Exists("folder", tuple(to for to in here.values() if to is not None), quiet=True)
    alive = [i for i, to in here.items() if to is not None and to not in absent]
    if vault.id in alive:
        alive = _mapped_alike(vault.id, here, refs)
    first = (alive or alike)[0]
    if first == vault.id:
        return None
    return (
        f"folder {first} of the backup has the same name {quoted(vault.name)} in the same place, where only one "
        "can be, and is restored; to have both, rename one of them where the backup comes from"
    )


def _mapped_alike(source_id: str, here: Mapping[str, str | None], refs: References) -> list[str]:
    """The items that an item shares its live folder with, in order; none but itself if that folder has a row."""
    to = here[source_id]
    if to is None or has_own_row(refs, "folder", to):
        return [source_id]  # a row of an earlier life is told by its mapping
    return [i for i, other in here.items() if other == to]


def _look_candidates(body: Body) -> Candidates:
    listed = yield from lying_in(body["folder_id"], "looks")
    living = [live for live in listed if not live.get("deleted")]
    found: list[Body] = []
    for one in _so_called(body, "title", living):
        live = yield Get(path("looks", one["id"]))
        found += [live] if live is not None else []
    return found


def _named(collection: str) -> Callable[[Body], Candidates]:
    """The natural key is the name: the list is read and compared exactly, as search is LIKE with operators."""

    def candidates(body: Body) -> Candidates:
        name = body.get("name")
        found = yield from of_name(name)
        return found or ((yield from of_name(bare(name))) if bare(name) != name else [])

    def of_name(name: Json) -> Candidates:
        listed = yield from all_pages(collection, {}, ("name", str(name)))
        return [live for live in listed if live.get("name") == name]

    return candidates


def _set_skip(vault: VaultPermissionSet | VaultModelSet) -> str | None:
    return "built in" if vault.built_in is True or vault.all_access is True else None


def _role_skip(vault: VaultRole) -> str | None:
    return "built in" if vault.internal is True or known(vault.name) == "Admin" else None


def _role_sets(vault: VaultRole) -> Body:
    """The ids to write, out of the objects that a GET shows."""
    shown = {"permission_set_id": known(vault.permission_set), "model_set_id": known(vault.model_set)}
    return {name: one.id for name, one in shown.items() if one is not None}


def _role_seen(live: Body) -> Body:
    nested = {f"{name}_id": (live.get(name) or {}).get("id") for name in ("permission_set", "model_set")}
    return {**live, **nested}


def _group_skip(vault: VaultGroup) -> str | None:
    if vault.include_by_default is True:
        return "everybody is in it by itself"
    if vault.externally_managed is True:
        return "its members come from the identity provider"
    return "made by signed embedding" if known(vault.external_group_id) else None


def _sorted_lists(name: str) -> Callable[[Body], Body]:
    """Sets have no order: both sides are compared sorted."""
    return lambda live: {**live, name: sorted(live[name])} if isinstance(live.get(name), list) else live


FOLDER = Flat(
    kind="folder",
    collection="folders",
    writes=CreateFolder,
    candidates=_folder_candidates,
    key=MatchRule.PATH,
    unique=("name", "parent_id"),
    is_unique=True,
    refers_to={"parent_id": "folder"},
    skip=_folder_skip,
    skip_here=_embed_skip,
    counterparts=same_root,
    rivalry=_same_name_in_backup,
    notice="has the access of its parent; access is not in the backup",
)


LOOK = Flat(
    kind="look",
    collection="looks",
    writes=WriteLookWithQuery,
    candidates=_look_candidates,
    key=MatchRule.TITLE_IN_FOLDER,
    unique=("title", "folder_id"),
    refers_to={"folder_id": "folder", "query_id": "query", "user_id": "user"},
    seen=as_comparable,
    cleared=("description",),
    has_trash=True,
)


LOOKML_MODEL = Flat(
    kind="lookml_model",
    collection="lookml_models",
    writes=WriteLookmlModel,
    candidates=_named("lookml_models"),
    id_field="name",
    by_name=follows_model,
    remedy="name the model or its connections in a --remap file",
)


PERMISSION_SET = Flat(
    kind="permission_set",
    collection="permission_sets",
    writes=WritePermissionSet,
    candidates=_named("permission_sets"),
    skip=_set_skip,
    wanted=lambda vault: _sorted_lists("permissions")(body_of(vault, WritePermissionSet)),
    seen=_sorted_lists("permissions"),
    access=("permissions",),
    by_name=lambda *_: False,
)


MODEL_SET = Flat(
    kind="model_set",
    collection="model_sets",
    writes=WriteModelSet,
    candidates=_named("model_sets"),
    skip=_set_skip,
    wanted=lambda vault: _sorted_lists("models")(body_of(vault, WriteModelSet)),
    seen=_sorted_lists("models"),
    access=("models",),
    by_name=lambda *_: False,
)


ROLE = Flat(
    kind="role",
    collection="roles",
    writes=WriteRole,
    candidates=_named("roles"),
    refers_to={"permission_set_id": "permission_set", "model_set_id": "model_set"},
    skip=_role_skip,
    wanted=_role_sets,
    seen=_role_seen,
    access=("permission_set_id", "model_set_id"),
    by_name=lambda *_: False,
    gains=role_gains,
)


GROUP = Flat(
    kind="group",
    collection="groups",
    writes=WriteGroup,
    candidates=_named("groups"),
    skip=_group_skip,
)
