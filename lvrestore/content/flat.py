"""Restore an item without parts: folders, looks, models, sets, roles, groups. One generator, a row per type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.bodies import Body, bare, body_of, changed, fingerprint, shown, without
from lvrestore.content.calls import Create, Exists, Get, Held, Live, Mapped, Reads, Restored, Steps, Warn
from lvrestore.content.certificates import FIELD as CERTIFICATE
from lvrestore.content.certificates import WRITABLE, as_comparable, certify, with_certificate
from lvrestore.content.finding import by_identity
from lvrestore.content.homes import MADE_BY_LOGIN, ROOTS, housed, is_made_by_login, report_orphan, stays
from lvrestore.content.lists import all_pages, lying_in
from lvrestore.content.names import Candidates, Claimant, Name, held, holder_of, is_taken, settle
from lvrestore.content.namesakes import follows_model, is_news, not_renamed, rule_of_namesake, taken_by_name
from lvrestore.content.queries import is_query, make_query
from lvrestore.content.references import (
    History,
    References,
    destination_of,
    has_own_row,
    keep_owner,
    made_since,
    matched_by,
    owner_missing,
    require,
    standing_in,
    superseded,
    whereabouts,
)
from lvrestore.content.required import check_required
from lvrestore.content.shapes import known
from lvrestore.content.trash import StillInTrash, undelete
from lvrestore.content.trying import doubtful, tried
from lvrestore.content.waking import Waking, make_good
from lvrestore.content.widening import Gains, role_gains, set_gains
from lvrestore.content.work import Work
from lvrestore.errors import DependencyError
from lvrestore.looker.classify import FailureKind, Refused
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
from lvrestore.model import Json, MatchRule, Operation
from lvrestore.text import quoted

Flag = bool | None | UnsetType
Shape = Any  # the struct of whatever row is at work
Text = str | None | UnsetType
NESTED = {CERTIFICATE: WRITABLE}
PAGE = 500
TAKEN = 409
BY_NAME = frozenset({MatchRule.NAME, MatchRule.ADOPTED})
# What must be there for an item to be written.
CHECKED = frozenset({"folder", "permission_set", "model_set"})


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


class Flat(msgspec.Struct, frozen=True, kw_only=True):
    """What is particular to one type.

    `candidates` finds live objects that have the natural key of a body, compared exactly; `key` is the rule that
    they are found by. `skip` gives the reason why an item must not be touched, `skip_here` one that other items of the
    backup give; `counterparts` finds what stands for
    such an item here, if not its name does. `rivalry` says why another item of the backup has a better right to be
    there. `unique` is what no two of a kind share: the name, then what it is within; `is_unique` that this is
    documented, so that there is no need to try. `wanted` and `seen` bring what vault and server say into one form.
    `by_name` says whether on another instance what has the name is the item, whatever else it has.
    `remedy` says to people what may be done about such a conflict instead of adopting it.
    `access` are the fields that say what people may do; `gains` names what they gain by a change of those.
    """

    kind: str
    collection: str
    writes: type[msgspec.Struct]
    candidates: Callable[[Body], Candidates]
    key: MatchRule = MatchRule.NAME
    unique: tuple[str, ...] = ("name",)
    is_unique: bool = False
    refers_to: Mapping[str, str] = {}
    skip: Callable[[Any], str | None] = lambda _vault: None
    skip_here: Callable[[Any, References], str | None] = lambda _vault, _refs: None
    counterparts: Callable[[Any], Candidates] | None = None
    rivalry: Callable[[Any, References], Steps[str | None]] | None = None
    wanted: Callable[[Any], Body] = lambda _vault: {}
    seen: Callable[[Body], Body] = lambda live: live
    cleared: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    gains: Callable[[Body, Body], Gains] = set_gains
    by_name: Callable[[str, Body, References, History], bool] = lambda *_: True
    remedy: str = ""
    has_trash: bool = False
    id_field: str = "id"
    notice: str = ""

    def id_of(self, live: Body) -> str:
        """The id that paths name the live object by."""
        return str(live[self.id_field])

    @property
    def name(self) -> Name:
        """How the holder of a name is found, and what others of the backup are to be called."""
        return Name(
            kind=self.kind,
            fields=self.unique,
            holders=self.candidates,
            wanted=self._name_wanted,
            interim=lambda source_id: f"lvrestore {self.kind} {source_id}",
            id_field=self.id_field,
        )

    def _name_wanted(self, content: Mapping[str, Json], refs: References) -> Body:
        body = {field: content.get(field) for field in self.unique}
        refers = {field: kind for field, kind in self.refers_to.items() if body.get(field)}
        return body | {field: whereabouts(refs, kind, str(body[field])) for field, kind in refers.items()}


# --- the one generator


def restore_flat(flat: Flat, vault: Shape, refs: References, history: History) -> Steps[Restored]:
    """Make the destination's object equal the vault's, creating it if it is gone."""
    if (folder_id := standing_in(refs, flat.kind, vault.id)) is not None:
        stands_for = f"stands for folder {folder_id} (remap)"
        return Restored(operation=Operation.SKIPPED, destination_id=folder_id, reason=stands_for)
    if reason := flat.skip(vault) or flat.skip_here(vault, refs):
        here = yield from _counterpart(flat, vault, refs)
        return Restored(operation=Operation.SKIPPED, destination_id=here, reason=reason)
    if flat.rivalry and (reason := (yield from flat.rivalry(vault, refs))):
        return Restored(operation=Operation.CONFLICT, reason=reason)
    refs = yield from housed(_folder_of(flat, vault), refs)
    body = yield from _wanted_body(flat, vault, refs)
    found = yield from _find(flat, vault, body, refs, history)
    try:
        return (yield from _restore(flat, vault, body, found, refs, history))
    except StillInTrash:
        yield Warn("still_in_trash", f"{flat.kind} {vault.id} cannot leave the trash, as its folder is gone")
    found = yield from _by_name(flat, vault, body, refs, history)
    return (yield from _restore(flat, vault, body, found, refs, history))


def _folder_field(flat: Flat) -> str | None:
    return next((name for name, kind in flat.refers_to.items() if kind == "folder"), None)


def _folder_of(flat: Flat, vault: Shape) -> str | None:
    """The source id of the folder that an item lies in."""
    field = _folder_field(flat)
    folder_id: str | None = known(getattr(vault, field)) if field is not None else None
    return folder_id


def _restore(
    flat: Flat, vault: Shape, body: Body, found: Body | Restored | None, refs: References, history: History
) -> Steps[Restored]:
    if isinstance(found, Restored):
        return found
    if found is None:
        return (yield from _create(flat, vault, body, refs, history))
    return (yield from _repair(flat, vault, body, found, refs, history))


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


def own_body(flat: Flat, vault: Shape) -> Body:
    """Every writable field the vault knows of the item, references as they are there."""
    return {**without(body_of(vault, flat.writes), "deleted"), **flat.wanted(vault)}


def _find(
    flat: Flat, vault: Shape, body: Body, refs: References, history: History
) -> Steps[Body | Restored | None]:
    if flat.id_field != "id" and not refs.same_instance:
        # Where the name is the id, another name is another object, whatever an earlier run has called it.
        return (yield from _by_name(flat, vault, body, refs, history))
    created_at = known(getattr(vault, "created_at", UNSET))
    found = yield from by_identity(
        refs, flat.kind, flat.collection, vault.id, created_at, has_trash=flat.has_trash
    )
    if found is not None:
        return found
    _require_sound(flat, vault, body, refs)
    return (yield from _by_name(flat, vault, body, refs, history))


def _by_name(
    flat: Flat, vault: Shape, body: Body, refs: References, history: History
) -> Steps[Body | Restored | None]:
    listed = yield from flat.candidates(body)
    owners = {str(one.get("user_id")) for one in listed}
    if body.get("user_id") and (
        owners == {refs.policy.caller.id} or (yield Exists("user", (body["user_id"],)))
    ):
        body = without(
            body, "user_id"
        )  # the caller owns what was made for somebody who could not be its owner
    free = [one for one in listed if _other_row(flat, vault, flat.id_of(one), refs) is None]
    if flat.id_field == "id" and refs.same_instance:
        one = _among_rows(flat, vault, body, free, refs, history)
    else:
        by_name = flat.by_name(vault.id, body, refs, history)
        one = _the_one(flat, vault, body, free, refs, history, by_name=by_name)
    asked = f"{flat.collection} with {_said(flat, body)}"
    shown = [{**live, "id": flat.id_of(live)} for live in listed]
    taken_one = one if one is None or isinstance(one, Restored) else {**one, "id": flat.id_of(one)}
    yield tried(flat.key, asked, shown, taken_one, _objection(flat, vault, body, refs))
    if one is not None or not (listed and flat.is_unique):
        return one
    refused = Refused(FailureKind.CONFLICT, TAKEN, f"{flat.collection} of one place have different names")
    taken = yield from held(flat.name, Claimant(vault.id, None, body), refused, refs, history)
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


def _among_rows(
    flat: Flat, vault: Shape, body: Body, found: list[Body], refs: References, history: History
) -> Body | Restored | None:
    """As `_the_one`, on the instance of the backup, where a live object may have a row of its own.

    Then it is that row's. A row of the same name says that the item was made again before the backup was taken;
    two folders of a name cannot be, so that there the server may say which is wrong.
    """
    ids = [flat.id_of(live) for live in found]
    rows = {i: refs.content(flat.kind, i) if has_own_row(refs, flat.kind, i) else None for i in ids}
    name = "title" if "title" in body else "name"
    newer = next((i for i, row in rows.items() if row is not None and row.get(name) == body[name]), None)
    if newer is not None and flat.kind != "folder":
        return superseded(refs, flat.kind, vault.id, newer)
    free = [live for live in found if rows[flat.id_of(live)] is None]
    return _the_one(flat, vault, body, free, refs, history)


def _the_one(
    flat: Flat,
    vault: Shape,
    body: Body,
    found: list[Body],
    refs: References,
    history: History,
    *,
    by_name: bool = True,
) -> Body | Restored | None:
    """The live object that has the natural key; several of them, or one that is not equal, are a conflict.

    A name alone tells what has no title, unless it is not `by_name`: what a stranger may do is nobody's damage.
    """
    ours = [live for live in found if made_since(live.get("created_at"), history.uncertain_since)]
    found = ours or found
    if not found:
        return None
    told_apart_by_name = refs.policy.adopt or (by_name and "title" not in body)
    if len(found) == 1 and (told_apart_by_name or ours or _is_equal(body, flat.seen(found[0]))):
        return found[0]
    name = body.get(flat.unique[0])
    return doubtful(
        flat.kind,
        vault.id,
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


def _create(flat: Flat, vault: Shape, body: Body, refs: References, history: History) -> Steps[Restored]:
    yield from _require(flat, body)
    yield from report_orphan(refs)
    if "user_id" in flat.refers_to:
        owner = yield from keep_owner(body.get("user_id"), refs, new=True)
        body = {**without(body, "user_id"), **({"user_id": owner} if owner else {})}
    try:
        live, sent = yield from _post(flat, vault, without(body, CERTIFICATE), refs)
    except Refused as refused:
        if not is_taken(flat.name, refused):
            raise
        taken = yield from held(flat.name, Claimant(vault.id, None, body), refused, refs, history)
        return Restored(operation=Operation.CREATED, held=taken)
    item_id = flat.id_of(live)
    yield Mapped(flat.kind, vault.id, item_id, MatchRule.CREATED, live.get("created_at"))
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


def _repair(
    flat: Flat, vault: Shape, body: Body, live: Body, refs: References, history: History
) -> Steps[Restored]:
    body = without(body, str(_folder_field(flat))) if stays(live, refs) else body
    item_id = flat.id_of(live)
    yield Live({**live, "id": item_id})
    work = Work(flat.kind, path(flat.collection, item_id), item_id, before=live)
    yield from make_good(flat.kind, item_id, live, refs, history, work.changes)
    if history.accepted == _fingerprints(flat, body, live) and not work.changes:
        return Restored(operation=Operation.UNCHANGED, destination_id=item_id)
    delta = changed(without(body, CERTIFICATE), flat.seen(live), NESTED)
    trashed = flat.has_trash and bool(live.get("deleted"))
    # What comes back from the trash needs its folder, though that is not written.
    needed = body if trashed else delta
    _require_sound(flat, vault, needed, refs)
    yield from _require(flat, needed)
    if "user_id" in delta:
        owner = yield from keep_owner(delta["user_id"], refs, new=False)
        delta = (
            changed({**delta, "user_id": owner}, flat.seen(live), NESTED)
            if owner
            else without(delta, "user_id")
        )
    if delta and (flat.kind, item_id) in refs.policy.caller.ties:
        # Whoever else is in it is: that it stands for the item has to be known.
        yield from _note(flat, vault, {**live, "id": item_id}, refs, history)
        reason = f"the calling account's own {flat.kind} is not changed"
        return Restored(operation=Operation.SKIPPED, destination_id=item_id, reason=reason)
    if flat.kind == "group" and (kept := not_renamed(flat.kind, vault.id, live, delta, refs)):
        return kept
    delta = yield from _permitted(flat, vault, delta, live, refs)
    yield from _note(flat, vault, {**live, "id": item_id}, refs, history)
    if trashed:
        yield from report_orphan(refs)
        live, refused = yield from undelete(
            live,
            delta,
            lambda body, now: _patch(flat, vault, work, body, now, refs),
            Waking(flat.kind, item_id, refs, work.changes),
        )
    else:
        live, refused = yield from _patch(flat, vault, work, delta, live, refs)
    taken = yield from _settle(flat, vault, {**body, **delta}, work, live, refused, refs, history)
    if not live.get("deleted") and not (taken and taken.waits):
        live = yield from certify(work, body.get(CERTIFICATE), live, is_stale=taken is not None)
    updated = Operation.UPDATED if work.changes else Operation.UNCHANGED
    done = _done(flat, Operation.UNDELETED if trashed else updated, work, body, live)
    return msgspec.structs.replace(done, held=taken)


def _settle(
    flat: Flat,
    vault: Shape,
    body: Body,
    work: Work,
    live: Body,
    refused: Refused | None,
    refs: References,
    history: History,
) -> Steps[Held | None]:
    """What becomes of a name that another object has, if one has."""
    if refused is None:
        return None

    def rename(interim: str) -> Steps[None]:
        if live.get(flat.unique[0]) != interim:
            yield from work.update(work.path, "", {flat.unique[0]: interim}, live, _difference(flat))

    claimant = Claimant(vault.id, work.item_id, body)
    return (yield from settle(flat.name, claimant, refused, refs, history, rename))


def _note(flat: Flat, vault: Shape, live: Body, refs: References, history: History) -> Steps[None]:
    """Map an item to what it was found to be; a group that has only its name is told."""
    rule = rule_of_namesake(matched_by(refs, history, vault.id, live, flat.key), refs)
    if not is_news(refs, flat.kind, vault.id, live["id"], rule):
        return
    yield Mapped(flat.kind, vault.id, live["id"], rule, live.get("created_at"))
    if flat.kind == "group" and rule in BY_NAME and not refs.same_instance:
        yield taken_by_name(vault.id, live["id"], live.get("name"))


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


def _require_sound(flat: Flat, vault: Shape, body: Body, refs: References) -> None:
    """Raise when a body names what is not to be relied on, be it there or not."""
    meant, lost = own_body(flat, vault), []
    for name, kind in flat.refers_to.items():
        source_id = meant.get(name)
        if kind in CHECKED and source_id and body.get(name) == whereabouts(refs, kind, source_id):
            lost += [] if destination_of(refs, kind, source_id) else [f"{kind} {source_id}"]
    if lost:
        raise DependencyError(tuple(lost), known=False)


def _difference(flat: Flat) -> Callable[[Body, Mapping[str, Json]], Body]:
    return lambda body, reply: changed(body, flat.seen(dict(reply)), NESTED)


# --- the rows


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
