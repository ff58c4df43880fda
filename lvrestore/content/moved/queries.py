"""Queries and merge queries: where they come from their ids stay valid for ever; elsewhere they are made anew.

`POST /queries` and `POST /merge_queries` give back what has the same content, if there is one: a repeat is harmless,
and nothing need be known of how an earlier attempt ended.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TypeVar

import msgspec

from lvrestore.content.calls import Create, Get, Mapped, Steps
from lvrestore.content.knowledge import References, destination_of, require
from lvrestore.content.writing.bodies import Body, body_of, fingerprint
from lvrestore.errors import DependencyError, QueryRefusedError, ValidationError
from lvrestore.looker.models import WriteMergeQuery, WriteQuery
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MatchRule, QueryTask

S = TypeVar("S", bound=msgspec.Struct)
QUERY, MERGE_QUERY = "query", "merge_query"
COLLECTIONS = {QUERY: "queries", MERGE_QUERY: "merge_queries"}
EMPTY: tuple[Json, ...] = (None, "", [], {})


# --- one query


def make_query(refs: References, query_id: str, embedded: Mapping[str, Json] | None) -> Steps[str | None]:
    """Make a query of the backup on the destination; None if nothing that is known defines it."""
    definition = embedded or refs.query(query_id)
    if definition is None:
        return None
    require_not_refused(refs, [(QUERY, query_id)])
    return (yield from post(QUERY, query_body(query_id, definition), (query_id,)))


def post(kind: str, body: Body, source_ids: Sequence[str]) -> Steps[str]:
    """Make what the body says for all that have this content on the source; return its id."""
    made = yield Create(f"/{COLLECTIONS[kind]}", body, _nothing, unique=True, part=True)
    yield from note(kind, source_ids, str(made["id"]), MatchRule.CREATED)
    return str(made["id"])


def note(kind: str, source_ids: Sequence[str], here: str, rule: MatchRule) -> Steps[None]:
    """Write down which query of the destination these are."""
    for source_id in source_ids:
        yield Mapped(kind, source_id, here, rule, settled=True)


def require_not_refused(refs: References, wanted: Sequence[tuple[str, str]]) -> None:
    """Raise `QueryRefusedError` that names those which the destination has refused in this run."""
    refused = [(f"{kind} {i}", why) for kind, i in wanted if (why := refs.refusal(kind, i)) is not None]
    if refused:
        raise QueryRefusedError(tuple(dict.fromkeys(refused)))


def is_query(query_id: str, definition: Mapping[str, Json], live: Json) -> bool:
    """Whether a live query has the content of one of the backup."""
    return isinstance(live, dict) and query_key(live) == content_key(query_body(query_id, definition))


def query_body(query_id: str, definition: Mapping[str, Json]) -> Body:
    """What to POST: the writable fields. The order of fields, sorts and pivots has a meaning and is kept."""
    return body_of(_typed(f"query {query_id}", definition, WriteQuery))


def query_key(live: Mapping[str, Json]) -> bytes:
    """The content of a query that the server shows."""
    return content_key({name: live.get(name) for name in WriteQuery.__struct_fields__})


def content_key(body: Mapping[str, Json]) -> bytes:
    """16 bytes that two bodies of one content share: what is null, empty or absent says the same, nothing."""
    return fingerprint({name: value for name, value in body.items() if value not in EMPTY})


def bring_query(task: QueryTask, refs: References) -> Steps[str | None]:
    """Carry out what was planned for queries of one content, before the items that show them."""
    if task.here is not None:
        yield from note(task.kind, task.source_ids, task.here, MatchRule.CONTENT)
        return task.here
    if not task.body:
        return (yield from recognise_merge_query(refs, task.source_ids[0], task.shown))
    body = msgspec.json.decode(task.body)
    if task.kind == QUERY and body.get("model"):
        yield from require({"lookml_model": {str(body["model"])}})
    return (yield from post(task.kind, body, task.source_ids))


# --- merged results


def make_merge_query(refs: References, merge_id: str) -> Steps[str | None]:
    """Make a merge query and the queries that it joins; None if nothing that is known defines it."""
    definition = refs.merge_query(merge_id)
    if definition is None:
        return None
    require_not_refused(refs, [(MERGE_QUERY, merge_id)])
    sources = sources_of(definition)
    for query_id in dict.fromkeys(sources):
        if destination_of(refs, QUERY, query_id) is None and (
            (yield from make_query(refs, query_id, None)) is None
        ):
            raise DependencyError((f"query {query_id}",))
    here = [str(destination_of(refs, QUERY, one)) for one in sources]
    return (yield from post(MERGE_QUERY, merge_body(merge_id, definition, here), (merge_id,)))


def can_be_made(refs: References, kind: str, source_id: str) -> bool:
    """Whether everything is known that a query or merge query of the backup is made of."""
    if kind == QUERY:
        return refs.query(source_id) is not None
    definition = refs.merge_query(source_id)
    return definition is not None and all(
        destination_of(refs, QUERY, one) is not None or refs.query(one) is not None
        for one in sources_of(definition)
    )


def sources_of(definition: Mapping[str, Json]) -> list[str]:
    """The ids of the queries that are joined; the first one is the primary."""
    return [str(one["query_id"]) for one in definition.get("source_queries") or [] if one.get("query_id")]


def merge_body(merge_id: str, definition: Mapping[str, Json], query_ids: Sequence[str]) -> Body:
    """What to POST: the writable fields, with these ids of the joined queries."""
    body = body_of(_typed(f"merge query {merge_id}", definition, WriteMergeQuery))
    joined = [
        {name: value for name, value in source.items() if name != "query_slug"} | {"query_id": query_id}
        for source, query_id in zip(body.get("source_queries") or [], query_ids, strict=True)
    ]
    return body | {"source_queries": joined}


def merge_key(merge_id: str, definition: Mapping[str, Json], sources: Sequence[bytes]) -> bytes:
    """The content of a merge query whose joined queries have these contents, on whatever instance."""
    return content_key(merge_body(merge_id, definition, [one.hex() for one in sources]))


def recognise_merge_query(refs: References, merge_id: str, shown: Sequence[str]) -> Steps[str | None]:
    """Find a merge query among those that the destination's dashboard shows, which an earlier run has made."""
    definition = refs.merge_query(merge_id)
    sources = [] if definition is None else sources_of(definition)
    defined = [refs.query(one) for one in sources]
    if definition is None or None in defined:
        return None
    keys = [content_key(query_body(i, one)) for i, one in zip(sources, defined, strict=True) if one]
    wanted = merge_key(merge_id, definition, keys)
    for here in shown:
        if (found := (yield from _joined(here, len(sources)))) is None:
            continue
        live, queries = found
        if merge_key(here, live, [query_key(one) for one in queries]) == wanted:
            for source_id, query in zip(sources, queries, strict=True):
                yield from note(QUERY, (source_id,), str(query["id"]), MatchRule.CONTENT)
            yield from note(MERGE_QUERY, (merge_id,), here, MatchRule.CONTENT)
            return here
    return None


def _joined(here: str, expected: int) -> Steps[tuple[Body, list[Body]] | None]:
    """A live merge query with the queries that it joins; None where it is not of so many."""
    live = yield Get(path("merge_queries", here))
    joined = (live or {}).get("source_queries") or []
    if live is None or len(joined) != expected:
        return None
    queries: list[Body] = []
    for one in joined:
        where = (
            path("queries", one["query_id"])
            if one.get("query_id")
            else path("queries", "slug", str(one.get("query_slug")))
        )
        query = yield Get(where)
        if query is None:
            return None
        queries.append(query)
    return live, queries


def _typed(what: str, definition: Mapping[str, Json], writes: type[S]) -> S:
    try:
        return msgspec.convert(dict(definition), writes)
    except msgspec.ValidationError as error:
        raise ValidationError(f"the definition of {what}: {error}") from error


def _nothing() -> Generator[Get, Json, Json]:
    yield from ()
    return None
