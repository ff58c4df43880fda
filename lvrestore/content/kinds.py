"""The table of content types: a new type is a row here, a shape and a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from lvrestore.content.boards.board import VaultBoard, restore_board
from lvrestore.content.calls import Restored, Steps
from lvrestore.content.case import Case
from lvrestore.content.dashboards.dashboard import restore_dashboard
from lvrestore.content.explores import VaultExplore, restore_explore
from lvrestore.content.flat.generator import restore_flat
from lvrestore.content.flat.rows import (
    FOLDER,
    LOOK,
    LOOKML_MODEL,
    MODEL_SET,
    PERMISSION_SET,
    VaultFolder,
    VaultGroup,
    VaultLook,
    VaultModel,
    VaultModelSet,
    VaultPermissionSet,
    VaultRole,
)
from lvrestore.content.people.finding import VaultUser
from lvrestore.content.people.roles import restore_group, restore_role
from lvrestore.content.people.users import restore_user
from lvrestore.content.sending.plans import VaultPlan, restore_plan
from lvrestore.content.writing.shapes import VaultDashboard
from lvrestore.model import ContentType


class Kind(msgspec.Struct, frozen=True):
    """How one content type is decoded and restored."""

    shape: type[msgspec.Struct]
    restore: Callable[[Case[Any]], Steps[Restored]]


KINDS: Mapping[ContentType, Kind] = {
    ContentType.LOOKML_MODEL: Kind(VaultModel, partial(restore_flat, LOOKML_MODEL)),
    ContentType.PERMISSION_SET: Kind(VaultPermissionSet, partial(restore_flat, PERMISSION_SET)),
    ContentType.MODEL_SET: Kind(VaultModelSet, partial(restore_flat, MODEL_SET)),
    ContentType.GROUP: Kind(VaultGroup, restore_group),
    ContentType.USER: Kind(VaultUser, restore_user),
    ContentType.ROLE: Kind(VaultRole, restore_role),
    ContentType.FOLDER: Kind(VaultFolder, partial(restore_flat, FOLDER)),
    ContentType.LOOK: Kind(VaultLook, partial(restore_flat, LOOK)),
    ContentType.DASHBOARD: Kind(VaultDashboard, restore_dashboard),
    ContentType.BOARD: Kind(VaultBoard, restore_board),
    ContentType.SCHEDULED_PLAN: Kind(VaultPlan, restore_plan),
    ContentType.EXPLORE: Kind(VaultExplore, restore_explore),
}
