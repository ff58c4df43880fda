"""Restore one dashboard with everything in it: find it, make its fields and parts equal the vault's.

The order of calls keeps the destination usable if it is cut anywhere: fields, filters, layouts, tiles,
rectangles, deletions, certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lvrestore.content.calls import (
    Create,
    Delete,
    Exists,
    Get,
    Held,
    Live,
    Mapped,
    Reads,
    Restored,
    Steps,
    Unforeseen,
    Update,
    Warn,
)
from lvrestore.content.case import Case
from lvrestore.content.counterparts import follow
from lvrestore.content.dashboards.arranging import arrange
from lvrestore.content.dashboards.body import NESTED, shell_body
from lvrestore.content.dashboards.filters import filter_body, sync_filters
from lvrestore.content.dashboards.finding import (
    SLUG,
    SLUG_REFUSED,
    TITLE,
    TITLE_REFUSED,
    Found,
    find_dashboard,
    made_by_lost_post,
    namesake,
    namesakes,
    objection_to,
    title_wanted,
)
from lvrestore.content.dashboards.fingerprint import live_fingerprint, vault_fingerprint
from lvrestore.content.dashboards.layouts import woken
from lvrestore.content.dashboards.sources import (
    Tiles,
    make_queries,
    now_that_seen,
    tiles_of,
    unmade_merges,
    unmade_queries,
)
from lvrestore.content.dashboards.tiles import (
    texts_of,
    unsettled_in,
)
from lvrestore.content.identity.names import Claimant, held, holder_of, is_taken, row_of, settle
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import (
    References,
    destination_of,
    keep_owner,
    made_since,
    matched_by,
    owner_missing,
    superseded,
    whereabouts,
)
from lvrestore.content.moved.links import may_move
from lvrestore.content.moved.queries import (
    is_query,
    recognise_merge_query,
)
from lvrestore.content.sending.waking import Waking, make_good
from lvrestore.content.writing.bodies import Body, changed, without
from lvrestore.content.writing.certificates import certificate_of, certify, certify_tiles
from lvrestore.content.writing.homes import housed, report_orphan, stays
from lvrestore.content.writing.required import check_required
from lvrestore.content.writing.shapes import VaultDashboard, VaultFilter, known, parts
from lvrestore.content.writing.trash import StillInTrash, undelete
from lvrestore.content.writing.work import Work
from lvrestore.errors import DependencyError
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import History, Json, MatchRule, Operation
from lvrestore.text import quoted


def restore_dashboard(case: Case[VaultDashboard]) -> Steps[Restored]:
    """Make the destination's dashboard equal the vault's, creating it if it is gone."""
    if "::" in case.vault.id:
        return Restored(operation=Operation.SKIPPED, reason="a LookML dashboard lives in its project's code")
    if not case.history.again:
        links = {
            link
            for tile in parts(case.vault.dashboard_elements) or ()
            for link in unsettled_in(tile, case.refs)
        }
        # Where a second look would see nothing new, this one counts as that.
        again = not (yield from may_move(links, case.refs))
        case = msgspec.structs.replace(case, history=msgspec.structs.replace(case.history, again=again))
    if case.history.again:
        yield from follow(
            [text for tile in parts(case.vault.dashboard_elements) or () for text in texts_of(tile)],
            case.refs,
        )
    case = msgspec.structs.replace(case, refs=(yield from housed(known(case.vault.folder_id), case.refs)))
    if not case.refs.same_instance:
        _check_folder(case.vault, {}, case.refs)
    found = yield from find_dashboard(case)
    if isinstance(found, Restored):
        return found
    if found.live is None:
        _check_folder(case.vault, {}, case.refs)
        check_required("dashboard", shell_body(case.vault, case.refs), f"dashboard {case.vault.id}")
    if not case.refs.same_instance:
        yield from _recognise_queries(case.vault, found, case.refs)
    if found.live is not None:
        try:
            return (yield from _repair(case, found.live))
        except StillInTrash:
            yield Warn(
                "still_in_trash", f"dashboard {case.vault.id} cannot leave the trash, as its folder is gone"
            )
    return (yield from _create(case, frozenset({"slug"} if found.slug_taken else ())))


# --- finding it


# --- creating it


def _create(case: Case[VaultDashboard], left_out: frozenset[str] = frozenset()) -> Steps[Restored]:
    """POST the shell and fill it. `left_out` are fields that the server has refused, or is known to refuse."""
    body = without(shell_body(case.vault, case.refs), *left_out)
    tiles = yield from _check_references(case.vault, {}, case.refs, body)
    # Null for an object is no field of its own type: a new dashboard has none anyway.
    body = {name: value for name, value in body.items() if value is not None or name not in NESTED}
    if (owner := (yield from _owner(case.vault, body.pop("user_id", None), case.refs))) is not None:
        body["user_id"] = owner
    # Elsewhere a namesake is likely, and what was listed shows it without a call.
    is_looked_for = "slug" not in body or not case.refs.same_instance
    if is_looked_for and (end := (yield from _by_title(case, body, left_out))) is not None:
        return end
    yield from make_queries(tiles, case.refs)
    yield from report_orphan(case.refs)
    try:
        live = yield Create("/dashboards", body, lambda: made_by_lost_post(body), unique=True)
    except Refused as refused:
        return (yield from _after_refusal(refused, body, case, left_out))
    at, slug_now = live.get("created_at"), live.get("slug")
    yield Mapped("dashboard", case.vault.id, live["id"], MatchRule.CREATED, at, slug_now)
    slug = (yield from _slug_held(case, live["id"])) if "slug" in left_out else None
    work = _work(live["id"], case.history, created=True, not_kept=bool(left_out) and slug is None)
    done = yield from _complete(case.vault, tiles, dict(live), body, case.refs, work)
    if slug is None:
        return done
    # Nothing is accepted as it is while something is missing that will come.
    return msgspec.structs.replace(done, held=slug, live_fingerprint=b"")


def _slug_held(case: Case[VaultDashboard], dashboard_id: str) -> Steps[Held | None]:
    """A new dashboard without its slug: it waits if the holder is to get another one, else that is all."""
    claimant = Claimant(case.vault.id, dashboard_id, {"slug": known(case.vault.slug)})
    told = yield from held(SLUG, claimant, SLUG_REFUSED, case.refs, case.history)
    if told.waits:
        return Held(None, told.waits)
    yield _warning_without("slug", case.vault)
    return None


def _owner(vault: VaultDashboard, user_id: str | None, refs: References) -> Steps[str | None]:
    if known(vault.user_id) and destination_of(refs, "user", str(vault.user_id)) is None:
        yield owner_missing(f"user {vault.user_id}", refs, new=True)
        return user_id
    return (yield from keep_owner(user_id, refs, new=True))


def _owner_of_live(vault: VaultDashboard, user_id: str, refs: References) -> Steps[str | None]:
    """The owner to write to a dashboard that is there; None to leave it with whoever has it."""
    if destination_of(refs, "user", str(vault.user_id)) is None:
        yield owner_missing(f"user {vault.user_id}", refs, new=False)
        return user_id
    return (yield from keep_owner(user_id, refs, new=False))


def _after_refusal(
    refused: Refused,
    body: Body,
    case: Case[VaultDashboard],
    left_out: frozenset[str],
) -> Steps[Restored]:
    """Try without the field that was refused, or take over our own dashboard that has the title already."""
    offender = _offender(refused, body)
    if offender in {"slug", "user_id"}:
        if offender == "user_id":
            yield _warning_without(offender, case.vault)
        return (yield from _create(case, left_out | {offender}))
    if not is_taken(TITLE, refused):
        raise refused
    if (end := (yield from _by_title(case, body, left_out))) is not None:
        return end
    return (yield from _title_held(case, body, refused))


def _title_held(case: Case[VaultDashboard], body: Body, refused: Refused) -> Steps[Restored]:
    """The end of a dashboard that cannot be made, as another one has its title."""
    told = yield from held(TITLE, Claimant(case.vault.id, None, body), refused, case.refs, case.history)
    return Restored(operation=Operation.CREATED, held=told)


def _offender(refused: Refused, body: Body) -> str | None:
    """The field without which the server may accept the body.

    A slug is unique across the instance, the trash included (looker-cli#19). Releases before 26 did not know
    `user_id` of a dashboard, and may ignore or refuse it.
    """
    if refused.kind is FailureKind.CONFLICT and "slug" in body:
        return "slug"
    if refused.kind is FailureKind.VALIDATION and "user_id" in body and refused.about("user_id"):
        return "user_id"
    if is_taken(TITLE, refused):
        return next((field for field in TITLE.fields if field in body), None)
    return None


def _warning_without(field: str, vault: VaultDashboard) -> Warn:
    if field == "slug":
        text = f"another dashboard holds the slug {known(vault.slug)}; dashboard {vault.id} is without it"
        return Warn("slug_taken", text)
    text = f"the server refuses user {known(vault.user_id)} as owner of dashboard {vault.id}"
    return Warn("owner_not_set", text)


def _by_title(case: Case[VaultDashboard], body: Body, left_out: frozenset[str]) -> Steps[Restored | None]:
    """How the item ends by a dashboard that has its title in its folder; None if there is none."""
    found = yield from namesakes(body)
    free = [one for one in found if row_of("dashboard", one["id"], case.refs) in {None, case.vault.id}]
    asked, objection = (
        f"dashboards titled {quoted(body['title'])} in folder {body['folder_id']}",
        objection_to(case.vault, case.refs),
    )
    if len(free) > 1:
        end = doubtful("dashboard", case.vault.id, body["title"], free, "same title in the same folder")
        yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, end, objection)
        return end
    if not found:
        yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, None)
        return None
    namesake = yield Get(f"/dashboards/{(free or found)[0]['id']}")
    if namesake is None:
        return None
    done = yield from _adopt(case, namesake, body, left_out)
    taken = namesake if done.destination_id == namesake["id"] else None
    shown = done if done.operation is Operation.CONFLICT else taken
    yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, shown, objection)
    return done


def _adopt(
    case: Case[VaultDashboard],
    namesake: Body,
    body: Body,
    left_out: frozenset[str],
) -> Steps[Restored]:
    """Take over the dashboard of this title in this folder, if it is ours or equal anyway."""
    left_out |= {"slug"}
    newer = case.refs.content("dashboard", namesake["id"]) or {}
    stale = superseded(case.refs, "dashboard", case.vault.id, namesake["id"])
    if stale and TITLE.of(title_wanted(newer, case.refs)) == TITLE.of(body):
        return stale
    if not (yield from _is_ours(case, namesake, left_out)):
        if row_of("dashboard", namesake["id"], case.refs) is None:
            alike = "same title in the same folder, other content"
            return doubtful("dashboard", case.vault.id, body["title"], [namesake], alike)
        return (yield from _title_held(case, body, TITLE_REFUSED))
    done = yield from _repair(case, namesake, left_out)
    live = namesake if done.operation is Operation.UNCHANGED else (yield Get(f"/dashboards/{namesake['id']}"))
    marks = (vault_fingerprint(case.vault, case.refs), live_fingerprint(live))
    return msgspec.structs.replace(done, vault_fingerprint=marks[0], live_fingerprint=marks[1])


def _is_ours(case: Case[VaultDashboard], live: Body, left_out: frozenset[str]) -> Steps[bool]:
    if row_of("dashboard", live["id"], case.refs) not in {None, case.vault.id}:
        return False
    ours = case.refs.policy.adopt or made_since(live.get("created_at"), case.history.uncertain_since)
    return ours or (yield from _equals(case.vault, live, case.refs, left_out))


def _equals(vault: VaultDashboard, live: Body, refs: References, left_out: frozenset[str]) -> Steps[bool]:
    """Whether a repair would send nothing: asked of the repair itself, so that the two cannot disagree."""
    steps = _repair(Case(vault, refs), live, left_out)
    reply: Json = None
    try:
        while True:
            call = steps.send(reply)
            if isinstance(call, Get | Create | Update | Delete):
                return False
            reply = (yield call) if isinstance(call, Exists) else None
    except StopIteration as stop:
        return bool(stop.value.operation is Operation.UNCHANGED)


# --- repairing it


def _repair(
    case: Case[VaultDashboard],
    live: Body,
    left_out: frozenset[str] = frozenset(),
) -> Steps[Restored]:
    """Make a dashboard that exists, perhaps in the trash, equal the vault's."""
    yield Live(live)
    work = _work(live["id"], case.history, before=live)
    yield from make_good(work.kind, work.item_id, live, case.refs, case.history, work.changes)
    want = without(
        shell_body(case.vault, case.refs), *left_out, *(["folder_id"] if stays(live, case.refs) else [])
    )
    delta = changed(want, live, NESTED)
    trashed = bool(live.get("deleted"))
    tiles: Tiles | None = None
    if work.changes or not _is_accepted(case, None, live):
        # What comes back from the trash needs its folder, though that is not written.
        tiles = yield from _check_references(case.vault, live, case.refs, want if trashed else delta)
    if not work.changes and _is_accepted(case, tiles, live):
        return Restored(
            operation=Operation.UNCHANGED,
            destination_id=live["id"],
            waits=not case.history.again,
            incomplete=tiles.missing if tiles is not None else (),
        )
    if "user_id" in delta:
        owner = yield from _owner_of_live(case.vault, delta["user_id"], case.refs)
        delta = changed({**delta, "user_id": owner}, live, NESTED) if owner else without(delta, "user_id")
    yield from _note_mapping(case, live)
    yield from make_queries(tiles, case.refs)
    waking = Waking(work.kind, work.item_id, case.refs, work.changes)
    if trashed:
        yield from report_orphan(case.refs)
        live, taken = yield from undelete(
            live, delta, lambda body, now: _patch(case.vault, work, body, now), waking
        )
    else:
        live, taken = yield from _patch(case.vault, work, delta, live)
    told = (yield from _settle(case, want, work, live, taken)) if taken else None
    if trashed and live.get("deleted"):
        return Restored(operation=Operation.UNDELETED, destination_id=work.item_id, held=told)
    if "dashboard_elements" not in live or (trashed and live["dashboard_elements"] is None):
        # Found by a search that left the parts out: what follows changes those, so they are remembered too.
        try:
            live = work.before = yield Get(work.path, seen=True)
        except Unforeseen:
            return _unforeseen(work, told)
        if trashed:
            yield from waking.alerts_are_back(live)
        tiles = now_that_seen(tiles, live.get("dashboard_elements") or [], case.refs)
    want = {name: value for name, value in want.items() if name != "user_id" or "user_id" in delta}
    done = yield from _complete(case.vault, tiles, live, want, case.refs, work)
    done = msgspec.structs.replace(done, held=told)
    return msgspec.structs.replace(done, operation=Operation.UNDELETED) if trashed else done


def _unforeseen(work: Work, told: Held | None) -> Restored:
    """The end of a rehearsal of what is in the trash and cannot be read there."""
    return Restored(
        operation=Operation.UNDELETED,
        destination_id=work.item_id,
        reason="what is in it can only be read once it is out of the trash",
        changes=tuple(work.changes),
        held=told,
    )


def _is_accepted(case: Case[VaultDashboard], tiles: Tiles | None, live: Body) -> bool:
    """Whether an earlier run has made of this very backup what is live, as far as the server took it."""
    if case.history.accepted is None:
        return False
    return case.history.accepted == (_marked(case.vault, tiles, case.refs), live_fingerprint(live))


def _marked(vault: VaultDashboard, tiles: Tiles | None, refs: References) -> bytes:
    mark = vault_fingerprint(vault, refs)
    return mark if tiles is None else tiles.marked(mark)


def _settle(
    case: Case[VaultDashboard],
    want: Body,
    work: Work,
    live: Body,
    taken: Mapping[str, Refused],
) -> Steps[Held | None]:
    """What becomes of the names that other dashboards have; without its slug one that need not wait is restored."""
    told: list[Held] = []
    for name in (TITLE, SLUG):
        field = name.fields[0]
        if field not in taken:
            continue

        def rename(interim: str, field: str = field) -> Steps[None]:
            if live.get(field) != interim:
                yield from work.update(work.path, "", {field: interim}, live)

        claimant = Claimant(case.vault.id, work.item_id, want)
        one = yield from settle(name, claimant, taken[field], case.refs, case.history, rename)
        if name is SLUG and not one.waits:
            yield _warning_without("slug", case.vault)
            work.not_kept = True
        else:
            told.append(one)
    return Held(told[0].refused, max(one.waits for one in told)) if told else None


def _note_mapping(case: Case[VaultDashboard], live: Body) -> Steps[None]:
    found = case.refs.mapped("dashboard", case.vault.id)
    if found is None or found.destination_id != live["id"]:
        key = MatchRule.SLUG if live.get("slug") == known(case.vault.slug) else MatchRule.TITLE_IN_FOLDER
        rule = matched_by(case.refs, case.history, case.vault.id, live, key)
        yield Mapped("dashboard", case.vault.id, live["id"], rule, live.get("created_at"), live.get("slug"))


def _patch(
    vault: VaultDashboard, work: Work, delta: Body, live: Body
) -> Steps[tuple[Body, dict[str, Refused]]]:
    """PATCH the dashboard's own fields, without those that are refused if need be.

    Return the dashboard as it is then, and the refusals of its title and slug because others have them.
    """

    def difference(body: Body, reply: Mapping[str, Json]) -> Body:
        return changed(body, reply, NESTED)

    taken: dict[str, Refused] = {}
    while delta:
        is_held = _is_held(work, {**live, **delta}, delta)
        try:
            shows = woken(live, parts(vault.dashboard_layouts) or []) if "deleted" in delta else {}
            return (yield from work.update(work.path, "", delta, live, difference, is_held, shows)), taken
        except Refused as refused:
            offender = _offender(refused, delta)
            if offender is None and not is_taken(TITLE, refused):
                raise
            if offender == "user_id":
                yield _warning_without(offender, vault)
                work.not_kept = True
            else:
                taken.setdefault("slug" if offender == "slug" else "title", refused)
            if offender is None:
                return live, taken  # it is in the trash, and its place there is taken
            delta = without(delta, offender)
    return live, taken


def _is_held(work: Work, body: Body, delta: Body) -> Callable[[], Reads[bool]] | None:
    """For a rehearsal: whether another dashboard has the title or slug that is to be given."""
    gives_title = any(field in delta for field in ("deleted", *TITLE.fields))

    def is_held() -> Reads[bool]:
        return (yield from holder_of(TITLE, Claimant("", work.item_id, body))) is not None

    return is_held if gives_title else None


# --- what both have in common


def _work(
    dashboard_id: str,
    history: History,
    *,
    before: Body | None = None,
    created: bool = False,
    not_kept: bool = False,
) -> Work:
    where, waits = path("dashboards", dashboard_id), not history.again
    return Work("dashboard", where, dashboard_id, before, created=created, not_kept=not_kept, waits=waits)


def _check_filters(vault: VaultDashboard) -> None:
    for one in parts(vault.dashboard_filters) or ():
        check_required("dashboard_filter", filter_body(one), filter_name(vault, one))


def filter_name(vault: VaultDashboard, one: VaultFilter) -> str:
    """A filter, to people."""
    return f"filter {known(one.id) or known(one.name)} of dashboard {vault.id}"


def _check_references(
    vault: VaultDashboard, live: Mapping[str, Json], refs: References, delta: Body
) -> Steps[Tiles | None]:
    """Return the tiles to restore; raise `DependencyError` where the dashboard itself cannot be.

    Only what would be written is asked for. All that the tiles lack is named then as well.
    """
    _check_filters(vault)
    _check_folder(vault, live, refs)
    tiles = yield from tiles_of(vault, live.get("dashboard_elements") or [], refs)
    folder_id = delta.get("folder_id")
    if folder_id and (yield Exists("folder", (folder_id,))):
        lacks = [one.missing for one in tiles.missing] if tiles is not None else []
        raise DependencyError(tuple(dict.fromkeys([f"folder {folder_id}", *lacks])))
    return tiles


def _check_folder(vault: VaultDashboard, live: Mapping[str, Json], refs: References) -> None:
    """Raise when nothing here is known to be the folder, and a live dashboard does not lie in it already."""
    folder_id = known(vault.folder_id)
    if not folder_id or destination_of(refs, "folder", folder_id) is not None:
        return
    lies_there = live.get("folder_id") == whereabouts(refs, "folder", str(folder_id))
    if not live or live.get("deleted") or not lies_there:
        raise DependencyError((f"folder {folder_id}",), known=False)


def _recognise_queries(vault: VaultDashboard, found: Found, refs: References) -> Steps[None]:
    """Elsewhere than where they came from, queries have no ids yet, but for those that an earlier run has made.

    The live dashboard shows them.
    """
    live = found.live
    if live is None and (found.slug_taken or not known(vault.slug)):
        live = yield from namesake(shell_body(vault, refs))
    shown = [one for one in (live or {}).get("dashboard_elements") or [] if one.get("query_id")]
    for query_id, definition in unmade_queries(vault, refs):
        here = next((one for one in shown if is_query(query_id, definition, one.get("query"))), None)
        if here is not None:
            yield Mapped("query", query_id, str(here["query_id"]), MatchRule.CONTENT, settled=True)
    merged = [
        str(i) for one in (live or {}).get("dashboard_elements") or [] if (i := one.get("merge_result_id"))
    ]
    for merge_id in unmade_merges(vault, refs):
        yield from recognise_merge_query(refs, merge_id, merged)


def _complete(
    vault: VaultDashboard, tiles: Tiles | None, live: Body, want: Body, refs: References, work: Work
) -> Steps[Restored]:
    """Bring everything inside the dashboard in line, delete what is surplus, and say how it ended."""
    if work.created and (rest := changed(want, live, NESTED)):
        live, _ = yield from _patch(vault, work, rest, live)
    filter_ids: dict[str, str] = {}
    if (filters := parts(vault.dashboard_filters)) is not None:
        filter_ids = yield from sync_filters(work, filters, live.get("dashboard_filters") or [], refs)
    yield from arrange(vault, tiles, live, refs, work, filter_ids)
    yield from work.finish()
    if not work.waits:
        yield from certify_tiles(work)
        is_stale = bool(work.changes) and not work.created
        yield from certify(work, certificate_of(vault, refs), live, is_stale=is_stale)
    updated = Operation.UPDATED if work.changes else Operation.UNCHANGED
    marks = (b"", b"")
    if work.not_kept:
        marks = (_marked(vault, tiles, refs), live_fingerprint((yield Get(work.path, seen=True))))
    return Restored(
        operation=Operation.CREATED if work.created else updated,
        destination_id=work.item_id,
        changes=tuple(work.changes),
        vault_fingerprint=marks[0],
        live_fingerprint=marks[1],
        incomplete=tiles.missing if tiles is not None else (),
        waits=work.waits,
    )


# --- fingerprints
