"""What sends mail among what a run is about to touch, for the question: as far as it was read in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lvrestore.catalog.alert_search import AlertSearch
from lvrestore.catalog.index import Index
from lvrestore.content.calls import AlertsOn
from lvrestore.content.sending.alerts import alerts_of, tile_name, told_alerts, watched
from lvrestore.content.sending.waking import ALERTS, PLANS
from lvrestore.looker.client import GaveUp, Sender
from lvrestore.model import ContentType, Json, Scanned
from lvrestore.preflight.problems import Translate
from lvrestore.settings import Policy
from lvrestore.vault import Vault, Wanted, decode_blob

NAMED_TILES = 10
BATCH = 500
CONTENT = (ContentType.DASHBOARD, ContentType.LOOK)
DASHBOARD = ContentType.DASHBOARD.label
Body = dict[str, Json]
WHOSE = "they cannot be read, which needs an admin's key"


class Senders:
    """Looks for schedules and alerts on the selected items of types that were listed to the end."""

    def __init__(
        self, vault: Vault, rows: Wanted, index: Index, translate: Translate, scanned: Iterable[Scanned]
    ) -> None:
        """`rows`: which rows of a type are restored."""
        self._vault, self._rows, self._index, self._translate = vault, rows, index, translate
        listed = {one.kind for one in scanned if one.items and one.complete}
        self._listed = [one for one in CONTENT if one.label in listed]

    def unlisted(self, counts: Mapping[ContentType, int]) -> bool:
        """Whether dashboards or looks are restored that were not listed, or not in the trash."""
        return any(counts.get(one) if one not in self._listed else self._unseen(one) for one in CONTENT)

    def unread_tiles(self, counts: Mapping[ContentType, int]) -> bool:
        """Whether dashboards are restored of which the tiles were not listed."""
        return bool(counts.get(ContentType.DASHBOARD)) and ContentType.DASHBOARD not in self._listed

    def _unseen(self, one: ContentType) -> bool:
        """Whether an item is not among the living, and the trash was not listed for so few."""
        for ids in self._here(one):
            if lost := set(ids) - self._index.shown(one.label, ids):
                return self._index.in_trash(one.label, min(lost)) is None
        return False

    def coming_back(self) -> dict[str, list[str]]:
        """The destination's ids of what is in the trash and is to come back, by kind."""
        return {
            one.label: [i for ids in self._here(one) for i in self._index.trashed(one.label, ids)]
            for one in self._listed
        }

    def _here(self, content_type: ContentType) -> Iterator[list[str]]:
        """The ids that the selected items have on the destination, some at a time."""
        ids = self._vault.ids(content_type, **self._rows)
        while batch := list(islice(ids, BATCH)):
            yield [to for one in batch if (to := self._translate(content_type.label, one)) is not None]

    def at_risk(self) -> list[Body]:
        """The living tiles with alerts that the backup of their dashboard does not have."""
        if ContentType.DASHBOARD not in self._listed:
            return []
        with_alerts = self._index.having(DASHBOARD, "watched", "True")
        if not with_alerts:
            return []
        source_ids = (
            one
            for one in self._vault.ids(ContentType.DASHBOARD, **self._rows)
            if self._translate(DASHBOARD, one) in with_alerts
        )
        return [tile for one in source_ids for tile in self._surplus(one)]

    def _surplus(self, source_id: str) -> Iterator[Body]:
        row = self._vault.get(ContentType.DASHBOARD, source_id)
        live = self._index.get(DASHBOARD, str(self._translate(DASHBOARD, source_id)))
        tiles = decode_blob(row.blob).get("dashboard_elements") if row is not None else None
        if tiles is None or live is None:
            return
        known = {self._translate("dashboard_element", str(one.get("id"))) for one in tiles}
        for tile in watched(live.body.get("dashboard_elements") or ()):
            if tile["id"] not in known:
                yield {**tile, "dashboard_id": live.body["id"]}


class Foreteller:
    """Says what will become of what sends."""

    def __init__(self, index: Index, client: Sender, scratch: Path, policy: Policy) -> None:
        """What is searched for is kept in `scratch` for the run."""
        self._index, self._client, self._policy = index, client, policy
        self._search = AlertSearch(scratch)

    def lines(
        self,
        back: Mapping[str, Collection[str]],
        at_risk: Sequence[Body],
        *,
        unlisted: bool,
        unread_tiles: bool,
    ) -> Iterator[str]:
        """Sentences for the question. `unlisted`: there is content of which nothing was read yet."""
        if any(back.values()):
            yield from self._what_comes_back(back)
        if unlisted:
            content = "other content" if any(back.values()) else "content"
            yield f"A schedule or alert on {content} that comes back from the trash {self._becomes()}"
        if at_risk:
            yield self._what_is_surplus(at_risk)
        if unread_tiles and self._policy.alerts == "delete":
            yield "A tile with alerts that was added after the backup is deleted with its alerts (--alerts delete)."

    def _alerts_on(self, tiles: Sequence[Body]) -> list[Body] | None:
        """The alerts; None where they cannot be read. What only serves the question ends no run."""
        if tiles:
            with suppress(GaveUp):
                return self._search.on(AlertsOn(tuple(one["id"] for one in tiles)), self._client)
        return None if tiles else []

    def _what_comes_back(self, back: Mapping[str, Collection[str]]) -> Iterator[str]:
        plans = [plan for kind, ids in back.items() for one in ids for plan in self._plans_on(kind, one)]
        bodies = [entry.body for one in back.get(DASHBOARD, ()) if (entry := self._index.get(DASHBOARD, one))]
        tiles = [tile for body in bodies for tile in watched(body.get("dashboard_elements") or ())]
        found = self._alerts_on(tiles)
        alerts = [one for one in found or () if ALERTS.is_on(one)]
        items = _counted(sum(map(len, back.values())), "item")
        if plans or alerts:
            yield f"{_both(len(plans), len(alerts))} on {items} that come back from the trash {self._become()}"
        elif not self._policy.sees_trashed_plans:
            yield f"{items} come back from the trash; a schedule or alert that is found on them {self._becomes()}"
        if unread := sum(tile["alert_count"] for tile in tiles if alerts_of(tile, found) is None):
            yield f"{_counted(unread, 'alert')} on what comes back from the trash may send again: {WHOSE}."

    def _plans_on(self, kind: str, item_id: str) -> list[Body]:
        listed = self._index.look_up(PLANS.kind, f"{kind}_id", item_id) or ()
        return [plan for plan in listed if PLANS.is_on(plan)]

    def _become(self) -> str:
        if self._policy.schedules == "as-backup":
            return "become active again and send (--schedules as-backup)."
        return "would become active: they are switched off first."

    def _becomes(self) -> str:
        stays = "stays on (--schedules as-backup)."
        return stays if self._policy.schedules == "as-backup" else "is switched off."

    def _what_is_surplus(self, at_risk: Sequence[Body]) -> str:
        found = self._alerts_on(at_risk)
        named = [
            f"{tile_name(one)} of dashboard {one['dashboard_id']} ({told_alerts(one, alerts_of(one, found))})"
            for one in at_risk[:NAMED_TILES]
        ]
        more = f"; and {len(at_risk) - NAMED_TILES:,} more" if len(at_risk) > NAMED_TILES else ""
        goes = self._policy.alerts == "delete" and found is not None
        end = "are deleted with their alerts" if goes else "stay (--alerts delete deletes them)"
        return f"Tiles with alerts that were added after the backup {end}: {'; '.join(named)}{more}."


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _both(plans: int, alerts: int) -> str:
    parts = [_counted(n, noun) for n, noun in ((plans, "schedule"), (alerts, "alert")) if n]
    return " and ".join(parts)
