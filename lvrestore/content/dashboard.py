"""Restore one dashboard with everything in it: find it, make its fields and parts equal the vault's.

The order of calls keeps the destination usable if it is cut anywhere: fields, filters, layouts, tiles,
rectangles, deletions, certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from lvrestore.content.alerts import remember_alerts, settle_watched, watched
from lvrestore.content.bodies import Body, bare, body_of, changed, fingerprint, only, without
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
    Tried,
    Unforeseen,
    Update,
    Warn,
)
from lvrestore.content.certificates import FIELD as CERTIFICATE
from lvrestore.content.certificates import WRITABLE, certificate_of, certify, certify_tiles
from lvrestore.content.counterparts import follow
from lvrestore.content.filters import filter_body, sync_filters
from lvrestore.content.finding import by_identity
from lvrestore.content.homes import housed, report_orphan, stays
from lvrestore.content.layouts import places, read_layouts, restorable, sync_components, sync_layouts, woken
from lvrestore.content.links import may_move
from lvrestore.content.lists import lying_in
from lvrestore.content.matching import pair
from lvrestore.content.names import Candidates, Claimant, Name, held, holder_of, is_taken, row_of, settle
from lvrestore.content.queries import (
    is_query,
    make_query,
    recognise_merge_query,
)
from lvrestore.content.references import (
    NO_HISTORY,
    History,
    References,
    destination_of,
    keep_owner,
    made_since,
    matched_by,
    owner_missing,
    superseded,
    whereabouts,
)
from lvrestore.content.required import check_required
from lvrestore.content.shapes import VaultDashboard, VaultFilter, VaultLayout, VaultTile, known, parts
from lvrestore.content.tile_sources import (
    Tiles,
    is_about_source,
    lack_of_source,
    make_queries,
    now_that_seen,
    tiles_of,
    unmade_merges,
    unmade_queries,
)
from lvrestore.content.tiles import (
    SOURCES,
    lacks_filter,
    looks_like,
    new_tile_body,
    relinked_tile,
    texts_of,
    tile_body,
    tile_changes,
    tile_rules,
    unsettled_in,
    with_live_links,
    with_standing_links,
)
from lvrestore.content.trash import StillInTrash, undelete
from lvrestore.content.trying import doubtful, tried
from lvrestore.content.waking import Waking, make_good
from lvrestore.content.work import Parts, Work
from lvrestore.errors import DependencyError
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.models import (
    DashboardAppearance,
    DashboardDownloadSettings,
    WriteDashboard,
    WriteDashboardElement,
    WriteDashboardFilter,
    WriteDashboardLayout,
    WriteDashboardLayoutComponent,
    WriteResultMakerWithIdVisConfigAndDynamicFields,
)
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MatchRule, Operation
from lvrestore.text import quoted

# The vault drops top-level nulls, so absent means null or unknown to the SDK that extracted. These fields every
# extracting SDK knew, and the API description lets them be null: absent means null.
CLEARED_WHEN_ABSENT = (
    "appearance",
    "background_color",
    "description",
    "load_configuration",
    "lookml_link_id",
    "preferred_viewer",
    "query_timezone",
    "refresh_interval",
    "show_filters_bar",
    "show_title",
    "text_tile_text_color",
    "tile_background_color",
    "tile_text_color",
    "title_color",
)
NESTED = {
    "appearance": DashboardAppearance.__struct_fields__,
    "download_settings": DashboardDownloadSettings.__struct_fields__,
}


def _titled(body: Body) -> Candidates:
    listed = yield from lying_in(body["folder_id"], "dashboards", {"fields": "id,title,deleted"})
    living = [one for one in listed if not one.get("deleted")]
    return [one for one in living if bare(one.get("title")) == bare(body["title"])]


def _slugged(body: Body) -> Candidates:
    """Those of this slug: it is unique across the instance, the trash included (looker-cli#19)."""
    found: list[Body] = []
    for trash in ({}, {"deleted": "true"}):
        params = {"slug": body["slug"], "fields": "id,slug,title,created_at", **trash}
        hits = yield Get("/dashboards/search", params)
        found += [one for one in hits if one.get("slug") == body["slug"]]
    return found


def _title_wanted(content: Mapping[str, Json], refs: References) -> Body:
    folder_id = content.get("folder_id")
    here = whereabouts(refs, "folder", str(folder_id)) if folder_id else None
    return {"title": content.get("title"), "folder_id": here}


TITLE = Name(
    kind="dashboard",
    fields=("title", "folder_id"),
    holders=_titled,
    wanted=_title_wanted,
    interim=lambda source_id: f"lvrestore dashboard {source_id}",
)
SLUG = Name(
    kind="dashboard",
    fields=("slug",),
    holders=_slugged,
    wanted=lambda content, _refs: {"slug": content.get("slug")},
    interim=lambda source_id: f"lvrestore-dashboard-{source_id}",
)
# What a server would say to a body that is not sent, as the answer is known.
TITLE_REFUSED = Refused(
    FailureKind.VALIDATION, 422, "two dashboards of a folder cannot share a title", ("title",)
)
SLUG_REFUSED = Refused(FailureKind.CONFLICT, 409, "two dashboards cannot share a slug", ("slug",))


class Found(msgspec.Struct, frozen=True):
    """The live dashboard, if any. `slug_taken` says that another one holds the vault's slug."""

    live: Body | None
    slug_taken: bool = False


def restore_dashboard(
    vault: VaultDashboard, refs: References, history: History = NO_HISTORY
) -> Steps[Restored]:
    """Make the destination's dashboard equal the vault's, creating it if it is gone."""
    if "::" in vault.id:
        return Restored(operation=Operation.SKIPPED, reason="a LookML dashboard lives in its project's code")
    if not history.again:
        links = {link for tile in parts(vault.dashboard_elements) or () for link in unsettled_in(tile, refs)}
        # Where a second look would see nothing new, this one counts as that.
        history = msgspec.structs.replace(history, again=not (yield from may_move(links, refs)))
    if history.again:
        yield from follow(
            [text for tile in parts(vault.dashboard_elements) or () for text in texts_of(tile)], refs
        )
    refs = yield from housed(known(vault.folder_id), refs)
    if not refs.same_instance:
        _check_folder(vault, {}, refs)
    found = yield from _find(vault, refs, history)
    if isinstance(found, Restored):
        return found
    if found.live is None:
        _check_folder(vault, {}, refs)
        check_required("dashboard", _shell_body(vault, refs), f"dashboard {vault.id}")
    if not refs.same_instance:
        yield from _recognise_queries(vault, found, refs)
    if found.live is not None:
        try:
            return (yield from _repair(vault, found.live, refs, history))
        except StillInTrash:
            yield Warn(
                "still_in_trash", f"dashboard {vault.id} cannot leave the trash, as its folder is gone"
            )
    return (yield from _create(vault, refs, history, frozenset({"slug"} if found.slug_taken else ())))


# --- finding it


def _find(vault: VaultDashboard, refs: References, history: History) -> Steps[Found | Restored]:
    created_at = known(vault.created_at)
    live = yield from by_identity(refs, "dashboard", "dashboards", vault.id, created_at, has_trash=True)
    if isinstance(live, Restored):
        return live
    return Found(live) if live is not None else (yield from _by_slug(vault, refs, history))


def _by_slug(vault: VaultDashboard, refs: References, history: History) -> Steps[Found | Restored]:
    slug = known(vault.slug)
    if not slug:
        yield Tried(MatchRule.SLUG, "", "not tried: the backup has no slug of it")
        return Found(None)
    holders = yield from _slug_holders(slug)
    ours = [one for one in holders if _fits(vault, one, refs, history)]
    end: Body | Restored | None = ours[0] if ours else None
    if len(ours) > 1:
        end = doubtful("dashboard", vault.id, known(vault.title), ours, "same slug")
    elif ours:
        end = superseded(refs, "dashboard", vault.id, ours[0]["id"]) or ours[0]
    objection = _objection(vault, refs)
    yield tried(MatchRule.SLUG, f"dashboards with the slug {slug}", holders, end, objection)
    if isinstance(end, Restored):
        return end
    if end is not None:
        return Found((yield Get(f"/dashboards/{end['id']}")))
    return Found(None, slug_taken=bool(holders))


def _fits(vault: VaultDashboard, holder: Body, refs: References, history: History) -> bool:
    """Whether the holder of the slug is this dashboard, and not another one that has got it."""
    free = row_of("dashboard", holder["id"], refs) in {None, vault.id}
    same = (refs.policy.adopt and free) or holder.get("title") == known(vault.title)
    return same or made_since(holder.get("created_at"), history.uncertain_since)


def _objection(vault: VaultDashboard, refs: References) -> Callable[[Mapping[str, Json]], str]:
    """What speaks against a dashboard that has the slug, or the title in the folder."""

    def objection(live: Mapping[str, Json]) -> str:
        other = row_of("dashboard", str(live["id"]), refs)
        if other not in {None, vault.id}:
            return f"it is dashboard {other} of the backup"
        return "other title" if live.get("title") != known(vault.title) else "other content"

    return objection


def _slug_holders(slug: str) -> Generator[Get, Json, list[Body]]:
    hits = yield Get("/dashboards/search", {"slug": slug, "fields": "id,slug,title,created_at"})
    return [hit for hit in hits if hit.get("slug") == slug]


def _namesakes(body: Body) -> Reads[list[Body]]:
    """The dashboards of this very title in the folder: listed and compared, as search is LIKE."""
    live = yield from lying_in(body["folder_id"], "dashboards", {"fields": "id,title,deleted"})
    return [one for one in live if one.get("title") == body["title"] and not one.get("deleted")]


def _namesake(body: Body) -> Reads[Json]:
    """The one dashboard of this title in the folder, whole."""
    found = yield from _namesakes(body)
    return (yield Get(f"/dashboards/{found[0]['id']}")) if len(found) == 1 else None


# --- creating it


def _create(
    vault: VaultDashboard, refs: References, history: History, left_out: frozenset[str] = frozenset()
) -> Steps[Restored]:
    """POST the shell and fill it. `left_out` are fields that the server has refused, or is known to refuse."""
    body = without(_shell_body(vault, refs), *left_out)
    tiles = yield from _check_references(vault, {}, refs, body)
    # Null for an object is no field of its own type: a new dashboard has none anyway.
    body = {name: value for name, value in body.items() if value is not None or name not in NESTED}
    if (owner := (yield from _owner(vault, body.pop("user_id", None), refs))) is not None:
        body["user_id"] = owner
    # Elsewhere a namesake is likely, and what was listed shows it without a call.
    is_looked_for = "slug" not in body or not refs.same_instance
    if is_looked_for and (end := (yield from _by_title(vault, body, refs, history, left_out))) is not None:
        return end
    yield from make_queries(tiles, refs)
    yield from report_orphan(refs)
    try:
        live = yield Create("/dashboards", body, lambda: _made_by_lost_post(body), unique=True)
    except Refused as refused:
        return (yield from _after_refusal(refused, body, vault, refs, history, left_out))
    at, slug_now = live.get("created_at"), live.get("slug")
    yield Mapped("dashboard", vault.id, live["id"], MatchRule.CREATED, at, slug_now)
    slug = (yield from _slug_held(vault, live["id"], refs, history)) if "slug" in left_out else None
    work = _work(live["id"], history, created=True, not_kept=bool(left_out) and slug is None)
    done = yield from _complete(vault, tiles, dict(live), body, refs, work)
    if slug is None:
        return done
    # Nothing is accepted as it is while something is missing that will come.
    return msgspec.structs.replace(done, held=slug, live_fingerprint=b"")


def _slug_held(
    vault: VaultDashboard, dashboard_id: str, refs: References, history: History
) -> Steps[Held | None]:
    """A new dashboard without its slug: it waits if the holder is to get another one, else that is all."""
    claimant = Claimant(vault.id, dashboard_id, {"slug": known(vault.slug)})
    told = yield from held(SLUG, claimant, SLUG_REFUSED, refs, history)
    if told.waits:
        return Held(None, told.waits)
    yield _warning_without("slug", vault)
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
    vault: VaultDashboard,
    refs: References,
    history: History,
    left_out: frozenset[str],
) -> Steps[Restored]:
    """Try without the field that was refused, or take over our own dashboard that has the title already."""
    offender = _offender(refused, body)
    if offender in {"slug", "user_id"}:
        if offender == "user_id":
            yield _warning_without(offender, vault)
        return (yield from _create(vault, refs, history, left_out | {offender}))
    if not is_taken(TITLE, refused):
        raise refused
    if (end := (yield from _by_title(vault, body, refs, history, left_out))) is not None:
        return end
    return (yield from _title_held(vault, body, refused, refs, history))


def _title_held(
    vault: VaultDashboard, body: Body, refused: Refused, refs: References, history: History
) -> Steps[Restored]:
    """The end of a dashboard that cannot be made, as another one has its title."""
    told = yield from held(TITLE, Claimant(vault.id, None, body), refused, refs, history)
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


def _made_by_lost_post(body: Body) -> Reads[Json]:
    """The dashboard that a POST without an answer made; the slug, else title and folder, are nobody else's."""
    if slug := body.get("slug"):
        mine = [one for one in (yield from _slug_holders(slug)) if one.get("title") == body["title"]]
        return (yield Get(f"/dashboards/{mine[0]['id']}")) if len(mine) == 1 else None
    return (yield from _namesake(body))


def _by_title(
    vault: VaultDashboard, body: Body, refs: References, history: History, left_out: frozenset[str]
) -> Steps[Restored | None]:
    """How the item ends by a dashboard that has its title in its folder; None if there is none."""
    found = yield from _namesakes(body)
    free = [one for one in found if row_of("dashboard", one["id"], refs) in {None, vault.id}]
    asked, objection = (
        f"dashboards titled {quoted(body['title'])} in folder {body['folder_id']}",
        _objection(vault, refs),
    )
    if len(free) > 1:
        end = doubtful("dashboard", vault.id, body["title"], free, "same title in the same folder")
        yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, end, objection)
        return end
    if not found:
        yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, None)
        return None
    namesake = yield Get(f"/dashboards/{(free or found)[0]['id']}")
    if namesake is None:
        return None
    done = yield from _adopt(vault, namesake, body, refs, history, left_out)
    taken = namesake if done.destination_id == namesake["id"] else None
    shown = done if done.operation is Operation.CONFLICT else taken
    yield tried(MatchRule.TITLE_IN_FOLDER, asked, found, shown, objection)
    return done


def _adopt(
    vault: VaultDashboard,
    namesake: Body,
    body: Body,
    refs: References,
    history: History,
    left_out: frozenset[str],
) -> Steps[Restored]:
    """Take over the dashboard of this title in this folder, if it is ours or equal anyway."""
    left_out |= {"slug"}
    newer = refs.content("dashboard", namesake["id"]) or {}
    stale = superseded(refs, "dashboard", vault.id, namesake["id"])
    if stale and TITLE.of(_title_wanted(newer, refs)) == TITLE.of(body):
        return stale
    if not (yield from _is_ours(vault, namesake, refs, history, left_out)):
        if row_of("dashboard", namesake["id"], refs) is None:
            alike = "same title in the same folder, other content"
            return doubtful("dashboard", vault.id, body["title"], [namesake], alike)
        return (yield from _title_held(vault, body, TITLE_REFUSED, refs, history))
    done = yield from _repair(vault, namesake, refs, history, left_out)
    live = namesake if done.operation is Operation.UNCHANGED else (yield Get(f"/dashboards/{namesake['id']}"))
    marks = (vault_fingerprint(vault, refs), live_fingerprint(live))
    return msgspec.structs.replace(done, vault_fingerprint=marks[0], live_fingerprint=marks[1])


def _is_ours(
    vault: VaultDashboard, live: Body, refs: References, history: History, left_out: frozenset[str]
) -> Steps[bool]:
    if row_of("dashboard", live["id"], refs) not in {None, vault.id}:
        return False
    ours = refs.policy.adopt or made_since(live.get("created_at"), history.uncertain_since)
    return ours or (yield from _equals(vault, live, refs, left_out))


def _equals(vault: VaultDashboard, live: Body, refs: References, left_out: frozenset[str]) -> Steps[bool]:
    """Whether a repair would send nothing: asked of the repair itself, so that the two cannot disagree."""
    steps = _repair(vault, live, refs, NO_HISTORY, left_out)
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
    vault: VaultDashboard,
    live: Body,
    refs: References,
    history: History,
    left_out: frozenset[str] = frozenset(),
) -> Steps[Restored]:
    """Make a dashboard that exists, perhaps in the trash, equal the vault's."""
    yield Live(live)
    work = _work(live["id"], history, before=live)
    yield from make_good(work.kind, work.item_id, live, refs, history, work.changes)
    want = without(_shell_body(vault, refs), *left_out, *(["folder_id"] if stays(live, refs) else []))
    delta = changed(want, live, NESTED)
    trashed = bool(live.get("deleted"))
    tiles: Tiles | None = None
    if work.changes or not _is_accepted(vault, None, live, refs, history):
        # What comes back from the trash needs its folder, though that is not written.
        tiles = yield from _check_references(vault, live, refs, want if trashed else delta)
    if not work.changes and _is_accepted(vault, tiles, live, refs, history):
        return Restored(
            operation=Operation.UNCHANGED,
            destination_id=live["id"],
            waits=not history.again,
            incomplete=tiles.missing if tiles is not None else (),
        )
    if "user_id" in delta:
        owner = yield from _owner_of_live(vault, delta["user_id"], refs)
        delta = changed({**delta, "user_id": owner}, live, NESTED) if owner else without(delta, "user_id")
    yield from _note_mapping(vault, live, refs, history)
    yield from make_queries(tiles, refs)
    waking = Waking(work.kind, work.item_id, refs, work.changes)
    if trashed:
        yield from report_orphan(refs)
        live, taken = yield from undelete(
            live, delta, lambda body, now: _patch(vault, work, body, now), waking
        )
    else:
        live, taken = yield from _patch(vault, work, delta, live)
    told = (yield from _settle(vault, want, work, live, taken, refs, history)) if taken else None
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
        tiles = now_that_seen(tiles, live.get("dashboard_elements") or [], refs)
    want = {name: value for name, value in want.items() if name != "user_id" or "user_id" in delta}
    done = yield from _complete(vault, tiles, live, want, refs, work)
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


def _is_accepted(
    vault: VaultDashboard, tiles: Tiles | None, live: Body, refs: References, history: History
) -> bool:
    """Whether an earlier run has made of this very backup what is live, as far as the server took it."""
    if history.accepted is None:
        return False
    return history.accepted == (_marked(vault, tiles, refs), live_fingerprint(live))


def _marked(vault: VaultDashboard, tiles: Tiles | None, refs: References) -> bytes:
    mark = vault_fingerprint(vault, refs)
    return mark if tiles is None else tiles.marked(mark)


def _settle(
    vault: VaultDashboard,
    want: Body,
    work: Work,
    live: Body,
    taken: Mapping[str, Refused],
    refs: References,
    history: History,
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

        claimant = Claimant(vault.id, work.item_id, want)
        one = yield from settle(name, claimant, taken[field], refs, history, rename)
        if name is SLUG and not one.waits:
            yield _warning_without("slug", vault)
            work.not_kept = True
        else:
            told.append(one)
    return Held(told[0].refused, max(one.waits for one in told)) if told else None


def _note_mapping(vault: VaultDashboard, live: Body, refs: References, history: History) -> Steps[None]:
    found = refs.mapped("dashboard", vault.id)
    if found is None or found.destination_id != live["id"]:
        key = MatchRule.SLUG if live.get("slug") == known(vault.slug) else MatchRule.TITLE_IN_FOLDER
        rule = matched_by(refs, history, vault.id, live, key)
        yield Mapped("dashboard", vault.id, live["id"], rule, live.get("created_at"), live.get("slug"))


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


def _shell_body(vault: VaultDashboard, refs: References) -> Body:
    """The dashboard's own fields; references translated, those that cannot be are None."""
    body = without(body_of(vault, WriteDashboard), "deleted", CERTIFICATE)
    for name in CLEARED_WHEN_ABSENT:
        body.setdefault(name, None)
    if folder_id := body.get("folder_id"):
        body["folder_id"] = whereabouts(refs, "folder", folder_id)
    if owner := body.get("user_id"):
        body["user_id"] = destination_of(refs, "user", owner)
    if known(vault.user_id) and body["user_id"] is None:
        body["user_id"] = refs.policy.heir
    # Null says nothing for these: Looker needs a title and a folder, and gives owner and slug itself.
    return {
        name: value
        for name, value in body.items()
        if value is not None or name not in {"title", "folder_id", "user_id", "slug"}
    }


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
        live = yield from _namesake(_shell_body(vault, refs))
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
    yield from _arrange(vault, tiles, live, refs, work, filter_ids)
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


def _arrange(
    vault: VaultDashboard,
    tiles: Tiles | None,
    live: Body,
    refs: References,
    work: Work,
    filter_ids: Mapping[str, str],
) -> Steps[None]:
    """Layouts and tiles, then the rectangles that the server made for both."""
    standing = live.get("dashboard_layouts")
    if standing is None:
        standing = yield from read_layouts(work)
    wanted = restorable(parts(vault.dashboard_layouts) or [], of_trashed=known(vault.deleted) is True)
    layouts = yield from sync_layouts(work, wanted, standing, refs)
    named = {known(tile.dashboard_layout_id) for tile in (tiles.all if tiles else ())}
    yield from layouts.create(work, [one for one in wanted if known(one.id) in named])
    tile_ids = {one["id"]: one["id"] for one in live.get("dashboard_elements") or ()}
    old_tiles, old_layouts = set(tile_ids), {one["id"] for one in standing}
    homes = {
        one["id"]: one.get("dashboard_layout_id") for one in watched(live.get("dashboard_elements") or ())
    }
    if tiles is not None:
        ids = (layouts.ids, filter_ids)
        tile_ids = yield from _sync_tiles(work, tiles, live, refs, ids, (wanted, standing), homes)
    yield from layouts.delete_surplus(work, homes)
    # A new layout gets a rectangle for every tile there is, wherever new tiles come up: so these come second.
    yield from layouts.create(work, wanted)
    yield from layouts.remember(refs)
    added = set(tile_ids.values()) - old_tiles or set(layouts.ids.values()) - old_layouts
    if wanted and added:
        standing = yield from read_layouts(work)
    pairs = [(one, str(now["id"])) for one, now in layouts.pairs]
    yield from sync_components(work, pairs, standing, tile_ids, tiles.lacking if tiles is not None else ())


def _sync_tiles(
    work: Work,
    tiles: Tiles,
    live: Body,
    refs: References,
    ids: tuple[Mapping[str, str], Mapping[str, str]],
    layouts: tuple[Sequence[VaultLayout], Sequence[Mapping[str, Json]]],
    homes: dict[str, Json],
) -> Steps[dict[str, str]]:
    """Make the tiles equal the vault's; return live ids by the vault's. `ids` are those of layouts and filters.

    `homes`, the layouts that tiles with alerts name, becomes what it is afterwards.
    """
    standing = live.get("dashboard_elements") or []
    bodies = {id(tile): tile_body(tile, refs, *ids) for tile in tiles.all}
    for tile in tiles.all:
        if lacks_filter(tile, refs, ids[1]):
            yield Warn(
                "broken_reference",
                f"tile {known(tile.id)} is without filter {tile.filter_id}, which is not here",
            )
    rules = tile_rules(refs, bodies, places(layouts[0]), places(layouts[1]))
    pairs, surplus = pair(tiles.all, standing, rules)
    siblings = Parts(f"{work.path}/dashboard_elements", {one["id"] for one in standing}, looks_like)
    done: dict[str, str] = {}
    for tile, now in pairs:
        here = yield from _sync_or_lack(work, tile, bodies[id(tile)], now, siblings, refs, tiles)
        if here is None:
            continue
        done[str(known(tile.id))] = here
        if now is not None and now["id"] in homes:
            homes[now["id"]] = bodies[id(tile)].get("dashboard_layout_id") or homes[now["id"]]
    surplus = [now for now in surplus if not tiles.spares(now, refs)]
    kept = yield from settle_watched(surplus, refs)
    for now in surplus:
        if now["id"] in kept:
            continue
        homes.pop(now["id"], None)
        work.delete_last(f"/dashboard_elements/{now['id']}", f"dashboard_elements[{now['id']}]")
    return done


def _sync_or_lack(
    work: Work,
    tile: VaultTile,
    body: Body,
    now: Body | None,
    siblings: Parts,
    refs: References,
    tiles: Tiles,
) -> Steps[str | None]:
    """Make a tile equal the vault's. What shows its data is not always ours to write: then a live one keeps it."""
    if tiles.writes_source(tile):
        try:
            return (yield from _sync_tile(work, tile, body, now, siblings, refs))
        except (Refused, DependencyError) as failure:
            if isinstance(failure, Refused) and not is_about_source(body, failure):
                raise
            tiles.lacks[id(tile)] = lack_of_source(tile, failure)
    if now is not None:
        rest = without(body, *SOURCES, "result_maker")
        return (yield from _sync_tile(work, tile, rest, now, siblings, refs))
    if id(tile) not in tiles.lacks:
        yield Warn("broken_tile", f"tile {known(tile.id)} has no source that can be restored; left out")
    return None


def _sync_tile(
    work: Work, tile: VaultTile, body: Body, now: Body | None, siblings: Parts, refs: References
) -> Steps[str]:
    if now is None:
        send = new_tile_body(body, work.item_id)
        label = f"dashboard_elements[{known(tile.id)}]."
        mapping = ("dashboard_element", known(tile.id))
        now = yield from _with_its_query(
            tile, send, refs, lambda body: work.create("/dashboard_elements", label, body, siblings, mapping)
        )
        body = {**body, **only(now, ("query_id",))} if body.get("query_id") else body
    label = f"dashboard_elements[{now['id']}]."
    if work.waits:
        body = with_live_links(body, now)
    elif not refs.same_instance:
        body = with_standing_links(body, tile, now, refs)
    if delta := tile_changes(body, now):
        where, live = f"/dashboard_elements/{now['id']}", now
        yield from remember_alerts(live)
        now = yield from _with_its_query(
            tile, delta, refs, lambda body: work.update(where, label, body, live, tile_changes)
        )
    if (certificate := certificate_of(tile, refs)) is not None:
        work.certificates.append((certificate, now))
    return str(now["id"])


def _with_its_query(
    tile: VaultTile, body: Body, refs: References, write: Callable[[Body], Steps[Body]]
) -> Steps[Body]:
    """Write a tile; if the server does not know its query any more, make that from the backup and try again."""
    try:
        return (yield from write(body))
    except Refused as refused:
        if not body.get("query_id") or not refused.about("query_id"):
            raise
        made = yield from make_query(refs, str(tile.query_id), known(tile.query))
        if made is None:
            raise DependencyError((f"query {tile.query_id}",)) from refused
    return (yield from write({**body, "query_id": made}))


# --- fingerprints

# A list may show parts with other fields than an answer of their own, and what a source is, is known by its id.
_PARTS = {
    "dashboard_elements": (*WriteDashboardElement.__struct_fields__, "id"),
    "dashboard_filters": (*WriteDashboardFilter.__struct_fields__, "id"),
    "dashboard_layouts": (*WriteDashboardLayout.__struct_fields__, "id", "dashboard_layout_components"),
    "dashboard_layout_components": (*WriteDashboardLayoutComponent.__struct_fields__, "id"),
}
_OBJECTS = {
    "result_maker": WriteResultMakerWithIdVisConfigAndDynamicFields.__struct_fields__,
    CERTIFICATE: WRITABLE,
}
_EMBEDDED = frozenset({"query", "look"})


def vault_fingerprint(vault: VaultDashboard, refs: References) -> bytes:
    """16 bytes that change when anything restorable in the backup's dashboard does, or where its links go by now.

    With `--alerts delete` they are others: what was kept for its alerts was accepted without that only.
    """
    if (tiles := parts(vault.dashboard_elements)) is not None:
        vault = msgspec.structs.replace(
            vault, dashboard_elements=[relinked_tile(tile, refs) for tile in tiles]
        )
    content: Body = msgspec.to_builtins(vault, builtin_types=(datetime,))
    if refs.policy.certification == "skip":
        content[CERTIFICATE] = "skip"  # what is accepted without certificates may lack some
    if refs.policy.alerts == "delete":
        content["alerts"] = "delete"  # what is accepted without that may have tiles that were kept
    return fingerprint(content)


def live_fingerprint(live: Mapping[str, Json]) -> bytes:
    """16 bytes that change when anything writable on the live dashboard does, however it was read."""
    return fingerprint(_view(live, (*WriteDashboard.__struct_fields__, *_PARTS)))


def _view(live: Mapping[str, Json], fields: Iterable[str]) -> Body:
    return {name: _seen(name, live.get(name)) for name in fields if name not in _EMBEDDED}


def _seen(name: str, value: Json) -> Json:
    if name in _PARTS:
        shown = (_view(part, _PARTS[name]) for part in value or ())
        return sorted(shown, key=lambda part: str(part["id"]))
    return _view(value, _OBJECTS[name]) if name in _OBJECTS and value else value
