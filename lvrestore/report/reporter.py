"""What the engine tells whoever shows a run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from lvrestore.model import ContentType, Json, RestorationResult, Scanned, VaultRow
from lvrestore.plan.identity import Verdict
from lvrestore.plan.plausibility import Visible
from lvrestore.report.tally import Tally
from lvrestore.state.sessions import SessionRow


class RetryIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be tried again: letters, what waits for them, what they lack and the backup has."""

    letters: int
    waiting: int
    missing: int
    backup: Path | None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to happen, for the question before it does.

    `source` is the instance that the backup is of, `mapped` how many of its objects earlier runs brought here.
    `counts` are in the order of the run; `absent_types` are those of which the backup has no row at all; `scanned`
    is what was read in bulk; `there` counts, by type, items that it showed to be on the destination already, `edited`
    those that were edited there after the backup.
    `hidden` are the types of which it showed next to nothing.
    `asks_identity`: the caller declares that it is the instance of the backup, which has a question of its own.
    `sending` are sentences about schedules and alerts.
    `to_fetch` are definitions that are first got from the `live_source` itself. `only` is the item, where it is one.
    """

    counts: dict[ContentType, int]
    absent_types: tuple[ContentType, ...] = ()
    scanned: tuple[Scanned, ...] = ()
    there: dict[ContentType, int] = {}
    edited: dict[ContentType, int] = {}
    sending: tuple[str, ...] = ()
    hidden: tuple[Visible, ...] = ()
    mapped: int = 0
    left_out_deleted: int
    vault_path: Path
    vault_newest: str | None
    instance: str
    source: str
    verdict: Verdict
    session: SessionRow | None
    asks_identity: bool = False
    to_fetch: int = 0
    live_source: str | None = None
    retry: RetryIntent | None = None
    only: VaultRow | None = None

    @property
    def total(self) -> int:
        """Items to restore."""
        return sum(self.counts.values())


class Reporter(Protocol):
    """Whoever shows a run: a terminal, or JSON lines."""

    def confirm(self, intent: Intent) -> bool:
        """Say what will happen and ask; False to leave everything as it is."""
        ...

    def begin(self, intent: Intent, *, dry_run: bool) -> None:
        """The run starts."""
        ...

    def result(self, result: RestorationResult, tally: Tally) -> None:
        """One item has ended, and it is stored."""
        ...

    def seen(self, result: RestorationResult, tally: Tally) -> None:
        """One item was looked at in a dry run; what is told of it may have to wait for a second look."""
        ...

    def tick(self, tally: Tally) -> None:
        """Time passes."""
        ...

    def end(self, summary: dict[str, Json]) -> None:
        """The run is over."""
        ...

    def say(self, message: str) -> None:
        """Something that the person should know, and need not do anything about."""
        ...

    def warn(self, message: str) -> None:
        """Something that concerns the run as a whole."""
        ...
