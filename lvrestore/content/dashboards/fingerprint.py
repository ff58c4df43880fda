"""Fingerprints of a dashboard: of the backup's, and of the live one however it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from lvrestore.content.dashboards.tiles import relinked_tile
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body, fingerprint
from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.content.writing.certificates import WRITABLE
from lvrestore.content.writing.shapes import VaultDashboard, parts
from lvrestore.looker.models import (
    WriteDashboard,
    WriteDashboardElement,
    WriteDashboardFilter,
    WriteDashboardLayout,
    WriteDashboardLayoutComponent,
    WriteResultMakerWithIdVisConfigAndDynamicFields,
)
from lvrestore.model import Json

# A list may show parts with other fields than an answer of their own, and what a source is, is known by its id.
_PARTS = {
    "dashboard_elements": (*WriteDashboardElement.__struct_fields__, "id"),
    "dashboard_filters": (*WriteDashboardFilter.__struct_fields__, "id"),
    "dashboard_layouts": (*WriteDashboardLayout.__struct_fields__, "id", "dashboard_layout_components"),
    "dashboard_layout_components": (*WriteDashboardLayoutComponent.__struct_fields__, "id"),
}


_OBJECTS = {
    "result_maker": WriteResultMakerWithIdVisConfigAndDynamicFields.__struct_fields__,
    CERTIFICATE: WRITABLE,
}


_EMBEDDED = frozenset({"query", "look"})


def vault_fingerprint(vault: VaultDashboard, refs: References) -> bytes:
    """16 bytes that change when anything restorable in the backup's dashboard does, or where its links go by now.

    With `--alerts delete` they are others: what was kept for its alerts was accepted without that only.
    """
    if (tiles := parts(vault.dashboard_elements)) is not None:
        vault = msgspec.structs.replace(
            vault, dashboard_elements=[relinked_tile(tile, refs) for tile in tiles]
        )
    content: Body = msgspec.to_builtins(vault, builtin_types=(datetime,))
    if refs.policy.certification == "skip":
        content[CERTIFICATE] = "skip"  # what is accepted without certificates may lack some
    if refs.policy.alerts == "delete":
        content["alerts"] = "delete"  # what is accepted without that may have tiles that were kept
    return fingerprint(content)


def live_fingerprint(live: Mapping[str, Json]) -> bytes:
    """16 bytes that change when anything writable on the live dashboard does, however it was read."""
    return fingerprint(_view(live, (*WriteDashboard.__struct_fields__, *_PARTS)))


def _view(live: Mapping[str, Json], fields: Iterable[str]) -> Body:
    return {name: _seen(name, live.get(name)) for name in fields if name not in _EMBEDDED}


def _seen(name: str, value: Json) -> Json:
    if name in _PARTS:
        shown = (_view(part, _PARTS[name]) for part in value or ())
        return sorted(shown, key=lambda part: str(part["id"]))
    return _view(value, _OBJECTS[name]) if name in _OBJECTS and value else value
