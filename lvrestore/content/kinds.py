"""The table of content types: a new type is a row here, a shape and a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from lvrestore.content import flat
from lvrestore.content.boards import VaultBoard, restore_board
from lvrestore.content.calls import Restored, Steps
from lvrestore.content.dashboard import restore_dashboard
from lvrestore.content.explores import VaultExplore, restore_explore
from lvrestore.content.plans import VaultPlan, restore_plan
from lvrestore.content.references import History, References
from lvrestore.content.roles import restore_group, restore_role
from lvrestore.content.shapes import VaultDashboard
from lvrestore.content.users import VaultUser, restore_user
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
    ContentType.GROUP: Kind(flat.VaultGroup, restore_group),
    ContentType.USER: Kind(VaultUser, restore_user),
    ContentType.ROLE: Kind(flat.VaultRole, restore_role),
    ContentType.FOLDER: Kind(flat.VaultFolder, partial(flat.restore_flat, flat.FOLDER)),
    ContentType.LOOK: Kind(flat.VaultLook, partial(flat.restore_flat, flat.LOOK)),
    ContentType.DASHBOARD: Kind(VaultDashboard, restore_dashboard),
    ContentType.BOARD: Kind(VaultBoard, restore_board),
    ContentType.SCHEDULED_PLAN: Kind(VaultPlan, restore_plan),
    ContentType.EXPLORE: Kind(VaultExplore, restore_explore),
}
