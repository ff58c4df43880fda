"""What a backup cannot give back, and what follows when a type was not backed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.model import ContentType

if TYPE_CHECKING:
    from collections.abc import Collection

# Never in a lookervault backup, whatever types were extracted.
NOT_IN_A_BACKUP: dict[str, str] = {
    "queries of looks": "only the id is kept: on another instance a look needs a tile that embeds its query",
    "merge definitions": "only the id is kept: on another instance the sources of merged results are unknown",
    "explores and LookML": "they live in git; only their existence on the destination can be checked",
    "secrets": "passwords, API keys and the secret parameters of schedules are never readable",
    "alerts": "not extracted",
    "access": "who may see or edit folders, dashboards, looks and boards is not extracted",
    "group nesting": "members can be rebuilt from users; groups in groups and their roles cannot",
    "user attributes": "neither the attributes nor their values are extracted",
    "histories": "ids, view counts, favourites and public links of what was destroyed come out new",
}
# What is worse off when a type is absent.
WITHOUT: dict[ContentType, str] = {
    ContentType.DASHBOARD: "no dashboard can be restored",
    ContentType.LOOK: "no look can be restored; tiles that show looks need them on the destination",
    ContentType.LOOKML_MODEL: "models must be configured on the destination, or queries are refused",
    ContentType.EXPLORE: "nothing is lost: explores exist only as LookML",
    ContentType.FOLDER: "folders must exist on the destination; paths of folders are unknown",
    ContentType.BOARD: "no board can be restored",
    ContentType.USER: "owners cannot be mapped to another instance by e-mail",
    ContentType.GROUP: "no group can be restored",
    ContentType.ROLE: "no role can be restored",
    ContentType.PERMISSION_SET: "roles need theirs on the destination",
    ContentType.MODEL_SET: "roles need theirs on the destination",
    ContentType.SCHEDULED_PLAN: "schedules of destroyed content are lost",
}


def missing_matters(missing: Collection[ContentType]) -> bool:
    """Tell whether something can be missed: explores are absent from every backup."""
    return any(content_type is not ContentType.EXPLORE for content_type in missing)
