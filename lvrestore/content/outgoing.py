"""What would be sent to make an item anew, as far as the backup alone tells it: references are the source's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lvrestore.content.dashboards.dashboard import filter_name
from lvrestore.content.dashboards.filters import filter_body
from lvrestore.content.flat.row import Flat, own_body
from lvrestore.content.flat.rows import FOLDER, GROUP, LOOK, LOOKML_MODEL, MODEL_SET, PERMISSION_SET, ROLE
from lvrestore.content.writing.bodies import Body, body_of, without
from lvrestore.content.writing.shapes import VaultDashboard, parts
from lvrestore.looker.models import WriteDashboard, WriteDashboardFilter
from lvrestore.model import ContentType

FLAT: Mapping[ContentType, Flat] = {
    ContentType.FOLDER: FOLDER,
    ContentType.GROUP: GROUP,
    ContentType.LOOK: LOOK,
    ContentType.LOOKML_MODEL: LOOKML_MODEL,
    ContentType.MODEL_SET: MODEL_SET,
    ContentType.PERMISSION_SET: PERMISSION_SET,
    ContentType.ROLE: ROLE,
}


class Outgoing(msgspec.Struct, frozen=True):
    """One body: of which kind it is, the struct of what may be sent, and its name to people."""

    kind: str
    which: str
    body: Body
    writes: type[msgspec.Struct]


def untouchable(content_type: ContentType, vault: Any) -> bool:  # noqa: ANN401 - the struct of the type
    """Whether the item is never written: built-ins, root folders and their like."""
    if isinstance(vault, VaultDashboard):
        return "::" in vault.id
    return content_type in FLAT and FLAT[content_type].skip(vault) is not None


def outgoing(content_type: ContentType, vault: Any) -> Iterator[Outgoing]:  # noqa: ANN401 - as above
    """The bodies that must be complete; none for types whose items need nothing of the backup."""
    if isinstance(vault, VaultDashboard):
        yield from _dashboard(vault)
    elif content_type in FLAT:
        row = FLAT[content_type]
        yield Outgoing(row.kind, f"{row.kind} {vault.id}", own_body(row, vault), row.writes)


def _dashboard(vault: VaultDashboard) -> Iterator[Outgoing]:
    body = without(body_of(vault, WriteDashboard), "deleted")
    yield Outgoing("dashboard", f"dashboard {vault.id}", body, WriteDashboard)
    for one in parts(vault.dashboard_filters) or ():
        yield Outgoing("dashboard_filter", filter_name(vault, one), filter_body(one), WriteDashboardFilter)
