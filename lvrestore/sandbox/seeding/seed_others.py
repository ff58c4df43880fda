"""Fill the sandbox with what a vault has beside content in folders: access, boards, plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.model import ContentType
from lvrestore.sandbox.api.boards import BOARD, ITEM, SECTION
from lvrestore.sandbox.api.plans import PLAN
from lvrestore.sandbox.api.views import GROUP, MODEL_SET, PERMISSION_SET, ROLE, View
from lvrestore.sandbox.founding import EVERYONE
from lvrestore.sandbox.seeding.seed_reading import Reader, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lvrestore.sandbox.store import Row

_FLAGS = ("all_access", "built_in")
PERMISSION_SET_FIELDS = fields_of(PERMISSION_SET, *_FLAGS)
MODEL_SET_FIELDS = fields_of(MODEL_SET, *_FLAGS)
ROLE_FIELDS = fields_of(ROLE, "internal")
GROUP_FIELDS = fields_of(GROUP, "external_group_id", "externally_managed", "include_by_default")
BOARD_FIELDS = fields_of(BOARD, "content_metadata_id", "primary_homepage")
SECTION_FIELDS = fields_of(SECTION)
ITEM_FIELDS = fields_of(ITEM, "view_count", "favorite_count", "location", "image_url", "content_metadata_id")
PLAN_FIELDS = fields_of(PLAN)

# Content type: where its objects are, what their ids are counted as, what is kept of them.
PLAIN: dict[ContentType, tuple[str, str, Row]] = {
    ContentType.PERMISSION_SET: ("permission_sets", "permission_set", PERMISSION_SET_FIELDS),
    ContentType.MODEL_SET: ("model_sets", "model_set", MODEL_SET_FIELDS),
    ContentType.GROUP: ("groups", "group", GROUP_FIELDS),
}
EVERYONE_ID = "1"

Pairs = dict[str, dict[tuple[str, str], None]]


class OthersSeeder(Reader):
    """Reads access, boards and plans; who is in what is told by the users."""

    def run(self) -> None:
        """Read everything that stands in rows of its own."""
        for content_type, (table, kind, fields) in PLAIN.items():
            for content in self.living(content_type, kind):
                self._plain(table, kind, self.kept(content, fields))
        for content in self.living(ContentType.ROLE, "role"):
            self._role(content)
        for content in self.living(ContentType.BOARD, "board"):
            self._board(content)
        for content in self.living(ContentType.SCHEDULED_PLAN, "plan"):
            self._plan(content)
        known = [name for row in self.store.permission_sets.values() for name in row.get("permissions") or ()]
        self.store.permissions = list(dict.fromkeys([*self.store.permissions, *known]))

    def _plain(self, table: str, kind: str, row: Row) -> None:
        self.store.reserve(kind, row["id"])
        getattr(self.store, table)[row["id"]] = row

    def _role(self, content: Row) -> None:
        row = self.kept(content, ROLE_FIELDS)
        for content_type in (ContentType.PERMISSION_SET, ContentType.MODEL_SET):
            table, kind, fields = PLAIN[content_type]
            nested = content.get(kind) or {}
            row[f"{kind}_id"] = nested.get("id") or content.get(f"{kind}_id")
            if nested.get("id") and nested["id"] not in getattr(self.store, table):
                self._plain(table, kind, self.kept(nested, fields))
        self._plain("roles", "role", row)

    # Boards and plans

    def _board(self, content: Row) -> None:
        row = self.kept(content, BOARD_FIELDS)
        self.store.reserve("board", row["id"])
        self.store.put_board(row)
        for part in content.get("board_sections") or ():
            section = {**self._part("section", part, SECTION, SECTION_FIELDS), "board_id": row["id"]}
            self.store.put_section(section)
            for inner in part.get("board_items") or ():
                item = self._part("item", inner, ITEM, ITEM_FIELDS)
                self.store.put_item({**item, "board_section_id": section["id"]})

    def _part(self, kind: str, content: Row, view: View, fields: Row) -> Row:
        self.store.reserve(kind, content.get("id") or "")
        row = self.kept({name: value for name, value in content.items() if name in view.defaults}, fields)
        return row if "id" in row else {**row, "id": self.store.new_id(kind)}

    def _plan(self, content: Row) -> None:
        row = self.kept(content, PLAN_FIELDS)
        self.store.reserve("plan", row["id"])
        for destination in row.get("scheduled_plan_destination") or ():
            self.store.reserve("destination", destination.get("id") or "")
        self.store.put_plan(row)

    # Completing

    def fill_gaps(self, pairs: Pairs) -> None:
        """Add the groups and roles that users have and the vault has not."""
        groups, roles = self.store.groups, self.store.roles
        everyone = any(row.get("include_by_default") for row in groups.values())
        for group_id in sorted({left for left, _ in pairs["group_ids"]} - groups.keys()):
            row: Row = {"id": group_id, "name": f"Group {group_id}"}
            if group_id == EVERYONE_ID and not everyone:
                row.update(name=EVERYONE, include_by_default=True)
            self._plain("groups", "group", row)
        for role_id in sorted({left for left, _ in pairs["role_ids"]} - roles.keys()):
            self._plain("roles", "role", {"id": role_id, "name": f"Role {role_id}"})

    def link(self, pairs: Pairs) -> None:
        """Put users into groups and give them roles."""
        access = self.store.access
        for group_id, user_id in self._known(pairs["group_ids"]):
            if group_id != access.everyone:
                access.members.add(group_id, user_id)
        for role_id, user_id in self._known(pairs["role_ids"]):
            access.user_roles.add(role_id, user_id)

    def _known(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [pair for pair in pairs if pair[1] in self.store.users]

    def add_personal_folders(self) -> None:
        """Add the folders of users that the vault lacks, and say which one is whose where the user does not."""
        for folder in self.store.folders.values():
            owner = self.store.users.get(folder.get("creator_id") or "")
            if folder.get("is_personal") and owner is not None and not owner.get("personal_folder_id"):
                owner["personal_folder_id"] = folder["id"]
        root = next(row["id"] for row in self.store.folders.values() if row.get("is_users_root"))
        for user in self.store.users.values():
            folder_id = user.get("personal_folder_id")
            if folder_id and folder_id not in self.store.folders:
                self.store.reserve("folder", folder_id)
                name = user.get("display_name") or f"User {user['id']}"
                personal = {"parent_id": root, "is_personal": True, "creator_id": user["id"]}
                self.store.put_folder({"id": folder_id, "name": name, **personal})
