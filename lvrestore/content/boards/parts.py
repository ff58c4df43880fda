"""Sections and items of a board: what the backup wants of them, which live one is which, what must exist first.

Nothing about them is unique, and their order is an array of ids beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.calls import Exists, Steps
from lvrestore.content.identity.pairing import Rule, pair
from lvrestore.content.knowledge import References, destination_of, whereabouts
from lvrestore.content.moved.links import relinked, relinked_beside, unsettled_targets, without_ids
from lvrestore.content.writing.bodies import Body, body_of, changed, fingerprint, without
from lvrestore.content.writing.shapes import Text, known, parts
from lvrestore.looker.models import WriteBoardItem, WriteBoardSection
from lvrestore.model import Json, Lack
from lvrestore.text import quoted

# What an item shows; besides, it may be a plain link.
TARGETS = {"dashboard_id": "dashboard", "look_id": "look", "lookml_dashboard_id": "LookML dashboard"}
RESTORABLE = ("dashboard", "look")
TEXTS = ("custom_url", "custom_description")
Live = Mapping[str, Json]
P = TypeVar("P")


class VaultItem(WriteBoardItem, frozen=True, kw_only=True):
    """One tile of a section: content, or a link. `title` is what it shows above it, whoever gave that."""

    id: Text = UNSET
    title: Text = UNSET


class VaultSection(WriteBoardSection, frozen=True, kw_only=True):
    """A section. Missing items mean "not captured", never "none"."""

    id: Text = UNSET
    board_items: list[VaultItem] | UnsetType | None = UNSET


class Item(msgspec.Struct, frozen=True, eq=False):
    """An item to restore: `body` has the destination's ids; `section` is the number of its section."""

    vault: VaultItem
    section: int
    body: Body

    def texts_beside(self, live: Live, refs: References) -> Body:
        """Its texts, with links to what has no id here as the live item has them."""
        texts = {name: getattr(self.vault, name) for name in TEXTS if name in self.body}
        return {name: relinked_beside(text, live.get(name), refs) for name, text in texts.items()}


class Section(msgspec.Struct, frozen=True, eq=False):
    """A section to restore. `items` is None where they were not captured."""

    vault: VaultSection
    body: Body
    items: list[Item] | None


def wanted_sections(
    sections: Sequence[VaultSection], order: Json, refs: References, *, of_trashed: bool
) -> list[Section]:
    """The sections to restore with their items, in the order they are shown; those in the trash left out.

    `of_trashed`: the backup has the board as it was in the trash, and its sections perhaps with it.
    """
    alive = [one for one in sections if not known(one.deleted_at)]
    alive = alive or (list(sections) if of_trashed else [])
    return [_section(one, number, refs) for number, one in enumerate(_in_order(alive, order, _source_id))]


def _section(vault: VaultSection, number: int, refs: References) -> Section:
    body = without(body_of(vault, WriteBoardSection), "board_id", "item_order", "deleted_at")
    captured = parts(vault.board_items)
    if captured is None:
        return Section(vault, body, None)
    shown = _in_order(captured, known(vault.item_order), _source_id)
    return Section(vault, body, [Item(one, number, _item_body(one, refs)) for one in shown])


def _in_order(some: Sequence[P], order: Json, id_of: Callable[[P], Json]) -> list[P]:
    """As the array of ids says; what it does not name comes after, in the order given."""
    rank = {one: number for number, one in enumerate(dict.fromkeys(order or ()))}
    return sorted(some, key=lambda one: rank.get(id_of(one), len(rank)))


def _source_id(vault: VaultSection | VaultItem) -> Json:
    return known(vault.id)


def _item_body(vault: VaultItem, refs: References) -> Body:
    """Every field to compare and to write, without the section. The image is write-only: no backup has it."""
    body = without(body_of(vault, WriteBoardItem), "board_section_id", "custom_image_data_base64")
    if body.get("order") is None:
        body.pop("order", None)  # null says nothing about a number that the server gives by itself
    for name, kind in TARGETS.items():
        if kind in RESTORABLE and body.get(name):
            body[name] = whereabouts(refs, kind, body[name])
    return body | {name: relinked(body[name], refs) for name in TEXTS if name in body}


def unsettled_links(sections: Sequence[VaultSection], refs: References) -> set[tuple[str, str]]:
    """The (kind, id) of what items link to and nobody knows yet where it will be."""
    return unsettled_targets(texts_of(sections), refs)


def texts_of(sections: Sequence[VaultSection]) -> list[Json]:
    """Everything in the items that may hold links."""
    items = [item for section in sections for item in parts(section.board_items) or ()]
    return [known(getattr(item, name)) for item in items for name in TEXTS]


def target_of(vault: VaultItem) -> tuple[str, str] | None:
    """(kind, source id) of the content that an item shows; None for a link."""
    for name, kind in TARGETS.items():
        if source_id := known(getattr(vault, name)):
            return kind, source_id
    return None


# --- which is which


def sections_of(live: Live) -> list[Body]:
    """The live sections of a board in the order shown, those in the trash as well."""
    return _in_order(live.get("board_sections") or [], live.get("section_order"), _id)


def items_of(sections: Iterable[Live]) -> list[Body]:
    """The live items in these sections in the order shown, each with the id of its section."""
    return [
        {**item, "board_section_id": section["id"]}
        for section in sections
        for item in _in_order(section.get("board_items") or [], section.get("item_order"), _id)
    ]


def pair_sections(
    sections: Sequence[Section], live: Sequence[Body], refs: References
) -> tuple[list[Body | None], list[Body]]:
    """The live section of each, and the living ones that nobody wants.

    Living ones come first: where the server does not undelete, one made anew stands in for one in the trash.
    """
    alive = [one for one in live if not one.get("deleted_at")]
    trashed = [one for one in live if one.get("deleted_at")]
    sure: list[Rule[Section, Body]] = [
        Rule(lambda one: _mapped(refs, "board_section", one.vault.id), _id),
        Rule(lambda one: known(one.vault.id) if refs.same_instance else None, _id),
    ]
    loose: list[Rule[Section, Body]] = [
        Rule(_section_content, lambda now: (*heading_of(now), _shown(now.get("board_items") or []))),
        Rule(lambda one: heading_of(one.body)[:1], lambda now: heading_of(now)[:1]),
    ]
    found, surplus = pair(sections, alive, [*sure, *loose])
    lost = [one for one, now in found if now is None]
    back = {id(one): now for one, now in pair(lost, trashed, sure)[0]}
    return [now if now is not None else back.get(id(one)) for one, now in found], surplus


def pair_items(
    items: Sequence[Item], live: Sequence[Body], refs: References, here: Sequence[Live | None]
) -> tuple[list[tuple[Item, Body | None]], list[Body]]:
    """The live item of each, and those that nobody wants. `here` holds the live sections by number."""

    def place(item: Item) -> Json:
        section = here[item.section]
        return section["id"] if section is not None else None

    return pair(
        items,
        live,
        [
            Rule(lambda one: _mapped(refs, "board_item", one.vault.id), _id),
            Rule(lambda one: known(one.vault.id) if refs.same_instance else None, _id),
            Rule(
                _told(lambda one: (place(one), content_of(one.body))),
                lambda now: (place_of(now), content_of(now)),
            ),
            Rule(
                _told(lambda one: (place(one), shown_by(one.body))),
                lambda now: (place_of(now), shown_by(now)),
            ),
            Rule(_told(lambda one: shown_by(one.body)), shown_by),
        ],
    )


def _is_unknown(item: Item) -> bool:
    """Whether it is not known under which id the destination would have what an item shows."""
    return target_of(item.vault) is not None and not any(item.body.get(name) for name in TARGETS)


def _told(key: Callable[[Item], Json]) -> Callable[[Item], Json]:
    """The key of items of which it is known what they show here, or that show nothing: no other can be told by it."""

    def told(item: Item) -> Json:
        return None if _is_unknown(item) else key(item)

    return told


def _mapped(refs: References, kind: str, source_id: Json) -> str | None:
    found = refs.mapped(kind, known(source_id) or "")
    return found.destination_id if found else None


def _id(live: Live) -> str:
    return str(live["id"])


def place_of(live: Live) -> Json:
    """The id of the section that an item is in."""
    return live.get("board_section_id")


def heading_of(body: Live) -> tuple[Json, ...]:
    """What a section says itself."""
    return body.get("title"), body.get("description")


def _section_content(one: Section) -> tuple[Json, ...] | None:
    items = one.items
    return None if items is None else (*heading_of(one.body), _shown([item.body for item in items]))


def _shown(items: Sequence[Live]) -> tuple[str, ...]:
    return tuple(sorted(repr(shown_by(one)) for one in items))


def shown_by(body: Live) -> tuple[Json, ...]:
    """What an item shows, wherever its link goes."""
    return (*(body.get(name) for name in TARGETS), without_ids(body.get("custom_url") or ""))


def content_of(body: Live) -> tuple[Json, ...]:
    """What an item shows, and in which words."""
    return (*(body.get(name) for name in TARGETS), body.get("custom_title"), *map(body.get, TEXTS))


# --- what must be there first


class Broken:
    """The items, by their `id()`, whose content the destination lacks.

    `lacks` are those that are missing on the board for that reason, or could be given their content again. The others
    are there with other content, and the backup has not got theirs either: they are left so.
    """

    def __init__(self) -> None:
        self.items: set[int] = set()
        self.lacks: dict[int, Lack] = {}

    def add(self, item: Item, live: Live | None, refs: References) -> None:
        """Note an item whose content is not here."""
        kind, source_id = target_of(item.vault) or ("", "")
        has_it = refs.in_vault(kind, source_id) and refs.content(kind, source_id) is not None
        self.items.add(id(item))
        if live is None or has_it:
            self.lack(item)

    def lack(self, item: Item, why: str = "") -> None:
        """Note that an item is missing for want of its content."""
        kind, source_id = target_of(item.vault) or ("", "")
        self.lacks[id(item)] = Lack(item_name(item), f"{kind} {source_id}", why)

    def missing(self, sections: Sequence[Section] | None) -> tuple[Lack, ...]:
        """What the board is without, in the order of its items."""
        return tuple(self.lacks[id(item)] for item in all_items(sections or ()) if id(item) in self.lacks)

    def spares(self, live: Live, sections: Sequence[Section]) -> bool:
        """Whether a live item that is none of the backup's may be one whose content has no counterpart here."""
        lacking = [item for item in all_items(sections) if id(item) in self.lacks and _is_unknown(item)]
        unknown = {name for item in lacking for name in TARGETS if known(getattr(item.vault, name))}
        return any(live.get(name) for name in unknown)

    def marked(self, wanted: bytes, sections: Sequence[Section] | None) -> bytes:
        """The fingerprint of what is wanted, with what cannot be restored of it."""
        if not self.lacks:
            return wanted
        return fingerprint([wanted.hex(), [one.missing for one in self.missing(sections)]])


def item_name(item: Item) -> str:
    """An item, to people."""
    title = known(item.vault.custom_title) or known(item.vault.title)
    name = f"board item {known(item.vault.id)}"
    return f"{name} {quoted(title)}" if title else name


def broken_items(sections: Sequence[Section], live: Live, refs: References) -> Steps[Broken]:
    """The items whose content the destination lacks. Only what a write would name is asked for."""
    broken = Broken()
    asked: defaultdict[tuple[str, str], list[tuple[Item, Live | None]]] = defaultdict(list)
    for item, now in _to_be_written(sections, live, refs):
        kind, source_id = target_of(item.vault) or ("", "")
        if kind not in RESTORABLE or refs.made_now(kind, source_id):
            continue
        destination_id = destination_of(refs, kind, source_id)
        if destination_id is None:
            broken.add(item, now, refs)
        else:
            asked[kind, destination_id].append((item, now))
    for kind in RESTORABLE:
        ids = tuple(sorted(one for of_kind, one in asked if of_kind == kind))
        for gone in (yield Exists(kind, ids)) if ids else ():
            for item, now in asked[kind, gone]:
                broken.add(item, now, refs)
    return broken


def _to_be_written(
    sections: Sequence[Section], live: Live, refs: References
) -> list[tuple[Item, Live | None]]:
    """The items that have to be made, or to be given other content, with those that are there."""
    here, surplus = pair_sections(sections, sections_of(live), refs)
    pairs, _ = pair_items(all_items(sections), pool(sections, here, surplus), refs, here)
    return [(item, now) for item, now in pairs if now is None or changed(_only_targets(item.body), now)]


def _only_targets(body: Body) -> Body:
    return {name: value for name, value in body.items() if name in TARGETS}


def all_items(sections: Sequence[Section]) -> list[Item]:
    """The items of all sections, in the order shown."""
    return [item for section in sections for item in section.items or ()]


def pool(sections: Sequence[Section], here: Sequence[Live | None], surplus: Sequence[Live]) -> list[Body]:
    """The live items that may be the backup's: none of a section whose items were not captured."""
    captured = [now for one, now in zip(sections, here, strict=True) if now and one.items is not None]
    return items_of([*captured, *surplus])
