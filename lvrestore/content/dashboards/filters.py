"""Dashboard filters: matched by id, then name; names and titles are unique within a dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lvrestore.content.calls import Steps
from lvrestore.content.identity.pairing import Rule, pair
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body, body_of, changed, without
from lvrestore.content.writing.shapes import VaultFilter, known
from lvrestore.content.writing.work import Parts, Work
from lvrestore.looker.classify import Refused
from lvrestore.looker.models import WriteDashboardFilter
from lvrestore.model import Json

UNIQUE = ("name", "title")
LivePart = Mapping[str, Json]


def filter_body(one: VaultFilter) -> Body:
    """Every writable field the vault knows of the filter."""
    return body_of(one, WriteDashboardFilter)


def sync_filters(
    work: Work, wanted: Sequence[VaultFilter], live: Sequence[LivePart], refs: References
) -> Steps[dict[str, str]]:
    """Make the live filters equal the vault's; return live ids by the vault's.

    Surplus ones go last unless they hold a name that is needed.
    """
    pairs, surplus = pair(wanted, live, _rules(refs))
    bodies = [(one, filter_body(one), now) for one, now in pairs]
    made: LivePart
    yield from _remove_surplus(work, surplus, [body for _, body, _ in bodies])
    holding = {now["id"]: now for _, _, now in bodies if now is not None}
    later = yield from _update(work, [(body, now) for _, body, now in bodies if now is not None], holding)
    ids = {str(known(one.id)): str(now["id"]) for one, _, now in bodies if now is not None}
    parts = Parts(f"{work.path}/dashboard_filters", {now["id"] for now in live}, _same_name, unique=True)
    for one, body, now in bodies:
        if now is None:
            made, postponed = yield from _create(work, one, body, parts)
            ids[str(known(one.id))] = str(made["id"])
            later += [(made, postponed)] if postponed else []
    for made, body in later:
        yield from work.update(f"/dashboard_filters/{made['id']}", _label(made), body, made)
    return ids


def _rules(refs: References) -> list[Rule[VaultFilter, LivePart]]:
    def mapped(one: VaultFilter) -> str | None:
        found = refs.mapped("dashboard_filter", known(one.id) or "")
        return found.destination_id if found else None

    return [
        Rule(mapped, lambda live: live["id"]),
        Rule(lambda one: known(one.id) if refs.same_instance else None, lambda live: live["id"]),
        Rule(lambda one: known(one.name), lambda live: live.get("name")),
    ]


def _remove_surplus(work: Work, surplus: Sequence[LivePart], bodies: Sequence[Body]) -> Steps[None]:
    for now in surplus:
        path = f"/dashboard_filters/{now['id']}"
        if any(now.get(name) == body.get(name) for body in bodies for name in UNIQUE):
            yield from work.delete(path, _label(now).rstrip("."), now)
        else:
            work.delete_last(path, _label(now).rstrip("."))


def _update(
    work: Work, todo: list[tuple[Body, LivePart]], holding: dict[str, LivePart]
) -> Steps[list[tuple[LivePart, Body]]]:
    """PATCH what differs, names in an order that keeps them unique; return what must wait for other filters."""
    later = []
    todo = [(body, now) for body, now in todo if changed(body, now)]
    while todo:
        free = next((t for t in todo if not _taken(t, holding)), None)
        if free is None:
            # Two filters swap their names: one of them steps aside first.
            body, now = todo[0]
            aside = {name: f"{body[name]} (restoring {now['id']})" for name in UNIQUE if body.get(name)}
            moved = yield from work.update(f"/dashboard_filters/{now['id']}", _label(now), aside, now)
            todo[0] = (body, moved)
            holding[now["id"]] = moved
            continue
        todo.remove(free)
        body, now = free
        live, postponed = yield from _patch(work, now, changed(body, now))
        holding[now["id"]] = live
        later += [(live, postponed)] if postponed else []
    return later


def _patch(work: Work, now: LivePart, delta: Body) -> Steps[tuple[LivePart, Body]]:
    path = f"/dashboard_filters/{now['id']}"
    try:
        return (yield from work.update(path, _label(now), delta, now)), {}
    except Refused as refused:
        if not refused.about("listens_to_filters"):
            raise
    # Filters may listen to each other, and this server wants the other one to be there first.
    listens = delta.get("listens_to_filters", now.get("listens_to_filters"))
    live = yield from work.update(path, _label(now), {**delta, "listens_to_filters": []}, now)
    return live, {"listens_to_filters": listens}


def _taken(todo: tuple[Body, LivePart], holding: Mapping[str, LivePart]) -> bool:
    body, now = todo
    others = [live for live in holding.values() if live["id"] != now["id"]]
    return any(body.get(name) and body[name] == live.get(name) for live in others for name in UNIQUE)


def _create(work: Work, one: VaultFilter, body: Body, parts: Parts) -> Steps[tuple[Body, Body]]:
    """Return the new filter and what must be PATCHed once all filters are there."""
    send = {"dashboard_id": work.item_id, **body}
    mapping = ("dashboard_filter", known(one.id))
    postponed: Body = {}
    try:
        made = yield from work.create("/dashboard_filters", _label(body), send, parts, mapping)
    except Refused as refused:
        if not (body.get("listens_to_filters") and refused.about("listens_to_filters")):
            raise
        made = yield from work.create(
            "/dashboard_filters", _label(body), without(send, "listens_to_filters"), parts, mapping
        )
    return made, postponed | changed(body, made)


def _same_name(body: Body, live: LivePart) -> bool:
    return body.get("name") == live.get("name")


def _label(live: LivePart) -> str:
    return f"dashboard_filters[{live.get('name')}]."
