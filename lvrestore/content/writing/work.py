"""The writes of one item: each is preceded by the before-image, checked against the reply, and noted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from lvrestore.content.calls import (
    Change,
    Create,
    Delete,
    Get,
    Mapped,
    Reads,
    Replaces,
    Steps,
    Update,
    Warn,
)
from lvrestore.content.writing.bodies import Body, changed, changes
from lvrestore.looker.classify import Refused
from lvrestore.model import Json, MatchRule

Difference = Callable[[Body, Mapping[str, Json]], Body]


@dataclass
class Work:
    """One item under restoration: where it lives, what was changed, what is to be deleted last.

    `waits`: links in it are settled when the item is looked at again. `certificates` are those of its tiles, each as
    wanted and with the live tile.
    """

    kind: str
    path: str
    item_id: str
    before: Mapping[str, Json] | None
    created: bool = False
    changes: list[Change] = field(default_factory=list)
    last: list[tuple[str, str]] = field(default_factory=list)
    certificates: list[tuple[Body, Body]] = field(default_factory=list)
    not_kept: bool = False
    waits: bool = False

    def remember(self) -> Steps[None]:
        """Have the live object stored before the first write that changes it."""
        if self.before is not None:
            before, self.before = self.before, None
            yield Replaces(self.kind, self.item_id, before)

    def update(
        self,
        path: str,
        label: str,
        body: Body,
        live: Mapping[str, Json],
        difference: Difference = changed,
        is_taken: Callable[[], Reads[bool]] | None = None,
        shows: Mapping[str, Json] = {},
    ) -> Steps[Body]:
        """PATCH `body`; return the live object as it is now. `is_taken` and `shows` are those of `Update`."""
        yield from self.remember()
        reply = yield Update(path, body, is_taken, shows)
        self.changes += changes(label, body, live)
        yield from self._check_kept(label, body, reply, difference)
        return {**live, **(reply or body)}

    def create(
        self, path: str, label: str, body: Body, parts: Parts, mapping: tuple[str, str | None]
    ) -> Steps[Body]:
        """POST a part; return it as it is live. `mapping` is the kind and the vault's id of the part."""
        yield from self.remember()
        before = set(parts.known_ids)
        reply = yield Create(path, body, lambda: parts.find_new(before, body), unique=parts.unique, part=True)
        parts.known_ids.add(reply["id"])
        self.changes.append(Change(label.rstrip("."), None, body))
        kind, source_id = mapping
        if source_id:
            yield Mapped(kind, source_id, reply["id"], MatchRule.CREATED)
        return dict(reply)

    def delete_last(self, path: str, label: str) -> None:
        """Delete this part after everything else has succeeded."""
        self.last.append((path, label))

    def delete(self, path: str, label: str, live: Mapping[str, Json]) -> Steps[None]:
        """Delete a part that is in the way of one to be written."""
        yield from self.remember()
        yield Delete(path)
        self.changes.append(Change(label, live, None))

    def finish(self) -> Steps[None]:
        """Carry out the postponed deletions."""
        for path, label in self.last:
            yield from self.remember()
            try:
                yield Delete(path)
            except Refused as refused:
                # Looker protects some parts, like an active layout: they stay, and are named.
                yield Warn("not_deleted", f"{label}: {refused}")
                continue
            self.changes.append(Change(label, "present", None))

    def _check_kept(self, label: str, body: Body, reply: Json, difference: Difference) -> Steps[None]:
        if reply is None:
            return
        for name in difference(body, reply):
            self.not_kept = True
            yield Warn("not_kept", f"{label}{name}: the server stored something else than it was sent")


@dataclass
class Parts:
    """The live parts of one sort, to recognise the one that a lost POST made."""

    path: str
    known_ids: set[str]
    looks_like: Callable[[Body, Mapping[str, Json]], bool]
    unique: bool = False

    def find_new(self, before: set[str], body: Body) -> Generator[Get, Json, Json]:
        """The part that was not there before and can be ours, or None."""
        live = yield Get(self.path, seen=True)
        return next((p for p in live if p["id"] not in before and self.looks_like(body, p)), None)
