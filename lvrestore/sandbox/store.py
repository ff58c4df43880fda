"""What the in-memory Looker holds: objects by id, and the indexes that its rules ask for."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.permissions import PARENTS
from lvrestore.sandbox.relations import Access, Relation, id_order

if TYPE_CHECKING:
    from collections.abc import Iterator

# A row holds only what differs from its type's defaults. Values inside it are replaced, never changed in
# place, so that rows may share them.
Row = dict[str, Any]


class Layout(msgspec.Struct):
    """A layout with its components."""

    row: Row
    components: list[Row] = []


class Dashboard(msgspec.Struct):
    """A dashboard with its parts, in order of creation."""

    row: Row
    tiles: list[Row] = []
    filters: list[Row] = []
    layouts: list[Layout] = []


class QueryParts(msgspec.Struct):
    """What tiles show of a query, undecoded where nobody looks into it."""

    id: str
    model: str
    view: str
    vis_config: msgspec.Raw
    dynamic_fields: msgspec.Raw
    sorts: msgspec.Raw
    total: bool | None = None


_query_parts = msgspec.json.Decoder(QueryParts)


class Shelf:
    """Which objects lie in which folder under which title."""

    def __init__(self) -> None:
        self._folders: dict[str | None, dict[str | None, list[str]]] = {}

    def put(self, folder_id: str | None, title: str | None, object_id: str) -> None:
        """Add an object."""
        self._folders.setdefault(folder_id, {}).setdefault(title, []).append(object_id)

    def take(self, folder_id: str | None, title: str | None, object_id: str) -> None:
        """Remove an object."""
        titles = self._folders[folder_id]
        titles[title].remove(object_id)
        if not titles[title]:
            del titles[title]
        if not titles:
            del self._folders[folder_id]

    def titled(self, folder_id: str | None, title: str | None) -> list[str]:
        """Return the ids of what has this title in this folder."""
        return self._folders.get(folder_id, {}).get(title, [])

    def ids(self, folder_id: str | None) -> list[str]:
        """Return the ids of everything in a folder, oldest first."""
        return sorted((i for ids in self._folders.get(folder_id, {}).values() for i in ids), key=id_order)

    def all_titles(self, folder_id: str | None) -> list[str | None]:
        """Return the titles in a folder."""
        return list(self._folders.get(folder_id, ()))

    def count(self, folder_id: str | None) -> int:
        """Return how much lies in a folder."""
        return sum(map(len, self._folders.get(folder_id, {}).values()))


def token(length: int, *seeds: object) -> str:
    """Return a repeatable word of letters and digits, such as slugs and client ids are."""
    number = int.from_bytes(hashlib.blake2b(repr(seeds).encode()).digest())
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(digits)


def content_key(content: Row) -> bytes:
    """Digest what makes two queries the same one: their content, with null and absent alike."""
    known = {name: value for name, value in content.items() if value is not None}
    return hashlib.blake2b(msgspec.json.encode(known, order="sorted"), digest_size=16).digest()


def content_keys(row: Row) -> list[str]:
    """Return under what a board item or a plan is found."""
    return [f"{field}/{row[field]}" for field in ("dashboard_id", "look_id") if row.get(field)]


def _drop_from(row: Row | None, order: str, gone: str) -> None:
    if row and row.get(order):
        row[order] = [object_id for object_id in row[order] if object_id != gone]


class Store:
    """Everything that the instance holds."""

    def __init__(self, first_id: int = 1) -> None:
        self.first_id = first_id
        self._last_id: defaultdict[str, int] = defaultdict(lambda: first_id - 1)
        self.dashboards: dict[str, Dashboard] = {}
        self.tiles: dict[str, Row] = {}
        self.filters: dict[str, Row] = {}
        self.layouts: dict[str, Layout] = {}
        self.components: dict[str, Row] = {}
        self.folders: dict[str, Row] = {}
        self.looks: dict[str, Row] = {}
        self.queries: dict[str, msgspec.Raw] = {}
        self.merges: dict[str, Row] = {}
        self.users: dict[str, Row] = {}
        self.models: dict[str, Row] = {}
        self.permission_sets: dict[str, Row] = {}
        self.model_sets: dict[str, Row] = {}
        self.roles: dict[str, Row] = {}
        self.groups: dict[str, Row] = {}
        self.permissions: list[str] = list(PARENTS)
        self.access = Access(self.users)
        self.emails: dict[str, str] = {}
        self.explores: dict[str, list[Row]] = {}
        self.user_attributes: dict[str, Row] = {}
        self.connections: dict[str, Row] = {}
        self.color_collections: dict[str, Row] = {}
        self.boards: dict[str, Row] = {}
        self.sections: dict[str, Row] = {}
        self.items: dict[str, Row] = {}
        self.plans: dict[str, Row] = {}
        self.alerts: dict[str, Row] = {}
        self.board_sections, self.section_items = Relation(), Relation()
        # What shows or sends `dashboard_id/7`.
        self.content_items, self.content_plans = Relation(), Relation()
        self._shown_looks = Relation()
        self.tile_alerts = Relation()
        self.dashboard_shelf, self.look_shelf, self.folder_shelf = Shelf(), Shelf(), Shelf()
        self.slugs: defaultdict[str, list[str]] = defaultdict(list)
        self.query_slugs: dict[str, str] = {}
        self.client_ids: set[str] = set()
        self.query_content: dict[bytes, str] = {}
        self.merge_content: dict[bytes, str] = {}

    # Ids are counted per kind and never given twice, not even those of objects that are gone.

    def new_id(self, kind: str) -> str:
        """Allocate an id."""
        self._last_id[kind] += 1
        return str(self._last_id[kind])

    def reserve(self, kind: str, object_id: str) -> None:
        """Never allocate this id, nor a lower one."""
        if object_id.isdecimal():
            self._last_id[kind] = max(self._last_id[kind], int(object_id))

    def add_connection(self, name: str) -> None:
        """Add a database connection, if it is not there."""
        self.connections.setdefault(name, {"name": name})

    def add_palette(self, collection: str, palette: str = "") -> None:
        """Add a colour collection, and a palette of categories in it, if they are not there."""
        empty: Row = {"id": collection, "label": collection, "categoricalPalettes": []}
        palettes = self.color_collections.setdefault(collection, empty)["categoricalPalettes"]
        if palette and all(one["id"] != palette for one in palettes):
            palettes.append({"id": palette, "label": palette, "type": "Categorical", "colors": []})

    # Dashboards, looks and folders are indexed by place, so they change only through these.

    def index_dashboard(self, dashboard: Dashboard) -> None:
        """Enter a dashboard into the indexes."""
        row = dashboard.row
        self.dashboards[row["id"]] = dashboard
        self.dashboard_shelf.put(row.get("folder_id"), row.get("title"), row["id"])
        self.slugs[row["slug"].casefold()].append(row["id"])

    def unindex_dashboard(self, dashboard: Dashboard) -> None:
        """Take a dashboard out of the indexes."""
        row = dashboard.row
        self.dashboard_shelf.take(row.get("folder_id"), row.get("title"), row["id"])
        self.slugs[row["slug"].casefold()].remove(row["id"])

    def change_dashboard(self, dashboard: Dashboard, changes: Row) -> None:
        """Change a dashboard's own fields."""
        self.unindex_dashboard(dashboard)
        dashboard.row.update(changes)
        self.index_dashboard(dashboard)

    def remove_dashboard(self, dashboard: Dashboard) -> None:
        """Forget a dashboard with all its parts."""
        self.unindex_dashboard(dashboard)
        for layout in dashboard.layouts:
            self.remove_layout(layout)
        for tile in dashboard.tiles:
            del self.tiles[tile["id"]]
        for row in dashboard.filters:
            del self.filters[row["id"]]
        del self.dashboards[dashboard.row["id"]]

    def put_look(self, row: Row) -> None:
        """Add a look."""
        self.looks[row["id"]] = row
        self.look_shelf.put(row.get("folder_id"), row.get("title"), row["id"])

    def take_look(self, row: Row) -> None:
        """Remove a look."""
        self.look_shelf.take(row.get("folder_id"), row.get("title"), row["id"])
        del self.looks[row["id"]]

    def put_folder(self, row: Row) -> None:
        """Add a folder."""
        self.folders[row["id"]] = row
        self.folder_shelf.put(row.get("parent_id"), row["name"], row["id"])

    def take_folder(self, row: Row) -> None:
        """Remove a folder, not what is in it."""
        self.folder_shelf.take(row.get("parent_id"), row["name"], row["id"])
        del self.folders[row["id"]]

    # Boards and plans refer to content and are found by it.

    def put_board(self, row: Row) -> None:
        """Add a board, without sections."""
        self.boards[row["id"]] = row

    def take_board(self, row: Row) -> None:
        """Remove a board with its sections."""
        for section_id in self.board_sections.rights(row["id"]):
            self.take_section(self.sections[section_id])
        del self.boards[row["id"]]

    def put_section(self, row: Row) -> None:
        """Add a section at the end of its board, without items."""
        self.sections[row["id"]] = row
        self.board_sections.add(row["board_id"], row["id"])

    def take_section(self, row: Row) -> None:
        """Remove a section with its items."""
        for item_id in self.section_items.rights(row["id"]):
            self.take_item(self.items[item_id])
        self.board_sections.forget_right(row["id"])
        _drop_from(self.boards.get(row["board_id"]), "section_order", row["id"])
        del self.sections[row["id"]]

    def move_section(self, row: Row, board_id: str) -> None:
        """Put a section at the end of another board."""
        _drop_from(self.boards.get(row["board_id"]), "section_order", row["id"])
        self.board_sections.set_lefts(row["id"], [board_id])
        board = self.boards[board_id]
        board["section_order"] = [*(board.get("section_order") or []), row["id"]]

    def put_item(self, row: Row) -> None:
        """Add an item at the end of its section."""
        self.items[row["id"]] = row
        self.section_items.add(row["board_section_id"], row["id"])
        self.content_items.set_lefts(row["id"], content_keys(row))

    def take_item(self, row: Row) -> None:
        """Remove an item."""
        self.section_items.forget_right(row["id"])
        self.content_items.forget_right(row["id"])
        _drop_from(self.sections.get(row["board_section_id"]), "item_order", row["id"])
        del self.items[row["id"]]

    def put_plan(self, row: Row) -> None:
        """Add a plan."""
        self.plans[row["id"]] = row
        self.content_plans.set_lefts(row["id"], content_keys(row))

    def take_plan(self, row: Row) -> None:
        """Remove a plan."""
        self.content_plans.forget_right(row["id"])
        del self.plans[row["id"]]

    def put_alert(self, row: Row) -> None:
        """Add an alert to the tile that it watches, or to none."""
        self.alerts[row["id"]] = row
        tile_id = row.get("dashboard_element_id")
        self.tile_alerts.set_lefts(row["id"], [tile_id] if tile_id else [])

    def take_alert(self, row: Row) -> None:
        """Remove an alert."""
        self.tile_alerts.forget_right(row["id"])
        del self.alerts[row["id"]]

    def set_email(self, user: Row, email: str | None) -> None:
        """Change the address that a user is known by."""
        if user.get("email"):
            self.emails.pop(user["email"].casefold(), None)
        user["email"] = email
        if email:
            self.emails[email.casefold()] = user["id"]

    # Parts of dashboards.

    def dashboard_of(self, part: Row) -> Dashboard:
        """Return the dashboard that a tile, filter or layout belongs to."""
        return self.dashboards[part["dashboard_id"]]

    def add_tile(self, dashboard: Dashboard, row: Row) -> None:
        """Add a tile, without components."""
        self.tiles[row["id"]] = row
        dashboard.tiles.append(row)
        self.note_look(row)

    def note_look(self, tile: Row) -> None:
        """Let a tile be found by the look that it shows."""
        if tile.get("look_id"):
            self._shown_looks.add(tile["look_id"], tile["id"])

    def tiles_of_look(self, look_id: str) -> list[Row]:
        """Return the tiles that show a look, oldest first."""
        # One that has got another source since, or is gone, stays noted.
        noted = (self.tiles.get(i) for i in sorted(self._shown_looks.rights(look_id), key=id_order))
        return [tile for tile in noted if tile is not None and tile.get("look_id") == look_id]

    def remove_tile(self, row: Row) -> None:
        """Remove a tile and its components."""
        dashboard = self.dashboard_of(row)
        dashboard.tiles = [tile for tile in dashboard.tiles if tile is not row]
        del self.tiles[row["id"]]
        for layout in dashboard.layouts:
            for component in [c for c in layout.components if c["dashboard_element_id"] == row["id"]]:
                self.remove_component(component)

    def add_filter(self, dashboard: Dashboard, row: Row) -> None:
        """Add a filter."""
        self.filters[row["id"]] = row
        dashboard.filters.append(row)

    def remove_filter(self, row: Row) -> None:
        """Remove a filter."""
        dashboard = self.dashboard_of(row)
        dashboard.filters = [other for other in dashboard.filters if other is not row]
        del self.filters[row["id"]]

    def add_layout(self, dashboard: Dashboard, layout: Layout) -> None:
        """Add a layout, without components."""
        self.layouts[layout.row["id"]] = layout
        dashboard.layouts.append(layout)

    def remove_layout(self, layout: Layout) -> None:
        """Remove a layout and its components."""
        dashboard = self.dashboard_of(layout.row)
        for component in layout.components:
            del self.components[component["id"]]
        dashboard.layouts = [other for other in dashboard.layouts if other is not layout]
        del self.layouts[layout.row["id"]]

    def add_component(self, layout: Layout, row: Row) -> None:
        """Add a component to a layout."""
        self.components[row["id"]] = row
        layout.components.append(row)

    def remove_component(self, row: Row) -> None:
        """Remove a component."""
        layout = self.layouts[row["dashboard_layout_id"]]
        layout.components = [other for other in layout.components if other is not row]
        del self.components[row["id"]]

    # Queries are immutable and kept encoded: they are most of an instance's bytes.

    def put_query(self, query: Row, content: Row) -> None:
        """Add a query under the digest of its content; of equal ones the first is found again."""
        self.queries[query["id"]] = msgspec.Raw(msgspec.json.encode(query))
        self.query_slugs[query["slug"]] = query["id"]
        self.client_ids.add(query["client_id"])
        self.query_content.setdefault(content_key(content), query["id"])

    def query_slug(self, query_id: str) -> str:
        """Return the slug of a query."""
        slug: str = msgspec.json.decode(self.queries[query_id])["slug"]
        return slug

    def query_parts(self, query_id: str) -> QueryParts:
        """Return what tiles show of a query."""
        return _query_parts.decode(self.queries[query_id])

    def descendants(self, folder_id: str) -> Iterator[str]:
        """Return a folder's id and those of all folders below it, parents first."""
        waiting, seen = [folder_id], set[str]()
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                yield current
                waiting.extend(self.folder_shelf.ids(current))
