"""The table of content types: a new type is a row here, a shape and a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from lvrestore.content import flat
from lvrestore.content.calls import Restored, Steps
from lvrestore.content.dashboard import restore_dashboard
from lvrestore.content.references import History, References
from lvrestore.content.shapes import VaultDashboard
from lvrestore.model import ContentType


class Kind(msgspec.Struct, frozen=True):
    """How one content type is decoded and restored."""

    shape: type[msgspec.Struct]
    restore: Callable[[Any, References, History], Steps[Restored]]


KINDS: Mapping[ContentType, Kind] = {
    ContentType.LOOKML_MODEL: Kind(flat.VaultModel, partial(flat.restore_flat, flat.LOOKML_MODEL)),
    ContentType.PERMISSION_SET: Kind(
        flat.VaultPermissionSet, partial(flat.restore_flat, flat.PERMISSION_SET)
    ),
    ContentType.MODEL_SET: Kind(flat.VaultModelSet, partial(flat.restore_flat, flat.MODEL_SET)),
    ContentType.ROLE: Kind(flat.VaultRole, partial(flat.restore_flat, flat.ROLE)),
    ContentType.GROUP: Kind(flat.VaultGroup, partial(flat.restore_flat, flat.GROUP)),
    ContentType.FOLDER: Kind(flat.VaultFolder, partial(flat.restore_flat, flat.FOLDER)),
    ContentType.LOOK: Kind(flat.VaultLook, partial(flat.restore_flat, flat.LOOK)),
    ContentType.DASHBOARD: Kind(VaultDashboard, restore_dashboard),
}
