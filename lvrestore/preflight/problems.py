"""Look for what will go wrong before anything is written: a handful of reads, and one pass over the vault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from lvrestore.catalog.listings import LISTINGS
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, LookerClient, Reply
from lvrestore.looker.protocol import Request, path
from lvrestore.model import ContentType, Json, VaultRow
from lvrestore.plan.chosen import Chosen
from lvrestore.plan.validation import Account, Backup, Destination, Problem, RestorationValidator
from lvrestore.preflight.typed import explores_of, readable
from lvrestore.settings import AS_BACKED_UP, Policy
from lvrestore.vault import DoneIn, Vault, Wanted, bare_id

# The caller and its roles, models, then the lists of users, looks and folders, and of looks in the trash.
CALLS = 7
# So few ids are asked for one by one; of more there is a list.
FEW = 2
PAGE = 1000
ADMIN = "Admin"
# Types whose items name LookML models.
NAME_MODELS = frozenset(
    {
        ContentType.DASHBOARD,
        ContentType.LOOK,
        ContentType.BOARD,
        ContentType.MODEL_SET,
        ContentType.SCHEDULED_PLAN,
    }
)

# What is there or not, under an id that only the run itself finds.
UNTOLD = ""
# (kind, source id) -> the id that it has on the destination if it is there, or `UNTOLD`; None when it has none.
Translate = Callable[[str, str], str | None]
# Those of these ids of a kind that a list of all of them had.
Standing = Callable[[Collection[str]], Collection[str]]


class Preflight(msgspec.Struct, frozen=True):
    """What was found. `models` are the names of the models that the destination has a configuration of."""

    problems: list[Problem]
    models: frozenset[str]


class PermissionSet(msgspec.Struct, frozen=True):
    """What a role permits."""

    all_access: bool | None = None
    permissions: list[str] | None = None


class Role(msgspec.Struct, frozen=True):
    """A role of the caller."""

    name: str | None = None
    permission_set: PermissionSet | None = None


Roles = list[Role]


class SelectedRows:
    """The rows that a run restores, out of the whole vault."""

    def __init__(
        self,
        vault: Vault,
        chosen: Chosen,
        counts: Mapping[ContentType, int],
        done_in: DoneIn | None = None,
        backup: Vault | None = None,
    ) -> None:
        """`counts` are the items that are still to be restored; `done_in`: leave out what a session has done.

        `backup` is the whole vault, where these rows are not of it but of a retry.
        """
        self._backup = backup or vault
        self._vault, self._chosen, self._done_in = vault, chosen, done_in
        self._ids = {t: frozenset(bare_id(t, one) for one in chosen.ids or ()) for t in chosen.types}
        self.counts = counts

    def rows(self) -> Iterator[VaultRow]:
        """The items that are still to be restored."""
        for content_type in self._chosen.in_order:
            yield from self._vault.rows(content_type, **self._chosen.rows(self._done_in))

    def selected(self, content_type: ContentType, source_id: str) -> bool:
        """Whether an item is restored in this session, or was."""
        if content_type not in self._ids:
            return False
        if self._chosen.ids is not None and source_id not in self._ids[content_type]:
            return False
        wanted: Wanted = {**self._chosen.rows(), "ids": [source_id]}
        return self._vault.count(content_type, **wanted) > 0

    def has(self, content_type: ContentType, source_id: str) -> bool:
        """Whether the vault holds an item."""
        return self._backup.has(content_type, source_id)


def look_ahead(
    client: LookerClient,
    backup: Backup,
    *,
    versions: Mapping[str, Json],
    caller_id: str,
    listed: Mapping[str, Standing],
    translate: Translate,
    policy: Policy = AS_BACKED_UP,
) -> Preflight:
    """Return the problems that a run of these rows will meet, as far as `CALLS` reads can show them.

    `versions` is the reply of GET /versions, `caller_id` the calling user's id (empty: it is asked for). `listed`
    are the kinds of which all living ids were read already. `policy` says what is called otherwise there.
    """
    reads = _Reads(client)
    models = reads.models() if any(backup.counts.get(one) for one in NAME_MODELS) else None
    existing = _Existing(reads, listed, translate)
    destination = Destination(
        absent=existing.absent, versions=versions, account=reads.account(caller_id), models=models
    )
    problems = RestorationValidator(destination, policy=policy).validate_pre_flight(backup)
    return Preflight(problems, frozenset(models or ()))


class _Reads:
    """Reads as long as there are calls left. None is "unknown": no call left, or the server refuses to say."""

    def __init__(self, client: LookerClient) -> None:
        self._client, self._left = client, CALLS

    def get(self, where: str, params: Mapping[str, str]) -> Reply | None:
        """The reply; its `json` is None when the server says 404 of an object."""
        if self._left <= 0:
            return None
        self._left -= 1
        try:
            return self._client.call(Request("GET", where, params))
        except Refused:
            return None
        except GaveUp:
            self._left = 0  # the run itself will say what to do about an instance that does not answer
            return None

    def listed(self, kind: str, fields: str, **params: str) -> list[Json] | None:
        """All objects of a kind."""
        listing = LISTINGS[kind]
        where: dict[str, str] = {**listing.params, "fields": fields, **params}
        if listing.page is not None:
            where |= {"limit": str(PAGE), **({"sorts": listing.id_field} if listing.is_sorted else {})}
        found: list[Json] = []
        while reply := self.get(listing.path, where | ({"offset": str(len(found))} if found else {})):
            found += reply.json
            if listing.page is None or len(reply.json) < PAGE:
                return found
        return None

    def account(self, caller_id: str) -> Account | None:
        """The calling account, and all that its roles permit."""
        user = {"id": caller_id} if caller_id else self._json("/user", {"fields": "id,email"})
        if not user or not user.get("id"):
            return None
        fields = {"fields": "id,name,permission_set(all_access,permissions)"}
        roles = readable(self._json(path("users", str(user["id"]), "roles"), fields), Roles)
        if roles is None:
            return None
        sets = [role.permission_set for role in roles if role.permission_set is not None]
        return Account(
            name=str(user.get("email") or f"user {user['id']}"),
            is_admin=any(role.name == ADMIN for role in roles) or any(one.all_access for one in sets),
            permissions=frozenset(name for one in sets for name in one.permissions or ()),
        )

    def models(self) -> dict[str, frozenset[str]] | None:
        """The explores of each configured model; unknown as well for a caller that is shown no model at all."""
        return explores_of(self.listed("lookml_model", "name,explores(name)"))

    def _json(self, where: str, params: Mapping[str, str]) -> Json:
        reply = self.get(where, params)
        return None if reply is None else reply.json


class _Existing:
    """Which ids the destination has: those that were listed; a few others are asked for, more are listed now."""

    def __init__(
        self,
        reads: _Reads,
        listed: Mapping[str, Standing],
        translate: Translate,
    ) -> None:
        self._reads, self._translate = reads, translate
        self._listed = dict(listed)
        self._seen: defaultdict[str, set[str]] = defaultdict(set)

    def absent(self, content_type: ContentType, source_ids: Collection[str]) -> list[str]:
        """Source ids of what is not there, or has no id there that anybody knows."""
        kind = content_type.label
        ids = {source_id: self._translate(kind, source_id) for source_id in source_ids}
        gone = self._gone(kind, {one for one in ids.values() if one})
        return [source_id for source_id, one in ids.items() if one is None or one in gone]

    def _gone(self, kind: str, ids: set[str]) -> set[str]:
        unseen = ids - self._seen[kind]
        if kind not in self._listed and len(unseen) <= FEW:
            return {one for one in unseen if self._is_gone(kind, one)}
        if kind not in self._listed:
            found = self._reads.listed(kind, "id")
            if found is None:
                return set()
            self._listed[kind] = frozenset(str(one["id"]) for one in found).intersection
        return self._not_in_trash(kind, unseen.difference(self._listed[kind](unseen)))

    def _not_in_trash(self, kind: str, unseen: set[str]) -> set[str]:
        if not unseen or not LISTINGS[kind].has_trash:
            return unseen
        trashed = self._reads.listed(kind, "id", deleted="true")
        return set() if trashed is None else unseen - {str(one["id"]) for one in trashed}

    def _is_gone(self, kind: str, one: str) -> bool:
        listing = LISTINGS[kind]
        fields = {"fields": "id,deleted" if listing.has_trash else "id"}
        reply = self._reads.get(path(listing.collection, one), fields)
        if reply is None:
            return False
        if reply.json is not None:
            self._seen[kind] |= set() if reply.json.get("deleted") else {one}
            return False
        return bool(self._not_in_trash(kind, {one}))
