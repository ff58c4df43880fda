"""Layouts (tabs) and the rectangles of tiles in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import UNSET

from lvrestore.content.calls import Get, Mapped, Steps, Warn
from lvrestore.content.identity.pairing import Rule, pair
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body, body_of, changed, without
from lvrestore.content.writing.shapes import VaultComponent, VaultLayout, known, parts
from lvrestore.content.writing.work import Parts, Work
from lvrestore.looker.models import WriteDashboardLayout, WriteDashboardLayoutComponent
from lvrestore.model import Json, MatchRule

LivePart = Mapping[str, Json]
Place = tuple[str, str]  # layout id, tile id, both of the destination
L = TypeVar("L", LivePart, VaultLayout)
GEOMETRY = ("row", "column", "width", "height")


def in_use(layouts: Sequence[L]) -> list[L]:
    """The layouts that are not deleted; all of them, if every one is marked so.

    A dashboard always has a layout. Looker may show those of a dashboard in the trash as deleted, and some backups
    have the only layout of a living one so.
    """
    return [one for one in layouts if not _field(one, "deleted")] or list(layouts)


def restorable(layouts: Sequence[VaultLayout], *, of_trashed: bool) -> list[VaultLayout]:
    """The layouts to restore, the active one first: a new dashboard already has one that is active.

    `of_trashed`: the backup has the dashboard as it was in the trash.
    """
    wanted = in_use(layouts)
    if of_trashed or all(known(one.deleted) for one in wanted):
        wanted = _without_marks(wanted)
    return sorted(wanted, key=lambda one: not known(one.active))


def _without_marks(layouts: list[VaultLayout]) -> list[VaultLayout]:
    """The layouts with rectangles of which nobody knows whether they were hidden, if every one is marked deleted."""
    rectangles = [rectangle for one in layouts for rectangle in parts(one.dashboard_layout_components) or ()]
    if not all(known(one.deleted) for one in rectangles):
        return layouts
    return [_with_rectangles_unmarked(one) for one in layouts]


def _with_rectangles_unmarked(layout: VaultLayout) -> VaultLayout:
    rectangles = [
        msgspec.structs.replace(one, deleted=UNSET) for one in parts(layout.dashboard_layout_components) or ()
    ]
    return msgspec.structs.replace(layout, dashboard_layout_components=rectangles) if rectangles else layout


def woken(live: LivePart, vault: Sequence[VaultLayout]) -> Body:
    """How the layouts of a dashboard in the trash will look once it is out of it, if they are all shown as deleted.

    Which of them were deleted before, and which rectangles hidden, only the backup can tell.
    """
    layouts: Sequence[LivePart] = live.get("dashboard_layouts") or ()
    if not layouts or any(not one.get("deleted") for one in layouts):
        return {}
    wanted = restorable(vault, of_trashed=False)
    deleted = {known(one.id) for one in vault} - {known(one.id) for one in wanted}
    rectangles = [one for layout in wanted for one in parts(layout.dashboard_layout_components) or ()]
    hidden = {known(one.id) for one in rectangles if known(one.deleted)}
    return {
        "dashboard_layouts": [_shown(one, is_deleted=one["id"] in deleted, hidden=hidden) for one in layouts]
    }


def _shown(layout: LivePart, *, is_deleted: bool, hidden: Collection[str | None]) -> Body:
    rectangles = [{**one, "deleted": one["id"] in hidden} for one in _components(layout)]
    return {**layout, "deleted": is_deleted, "dashboard_layout_components": rectangles}


def layout_body(one: VaultLayout) -> Body:
    """Every writable field the vault knows of the layout."""
    return without(body_of(one, WriteDashboardLayout), "dashboard_id")


@dataclass
class Layouts:
    """The layouts of one dashboard: those matched, those still to be created, and those that nobody wants."""

    pairs: list[tuple[VaultLayout, LivePart]]
    missing: list[VaultLayout]
    known_parts: Parts
    surplus: list[LivePart]

    @property
    def ids(self) -> dict[str, str]:
        """Live ids by the vault's."""
        return {str(known(one.id)): str(now["id"]) for one, now in self.pairs}

    def remember(self, refs: References) -> Steps[None]:
        """Note which live layout stands for which of the vault: scheduled plans name them as tabs."""
        for source_id, here in self.ids.items():
            found = refs.mapped("dashboard_layout", source_id)
            assumed = source_id if refs.same_instance else None
            if (found.destination_id if found else assumed) != here:
                yield Mapped("dashboard_layout", source_id, here, MatchRule.CONTENT)

    def delete_surplus(self, work: Work, watched: Mapping[str, Json]) -> Steps[None]:
        """Have the surplus ones deleted last, but for those that would take tiles with alerts along.

        `watched`: by tile the layout that it names as its own.
        """
        for now in self.surplus:
            label = f"dashboard_layouts[{now['id']}]"
            homeless = [tile_id for tile_id, home in watched.items() if self._is_home(now, tile_id, home)]
            if homeless:
                tiles = ", ".join(f"tile {one}" for one in homeless)
                yield Warn(
                    "part_kept",
                    f"layout {now['id']} {now.get('label') or ''} stays: {tiles} in it has alerts",
                )
            else:
                work.delete_last(f"/dashboard_layouts/{now['id']}", label)

    def _is_home(self, layout: LivePart, tile_id: str, home: Json) -> bool:
        """Whether a tile lies in a layout: it names that, or is to be seen in none that stays."""
        if home is not None:
            return bool(home == layout["id"])
        staying = [now for _, now in self.pairs]
        return _shows(layout, tile_id) and not any(_shows(now, tile_id) for now in staying)

    def create(self, work: Work, wanted: Collection[VaultLayout]) -> Steps[None]:
        """POST those of the missing ones that are in `wanted`."""
        for one in [one for one in self.missing if one in wanted]:
            self.missing.remove(one)
            self.pairs.append((one, (yield from _create(work, one, self.known_parts))))


def sync_layouts(
    work: Work, wanted: Sequence[VaultLayout], live: Sequence[LivePart], refs: References
) -> Steps[Layouts]:
    """Make the layouts that exist equal the vault's."""
    # A layout that is deleted already is neither wanted nor in the way.
    pairs, surplus = pair(wanted, in_use(live), _rules(refs))
    done: list[tuple[VaultLayout, LivePart]] = []
    for one, now in pairs:
        if now is not None:
            done.append((one, (yield from _equalise(work, one, now))))
    parts_known = Parts(
        f"{work.path}/dashboard_layouts", {now["id"] for now in live}, lambda _body, _live: True
    )
    missing = [one for one, now in pairs if now is None]
    return Layouts(done, missing, parts_known, surplus if wanted else [])


def _shows(layout: LivePart, tile_id: str) -> bool:
    return any(
        one.get("dashboard_element_id") == tile_id and not one.get("deleted") for one in _components(layout)
    )


def _rules(refs: References) -> list[Rule[VaultLayout, LivePart]]:
    def mapped(one: VaultLayout) -> str | None:
        found = refs.mapped("dashboard_layout", known(one.id) or "")
        return found.destination_id if found else None

    def tab(label: str | None, order: int | None) -> tuple[str | None, int | None] | None:
        return (label, order) if label else None

    return [
        Rule(mapped, lambda live: live["id"]),
        Rule(lambda one: known(one.id) if refs.same_instance else None, lambda live: live["id"]),
        Rule(
            lambda one: tab(known(one.label), known(one.order)),
            lambda live: tab(live.get("label"), live.get("order")),
        ),
        Rule(lambda one: bool(known(one.active)), lambda live: bool(live.get("active"))),
    ]


def _create(work: Work, one: VaultLayout, known_parts: Parts) -> Steps[LivePart]:
    send = {"dashboard_id": work.item_id, **layout_body(one)}
    mapping = ("dashboard_layout", known(one.id))
    label = f"dashboard_layouts[{known(one.id)}]."
    made = yield from work.create("/dashboard_layouts", label, send, known_parts, mapping)
    return (yield from _equalise(work, one, made))


def _equalise(work: Work, one: VaultLayout, now: LivePart) -> Steps[LivePart]:
    if delta := changed(layout_body(one), now):
        label = f"dashboard_layouts[{now['id']}]."
        return (yield from work.update(f"/dashboard_layouts/{now['id']}", label, delta, now))
    return now


def sync_components(
    work: Work,
    pairs: Sequence[tuple[VaultLayout, str]],
    live: Sequence[LivePart],
    tile_ids: Mapping[str, str],
    lacking: Collection[str] = (),
) -> Steps[None]:
    """Give every tile its rectangle in every layout. `tile_ids` maps the vault's tile ids to live ones.

    The places of tiles that are `lacking` for now, by the vault's ids, stay free.
    """
    standing = {now["id"]: now for layout in live for now in _components(layout)}
    wanted = [
        (layout_id, tile_ids.get(known(component.dashboard_element_id) or ""), component)
        for one, layout_id in pairs
        for component in parts(one.dashboard_layout_components) or ()
    ]
    places_wanted = {(layout_id, tile_id) for layout_id, tile_id, _ in wanted if tile_id}
    absent = {str(known(c.dashboard_element_id)) for _, tile_id, c in wanted if tile_id is None}
    if missing := absent.difference(lacking):
        names = ", ".join(sorted(missing))
        yield Warn("broken_reference", f"rectangles of tiles that are not there are left out: {names}")
    for layout_id, tile_id, component in wanted:
        if tile_id is not None:
            yield from _place(work, component, (layout_id, tile_id), standing, places_wanted)
    yield from _hide(work, {layout_id for layout_id, _, _ in wanted}, standing, places_wanted)


def _components(layout: LivePart) -> Iterator[LivePart]:
    return iter(layout.get("dashboard_layout_components") or ())


def _place(
    work: Work,
    component: VaultComponent,
    place: Place,
    standing: dict[str, LivePart],
    places_wanted: Collection[Place],
) -> Steps[None]:
    layout_id, tile_id = place
    of_tile = {_place_of(now): now for now in standing.values() if now.get("dashboard_element_id") == tile_id}
    # A tile may come up in another tab than its own: its rectangle is moved, as no call creates one.
    elsewhere = (now for where, now in of_tile.items() if where not in places_wanted)
    now = of_tile.get(place) or next(elsewhere, None)
    if now is None:
        yield Warn(
            "no_component", f"tile {tile_id} has no rectangle in layout {layout_id}; only the server adds one"
        )
        return
    body = {"dashboard_layout_id": layout_id, **component_body(component)}
    if delta := changed(body, now):
        yield from _patch(work, now, delta, standing)


def _place_of(now: LivePart) -> Place:
    return now["dashboard_layout_id"], now["dashboard_element_id"]


def _patch(work: Work, now: LivePart, delta: Body, standing: dict[str, LivePart]) -> Steps[None]:
    label = f"dashboard_layout_components[{now['id']}]."
    path = f"/dashboard_layout_components/{now['id']}"
    standing[now["id"]] = yield from work.update(path, label, delta, now)


def component_body(component: VaultComponent) -> Body:
    """Geometry and visibility; the finer grid only where the vault has it."""
    body = without(
        body_of(component, WriteDashboardLayoutComponent), "dashboard_layout_id", "dashboard_element_id"
    )
    return {name: value for name, value in body.items() if value is not None or name in GEOMETRY}


def _hide(
    work: Work, layouts: Collection[str], standing: dict[str, LivePart], places_wanted: Collection[Place]
) -> Steps[None]:
    """Hide, in one tab, the tiles that the vault shows only in others."""
    ours = {tile_id for _, tile_id in places_wanted}
    for now in list(standing.values()):
        layout_id, tile_id = _place_of(now)
        surplus = layout_id in layouts and tile_id in ours and (layout_id, tile_id) not in places_wanted
        if surplus and not now.get("deleted"):
            yield from _patch(work, now, {"deleted": True}, standing)


def read_layouts(work: Work) -> Steps[list[LivePart]]:
    """All layouts with their components, in one call."""
    layouts: list[LivePart] = yield Get(f"{work.path}/dashboard_layouts", seen=True)
    return layouts


def places(layouts: Sequence[LivePart | VaultLayout]) -> dict[str, tuple[Json, ...]]:
    """Geometry in the active layout by tile id, for live and vault layouts alike."""
    active = next((one for one in layouts if _field(one, "active")), None)
    found = _field(active, "dashboard_layout_components") if active is not None else None
    return {
        str(_field(one, "dashboard_element_id")): tuple(_field(one, name) for name in GEOMETRY)
        for one in found or ()
    }


def _field(one: LivePart | VaultLayout | VaultComponent, name: str) -> Json:
    value = one.get(name) if isinstance(one, Mapping) else getattr(one, name)
    return None if value is UNSET else value
