"""The alerts of everybody, searched for once in a run by whoever needs them first, for all of its processes."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import orjson

from lvrestore.content.calls import AlertsOn
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import Sender
from lvrestore.looker.protocol import Request
from lvrestore.model import Json

PAGE = 1000
FILE, LOCK = "alerts.json", "alerts.lock"


class AlertSearch:
    """What the search has shown, kept in a file of the run's scratch folder; without a folder in memory alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: list[Json] | None = None
        self._is_read = False

    def on(self, wanted: AlertsOn, client: Sender) -> list[Json] | None:
        """The alerts on these tiles; None where the search is refused, which needs an admin."""
        tiles = set(wanted.tile_ids)
        with self._lock:
            if wanted.fresh or not self._is_read:
                with self._alone():
                    self._known, self._is_read = self._read(client, fresh=wanted.fresh), True
            if self._known is None:
                return None
            return [one for one in self._known if one.get("dashboard_element_id") in tiles]

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Let no other process of the run search meanwhile."""
        if self._folder is None:
            yield
            return
        with (self._folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, client: Sender, *, fresh: bool) -> list[Json] | None:
        file = self._folder / FILE if self._folder is not None else None
        if file is not None and file.exists() and not fresh:
            found: list[Json] | None = orjson.loads(file.read_bytes())
            return found
        found = _search(client)
        if file is not None:
            file.write_bytes(orjson.dumps(found))
        return found


def _search(client: Sender) -> list[Json] | None:
    """All pages. The list has no order, so that a page may repeat rows: whoever reads it compares the counts."""
    found: dict[str, Json] = {}
    while True:
        params = {"all_owners": "true", "limit": str(PAGE), "offset": str(len(found))}
        try:
            rows = client.call(Request("GET", "/alerts/search", params)).json
        except Refused:
            return None
        if not isinstance(rows, list):
            return None
        before = len(found)
        found |= {str(one["id"]): one for one in rows}
        if len(rows) < PAGE or len(found) == before:
            return list(found.values())
