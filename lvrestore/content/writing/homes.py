"""Folders that items lose: where such an item goes, what the folder was called and whose it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy

import msgspec

from lvrestore.content.calls import Exists, Steps, Warn
from lvrestore.content.knowledge import References, destination_of
from lvrestore.model import Json
from lvrestore.text import person_name, shortened

ROOTS = ("is_shared_root", "is_users_root", "is_embed_shared_root", "is_embed_users_root")
MADE_BY_LOGIN = "an embed folder is made when its user logs in"


def housed(source_id: str | None, refs: References) -> Steps[References]:
    """What one item may know, with the folder for orphans standing for its own where that is not there."""
    home = refs.policy.orphans_to
    if home is None or not source_id or (yield from _is_there(source_id, refs)):
        return refs
    mine = copy(refs)
    folders = {**refs.policy.folders, source_id: home}
    mine.policy = msgspec.structs.replace(refs.policy, folders=folders, lost_folder=source_id)
    return mine


def report_orphan(refs: References) -> Steps[None]:
    """Say that an item is put into the folder for orphans, if it is one."""
    if (lost := refs.policy.lost_folder) is not None:
        text = f"{called(lost, refs)} is not there: put into folder {refs.policy.orphans_to}"
        yield Warn("orphan", text)


def stays(live: Mapping[str, Json], refs: References) -> bool:
    """Whether a live item has lost the folder of the backup and has another one, in which somebody put it."""
    return refs.policy.lost_folder is not None and not live.get("deleted")


def _is_there(source_id: str, refs: References) -> Steps[bool]:
    here = destination_of(refs, "folder", source_id)
    return here is not None and not (yield Exists("folder", (here,), quiet=True))


def is_made_by_login(folder: Mapping[str, Json], refs: References) -> bool:
    """Whether signed embedding makes a folder: the one of a user or group, not those that lie in it."""
    if folder.get("is_embed") is not True:
        return False
    above = refs.content("folder", str(folder.get("parent_id"))) or {}
    return bool(folder.get("external_id")) or not above or any(above.get(root) is True for root in ROOTS)


def called(source_id: str, refs: References) -> str:
    """A folder to people: its number, its path in the backup, and whose it is or whose it lies in."""
    way = [*_upwards(source_id, refs)]
    if not way:
        return f"folder {source_id}"
    path = "/".join(str(content.get("name")) for _, content in reversed(way))
    text = f"folder {source_id} {shortened(path[::-1])[::-1]!r}"
    for one, content in way:
        if content.get("is_personal") is True and (owner := owner_name(one, refs)):
            return f"{text} ({'' if one == source_id else 'in '}the personal folder of {owner})"
        if is_made_by_login(content, refs):
            return f"{text} ({'' if one == source_id else 'in '}a folder of signed embedding)"
    return text


def owner_name(folder_id: str, refs: References) -> str | None:
    """Whose personal folder it is: `Bob K <bob@example.com>`, else `user 3`."""
    owner = refs.owner_of(folder_id)
    if owner is None:
        return None
    user = refs.content("user", owner) or {}
    return person_name(user) or f"user {owner}"


def account_needed(source_id: str, refs: References) -> str | None:
    """Whose account a folder is made with, where it is a personal one or lies in one."""
    personal = (one for one, content in _upwards(source_id, refs) if content.get("is_personal") is True)
    return next((owner for one in personal if (owner := owner_name(one, refs))), None)


def can_be_made(source_id: str, refs: References) -> bool:
    """Whether the backup has all that brings a folder back: folders that anybody may make, or their user's account."""
    way = [*_upwards(source_id, refs)]
    for one, content in way:
        if any(content.get(root) is True for root in ROOTS):
            return True
        if content.get("is_personal") is True:
            owner = refs.owner_of(one)
            return owner is not None and refs.has_row("user", owner)
        if is_made_by_login(content, refs) or refs.marked_deleted("folder", one):
            return False
    return bool(way)


def _upwards(source_id: str, refs: References) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """A folder and those above it in the backup, each once."""
    seen: set[str] = set()
    one: str | None = source_id
    while one and one not in seen and (content := refs.content("folder", one)) is not None:
        seen.add(one)
        yield one, content
        one = content.get("parent_id")
