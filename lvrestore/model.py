"""The values that cross boundaries: content types, vault rows, operations, outcomes."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec


class ContentType(IntEnum):
    """The twelve types of a lookervault backup, with the numbers its `content_type` column holds."""

    DASHBOARD = 1
    LOOK = 2
    LOOKML_MODEL = 3
    EXPLORE = 4
    FOLDER = 5
    BOARD = 6
    USER = 7
    GROUP = 8
    ROLE = 9
    PERMISSION_SET = 10
    MODEL_SET = 11
    SCHEDULED_PLAN = 12

    @property
    def label(self) -> str:
        """Singular lower-case name, as on the command line and in JSON: `lookml_model`."""
        return self.name.lower()


def parse_content_type(text: str) -> ContentType:
    """Accept singular, plural, any case and `-` for `_`; raise ValueError that lists the valid names."""
    name = text.strip().replace("-", "_").upper()
    for candidate in (name, name.removesuffix("S")):
        if candidate in ContentType.__members__:
            return ContentType[candidate]
    valid = ", ".join(t.label for t in ContentType)
    raise ValueError(f"unknown content type {text!r}; valid are: {valid}")


class Operation(StrEnum):
    """What happened, or would happen, to one selected item. Every item ends as exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNDELETED = "undeleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"


SUCCESSES = frozenset({Operation.CREATED, Operation.UPDATED, Operation.UNDELETED, Operation.UNCHANGED})


class VaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `content_items`, blob undecoded. `source_id` is bare (`42`), whatever form the vault has."""

    content_type: ContentType
    source_id: str
    name: str
    blob: bytes
    owner_id: str | None = None
    folder_id: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None


Json = Any  # a decoded JSON value; its shape is Looker's, checked where it is used
