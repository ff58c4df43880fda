"""What a generator may know of the world besides the live replies: mappings, identity, the claim's history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from lvrestore.content.calls import Exists, Restored, Steps, Warn
from lvrestore.errors import DependencyError
from lvrestore.model import ContentType, History, Json, MappedId, MatchRule, Operation
from lvrestore.settings import Policy
from lvrestore.times import parse_time

CLOCK_SKEW = timedelta(minutes=2)
# A POST is carried out soon after it was sent, or never.
LANDS_WITHIN = timedelta(seconds=30)


# What several may have, so that it needs equal content as well, or the wish to adopt what has it.
NOT_UNIQUE = frozenset({MatchRule.TITLE_IN_FOLDER, MatchRule.TITLE_AND_OWNER, MatchRule.CONTENT_NAME_OWNER})
# By these it was made here, or somebody has said that it is to be taken over.
RULES_OF_OURS = frozenset({MatchRule.CREATED, MatchRule.LOST_POST, MatchRule.IMPORT, MatchRule.ADOPTED})
ITEMS = frozenset(one.label for one in ContentType)
# Kinds that are what their definition says.
DEFINED = frozenset({"query", "merge_query"})


class References(Protocol):
    """Answers about other items. `same_instance` is true only when the run has proved it."""

    same_instance: bool
    policy: Policy
    # The (kind, source id) of what links lead to and was looked for in vain, so that it is once: nobody makes it now.
    not_here: set[tuple[str, str]]

    def begin_item(self) -> None:
        """From now on this thread asks for another item: what it was told of mappings for the last one is old."""
        ...

    def forget(self, kind: str, source_id: str) -> None:
        """The item under way has just been given this mapping, or a part of it: what was known before is old."""
        ...

    def mapped(self, kind: str, source_id: str) -> MappedId | None:
        """The committed mapping, if there is one; for one item the same answer each time."""
        ...

    def mapped_from(self, kind: str, destination_id: str) -> str | None:
        """A source id that is committed to be that destination's object, if there is one."""
        ...

    def own_write(self, kind: str, destination_id: str) -> datetime | None:
        """Until when every change of an object of the destination is this tool's own."""
        ...

    def in_vault(self, kind: str, source_id: str) -> bool:
        """Whether the vault holds the object, or holds nothing of that kind and so cannot tell."""
        ...

    def has_row(self, kind: str, source_id: str) -> bool:
        """Whether the vault holds the item itself, also one that it marks deleted."""
        ...

    def marked_deleted(self, kind: str, source_id: str) -> bool:
        """Whether the backup holds the item, but as a deleted one, so that it is left out unless asked for."""
        ...

    def made_now(self, kind: str, source_id: str) -> bool:
        """Whether this run has created the item."""
        ...

    def ended(self, kind: str, source_id: str) -> bool:
        """Whether this run has come to the item, however that ended."""
        ...

    def lost(self, kind: str, source_id: str) -> bool:
        """Whether this run has come to the item, and nobody may refer to it: it failed, or is in conflict."""
        ...

    def content(self, kind: str, source_id: str) -> Mapping[str, Json] | None:
        """The backup's content of another item, also of one that it marks deleted."""
        ...

    def query(self, query_id: str) -> Mapping[str, Json] | None:
        """A query's definition: from whatever tile of the backup embeds it, else from the source itself."""
        ...

    def merge_query(self, merge_id: str) -> Mapping[str, Json] | None:
        """The definition of merged results, from the source itself: no backup has it. Joined queries are by id."""
        ...

    def refusal(self, kind: str, source_id: str) -> str | None:
        """Why a query or merge query cannot be made, as the destination has said in this run."""
        ...

    def withheld(self, kind: str, source_id: str) -> str | None:
        """Why the source does not give the definition of a query or merge query, if it was asked."""
        ...

    def holders(self, kind: str, source_id: str, *, managed: bool = False) -> tuple[str, ...]:
        """The backup's users that have a role or are in a group, by their source ids.

        `managed`: not those of whom a restore decides, but those of whom somebody else does: service accounts,
        people of signed embedding, for roles also those whose roles an identity provider gives.
        """
        ...

    def personal_folder(self, user_id: str) -> str | None:
        """The source id of a user's personal folder."""
        ...

    def owner_of(self, folder_id: str) -> str | None:
        """The source id of the user whose personal folder it is."""
        ...

    def namesakes(self, kind: str, source_id: str) -> tuple[str, ...]:
        """The backup's living folders of this one's name and parent, or users of this one's name, itself included."""
        ...


def destination_of(refs: References, kind: str, source_id: str) -> str | None:
    """The destination's id of what another item refers to; None where that is not there, or not to be relied on.

    What failed or is in conflict in this run is no reference, nor what an earlier run has left half made: else a
    person whose address somebody else has would own everything, under an account that nobody can use.
    """
    if kind not in ITEMS or standing_in(refs, kind, source_id) is not None:
        return whereabouts(refs, kind, source_id)
    if refs.lost(kind, source_id) or _is_of_lost_user(refs, kind, source_id):
        return None
    found = refs.mapped(kind, source_id)
    if found is None or not found.is_begun or refs.ended(kind, source_id):
        return whereabouts(refs, kind, source_id)
    # Where nothing was made, what an attempt has found is found again.
    return source_id if refs.same_instance and not is_half_made(refs, kind, source_id) else None


def is_half_made(refs: References, kind: str, source_id: str) -> bool:
    """Whether an attempt has made an item, and none has come to its end."""
    found = refs.mapped(kind, source_id)
    return found is not None and found.is_half_made


def _is_of_lost_user(refs: References, kind: str, source_id: str) -> bool:
    """Whether a folder is the personal one of a user to whom nobody may refer."""
    if kind != "folder" or (found := refs.mapped(kind, source_id)) is None:
        return False
    owner = refs.owner_of(source_id) if found.rule == MatchRule.PERSONAL_FOLDER else None
    return owner is not None and destination_of(refs, "user", owner) is None


def whereabouts(refs: References, kind: str, source_id: str) -> str | None:
    """Where an item is, however far it has come: a folder that stands for it, its mapping, or its own id."""
    if (folder_id := standing_in(refs, kind, source_id)) is not None:
        return folder_id
    if (found := refs.mapped(kind, source_id)) is not None:
        return found.destination_id
    return source_id if refs.same_instance else None


def mapped_as(policy: Policy, kind: str, source_id: str) -> str:
    """The source id under which a mapping is kept.

    A query never changes where it came from, but with other names it is another one here: each set of names has its
    own mappings of queries.
    """
    names = policy.remap.of_queries if kind in DEFINED else ""
    return f"{source_id}@{names}" if names else source_id


def standing_in(refs: References, kind: str, source_id: str) -> str | None:
    """The destination's folder that is to stand for a folder of the backup, which itself is not restored then."""
    return refs.policy.folders.get(source_id) if kind == "folder" else None


def made_kind(kind: str) -> str:
    """The kind of the mapping that says that this tool made what an item is mapped to, beside that of the item."""
    return f"made_{kind}"


def left_unfinished(refs: References, kind: str, source_id: str) -> bool:
    """Whether an attempt made an item, of this run or an earlier one, and none has come to its end.

    Such an item lacks what a new one gets, and is as new.
    """
    mapping = refs.mapped(kind, source_id)
    return mapping is not None and mapping.is_begun and is_as_new(refs, kind, source_id)


def is_as_new(refs: References, kind: str, source_id: str) -> bool:
    """Whether people may still be tied to an item that this tool made: it has not got all of its parts yet."""
    mapping, made = refs.mapped(kind, source_id), refs.mapped(made_kind(kind), source_id)
    if mapping is None or made is None or not (mapping.is_begun or mapping.is_lacking):
        return False
    return made.destination_id == mapping.destination_id


def is_ours(refs: References, kind: str, source_id: str, destination_id: str) -> bool:
    """Whether this tool made the object that an item is mapped to, or somebody has said that it is that item.

    What was found by its name alone was there before, and is somebody else's.
    """
    mapping, made = refs.mapped(kind, source_id), refs.mapped(made_kind(kind), source_id)
    if mapping is None or mapping.destination_id != destination_id:
        return False
    return mapping.rule in RULES_OF_OURS or (made is not None and made.destination_id == destination_id)


def has_own_row(refs: References, kind: str, destination_id: str) -> bool:
    """Whether an object of the destination is one that the backup describes by itself, and not as deleted."""
    alive = refs.in_vault(kind, destination_id) and not refs.marked_deleted(kind, destination_id)
    return refs.same_instance and alive


def superseded(refs: References, kind: str, source_id: str, destination_id: str) -> Restored | None:
    """The end of a row whose object lives on under an id that has a row of its own in the backup.

    The backup was taken after that item was made again: the newer row says how it is, the older one is history.
    """
    if destination_id == source_id or not has_own_row(refs, kind, destination_id):
        return None
    reason = f"{kind} {source_id} became {kind} {destination_id}, which is in the backup itself"
    return Restored(operation=Operation.SKIPPED, destination_id=None, reason=reason)


def made_since(created_at: str | None, since: datetime | None) -> bool:
    """Whether an object can be what a POST sent at `since` made, give or take the clocks' difference."""
    at = parse_time(created_at)
    if since is None or at is None:
        return False
    return since - CLOCK_SKEW <= at <= since + LANDS_WITHIN + CLOCK_SKEW


def matched_by(
    refs: References, history: History, source_id: str, live: Mapping[str, Json], key: MatchRule
) -> MatchRule:
    """By which rule a live object was taken for an item that was not mapped to it; `key` is the natural one."""
    if refs.same_instance and str(live.get("id")) == source_id:
        return MatchRule.ID
    if made_since(live.get("created_at"), history.uncertain_since):
        return MatchRule.LOST_POST
    return MatchRule.ADOPTED if refs.policy.adopt and key in NOT_UNIQUE else key


def require(needed: dict[str, set[str]]) -> Steps[None]:
    """Raise `DependencyError` that names everything of `needed` which the destination lacks."""
    missing: list[str] = []
    for kind, ids in needed.items():
        if ids:
            absent = yield Exists(kind, tuple(sorted(ids)))
            missing += [f"{kind} {i}" for i in absent]
    if missing:
        raise DependencyError(tuple(missing))


def keep_owner(user_id: str | None, refs: References, *, new: bool) -> Steps[str | None]:
    """The owner to write; when the destination has no such user, the heir if there is one, with a report line."""
    if user_id is None or not (yield Exists("user", (user_id,))):
        return user_id
    yield owner_missing(f"user {user_id}", refs, new=new)
    return refs.policy.heir


def owner_missing(who: str, refs: References, *, new: bool) -> Warn:
    """The report line of an owner whom the destination does not have."""
    heir, caller = refs.policy.heir, refs.policy.caller.id
    if heir is None:
        kept = "the calling account owns it now" if new else "the live owner is kept"
    else:
        kept = "the calling account owns it now" if heir == caller else f"user {heir} owns it now"
    return Warn("owner_missing", f"{who} is not on the destination: {kept}")
