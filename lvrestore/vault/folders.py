"""The folder tree of a vault: descendants, and folders found by their path of names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Folder(msgspec.Struct, frozen=True):
    """A folder's place in the tree."""

    source_id: str
    name: str
    parent_id: str | None


class FolderTree:
    """All folders of a vault by id and by parent. Cycles and absent parents do no harm."""

    def __init__(self, folders: Iterable[Folder]) -> None:
        self.folders = {folder.source_id: folder for folder in folders}
        self._children: dict[str | None, list[Folder]] = defaultdict(list)
        for folder in self.folders.values():
            # A folder whose parent was not captured is a root of what is known.
            parent_id = folder.parent_id if folder.parent_id in self.folders else None
            self._children[parent_id].append(folder)

    def descendants(self, folder_id: str) -> set[str]:
        """Return the ids of all folders below `folder_id`, without itself."""
        found: set[str] = set()
        open_ids = [folder_id]
        while open_ids:
            below = {child.source_id for child in self._children[open_ids.pop()]} - found
            found |= below
            open_ids += below
        return found - {folder_id}

    def find(self, path: str) -> list[str]:
        """Return the ids of all folders with this path of names from a root; names may hold `/`."""
        return sorted(set(self._below(None, path.strip("/").split("/"))))

    def _below(self, parent_id: str | None, parts: list[str]) -> Iterator[str]:
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            for folder in self._children[parent_id]:
                if folder.name.strip("/") == name:
                    yield from self._continue(folder, parts[count:])

    def _continue(self, folder: Folder, rest: list[str]) -> Iterator[str]:
        return self._below(folder.source_id, rest) if rest else iter((folder.source_id,))
