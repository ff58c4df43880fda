"""Whoever hears what becomes of a run while it is under way."""

from __future__ import annotations

from typing import Protocol

from lvrestore.model import QueryResult, RestorationResult


class Listener(Protocol):
    """The crew of processes and the run in one process tell the same to the same object."""

    def result(self, result: RestorationResult) -> None:
        """An item has ended, and that is stored."""
        ...

    def query(self, result: QueryResult) -> None:
        """Queries that many items show were made, found or refused."""
        ...

    def tick(self) -> None:
        """Time passes."""
        ...

    def room(self, in_hand: int) -> int:
        """How many more items may be begun while that many are under way."""
        ...
