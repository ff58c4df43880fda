"""The queries of a run on another instance: made before the items that show them, once for each distinct content.

They are no items. What has a committed mapping is left out, so that a run that was cut goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import count

import orjson

from lvrestore.catalog.index import Index
from lvrestore.content.knowledge import References, destination_of
from lvrestore.content.moved.queries import (
    MERGE_QUERY,
    QUERY,
    content_key,
    merge_body,
    merge_key,
    query_body,
    sources_of,
)
from lvrestore.content.moved.renaming import remapped_query
from lvrestore.errors import ValidationError
from lvrestore.model import Calls, ContentType, Json, QueryCounts, QueryResult, QueryTask
from lvrestore.vault import Definitions, Vault, Wanted
from lvrestore.vault.shown import Shown, shown_in

# Looks make their own, one each.
SHOWING = (ContentType.DASHBOARD, ContentType.SCHEDULED_PLAN)


class QueryWaves:
    """Plans what is to be made, and learns what became of it."""

    def __init__(
        self,
        rows: Callable[[ContentType], Iterator[Shown]],
        refs: References,
        definitions: Definitions,
        index: Index,
        stopped: Callable[[], bool],
    ) -> None:
        """`rows` give what the selected rows of a type show; `index` holds what the destination shows."""
        self._rows, self._refs, self._index = rows, refs, index
        self._definitions, self._stopped = definitions, stopped
        self._numbers = count(-1, -1)  # apart from those of items
        self.counts, self.calls = QueryCounts(), Calls()

    def __iter__(self) -> Iterator[Iterator[QueryTask]]:
        """The waves: what is found again first, so that nothing is made for it, merged results after their queries."""
        self._collect()
        yield self._recognise()
        self._collect_joined()
        yield self._make(QUERY)
        self._collect_merged()
        yield self._make(MERGE_QUERY)

    def take(self, result: QueryResult) -> None:
        """Learn what became of a task."""
        self.calls.add(result.calls)
        self.counts.note(result)
        if result.refused is not None:
            self._definitions.refuse(result.kind, result.source_ids, "destination", result.refused)

    # -- what is wanted

    def _collect(self) -> None:
        for content_type in SHOWING:
            for shown in self._rows(content_type):
                if self._stopped():
                    return
                if any(self._is_lost(*one) for one in shown.needs):
                    continue
                if self._is_new(shown.kind, shown.source_id):
                    self._want(shown)
                if shown.kind == MERGE_QUERY and shown.slug:
                    self._definitions.show(shown.source_id, self._merged_on(shown.slug))

    def _is_lost(self, kind: str, source_id: str) -> bool:
        """Whether what an item needs will not be here: nothing is made for an item that will fail.

        The run has come to it in vain, or never will; all else is looked for by its name when the item's turn comes.
        """
        if destination_of(self._refs, kind, source_id) is not None:
            return False
        left_out = self._refs.marked_deleted(kind, source_id) or self._refs.content(kind, source_id) is None
        return left_out or self._refs.ended(kind, source_id)

    def _is_new(self, kind: str, source_id: str) -> bool:
        return (
            not self._definitions.is_wanted(kind, source_id)
            and destination_of(self._refs, kind, source_id) is None
        )

    def _want(self, shown: Shown) -> None:
        if shown.kind == MERGE_QUERY:
            if self._refs.merge_query(shown.source_id) is not None:
                self._definitions.want(MERGE_QUERY, shown.source_id)
        elif shown.definition is not None:
            self._describe_query(shown.source_id, remapped_query(shown.definition, self._refs.policy.remap))
        elif (definition := self._refs.query(shown.source_id)) is not None:
            self._describe_query(shown.source_id, definition)

    def _describe_query(self, query_id: str, definition: Mapping[str, Json]) -> None:
        try:
            body = query_body(query_id, definition)
        except ValidationError:
            return  # the items that show it say what is wrong with it
        self._definitions.describe(QUERY, query_id, content_key(body), orjson.dumps(body))

    def _merged_on(self, slug: str) -> list[str]:
        """The merged results that the destination's dashboard of this slug shows."""
        found = self._index.look_up("dashboard", "slug", slug) or []
        tiles = [tile for one in found for tile in one.get("dashboard_elements") or ()]
        return [str(tile["merge_result_id"]) for tile in tiles if tile.get("merge_result_id")]

    def _collect_joined(self) -> None:
        """The queries that are joined by the merged results that were not found."""
        for merge_id in self._unmade_merges():
            for query_id in sources_of(self._refs.merge_query(merge_id) or {}):
                definition = self._refs.query(query_id)
                if definition is not None and self._is_new(QUERY, query_id):
                    self._describe_query(query_id, definition)

    def _collect_merged(self) -> None:
        """The merged results whose queries are there by now, with the ids that these have here."""
        for merge_id in self._unmade_merges():
            definition = self._refs.merge_query(merge_id) or {}
            sources = sources_of(definition)
            here = [destination_of(self._refs, QUERY, one) for one in sources]
            refused = [(one, self._refs.refusal(QUERY, one)) for one in sources]
            if reasons := [f"query {one} of it: {why}" for one, why in refused if why]:
                self._definitions.refuse(MERGE_QUERY, (merge_id,), "destination", "; ".join(reasons))
            if sources and None not in here:
                self._describe_merged(merge_id, definition, [str(one) for one in here])

    def _describe_merged(self, merge_id: str, definition: Mapping[str, Json], here: list[str]) -> None:
        try:
            body = merge_body(merge_id, definition, here)
            content = merge_key(merge_id, definition, [one.encode() for one in here])
        except ValidationError:
            return
        self._definitions.describe(MERGE_QUERY, merge_id, content, orjson.dumps(body))

    def _unmade_merges(self) -> Iterator[str]:
        wanted = self._definitions.wanted(MERGE_QUERY)
        return (one for one in wanted if destination_of(self._refs, MERGE_QUERY, one) is None)

    # -- what is done about it

    def _recognise(self) -> Iterator[QueryTask]:
        for merge_id in self._unmade_merges():
            if shown := self._definitions.shown(merge_id):
                yield QueryTask(
                    seq=next(self._numbers), kind=MERGE_QUERY, source_ids=(merge_id,), shown=shown
                )

    def _make(self, kind: str) -> Iterator[QueryTask]:
        for content, body in self._definitions.contents(kind):
            ids = self._definitions.of_content(kind, content)
            if ids := tuple(one for one in ids if destination_of(self._refs, kind, one) is None):
                here = self._index.query(content) if kind == QUERY else None
                yield QueryTask(
                    seq=next(self._numbers), kind=kind, source_ids=ids, body=b"" if here else body, here=here
                )


def rows_of(
    vault: Vault, types: Collection[ContentType], wanted: Wanted
) -> Callable[[ContentType], Iterator[Shown]]:
    """What the rows that are wanted show, by type; those of other types are not."""
    return lambda one: shown_in(vault, one, wanted) if one in types else iter(())
