"""What a retry of dead letters restores: the letters chosen, what they lack, and what waits for them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import orjson

from lvrestore.errors import SessionMismatchError, UsageError
from lvrestore.model import ContentType, Json, VaultRow
from lvrestore.plan.chosen import Item
from lvrestore.play.known import COLLECTIONS
from lvrestore.settings import Retry
from lvrestore.state.dead_letters import DEPENDENCY, LetterFilter, LetterKey
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope, SessionRow
from lvrestore.vault import BlobError, Vault, decode_blob, references_of


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """What a retry is about: letters that were chosen, letters that wait for these, items of the backup they lack."""

    chosen: tuple[LetterKey, ...]
    waiting: tuple[LetterKey, ...]
    missing: tuple[Item, ...]


def filter_of(retry: Retry) -> LetterFilter:
    """The dead letters that are meant."""
    return LetterFilter(
        ids=retry.ids or None, session_id=retry.session_id, content_type=retry.content_type, kind=retry.kind
    )


def chosen_letters(
    reader: StateReader, retry: Retry, session: SessionRow | None, destination: str
) -> tuple[LetterKey, ...]:
    """The letters to try: those that are left of a session, or all of this destination that fit."""
    if session is not None:
        return tuple(reader.dead_letters.keys(LetterFilter(retried_in=session.id)))
    found = tuple(reader.dead_letters.keys(filter_of(retry)))
    foreign = [one for one in found if one.destination_instance != destination]
    if foreign and retry.ids:
        raise SessionMismatchError("destination", foreign[0].destination_instance, destination)
    return tuple(one for one in found if one.destination_instance == destination)


def sessions_of(reader: StateReader, letters: Iterable[LetterKey]) -> list[SessionRow]:
    """The sessions in which the letters failed last, the newest first."""
    found = [reader.session(one) for one in {letter.session_id for letter in letters}]
    return sorted((one for one in found if one is not None), key=lambda one: one.started_at, reverse=True)


def source_of(letters: Iterable[LetterKey]) -> str:
    """The instance whose ids the letters carry; there must be one only."""
    sources = sorted({one.source_instance for one in letters})
    if len(sources) > 1:
        names = ", ".join(sources)
        reason = f"these dead letters are of several source instances: {names}"
        raise UsageError(reason, "choose those of one of them by --session")
    return sources[0] if sources else ""


def vaults_of(sessions: Iterable[SessionRow]) -> list[Path]:
    """The backups that these sessions were started with, in their order, whether they are still there or not."""
    return [Path(one.metadata["vault"]) for one in sessions if one.metadata.get("vault")]


def witnesses(sessions: Iterable[SessionRow]) -> Iterator[VaultRow]:
    """What these sessions saw of the instance of the backup, as rows that can prove it again."""
    for session in sessions:
        seen = session.metadata.get("witnesses") or session.metadata.get("source_sample") or ()
        for label, source_id, created_at in seen:
            blob = orjson.dumps({"id": source_id, "created_at": created_at})
            yield VaultRow(content_type=ContentType[label.upper()], source_id=source_id, name="", blob=blob)


class Selector:
    """Finds what belongs to the chosen letters; everything it asks the destination are reads."""

    def __init__(self, reader: StateReader, scope: Scope) -> None:
        """`scope` has the source of the letters, and the names that earlier runs had for it."""
        self._reader, self._scope, self._mapper = reader, scope, reader.mapper(scope)
        sources = {scope.source_instance, *scope.other_names}
        wanted = LetterFilter(destination=scope.destination_instance)
        self._letters = {
            one.item: one for one in reader.dead_letters.keys(wanted) if one.source_instance in sources
        }

    def select(self, chosen: Iterable[LetterKey], lacking: Lacking | None) -> Selected:
        """`lacking` finds what letters wait for and can be restored; None leaves missing things missing."""
        first = {letter.item: letter for letter in chosen}
        missing = dict.fromkeys(self._missing(first.values(), lacking)) if lacking is not None else {}
        # What has failed itself is tried as it was.
        first |= {item: self._letters[item] for item in missing if item in self._letters}
        waiting = self._behind([*first, *missing])
        return Selected(
            chosen=tuple(first.values()),
            waiting=tuple(self._letters[one] for one in waiting if one not in first and one not in missing),
            missing=tuple(item for item in missing if item not in first),
        )

    def _missing(self, letters: Iterable[LetterKey], lacking: Lacking) -> Iterator[Item]:
        """What the letters wait for and the destination lacks, and what these lack, each once."""
        names = dict.fromkeys(name for letter in letters for name in letter.blockers)
        todo = deque(item for name in names for item in self.items_of(name))
        seen: set[Item] = set()
        while todo:
            item = lacking.maker_of(todo.popleft())
            if item is None:
                continue
            if item not in seen and lacking.is_lacking(item):
                yield item
                todo.extend(lacking.references(item))
            seen.add(item)

    def letter_of(self, item: Item) -> LetterKey | None:
        """The letter of an item that has failed itself."""
        return self._letters.get(item)

    def _behind(self, items: Iterable[Item]) -> dict[Item, None]:
        """Letters that wait for any of these items, or for each other, or for what this session has restored."""
        waiting_for: defaultdict[str, list[Item]] = defaultdict(list)
        for item, letter in self._letters.items():
            for name in letter.blockers if letter.error_kind == DEPENDENCY else ():
                waiting_for[name].append(item)
        names = deque(name for item in items for name in self._names(item))
        if self._scope.session_id:
            names.extend(name for name in waiting_for if self.is_there(name))
        found: dict[Item, None] = {}
        while names:
            for item in waiting_for.pop(names.popleft(), ()):
                if item not in found:
                    found[item] = None
                    names.extend(self._names(item))
        return found

    def is_there(self, name: str) -> bool:
        """Whether this session has brought what a letter waits for."""
        return any(
            self._reader.status(self._scope, *item) is not None and not self._reader.lost(self._scope, *item)
            for item in self.items_of(name)
        )

    def items_of(self, name: str) -> list[Item]:
        """The items that `folder 7` can mean: by the backup's id, or by the destination's."""
        kind, _, one = name.partition(" ")
        if kind.upper() not in ContentType.__members__:
            return []  # a query, for one
        mapped = self._mapper.source_of(kind, one)
        ids = dict.fromkeys([*([] if mapped is None else [mapped]), one])
        return [(ContentType[kind.upper()], source_id) for source_id in ids]

    def _names(self, item: Item) -> set[str]:
        content_type, source_id = item
        mapped = self._mapper.get(content_type.label, source_id)
        ids = {source_id, *([] if mapped is None else [mapped.destination_id])}
        return {f"{content_type.label} {one}" for one in ids}


class Lacking:
    """Tells what the destination lacks and can get: from the backup, or from a letter of its own."""

    def __init__(
        self,
        reader: StateReader,
        scope: Scope,
        backup: Vault | None,
        exists: Callable[[str, str], bool],
        account_of: Callable[[str], str | None],
    ) -> None:
        """`exists` tells whether the destination has an item, by its kind and the backup's id.

        `account_of` gives the user with whom a personal folder is to be made again; None where nobody is.
        """
        self._reader, self._backup, self._exists, self._account_of = reader, backup, exists, account_of
        self._letter_of = Selector(reader, scope).letter_of

    def maker_of(self, item: Item) -> Item | None:
        """What is restored to get an item: itself, or the user of a personal folder; None if nothing is."""
        if item[0] is not ContentType.FOLDER or self._content(item).get("is_personal") is not True:
            return item
        account = self._account_of(item[1])
        return None if account is None else (ContentType.USER, account)

    def is_lacking(self, item: Item) -> bool:
        """Whether an item is neither there nor lost."""
        content_type, source_id = item
        if content_type.label not in COLLECTIONS:
            return False
        in_backup = self._backup is not None and self._backup.has(content_type, source_id)
        can_be_had = in_backup or self._letter_of(item) is not None
        return can_be_had and not self._exists(content_type.label, source_id)

    def references(self, item: Item) -> list[Item]:
        """What an item refers to."""
        return [(one.content_type, one.source_id) for one in references_of(item[0], self._content(item))]

    def _content(self, item: Item) -> dict[str, Json]:
        try:
            return decode_blob(self._blob(item))
        except BlobError:
            return {}  # it fails by itself

    def _blob(self, item: Item) -> bytes:
        if (key := self._letter_of(item)) is not None:
            letter = self._reader.dead_letters.get(key.id)
            return (letter.blob if letter is not None else None) or b""
        row = self._backup.get(*item) if self._backup is not None else None
        return row.blob if row is not None else b""


def rows_of(reader: StateReader, selected: Selected, backup: Vault | None) -> Iterator[VaultRow]:
    """The content to restore: the letters' own, whatever the backup has by now; of what they lack the backup's."""
    for key in (*selected.chosen, *selected.waiting):
        letter = reader.dead_letters.get(key.id)
        if letter is not None:
            yield VaultRow(
                content_type=key.item[0], source_id=key.item[1], name=letter.name, blob=letter.blob or b""
            )
    for item in selected.missing:
        row = backup.get(*item) if backup is not None else None
        if row is not None:
            yield row


class Gate:
    """Holds back what waits for something until that is there."""

    def __init__(self, waiting: Iterable[LetterKey], is_there: Callable[[str], bool]) -> None:
        self._waits_for = {letter.item: letter.blockers for letter in waiting}
        self._is_there = is_there
        self.held_back: set[Item] = set()

    def passes(self, item: Item) -> bool:
        """Whether an item may be begun; asked when all before it have ended."""
        if item not in self._waits_for or any(map(self._is_there, self._waits_for[item])):
            self.held_back.discard(item)
            return True
        self.held_back.add(item)
        return False
