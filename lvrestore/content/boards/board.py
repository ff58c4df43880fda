"""Restore one board with its sections and items.

Looker knows no uniqueness here: a board is found by mapping, by id on the proved same instance, else by title and
owner together with its content, and never by its title alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.boards.parts import (
    Broken,
    Section,
    VaultSection,
    broken_items,
    items_of,
    sections_of,
    texts_of,
    unsettled_links,
    wanted_sections,
)
from lvrestore.content.boards.writes import difference, said, sync_parts, undelete
from lvrestore.content.calls import Call, Create, Exists, Get, Live, Mapped, Restored, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.counterparts import follow
from lvrestore.content.identity.by_identity import by_identity
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import (
    References,
    destination_of,
    has_own_row,
    keep_owner,
    made_since,
    matched_by,
    owner_missing,
    superseded,
)
from lvrestore.content.moved.links import may_move
from lvrestore.content.writing.bodies import Body, body_of, changed, fingerprint, shown, without
from lvrestore.content.writing.shapes import known, parts
from lvrestore.content.writing.work import Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.models import WriteBoard, WriteBoardItem, WriteBoardSection
from lvrestore.looker.protocol import path
from lvrestore.model import History, Json, MatchRule, Operation
from lvrestore.text import quoted
from lvrestore.times import contradicts

LISTED = {"fields": "id,title,description,user_id,created_at,deleted_at"}
UNPROCESSABLE = 422


class VaultBoard(WriteBoard, frozen=True, kw_only=True):
    """A board. Missing sections mean "not captured", never "none"."""

    id: str = ""
    created_at: Any = UNSET
    board_sections: list[VaultSection] | UnsetType | None = UNSET


def restore_board(case: Case[VaultBoard]) -> Steps[Restored]:
    """Make the destination's board equal the vault's, creating it if it is gone."""
    if not case.history.again:
        links = unsettled_links(parts(case.vault.board_sections) or [], case.refs)
        # Where a second look would see nothing new, this one counts as that.
        again = not (yield from may_move(links, case.refs))
        case = msgspec.structs.replace(case, history=msgspec.structs.replace(case.history, again=again))
    if case.history.again:
        yield from follow(texts_of(parts(case.vault.board_sections) or []), case.refs)
    live = yield from by_identity(
        case.refs, "board", "boards", case.vault.id, known(case.vault.created_at), has_trash=False
    )
    if isinstance(live, Restored):
        return live
    if live is not None and not live.get("deleted_at"):
        return (yield from _repair(case, live))
    return (yield from _bring_back(case, live))


def _bring_back(case: Case[VaultBoard], trashed: Body | None) -> Steps[Restored]:
    """Take over the living board that is this one, else undelete it, else make it."""
    listed = yield Get("/boards", LISTED, fresh=True)
    if (own := _own_id(case.vault, listed, case.refs)) is not None:
        # A server says 404 also of what it only does not give.
        return (yield from _repair(case, dict((yield Get(path("boards", own), seen=True)))))
    living = yield from _living(case, listed)
    alike = [one for one in listed if _is_namesake(one, case.vault)]
    asked = f"boards titled {quoted(known(case.vault.title))}, of the same owner"
    yield tried(MatchRule.TITLE_AND_OWNER, asked, alike, living, _objection(case.vault, case.refs))
    if living is not None and not isinstance(living, Restored):
        return (yield from _repair(case, living))
    trashed = trashed or _in_trash(case.vault, listed, case.refs)
    if trashed is not None:
        done = yield from _undelete(case, trashed)
        if done is not None:
            return done
        yield Warn("still_in_trash", f"board {trashed['id']} stays in the trash: another one is made for it")
    return living or (yield from _create(case, listed))


# --- finding it


def _own_id(vault: VaultBoard, listed: Sequence[Body], refs: References) -> str | None:
    """The id under which a list shows this very board alive."""
    here = destination_of(refs, "board", vault.id)
    found = next((one for one in listed if one["id"] == here and not one.get("deleted_at")), None)
    is_own = found is not None and not contradicts(known(vault.created_at), found.get("created_at"))
    return here if is_own else None


def _living(case: Case[VaultBoard], listed: Sequence[Body]) -> Steps[Body | Restored | None]:
    """The living board that has this title, owner and content; with one of the last two alone it is a conflict."""
    alike = [
        one
        for one in listed
        if _is_namesake(one, case.vault) and not _is_anothers(one["id"], case.vault, case.refs)
    ]
    if not alike:
        return None
    owner, caller = (yield from _owner_there(case.vault, case.refs)), case.refs.policy.caller.id
    # The caller owns what it made for an owner who is not there, or whom the server does not let it set.
    owners = {owner, caller, case.refs.policy.heir} - {None, ""}
    fitting = [one for one in alike if not owners or one.get("user_id") in owners]
    ours = [
        one
        for one in (fitting if caller else alike)
        if made_since(one.get("created_at"), case.history.uncertain_since)
    ]
    if len(ours) == 1:
        return dict((yield Get(path("boards", ours[0]["id"]), seen=True, fresh=True)))
    equal: list[Body] = []
    strangers: list[Body] = []
    for one in ours or fitting:
        live = yield Get(path("boards", one["id"]), seen=True, fresh=True)
        if (yield from _is_equal(case, live, owner)):
            equal.append(live)
            continue
        in_backup = has_own_row(case.refs, "board", live["id"])
        if not in_backup and owner in {None, live.get("user_id")}:
            strangers.append(live)
    if len(equal) == 1:
        return superseded(case.refs, "board", case.vault.id, equal[0]["id"]) or equal[0]
    if equal:
        names = ", ".join(f"board {live['id']}" for live in equal)
        # Which of them is this one nobody can tell, and nothing is to be written to any.
        return Restored(operation=Operation.UNCHANGED, reason=f"{names} are all equal to it")
    reason = "same title and owner, other content"
    if not strangers:
        others = [one for one in alike if one not in fitting and not case.refs.same_instance]
        strangers = yield from _lookalikes(case, others, owner)
        reason = "same title and content, other owner"
    if case.refs.policy.adopt and len(strangers) == 1:
        return strangers[0]
    return _conflict(case.vault, strangers, reason) if strangers else None


def _lookalikes(case: Case[VaultBoard], others: Sequence[Body], owner: str | None) -> Steps[list[Body]]:
    """Those of these boards of other people that show the same: an earlier run's, perhaps, and given away since.

    A board that shows nothing is like any other one. On the instance of the backup a board is known by its id.
    """
    found: list[Body] = []
    if not any(section.items for section in _wanted(case.vault, case.refs) or ()):
        return found
    text = _bare(known(case.vault.description))
    for one in (other for other in others if not text or _bare(other.get("description")) == text):
        live = yield Get(path("boards", one["id"]), seen=True, fresh=True)
        is_equal = yield from _is_equal(case, live, owner)
        # Asked once more: when the list was read, another item of this run may have just made it.
        if is_equal and not _is_anothers(live["id"], case.vault, case.refs):
            found.append(live)
    return found


def _owner_there(vault: VaultBoard, refs: References) -> Steps[str | None]:
    """The owner's id on the destination, if there is such a user."""
    source_id = known(vault.user_id)
    owner = destination_of(refs, "user", source_id) if source_id else None
    return None if owner is None or (yield Exists("user", (owner,))) else owner


def _objection(vault: VaultBoard, refs: References) -> Callable[[Mapping[str, Json]], str]:
    """What speaks against a board of the title."""

    def objection(live: Mapping[str, Json]) -> str:
        other = refs.mapped_from("board", str(live["id"]))
        if other not in {None, vault.id}:
            return f"it is board {other} of the backup"
        here = destination_of(refs, "user", known(vault.user_id) or "")
        return "other owner" if live.get("user_id") != here else "other content"

    return objection


def _is_namesake(live: Mapping[str, Json], vault: VaultBoard) -> bool:
    """Whether a living board has the title."""
    return _bare(live.get("title")) == _bare(known(vault.title)) and not live.get("deleted_at")


def _bare(text: str | None) -> str:
    """A text without the blanks around it, which a server may strip."""
    return (text or "").strip()


def _is_anothers(board_id: str, vault: VaultBoard, refs: References) -> bool:
    """Whether the board was made for, or is, another board of the backup: several may share title and owner."""
    return refs.mapped_from("board", board_id) not in {None, vault.id}


def _conflict(vault: VaultBoard, strangers: Sequence[Body], alike: str) -> Restored:
    return doubtful("board", vault.id, known(vault.title), strangers, alike)


def _in_trash(vault: VaultBoard, listed: Sequence[Body], refs: References) -> Body | None:
    """The board among those listed that are in the trash: some servers list what they do not answer a GET for."""
    mapping = refs.mapped("board", vault.id)
    meant = [(mapping.destination_id, mapping.created_at)] if mapping else []
    meant += [(vault.id, known(vault.created_at))] if refs.same_instance else []
    trashed = {one["id"]: one for one in listed if one.get("deleted_at")}
    found = (
        trashed[i]
        for i, made in meant
        if i in trashed and not contradicts(made, trashed[i].get("created_at"))
    )
    return next(found, None)


def _is_equal(case: Case[VaultBoard], live: Body, owner: str | None) -> Steps[bool]:
    if live.get("user_id") != owner:
        case = msgspec.structs.replace(case, vault=msgspec.structs.replace(case.vault, user_id=UNSET))
    return (yield from _sends_nothing(_repair(case, live)))


def _sends_nothing(steps: Steps[Restored]) -> Steps[bool]:
    """Whether a repair would change nothing: asked of the repair itself, so that the two cannot disagree.

    Items that show LookML do not count: the server may have refused them, as it may refuse them again.
    """
    reply: Json = None
    refused: Refused | None = None
    while True:
        try:
            call = steps.send(reply) if refused is None else steps.throw(refused)
        except StopIteration as stop:
            return bool(stop.value.operation is Operation.UNCHANGED)
        reply = refused = None
        if isinstance(call, Exists):
            reply = yield call
        elif isinstance(call, Create) and call.body.get("lookml_dashboard_id"):
            refused = Refused(FailureKind.VALIDATION, UNPROCESSABLE, "not tried", ("lookml_dashboard_id",))
        elif isinstance(call, Call):
            return False


# --- the three ways of restoring it


def _repair(case: Case[VaultBoard], live: Body) -> Steps[Restored]:
    """Make a living board equal the vault's."""
    yield Live(live)
    sections, broken = _wanted(case.vault, case.refs), Broken()
    wanted, mark = _wanted_fingerprint(case.vault, sections, case.refs), _live_fingerprint(live)
    if case.history.accepted != (wanted, mark):
        broken = yield from broken_items(sections or [], live, case.refs)
    if case.history.accepted == (broken.marked(wanted, sections), mark):
        return Restored(
            operation=Operation.UNCHANGED,
            destination_id=live["id"],
            waits=not case.history.again,
            incomplete=broken.missing(sections),
        )
    fields = yield from _fields(case.vault, case.refs, live)
    yield from _note_mapping(case, live)
    work = _work(live["id"], case.history, before=live)
    return (yield from _complete(case.vault, sections, broken, live, fields, case.refs, work))


def _undelete(case: Case[VaultBoard], live: Body) -> Steps[Restored | None]:
    """Take a board out of the trash and repair it; None if the server leaves it there."""
    yield Live({**live, "deleted": True})
    sections = _wanted(case.vault, case.refs)
    broken = yield from broken_items(sections or [], live, case.refs)
    fields = yield from _fields(case.vault, case.refs, live)
    work = _work(live["id"], case.history, before=live)
    delta = changed(without(fields, "user_id"), live)
    now = yield from undelete(work, work.path, "", delta, live)
    if now is None:
        return None
    if "board_sections" not in now:
        now = dict((yield Get(work.path, seen=True, fresh=True)))
    if "board_sections" not in live:
        # Found in a list that leaves the parts out: what follows changes those, so they are remembered too.
        work.before = now
    yield from _note_mapping(case, now)
    done = yield from _complete(case.vault, sections, broken, now, fields, case.refs, work)
    return msgspec.structs.replace(done, operation=Operation.UNDELETED)


def _create(case: Case[VaultBoard], listed: Sequence[Body]) -> Steps[Restored]:
    """POST the board and fill it."""
    sections = _wanted(case.vault, case.refs)
    broken = yield from broken_items(sections or [], {}, case.refs)
    fields = yield from _fields(case.vault, case.refs, None)
    live, kept = yield from _post(case.vault, fields, listed, case.refs)
    yield Mapped("board", case.vault.id, live["id"], MatchRule.CREATED, live.get("created_at"))
    work = _work(live["id"], case.history, created=True, not_kept=kept.keys() != fields.keys())
    return (yield from _complete(case.vault, sections, broken, live, kept, case.refs, work))


# --- what they have in common


def _wanted(vault: VaultBoard, refs: References) -> list[Section] | None:
    captured = parts(vault.board_sections)
    if captured is None:
        return None
    of_trashed = bool(known(vault.deleted_at))
    return wanted_sections(captured, known(vault.section_order), refs, of_trashed=of_trashed)


def _work(
    board_id: str,
    history: History,
    *,
    before: Body | None = None,
    created: bool = False,
    not_kept: bool = False,
) -> Work:
    where, waits = path("boards", board_id), not history.again
    return Work("board", where, board_id, before, created=created, not_kept=not_kept, waits=waits)


def _fields(vault: VaultBoard, refs: References, live: Body | None) -> Steps[Body]:
    """The board's own fields, with an owner whom the destination has, or without one and a report line."""
    body = {"description": None, **without(body_of(vault, WriteBoard), "deleted_at", "section_order")}
    if body.get("title") is None:
        body.pop("title", None)  # a board without one cannot be told from one whose title was not captured
    source_id = body.pop("user_id", None)
    if source_id is None:
        return body
    owner = destination_of(refs, "user", source_id)
    if owner is None:
        yield owner_missing(f"user {source_id}", refs, new=live is None)
        owner = refs.policy.heir
    elif live is None or live.get("user_id") != owner:
        owner = yield from keep_owner(owner, refs, new=live is None)
    return body if owner is None else {**body, "user_id": owner}


def _note_mapping(case: Case[VaultBoard], live: Body) -> Steps[None]:
    found = case.refs.mapped("board", case.vault.id)
    if found is None or found.destination_id != live["id"]:
        rule = matched_by(case.refs, case.history, case.vault.id, live, MatchRule.TITLE_AND_OWNER)
        yield Mapped("board", case.vault.id, live["id"], rule, live.get("created_at"))


def _post(
    vault: VaultBoard, fields: Body, listed: Sequence[Body], refs: References
) -> Steps[tuple[Body, Body]]:
    """Return the new board and the fields it was made of: without an owner whom the server refuses."""
    send = said(fields)
    try:
        made = yield Create("/boards", send, lambda: _made_by_lost_post(vault, send, listed, refs))
    except Refused as refused:
        if not _is_about_owner(refused, fields):
            raise
        yield _owner_not_set(vault)
        return (yield from _post(vault, without(fields, "user_id"), listed, refs))
    return dict(made), fields


def _made_by_lost_post(
    vault: VaultBoard, body: Body, listed: Sequence[Body], refs: References
) -> Generator[Get, Json, Json]:
    """The board that was not there before, has the title and the description, and is no other item's."""
    before = {one["id"] for one in listed}
    for one in (yield Get("/boards", LISTED, fresh=True)):
        same = _is_namesake(one, vault) and _bare(one.get("description")) == _bare(body.get("description"))
        if same and one["id"] not in before and not _is_anothers(one["id"], vault, refs):
            return (yield Get(path("boards", one["id"]), seen=True, fresh=True))
    return None


def _complete(
    vault: VaultBoard,
    sections: Sequence[Section] | None,
    broken: Broken,
    live: Body,
    fields: Body,
    refs: References,
    work: Work,
) -> Steps[Restored]:
    """Bring sections and items in line, then the board's own fields, and delete what is surplus."""
    order: list[str] | None = None
    if sections is not None:
        live, order = yield from sync_parts(work, sections, broken, live, refs, known(vault.section_order))
    delta = {**changed(fields, live), **({"section_order": order} if order is not None else {})}
    if delta:
        yield from _patch(vault, work, delta, live)
    yield from work.finish()
    live_mark = _live_fingerprint((yield Get(work.path, seen=True, fresh=True))) if work.not_kept else b""
    updated = Operation.UPDATED if work.changes else Operation.UNCHANGED
    return Restored(
        operation=Operation.CREATED if work.created else updated,
        destination_id=work.item_id,
        changes=tuple(work.changes),
        vault_fingerprint=broken.marked(_wanted_fingerprint(vault, sections, refs), sections)
        if live_mark
        else b"",
        live_fingerprint=live_mark,
        waits=work.waits,
        incomplete=broken.missing(sections),
    )


def _patch(vault: VaultBoard, work: Work, delta: Body, live: Body) -> Steps[None]:
    """PATCH the board's own fields, without an owner whom the server refuses."""
    try:
        yield from work.update(work.path, "", delta, live, difference)
    except Refused as refused:
        if not _is_about_owner(refused, delta):
            raise
        yield _owner_not_set(vault)
        work.not_kept = True
        if rest := without(delta, "user_id"):
            yield from work.update(work.path, "", rest, live, difference)


def _is_about_owner(refused: Refused, body: Body) -> bool:
    return "user_id" in body and refused.kind is FailureKind.VALIDATION and refused.about("user_id")


def _owner_not_set(vault: VaultBoard) -> Warn:
    return Warn(
        "owner_not_set", f"the server refuses user {known(vault.user_id)} as owner of board {vault.id}"
    )


# --- fingerprints


def _wanted_fingerprint(vault: VaultBoard, sections: Sequence[Section] | None, refs: References) -> bytes:
    """16 bytes that change when anything does that is to be written, ids of the destination included."""
    owner = destination_of(refs, "user", known(vault.user_id) or "")
    items = [None if one.items is None else [item.body for item in one.items] for one in sections or ()]
    bodies = [one.body for one in sections or ()]
    return fingerprint([without(body_of(vault, WriteBoard), "deleted_at"), owner, bodies, items])


def _live_fingerprint(live: Mapping[str, Json]) -> bytes:
    """16 bytes that change when anything writable on the live board does, however it was read."""
    sections = sections_of(live)
    of_section = (*WriteBoardSection.__struct_fields__, "id")
    of_item = (*(n for n in WriteBoardItem.__struct_fields__ if n != "custom_image_data_base64"), "id")
    return fingerprint(
        [
            shown(live, WriteBoard.__struct_fields__),
            sorted((shown(one, of_section) for one in sections), key=lambda one: str(one["id"])),
            sorted((shown(one, of_item) for one in items_of(sections)), key=lambda one: str(one["id"])),
        ]
    )
