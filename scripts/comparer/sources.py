"""Read the two sides: a vault with sqlite3, an instance from the sandbox's dump."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import msgspec

Content = Mapping[str, Any]
# The backup's number of a type, the type, and where a dump has it.
TYPES = (
    (3, "lookml_model", "models"),
    (10, "permission_set", "permission_sets"),
    (11, "model_set", "model_sets"),
    (9, "role", "roles"),
    (8, "group", "groups"),
    (7, "user", "users"),
    (5, "folder", "folders"),
    (2, "look", "looks"),
    (1, "dashboard", "dashboards"),
    (6, "board", "boards"),
    (12, "scheduled_plan", "scheduled_plans"),
)
TABLE = {kind: table for _, kind, table in TYPES}
ORIGIN = re.compile(r"https?://([^/:]+)")
DATED = ("dashboard", "look", "folder", "board")


class Backup:
    """A vault: `items` by type and bare id, `deleted` those that it marks so, `queries` as tiles embed them."""

    def __init__(self, path: Path) -> None:
        self.items: dict[str, dict[str, Content]] = {}
        self.deleted: dict[str, dict[str, Content]] = {}
        for number, kind, _ in TYPES:
            rows = _rows(path, number, kind)
            self.items[kind] = {i: content for i, content, deleted in rows if not deleted}
            self.deleted[kind] = {i: content for i, content, deleted in rows if deleted}
        dashboards = {**self.deleted["dashboard"], **self.items["dashboard"]}.values()
        tiles = [tile for one in dashboards for tile in one.get("dashboard_elements") or ()]
        shown = [one for tile in tiles for one in (tile, tile.get("look") or {})]
        self.queries = {one["query"]["id"]: one["query"] for one in shown if one.get("query")}
        self.hosts = {host for items in self.items.values() for one in items.values() for host in _hosts(one)}

    def content(self, kind: str, source_id: str) -> Content:
        """An item, also one marked deleted; empty if the vault has none."""
        return self.items[kind].get(source_id) or self.deleted[kind].get(source_id) or {}


def _rows(path: Path, number: int, kind: str) -> list[tuple[str, Content, bool]]:
    query = "SELECT id, content_data, deleted_at FROM content_items WHERE content_type = ?"
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        rows = db.execute(query, (number,)).fetchall()
    decoded = ((i, msgspec.msgpack.decode(blob), deleted) for i, blob, deleted in rows)
    return [(i.removeprefix(f"{kind}::"), content, deleted is not None) for i, content, deleted in decoded]


def _hosts(content: Content) -> set[str]:
    """The host names under which an item says that it can be seen."""
    found = (ORIGIN.match(str(content.get(name) or "")) for name in ("url", "public_url"))
    return {match[1] for match in found if match}


def vault_dashboards(path: Path, *, deleted: bool = False) -> dict[str, Content]:
    """Return the decoded dashboards of a vault by bare id; with `deleted` also those it marks deleted."""
    return {i: content for i, content, gone in _rows(path, 1, "dashboard") if deleted or not gone}


def read_dump(where: str) -> dict[str, dict[str, Content]]:
    """Return a dump: of a file, or of a running sandbox by its URL."""
    if where.startswith("http://"):
        with build_opener(ProxyHandler({})).open(f"{where.rstrip('/')}/_sandbox/dump") as reply:
            text = reply.read()
    else:
        text = Path(where).read_bytes()
    dump: dict[str, dict[str, Content]] = json.loads(text)
    return dump


def is_same_instance(backup: Backup, dump: Mapping[str, Mapping[str, Content]]) -> bool:
    """Whether something on the instance has the id and the creation time that it has in the vault."""
    return any(
        _second(content.get("created_at")) == _second(dump[TABLE[kind]][i].get("created_at"))
        for kind in DATED
        for i, content in backup.items[kind].items()
        if content.get("created_at") and i in dump[TABLE[kind]]
    )


def _second(at: datetime | str | None) -> int | None:
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return int(at.timestamp()) if at else None
