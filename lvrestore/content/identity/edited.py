"""Whether somebody has edited an object on the instance after the backup, as far as Looker tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from lvrestore.model import Json
from lvrestore.times import CREATED_AT_TOLERANCE, parse_time

# Looker tells the time of the last change of these kinds only. Of a dashboard it may, or may not, follow its parts.
TIMED = frozenset({"dashboard", "look", "board", "scheduled_plan"})
# A reply tells its time in whole seconds, and a cluster has several clocks.
SLACK = timedelta(seconds=10)


def edited_after_backup(
    backed_up: Json, live: Json, own_write: Callable[[], datetime | None], *, begun: bool
) -> bool | None:
    """Whether the object was edited by somebody else than this tool since it was backed up; None: nobody can tell.

    `backed_up` and `live` are its `updated_at`, in the backed-up content and on the instance. `own_write` gives the
    time of the tool's own last write to it, and is asked only when that matters. `begun`: the tool has begun to
    restore the item and not finished, so that any change may be its own.
    """
    if parse_time(backed_up) is None or parse_time(live) is None:
        return None
    if begun or not is_later(live, backed_up):
        return False
    ours, now = own_write(), parse_time(live)
    return ours is None or now is None or now > ours + SLACK


def is_later(live: Json, backed_up: Json) -> bool:
    """Whether an object has changed since it was backed up, whoever changed it."""
    then, now = parse_time(backed_up), parse_time(live)
    return then is not None and now is not None and now > then + CREATED_AT_TOLERANCE


def updated_by(live: Mapping[str, Json], name_of: Callable[[str], str | None]) -> str | None:
    """Who changed an object last: the name if it is known, else the id of the user."""
    user_id = live.get("last_updater_id")
    known_name = live.get("last_updater_name") or (name_of(str(user_id)) if user_id else None)
    return str(known_name) if known_name else str(user_id) if user_id else None
