"""What a content generator may yield: API calls, and notes about what it learned.

A generator yields one of these values and is sent the decoded JSON reply (`None` for a 404 of `Get` of an object, and
for every note). A refusal by the server is thrown into it as `Refused`. It never touches a socket or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import msgspec

from lvrestore.looker.classify import Refused
from lvrestore.model import Json, Lack, MatchRule, Operation, Waits


class Unforeseen(Refused):
    """In a rehearsal: an object cannot be read before a write that a real run makes, like its way out of the trash."""


class Get(msgspec.Struct, frozen=True):
    """Read; the reply is None when the server says 404 for an object. What is no list is a refusal of a list.

    `seen` says that the object exists for sure: a server that has just made it may say 404 for a moment
    (terraform-provider-looker#41), so it is asked again, and a 404 that stays is a refusal.
    `fresh` says that only the server can answer, not what was read at the start of the run. `key` says that of a
    list only those that have this (field, value) are looked for; others may come as well.
    """

    path: str
    params: Mapping[str, str] = {}
    seen: bool = False
    fresh: bool = False
    key: tuple[str, str] | None = None


class Create(msgspec.Struct, frozen=True):
    """POST something that must not exist twice.

    `find_again` is a small generator of reads that looks for the object a lost POST may have made and returns
    its full reply, or None. The driver runs it after an unknown outcome, before it repeats the POST. `unique` says
    that the server itself refuses a second one, so that the POST may be repeated without waiting for a late one;
    `part` that it makes a part of an item or a query, not the item.
    """

    path: str
    body: Json
    find_again: Callable[[], Reads[Json]]
    unique: bool = False
    part: bool = False


class Update(msgspec.Struct, frozen=True):
    """PATCH: repeating it is harmless.

    `is_taken` finds out whether another object has the name that the body gives: a rehearsal asks, as there is no
    server to refuse it. `shows` is what a server will show of the object afterwards besides the body, for a rehearsal.
    """

    path: str
    body: Json
    is_taken: Callable[[], Reads[bool]] | None = None
    shows: Mapping[str, Json] = {}


class Replace(msgspec.Struct, frozen=True):
    """PUT a whole list of ids: repeating it is harmless."""

    path: str
    body: Json


class Delete(msgspec.Struct, frozen=True):
    """DELETE for good: repeating it is harmless, a 404 on the way means it is done."""

    path: str


class Exists(msgspec.Struct, frozen=True):
    """Which of these ids of one kind are absent on the destination? The reply is a tuple of ids.

    `kind` is `folder`, `look`, `dashboard`, `user` or another that the driver knows. The driver answers from what
    the run already knows and asks the server only for the rest. Those in the trash are reported, unless it is
    `quiet`.
    """

    kind: str
    ids: tuple[str, ...]
    quiet: bool = False


class Having(msgspec.Struct, frozen=True):
    """Which objects have this value, as far as a list shows it? The reply is a set of ids.

    Nobody is asked: what is not among them may have it all the same.
    """

    kind: str
    field: str
    value: str


class AlertsOn(msgspec.Struct, frozen=True):
    """The alerts of everybody on these tiles; the reply is a list of them, None where they cannot be searched for.

    One search serves the whole run; `fresh` has it done again. Other alerts may be in the list as well.
    """

    tile_ids: tuple[str, ...]
    fresh: bool = False


class Undeletes(msgspec.Struct, frozen=True):
    """The item is about to come back from the trash; stored durably until the item has ended well."""

    kind: str
    destination_id: str


class SwitchesOff(msgspec.Struct, frozen=True):
    """A schedule or alert as it is, to be stored durably before it is switched off; and on what it hangs."""

    kind: str
    destination_id: str
    name: str
    owner: str
    body: Json
    content_kind: str
    content_id: str


class Mapped(msgspec.Struct, frozen=True):
    """A source id has got this id on the destination. Written down at once, before the item is done.

    `rule` says how that was found. A mapping that is only confirmed keeps the rule that it has.
    `settled`: nothing of it is left to do, as of a query, or of what was there before. `referred`: another item
    refers to it, and its own, if it is ever restored, is to find out for itself. Both are stored before the generator
    goes on, which looks them up.
    """

    kind: str
    source_id: str
    destination_id: str
    rule: MatchRule
    created_at: str | None = None
    slug: str | None = None
    settled: bool = False
    referred: bool = False


class Live(msgspec.Struct, frozen=True):
    """The live object of the item, as it was before this attempt wrote anything."""

    body: Mapping[str, Json]


class Replaces(msgspec.Struct, frozen=True):
    """The live object as it was, to be stored durably before the first write that changes it."""

    kind: str
    destination_id: str
    body: Json


class Warn(msgspec.Struct, frozen=True):
    """Something the person should know although the item succeeds. `kind` groups them in the summary."""

    kind: str
    message: str


class Candidate(msgspec.Struct, frozen=True):
    """A live object that may be the item. `objection` says why it is not; it is empty where nothing does."""

    id: str
    name: str
    where: str = ""
    objection: str = ""


class Tried(msgspec.Struct, frozen=True):
    """A rule by which an item was looked for: what was asked, whom that found, and what came of it.

    `rule` is a `MatchRule`, or `mapping`. It is only for people who ask how an item is found.
    """

    rule: str
    asked: str
    outcome: str
    candidates: tuple[Candidate, ...] = ()


Call = Get | Create | Update | Replace | Delete
Note = AlertsOn | Exists | Having | Live | Mapped | Replaces | SwitchesOff | Tried | Undeletes | Warn
R = TypeVar("R")
Steps = Generator[Call | Note, Json, R]
Reads = Generator[Get | Exists, Json, R]


class Change(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One difference between the live object and the vault. `path` is like `dashboard_elements[101].title`."""

    path: str
    from_: Json
    to: Json


class Held(msgspec.Struct, frozen=True):
    """A name that the server refused because another object has it; everything else of the item is written.

    `refused` says so; it is None where the item counts as restored without the name.
    """

    refused: Refused | None
    waits: Waits = Waits.NO


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """How one item ended, as the generator sees it.

    `waits`: something in it refers to what is restored later in the run, so it is looked at again at the end.
    `incomplete`: the parts that cannot be restored; the rest is, and the item counts as partial. Where a name that
    it cannot be without is `held`, it counts as failed.
    """

    operation: Operation
    destination_id: str | None = None
    reason: str = ""
    changes: tuple[Change, ...] = ()
    vault_fingerprint: bytes = b""
    live_fingerprint: bytes = b""
    waits: bool = False
    incomplete: tuple[Lack, ...] = ()
    held: Held | None = None
