"""Find what each item of the vault is on the instance: by id where it is the same instance, else by natural key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping

from comparer.dashboards import differences
from comparer.others import differences_of
from comparer.sources import TYPES, Content
from comparer.world import World

ROOTS = ("is_shared_root", "is_users_root", "is_embed_shared_root", "is_embed_users_root")
ORDER = tuple(kind for _, kind, _ in TYPES)


def automatic(kind: str, content: Content) -> str | None:
    """Why the API does not make an item, None for one that it does."""
    flags = {
        "folder": (*ROOTS, "is_personal", "is_embed"),
        "user": ("is_service_account", "credentials_embed"),
        "group": ("include_by_default", "externally_managed", "external_group_id"),
        "role": ("internal",),
        "permission_set": ("built_in", "all_access"),
        "model_set": ("built_in", "all_access"),
        "board": ("deleted_at",),
        "scheduled_plan": ("run_once",),
    }
    found = next((flag for flag in flags.get(kind, ()) if content.get(flag)), None)
    if kind == "role" and content.get("name") == "Admin":
        return "Admin"
    if kind == "folder" and content.get("id") == "lookml":
        return "lookml"
    return found


def key_of(kind: str, content: Content, there: Callable[[str, str | None], str | None]) -> Hashable:
    """What tells an item from others of its type, in the destination's ids; None for what has nothing."""
    match kind:
        case "folder":
            return content.get("parent_id") and (there("folder", content["parent_id"]), content.get("name"))
        case "look" | "dashboard":
            return (there("folder", content.get("folder_id")), content.get("title"))
        case "user":
            login = content.get("email") or (content.get("credentials_email") or {}).get("email")
            return login.casefold() if login else _name(content)
        case "board":
            return content.get("title")
        case "scheduled_plan":
            shown = [there(one, content.get(f"{one}_id")) for one in ("dashboard", "look")]
            return (*shown, content.get("lookml_dashboard_id"), content.get("name"))
        case _:
            return content.get("name")


def _name(user: Content) -> tuple[str, str]:
    return user.get("first_name") or "", user.get("last_name") or ""


def pair_all(world: World) -> None:
    """Fill `world.there` type by type, each live object being at most one of the vault's."""
    for kind in ORDER:
        _pair(kind, world)


def _pair(kind: str, world: World) -> None:
    backup, live, ids = world.backup, world.live(kind), world.there.ids[kind]
    if backup is None:
        return
    items = backup.items[kind]
    if world.there.same:  # what the vault marks deleted may live on, and then is nothing new
        ids.update({source_id: source_id for source_id in backup.deleted[kind] if source_id in live})
    if world.there.same or kind == "lookml_model":
        ids.update({source_id: source_id for source_id in items if source_id in live})
    by_key: defaultdict[Hashable, list[str]] = defaultdict(list)
    taken = set(ids.values())
    for live_id, one in live.items():
        if live_id not in taken and not one.get("deleted") and not one.get("deleted_at"):
            by_key[key_of(kind, one, lambda _, live_id: live_id)].append(live_id)
    for source_id, content in _parents_first(kind, items):
        if source_id not in ids:
            found = _alike(kind, content, world, by_key)
            if found is not None:
                ids[source_id] = found


def _parents_first(kind: str, items: Mapping[str, Content]) -> Iterator[tuple[str, Content]]:
    """Folders by depth, anything else as it comes."""
    if kind != "folder":
        yield from items.items()
        return

    def depth(source_id: str, seen: frozenset[str] = frozenset()) -> int:
        parent = items.get(source_id, {}).get("parent_id")
        return 0 if parent is None or source_id in seen else 1 + depth(parent, seen | {source_id})

    yield from sorted(items.items(), key=lambda one: depth(one[0]))


def _alike(kind: str, content: Content, world: World, by_key: Mapping[Hashable, list[str]]) -> str | None:
    """The live object of the natural key: of several, one that is as it should be, if there is one."""
    if kind == "folder" and automatic(kind, content):
        return _special_folder(content, world)
    if kind == "user" and automatic(kind, content) and not content.get("email"):
        return None  # an account of a program or of signed embedding is nobody that a name tells
    keys = [key_of(kind, content, world.there)]
    if kind == "user" and not content.get("credentials_email"):
        keys.append(_name(content))  # made again without a login, a user has no address
    candidates = next((by_key[key] for key in keys if key is not None and by_key.get(key)), None)
    if not candidates:
        return None
    # Of namesakes the one that was made meanwhile is meant, not one that others had there before.
    likely = [one for one in candidates if world.is_new(kind, one)] or candidates
    found = likely[0] if len(likely) == 1 else _best(kind, content, likely, world)
    candidates.remove(found)
    return found


def _best(kind: str, content: Content, candidates: list[str], world: World) -> str:
    compared = {i: wrong_with(kind, content, world.live(kind)[i], world) for i in candidates}
    return min(candidates, key=lambda i: len(compared[i]))


def wrong_with(kind: str, content: Content, live: Content, world: World) -> list[str]:
    """Return what of a live object is not as the vault says."""
    if kind != "dashboard":
        return differences_of(kind, content, live, world)
    nobody = () if world.exists("user", content.get("user_id") or "") else ("user_id",)
    return differences(content, live, world=world, ignore=nobody)


def _special_folder(content: Content, world: World) -> str | None:
    """The root with the same flag, or the personal folder of the same person."""
    for flag in ROOTS:
        if content.get(flag):
            return next((i for i, one in world.live("folder").items() if one.get(flag)), None)
    if not content.get("is_personal") or world.backup is None:
        return None
    people = world.backup.items["user"].items()
    owners = (i for i, one in people if one.get("personal_folder_id") == content["id"])
    owner = world.there.ids["user"].get(next(owners, content.get("creator_id")))
    return world.live("user")[owner].get("personal_folder_id") if owner else None
