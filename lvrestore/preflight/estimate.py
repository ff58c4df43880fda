"""What it takes at least to read a destination, told from the backup before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lvrestore.catalog.listings import LISTINGS
from lvrestore.catalog.scan import referred_to
from lvrestore.model import ContentType

# A login, the instance's name and release, and one answer that proves the instance; that lists the folders, too.
BEFORE_LISTS = 3
# Below this, asking for each referenced object costs fewer calls than listing all of them.
FEW_ITEMS = 10


def least_calls(left: Mapping[ContentType, int], expected: Callable[[ContentType], int]) -> int:
    """The calls before the first item: `left` are the items to restore by type, `expected` are all of the backup."""
    listed = {
        one: _pages(one, expected(one)) for one, items in left.items() if _is_listed(one, items, expected)
    }
    calls = BEFORE_LISTS + sum(pages for one, pages in listed.items() if one is not ContentType.FOLDER)
    if sum(left.values()) <= FEW_ITEMS:
        return calls
    kinds = referred_to(one for one, items in left.items() if items)
    return calls + len(kinds - {one.label for one in listed} - {"folder"})


def _is_listed(content_type: ContentType, items: int, expected: Callable[[ContentType], int]) -> bool:
    """Whether a list costs fewer calls than to ask for each of the items."""
    listing = LISTINGS.get(content_type.label)
    return listing is not None and items > _pages(content_type, expected(content_type)) + listing.has_trash


def _pages(content_type: ContentType, expected: int) -> int:
    page = LISTINGS[content_type.label].page
    return 1 if page is None else max(1, -(-expected // page))
