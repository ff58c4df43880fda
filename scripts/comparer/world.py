"""Both sides of a comparison, and how to say what one has in the words of the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comparer.fields import QUERY
from comparer.sources import TABLE, Backup, Content, is_same_instance
from comparer.there import There, local


class World:
    """A backup and a dump, and one from before. Without them it is the same instance, where ids stay as they are."""

    def __init__(
        self,
        backup: Backup | None = None,
        dump: Mapping[str, Mapping[str, Content]] = {},
        before: Mapping[str, Mapping[str, Content]] = {},
    ) -> None:
        self.backup, self.dump, self._before = backup, dump, before
        same = backup is None or is_same_instance(backup, dump)
        self.there = There(same=same, hosts=backup.hosts if backup else ())

    def live(self, kind: str) -> Mapping[str, Content]:
        """What the instance has of a type, by id."""
        return self.dump.get(TABLE[kind], {})

    def is_new(self, kind: str, live_id: str) -> bool:
        """Whether an object was not there before."""
        return live_id not in self._before.get(TABLE[kind], {})

    def exists(self, kind: str, source_id: str) -> bool:
        """Whether something of the vault is on the instance."""
        return self.there(kind, source_id) in self.live(kind)

    def source(self, content: Content) -> Any:  # noqa: ANN401 - an id or a query
        """The query of a tile or look of the vault: by id, elsewhere by what it asks for."""
        query_id = content.get("query_id")
        if self.there.same or query_id is None:
            return query_id
        known = self.backup.queries.get(query_id) if self.backup else None
        definition = content.get("query") or known
        return _asked(definition) if definition else f"no query {query_id}"

    def live_source(self, content: Content) -> Any:  # noqa: ANN401 - an id or a query
        """The query of a live tile or look, likewise."""
        query_id = content.get("query_id")
        return query_id if self.there.same or query_id is None else _asked(self.dump["queries"][query_id])

    def linked(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """A value of the vault with its links to where things are now."""
        return self.there.linked(value)

    def live_linked(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """A live value whose links read alike."""
        return value if self.there.same else local(value)


def _asked(query: Content) -> Content:
    return {name: query[name] for name in QUERY if query.get(name) is not None}
