"""Look more closely where a list shows next to nothing of what the backup has, before anything is made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from lvrestore.catalog.index import Index
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, Sender
from lvrestore.model import ContentType, Scanned
from lvrestore.plan.plausibility import Visible, sample
from lvrestore.play.known import KnownIds
from lvrestore.preflight.problems import Translate

# The ids of rows of a type, some at a time.
Ids = Callable[[ContentType], Iterable[list[str]]]
# A LookML dashboard is code: no list shows it, and none is restored.
CODE = "::"


class CloserLook:
    """Asks for a few of the items that a list does not show, where it shows next to nothing.

    `hidden` is what such lists show when nothing that was asked for is there; `disbelieved` are the lists that one was
    missing from that is there: each item of those types is asked for by itself.
    """

    def __init__(
        self,
        client: Sender,
        index: Index,
        translate: Translate,
        *,
        count: Callable[[ContentType], int],
        backed_up: Ids,
        selected: Ids,
    ) -> None:
        """`count` and `backed_up` tell what the backup has of a type, `selected` what is to be restored."""
        self._client, self._index, self._translate = client, index, translate
        self._count, self._backed_up, self._selected = count, backed_up, selected
        self.hidden: list[Visible] = []
        self.disbelieved: list[Visible] = []

    def at(self, scanned: Scanned) -> Scanned:
        """What was read of a type, as far as it can be believed."""
        visible = self._visible(ContentType[scanned.kind.upper()])
        if visible.is_plausible:
            return scanned
        missing = self._missing(visible.content_type)
        if not any(self._is_there(scanned.kind, one) for one in sample(missing)):
            self.hidden += [msgspec.structs.replace(visible, missing=len(missing))] if missing else []
            return scanned
        self.disbelieved += [visible] if scanned.complete else []
        self._index.doubt_all(scanned.kind)
        return msgspec.structs.replace(scanned, complete=False)

    def _visible(self, content_type: ContentType) -> Visible:
        """How much of the backup a list shows, counted as far as it matters."""
        most = Visible(content_type, self._count(content_type), 0)
        backed_up = 0
        for ids in self._here(content_type, self._backed_up):
            backed_up += len(ids)
            shown = most.shown + len(self._index.shown(content_type.label, ids))
            most = msgspec.structs.replace(most, shown=shown)
            if most.is_plausible:
                return most
        return msgspec.structs.replace(most, backed_up=backed_up)

    def _missing(self, content_type: ContentType) -> list[str]:
        kind, missing = content_type.label, []
        for ids in self._here(content_type, self._selected):
            seen = self._index.shown(kind, ids)
            missing += [one for one in ids if one not in seen]
        return missing

    def _here(self, content_type: ContentType, ids_of: Ids) -> Iterator[list[str]]:
        """The ids on the destination."""
        for ids in ids_of(content_type):
            found = [self._translate(content_type.label, one) for one in ids if CODE not in one]
            yield [one for one in found if one is not None]

    def _is_there(self, kind: str, item_id: str) -> bool:
        """Whether an object is not sure to be gone."""
        try:
            gone, _ = KnownIds({}).absent(kind, (item_id,), self._client)
        except (Refused, GaveUp):
            return True
        return not gone
