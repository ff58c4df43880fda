"""Count, before the question is asked, the items that were edited on the instance after the backup."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from lvrestore.catalog.index import Index
from lvrestore.content.identity.edited import edited_after_backup
from lvrestore.model import ContentType, Json, VaultRow
from lvrestore.play.touched import backed_up_at
from lvrestore.state.reader import StateReader

BATCH = 500


class Edits:
    """Compares a backup with what was read in bulk: no call is made."""

    def __init__(
        self,
        reader: StateReader,
        destination: str,
        index: Index,
        translate: Callable[[str, str], str | None],
    ) -> None:
        """`translate` gives the destination's id of a (kind, source id)."""
        self._reader, self._destination, self._index, self._translate = reader, destination, index, translate
        self._begun = reader.begun(destination)

    def count(self, content_type: ContentType, rows: Iterable[VaultRow]) -> int:
        """How many of these rows have a living object that somebody has edited since."""
        kind, edited = content_type.label, 0
        backed_up = ((row.source_id, backed_up_at(row.blob)) for row in rows)
        while batch := dict(islice(backed_up, BATCH)):
            here = {one: to for one in batch if (to := self._translate(kind, one)) is not None}
            times = self._index.values(kind, "updated_at", here.values())
            edited += sum(
                self._is_edited(content_type, one, to, batch[one], times.get(to)) for one, to in here.items()
            )
        return edited

    def _is_edited(
        self, content_type: ContentType, source_id: str, destination_id: str, backed_up: Json, live: Json
    ) -> bool:
        own_write = partial(self._reader.own_write, self._destination, content_type.label, destination_id)
        begun = (content_type, source_id) in self._begun
        return edited_after_backup(backed_up, live, own_write, begun=begun) is True
