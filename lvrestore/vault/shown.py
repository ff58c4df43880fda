"""Which queries and merged results the rows of a vault show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lvrestore.model import ContentType
from lvrestore.vault.decode import BlobError, decode_as, decode_blob
from lvrestore.vault.lookups import NIL, NULL
from lvrestore.vault.reader import Vault
from lvrestore.vault.selection import Wanted


class _Tile(msgspec.Struct):
    query_id: str | None = None
    look_id: str | None = None
    merge_result_id: str | None = None
    query: msgspec.Raw = msgspec.Raw(NIL)


class _Row(msgspec.Struct):
    """A dashboard, a look or a plan."""

    slug: str | None = None
    folder_id: str | None = None
    query_id: str | None = None
    query: msgspec.Raw = msgspec.Raw(NIL)
    dashboard_elements: list[_Tile] | None = None


class Shown(msgspec.Struct, frozen=True):
    """A query or merged results, with the definition that stands beside it, if one does.

    `slug` is that of the dashboard, `needs` are the folder and the looks that this cannot be without, as (kind, id).
    `item_id` is the id of the row.
    """

    kind: str
    source_id: str
    definition: Mapping[str, Any] | None = None
    slug: str | None = None
    needs: tuple[tuple[str, str], ...] = ()
    item_id: str = ""


def shown_in(vault: Vault, content_type: ContentType, wanted: Wanted) -> Iterator[Shown]:
    """What these rows show. One that cannot be decoded shows nothing: it fails by itself."""
    for row in vault.rows(content_type, **wanted):
        try:
            yield from _shown(row.source_id, decode_as(row.blob, _Row))
        except BlobError:
            continue


def _shown(item_id: str, row: _Row) -> Iterator[Shown]:
    if row.query_id:
        yield Shown("query", row.query_id, _definition(row.query), item_id=item_id)
    tiles = row.dashboard_elements or ()
    looks = {tile.look_id for tile in tiles if tile.look_id and not tile.merge_result_id}
    needs = (*((("folder", row.folder_id),) if row.folder_id else ()), *(("look", one) for one in looks))
    for tile in tiles:
        # A tile has one source; these two come before its query, which may be a left-over.
        if tile.merge_result_id:
            yield Shown("merge_query", tile.merge_result_id, None, row.slug, needs, item_id)
        elif tile.query_id and not tile.look_id:
            yield Shown("query", tile.query_id, _definition(tile.query), row.slug, needs, item_id)


def _definition(raw: msgspec.Raw) -> Mapping[str, Any] | None:
    packed = bytes(raw)
    return None if packed in {NIL, NULL} else decode_blob(packed)
