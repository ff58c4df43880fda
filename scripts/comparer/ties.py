"""Compare who is in which group and who has which role."""

from __future__ import annotations

from collections.abc import Iterator

from comparer.pairing import automatic
from comparer.sources import Content
from comparer.world import World

# The users' field, the type it names, and where a dump has the ties.
TIES = (("group_ids", "group", "memberships"), ("role_ids", "role", "grants"))
Tie = tuple[str, str, str]


def wanted_ties(world: World) -> set[Tie]:
    """What the vault says, as far as both ends are on the instance and nobody else decides it."""
    return {
        (kind, world.there("user", user_id) or "", world.there(kind, other) or "")
        for user_id, user in (world.backup.items["user"] if world.backup else {}).items()
        if world.exists("user", user_id) and not automatic("user", user)
        for field, kind, _ in TIES
        for other in user.get(field) or ()
        if world.exists(kind, other) and _is_ours(world, kind, other, user)
    }


def _is_ours(world: World, kind: str, source_id: str, user: Content) -> bool:
    """Whether a restore may make the tie: not where an identity provider or the server itself does."""
    if kind == "role":
        return not user.get("roles_externally_managed")
    content = world.backup.content("group", source_id) if world.backup else {}
    return not automatic("group", content)


def live_ties(dump: dict[str, dict[str, Content]]) -> set[Tie]:
    """Who is tied to what, directly."""
    return {
        (kind, user_id, other)
        for _, kind, table in TIES
        for other, held in dump.get(table, {}).items()
        for user_id in held["user_ids"]
    }


def compare_ties(world: World, before: dict[str, dict[str, Content]]) -> Iterator[tuple[str, str, str]]:
    """Yield (type, id, what is wrong): what is missing, and what is beyond the vault and beyond what was before."""
    wanted, live = wanted_ties(world), live_ties(dict(world.dump))
    for kind, user_id, other in sorted(wanted - live):
        yield "user", user_id, f"lacks {kind} {other}"
    said = {(kind, world.there("user", i), world.there(kind, o)) for kind, i, o in _all_said(world)}
    for kind, user_id, other in sorted(live - said - live_ties(before)):
        if not world.live(kind)[other].get("include_by_default"):
            yield "user", user_id, f"has {kind} {other}, which neither the vault nor the state before says"


def _all_said(world: World) -> Iterator[Tie]:
    for user_id, user in (world.backup.items["user"] if world.backup else {}).items():
        for field, kind, _ in TIES:
            yield from ((kind, user_id, other) for other in user.get(field) or ())
