"""The selected rows as tasks, in waves: a wave may begin when every item of the one before has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import msgspec

from lvrestore.model import (
    ContentType,
    QueryTask,
    RestorationTask,
    VaultRow,
    Waits,
)
from lvrestore.plan.chosen import LINKING, Chosen, Item
from lvrestore.plan.dependencies import by_depth
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope, Waiting
from lvrestore.vault import DoneIn, Size, Vault, Wanted

Tasks = Iterator[RestorationTask]
AnyTasks = Iterator[RestorationTask] | Iterator[QueryTask]
# Types of which no two objects may share a name, in one folder or at all.
NAMED = (
    ContentType.LOOKML_MODEL,
    ContentType.PERMISSION_SET,
    ContentType.MODEL_SET,
    ContentType.ROLE,
    ContentType.GROUP,
    ContentType.USER,
    ContentType.FOLDER,
    ContentType.LOOK,
    ContentType.DASHBOARD,
)


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier runs left: items begun and not ended, those cut off, and until when their requests may land."""

    uncertain: frozenset[Item] = frozenset()
    cut_off: frozenset[Item] = frozenset()
    lands_until: datetime | None = None


class FirstWave(NamedTuple):
    """Rows of a type that have not been looked at; but for `is_last` it has not come to its end with them."""

    content_type: ContentType
    tasks: Tasks
    is_last: bool = True


class Waves:
    """The tasks of one run."""

    def __init__(
        self,
        vault: Vault,
        chosen: Chosen,
        unfinished: Unfinished,
        done_in: DoneIn | None,
        positions: Mapping[ContentType, str] = {},
        passes: Callable[[Item], bool] = lambda _item: True,
    ) -> None:
        """`done_in`: leave out what a session has an entry for. `positions`: where it was in each type.

        `passes` is asked, when all waves before have ended, whether an item may be begun.
        """
        self._passes = passes
        self._vault, self._chosen, self._unfinished, self._done_in = vault, chosen, unfinished, done_in
        self._positions = positions
        self._numbers = count()

    def first(self) -> Iterator[FirstWave]:
        """Every selected row once: types in dependency order, folders by depth."""
        for content_type in self._chosen.in_order:
            if content_type is ContentType.FOLDER:
                for tasks in self._folders():
                    yield FirstWave(content_type, tasks)
            else:
                yield from self._rows(content_type)

    def _rows(self, content_type: ContentType) -> Iterator[FirstWave]:
        """The rows of a type: those after the last one that was stored first, so that a resume is soon at work.

        Looking for the others takes as long as the session has items. Of those large ones begin first, as what takes
        longest and begins last is waited for by everybody; a plan is read in the order of the backup.
        """
        ids = self._chosen.ids
        if (position := self._positions.get(content_type)) is not None:
            yield FirstWave(content_type, self._tasks(content_type, ids, after=position), is_last=False)
        sizes: tuple[Size | None, ...] = (None,) if self._done_in is None else ("large", "other")
        tasks = chain.from_iterable(self._tasks(content_type, ids, size=size) for size in sizes)
        yield FirstWave(content_type, tasks)

    def again(self, waiting: Iterable[Waiting], reason: Waits) -> Iterator[Tasks]:
        """The items that wait, once more."""
        yield (
            self._task(row, one, reason)
            for one in waiting
            if (row := self._vault.get(one.content_type, one.source_id)) is not None
        )

    def rounds(self, waiting: Callable[[], list[Waiting]]) -> Iterator[Tasks]:
        """The items whose names others hold, again and again, for as long as that changes anything.

        Every second time the last one comes first, as who took whose name often goes by the order.
        """
        before: list[Waiting] = []
        now = waiting()
        while now and now != before:
            before = now
            yield from self.again(reversed(now), Waits.FOR_NAME)
            now = waiting()
            if now and now != before:
                before = now
                yield from self.again(now, Waits.FOR_NAME)
                now = waiting()

    def _folders(self) -> Iterator[Tasks]:
        folders = self._vault.folder_tree.folders
        wanted = folders.keys() if self._chosen.ids is None else set(self._chosen.ids)
        for ids in by_depth({one: folders[one].parent_id for one in wanted if one in folders}):
            yield self._tasks(ContentType.FOLDER, ids)
        # Rows that do not decode have no place in the tree; each fails by itself.
        rows = self._vault.rows(ContentType.FOLDER, **self._chosen.rows())
        if lost := [row.source_id for row in rows if row.source_id not in folders]:
            yield self._tasks(ContentType.FOLDER, lost)

    def _tasks(
        self,
        content_type: ContentType,
        ids: Sequence[str] | None,
        after: str | None = None,
        size: Size | None = None,
    ) -> Tasks:
        wanted: Wanted = {**self._chosen.rows(self._done_in), "ids": ids, "after": after, "size": size}
        for row in self._vault.rows(content_type, **wanted):
            if self._passes((row.content_type, row.source_id)):
                yield self._task(row)

    def _task(
        self, row: VaultRow, waiting: Waiting | None = None, again: Waits = Waits.NO
    ) -> RestorationTask:
        item = (row.content_type, row.source_id)
        return RestorationTask(
            seq=next(self._numbers),
            content_type=row.content_type,
            source_id=row.source_id,
            name=row.name,
            blob=row.blob,
            uncertain=item in self._unfinished.uncertain,
            lands_until=self._unfinished.lands_until if item in self._unfinished.cut_off else None,
            again=again,
            earlier=waiting.operation if waiting else None,
            earlier_done=waiting.done if waiting else None,
            earlier_error=waiting.error_kind if waiting else None,
        )


def waiting_in(path: Path, scope: Scope, *, same_instance: bool) -> Iterator[Waiting]:
    """The items of a session that wait for others; links are looked at again only where something can have moved."""
    reader = StateReader(path)
    has_moved = not same_instance or reader.has_moved(scope)
    for content_type in (ContentType.USER, *(LINKING if has_moved else ())):
        yield from reader.waiting(scope, content_type, for_name=False)


def nameless_in(path: Path, scope: Scope, content_types: Iterable[ContentType]) -> list[Waiting]:
    """The items of a session whose names are held by others that are to get other ones."""
    reader = StateReader(path)
    return [one for one_type in content_types for one in reader.waiting(scope, one_type, for_name=True)]
