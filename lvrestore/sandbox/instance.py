"""One in-memory instance: its store, switches, clock and caller, and the small rules all kinds share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lvrestore.sandbox.founding import add_built_ins, add_roots
from lvrestore.sandbox.refusals import not_found
from lvrestore.sandbox.store import Dashboard, Row, Store, token
from lvrestore.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RELEASE = "26.12.8"
CERTIFICATE = "certification_metadata"


@lru_cache(maxsize=1 << 12)
def iso(stamp: float | None) -> str | None:
    """Write a time as Looker does: UTC, milliseconds."""
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")


class Instance:
    """The state that the handlers work on."""

    def __init__(
        self,
        switches: Mapping[str, str] | None,
        clock: Callable[[], float],
        web_server_url: str,
        first_id: int = 1,
    ) -> None:
        self.switches = Switches(switches)
        self.first_id = first_id
        self.clock = clock
        self.web_server_url = web_server_url
        self.at: float | None = None
        self.ahead_s = 0.0
        self.turn = 0
        # What was asked for, without the page, and all that is to come, in order: gone with the next write.
        self.kept_order: tuple[Any, list[Any]] | None = None
        self.store: Store
        self.fresh: set[tuple[str, str]] = set()
        self.caller_id = ""
        self.runs: list[str] = []
        self.found()

    def found(self) -> None:
        """Start over with what every instance has: root folders, what is built in, the caller."""
        self.empty()
        self.complete()

    def empty(self) -> None:
        """Forget everything."""
        self.store = Store(self.first_id)
        self.fresh.clear()

    def complete(self) -> None:
        """Add what every instance has and this one lacks, and the caller."""
        add_roots(self.store)
        admin = add_built_ins(self.store)
        self.caller_id = self.add_caller()
        self.store.access.user_roles.add(admin, self.caller_id)

    def add_caller(self) -> str:
        """Add the user that the API credentials belong to."""
        user_id, email = self.store.new_id("user"), "api@sandbox.invalid"
        self.store.users[user_id] = {
            "id": user_id,
            "first_name": "API",
            "last_name": "User",
            "display_name": "API User",
            "credentials_email": {"email": email, "user_id": user_id, "type": "email"},
            "credentials_api3": [{"id": self.store.new_id("api3"), "client_id": "id", "type": "api3"}],
        }
        self.store.set_email(self.store.users[user_id], email)
        return user_id

    def now(self) -> float:
        """Return the time: the clock's, or that at which a late commit takes place."""
        return self.clock() + self.ahead_s if self.at is None else self.at

    def on(self, name: str, value: str) -> bool:
        """Tell whether a switch stands so."""
        return self.switches[name] == value

    def certified(self, certificate: Row) -> Row:
        """Return a certificate with who gives it, and when."""
        by = self.store.users[self.caller_id]["display_name"]
        return {**certificate, "user_name": by, "updated_at": iso(self.now())}

    def revoke(self, row: Row, changes: Row | None = None) -> None:
        """Revoke the certificate of what was edited, if this instance does; to certify is no edit."""
        certificate = row.get(CERTIFICATE) or {}
        is_edit = changes is None or bool(changes.keys() - {CERTIFICATE})
        if is_edit and certificate.get("certification_status") and self.on("edit_revokes", "yes"):
            row[CERTIFICATE] = self.certified({**certificate, "certification_status": "revoked"})

    def touch(self, dashboard: Dashboard) -> None:
        """Note on a dashboard that one of its parts changed."""
        self.revoke(dashboard.row)
        if self.on("tile_edits_move_updated_at", "yes"):
            self.sign(dashboard.row)

    def touch_board(self, board: Row) -> None:
        """Note on a board that one of its sections or items changed."""
        if self.on("item_edits_move_updated_at", "yes"):
            board["updated_at"] = self.now()

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
