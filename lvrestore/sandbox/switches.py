"""Named switches: one for each thing about Looker that nobody has confirmed on a live instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lvrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Switch(msgspec.Struct, frozen=True):
    """One belief that can be turned round. The first of the allowed values is the default."""

    allowed: tuple[str, ...]
    meaning: str

    @property
    def default(self) -> str:
        """The value that holds unless another is given."""
        return self.allowed[0]


SWITCHES = {
    "active_layout": Switch(
        ("post_deactivates_others", "keeps"), "whether a layout made or set active deactivates the others"
    ),
    "active_layout_delete": Switch(("refused", "allowed"), "whether an active layout can be deleted"),
    "alerts_of_tile": Switch(
        ("go", "stay"), "whether the alerts of a deleted tile go with it, or stay without a tile, disabled"
    ),
    "bad_credentials": Switch(("404", "401"), "how a login with wrong credentials is refused"),
    "board_undelete": Switch(
        ("honoured", "ignored"), "whether a board or section leaves the trash when deleted_at is cleared"
    ),
    "certification_in_body": Switch(
        ("honoured", "ignored"),
        "whether the body of a dashboard, look or tile can certify it, or only the call of its own",
    ),
    "component_placement": Switch(
        ("every_layout", "named_or_active"),
        "which layouts get a component for a new tile: all, or the one that it names (else the active one)",
    ),
    "disabled_owner": Switch(("accepted", "refused"), "whether a plan can be given to a disabled user"),
    "edit_revokes": Switch(
        ("no", "yes"), "whether an edit of what is certified revokes that, be it of a dashboard's part"
    ),
    "email_credentials": Switch(
        ("allowed", "forbidden"), "whether logins by e-mail can be managed; some instances leave it to others"
    ),
    "email_taken": Switch(("409", "422"), "how a login by an e-mail that somebody has is refused"),
    "filter_name": Switch(
        ("free", "unique"), "whether filters of a dashboard may share a name (titles may not)"
    ),
    "embed_subfolders": Switch(
        ("made", "refused"), "whether the API makes folders in a folder of signed embedding"
    ),
    "folder_delete": Switch(("destroys", "trashes"), "what becomes of the content of a deleted folder"),
    "folder_name_taken": Switch(("422", "409"), "how a folder name that its parent holds already is refused"),
    "get_trashed": Switch(("answers", "404"), "whether GET by id answers for something in the trash"),
    "group_cycle": Switch(("refused", "allowed"), "whether a group can be put into one that it holds"),
    "inline_credentials": Switch(
        ("ignored", "honoured"), "whether a user's body can hold the login by e-mail"
    ),
    "inline_query": Switch(
        ("ignored", "honoured"), "whether a query inside a tile's or look's body is created"
    ),
    "item_edits_move_updated_at": Switch(
        ("no", "yes"), "whether a board's updated_at follows its sections and items"
    ),
    "items_of_destroyed": Switch(
        ("go", "stay"), "whether board items go when the dashboard or look that they show is destroyed"
    ),
    "listens_to_filters": Switch(("unchecked", "must_exist"), "whether filters listened to must exist"),
    "look_title": Switch(("unique", "free"), "whether two living looks of a folder may share a title"),
    "model_taken": Switch(("422", "409"), "how a LookML model name that is configured already is refused"),
    "name_taken": Switch(
        ("422", "409", "allowed"), "whether groups, roles or sets may share a name, and how it is refused"
    ),
    "new_dashboard": Switch(
        ("defaults", "empty"),
        "whether the server fills in preferred_viewer and load_configuration",
    ),
    "normalises": Switch(
        ("nothing", "text_and_colours"),
        "whether trailing white space is stripped and colours become lower case",
    ),
    "not_found_just_after_create": Switch(("no", "once"), "whether the first GET of something new is 404"),
    "order_arrays": Switch(
        ("checked", "unchecked"), "whether section_order and item_order may name what is not there"
    ),
    "patch_nested": Switch(("merges", "replaces"), "what PATCH does with appearance, result_maker and such"),
    "retry_after": Switch(("absent", "present"), "whether a 429 of the rate limit says how long to wait"),
    "role_ids": Switch(
        ("direct", "with_inherited"), "whether a user's role_ids hold the roles of its groups too"
    ),
    "search_has_elements": Switch(("yes", "no"), "whether dashboards found by search come with their parts"),
    "search_id_list": Switch(("no", "yes"), "whether `id=1,2,3` of dashboards and looks is a list"),
    "set_in_use": Switch(("refused", "allowed"), "whether a set that a role has can be deleted"),
    "source_change": Switch(
        ("keeps_listens", "drops_listens"), "whether a tile's new source keeps its listens"
    ),
    "source_swap": Switch(
        ("implied", "explicit"),
        "whether a tile's new source drops the old one, or the old must be nulled too",
    ),
    "tab_ids": Switch(
        ("checked", "unchecked"), "whether the tabs that a plan names must be layouts of its dashboard"
    ),
    "tile_edits_move_updated_at": Switch(("yes", "no"), "whether a dashboard's updated_at follows its parts"),
    "tiles_of_layout": Switch(
        ("stay", "go"), "whether the tiles that name a layout as their tab go with it when it is deleted"
    ),
    "trashed_alert_patch": Switch(
        ("accepted", "404"), "whether an alert can be changed while its dashboard is in the trash"
    ),
    "trashed_alerts": Switch(
        ("listed", "unlisted"), "whether the search for alerts shows those on dashboards in the trash"
    ),
    "trashed_boards": Switch(("unlisted", "listed"), "whether lists of boards hold those in the trash"),
    "trashed_layouts": Switch(
        ("as_they_were", "deleted"),
        "whether a dashboard in the trash is shown with its layouts and rectangles marked deleted",
    ),
    "trashed_plan_patch": Switch(
        ("accepted", "404"), "whether a plan can be changed while what it sends is in the trash"
    ),
    "trashed_plans": Switch(
        ("listed", "unlisted"), "whether plans whose content is in the trash are listed and answered by id"
    ),
    "trashed_title_blocks": Switch(("no", "yes"), "whether a title in the trash counts as taken"),
    "ui_state": Switch(
        ("any", "text"), "whether what the interface remembers of a user may be other than text"
    ),
    "undelete_moves": Switch(
        ("yes", "no", "never"),
        "whether the PATCH that undeletes can move to another folder, or no PATCH of what is in the trash",
    ),
    "unknown_fields": Switch(
        ("refused", "ignored"), "what happens to fields and parameters unknown to the API"
    ),
    "unknown_model": Switch(
        ("accepted", "refused"), "whether a model set can hold models that are not configured"
    ),
    "unknown_permission": Switch(
        ("refused", "accepted"), "whether a permission set can hold permissions that do not exist"
    ),
    "unknown_query": Switch(("422", "404"), "how a query id that does not exist is refused"),
    "unsorted_pages": Switch(("stable", "shifting"), "whether pages without `sorts` keep their order"),
    "user_id": Switch(
        ("honoured", "ignored", "unknown"), "what becomes of user_id in a body; old servers lack it"
    ),
}


def _checked(name: str, value: str) -> str:
    if name not in SWITCHES:
        raise UsageError(f"there is no switch {name!r}", f"the switches are: {', '.join(SWITCHES)}")
    if value not in SWITCHES[name].allowed:
        raise UsageError(f"{name} cannot be {value!r}", f"it can be: {', '.join(SWITCHES[name].allowed)}")
    return value


class Switches(dict[str, str]):
    """The value of every switch; a bad name or value is refused with the good ones."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        super().__init__({name: switch.default for name, switch in SWITCHES.items()})
        for name, value in (given or {}).items():
            self[name] = value

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, _checked(name, value))


def parse_switch(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"a switch is NAME=VALUE, not {text!r}", f"the switches are: {', '.join(SWITCHES)}")
    return name, _checked(name, value)
