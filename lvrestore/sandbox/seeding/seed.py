"""Fill the sandbox with a vault's content, under the vault's own ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.model import ContentType
from lvrestore.sandbox.api.facts import FACTS
from lvrestore.sandbox.api.queries import CLIENT_ID_LENGTH, CONTENT, encoded_query
from lvrestore.sandbox.api.tiles import has_source, own_result_maker
from lvrestore.sandbox.api.views import (
    COMPONENT,
    DASHBOARD,
    FILTER,
    FOLDER_BASE,
    LAYOUT,
    LOOK,
    TILE,
    TIME_FIELDS,
)
from lvrestore.sandbox.founding import root_with_id
from lvrestore.sandbox.instance import Instance
from lvrestore.sandbox.seeding.seed_others import OthersSeeder, Pairs
from lvrestore.sandbox.seeding.seed_reading import Reader, fields_of
from lvrestore.sandbox.store import Dashboard, Layout, Row, token
from lvrestore.vault import open_vault, palettes_of

if TYPE_CHECKING:
    from lvrestore.sandbox.looker import Looker
    from lvrestore.vault import Vault

_STATS = {"content_metadata_id", "last_updater_id", "view_count", "favorite_count", "deleter_id"}

# Everything else in a reply follows from these.
DASHBOARD_FIELDS = fields_of(DASHBOARD, *_STATS)
LOOK_FIELDS = fields_of(LOOK, *_STATS, "public_slug", "public_url")
TILE_FIELDS = fields_of(TILE)
FILTER_FIELDS = fields_of(FILTER) | {"model": None}
LAYOUT_FIELDS = fields_of(LAYOUT, "deleted")
COMPONENT_FIELDS = fields_of(COMPONENT)
FOLDER_FIELDS = fields_of(
    FOLDER_BASE, *(FACTS.types["FolderBase"].keys() - {"can", "child_count", *TIME_FIELDS})
)


class Seeder(Reader):
    """Reads a vault once, front to back, and notes what has to be completed at the end."""

    def __init__(self, instance: Instance, vault: Vault) -> None:
        super().__init__(instance, vault)
        self._others = OthersSeeder(instance, vault)
        self._nameless: list[tuple[str, dict[str, Any], Row, Any]] = []
        self._models: set[str] = set()
        self._embedded_folders: dict[str, Row] = {}
        # What stands in the backup of merged results: per query that they join, its explore and a name.
        self._joined: dict[str, list[Row]] = {}
        # Pairs of group or role and user, in the vault's order.
        self._memberships: Pairs = {"group_ids": {}, "role_ids": {}}
        self._marked_deleted: dict[str, set[str]] = {"folder": set(), "look": set(), "user": set()}

    def run(self) -> dict[str, int]:
        """Fill the store; return how many objects of each kind it holds."""
        self._looks()
        self._dashboards()
        self._folders()
        self._users()
        self._lookml_models()
        self._others.run()
        self._fill_gaps()
        self._others.fill_gaps(self._memberships)
        self._drop_deleted()
        self._name_the_nameless()
        self.instance.complete()
        self._others.link(self._memberships)
        self._others.add_personal_folders()
        return {
            kind: len(getattr(self.store, kind))
            for kind in (
                "dashboards",
                "tiles",
                "filters",
                "layouts",
                "looks",
                "folders",
                "queries",
                "users",
                "models",
                "permission_sets",
                "model_sets",
                "roles",
                "groups",
                "boards",
                "plans",
            )
        }

    # Reading.

    def _register(self, kind: str, table: dict[str, Any], row: Row, thing: Any) -> None:  # noqa: ANN401 - row or struct
        """Enter a part under its id; one without an id gets one when all ids are known."""
        if row.get("id") is None:
            self._nameless.append((kind, table, row, thing))
            return
        self.store.reserve(kind, row["id"])
        table[row["id"]] = thing

    # Dashboards and what they embed.

    def _dashboards(self) -> None:
        for vault_row, content in self.contents(ContentType.DASHBOARD):
            self.store.reserve("dashboard", content["id"])
            for tile in content.get("dashboard_elements") or []:
                self._embedded_in(tile)
            if vault_row.deleted_at is None:
                self._dashboard(content)
            else:
                self._reserve_parts(content)

    def _dashboard(self, content: Row) -> None:
        row = self.kept(content, DASHBOARD_FIELDS)
        row["slug"] = row.get("slug") or self.instance.new_slug("dashboard", row["id"])
        self._note_folder(content)
        for pair in palettes_of(ContentType.DASHBOARD, content):
            self.store.add_palette(*pair)
        dashboard = Dashboard(row)
        self.store.index_dashboard(dashboard)
        for tile in content.get("dashboard_elements") or []:
            dashboard.tiles.append(self._tile(row["id"], tile))
        for part in content.get("dashboard_filters") or []:
            filter_row = {**self.kept(part, FILTER_FIELDS), "dashboard_id": row["id"]}
            dashboard.filters.append(filter_row)
            self._register("filter", self.store.filters, filter_row, filter_row)
        for part in content.get("dashboard_layouts") or [{"type": "newspaper", "active": True}]:
            dashboard.layouts.append(self._layout(row["id"], part))

    def _embedded_in(self, tile: Row) -> None:
        look = tile.get("look")
        for query in (
            tile.get("query"),
            (tile.get("result_maker") or {}).get("query"),
            (look or {}).get("query"),
        ):
            if query and query.get("id"):
                self._query(query)
        if look and look.get("id") and look["id"] not in self.store.looks:
            self._look(look)
        if tile.get("merge_result_id"):
            merge_id = tile["merge_result_id"]
            self.store.merges.setdefault(merge_id, {"id": merge_id, "source_queries": []})
            self._joined[merge_id] = (tile.get("result_maker") or {}).get("filterables") or []

    def _query(self, query: Row) -> None:
        query_id = str(query["id"])
        self._models.add(query["model"])
        if query_id in self.store.queries:
            return
        self.store.reserve("query", query_id)
        client_id = query.get("client_id") or token(CLIENT_ID_LENGTH, "query", query_id)
        slug = query.get("slug") or client_id[:7]
        content = {name: query.get(name) for name in CONTENT}
        self.store.put_query(encoded_query(query_id, slug, client_id, content), content)

    def _tile(self, dashboard_id: str, content: Row) -> Row:
        row: Row = {**self.kept(content, TILE_FIELDS), "dashboard_id": dashboard_id}
        if has_source(row):
            given = content.get("result_maker")
            row["result_maker"] = given and own_result_maker(self.instance, row, self._shared_parts(given))
            self.store.reserve("result_maker", row.get("result_maker_id") or "")
        self._register("tile", self.store.tiles, row, row)
        return row

    def _shared_parts(self, result_maker: Row) -> Row:
        return {name: self.share(value) for name, value in result_maker.items() if name != "query"}

    def _layout(self, dashboard_id: str, content: Row) -> Layout:
        layout = Layout({**self.kept(content, LAYOUT_FIELDS), "dashboard_id": dashboard_id})
        for part in content.get("dashboard_layout_components") or []:
            if part.get("dashboard_element_id") is not None:
                component = {
                    **self.kept(part, COMPONENT_FIELDS),
                    "dashboard_layout_id": layout.row.get("id"),
                }
                layout.components.append(component)
                self._register("component", self.store.components, component, component)
        self._register("layout", self.store.layouts, layout.row, layout)
        return layout

    def _reserve_parts(self, content: Row) -> None:
        """Never give out the ids of the parts of a dashboard that is gone."""
        layouts = content.get("dashboard_layouts") or []
        parts = {
            "tile": content.get("dashboard_elements") or [],
            "filter": content.get("dashboard_filters") or [],
            "layout": layouts,
            "component": [c for layout in layouts for c in layout.get("dashboard_layout_components") or []],
        }
        for kind, rows in parts.items():
            for row in rows:
                self.store.reserve(kind, row.get("id") or "")
        for tile in parts["tile"]:
            self.store.reserve("result_maker", tile.get("result_maker_id") or "")

    # Everything else.

    def _looks(self) -> None:
        for vault_row, content in self.contents(ContentType.LOOK):
            self._look(content)
            if vault_row.deleted_at is not None:
                self._marked_deleted["look"].add(content["id"])

    def _look(self, content: Row) -> None:
        self._note_folder(content)
        self.store.reserve("look", content["id"])
        self.store.put_look(self.kept(content, LOOK_FIELDS))
        if content.get("model"):
            self._models.add(content["model"]["id"])

    def _note_folder(self, content: Row) -> None:
        if content.get("folder_id") and content.get("folder"):
            self._embedded_folders.setdefault(
                content["folder_id"], self.kept(content["folder"], FOLDER_FIELDS)
            )

    def _folders(self) -> None:
        for vault_row, content in self.contents(ContentType.FOLDER):
            self._folder(self.kept(content, FOLDER_FIELDS))
            if vault_row.deleted_at is not None:
                self._marked_deleted["folder"].add(content["id"])

    def _folder(self, row: Row) -> None:
        self.store.reserve("folder", row["id"])
        self.store.put_folder({"name": "", **row})

    def _users(self) -> None:
        for vault_row, content in self.contents(ContentType.USER):
            self._user(msgspec.to_builtins(content))
            if vault_row.deleted_at is not None:
                self._marked_deleted["user"].add(content["id"])

    def _user(self, row: Row) -> None:
        self.store.reserve("user", row["id"])
        for name in ("group_ids", "role_ids"):
            pairs = [(object_id, row["id"]) for object_id in row.pop(name, None) or ()]
            self._memberships[name].update(dict.fromkeys(pairs))
        self.store.users[row["id"]] = row
        self.store.set_email(row, row.get("email"))

    def _lookml_models(self) -> None:
        for vault_row, content in self.contents(ContentType.LOOKML_MODEL):
            if vault_row.deleted_at is None:
                name = content.get("name") or content["id"]
                row = msgspec.to_builtins({**content, "name": name})
                self.store.explores[name] = row.pop("explores", None) or []
                for connection in row.get("allowed_db_connection_names") or ():
                    self.store.add_connection(connection)
                self.store.models[name] = row

    # Completing.

    def _referred(self, kind: str) -> set[str]:
        """Return the ids of one kind that something on the instance refers to."""
        store = self.store
        fields = {
            "folder": ("folder_id", "parent_id"),
            "user": ("user_id", "creator_id"),
            "look": ("look_id",),
        }[kind]
        tables = (store.tiles, store.looks, store.folders, store.boards, store.items, store.plans)
        rows = (*(d.row for d in store.dashboards.values()), *(r for table in tables for r in table.values()))
        return {row[f] for row in rows for f in fields if row.get(f)}

    def _fill_gaps(self) -> None:
        """Add what is referred to and not in the vault, as far as it can be made up."""
        store = self.store
        for look_id in sorted(self._referred("look") - store.looks.keys()):
            self._look({"id": look_id, "title": f"Look {look_id}", "folder_id": "1"})
        for name in sorted(self._models - store.models.keys()):
            store.models[name] = {"name": name, "label": name, "project_name": name}
        self._fill_queries()
        self._fill_merge_queries()
        while missing := self._referred("folder") - store.folders.keys():
            for folder_id in sorted(missing):
                unknown = {"id": folder_id, "name": f"Folder {folder_id}", **root_with_id(store, folder_id)}
                self._folder({**unknown, **self._embedded_folders.get(folder_id, {})})
        for user_id in sorted(self._referred("user") - store.users.keys()):
            self.store.reserve("user", user_id)
            self.store.users[user_id] = {"id": user_id, "display_name": f"User {user_id}"}

    def _fill_queries(self) -> None:
        """Make up the queries that no tile embeds: of a look, the backup has the query's id only."""
        model = next(iter(self.store.models), "unknown")
        explores = self.store.explores.get(model) or [{"name": "unknown"}]
        referred = (*self.store.looks.values(), *self.store.tiles.values())
        for query_id in sorted(
            {row["query_id"] for row in referred if row.get("query_id")} - self.store.queries.keys()
        ):
            # The id stands in a field, so that no two of these are equal and found for each other.
            fields = [f"unknown.query_{query_id}"]
            self._query({"id": query_id, "model": model, "view": explores[0]["name"], "fields": fields})
        for look in self.store.looks.values():
            look.setdefault("query_id", next(iter(self.store.queries), None))

    def _fill_merge_queries(self) -> None:
        """Make up what merged results join: no backup has it, but for the explores in the tiles that show them."""
        model = next(iter(self.store.models), "unknown")
        for merge_id, named in sorted(self._joined.items()):
            entries = named if len(named) > 1 else [{"model": model, "view": "unknown", "name": ""}] * 2
            merge, primary = self.store.merges[merge_id], ""
            for number, entry in enumerate(entries):
                view, query_id = entry.get("view") or "unknown", self.store.new_id("query")
                # The id stands in a field, so that no two of these are equal and found for each other.
                field = f"{view}.merged_{merge_id}_{number}"
                self._query(
                    {"id": query_id, "model": entry.get("model") or model, "view": view, "fields": [field]}
                )
                primary = primary or field
                merge["source_queries"].append(
                    {
                        "name": entry.get("name") or f"Source {number}",
                        "query_id": query_id,
                        "query_slug": self.store.query_slug(query_id),
                        "merge_fields": [{"field_name": primary, "source_field_name": field}]
                        if number
                        else [],
                    }
                )

    def _drop_deleted(self) -> None:
        """Remove what the vault marks deleted, unless something that is there refers to it."""
        store = self.store
        for look_id in self._marked_deleted["look"] - self._referred("look"):
            store.take_look(store.looks[look_id])
        gone = self._marked_deleted["folder"]
        while unneeded := (gone & store.folders.keys()) - self._referred("folder"):
            for folder_id in unneeded:
                store.take_folder(store.folders[folder_id])
        for user_id in self._marked_deleted["user"] - self._referred("user"):
            store.set_email(store.users[user_id], None)
            del store.users[user_id]

    def _name_the_nameless(self) -> None:
        for kind, table, row, thing in self._nameless:
            row["id"] = self.store.new_id(kind)
            table[row["id"]] = thing
            if isinstance(thing, Layout):
                for component in thing.components:
                    component["dashboard_layout_id"] = row["id"]
        for tile in self.store.tiles.values():
            self.store.note_look(tile)
            if has_source(tile) and not tile.get("result_maker_id"):
                tile["result_maker_id"] = self.store.new_id("result_maker")


def from_vault(looker: Looker, vault_path: str | Path) -> dict[str, int]:
    """Replace the sandbox's content by a vault's; return how many objects of each kind it holds."""
    with open_vault(Path(vault_path)) as vault:
        looker.instance.empty()
        return Seeder(looker.instance, vault).run()
