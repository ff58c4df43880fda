"""What the parent reads from the destination before anything is written: few calls, whatever the size."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from lvrestore.catalog.listings import LISTINGS
from lvrestore.errors import ApiError, NotFoundError, UsageError, ValidationError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, Sender
from lvrestore.looker.protocol import Request, path
from lvrestore.model import ContentType, Json
from lvrestore.plan.identity import ENOUGH, Evidence, Verdict, compare, instance_name, judge, settled
from lvrestore.settings import Caller
from lvrestore.text import quoted
from lvrestore.times import contradicts, parse_time
from lvrestore.vault import BlobError, Vault, decode_blob
from lvrestore.vault.folders import Folder, FolderTree

PAGE = 1000
# A few rows are asked for one by one; more cost less in one page of a search.
FEW = 5
WITNESSES = 50
SAMPLED = (ContentType.DASHBOARD, ContentType.LOOK)


class Discovery:
    """The destination as a run finds it."""

    def __init__(self, client: Sender) -> None:
        self._client = client
        self._folders: list[Json] | None = None
        self._versions: Json = None
        # What matched, to prove the instance again where the vault is gone: (type, id, creation time).
        self.witnesses: list[tuple[str, str, str]] = []

    def instance_name(self, base_url: str) -> str:
        """What the instance calls itself, else the URL: `https://host[:port]`."""
        return instance_name(self.versions().get("web_server_url") or base_url)

    def versions(self) -> dict[str, Json]:
        """The instance's release and API versions, read once; empty when it does not say."""
        if self._versions is None:
            try:
                self._versions = self._get("/versions") or {}
            except Refused:
                self._versions = {}
        return dict(self._versions)

    def folders(self) -> list[Json]:
        """All folders, read once."""
        if self._folders is None:
            with _looked_at("folders, dashboards and looks"):
                self._folders = self._get("/folders", {"fields": LISTINGS["folder"].fields})
        return self._folders

    def folder_id(self, path_or_id: str) -> str:
        """The id of a folder given by id, or by its path of names from the top (`Shared/Lost and found`)."""
        folders = self.folders()
        if any(str(one["id"]) == path_or_id for one in folders):
            return path_or_id
        tree = FolderTree(Folder(str(f["id"]), f.get("name") or "", f.get("parent_id")) for f in folders)
        found = tree.find(path_or_id)
        if not found:
            raise NotFoundError(f"the folder {quoted(path_or_id)}", "the destination", "give its id")
        if len(found) > 1:
            raise UsageError(f"{quoted(path_or_id)} names folders {', '.join(found)}", hint="give the id")
        return found[0]

    def caller(self) -> Caller:
        """The account that the API key belongs to."""
        with _looked_at("the account that the key belongs to"):
            said = self._get("/user", {"fields": "id,email,role_ids,group_ids"}) or {}
        return Caller(
            id=str(said.get("id") or ""),
            email=said.get("email"),
            role_ids=tuple(said.get("role_ids") or ()),
            group_ids=tuple(said.get("group_ids") or ()),
        )

    def user_id(self, address: str) -> str:
        """The id of the one user of an e-mail address. Search is LIKE and knows no case: hits are compared."""
        with _looked_at("users"):
            hits = self._search("users", {"email": address, "fields": "id,email"})
        found = [str(one["id"]) for one in hits if str(one.get("email")).casefold() == address.casefold()]
        if not found:
            raise NotFoundError(
                f"a user with the address {address}", "the destination", "correct --owner-policy"
            )
        if len(found) > 1:
            raise ValidationError(f"{address} is the address of users {', '.join(found)}")
        return found[0]

    def prove_instance(self, vault: Vault) -> Verdict:
        """Compare ids and creation times until the verdict is clear or nothing is left to ask."""
        with _looked_at("folders, dashboards and looks"):
            return judge(self._evidence(vault), _comparable_rows(vault))

    def _evidence(self, vault: Vault) -> Evidence:
        evidence = Evidence()
        if vault.has_type(ContentType.FOLDER):
            living = vault.count(ContentType.FOLDER)
            evidence += self._compare(vault, ContentType.FOLDER, self.folders(), living)
        for content_type in SAMPLED:
            if settled(evidence):
                break
            for live, looked_for in self._samples(vault, content_type):
                evidence += self._compare(vault, content_type, live, looked_for)
                if settled(evidence):
                    break
        return evidence

    def _samples(self, vault: Vault, content_type: ContentType) -> Iterator[tuple[list[Json], int]]:
        """Live objects of a type: the vault's own ids when they are few, else pages, alive and trashed.

        Beside them is how many of the vault's rows they would show if nothing was gone; 0 of a page that is not all.
        """
        collection = f"{content_type.label}s"
        fields = {"fields": "id,created_at"}
        rows = vault.count(content_type, deleted="include")
        few = islice(vault.rows(content_type, deleted="include"), FEW if rows <= FEW else 0)
        for row in few:
            live = self._get(path(collection, row.source_id), fields)
            yield (
                (
                    [live]
                    if live
                    else self._search(collection, {"id": row.source_id, "deleted": "true", **fields})
                ),
                1,
            )
        if rows > FEW:
            page = {"sorts": "id", "limit": str(PAGE), **fields}
            listed = self._search(collection, page)
            yield listed, vault.count(content_type) if len(listed) < PAGE else 0
            yield self._search(collection, {"deleted": "true", **page}), 0

    def _compare(
        self, vault: Vault, content_type: ContentType, live: list[Json], looked_for: int
    ) -> Evidence:
        times = {str(one["id"]): one.get("created_at") for one in live if one.get("id")}
        rows = vault.rows(content_type, ids=list(times), deleted="include") if times else iter(())
        found = [(row.source_id, created_at_of(row.blob), times[row.source_id]) for row in rows]
        self._remember(content_type, found)
        evidence = compare((vaults, lives) for _, vaults, lives in found)
        untold = len(found) - evidence.matches - evidence.contradictions
        return evidence + Evidence(looked_for=max(0, looked_for - untold))

    def _remember(self, content_type: ContentType, found: list[tuple[str, Json, Json]]) -> None:
        """Keep some that match: spread over all, as what is near each other may vanish together."""
        matching = [
            (content_type.label, source_id, at.isoformat())
            for source_id, vaults, lives in found
            if (at := parse_time(vaults)) is not None
            and parse_time(lives) is not None
            and not contradicts(vaults, lives)
        ]
        self.witnesses += matching[:: len(matching) // WITNESSES + 1]

    def ids_at_hand(self) -> dict[str, frozenset[str]]:
        """Ids that were read already, for a run too small to list everything."""
        return {} if self._folders is None else {"folder": frozenset(str(one["id"]) for one in self._folders)}

    def _search(self, collection: str, params: Mapping[str, str]) -> list[Json]:
        hits: list[Json] = self._get(f"/{collection}/search", params)
        return hits

    def _get(self, where: str, params: Mapping[str, str] | None = None) -> Json:
        try:
            return self._client.call(Request("GET", where, params or {})).json
        except GaveUp as gave_up:
            raise ApiError(f"GET {where} failed: {gave_up}", "try again later") from gave_up


@contextmanager
def _looked_at(what: str) -> Generator[None]:
    """End the run if the instance refuses to show what it cannot go on without."""
    try:
        yield
    except Refused as refused:
        hint = f"the API user must be allowed to see {what}"
        raise ApiError(f"the instance cannot be looked at: {refused}", hint, refused.status) from refused


def _comparable_rows(vault: Vault) -> int:
    """How many rows have a creation time, counted as far as the verdict needs it."""
    blobs = (row.blob for t in (ContentType.FOLDER, *SAMPLED) for row in vault.rows(t, deleted="include"))
    return len(list(islice((blob for blob in blobs if parse_time(created_at_of(blob)) is not None), ENOUGH)))


def created_at_of(blob: bytes) -> Json:
    """When a backed-up object was created; None if its content does not say or cannot be decoded."""
    try:
        return decode_blob(blob).get("created_at")
    except BlobError:
        return None
