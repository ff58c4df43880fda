"""Read the destination in bulk where that costs fewer calls than asking for each item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from lvrestore.catalog.index import Index
from lvrestore.catalog.listings import LISTINGS, PAGE, Listing, shows_queries
from lvrestore.content.moved.queries import query_key
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, Sender
from lvrestore.looker.protocol import Request
from lvrestore.model import ContentType, Json, Scanned

# Lists that a run reads anyway, by kind.
AtHand = Mapping[str, Callable[[], list[Json]]]
# What is done with the rows of each page.
Take = Callable[[list[Json]], None]
AT_ONCE = 8
# So many that are missing among the living are looked for in the trash one by one.
FEW_MISSING = 2
# What the items of a type carry ids of.
REFERS_TO: Mapping[ContentType, tuple[str, ...]] = {
    ContentType.DASHBOARD: ("folder", "look", "lookml_model", "user"),
    ContentType.LOOK: ("folder", "user"),
    ContentType.BOARD: ("dashboard", "look", "user"),
    ContentType.SCHEDULED_PLAN: ("dashboard", "look", "user"),
    ContentType.USER: ("folder", "group"),
    ContentType.ROLE: ("model_set", "permission_set", "user"),
    ContentType.FOLDER: ("folder",),
}


# Kinds of which another instance's object is found by what a list shows of it.
FOUND_BY_KEY = frozenset({"folder", "group", "model_set", "permission_set", "user"})


class Scanner:
    """Fills an index."""

    def __init__(
        self,
        client: Sender,
        index: Index,
        at_hand: AtHand,
        clock: Callable[[], float] = time.monotonic,
        *,
        same_instance: bool,
    ) -> None:
        """`client` is shared by threads."""
        self._client, self._index, self._at_hand, self._clock = client, index, at_hand, clock
        self._same_instance = same_instance
        self._calls, self._shows_queries = 0, True

    def scan(
        self, kind: str, items: int, expected: int, missing: Callable[[], Iterable[str]]
    ) -> Scanned | None:
        """List a kind if that is cheaper than asking for `items` of them; None if it is not.

        `expected` is how many the backup has; `missing` gives the selected ids that were not seen alive.
        """
        listing, at = LISTINGS[kind], self._clock()
        fields = listing.fields if self._same_instance else listing.elsewhere or listing.fields
        pages = 1 if listing.page is None else max(1, -(-expected // listing.page))
        if items <= pages + listing.has_trash:
            return None
        self._calls, self._shows_queries = 0, True
        complete = self._list(listing, fields, partial(self._keep, listing), pages, at_most=items)
        trash = False
        if complete and listing.has_trash and self._many(missing()):
            keep = partial(self._keep, listing, trashed=True)
            trash = self._list(listing, fields, keep, 1, at_most=items, deleted="true")
        self._index.set_scanned(kind, at, complete=complete, trash=trash or not listing.has_trash)
        return Scanned(kind, items, self._calls, complete, self._shows_queries)

    def note_ids(self, kind: str, at_most: int) -> Scanned:
        """List the ids of a kind that is only referred to; what is not among them is asked for when it matters."""
        listing = LISTINGS[kind]
        self._calls = 0
        fields = f"{listing.id_field},deleted" if listing.has_trash else listing.id_field
        narrow = msgspec.structs.replace(listing, page=PAGE if listing.page else None)
        complete = self._list(narrow, fields, partial(self._index.put_ids, kind), 1, at_most=at_most)
        return Scanned(kind, 0, self._calls, complete)

    def _many(self, missing: Iterable[str]) -> bool:
        return any(n >= FEW_MISSING for n, _ in enumerate(missing))

    def _keep(self, listing: Listing, rows: list[Json], *, trashed: bool = False) -> None:
        """Store objects with all that is looked at, and what their tiles show."""
        self._index.put(listing.kind, rows, trashed=trashed)
        if listing.elsewhere and not self._same_instance:
            self._index.note_queries(_queries_in(rows))
            self._shows_queries = self._shows_queries and all(map(shows_queries, rows))

    def _list(
        self, listing: Listing, fields: str, take: Take, pages: int, *, at_most: int, deleted: str = ""
    ) -> bool:
        """Read all pages; False if the list is longer than it is worth, or refused."""
        params = {"fields": fields, **listing.params, **({"deleted": deleted} if deleted else {})}
        try:
            if listing.page is None:
                at_hand = self._at_hand.get(listing.kind)
                take(at_hand() if at_hand else self._get(listing, params))
                return True
            if listing.is_sorted:
                params["sorts"] = "id"
            return self._pages(listing, params, take, pages, at_most)
        except (Refused, GaveUp):
            return False  # each is asked for when it matters

    def _pages(self, listing: Listing, params: dict[str, str], take: Take, pages: int, at_most: int) -> bool:
        """So many pages side by side as the backup lets expect but one, then one by one until a short one."""
        size = listing.page or PAGE
        surely = range(min(pages - 1, at_most))
        expected, short = iter(surely), False

        def ask(offsets: Iterable[int]) -> None:
            nonlocal short
            for page in offsets:
                try:
                    rows = self._get(listing, {**params, "limit": str(size), "offset": str(page * size)})
                    take(rows)
                except Exception:
                    short = True  # nobody need go on with a list that has a hole
                    raise
                short = short or len(rows) < size
                if short:
                    return

        with ThreadPoolExecutor(AT_ONCE) as pool:
            # All take from one iterator, so that a slow page holds up nobody.
            list(pool.map(ask, [expected] * AT_ONCE))
        if not short:
            ask(range(len(surely), at_most))
        # Without an order, pages can skip rows: only a list of one page is sure.
        return short and (listing.is_sorted or self._calls == 1)

    def _get(self, listing: Listing, params: Mapping[str, str]) -> list[Json]:
        self._calls += 1
        rows: list[Json] = self._client.call(Request("GET", listing.path, params)).json
        return rows


def _queries_in(dashboards: Iterable[Json]) -> Iterator[tuple[bytes, str]]:
    """The content and the id of each query that a tile shows."""
    for dashboard in dashboards:
        shown = (tile.get("query") for tile in dashboard.get("dashboard_elements") or ())
        yield from ((query_key(one), str(one["id"])) for one in shown if one and one.get("id"))


def referred_to(types: Iterable[ContentType]) -> set[str]:
    """The kinds that items of these types carry ids of."""
    return {kind for one in types for kind in REFERS_TO.get(one, ())}
