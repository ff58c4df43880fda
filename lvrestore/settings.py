"""What a restore is asked to do: one frozen value, built by the command line, with the defaults in one place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from lvrestore.looker.credentials import Given
from lvrestore.looker.retry import RetryPolicy
from lvrestore.model import ContentType

DEFAULT_PROCS = 8
DEFAULT_INFLIGHT = 4
MOST_PROCS = 64
DEFAULT_RETRIES = 5
DEFAULT_STALENESS_S = 600.0
DEFAULT_OUTAGE_TIMEOUT_S = 600.0
DEFAULT_CHECKPOINT_INTERVAL = 100


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The account that the API key belongs to, by the destination's ids. Its own access is never changed."""

    id: str = ""
    email: str | None = None
    role_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()

    @property
    def ties(self) -> frozenset[tuple[str, str]]:
        """Its roles and groups, as (kind, id)."""
        return frozenset(
            [*(("role", one) for one in self.role_ids), *(("group", one) for one in self.group_ids)]
        )


class Remap(msgspec.Struct, frozen=True, kw_only=True):
    """What is called otherwise on the destination: from names of the backup to names there.

    `explores` are `model.explore`, `palettes` `collection` or `collection/palette`, `folders` ids or paths of names,
    `users` e-mail addresses or `@domain`, in lower case on the left.
    """

    models: dict[str, str] = {}
    explores: dict[str, str] = {}
    connections: dict[str, str] = {}
    folders: dict[str, str] = {}
    users: dict[str, str] = {}
    groups: dict[str, str] = {}
    palettes: dict[str, str] = {}

    def __bool__(self) -> bool:
        """Whether anything is called otherwise."""
        return any(msgspec.structs.astuple(self))

    @property
    def of_queries(self) -> str:
        """A short digest of what changes queries; empty when nothing does."""
        tables = (self.models, self.explores, self.palettes)
        if not any(tables):
            return ""
        return hashlib.blake2b(msgspec.json.encode(tables, order="sorted"), digest_size=4).hexdigest()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done to what is found. The same for all items of a run.

    `access`: whether memberships, role grants, logins and the disabled flag are written only where this run
    makes one end (`new`), everywhere (`restore`) or nowhere (`skip`, also not what sets and roles hold); with
    `assignments` `exact` what the backup does not have is taken away as well. `orphans_to` is the destination's
    folder for what cannot get its own.
    `certification`: whether certificates are written.
    `grants_by_role`: roles are restored too, and give themselves to their holders; `members_by_user`: users are,
    and join their groups.
    `schedules`: whether what this run makes or wakes may send: plans, and alerts that it wakes. `alerts`: what becomes
    of tiles that were added after the backup and have alerts. `sees_trashed_plans`: a list has shown plans of content
    in the trash, so that one without any means that there are none.
    `target_folder`: the destination's folder, by id or path, for the whole tree that is restored to another instance.
    `adopt`: the one object that has an item's name and place is taken for it, whatever else it holds.
    `owner_policy`: who owns what belongs to somebody whom the destination does not have: whoever owns it now, or the
    caller if it is new (`keep`), the caller (`me`), or the user of this e-mail address; `heir` is their id there.
    `remap`: what names of the backup become; `folders`: source ids of folders that folders of the destination stand
    for, with the ids of those.
    `link_hosts`: absolute links to the source's hosts (names, lower case) count as links, and get these hosts or
    origins (`https://host:port`).
    `lost_folder`: the source id of an item's own folder, for which the one for orphans stands; of that item alone.
    `could_be_same`: nothing proves and nobody says which instance the backup is of, and it can be the destination.
    """

    access: Literal["new", "restore", "skip"] = "new"
    assignments: Literal["merge", "exact"] = "merge"
    schedules: Literal["disabled", "as-backup", "skip"] = "disabled"
    certification: Literal["as-backup", "skip"] = "as-backup"
    alerts: Literal["keep", "delete"] = "keep"
    sees_trashed_plans: bool = False
    orphans_to: str | None = None
    target_folder: str | None = None
    adopt: bool = False
    owner_policy: str = "keep"
    heir: str | None = None
    rewrite_links: bool = True
    remap: Remap = Remap()
    folders: dict[str, str] = {}
    link_hosts: dict[str, str] = {}
    grants_by_role: bool = True
    members_by_user: bool = True
    caller: Caller = Caller()
    lost_folder: str | None = None
    could_be_same: bool = False


AS_BACKED_UP = Policy()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which items of the vault are meant. `folder` is an id or a path of names."""

    types: tuple[ContentType, ...]
    ids: tuple[str, ...] | None = None
    folder: str | None = None
    recursive: bool = False
    deleted: Literal["exclude", "include", "only"] = "exclude"


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """The most calls in any second and in any minute; None is no ceiling."""

    per_second: int | None = None
    per_minute: int | None = None


class OwnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a run stops by itself: after so many failed items, API calls, seconds. None is no limit."""

    errors: int | None = None
    calls: int | None = None
    duration_s: float | None = None


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters to try again: those that fit every condition; none is all of them.

    `fix_dependencies`: restore before them what they wait for, where the backup has it.
    """

    ids: tuple[int, ...] = ()
    session_id: str | None = None
    content_type: ContentType | None = None
    kind: str | None = None
    fix_dependencies: bool = False


class RestorationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One restore, as asked for.

    `source_instance`: what the instance of the backup is called, if the caller says so. `same_instance`: the caller
    declares that it is the destination. `source`: the name in the
    config file by which it can be asked for what no backup has. `outage_timeout_s` is the
    patience with an instance that is gone; 0 is none.
    """

    db_path: Path
    selection: Selection
    destination: Given
    source_instance: str | None = None
    same_instance: bool = False
    source: str | None = None
    policy: Policy = Policy()
    retry: Retry | None = None
    state_path: Path | None = None
    run_id: str | None = None
    lock_timeout_s: float = 0.0
    procs: int = DEFAULT_PROCS
    inflight: int = DEFAULT_INFLIGHT
    ceilings: Ceilings = Ceilings()
    retries: RetryPolicy = RetryPolicy()
    own_limits: OwnLimits = OwnLimits()
    outage_timeout_s: float = 0.0
    max_staleness_s: float = DEFAULT_STALENESS_S
    checkpoint_interval: int = DEFAULT_CHECKPOINT_INTERVAL
    dry_run: bool = False

    def remembered(self) -> dict[str, Any]:
        """What a session keeps to be continued: the selection and the policy, nothing about credentials."""
        kept: dict[str, Any] = msgspec.to_builtins(self.selection)
        policy: dict[str, Any] = msgspec.to_builtins(self.policy)
        if self.retry is not None:
            kept = {"retry": msgspec.to_builtins(self.retry)}
            if not self.policy.remap:
                del policy["remap"]  # that of the sessions that failed, which the state file knows
        return kept | {
            "policy": policy,
            "source_instance": self.source_instance,
            "same_instance": self.same_instance,
            "source": self.source,
        }

    def recalled(self, kept: dict[str, Any]) -> RestorationConfig:
        """This restore with the selection and the policy that a session was started with."""
        policy = msgspec.convert(kept.get("policy", {}), Policy, strict=False)
        source = self.source or kept.get("source")
        kept_config = msgspec.structs.replace(
            self,
            policy=policy,
            source_instance=kept.get("source_instance"),
            same_instance=bool(kept.get("same_instance")),
            source=source,
        )
        if "retry" in kept:
            retry = msgspec.convert(kept["retry"], Retry, strict=False)
            return msgspec.structs.replace(kept_config, retry=retry)
        selection = msgspec.convert(kept, Selection, strict=False)
        return msgspec.structs.replace(kept_config, selection=selection)


def default_state_path(instance: str) -> Path:
    """`$XDG_STATE_HOME/lvrestore/<host>-<port>.db` of an instance given as `https://host[:port]`."""
    parts = urlsplit(instance)
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "lvrestore" / f"{parts.hostname}-{port}.db"
