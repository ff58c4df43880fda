"""Which parts an item of a backup has: their ids, by what they are called in a state file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from lvrestore.model import ContentType
from lvrestore.vault.decode import BlobError, decode_as


class _Part(msgspec.Struct):
    id: Any = None


class _Section(msgspec.Struct):
    id: Any = None
    board_items: list[_Part] | None = None


class _Holder(msgspec.Struct):
    dashboard_elements: list[_Part] | None = None
    dashboard_filters: list[_Part] | None = None
    dashboard_layouts: list[_Part] | None = None
    board_sections: list[_Section] | None = None


def part_ids(content_type: ContentType, blob: bytes) -> Iterator[tuple[str, str]]:
    """The (kind, id) of every part of a dashboard or a board; of others, and of what cannot be decoded, none."""
    if content_type not in {ContentType.DASHBOARD, ContentType.BOARD}:
        return
    try:
        held = decode_as(blob, _Holder)
    except BlobError:
        return
    sections = held.board_sections or ()
    listed = {
        "dashboard_element": held.dashboard_elements,
        "dashboard_filter": held.dashboard_filters,
        "dashboard_layout": held.dashboard_layouts,
        "board_section": held.board_sections,
        "board_item": [item for section in sections for item in section.board_items or ()],
    }
    yield from ((kind, str(part.id)) for kind, parts in listed.items() for part in parts or () if part.id)
