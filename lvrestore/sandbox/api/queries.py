"""Queries and merge queries: immutable, and made only where no equal one exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lvrestore.sandbox.api.call import Call, need, the
from lvrestore.sandbox.api.facts import writable
from lvrestore.sandbox.api.views import MERGE_QUERY, query
from lvrestore.sandbox.refusals import invalid, missing, not_found, taken
from lvrestore.sandbox.store import content_key, token

if TYPE_CHECKING:
    from typing import Any

    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

CONTENT = tuple(name for name in writable("Query") if name != "client_id")
CLIENT_ID_LENGTH = 22


def encoded_query(query_id: str, slug: str, client_id: str, content: Row) -> Row:
    """Return a query as it is kept and shown."""
    return {
        "can": {"show": True, "run": True},
        "id": query_id,
        **{name: content.get(name) for name in CONTENT},
        "slug": slug,
        "client_id": client_id,
        "share_url": f"/x/{client_id}",
        "expanded_share_url": None,
        "url": f"/explore/{content['model']}/{content['view']}",
        "has_table_calculations": False,
    }


def make_query(instance: Instance, body: Row) -> str:
    """Return the id of the query with this content, made if there is none."""
    need(body, "model", "view")
    if body["model"] not in instance.store.models:
        raise not_found()
    content = {name: body[name] for name in CONTENT if name in body}
    known = instance.store.query_content.get(content_key(content))
    return known or _new_query(instance, content, body.get("client_id"))


def _new_query(instance: Instance, content: Row, client_id: str | None) -> str:
    if client_id is not None and len(client_id) != CLIENT_ID_LENGTH:
        raise invalid("client_id", f"client_id must have {CLIENT_ID_LENGTH} characters")
    if client_id in instance.store.client_ids:
        raise taken("client_id", "client_id is in use")
    query_id = instance.store.new_id("query")
    client_id = client_id or token(CLIENT_ID_LENGTH, "query", query_id)
    instance.store.put_query(encoded_query(query_id, client_id[:7], client_id, content), content)
    return query_id


def create_query(call: Call) -> Any:  # noqa: ANN401 - raw or JSON
    """Make a query, or find the equal one."""
    return query(call.instance, make_query(call.instance, call.body), call.wanted)


def get_query(call: Call) -> Any:  # noqa: ANN401 - raw or JSON
    """Show a query."""
    the(call.instance.store.queries, call.ids[0])
    return query(call.instance, call.ids[0], call.wanted)


def get_query_by_slug(call: Call) -> Any:  # noqa: ANN401 - raw or JSON
    """Show the query with a slug."""
    return query(call.instance, the(call.instance.store.query_slugs, call.ids[0]), call.wanted)


def create_merge_query(call: Call) -> Row:
    """Make a merge query, or find the equal one."""
    store = call.instance.store
    need(call.body, "source_queries")
    body = {
        **call.body,
        "source_queries": [_joined(call.instance, one) for one in call.body["source_queries"]],
    }
    key = content_key(body)
    if key not in store.merge_content:
        merge_id = token(CLIENT_ID_LENGTH, "merge", msgspec.json.encode(body, order="sorted"))
        store.merges[merge_id] = {**body, "id": merge_id}
        store.merge_content[key] = merge_id
    return call.show(MERGE_QUERY, store.merges[store.merge_content[key]])


def _joined(instance: Instance, source: Row) -> Row:
    """Return a query that is joined, with its id and its slug: it may be named by either."""
    store, query_id = instance.store, source.get("query_id")
    if query_id is None:
        query_id = store.query_slugs.get(source.get("query_slug") or "")
    if query_id not in store.queries:
        raise missing("source_queries")
    return {**source, "query_id": query_id, "query_slug": store.query_slug(query_id)}


def get_merge_query(call: Call) -> Row:
    """Show a merge query."""
    return call.show(MERGE_QUERY, the(call.instance.store.merges, call.ids[0]))


ROUTES = {
    "POST /queries": create_query,
    "GET /queries/{query_id}": get_query,
    "GET /queries/slug/{slug}": get_query_by_slug,
    "POST /merge_queries": create_merge_query,
    "GET /merge_queries/{merge_query_id}": get_merge_query,
}
