"""Write the sections and items of a board: what is missing, what differs, their order; what is surplus goes last."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import msgspec

from lvrestore.content.boards.parts import (
    TARGETS,
    TEXTS,
    Broken,
    Item,
    Live,
    Section,
    all_items,
    content_of,
    heading_of,
    items_of,
    pair_items,
    pair_sections,
    place_of,
    pool,
    sections_of,
    target_of,
)
from lvrestore.content.calls import Get, Steps, Warn
from lvrestore.content.knowledge import References
from lvrestore.content.moved.links import without_ids
from lvrestore.content.writing.bodies import Body, changed, without
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.work import Parts, Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.protocol import path
from lvrestore.model import Json


class Arranged(msgspec.Struct, frozen=True):
    """Where parts have come to: live ids in the order wanted, and those of them that the backup's array names.

    What the backup's array names, the server's must name as well; an array may leave out what comes last anyway.
    """

    ids: list[str]
    named: set[str]

    def to_send(self, live: Sequence[Live], array: Json) -> list[str] | None:
        """The array to write, or None if what the server has shows the parts in this very order."""
        first = [one for one in dict.fromkeys(array or ()) if one in self.ids]
        rest = [one["id"] for one in live if one["id"] in self.ids and one["id"] not in first]
        return None if [*first, *rest] == self.ids and self.named <= set(first) else self.ids


@dataclass
class BoardParts(Parts):
    """Parts of one sort on a board: no list has those of one board, so the board itself is read."""

    among: Callable[[Live], list[Body]] = field(default=sections_of)

    def find_new(self, before: set[str], body: Body) -> Generator[Get, Json, Json]:
        """The part that was not there before and can be ours, or None."""
        live = self.among((yield Get(self.path, seen=True)))
        return next((one for one in live if one["id"] not in before and self.looks_like(body, one)), None)


def sync_parts(
    work: Work,
    sections: Sequence[Section],
    broken: Broken,
    live: Body,
    refs: References,
    order: Json,
) -> Steps[tuple[Body, list[str] | None]]:
    """Make sections and items equal the vault's; what is surplus is deleted last, by `work`.

    Returns the board as it is now, and the `section_order` to write or None.
    """
    found, surplus = pair_sections(sections, sections_of(live), refs)
    here = yield from _settle_sections(work, sections, found, live)
    pairs, left = pair_items(all_items(sections), pool(sections, here, surplus), refs, here)
    known_ids = {one["id"] for one in items_of(sections_of(live))}
    siblings = BoardParts(work.path, known_ids, _same_item, among=lambda board: items_of(sections_of(board)))
    placed = yield from _sync_items(work, sections, pairs, broken, here, siblings, refs)
    _delete_last(work, surplus, [one for one in left if not broken.spares(one, sections)])
    if _came(found, here, placed):
        # Whether a server enters what is new into its arrays is undocumented: so they are looked up.
        live = yield Get(work.path, seen=True, fresh=True)
    standing = {one["id"]: one for one in sections_of(live)}
    for section, one, items in zip(sections, here, placed, strict=True):
        yield from _finish_section(work, section, standing.get(one["id"], one), items)
    named = {
        one["id"] for section, one in zip(sections, here, strict=True) if section.vault.id in (order or ())
    }
    arranged = Arranged([one["id"] for one in here], named)
    return live, arranged.to_send(sections_of(live), live.get("section_order"))


def _came(found: Sequence[Live | None], here: Sequence[Live], placed: Sequence[Arranged]) -> bool:
    """Whether a section, or an item in one, was not there before."""
    new = any(now is None or now.get("deleted_at") for now in found)
    own = ({item["id"] for item in one.get("board_items") or ()} for one in here)
    return new or any(not ids.issuperset(items.ids) for ids, items in zip(own, placed, strict=True))


def undelete(work: Work, where: str, label: str, body: Body, live: Live) -> Steps[Body | None]:
    """PATCH something out of the trash; None if the server leaves it there: whether it can is undocumented."""
    try:
        now = yield from work.update(where, label, {"deleted_at": None, **body}, live, difference)
    except Refused as refused:
        if refused.kind is FailureKind.NOT_FOUND or refused.about("deleted_at"):
            return None
        raise
    return None if now.get("deleted_at") else now


def difference(body: Body, reply: Live) -> Body:
    """What the server did not keep; whether something is out of the trash is judged elsewhere."""
    return changed(without(body, "deleted_at"), reply)


def _settle_sections(
    work: Work, sections: Sequence[Section], found: Sequence[Body | None], live: Live
) -> Steps[list[Body]]:
    """The live section of each, brought back from the trash or made if need be."""
    siblings = BoardParts(work.path, {one["id"] for one in sections_of(live)}, _same_heading)
    here: list[Body] = []
    for section, standing in zip(sections, found, strict=True):
        now = standing
        if now is not None and now.get("deleted_at"):
            now = yield from _undelete_section(work, section, now)
        here.append(now if now is not None else (yield from _create_section(work, section, siblings)))
    return here


def _undelete_section(work: Work, section: Section, live: Body) -> Steps[Body | None]:
    where = path("board_sections", live["id"])
    now = yield from undelete(work, where, _label("sections", live["id"]), changed(section.body, live), live)
    if now is None:
        yield Warn("still_in_trash", f"section {live['id']} stays in the trash: another one is made for it")
    return now


def _create_section(work: Work, section: Section, siblings: BoardParts) -> Steps[Body]:
    send = {"board_id": work.item_id, **said(section.body)}
    mapping = ("board_section", known(section.vault.id))
    return (
        yield from work.create(
            "/board_sections", _label("sections", known(section.vault.id)), send, siblings, mapping
        )
    )


def _finish_section(work: Work, section: Section, live: Body, items: Arranged) -> Steps[None]:
    """One PATCH for whatever differs, the order of the items included."""
    delta = changed(section.body, live)
    order = items.to_send(live.get("board_items") or [], live.get("item_order"))
    if order is not None:
        delta["item_order"] = order
    if delta:
        where = path("board_sections", live["id"])
        yield from work.update(where, _label("sections", live["id"]), delta, live, difference)


def _sync_items(
    work: Work,
    sections: Sequence[Section],
    pairs: Sequence[tuple[Item, Body | None]],
    broken: Broken,
    here: Sequence[Live],
    siblings: BoardParts,
    refs: References,
) -> Steps[list[Arranged]]:
    """Make the items equal the vault's; return them by the number of their section."""
    placed = [Arranged([], set()) for _ in sections]
    for item, standing in pairs:
        want = {**item.body, "board_section_id": here[item.section]["id"]}
        if id(item) in broken.items:
            # What it shows is not ours to write: a live one keeps that, and a lost one stays lost.
            want = without(want, *TARGETS)
            if standing is None:
                continue
            if id(item) not in broken.lacks:
                yield _broken(item)
        now = yield from _sync_item(work, item, want, standing, siblings, refs, broken)
        if now is None:
            continue
        placed[item.section].ids.append(now["id"])
        if item.vault.id in (known(sections[item.section].vault.item_order) or ()):
            placed[item.section].named.add(now["id"])
    return placed


def _sync_item(
    work: Work,
    item: Item,
    want: Body,
    live: Body | None,
    siblings: BoardParts,
    refs: References,
    broken: Broken,
) -> Steps[Body | None]:
    """The item as it is live, or None if it would show what the server does not have."""
    try:
        now = live if live is not None else (yield from _create_item(work, item, want, siblings))
        return (yield from _update_item(work, item, want, now, refs))
    except Refused as refused:
        if not _lacks_content(item, refused):
            raise
        if live is None or not known(item.vault.lookml_dashboard_id):
            broken.lack(item, refused.message)
        else:
            yield _broken(item)
    return (
        None if live is None else (yield from _update_item(work, item, without(want, *TARGETS), live, refs))
    )


def _update_item(work: Work, item: Item, want: Body, live: Body, refs: References) -> Steps[Body]:
    if work.waits:
        want = _with_live_links(want, live)
    elif not refs.same_instance:
        want = {**want, **item.texts_beside(live, refs)}
    delta = changed(want, live)
    if not delta:
        return live
    where, label = path("board_items", live["id"]), _label("items", live["id"])
    return (yield from work.update(where, label, delta, live))


def _create_item(work: Work, item: Item, want: Body, siblings: BoardParts) -> Steps[Body]:
    label, mapping = _label("items", known(item.vault.id)), ("board_item", known(item.vault.id))
    made = yield from work.create("/board_items", label, said(want), siblings, mapping)
    if known(item.vault.use_custom_image):
        yield Warn("image_lost", f"board item {made['id']} has lost its image, which no backup holds")
    return made


def _lacks_content(item: Item, refused: Refused) -> bool:
    """Whether the server refuses an item because it does not know what that shows.

    A refusal that names no field is about LookML dashboards: whether these are there nothing else can tell.
    """
    if refused.kind not in {FailureKind.VALIDATION, FailureKind.NOT_FOUND}:
        return False
    if known(item.vault.lookml_dashboard_id):
        return (
            refused.kind is FailureKind.NOT_FOUND
            or not refused.fields
            or refused.about("lookml_dashboard_id")
        )
    return any(item.body.get(name) and refused.about(name) for name in TARGETS)


def _broken(item: Item) -> Warn:
    kind, source_id = target_of(item.vault) or ("", "")
    text = f"board item {known(item.vault.id)} shows {kind} {source_id}, which is gone: left as it is"
    return Warn("broken_item", text)


def _delete_last(work: Work, sections: Sequence[Live], items: Sequence[Live]) -> None:
    """A section goes with what is still in it."""
    going = {one["id"] for one in sections}
    for one in items:
        if place_of(one) not in going:
            work.delete_last(path("board_items", one["id"]), _label("items", one["id"]).rstrip("."))
    for one in sections:
        work.delete_last(path("board_sections", one["id"]), _label("sections", one["id"]).rstrip("."))


def _with_live_links(want: Body, live: Live) -> Body:
    """`want` with the live form of a text that differs only in where its links go."""
    alike = [name for name in TEXTS if without_ids(want.get(name) or "") == without_ids(live.get(name) or "")]
    return {**want, **{name: live.get(name) for name in alike if want.get(name)}}


def said(body: Body) -> Body:
    """What a POST needs to say: null is what is not said."""
    return {name: value for name, value in body.items() if value is not None}


def _same_heading(body: Body, live: Live) -> bool:
    return heading_of(body) == heading_of(live)


def _same_item(body: Body, live: Live) -> bool:
    return (place_of(body), content_of(body)) == (place_of(live), content_of(live))


def _label(sort: str, part_id: Json) -> str:
    return f"board_{sort}[{part_id}]."
