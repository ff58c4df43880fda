"""Tell how an item is looked for, to whoever asks: rules, candidates, objections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lvrestore.content.calls import Candidate, Restored, Tried
from lvrestore.model import Json, Operation
from lvrestore.text import person_name, quoted

Live = Mapping[str, Json]
MAPPING = "mapping"
# Where an object is, by the first of these fields that it shows.
PLACES = {
    "folder_id": "folder",
    "parent_id": "folder",
    "dashboard_id": "dashboard",
    "look_id": "look",
    "query_id": "query",
    "email": "address",
    "user_id": "user",
}


def candidate(live: Live, objection: str = "", id_field: str = "id") -> Candidate:
    """A live object as a candidate."""
    named = live.get("title") or live.get("name")
    place = next((f"{kind} {live[field]}" for field, kind in PLACES.items() if live.get(field)), "")
    return Candidate(str(live.get(id_field)), str(named or person_name(live)), place, objection)


def tried(
    rule: str,
    asked: str,
    found: Sequence[Live],
    end: Live | Restored | None,
    objection: Callable[[Live], str] = lambda _live: "",
    id_field: str = "id",
) -> Tried:
    """What came of a rule that found these: `end` is the one that was taken, or how the item ends by it."""
    taken = None if end is None or isinstance(end, Restored) else str(end.get(id_field))
    candidates = tuple(
        candidate(one, "" if str(one.get(id_field)) == taken else objection(one), id_field) for one in found
    )
    return Tried(rule, asked, outcome_of(end, taken), candidates)


def outcome_of(end: Live | Restored | None, taken: str | None) -> str:
    """In a few words, what a rule has led to."""
    if isinstance(end, Restored):
        return f"{end.operation}: {end.reason}"
    return f"matched {taken}" if taken is not None else "not found"


def doubtful(
    kind: str, source_id: str, name: Json, found: Sequence[Live], alike: str, instead: str = ""
) -> Restored:
    """The end of an item that can be any of these objects, or none: all are named, and none is touched.

    `alike` says what speaks for and against them. One can be adopted, or what `instead` says be done.
    """
    names = ", ".join(f"{kind} {one['id']}" for one in found)
    instead = instead or "rename or move one of them to have both"
    todo = (
        f"it is left as it is: --adopt takes and overwrites it, or {instead}"
        if len(found) == 1
        else "all are left as they are: rename, move or delete all but one, or say which by `lvrestore map import`"
    )
    item = f"{kind} {source_id} {quoted(name)}"
    reason = f"on the destination, {names} may be {item} of the backup, or not ({alike}); {todo}"
    return Restored(operation=Operation.CONFLICT, reason=reason)
