"""Queries: on the instance they came from their ids stay valid for ever; elsewhere they are made from a definition."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import msgspec

from lvrestore.content.bodies import body_of
from lvrestore.content.calls import Create, Get, Mapped, Steps
from lvrestore.content.references import References
from lvrestore.errors import ValidationError
from lvrestore.looker.models import WriteQuery
from lvrestore.model import Json, MatchRule


def make_query(refs: References, query_id: str, embedded: Mapping[str, Json] | None) -> Steps[str | None]:
    """Make a query of the backup on the destination; None if nothing in the backup defines it.

    `POST /queries` gives back a query of the same content if there is one, so that a repeat is harmless.
    """
    definition = embedded or refs.query(query_id)
    if definition is None:
        return None
    made = yield Create("/queries", query_body(query_id, definition), _nothing, unique=True, part=True)
    yield Mapped("query", query_id, str(made["id"]), MatchRule.CREATED, settled=True)
    return str(made["id"])


def is_query(query_id: str, definition: Mapping[str, Json], live: Json) -> bool:
    """Whether a live query is what the backup defines: everything that would be sent is so."""
    if not isinstance(live, dict):
        return False
    return all(live.get(name) == value for name, value in query_body(query_id, definition).items())


def query_body(query_id: str, definition: Mapping[str, Json]) -> dict[str, Json]:
    """What to POST: the writable fields. The order of fields, sorts and pivots has a meaning and is kept."""
    try:
        return body_of(msgspec.convert(dict(definition), WriteQuery))
    except msgspec.ValidationError as error:
        raise ValidationError(f"the definition of query {query_id} in the backup: {error}") from error


def _nothing() -> Generator[Get, Json, Json]:
    yield from ()
    return None
