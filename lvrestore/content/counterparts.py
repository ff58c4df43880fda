"""What stands on another instance for an object that the run does not restore, but an item of it refers or links to.

It is looked for by its natural key and only referred to, never written. Anything but one sure hit is none: then the
item that refers to it says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from lvrestore.content.calls import Get, Mapped, Steps
from lvrestore.content.flat.generator import shown_query
from lvrestore.content.flat.row import Flat, own_body
from lvrestore.content.flat.rows import (
    FOLDER,
    GROUP,
    LOOK,
    MODEL_SET,
    PERMISSION_SET,
    VaultFolder,
    VaultModelSet,
    VaultPermissionSet,
    same_root,
)
from lvrestore.content.identity.by_identity import FOUND_ANEW
from lvrestore.content.identity.namesakes import taken_by_name
from lvrestore.content.knowledge import References, destination_of, is_half_made
from lvrestore.content.moved.links import name_strays, unsettled_targets
from lvrestore.content.moved.queries import is_query
from lvrestore.content.people.finding import VaultUser, users_of_address
from lvrestore.content.writing.bodies import Body, changed
from lvrestore.content.writing.homes import ROOTS
from lvrestore.content.writing.shapes import known
from lvrestore.errors import ValidationError
from lvrestore.looker.classify import Refused
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MatchRule

S = TypeVar("S", bound=msgspec.Struct)
Find = Callable[[Mapping[str, Json], References], Steps[str | None]]


def find_counterparts(wanted: Iterable[tuple[str, str]], refs: References) -> Steps[None]:
    """Map each of these (kind, source id) that no item of the run has been responsible for, as far as it is found."""
    for kind, source_id in wanted:
        yield from counterpart(kind, source_id, refs)


def follow(value: Json, refs: References) -> Steps[None]:
    """Look for what a value links to and no item has brought, and name what is not found.

    Only on another instance, and for the last time that the run comes to an item: what it restores is there by then.
    """
    if refs.same_instance:
        return
    for kind, source_id in sorted(unsettled_targets(value, refs) - refs.not_here):
        try:
            here = yield from counterpart(kind, source_id, refs)
        except (Refused, ValidationError):
            here = None  # the item itself is well without it
        if here is None:
            refs.not_here.add((kind, source_id))
    yield from name_strays(value, refs)


def counterpart(kind: str, source_id: str, refs: References) -> Steps[str | None]:
    """The destination's id of an object: mapped already, or found now; None if it is not known.

    What the run has come to and could not bring here has no counterpart: another one of its name is another one.
    What an earlier run has left half made is not looked for either: it would be found, and is not to be relied on.
    """
    here = destination_of(refs, kind, source_id)
    if here is None and is_half_made(refs, kind, source_id):
        return None
    content = refs.content(kind, source_id) if here is None and kind in FINDERS else None
    if content is None or refs.marked_deleted(kind, source_id):
        return here
    # A personal folder is made with its user, by no item of its own.
    if refs.ended(kind, source_id) and content.get("is_personal") is not True:
        return None
    here = yield from FINDERS[kind]({**content, "id": source_id}, refs)
    if here is not None:
        referred = kind in FOUND_ANEW
        rule = _rule_of(kind, content)
        yield Mapped(kind, source_id, here, rule, settled=not referred, referred=referred)
        if kind == "group":
            yield taken_by_name(source_id, here, content.get("name"))
    return here


def _rule_of(kind: str, content: Mapping[str, Json]) -> MatchRule:
    """What the finder of a kind goes by."""
    if kind != "folder":
        return KEYS.get(kind, MatchRule.NAME)
    if any(content.get(flag) is True for flag in ROOTS):
        return MatchRule.ROOT
    return MatchRule.PERSONAL_FOLDER if content.get("is_personal") is True else MatchRule.PATH


def _folder(content: Mapping[str, Json], refs: References) -> Steps[str | None]:
    """By the path of names from a root, which its flag tells; a personal folder goes with its user."""
    vault = _typed(content, VaultFolder)
    if vault is None or vault.is_embed is True:
        return None
    if found := (yield from same_root(vault)):
        return _only(found)
    if vault.is_personal is True:
        return (yield from _personal_folder(vault.id, refs))
    parent = known(vault.parent_id)
    if not parent or _is_in_circle(vault.id, refs):
        return None
    here = yield from counterpart("folder", parent, refs)
    if here is None:
        return None
    return _only((yield from FOLDER.candidates({"name": vault.name, "parent_id": here})))


def _is_in_circle(folder_id: str, refs: References) -> bool:
    """Whether the folders above it lead back into themselves, as damaged backups have it."""
    seen: set[str] = set()
    above: str | None = folder_id
    while above and above not in seen:
        seen.add(above)
        above = (refs.content("folder", above) or {}).get("parent_id")
    return bool(above)


def _personal_folder(folder_id: str, refs: References) -> Steps[str | None]:
    owner = refs.owner_of(folder_id)
    user_id = (yield from counterpart("user", owner, refs)) if owner else None
    live = (yield Get(path("users", user_id))) if user_id else None
    return (live or {}).get("personal_folder_id") or None


def _user(content: Mapping[str, Json], _refs: References) -> Steps[str | None]:
    vault = _typed(content, VaultUser)
    return _only((yield from users_of_address(vault.address))) if vault and vault.address else None


def _group(content: Mapping[str, Json], _refs: References) -> Steps[str | None]:
    return _only((yield from GROUP.candidates({"name": content.get("name")})))


def _set_of(row: Flat, shape: type[VaultPermissionSet | VaultModelSet]) -> Find:
    def find(content: Mapping[str, Json], _refs: References) -> Steps[str | None]:
        """By name, if it holds the same: a role must not permit something else here."""
        vault = _typed(content, shape)
        if vault is None:
            return None
        found = yield from row.candidates({"name": known(vault.name)})
        body = own_body(row, vault)
        return _only([live for live in found if row.skip(vault) or not changed(body, row.seen(live))])

    return find


def _look(content: Mapping[str, Json], refs: References) -> Steps[str | None]:
    """By title and folder, if it shows the same query."""
    folder_id = content.get("folder_id")
    here = (yield from counterpart("folder", str(folder_id), refs)) if folder_id else None
    query = content.get("query") or refs.query(str(content.get("query_id")))
    if here is None or query is None:
        return None
    found = yield from LOOK.candidates({"title": content.get("title"), "folder_id": here})
    shown: list[tuple[Body, Json]] = []
    for one in found:
        shown += [(one, (yield from shown_query(one)))]
    return _only([one for one, live in shown if is_query(str(content.get("query_id")), query, live)])


def _dashboard(content: Mapping[str, Json], _refs: References) -> Steps[str | None]:
    """By its slug, if it has the same title."""
    slug = content.get("slug")
    if not slug:
        return None
    found = yield Get("/dashboards/search", {"slug": slug, "fields": "id,slug,title,created_at"})
    same = [one for one in found if one.get("slug") == slug and one.get("title") == content.get("title")]
    return _only(same)


KEYS = {
    "user": MatchRule.EMAIL,
    "look": MatchRule.TITLE_IN_FOLDER,
    "dashboard": MatchRule.SLUG,
}
FINDERS: Mapping[str, Find] = {
    "folder": _folder,
    "user": _user,
    "group": _group,
    "permission_set": _set_of(PERMISSION_SET, VaultPermissionSet),
    "model_set": _set_of(MODEL_SET, VaultModelSet),
    "look": _look,
    "dashboard": _dashboard,
}


def _only(found: list[Body]) -> str | None:
    return str(found[0]["id"]) if len(found) == 1 else None


def _typed(content: Mapping[str, Any], shape: type[S]) -> S | None:
    try:
        return msgspec.convert(content, shape, strict=False)
    except msgspec.ValidationError:
        return None
