"""What Looker requires of a new object: one table for the generators and for the check before a run."""

from __future__ import annotations

from collections.abc import Mapping

from lvrestore.content.writing.bodies import Body
from lvrestore.errors import ValidationError

# The API description names few of these; without one of them the server answers 422 (`missing`).
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "dashboard": ("title", "folder_id"),
    "dashboard_filter": ("name", "title", "type"),
    "folder": ("name", "parent_id"),
    "group": ("name",),
    "look": ("title", "query_id", "folder_id"),
    "lookml_model": ("name",),
    "model_set": ("name",),
    "permission_set": ("name",),
    "role": ("name", "permission_set_id", "model_set_id"),
}


def check_required(kind: str, body: Body, which: str) -> None:
    """Raise `ValidationError` that names the first field which the body of a new object lacks.

    `which` names the object to people: `dashboard 42`.
    """
    for name in REQUIRED.get(kind, ()):
        if body.get(name) in (None, ""):
            raise ValidationError(f"the backup of {which} has no {name}, which Looker requires")
