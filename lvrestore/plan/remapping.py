"""What a remap file comes to for a selection: which entries concern how many items, and which targets are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lvrestore.content.moved.renaming import Entry, entries_used, remapped, remapped_address
from lvrestore.model import ContentType
from lvrestore.settings import Remap
from lvrestore.vault.foreign_keys import (
    REFERENCES,
    VISUALISATIONS,
    foreign_keys_of,
    palettes_of,
    references_of,
)

# As many lines as a person reads.
LINES = 50
# Tables of what items belong to, by the type of the row that an entry is about.
TABLES = {ContentType.USER: "users", ContentType.GROUP: "groups", ContentType.FOLDER: "folders"}
# What an entry of a table is, to people.
NOUNS = {
    "models": "model",
    "explores": "explore",
    "connections": "connection",
    "folders": "folder",
    "users": "user",
    "groups": "group",
    "palettes": "palette",
}
NAME_CONNECTIONS = frozenset(one for one, keys in REFERENCES.items() if "connection" in dict(keys).values())
Content = dict[str, Any]


class There(msgspec.Struct, frozen=True, kw_only=True):
    """Names that the destination has; None is "unknown", which is not absent.

    `models` with their explores, `palettes` by collection; `users` are e-mail addresses in lower case. `folders` are
    the targets that were found.
    """

    models: Mapping[str, frozenset[str]] | None = None
    connections: frozenset[str] | None = None
    palettes: Mapping[str, frozenset[str]] | None = None
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    folders: frozenset[str] = frozenset()


class Missing(msgspec.Struct, frozen=True):
    """A name that the destination does not have, and how many items it concerns. `what` is like `model shop`."""

    what: str
    items: int

    def __str__(self) -> str:
        return f"{self.what} ({counted(self.items)})"


class Survey:
    """Counts, over the selected items, what a remap changes and which names it leaves."""

    def __init__(self, remap: Remap, entry_of: Mapping[tuple[ContentType, str], str]) -> None:
        """`entry_of`: users, groups and folders of the backup that an entry is about, by type and id."""
        self._remap, self._entry_of = remap, entry_of
        self.used: Counter[Entry] = Counter()
        self.palettes: Counter[tuple[str, str]] = Counter()
        self.connections: Counter[str] = Counter()
        self._made_here: set[Entry] = set()

    def concerns(self, content_type: ContentType) -> bool:
        """Whether items of a type need be looked at: without a remap, only those that may be left behind."""
        return bool(self._remap) or content_type in VISUALISATIONS or content_type in NAME_CONNECTIONS

    def add(self, content_type: ContentType, source_id: str, content: Content) -> None:
        """Count one item."""
        used = entries_used(content_type, content, self._remap)
        # A person or a group whose row is restored is made if need be.
        self._made_here |= {entry for entry in used if entry[0] in {"users", "groups"}}
        if self._entry_of:
            about = {(one.content_type, one.source_id) for one in references_of(content_type, content)}
            about.add((content_type, source_id))
            used |= {(TABLES[one[0]], self._entry_of[one]) for one in about & self._entry_of.keys()}
        self.used.update(used)
        content = remapped(content_type, content, self._remap)
        self.palettes.update(palettes_of(content_type, content))
        keys = foreign_keys_of(content_type, content)
        self.connections.update({one.value for one in keys if one.kind == "connection"})

    def unmatched(self) -> list[str]:
        """A line for each entry that concerns no item."""
        entries = ((table, name) for table in NOUNS for name in getattr(self._remap, table))
        return [
            f"--remap: [{table}] {name!r} matches nothing that is selected: 0 items"
            for table, name in entries
            if not self.used[table, name]
        ]

    def missing(self, there: There) -> list[Missing]:
        """Targets that the destination does not have, of entries that concern something, most items first."""
        items: Counter[str] = Counter()
        for (table, name), n in self.used.items():
            target = getattr(self._remap, table)[name]
            if (table, name) not in self._made_here and not _is_there(table, target, there):
                items[f"{NOUNS[table]} {target}"] += n
        return [Missing(what, n) for what, n in sorted(items.items(), key=lambda one: (-one[1], one[0]))]

    def left_behind(self, there: There) -> list[str]:
        """A line for each palette or connection that is named, not remapped, and not on the destination."""
        palettes, connections = there.palettes, there.connections
        return [
            f"palette {_palette_name(*one)} is not on the destination: {counted(n)} {_keep(n)} it, "
            "and may show other colours"
            for one, n in sorted(self.palettes.items())
            if palettes is not None and not _has_palette(*one, palettes)
        ] + [
            f"connection {name} is not on the destination: {counted(n)} {_name(n)} it"
            for name, n in sorted(self.connections.items())
            if connections is not None and name not in connections
        ]


def entries_by_row(
    remap: Remap,
    users: Iterable[tuple[str, str]],
    groups: Iterable[tuple[str, str]],
    folders: Mapping[str, str],
) -> dict[tuple[ContentType, str], str]:
    """Which entry is about which row: `users` are (id, address), `groups` (id, name), `folders` entries by id."""
    found = {(ContentType.FOLDER, source_id): entry for source_id, entry in folders.items()}
    for source_id, address in users:
        if (entry := _address_entry(address, remap)) is not None:
            found[ContentType.USER, source_id] = entry
    found |= {(ContentType.GROUP, source_id): name for source_id, name in groups if name in remap.groups}
    return found


def merged_users(users: Iterable[tuple[str, str]], remap: Remap) -> list[str]:
    """A line for each address that several people of the backup would have, who have different ones there."""
    return _merged((remapped_address(one, remap).casefold(), one.casefold()) for _, one in users)


def merged_groups(groups: Iterable[tuple[str, str]], remap: Remap) -> list[str]:
    """A line for each name that several groups of the backup would have, which have different ones there."""
    return _merged((remap.groups.get(one, one), one) for _, one in groups)


def listing(lines: Sequence[object]) -> str:
    """Some lines as one text; the rest of many is counted."""
    more = [f"and {len(lines) - LINES:,} more"] if len(lines) > LINES else []
    return ", ".join([*map(str, lines[:LINES]), *more])


def counted(items: int) -> str:
    """A number of items, to people."""
    return "1 item" if items == 1 else f"{items:,} items"


def _keep(items: int) -> str:
    return "keeps" if items == 1 else "keep"


def _name(items: int) -> str:
    return "names" if items == 1 else "name"


def _address_entry(address: str, remap: Remap) -> str | None:
    lower = address.casefold()
    domain = f"@{lower.rpartition('@')[2]}"
    return next((entry for entry in (lower, domain) if entry in remap.users), None)


def _is_there(table: str, target: str, there: There) -> bool:
    """Whether the destination has a target, or it is not known; of a domain nobody needs to be there."""
    match table:
        case "folders":
            return target in there.folders
        case "users":
            return there.users is None or target.startswith("@") or target.casefold() in there.users
        case "models":
            return there.models is None or target in there.models
        case "explores":
            model, _, explore = target.partition(".")
            explores = None if there.models is None else there.models.get(model)
            # Of a model that lists none, nothing is known but its name.
            return there.models is None or (explores is not None and (not explores or explore in explores))
        case "palettes":
            return there.palettes is None or _has_palette(*_parted(target), there.palettes)
    names: frozenset[str] | None = getattr(there, table)
    return names is None or target in names


def _has_palette(collection: str, palette: str, there: Mapping[str, frozenset[str]]) -> bool:
    return collection in there and (not palette or palette in there[collection])


def _parted(name: str) -> tuple[str, str]:
    collection, _, palette = name.partition("/")
    return collection, palette


def _palette_name(collection: str, palette: str) -> str:
    return f"{collection}/{palette}" if palette else collection


def account_addresses(contents: Iterable[tuple[str, Content]]) -> Iterator[tuple[str, str]]:
    """(id, e-mail address) of each user of a backup that has one."""
    for source_id, content in contents:
        address = (content.get("credentials_email") or {}).get("email") or content.get("email")
        if isinstance(address, str) and address:
            yield source_id, address


def _merged(becoming: Iterable[tuple[str, str]]) -> list[str]:
    found: dict[str, set[str]] = {}
    for to, name in becoming:
        found.setdefault(to, set()).add(name)
    return [f"{to} (from {', '.join(sorted(some))})" for to, some in sorted(found.items()) if len(some) > 1]
