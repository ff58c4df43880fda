"""Names that only one object may have: who holds one that was refused, and whether it becomes free in this run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lvrestore.content.calls import Held, Reads, Steps
from lvrestore.content.knowledge import References, has_own_row
from lvrestore.content.writing.bodies import Body, bare
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.model import History, Json, Waits
from lvrestore.text import quoted

Candidates = Reads[list[Body]]


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """What no two objects of a kind may share: the name is the first of `fields`, the others say within what.

    `holders` lists the live objects that have the name of a body. `wanted` takes the name from the backup's content
    of another item, with the destination's ids. `interim` makes a name that nobody else has, of an item's source id.
    """

    kind: str
    fields: tuple[str, ...]
    holders: Callable[[Body], Candidates]
    wanted: Callable[[Mapping[str, Json], References], Body]
    interim: Callable[[str], str]
    id_field: str = "id"

    def of(self, body: Mapping[str, Json]) -> Body:
        """The name in a body, in the form in which names are compared."""
        return {field: bare(body.get(field)) for field in self.fields}


class Claimant(msgspec.Struct, frozen=True):
    """An item that wants a name: `body` says which, `destination_id` is its own object if it has one."""

    source_id: str
    destination_id: str | None
    body: Body


def is_taken(name: Name, refused: Refused) -> bool:
    """Whether the server refuses a name because another object has it. Which status says so is unconfirmed."""
    if refused.kind is FailureKind.CONFLICT:
        return True
    said = "already_exists" in refused.codes or name.fields[0] in refused.fields
    return refused.kind is FailureKind.VALIDATION and said


def held(name: Name, one: Claimant, refused: Refused, refs: References, history: History) -> Steps[Held]:
    """What to say of a refused name, with its holder; it is worth waiting for if the holder is to get another.

    Where nobody has it, somebody may have had it a moment ago, and it is worth another try.
    """
    holder_id = yield from holder_of(name, one)
    if holder_id is None:
        return Held(refused, Waits.FOR_NAME)
    row = row_of(name.kind, holder_id, refs)
    moves = row is not None and row != one.source_id and _is_to_move(name, row, one.body, refs)
    # At the second look an item that the run has not come to is not among those it restores.
    waits = moves and (not history.retried or refs.ended(name.kind, str(row)))
    return Held(
        refused.reworded(_told(name, one, holder_id, row, refused)), Waits.FOR_NAME if waits else Waits.NO
    )


def _told(name: Name, one: Claimant, holder_id: str, row: str | None, refused: Refused) -> str:
    if row == one.source_id:
        return (
            f"{name.kind} {holder_id} is on the destination, which answers that there is none: this API key may see "
            f"only a part of it; use the key of an admin ({refused.message})"
        )
    field = name.fields[0]
    return (
        f"on the destination, {name.kind} {holder_id} has the {field} {quoted(one.body.get(field))} that {name.kind} "
        f"{one.source_id} has in the backup: rename or move one of them, then restore again ({refused.message})"
    )


def settle(
    name: Name,
    one: Claimant,
    refused: Refused,
    refs: References,
    history: History,
    rename: Callable[[str], Steps[object]],
) -> Steps[Held]:
    """What becomes of a refused name of an object that exists: if need be it gives way, so that others can go on.

    `rename` gives the object the interim name, unless it has that already.
    """
    told = yield from held(name, one, refused, refs, history)
    if not (history.retried and told.waits and (yield from _gives_way(name, one, refs))):
        return told
    yield from rename(name.interim(one.source_id))
    return Held(told.refused, Waits.GAVE_WAY)


def _gives_way(name: Name, one: Claimant, refs: References) -> Steps[bool]:
    """Whether the item must take another name for a while, as its own is held by one that waits for it in turn.

    Of all items in such a circle it is the one of the lowest id, and each of them is one that this run restores.
    """
    seen, now = [one.source_id], one
    while True:
        holder_id = yield from holder_of(name, now)
        row = row_of(name.kind, holder_id, refs) if holder_id is not None else None
        if row == one.source_id:
            return one.source_id == min(seen)
        if row is None or row in seen or not refs.ended(name.kind, row):
            return False
        seen.append(row)
        now = Claimant(row, holder_id, name.wanted(refs.content(name.kind, row) or {}, refs))


def holder_of(name: Name, one: Claimant) -> Reads[str | None]:
    """The id of the object, not the item's own, that has the name."""
    if any(one.body.get(field) is None for field in name.fields):
        return None
    ids = [str(live[name.id_field]) for live in (yield from name.holders(one.body))]
    return next((i for i in ids if i != one.destination_id), None)


def row_of(kind: str, destination_id: str, refs: References) -> str | None:
    """The item of the backup that a live object is, if it is one."""
    source_id = refs.mapped_from(kind, destination_id)
    if source_id is None and has_own_row(refs, kind, destination_id):
        return destination_id
    return source_id


def _is_to_move(name: Name, row: str, body: Body, refs: References) -> bool:
    """Whether an item of the backup is to have another name than this one."""
    content = refs.content(name.kind, row)
    return content is not None and name.of(name.wanted(content, refs)) != name.of(body)
