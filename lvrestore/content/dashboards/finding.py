"""Which live dashboard is the backup's: by identity, slug, or title in its folder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

import msgspec

from lvrestore.content.calls import Get, Reads, Restored, Steps, Tried
from lvrestore.content.case import Case
from lvrestore.content.identity.by_identity import by_identity
from lvrestore.content.identity.names import Candidates, Name, row_of
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import References, made_since, superseded, whereabouts
from lvrestore.content.lists import lying_in
from lvrestore.content.writing.bodies import Body, bare
from lvrestore.content.writing.shapes import VaultDashboard, known
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.model import Json, MatchRule


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


def title_wanted(content: Mapping[str, Json], refs: References) -> Body:
    """The title that a dashboard is to have, and the folder on the destination in which it is unique."""
    folder_id = content.get("folder_id")
    here = whereabouts(refs, "folder", str(folder_id)) if folder_id else None
    return {"title": content.get("title"), "folder_id": here}


TITLE = Name(
    kind="dashboard",
    fields=("title", "folder_id"),
    holders=_titled,
    wanted=title_wanted,
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


def find_dashboard(case: Case[VaultDashboard]) -> Steps[Found | Restored]:
    """The live dashboard, or how the item ends if it must not be touched."""
    created_at = known(case.vault.created_at)
    live = yield from by_identity(
        case.refs, "dashboard", "dashboards", case.vault.id, created_at, has_trash=True
    )
    if isinstance(live, Restored):
        return live
    return Found(live) if live is not None else (yield from _by_slug(case))


def _by_slug(case: Case[VaultDashboard]) -> Steps[Found | Restored]:
    slug = known(case.vault.slug)
    if not slug:
        yield Tried(MatchRule.SLUG, "", "not tried: the backup has no slug of it")
        return Found(None)
    holders = yield from _slug_holders(slug)
    ours = [one for one in holders if _fits(case, one)]
    end: Body | Restored | None = ours[0] if ours else None
    if len(ours) > 1:
        end = doubtful("dashboard", case.vault.id, known(case.vault.title), ours, "same slug")
    elif ours:
        end = superseded(case.refs, "dashboard", case.vault.id, ours[0]["id"]) or ours[0]
    objection = objection_to(case.vault, case.refs)
    yield tried(MatchRule.SLUG, f"dashboards with the slug {slug}", holders, end, objection)
    if isinstance(end, Restored):
        return end
    if end is not None:
        return Found((yield Get(f"/dashboards/{end['id']}")))
    return Found(None, slug_taken=bool(holders))


def _fits(case: Case[VaultDashboard], holder: Body) -> bool:
    """Whether the holder of the slug is this dashboard, and not another one that has got it."""
    free = row_of("dashboard", holder["id"], case.refs) in {None, case.vault.id}
    same = (case.refs.policy.adopt and free) or holder.get("title") == known(case.vault.title)
    return same or made_since(holder.get("created_at"), case.history.uncertain_since)


def objection_to(vault: VaultDashboard, refs: References) -> Callable[[Mapping[str, Json]], str]:
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


def namesakes(body: Body) -> Reads[list[Body]]:
    """The dashboards of this very title in the folder: listed and compared, as search is LIKE."""
    live = yield from lying_in(body["folder_id"], "dashboards", {"fields": "id,title,deleted"})
    return [one for one in live if one.get("title") == body["title"] and not one.get("deleted")]


def namesake(body: Body) -> Reads[Json]:
    """The one dashboard of this title in the folder, whole."""
    found = yield from namesakes(body)
    return (yield Get(f"/dashboards/{found[0]['id']}")) if len(found) == 1 else None


def made_by_lost_post(body: Body) -> Reads[Json]:
    """The dashboard that a POST without an answer made; the slug, else title and folder, are nobody else's."""
    if slug := body.get("slug"):
        mine = [one for one in (yield from _slug_holders(slug)) if one.get("title") == body["title"]]
        return (yield Get(f"/dashboards/{mine[0]['id']}")) if len(mine) == 1 else None
    return (yield from namesake(body))
