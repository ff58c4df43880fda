"""Times as Looker and backups write them: read, and compared with a tolerance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from lvrestore.model import Json

# Looker's clock, the vault's and ours agree to about this; created_at has whole seconds on older releases.
CREATED_AT_TOLERANCE = timedelta(seconds=1)


def parse_time(value: Json) -> datetime | None:
    """An aware datetime from what Looker or a vault gives; naive ones are UTC; None for anything else."""
    if isinstance(value, str):
        try:
            value = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def contradicts(one: Json, other: Json) -> bool:
    """Whether two creation times cannot be of one object. An unknown time contradicts nothing."""
    a, b = parse_time(one), parse_time(other)
    return a is not None and b is not None and abs(a - b) > CREATED_AT_TOLERANCE
