"""Restore an item without parts: folders, looks, models, sets, roles, groups. One generator, a row per type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lvrestore.content.calls import Create, Get, Held, Live, Mapped, Reads, Restored, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.flat.finding import find_by_name, find_object
from lvrestore.content.flat.row import CHECKED, NESTED, Flat, Shape, own_body, require_sound
from lvrestore.content.identity.names import Claimant, held, holder_of, is_taken, settle
from lvrestore.content.identity.namesakes import is_news, not_renamed, rule_of_namesake, taken_by_name
from lvrestore.content.identity.trying import tried
from lvrestore.content.knowledge import (
    References,
    destination_of,
    keep_owner,
    matched_by,
    owner_missing,
    require,
    standing_in,
    whereabouts,
)
from lvrestore.content.moved.queries import is_query, make_query
from lvrestore.content.sending.waking import Waking, make_good
from lvrestore.content.writing.bodies import Body, changed, fingerprint, shown, without
from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.content.writing.certificates import certify, with_certificate
from lvrestore.content.writing.homes import housed, report_orphan, stays
from lvrestore.content.writing.required import check_required
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.trash import StillInTrash, undelete
from lvrestore.content.writing.work import Work
from lvrestore.errors import DependencyError
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MatchRule, Operation
from lvrestore.text import quoted

BY_NAME = frozenset({MatchRule.NAME, MatchRule.ADOPTED})


# --- the one generator


def restore_flat(flat: Flat, case: Case[Shape]) -> Steps[Restored]:
    """Make the destination's object equal the vault's, creating it if it is gone."""
    if (folder_id := standing_in(case.refs, flat.kind, case.vault.id)) is not None:
        stands_for = f"stands for folder {folder_id} (remap)"
        return Restored(operation=Operation.SKIPPED, destination_id=folder_id, reason=stands_for)
    if reason := flat.skip(case.vault) or flat.skip_here(case.vault, case.refs):
        here = yield from _counterpart(flat, case.vault, case.refs)
        return Restored(operation=Operation.SKIPPED, destination_id=here, reason=reason)
    if flat.rivalry and (reason := (yield from flat.rivalry(case.vault, case.refs))):
        return Restored(operation=Operation.CONFLICT, reason=reason)
    case = msgspec.structs.replace(case, refs=(yield from housed(_folder_of(flat, case.vault), case.refs)))
    body = yield from _wanted_body(flat, case.vault, case.refs)
    found = yield from find_object(flat, case, body)
    try:
        return (yield from _restore(flat, case, body, found))
    except StillInTrash:
        yield Warn(
            "still_in_trash", f"{flat.kind} {case.vault.id} cannot leave the trash, as its folder is gone"
        )
    found = yield from find_by_name(flat, case, body)
    return (yield from _restore(flat, case, body, found))


def _folder_field(flat: Flat) -> str | None:
    return next((name for name, kind in flat.refers_to.items() if kind == "folder"), None)


def _folder_of(flat: Flat, vault: Shape) -> str | None:
    """The source id of the folder that an item lies in."""
    field = _folder_field(flat)
    folder_id: str | None = known(getattr(vault, field)) if field is not None else None
    return folder_id


def _restore(flat: Flat, case: Case[Shape], body: Body, found: Body | Restored | None) -> Steps[Restored]:
    if isinstance(found, Restored):
        return found
    if found is None:
        return (yield from _create(flat, case, body))
    return (yield from _repair(flat, case, body, found))


def _counterpart(flat: Flat, vault: Shape, refs: References) -> Steps[str | None]:
    """Elsewhere, what comes with every instance has another id: others refer to it, so it is looked up."""
    if refs.same_instance or refs.mapped(flat.kind, vault.id):
        return None
    found = (
        yield from flat.counterparts(vault) if flat.counterparts else flat.candidates(own_body(flat, vault))
    )
    rule = MatchRule.ROOT if flat.counterparts else flat.key
    shown = [{**live, "id": flat.id_of(live)} for live in found]
    end = shown[0] if len(shown) == 1 else None
    yield tried(rule, f"what stands for {flat.kind} {vault.id} here", shown, end)
    if len(found) != 1:
        return None
    yield Mapped(flat.kind, vault.id, flat.id_of(found[0]), rule, settled=True)
    return flat.id_of(found[0])


def _wanted_body(flat: Flat, vault: Shape, refs: References) -> Steps[Body]:
    """Every field the vault knows of the item, references translated."""
    body = {**dict.fromkeys(flat.cleared), **own_body(flat, vault)}
    unresolved: list[str] = []
    for name, kind in flat.refers_to.items():
        if not (source_id := body.get(name)):
            continue
        body[name] = _place_of(refs, kind, source_id)
        if body[name] is None and kind == "query":
            definition = known(vault.query) or refs.query(source_id)
            if unresolved and definition is not None:
                continue  # nothing will come of the look, so that no query is made for it
            yield from _require(flat, body)
            body[name] = yield from _query_here(flat, vault, body, definition, refs)
        if body[name] is None and kind == "user":
            yield owner_missing(f"user {source_id}", refs, new=refs.mapped(flat.kind, vault.id) is None)
            body |= {name: refs.policy.heir}
            body = body if body[name] else without(body, name)
        elif body[name] is None:
            unresolved.append(f"{kind} {source_id}")
    if unresolved:
        raise DependencyError(tuple(unresolved), known=False)
    check_required(flat.kind, body, f"{flat.kind} {vault.id}")
    return with_certificate(body, vault, refs)


def _place_of(refs: References, kind: str, source_id: str) -> str | None:
    """The destination's id, on the same instance also of what nobody may refer to: that matters if it is written."""
    here = destination_of(refs, kind, source_id)
    is_checked = here is None and refs.same_instance and kind in CHECKED
    return whereabouts(refs, kind, source_id) if is_checked else here


def _query_here(
    flat: Flat, vault: Shape, body: Body, definition: Mapping[str, Json] | None, refs: References
) -> Steps[str | None]:
    """The id of a look's query on another instance: of the look that an earlier run made, or of a new one."""
    if definition is None:
        return None
    for live in (yield from flat.candidates(body)):
        if is_query(vault.query_id, definition, (yield from shown_query(live))):
            yield Mapped("query", vault.query_id, str(live["query_id"]), MatchRule.CONTENT, settled=True)
            return str(live["query_id"])
    return (yield from make_query(refs, vault.query_id, definition))


def shown_query(look: Body) -> Steps[Json]:
    """The query of a live look, which no list shows."""
    if "query" not in look:
        look = (yield Get(path("looks", look["id"]), fresh=True)) or {}
    return look.get("query")


def _create(flat: Flat, case: Case[Shape], body: Body) -> Steps[Restored]:
    yield from _require(flat, body)
    yield from report_orphan(case.refs)
    if "user_id" in flat.refers_to:
        owner = yield from keep_owner(body.get("user_id"), case.refs, new=True)
        body = {**without(body, "user_id"), **({"user_id": owner} if owner else {})}
    try:
        live, sent = yield from _post(flat, case.vault, without(body, CERTIFICATE), case.refs)
    except Refused as refused:
        if not is_taken(flat.name, refused):
            raise
        taken = yield from held(
            flat.name, Claimant(case.vault.id, None, body), refused, case.refs, case.history
        )
        return Restored(operation=Operation.CREATED, held=taken)
    item_id = flat.id_of(live)
    yield Mapped(flat.kind, case.vault.id, item_id, MatchRule.CREATED, live.get("created_at"))
    work = Work(flat.kind, path(flat.collection, item_id), item_id, before=None, created=True)
    work.not_kept = "user_id" in body and "user_id" not in sent
    if delta := changed(sent, flat.seen(live), NESTED):
        live = yield from work.update(work.path, "", delta, live, _difference(flat))
    if flat.notice:
        yield Warn("inherits", f"{flat.kind} {item_id} {flat.notice}")
    live = yield from certify(work, body.get(CERTIFICATE), live, is_stale=False)
    return _done(flat, Operation.CREATED, work, body, live)


def _post(flat: Flat, vault: Shape, body: Body, refs: References) -> Steps[tuple[Body, Body]]:
    """POST; return the live object and the body it was made of, without or instead of what was refused."""

    def find_again() -> Reads[Json]:
        found = yield from flat.candidates(body)
        return found[0] if len(found) == 1 else None

    while True:
        try:
            return dict((yield Create(path(flat.collection), body, find_again, unique=flat.is_unique))), body
        except Refused as refused:
            body = yield from _without_refused(flat, vault, body, refused, refs)


def _without_refused(flat: Flat, vault: Shape, body: Body, refused: Refused, refs: References) -> Steps[Body]:
    """The body to send instead of one that was refused for its owner or its query."""
    if refused.kind is FailureKind.VALIDATION and refused.about("user_id") and "user_id" in body:
        text = f"the server refuses user {known(vault.user_id)} as owner of {flat.kind} {vault.id}"
        yield Warn("owner_not_set", text)
        return without(body, "user_id")
    if not refused.about("query_id"):
        raise refused
    made = yield from make_query(refs, vault.query_id, known(vault.query))
    if made is None:
        raise DependencyError((f"query {vault.query_id}",)) from refused
    if made == body.get("query_id"):
        raise refused
    return {**body, "query_id": made}


def _done(flat: Flat, operation: Operation, work: Work, body: Body, live: Body) -> Restored:
    """How an item ended; what the server did not keep is remembered with what it made of it."""
    marks = _fingerprints(flat, body, live) if work.not_kept else (b"", b"")
    return Restored(
        operation=operation,
        destination_id=work.item_id,
        changes=tuple(work.changes),
        vault_fingerprint=marks[0],
        live_fingerprint=marks[1],
    )


def _fingerprints(flat: Flat, body: Body, live: Body) -> tuple[bytes, bytes]:
    """Of what is wanted, with the destination's ids, and of what is writable on the live object."""
    fields = (*flat.writes.__struct_fields__, "deleted") if flat.has_trash else flat.writes.__struct_fields__
    return fingerprint(body), fingerprint(
        shown(flat.seen(live), [name for name in fields if name != "query"])
    )


def _repair(flat: Flat, case: Case[Shape], body: Body, live: Body) -> Steps[Restored]:
    body = without(body, str(_folder_field(flat))) if stays(live, case.refs) else body
    item_id = flat.id_of(live)
    yield Live({**live, "id": item_id})
    work = Work(flat.kind, path(flat.collection, item_id), item_id, before=live)
    yield from make_good(flat.kind, item_id, live, case.refs, case.history, work.changes)
    if case.history.accepted == _fingerprints(flat, body, live) and not work.changes:
        return Restored(operation=Operation.UNCHANGED, destination_id=item_id)
    delta = changed(without(body, CERTIFICATE), flat.seen(live), NESTED)
    trashed = flat.has_trash and bool(live.get("deleted"))
    # What comes back from the trash needs its folder, though that is not written.
    needed = body if trashed else delta
    require_sound(flat, case.vault, needed, case.refs)
    yield from _require(flat, needed)
    if "user_id" in delta:
        owner = yield from keep_owner(delta["user_id"], case.refs, new=False)
        delta = (
            changed({**delta, "user_id": owner}, flat.seen(live), NESTED)
            if owner
            else without(delta, "user_id")
        )
    if delta and (flat.kind, item_id) in case.refs.policy.caller.ties:
        # Whoever else is in it is: that it stands for the item has to be known.
        yield from _note(flat, case, {**live, "id": item_id})
        reason = f"the calling account's own {flat.kind} is not changed"
        return Restored(operation=Operation.SKIPPED, destination_id=item_id, reason=reason)
    if flat.kind == "group" and (kept := not_renamed(flat.kind, case.vault.id, live, delta, case.refs)):
        return kept
    delta = yield from _permitted(flat, case.vault, delta, live, case.refs)
    yield from _note(flat, case, {**live, "id": item_id})
    if trashed:
        yield from report_orphan(case.refs)
        live, refused = yield from undelete(
            live,
            delta,
            lambda body, now: _patch(flat, case.vault, work, body, now, case.refs),
            Waking(flat.kind, item_id, case.refs, work.changes),
        )
    else:
        live, refused = yield from _patch(flat, case.vault, work, delta, live, case.refs)
    taken = yield from _settle(flat, case, {**body, **delta}, work, live, refused)
    if not live.get("deleted") and not (taken and taken.waits):
        live = yield from certify(work, body.get(CERTIFICATE), live, is_stale=taken is not None)
    updated = Operation.UPDATED if work.changes else Operation.UNCHANGED
    done = _done(flat, Operation.UNDELETED if trashed else updated, work, body, live)
    return msgspec.structs.replace(done, held=taken)


def _settle(
    flat: Flat,
    case: Case[Shape],
    body: Body,
    work: Work,
    live: Body,
    refused: Refused | None,
) -> Steps[Held | None]:
    """What becomes of a name that another object has, if one has."""
    if refused is None:
        return None

    def rename(interim: str) -> Steps[None]:
        if live.get(flat.unique[0]) != interim:
            yield from work.update(work.path, "", {flat.unique[0]: interim}, live, _difference(flat))

    claimant = Claimant(case.vault.id, work.item_id, body)
    return (yield from settle(flat.name, claimant, refused, case.refs, case.history, rename))


def _note(flat: Flat, case: Case[Shape], live: Body) -> Steps[None]:
    """Map an item to what it was found to be; a group that has only its name is told."""
    rule = rule_of_namesake(matched_by(case.refs, case.history, case.vault.id, live, flat.key), case.refs)
    if not is_news(case.refs, flat.kind, case.vault.id, live["id"], rule):
        return
    yield Mapped(flat.kind, case.vault.id, live["id"], rule, live.get("created_at"))
    if flat.kind == "group" and rule in BY_NAME and not case.refs.same_instance:
        yield taken_by_name(case.vault.id, live["id"], live.get("name"))


def _permitted(flat: Flat, vault: Shape, delta: Body, live: Body, refs: References) -> Steps[Body]:
    """What may be written of `delta`: with `--access skip` nothing that people may do; what they gain is named."""
    access = [name for name in flat.access if name in delta]
    if access and refs.policy.access == "skip":
        yield Warn(
            "access_differs",
            f"{flat.kind} {vault.id} has other {' and '.join(access)} in the backup (--access skip leaves it so)",
        )
        return without(delta, *access)
    if access and (gained := (yield from flat.gains(flat.seen(live), delta))):
        yield Warn(
            "access_widens", f"{flat.kind} {flat.id_of(live)} {quoted(vault.name)} gains {', '.join(gained)}"
        )
    return delta


def _patch(
    flat: Flat, vault: Shape, work: Work, delta: Body, live: Body, refs: References
) -> Steps[tuple[Body, Refused | None]]:
    """PATCH; return the live object as it is then, and the refusal of a name that another object has.

    All else is written without the name, and if need be without moving to where it is taken.
    """
    taken: Refused | None = None
    while delta:
        is_held = _is_held(flat, work, {**flat.seen(live), **delta}) if _is_claim(flat, delta) else None
        try:
            return (yield from work.update(work.path, "", delta, live, _difference(flat), is_held)), taken
        except Refused as refused:
            if not is_taken(flat.name, refused):
                shorter = yield from _without_refused(flat, vault, delta, refused, refs)
                work.not_kept |= "user_id" in delta and "user_id" not in shorter
                delta = changed(shorter, live, NESTED)
                continue
            taken = taken or refused
            name = next((field for field in flat.unique if field in delta), None)
            if name is None:
                return live, taken  # it is in the trash, and its place there is taken
            delta = without(delta, name)
    return live, taken


def _is_claim(flat: Flat, delta: Body) -> bool:
    return "deleted" in delta or any(field in delta for field in flat.unique)


def _is_held(flat: Flat, work: Work, body: Body) -> Callable[[], Reads[bool]]:
    def is_held() -> Reads[bool]:
        return (yield from holder_of(flat.name, Claimant("", work.item_id, body))) is not None

    return is_held


def _require(flat: Flat, body: Body) -> Steps[None]:
    wanted = {kind: {body[name]} for name, kind in flat.refers_to.items() if body.get(name)}
    yield from require({kind: ids for kind, ids in wanted.items() if kind in CHECKED})


def _difference(flat: Flat) -> Callable[[Body, Mapping[str, Json]], Body]:
    return lambda body, reply: changed(body, flat.seen(dict(reply)), NESTED)
