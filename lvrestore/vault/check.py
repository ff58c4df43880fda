"""Check a vault: decode every row, look whether references resolve, ask SQLite about the file."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lvrestore.errors import DeserializationError
from lvrestore.model import ContentType
from lvrestore.vault.decode import ContentDeserializer
from lvrestore.vault.foreign_keys import references_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lvrestore.model import VaultRow
    from lvrestore.vault.reader import Vault

    RequireUsable = Callable[[VaultRow, dict[str, Any]], None]

State = Literal["present", "deleted", "absent"]
Parts = list[dict[str, Any]] | None
# Enough for the references of neighbours; what falls out is only asked again.
REMEMBERED = 50_000


class BadRow(msgspec.Struct, frozen=True, kw_only=True, tag="bad_row"):
    """A row whose content cannot be decoded, or is not what its type demands."""

    content_type: str
    content_id: str
    name: str
    reason: str
    field: str = ""


class Damage(msgspec.Struct, frozen=True, kw_only=True, tag="damage"):
    """Something wrong with the file itself."""

    message: str


class Dangling(msgspec.Struct, frozen=True, kw_only=True, tag="dangling"):
    """A reference to a row that the vault marks deleted or does not have."""

    content_type: str
    content_id: str
    name: str
    path: str
    refers_to: str
    state: str


class Superseded(msgspec.Struct, frozen=True, kw_only=True, tag="superseded"):
    """A row that is not used: the same id in its other form was synced later."""

    content_type: str
    content_id: str
    name: str


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag="checked"):
    """The end of a check."""

    rows: int
    bad: int
    warnings: int


Finding = BadRow | Damage | Dangling | Superseded | Checked


class _Component(msgspec.Struct):
    dashboard_element_id: str | None = None


class _Layout(msgspec.Struct):
    dashboard_layout_components: list[_Component] | None = None


class _Identified(msgspec.Struct):
    """A creation time of another kind is taken for none, which makes it harder to tell the instance."""

    id: str
    created_at: datetime | None = None


class _Dashboard(_Identified):
    title: str | None = None
    dashboard_elements: Parts = None
    dashboard_filters: Parts = None
    dashboard_layouts: list[_Layout] | None = None


class _Named(msgspec.Struct):
    name: str


# What every restore relies on; the whole of it is checked when an item is restored.
SHAPES: dict[ContentType, type[msgspec.Struct]] = {
    ContentType.DASHBOARD: _Dashboard,
    ContentType.LOOKML_MODEL: _Named,
    ContentType.EXPLORE: _Named,
}


def check(vault: Vault, require_usable: RequireUsable = lambda _row, _content: None) -> Iterator[Finding]:
    """Yield what is wrong with a vault, and at last how much was checked.

    `require_usable` raises `DeserializationError` for a row that decodes, but that no object can be made of.
    """
    rows = bad = warnings = 0
    for finding in _findings(vault, require_usable):
        rows += finding is None
        bad += isinstance(finding, BadRow | Damage)
        warnings += isinstance(finding, Dangling | Superseded)
        if finding is not None:
            yield finding
    yield Checked(rows=rows, bad=bad, warnings=warnings)


def reference_states(vault: Vault) -> Callable[[ContentType, str], State]:
    """Return a function that tells whether the vault has an item, and remembers recent answers."""

    @lru_cache(maxsize=REMEMBERED)
    def state(content_type: ContentType, source_id: str) -> State:
        if vault.has(content_type, source_id, deleted="exclude"):
            return "present"
        return "deleted" if vault.has(content_type, source_id) else "absent"

    return state


def _findings(vault: Vault, require_usable: RequireUsable) -> Iterator[Finding | None]:
    """Yield None for each row that was looked at, and every finding."""
    yield from (Damage(message=line) for line in vault.damage())
    yield from (Superseded(**_identity(row)) for row in vault.superseded())
    state = reference_states(vault)
    for content_type in vault.counts():
        for row in vault.rows(content_type, deleted="include"):
            yield None
            yield from _check_row(vault, row, state, require_usable)


def _check_row(
    vault: Vault,
    row: VaultRow,
    state: Callable[[ContentType, str], State],
    require_usable: RequireUsable,
) -> Iterator[Finding]:
    deserializer = ContentDeserializer()
    try:
        content: dict[str, Any] = deserializer.deserialize(row, dict)
        deserializer.validate_schema(row, content, SHAPES.get(row.content_type, _Identified))
        require_usable(row, content)
    except DeserializationError as error:
        yield BadRow(**_identity(row), reason=error.reason, field=error.field)
        return
    for reference in references_of(row.content_type, content):
        # A type that was not backed up at all is said once, by `vault info`.
        known = vault.has_type(reference.content_type)
        if known and (found := state(reference.content_type, reference.source_id)) != "present":
            target = f"{reference.content_type.label}:{reference.source_id}"
            yield Dangling(**_identity(row), path=reference.path, refers_to=target, state=found)


def _identity(row: VaultRow) -> dict[str, str]:
    return {"content_type": row.content_type.label, "content_id": row.source_id, "name": row.name}
