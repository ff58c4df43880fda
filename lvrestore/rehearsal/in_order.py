"""Tell the items of a rehearsal in order, each once, with its second look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from lvrestore.model import Operation, RestorationResult, Waits, both_looks
from lvrestore.plan.chosen import LINKED, LINKING, Item
from lvrestore.state.sessions import Waiting


class Rehearsal:
    """The results of a dry run in the order of the backup, for a plan is read and compared.

    What waits for others is told last, once, when it has been looked at again.
    """

    def __init__(
        self, tell: Callable[[RestorationResult], None], seen: Callable[[RestorationResult], None]
    ) -> None:
        """`seen` is called with every first look, `tell` with what is told of an item in the end."""
        self._tell, self._seen = tell, seen
        self._early: dict[int, RestorationResult] = {}
        self._waiting: dict[Item, RestorationResult] = {}
        self._next = 0
        self._moved = False

    def take(self, result: RestorationResult) -> None:
        """Tell this result as soon as all before it have been told."""
        self._early[result.seq] = result
        while (following := self._early.pop(self._next, None)) is not None:
            self._next += 1
            item = (following.content_type, following.source_id)
            if following.earlier is None:
                self._seen(following)
            self._moved = self._moved or _is_linked_anew(following)
            if following.earlier is not None:
                first = self._waiting.pop(item)
                both = both_looks(first, following)
                # Everything in a new item is new, its links as well.
                changes = first.changes if first.became is Operation.CREATED else both.changes
                self._tell(msgspec.structs.replace(both, changes=changes, earlier=None))
            elif following.waits:
                self._waiting[item] = following
            else:
                self._tell(following)

    def waiting(self, *, same_instance: bool) -> Iterator[Waiting]:
        """What is to be looked at again; of the others it is known by now that their links stay as they are."""
        moved = not same_instance or self._moved
        for item, result in list(self._waiting.items()):
            error_kind = result.error.kind if result.error else None
            if result.waits is not Waits.FOR_OTHERS or moved or item[0] not in LINKING:
                yield Waiting(*item, result.operation, error_kind, result.waits, result.done)
            else:
                self._tell(self._waiting.pop(item))


def _is_linked_anew(result: RestorationResult) -> bool:
    """Whether links to this item must get another id."""
    moved = result.became is Operation.CREATED or result.destination_id not in {None, result.source_id}
    return moved and result.content_type in LINKED
