"""What a restore is asked to do: one frozen value, built by the command line, with the defaults in one place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from lvrestore.looker.credentials import Given
from lvrestore.model import ContentType

DEFAULT_PROCS = 8
DEFAULT_INFLIGHT = 4
MOST_PROCS = 64
DEFAULT_RETRIES = 5


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which items of the vault are meant. `folder` is an id or a path of names."""

    types: tuple[ContentType, ...]
    ids: tuple[str, ...] | None = None
    folder: str | None = None
    recursive: bool = False
    deleted: Literal["exclude", "include", "only"] = "exclude"


class RestorationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One restore, as asked for."""

    db_path: Path
    selection: Selection
    destination: Given
    state_path: Path | None = None
    lock_timeout_s: float = 0.0
    procs: int = DEFAULT_PROCS
    inflight: int = DEFAULT_INFLIGHT
    rate_per_second: int | None = None
    rate_per_minute: int | None = None
    max_retries: int = DEFAULT_RETRIES
    dry_run: bool = False

    def remembered(self) -> dict[str, Any]:
        """What a session keeps to be continued: the selection, nothing about credentials."""
        kept: dict[str, Any] = msgspec.to_builtins(self.selection)
        return kept


def default_state_path(instance: str) -> Path:
    """`$XDG_STATE_HOME/lvrestore/<host>-<port>.db` of an instance given as `https://host[:port]`."""
    parts = urlsplit(instance)
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "lvrestore" / f"{parts.hostname}-{port}.db"
