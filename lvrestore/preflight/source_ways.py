"""The queries of the source by whichever way it gives them: by number, by slug, or inside what shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from lvrestore.looker.protocol import path
from lvrestore.model import ContentType, Json

# What shows queries, and the rank of asking it: a slug names the query itself, a dashboard is a large answer.
COLLECTIONS = {ContentType.LOOK: ("looks", 1), ContentType.DASHBOARD: ("dashboards", 2)}
SLUG_RANK = 0
# So many refusals by number, and no answer: other ways come first from then on.
ENOUGH = 4
Found = dict[str, Json]


def shown_by(content_type: ContentType, item_id: str) -> tuple[str, int] | None:
    """The path of an item that shows its queries, and its rank; None for a type that does not show them."""
    if content_type not in COLLECTIONS:
        return None
    collection, rank = COLLECTIONS[content_type]
    return path(collection, item_id), rank


def by_slug(slug: str) -> tuple[str, int]:
    """The path of a query by its slug, and its rank."""
    return path("queries", "slug", slug), SLUG_RANK


class QueryWays:
    """Finds queries of the source with few calls. It learns whether the source answers queries by number.

    A number names the query for certain, so it comes first. Where the first numbers are all refused, the other ways
    come first, and only a query that no other way shows is asked for by number.
    """

    def __init__(
        self,
        get_all: Callable[[Sequence[str]], Iterable[Json]],
        ways: Callable[[str], Sequence[str]],
    ) -> None:
        """`get_all` reads paths: a text says why one is not given. `ways` are the other paths to a query."""
        self._get_all, self._ways = get_all, ways
        self._answered = False
        self._refused = 0

    def find(self, ids: Sequence[str]) -> Found:
        """Each query by its id, or a text that says why the source does not give it."""
        found = self._by_number(ids) if self._answers_numbers else {}
        found |= self._by_other_ways([one for one in ids if not _is_given(found.get(one))])
        return found | self._by_number([one for one in ids if one not in found], to_the_end=True)

    @property
    def _answers_numbers(self) -> bool:
        return self._answered or self._refused < ENOUGH

    def _by_number(self, ids: Sequence[str], *, to_the_end: bool = False) -> Found:
        """Ask by number, the first few before all others, until it is known that none is answered."""
        found: Found = {}
        for some in (ids[:ENOUGH], ids[ENOUGH:]):
            if to_the_end or self._answers_numbers:
                answers = self._get_all([path("queries", one) for one in some])
                found |= dict(zip(some, answers, strict=True))
                given = sum(_is_given(found[one]) for one in some)
                self._answered |= given > 0
                self._refused += len(some) - given
        return found

    def _by_other_ways(self, ids: Sequence[str]) -> Found:
        """Ask the first way of each query, then the next one of those that it did not give."""
        left = {one: list(self._ways(one)) for one in ids}
        found: Found = {}
        while left := {one: ways for one, ways in left.items() if ways and one not in found}:
            firsts = list(dict.fromkeys(ways.pop(0) for ways in left.values()))
            for where, answer in zip(firsts, self._get_all(firsts), strict=True):
                given = _given_by(where, answer)
                found |= {one: given[one] for one in left if one in given}
        return found


def _is_given(answer: Json) -> bool:
    return isinstance(answer, Mapping)


def _given_by(where: str, answer: Json) -> dict[str, Json]:
    """The queries in an answer, by their ids."""
    if not isinstance(answer, Mapping):
        return {}
    shown = [answer] if where.startswith("/queries/") else _shown_in(answer)
    return {str(one["id"]): one for one in shown if one.get("id")}


def _shown_in(item: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The queries of a look, or of all tiles of a dashboard and the looks in these."""
    for one in (item, *(item.get("dashboard_elements") or ())):
        for holder in (one, one.get("look") or {}, one.get("result_maker") or {}):
            if isinstance(query := holder.get("query"), Mapping):
                yield query
