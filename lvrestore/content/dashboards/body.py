"""The dashboard's own fields as they are to be sent."""

from __future__ import annotations

from lvrestore.content.knowledge import References, destination_of, whereabouts
from lvrestore.content.writing.bodies import Body, body_of, without
from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.content.writing.shapes import VaultDashboard, known
from lvrestore.looker.models import DashboardAppearance, DashboardDownloadSettings, WriteDashboard

# The vault drops top-level nulls, so absent means null or unknown to the SDK that extracted. These fields every
# extracting SDK knew, and the API description lets them be null: absent means null.
CLEARED_WHEN_ABSENT = (
    "appearance",
    "background_color",
    "description",
    "load_configuration",
    "lookml_link_id",
    "preferred_viewer",
    "query_timezone",
    "refresh_interval",
    "show_filters_bar",
    "show_title",
    "text_tile_text_color",
    "tile_background_color",
    "tile_text_color",
    "title_color",
)


NESTED = {
    "appearance": DashboardAppearance.__struct_fields__,
    "download_settings": DashboardDownloadSettings.__struct_fields__,
}


def shell_body(vault: VaultDashboard, refs: References) -> Body:
    """The dashboard's own fields; references translated, those that cannot be are None."""
    body = without(body_of(vault, WriteDashboard), "deleted", CERTIFICATE)
    for name in CLEARED_WHEN_ABSENT:
        body.setdefault(name, None)
    if folder_id := body.get("folder_id"):
        body["folder_id"] = whereabouts(refs, "folder", folder_id)
    if owner := body.get("user_id"):
        body["user_id"] = destination_of(refs, "user", owner)
    if known(vault.user_id) and body["user_id"] is None:
        body["user_id"] = refs.policy.heir
    # Null says nothing for these: Looker needs a title and a folder, and gives owner and slug itself.
    return {
        name: value
        for name, value in body.items()
        if value is not None or name not in {"title", "folder_id", "user_id", "slug"}
    }
