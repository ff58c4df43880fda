"""Queries: on the instance they came from their ids stay valid for ever; elsewhere they are made from a definition."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import msgspec

from lvrestore.content.bodies import body_of
from lvrestore.content.calls import Create, Get, Mapped, Steps
from lvrestore.content.references import References, destination_of
from lvrestore.errors import ValidationError
from lvrestore.looker.models import WriteQuery
from lvrestore.model import Json


def query_here(refs: References, query_id: str, embedded: Mapping[str, Json] | None) -> Steps[str | None]:
    """The destination's id of a query of the backup, made if need be; None if nothing in the backup defines it.

    `embedded` is the definition that stands beside the reference, if one does.
    """
    if (here := destination_of(refs, "query", query_id)) is not None:
        return here
    return (yield from make_query(refs, query_id, embedded))


def make_query(refs: References, query_id: str, embedded: Mapping[str, Json] | None) -> Steps[str | None]:
    """Make a query of the backup on the destination; None if nothing in the backup defines it.

    `POST /queries` gives back a query of the same content if there is one, so that a repeat is harmless.
    """
    definition = embedded or refs.query(query_id)
    if definition is None:
        return None
    made = yield Create("/queries", query_body(query_id, definition), _nothing, unique=True, part=True)
    yield Mapped("query", query_id, str(made["id"]))
    return str(made["id"])


def query_body(query_id: str, definition: Mapping[str, Json]) -> dict[str, Json]:
    """What to POST: the writable fields. The order of fields, sorts and pivots has a meaning and is kept."""
    try:
        return body_of(msgspec.convert(dict(definition), WriteQuery))
    except msgspec.ValidationError as error:
        raise ValidationError(f"the definition of query {query_id} in the backup: {error}") from error


def _nothing() -> Generator[Get, Json, Json]:
    yield from ()
    return None
