"""The instance that was backed up, asked for definitions that no backup has. Nothing is ever written to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice

from lvrestore.content.knowledge import References, destination_of
from lvrestore.content.moved.queries import MERGE_QUERY, QUERY, sources_of
from lvrestore.errors import ApiError, ValidationError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import CallCounts, GaveUp, LookerClient, Reply, ResponseRecord, Sender
from lvrestore.looker.credentials import Destination
from lvrestore.looker.limiter import LocalLimiter
from lvrestore.looker.protocol import Request, path
from lvrestore.looker.retry import RetryPolicy
from lvrestore.looker.tokens import LoginTokens
from lvrestore.looker.transport import HttpTransport
from lvrestore.model import ContentType, Json
from lvrestore.preflight.discovery import Discovery
from lvrestore.preflight.source_ways import QueryWays, by_slug, shown_by
from lvrestore.settings import Ceilings
from lvrestore.vault import Definitions, Vault
from lvrestore.vault.shown import Shown

AT_ONCE = 4
BATCH = 100
SHOWING = (ContentType.LOOK, ContentType.DASHBOARD, ContentType.SCHEDULED_PLAN)


class ReadOnlyClient:
    """Passes reads on; anything else is a bug, and is not sent."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    @property
    def counts(self) -> CallCounts:
        """What was sent so far."""
        return self._client.counts

    @property
    def last_response(self) -> ResponseRecord | None:
        """The last answer."""
        return self._client.last_response

    @property
    def rehearses(self) -> bool:
        """Whether the client behind this one rehearses."""
        return self._client.rehearses

    def call(self, request: Request, *, creates: bool = False) -> Reply:
        """Read."""
        if request.method != "GET" or creates:
            raise AssertionError(f"{request.method} {request.path} must not be sent to the source")
        return self._client.call(request)


class LiveSource:
    """A login, a limiter and retries of its own. What it gives lies in `Definitions`."""

    def __init__(
        self,
        name: str,
        source: Destination,
        ceilings: Ceilings,
        retries: RetryPolicy,
        stop: Callable[[], bool],
    ) -> None:
        """`name` is what the config file calls it."""
        limiter = LocalLimiter(ceilings.per_second, ceilings.per_minute)
        self._name, self._base_url = name, source.endpoint.base_url
        self._tokens = LoginTokens(source, limiter=limiter, stop=stop)
        transport = HttpTransport(source.endpoint, inflight=AT_ONCE)
        self._client = ReadOnlyClient(
            LookerClient(transport, tokens=self._tokens, limiter=limiter, policy=retries, stop=stop)
        )
        self._discovery = Discovery(self._client)
        self.fetched: dict[str, int] = {QUERY: 0, MERGE_QUERY: 0}
        self.withheld = 0

    @cached_property
    def instance(self) -> str:
        """What it calls itself, else its URL."""
        return self._discovery.instance_name(self._base_url)

    @property
    def calls(self) -> int:
        """Requests that were sent to it, logins included."""
        return sum(self._client.counts.by_method.values()) + self._tokens.logins

    def prove(self, vault: Vault) -> None:
        """Raise unless it is the instance that the backup is of: else its query 7 would be another one."""
        verdict = self._discovery.prove_instance(vault)
        if not verdict.same:
            raise ValidationError(
                f"--source {self._name} ({self.instance}) is {verdict}: it is not where {vault.path} comes from",
                f"correct [instances.{self._name}] of the config file, or leave out --source",
            )

    def fetch(self, definitions: Definitions, refs: References) -> None:
        """Get what is lacking: merged results, then queries, those that merged results join among them."""
        with ThreadPoolExecutor(AT_ONCE) as pool:

            def get_all(paths: Sequence[str]) -> list[Json]:
                return list(pool.map(self._get, paths))

            for ids in _batches(definitions.lacking(MERGE_QUERY)):
                answers = get_all([path("merge_queries", one) for one in ids])
                for merge_id, found in zip(ids, answers, strict=True):
                    self._keep_merged(merge_id, found, definitions, refs)
            ways = QueryWays(get_all, definitions.ways)
            for ids in _batches(definitions.lacking(QUERY)):
                for query_id, found in ways.find(ids).items():
                    self._keep(QUERY, query_id, found, definitions)
        _blame_joined(definitions)

    def _get(self, where: str) -> Json:
        """The object at a path, or a text that says why it is not given."""
        try:
            reply = self._client.call(Request("GET", where))
        except Refused as refused:
            return str(refused)
        except GaveUp as gave_up:
            raise ApiError(
                f"cannot get {where} from {self.instance}: {gave_up}", "try again later"
            ) from gave_up
        return reply.json if isinstance(reply.json, dict) else f"{reply.status} Not found"

    def _keep(self, kind: str, source_id: str, found: Json, definitions: Definitions) -> None:
        if isinstance(found, str):
            self.withheld += 1
            definitions.refuse(kind, (source_id,), "source", found)
        else:
            self.fetched[kind] += 1
            definitions.keep(kind, source_id, found)

    def _keep_merged(self, merge_id: str, found: Json, definitions: Definitions, refs: References) -> None:
        """Keep merged results; a query that they name by its slug is had at once, for its id."""
        if isinstance(found, str):
            return self._keep(MERGE_QUERY, merge_id, found, definitions)
        joined: list[Json] = []
        for one in found.get("source_queries") or []:
            slug = by_slug(str(one.get("query_slug")))
            if one.get("query_id") and one.get("query_slug"):
                definitions.note_way(str(one["query_id"]), *slug)
            query = {} if one.get("query_id") else self._get(slug[0])
            if isinstance(query, str):
                why = f"query {one.get('query_slug')} of it: {query}"
                return self._keep(MERGE_QUERY, merge_id, why, definitions)
            if query:
                self._keep(QUERY, str(query["id"]), query, definitions)
            joined.append({**one, "query_id": str(one.get("query_id") or query["id"])})
        merged = {**found, "source_queries": joined}
        self._keep(MERGE_QUERY, merge_id, merged, definitions)
        lack(((QUERY, one) for one in sources_of(merged)), definitions, refs)
        return None


def note_lacking(
    rows: Callable[[ContentType], Iterable[Shown]], definitions: Definitions, refs: References
) -> int:
    """Note what the selected rows show, has no mapping and no definition in the backup; return how many."""
    for content_type in SHOWING:
        for one in rows(content_type):
            if one.definition is not None:
                continue
            way = shown_by(content_type, one.item_id) if one.kind == QUERY else None
            if lack([(one.kind, one.source_id)], definitions, refs) and way is not None:
                definitions.note_way(one.source_id, *way)
    return sum(definitions.count_lacking(kind) for kind in (QUERY, MERGE_QUERY))


def lack(wanted: Iterable[tuple[str, str]], definitions: Definitions, refs: References) -> bool:
    """Note those of which nothing is known. Return whether there are any."""
    lacking = [
        (kind, source_id)
        for kind, source_id in wanted
        if (refs.query if kind == QUERY else refs.merge_query)(source_id) is None
        and destination_of(refs, kind, source_id) is None
    ]
    for one in lacking:
        definitions.lack(*one)
    return bool(lacking)


def _blame_joined(definitions: Definitions) -> None:
    """Say of merged results why they cannot be made, where the source does not give a query that they join."""
    for merge_id in definitions.lacking(MERGE_QUERY):
        for query_id in sources_of(definitions.fetched(MERGE_QUERY, merge_id) or {}):
            if (why := definitions.refusal(QUERY, query_id, "source")) is not None:
                definitions.refuse(MERGE_QUERY, (merge_id,), "source", f"query {query_id} of it: {why}")


def _batches(ids: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(ids, BATCH)):
        yield some
