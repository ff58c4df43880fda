"""Which live object of a type without parts is the backup's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import UNSET

from lvrestore.content.calls import Exists, Restored, Steps
from lvrestore.content.case import Case
from lvrestore.content.flat.row import NESTED, TAKEN, Flat, Shape, require_sound
from lvrestore.content.identity.by_identity import by_identity
from lvrestore.content.identity.names import Claimant, held
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import References, has_own_row, made_since, superseded
from lvrestore.content.writing.bodies import Body, bare, changed, without
from lvrestore.content.writing.shapes import known
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.model import Json, Operation
from lvrestore.text import quoted


def find_object(flat: Flat, case: Case[Shape], body: Body) -> Steps[Body | Restored | None]:
    """The live object by identity, else by its natural key; or how the item ends if it must not be touched."""
    if flat.id_field != "id" and not case.refs.same_instance:
        # Where the name is the id, another name is another object, whatever an earlier run has called it.
        return (yield from find_by_name(flat, case, body))
    created_at = known(getattr(case.vault, "created_at", UNSET))
    found = yield from by_identity(
        case.refs, flat.kind, flat.collection, case.vault.id, created_at, has_trash=flat.has_trash
    )
    if found is not None:
        return found
    require_sound(flat, case.vault, body, case.refs)
    return (yield from find_by_name(flat, case, body))


def find_by_name(flat: Flat, case: Case[Shape], body: Body) -> Steps[Body | Restored | None]:
    """The live object that has the item's natural key; or how the item ends; None to create it."""
    listed = yield from flat.candidates(body)
    owners = {str(one.get("user_id")) for one in listed}
    if body.get("user_id") and (
        owners == {case.refs.policy.caller.id} or (yield Exists("user", (body["user_id"],)))
    ):
        body = without(
            body, "user_id"
        )  # the caller owns what was made for somebody who could not be its owner
    free = [one for one in listed if _other_row(flat, case.vault, flat.id_of(one), case.refs) is None]
    if flat.id_field == "id" and case.refs.same_instance:
        one = _among_rows(flat, case, body, free)
    else:
        by_name = flat.by_name(case.vault.id, body, case.refs, case.history)
        one = _the_one(flat, case, body, free, by_name=by_name)
    asked = f"{flat.collection} with {_said(flat, body)}"
    shown = [{**live, "id": flat.id_of(live)} for live in listed]
    taken_one = one if one is None or isinstance(one, Restored) else {**one, "id": flat.id_of(one)}
    yield tried(flat.key, asked, shown, taken_one, _objection(flat, case.vault, body, case.refs))
    if one is not None or not (listed and flat.is_unique):
        return one
    refused = Refused(FailureKind.CONFLICT, TAKEN, f"{flat.collection} of one place have different names")
    taken = yield from held(flat.name, Claimant(case.vault.id, None, body), refused, case.refs, case.history)
    return Restored(operation=Operation.CREATED, held=taken)


def _other_row(flat: Flat, vault: Shape, live_id: str, refs: References) -> str | None:
    """The other item of the backup that a live object is, if it is one.

    Where the name is the id, an earlier run with other names may have taken it for an item that has another name now.
    """
    other = refs.mapped_from(flat.kind, live_id)
    if other is None or other == vault.id:
        return None
    if flat.id_field == "id" or refs.same_instance:
        return other
    content = refs.content(flat.kind, other)
    has_other_name = content is not None and content.get(flat.id_field) != live_id
    return None if has_other_name or not refs.in_vault(flat.kind, other) else other


def _said(flat: Flat, body: Body) -> str:
    """The natural key of a body, to people."""
    return " and ".join(f"{field} {quoted(body.get(field))}" for field in flat.unique)


def _objection(flat: Flat, vault: Shape, body: Body, refs: References) -> Callable[[Mapping[str, Json]], str]:
    """What speaks against a candidate that was not taken."""

    def objection(live: Mapping[str, Json]) -> str:
        if (other := _other_row(flat, vault, str(live["id"]), refs)) is not None:
            return f"it is {flat.kind} {other} of the backup"
        if has_own_row(refs, flat.kind, str(live["id"])):
            return "the backup has a row of its own for it"
        differing = changed(body, flat.seen(dict(live)), NESTED)
        return f"it has other {', '.join(differing)}" if differing else "others are just the same"

    return objection


def _among_rows(flat: Flat, case: Case[Shape], body: Body, found: list[Body]) -> Body | Restored | None:
    """As `_the_one`, on the instance of the backup, where a live object may have a row of its own.

    Then it is that row's. A row of the same name says that the item was made again before the backup was taken;
    two folders of a name cannot be, so that there the server may say which is wrong.
    """
    ids = [flat.id_of(live) for live in found]
    rows = {i: case.refs.content(flat.kind, i) if has_own_row(case.refs, flat.kind, i) else None for i in ids}
    name = "title" if "title" in body else "name"
    newer = next((i for i, row in rows.items() if row is not None and row.get(name) == body[name]), None)
    if newer is not None and flat.kind != "folder":
        return superseded(case.refs, flat.kind, case.vault.id, newer)
    free = [live for live in found if rows[flat.id_of(live)] is None]
    return _the_one(flat, case, body, free)


def _the_one(
    flat: Flat,
    case: Case[Shape],
    body: Body,
    found: list[Body],
    *,
    by_name: bool = True,
) -> Body | Restored | None:
    """The live object that has the natural key; several of them, or one that is not equal, are a conflict.

    A name alone tells what has no title, unless it is not `by_name`: what a stranger may do is nobody's damage.
    """
    ours = [live for live in found if made_since(live.get("created_at"), case.history.uncertain_since)]
    found = ours or found
    if not found:
        return None
    told_apart_by_name = case.refs.policy.adopt or (by_name and "title" not in body)
    if len(found) == 1 and (told_apart_by_name or ours or _is_equal(body, flat.seen(found[0]))):
        return found[0]
    name = body.get(flat.unique[0])
    return doubtful(
        flat.kind,
        case.vault.id,
        name,
        [{**live, "id": flat.id_of(live)} for live in found],
        _alike(flat, body, found),
        flat.remedy,
    )


def _alike(flat: Flat, body: Body, found: Sequence[Body]) -> str:
    """What candidates have in common with the item, and in what one of them differs."""
    same = f"same {flat.unique[0]}{' in the same folder' if len(flat.unique) > 1 else ''}"
    if len(found) > 1:
        return same
    return f"{same}, other {', '.join(changed(body, flat.seen(found[0]), NESTED)) or 'content'}"


def _is_equal(body: Body, seen: Body) -> bool:
    """Whether a live object has the content, blanks around texts aside, which a server may strip."""
    return all(bare(text) == bare(seen.get(name)) for name, text in changed(body, seen, NESTED).items())
