"""Who hears from the driver what becomes of objects, and tells it what the lists of the destination show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lvrestore.catalog.index import Index
from lvrestore.content.calls import Tried


class Listener(Protocol):
    """Follows the objects of the destination while items are restored."""

    def will_change(self, kind: str, destination_id: str) -> None:
        """Hear that an object is about to be changed."""
        ...

    def is_there(self, kind: str, destination_id: str) -> None:
        """Hear of an object that only the server knew: the answer to its POST, or the process, was lost."""
        ...

    def tried(self, note: Tried) -> None:
        """Hear how an item is looked for."""
        ...

    def having(self, kind: str, field: str, value: str) -> frozenset[str]:
        """Return the ids that a list shows with a value."""
        ...


class IndexListener:
    """Keeps the index true. Without an index nothing was read in bulk, so that no list shows anything."""

    def __init__(self, index: Index | None, tried: Callable[[Tried], None]) -> None:
        self._index, self._tried = index, tried

    def will_change(self, kind: str, destination_id: str) -> None:
        """What was read of the object is stale."""
        if self._index is not None:
            self._index.doubt(kind, destination_id)

    def is_there(self, kind: str, destination_id: str) -> None:
        """The index lists the object from now on."""
        if self._index is not None:
            self._index.note(kind, destination_id)

    def tried(self, note: Tried) -> None:
        """Pass the note on to whoever asked how items are found."""
        self._tried(note)

    def having(self, kind: str, field: str, value: str) -> frozenset[str]:
        """Return what the index shows."""
        return self._index.having(kind, field, value) if self._index is not None else frozenset()
