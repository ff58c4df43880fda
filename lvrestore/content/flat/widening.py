"""What people could do more after a write to a set or a role: it is named before it happens."""

from __future__ import annotations

from lvrestore.content.calls import Get, Steps
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body
from lvrestore.looker.protocol import path

SETS = {"permission_set": "permissions", "model_set": "models"}
EVERYTHING = "*"
Gains = Steps[list[str]]


def set_gains(live: Body, delta: Body) -> Gains:
    """Permissions or models that a set gets more of."""
    yield from ()
    return [
        _named(holds, one)
        for holds in SETS.values()
        for one in sorted(set(delta.get(holds) or ()) - set(live.get(holds) or ()))
    ]


def role_gains(live: Body, delta: Body) -> Gains:
    """Permissions and models of the sets that a role gets, beyond those of the sets that it has."""
    gained: list[str] = []
    for kind, holds in SETS.items():
        if (set_id := delta.get(f"{kind}_id")) is None:
            continue
        before = yield from _held(kind, (live.get(kind) or {}).get("id"))
        after = yield from _held(kind, set_id)
        if before is None or after is None:
            gained.append(f"what {kind} {set_id} holds")  # a rehearsal has not made that set
        else:
            gained += [_named(holds, one) for one in sorted(after - before)]
    return gained


def _named(holds: str, one: str) -> str:
    sort = holds.removesuffix("s")
    return f"every {sort}" if one == EVERYTHING else f"{sort} {one}"


def _held(kind: str, set_id: str | None) -> Steps[set[str] | None]:
    """What a set holds, `EVERYTHING` with it if that is so; None if nobody can tell."""
    if set_id is None:
        return set()
    live = yield Get(path(f"{kind}s", set_id))
    if not isinstance(live, dict) or SETS[kind] not in live:
        return None
    return {*(live[SETS[kind]] or ()), *([EVERYTHING] if live.get("all_access") else [])}


def gives_everything(source_id: str, role_id: str, refs: References) -> Steps[bool]:
    """Whether who has a role may do everything, like Admin: its permission set has `all_access`."""
    live = (yield Get(path("roles", role_id))) or {}
    shown = live.get("permission_set") or (refs.content("role", source_id) or {}).get("permission_set") or {}
    if "all_access" in shown:
        return shown["all_access"] is True
    held = (yield Get(path("permission_sets", str(shown["id"])))) if shown.get("id") else None
    return bool((held or {}).get("all_access"))
