"""Which rows of a backup a run restores."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from lvrestore.model import ContentType
from lvrestore.plan.dependencies import DependencyGraph
from lvrestore.vault import Deleted, DoneIn, Wanted

# What has links, and what they lead to.
LINKING = (ContentType.DASHBOARD, ContentType.BOARD)


LINKED = frozenset({*LINKING, ContentType.FOLDER, ContentType.LOOK})


Item = tuple[ContentType, str]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the vault a run restores."""

    types: tuple[ContentType, ...]
    ids: tuple[str, ...] | None = None
    deleted: Deleted = "exclude"
    folder_ids: Collection[str] | None = None

    def rows(self, done_in: DoneIn | None = None) -> Wanted:
        """What `Vault.rows`, `ids` and `count` are asked for."""
        return {
            "ids": self.ids,
            "deleted": self.deleted,
            "folder_ids": self.folder_ids,
            "done_in": done_in,
        }

    @property
    def in_order(self) -> list[ContentType]:
        """The types, each after all it depends on."""
        return DependencyGraph().get_restoration_order(self.types)
