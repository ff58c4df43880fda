"""What generators may know, answered from the state file and, rarely, the vault."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from lvrestore.content.knowledge import mapped_as
from lvrestore.content.moved.renaming import remapped, remapped_query
from lvrestore.model import ContentType, Json, MappedId, Operation
from lvrestore.settings import Policy
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.vault import Lookups


class _OfItem(threading.local):
    """What a thread was told of mappings and of other items since it has begun its item; None without one."""

    mapped: dict[tuple[str, str], MappedId | None] | None = None
    lost: dict[tuple[str, str], bool] | None = None


class StateReferences:
    """Committed mappings, read fresh for each item: another worker may have just made one.

    A dashboard asks for the same ones again and again. Who has begun no item is answered from the file each time.
    `planned` are the mappings of a dry run, which commits nothing, and `rehearsed` the items that it has come to, with
    whether they are lost.
    """

    def __init__(
        self,
        reader: StateReader,
        scope: Scope,
        lookups: Lookups,
        planned: Mapping[tuple[str, str], MappedId],
        rehearsed: Mapping[tuple[str, str], bool],
        *,
        same_instance: bool,
        policy: Policy,
    ) -> None:
        self._reader, self._scope, self._lookups, self._planned = reader, scope, lookups, planned
        self._rehearsed = rehearsed
        self._mapper = reader.mapper(scope, is_same_instance=same_instance)
        self.same_instance, self.policy = self._mapper.is_same_instance, policy
        self._item = _OfItem()
        self.not_here: set[tuple[str, str]] = set()

    def begin_item(self) -> None:
        """What this thread was told of mappings is not so for the next item."""
        self._item.mapped, self._item.lost = {}, {}

    def forget(self, kind: str, source_id: str) -> None:
        """What this thread was told of a mapping is not so any more."""
        if self._item.mapped is not None:
            self._item.mapped.pop((kind, mapped_as(self.policy, kind, source_id)), None)

    def mapped(self, kind: str, source_id: str) -> MappedId | None:
        """The committed mapping, if there is one."""
        told, key = self._item.mapped, (kind, mapped_as(self.policy, kind, source_id))
        if told is None:
            return self._mapped(key)
        if key not in told:
            told[key] = self._mapped(key)
        return told[key]

    def _mapped(self, key: tuple[str, str]) -> MappedId | None:
        return self._planned.get(key) or self._mapper.get(*key)

    def mapped_from(self, kind: str, destination_id: str) -> str | None:
        """A source id that is mapped to a destination's id."""
        for (planned_kind, source_id), to in tuple(self._planned.items()):
            if (planned_kind, to.destination_id) == (kind, destination_id):
                return source_id
        return self._mapper.source_of(kind, destination_id)

    def own_write(self, kind: str, destination_id: str) -> datetime | None:
        """Until when every change of an object of the destination is this tool's own."""
        return self._reader.own_write(self._scope.destination_instance, kind, destination_id)

    def in_vault(self, kind: str, source_id: str) -> bool:
        """Whether the vault holds the object, or nothing of that kind."""
        return self._lookups.has(ContentType[kind.upper()], source_id)

    def has_row(self, kind: str, source_id: str) -> bool:
        """Whether the vault holds the item itself."""
        return self._lookups.has_row(ContentType[kind.upper()], source_id)

    def marked_deleted(self, kind: str, source_id: str) -> bool:
        """Whether the backup holds the item, but as a deleted one."""
        kinds = ContentType.__members__
        return kind.upper() in kinds and self._lookups.marked_deleted(ContentType[kind.upper()], source_id)

    def made_now(self, kind: str, source_id: str) -> bool:
        """Whether this run has created the item."""
        if (planned := self._planned.get((kind, source_id))) is not None:
            return planned.destination_id.startswith("new-")
        return self._reader.became(self._scope, ContentType[kind.upper()], source_id) is Operation.CREATED

    def ended(self, kind: str, source_id: str) -> bool:
        """Whether this run has come to the item."""
        if (kind, source_id) in self._rehearsed:
            return True
        return self._reader.status(self._scope, ContentType[kind.upper()], source_id) is not None

    def lost(self, kind: str, source_id: str) -> bool:
        """Whether this run has come to the item, and nobody may refer to it."""
        told, item = self._item.lost, (kind, source_id)
        if told is None:
            return self._lost(*item)
        if item not in told:
            told[item] = self._lost(*item)
        return told[item]

    def _lost(self, kind: str, source_id: str) -> bool:
        if (kind, source_id) in self._rehearsed:
            return self._rehearsed[kind, source_id]
        return self._reader.lost(self._scope, ContentType[kind.upper()], source_id)

    def content(self, kind: str, source_id: str) -> Mapping[str, Json] | None:
        """The backup's content of another item, with the names that things have on the destination."""
        content_type = ContentType[kind.upper()]
        content = self._lookups.content(content_type, source_id)
        return None if content is None else remapped(content_type, content, self.policy.remap)

    def query(self, query_id: str) -> Mapping[str, Json] | None:
        """A query's definition, from whatever tile of the backup embeds it, likewise."""
        definition = self._lookups.query(query_id)
        return None if definition is None else remapped_query(definition, self.policy.remap)

    def merge_query(self, merge_id: str) -> Mapping[str, Json] | None:
        """The definition of merged results, if the source gave it; of their names only colours can be others here."""
        definition = self._lookups.merge_query(merge_id)
        return None if definition is None else remapped_query(definition, self.policy.remap)

    def refusal(self, kind: str, source_id: str) -> str | None:
        """Why the destination has refused a query in this run."""
        return self._lookups.refusal(kind, source_id, "destination")

    def withheld(self, kind: str, source_id: str) -> str | None:
        """Why the source does not give the definition of a query."""
        return self._lookups.refusal(kind, source_id, "source")

    def holders(self, kind: str, source_id: str, *, managed: bool = False) -> tuple[str, ...]:
        """The backup's users that have a role or are in a group."""
        return self._lookups.holders(kind, source_id, managed=managed)

    def personal_folder(self, user_id: str) -> str | None:
        """The source id of a user's personal folder."""
        return self._lookups.personal_folder(user_id)

    def owner_of(self, folder_id: str) -> str | None:
        """The source id of the user whose personal folder it is."""
        return self._lookups.owner_of(folder_id)

    def namesakes(self, kind: str, source_id: str) -> tuple[str, ...]:
        """The backup's folders or users of one's name."""
        return self._lookups.namesakes(ContentType[kind.upper()], source_id)
