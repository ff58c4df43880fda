"""What a vault blob holds of a dashboard: the writable fields of Looker's models, plus ids and nesting."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from lvrestore.looker.models import (
    WriteDashboard,
    WriteDashboardElement,
    WriteDashboardFilter,
    WriteDashboardLayout,
    WriteDashboardLayoutComponent,
)

Text = str | None | UnsetType


class VaultTile(WriteDashboardElement, frozen=True, kw_only=True):
    """A tile; `look` and `query` are what the source embedded, kept to tell broken references from lost ones."""

    id: Text = UNSET
    look: dict[str, Any] | UnsetType | None = UNSET
    query: dict[str, Any] | UnsetType | None = UNSET


class VaultFilter(WriteDashboardFilter, frozen=True, kw_only=True):
    """A dashboard filter."""

    id: Text = UNSET


class VaultComponent(WriteDashboardLayoutComponent, frozen=True, kw_only=True):
    """One tile's rectangle in one layout."""

    id: Text = UNSET


class VaultLayout(WriteDashboardLayout, frozen=True, kw_only=True):
    """A layout (a tab) with its components."""

    id: Text = UNSET
    deleted: bool | UnsetType | None = UNSET
    dashboard_layout_components: list[VaultComponent] | UnsetType | None = UNSET


class VaultDashboard(WriteDashboard, frozen=True, kw_only=True):
    """A dashboard. A missing list of parts means "not captured", never "none"."""

    id: str = ""
    created_at: Any = UNSET  # a timestamp in msgpack, text in JSON and in some fields of old releases
    dashboard_elements: list[VaultTile] | UnsetType | None = UNSET
    dashboard_filters: list[VaultFilter] | UnsetType | None = UNSET
    dashboard_layouts: list[VaultLayout] | UnsetType | None = UNSET


def known(value: Any) -> Any:  # noqa: ANN401 - passes any field through
    """None for a field that the vault does not have, else the field."""
    return None if value is UNSET else value


def parts(value: list[Any] | UnsetType | None) -> list[Any] | None:
    """The list, or None when it was not captured."""
    return value if isinstance(value, list) else None
