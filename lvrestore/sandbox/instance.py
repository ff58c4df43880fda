"""One in-memory instance: its store, switches, clock and caller, and the small rules all kinds share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from lvrestore.sandbox.refusals import not_found
from lvrestore.sandbox.store import Dashboard, Row, Store, token
from lvrestore.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RELEASE = "26.12.8"

ROOTS: tuple[Row, ...] = (
    {"id": "1", "name": "Shared", "is_shared_root": True},
    {"id": "2", "name": "Users", "is_users_root": True},
    {"id": "3", "name": "Embed Groups", "is_embed_shared_root": True, "is_embed": True},
    {"id": "4", "name": "Embed Users", "is_embed_users_root": True, "is_embed": True},
    {"id": "lookml", "name": "LookML Dashboards"},
)


@lru_cache(maxsize=1 << 12)
def iso(stamp: float | None) -> str | None:
    """Write a time as Looker does: UTC, milliseconds."""
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")


class Instance:
    """The state that the handlers work on."""

    def __init__(
        self, switches: Mapping[str, str] | None, clock: Callable[[], float], web_server_url: str
    ) -> None:
        self.switches = Switches(switches)
        self.clock = clock
        self.web_server_url = web_server_url
        self.at: float | None = None
        self.ahead_s = 0.0
        self.turn = 0
        self.fresh: set[tuple[str, str]] = set()
        self.caller_id = ""
        self.store = Store()
        self.found()

    def found(self) -> None:
        """Start over with what every instance has: the root folders and the caller."""
        self.empty()
        self.complete()

    def empty(self) -> None:
        """Forget everything."""
        self.store = Store()
        self.fresh.clear()

    def complete(self) -> None:
        """Add what every instance has: the root folders, as far as their ids are free, and the caller."""
        for root in ROOTS:
            self.store.reserve("folder", root["id"])
            if root["id"] not in self.store.folders:
                self.store.put_folder(dict(root))
        self.caller_id = self.add_caller()

    def add_caller(self) -> str:
        """Add the user that the API credentials belong to."""
        user_id = self.store.new_id("user")
        self.store.users[user_id] = {
            "id": user_id,
            "first_name": "API",
            "last_name": "User",
            "display_name": "API User",
            "email": "api@sandbox.invalid",
            "group_ids": [],
            "role_ids": [],
        }
        return user_id

    def now(self) -> float:
        """Return the time: the clock's, or that at which a late commit takes place."""
        return self.clock() + self.ahead_s if self.at is None else self.at

    def on(self, name: str, value: str) -> bool:
        """Tell whether a switch stands so."""
        return self.switches[name] == value

    def touch(self, dashboard: Dashboard) -> None:
        """Note on a dashboard that one of its parts changed."""
        if self.on("tile_edits_move_updated_at", "yes"):
            self.sign(dashboard.row)

    def sign(self, row: Row) -> None:
        """Note who changed something, and when."""
        row["updated_at"] = self.now()
        row["last_updater_id"] = self.caller_id

    def born(self, kind: str, object_id: str) -> None:
        """Note that something is new."""
        if self.on("not_found_just_after_create", "once"):
            self.fresh.add((kind, object_id))

    def see(self, kind: str, object_id: str) -> None:
        """Refuse the first read of something new, if this instance is a slow one."""
        if (kind, object_id) in self.fresh:
            self.fresh.discard((kind, object_id))
            raise not_found()

    def new_slug(self, *seeds: object) -> str:
        """Return a slug as the server makes them."""
        return token(22, *seeds)
