"""The values that cross boundaries: content types, vault rows, operations, outcomes."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

import msgspec


class ContentType(IntEnum):
    """The twelve types of a lookervault backup, with the numbers its `content_type` column holds."""

    DASHBOARD = 1
    LOOK = 2
    LOOKML_MODEL = 3
    EXPLORE = 4
    FOLDER = 5
    BOARD = 6
    USER = 7
    GROUP = 8
    ROLE = 9
    PERMISSION_SET = 10
    MODEL_SET = 11
    SCHEDULED_PLAN = 12

    @property
    def label(self) -> str:
        """Singular lower-case name, as on the command line and in JSON: `lookml_model`."""
        return self.name.lower()


# What people call these types for short.
_SHORT_FORMS = {"PLAN": "SCHEDULED_PLAN", "SCHEDULE": "SCHEDULED_PLAN", "MODEL": "LOOKML_MODEL"}


def parse_content_type(text: str) -> ContentType:
    """Accept singular, plural, short forms, any case, `-` for `_`; raise ValueError that lists the valid names."""
    name = text.strip().replace("-", "_").upper()
    for candidate in (name, name.removesuffix("S")):
        full = _SHORT_FORMS.get(candidate, candidate)
        if full in ContentType.__members__:
            return ContentType[full]
    valid = ", ".join(t.label for t in ContentType)
    raise ValueError(f"unknown content type {text!r}; valid are: {valid}")


class Operation(StrEnum):
    """What happened, or would happen, to one selected item. Every item ends as exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNDELETED = "undeleted"
    UNCHANGED = "unchanged"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"


SUCCESSES = frozenset({Operation.CREATED, Operation.UPDATED, Operation.UNDELETED, Operation.UNCHANGED})
# These have a dead letter.
LACKING = frozenset({Operation.FAILED, Operation.PARTIAL})


class MappingState(StrEnum):
    """How far what a mapping says is true.

    `begun`: an attempt has made or found the object, and none has come to the item's end since. `referred`: another
    item refers to it, and its own is to find out for itself. `lacking`: the item is done but for parts that could not
    be restored.
    """

    DONE = "done"
    LACKING = "lacking"
    BEGUN = "begun"
    REFERRED = "referred"


class Waits(IntEnum):
    """Why an item is to be looked at again in this run. A number, as the state file holds it."""

    NO = 0
    FOR_OTHERS = 1  # something in it refers to what is restored later
    FOR_NAME = 2  # its name is held by an item that is to get another one
    GAVE_WAY = 3  # likewise; it has another name for a while, so that others can have theirs


def is_lost(kind: str, operation: Operation, waits: Waits) -> bool:
    """Whether nobody may refer to an item that has ended so; a folder that only waits for its name is there."""
    came_to_nothing = operation in {Operation.FAILED, Operation.CONFLICT}
    return came_to_nothing and not (kind == "folder" and waits >= Waits.FOR_NAME)


class VaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `content_items`, blob undecoded. `source_id` is bare (`42`), whatever form the vault has."""

    content_type: ContentType
    source_id: str
    name: str
    blob: bytes
    owner_id: str | None = None
    folder_id: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None


Json = Any  # a decoded JSON value; its shape is Looker's, checked where it is used


class RestorationTask(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One claimed item on its way to a worker, blob undecoded.

    `uncertain`: an earlier attempt was begun and its end is unknown. `lands_until`: what it sent may still be
    carried out until then. `again`: it was restored in this run, and is looked at again for this reason; `earlier` is
    how it had ended, `earlier_done` what had been done to it if it was partial, `earlier_error` the kind of its error.
    """

    seq: int
    content_type: ContentType
    source_id: str
    name: str
    blob: bytes
    uncertain: bool = False
    lands_until: datetime | None = None
    again: Waits = Waits.NO
    earlier: Operation | None = None
    earlier_done: Operation | None = None
    earlier_error: str | None = None


class QueryTask(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Queries of the source that say the same, on their way to be made once on the destination.

    They are no items: nothing claims them, and what has no mapping yet is made again. `kind` is `query` or
    `merge_query`; `body` is what to POST, as JSON; `here` is the one that was recognised, so that there is nothing
    to POST; `shown` are merged results of the destination, without a body, among which the only id is to be found.
    """

    seq: int
    kind: str
    source_ids: tuple[str, ...]
    body: bytes = b""
    here: str | None = None
    shown: tuple[str, ...] = ()


class Lack(msgspec.Struct, frozen=True):
    """A part of an item that cannot be restored for want of something.

    `part` is for people, like `tile 12 'Orders'`. `missing` is the backup's name of what it needs, like `look 7`.
    `why` is what the destination said; it is empty where the destination just does not have it.
    """

    part: str
    missing: str
    why: str = ""


class ItemError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item failed, or is partial. `response` is redacted and bounded; `blockers` are like `folder 7`."""

    kind: str
    message: str
    http_status: int | None = None
    field: str | None = None
    request: str | None = None
    response: str | None = None
    trace: str | None = None
    blockers: tuple[str, ...] = ()


class Edit(msgspec.Struct, frozen=True):
    """The last change of a live object before a restore: when, and by whom if Looker tells.

    `after_backup`: somebody else than this tool made it after the backup; None where nobody can tell.
    """

    after_backup: bool | None
    at: str
    by: str | None = None


class OwnWrite(msgspec.Struct, frozen=True):
    """Until when (ISO text) every change of an object is known to be this tool's own, or undone by it."""

    kind: str
    destination_id: str
    until: str


class Calls(msgspec.Struct):
    """API calls, counted as they are sent: retries included."""

    by_method: dict[str, int] = {}
    retries: int = 0
    rate_limited: int = 0

    def add(self, other: Calls) -> None:
        """Add another count to this one."""
        for method, n in other.by_method.items():
            self.by_method[method] = self.by_method.get(method, 0) + n
        self.retries += other.retries
        self.rate_limited += other.rate_limited

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_method.values())


class RestorationResult(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How one item ended. `blob` is kept for what gets a dead letter.

    `done`: what was done to an item that is partial; its `error` says what is missing. `waits`: the item is to be
    looked at again, for this reason. `earlier`: it was, and had ended like this; `earlier_error` is the kind of the
    error that it had then. `edit` is the last change that was found on the live object, `own_write` until when changes
    are our own now.
    """

    seq: int
    content_type: ContentType
    source_id: str
    name: str
    operation: Operation
    done: Operation | None = None
    destination_id: str | None = None
    reason: str = ""
    attempts: int = 1
    duration_ms: int = 0
    calls: Calls = msgspec.field(default_factory=Calls)
    warnings: tuple[tuple[str, str], ...] = ()
    checked: tuple[str, ...] = ()
    changes: tuple[tuple[str, Json, Json], ...] = ()
    error: ItemError | None = None
    blob: bytes | None = None
    vault_fingerprint: bytes = b""
    live_fingerprint: bytes = b""
    waits: Waits = Waits.NO
    earlier: Operation | None = None
    earlier_error: str | None = None
    edit: Edit | None = None
    own_write: OwnWrite | None = None

    @property
    def became(self) -> Operation:
        """What was done to the item, whether parts of it are missing or not."""
        return self.done or self.operation


class QueryResult(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What became of a `QueryTask`; its mappings are stored before.

    `made`: a POST gave the id. `refused`: why the destination will not have it; without it, and without `here`, it
    was not brought, and items that need it try for themselves.
    """

    seq: int
    kind: str
    source_ids: tuple[str, ...]
    here: str | None = None
    made: bool = False
    refused: str | None = None
    calls: Calls = msgspec.field(default_factory=Calls)


class QueryCounts(msgspec.Struct):
    """How many distinct queries and merge queries (by kind) were made, found on the destination, refused by it."""

    made: dict[str, int] = {}
    found: dict[str, int] = {}
    refused: dict[str, int] = {}

    def note(self, result: QueryResult) -> None:
        """Count what became of one."""
        if result.here is not None:
            counted = self.made if result.made else self.found
        elif result.refused is not None:
            counted = self.refused
        else:
            return
        counted[result.kind] = counted.get(result.kind, 0) + 1

    def plus(self, other: QueryCounts) -> QueryCounts:
        """Both together."""
        return QueryCounts(
            _sums(self.made, other.made), _sums(self.found, other.found), _sums(self.refused, other.refused)
        )


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in {**one, **other}}


class MatchRule(StrEnum):
    """How it was found which object of the destination an item, or a part of one, is."""

    ID = "id"  # the instance is proved to be the one that was backed up
    SLUG = "slug"
    TITLE_IN_FOLDER = "title_in_folder"
    EMAIL = "email"
    NAME = "name"
    PATH = "path"  # the names of the folders from a root on
    ROOT = "root"  # the root folder that serves the same purpose
    PERSONAL_FOLDER = "personal_folder"  # the one that its user has
    TITLE_AND_OWNER = "title_and_owner"
    CONTENT_NAME_OWNER = "content_name_owner"  # what a plan sends, its name, and whose it is
    CONTENT = "content"  # a part that shows or says the same
    CREATED = "created"
    LOST_POST = "lost_post"  # made by a request of an earlier attempt whose answer was lost
    IMPORT = "import"
    ADOPTED = "adopted"


# What an attempt made; until one comes to its end it is half made.
MADE = frozenset({MatchRule.CREATED, MatchRule.LOST_POST})


class MappingNote(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A source id has its destination id, known before the item is done. With a ticket the sender waits for it.

    `settled`: nothing of what it maps is left to do. `referred`: only another item refers to it.
    """

    kind: str
    source_id: str
    destination_id: str
    rule: MatchRule
    created_at: str | None = None
    slug: str | None = None
    settled: bool = False
    referred: bool = False
    ticket: int | None = None


class CreateSent(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The POST that makes a whole item is about to leave; the sender waits until that is stored.

    Only after this can an object that is found later be the work of an attempt whose end is unknown.
    """

    content_type: ContentType
    source_id: str
    ticket: int


class UndeleteSent(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """An item is about to be brought back from the trash; the sender waits until that is stored."""

    content_type: ContentType
    source_id: str
    destination_id: str
    ticket: int


class SwitchedOff(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A schedule or alert is about to be switched off; the sender waits until it is stored as it was."""

    kind: str
    destination_id: str
    name: str
    owner: str
    body: bytes
    content_kind: str
    content_id: str
    ticket: int


class BeforeImage(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What a write is about to replace; the sender waits until it is stored."""

    kind: str
    destination_id: str
    body: bytes
    ticket: int


def both_looks(first: RestorationResult, *second: RestorationResult) -> RestorationResult:
    """One result of an item that was looked at twice, or of one that was not."""
    for later in second:
        calls = Calls()
        calls.add(first.calls)
        calls.add(later.calls)
        first = msgspec.structs.replace(
            later,
            duration_ms=first.duration_ms + later.duration_ms,
            calls=calls,
            warnings=tuple(dict.fromkeys((*first.warnings, *later.warnings))),
            checked=tuple(dict.fromkeys((*first.checked, *later.checked))),
            changes=(*first.changes, *later.changes),
            edit=first.edit,
        )
    return first


class Scanned(msgspec.Struct, frozen=True):
    """How a kind was read in bulk: in so many calls, for so many selected items (0: others refer to it).

    `shows_queries`: of another instance, whether its dashboards came with what their tiles show.
    """

    kind: str
    items: int
    calls: int
    complete: bool
    shows_queries: bool = True


class MappedId(msgspec.Struct, frozen=True):
    """Where a source id lives on the destination. `created_at` is the live object's, ISO text.

    `rule`: a `MatchRule`, by which it was found; empty where an older version has not said it.
    """

    destination_id: str
    created_at: str | None = None
    state: MappingState = MappingState.DONE
    rule: str = ""

    @property
    def is_begun(self) -> bool:
        """Whether no attempt has come to the item's end since it was mapped there."""
        return self.state is MappingState.BEGUN

    @property
    def is_half_made(self) -> bool:
        """Whether an attempt has made the object, and none has come to the item's end."""
        return self.is_begun and self.rule in MADE

    @property
    def is_done(self) -> bool:
        """Whether an attempt has come to the item's end, with all of its parts or without some."""
        return self.state is MappingState.DONE or self.is_lacking

    @property
    def is_lacking(self) -> bool:
        """Whether the last attempt left the item without some of its parts."""
        return self.state is MappingState.LACKING


class History(msgspec.Struct, frozen=True):
    """What earlier runs left behind about this item.

    `uncertain_since`: an earlier attempt sent the POST that makes it then, and nobody knows how that ended.
    `accepted`: fingerprints of a vault version and of the live object that the server made of it, differing as
    they are. `retried`: this run has come to the item before; with `again` it does so for the last time, for what
    had to wait until everything else is there. `begun`: an earlier attempt has begun the item and not finished.
    `undeletes`: the destination id of content that an attempt was about to bring back from the trash and did not
    finish: what sends on it may be switched on.
    """

    uncertain_since: datetime | None = None
    accepted: tuple[bytes, bytes] | None = None
    retried: bool = False
    again: bool = False
    undeletes: str | None = None
    begun: bool = False


NO_HISTORY = History()
