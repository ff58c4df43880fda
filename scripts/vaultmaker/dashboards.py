"""Dashboards with filters, tiles and layouts, and the oddities of real ones."""

from __future__ import annotations

import random
from collections.abc import Callable

from vaultmaker.folders import home
from vaultmaker.layouts import layout, layout_id
from vaultmaker.links import add_links
from vaultmaker.queries import explores_of
from vaultmaker.shapes import FIELD, FILTER, Content, blank
from vaultmaker.tiles import tiles
from vaultmaker.wording import HOST, MODELS, TEXT, WORDS, can, chance, moment, token
from vaultmaker.world import LOOKML_DASHBOARD, World

ODD_TITLE = (4, 0)
FILTERS = (
    ("Date", "date_filter", "30 days"),
    ("Région", "string_filter", "EMEA,APAC"),
    ("Status", "field_filter", ""),
    ("Amount ≥", "number_filter", "[0,100]"),
    ("Owner", "field_filter", "{{ _user_attributes['email'] }}"),
    ("100%, really", "field_filter", None),
)
TABS = ("Overview", "Détails", "数字")


def title_of(world: World, number: int) -> str:
    """Return a dashboard's title without the rest of it."""
    rng = world.rng("dashboard", number)
    home(world, rng)
    return world.title(rng, number, ODD_TITLE)


def dashboard(world: World, number: int) -> Content:
    """Return a dashboard with filters, tiles and layouts."""
    rng, dashboard_id = world.rng("dashboard", number), world.id("dashboard", number)
    folder, title = home(world, rng), world.title(rng, number, ODD_TITLE)
    asked = filters(world, rng, number)
    placed = tiles(world, rng, number, asked)
    refresh = rng.choice((("1 hour", 3_600_000), (None, None), (None, None)))
    made = {
        "can": can("index", "show", "copy", "run", "move", "update", "destroy", "schedule", "render"),
        "content_metadata_id": str(400_000 + number),
        "description": rng.choice((TEXT, "", None)),
        "hidden": False,
        "id": dashboard_id,
        "query_timezone": rng.choice(("viewer", "America/New_York", None)),
        "readonly": False,
        "refresh_interval": refresh[0],
        "refresh_interval_to_i": refresh[1],
        "folder": folder,
        "title": title,
        "user_id": world.some_id(rng, "user"),
        "slug": token(rng, 22),
        "preferred_viewer": "dashboards-next",
        "alert_sync_with_dashboard_filter_enabled": False,
        "background_color": rng.choice(("#f6f8fa", None)),
        "created_at": moment(rng),
        "crossfilter_enabled": chance(rng, 0.4),
        "dashboard_elements": placed,
        "dashboard_filters": asked,
        "dashboard_layouts": [layout(rng, number, placed, title=title)],
        "deleted": False,
        "enable_viz_full_screen": True,
        "favorite_count": rng.randrange(40),
        "filters_bar_collapsed": False,
        "filters_location_top": True,
        "last_accessed_at": moment(rng, 2025, 1),
        "last_viewed_at": moment(rng, 2025, 1),
        "updated_at": moment(rng, 2024, 1),
        "last_updater_id": world.some_id(rng, "user"),
        "load_configuration": rng.choice(("cache_run", "prefetch_cache_run", None)),
        "lookml_link_id": None,
        "show_filters_bar": rng.choice((True, False, None)),
        "show_title": rng.choice((True, True, None)),
        "folder_id": folder["id"],
        "text_tile_text_color": rng.choice(("", "#3c4043", None)),
        "tile_background_color": rng.choice(("", "#ffffff", None)),
        "tile_text_color": rng.choice(("", None)),
        "title_color": rng.choice(("", None)),
        "view_count": rng.randrange(100_000),
        "appearance": appearance(rng) if chance(rng, 0.4) else None,
        "url": f"{HOST}/dashboards/{dashboard_id}",
    }
    for every, offset, alter in ODDITIES if world.oddities else ():
        if number % every == offset:
            alter(rng, number, made)
    if world.whole:
        add_links(world, number, made)
    return made


def filters(world: World, rng: random.Random, number: int) -> list[Content]:
    """Return the filters of a dashboard."""
    model = rng.choice(MODELS)
    view = rng.choice(explores_of(model))
    return [
        blank(
            FILTER,
            can=can("create", "update", "destroy"),
            id=str(number * 1000 + row),
            dashboard_id=world.id("dashboard", number),
            name=name,
            title=name,
            type=kind,
            default_value=default,
            model=model,
            explore=view,
            dimension=f"{view}.{WORDS[row]}",
            field=field(model, view, WORDS[row]) if not (row + 1) % 3 else None,
            row=row,
            listens_to_filters=["Date"] if row > 1 and chance(rng, 0.5) else [],
            allow_multiple_values=True,
            required=row == 0,
            ui_config={"type": "advanced", "display": "popover", "options": []} if row % 2 else None,
        )
        for row, (name, kind, default) in enumerate(FILTERS[: rng.randrange(len(FILTERS) + 1)])
    ]


def field(model: str, view: str, name: str) -> Content:
    """Return what Looker tells of a filter's field; it comes from LookML and is never written."""
    return blank(
        FIELD,
        align="left",
        can_filter=True,
        category="dimension",
        hidden=False,
        label=f"{view.title()} {name.title()}",
        label_short=name.title(),
        name=f"{view}.{name}",
        project_name=f"{model}_project",
        scope=view,
        tags=[],
        type="string",
        user_attribute_filter_types=["string", "advanced_filter_string"],
        view=view,
        times_used=0,
    )


def appearance(rng: random.Random) -> Content:
    """Return a dashboard's appearance, some of it null."""
    return {
        "page_side_margins": 8,
        "page_background_color": "#ffffff",
        "tile_title_alignment": rng.choice(("left", "center")),
        "tile_space_between": 8,
        "tile_background_color": rng.choice((None, "#fafafa")),
        "tile_shadow": chance(rng, 0.5),
        "key_color": "#1a73e8",
    }


def add_tabs(rng: random.Random, number: int, dashboard: Content) -> None:
    """Make three tabs: one labelled layout each."""
    placed = dashboard["dashboard_elements"]
    dashboard["dashboard_layouts"] = [
        layout(rng, number, placed, index=i, title=dashboard["title"], label=label, order=i, active=i == 0)
        for i, label in enumerate(TABS)
    ]


def add_inactive_copy(rng: random.Random, number: int, dashboard: Content) -> None:
    """Add the layout of an earlier viewer, which holds every tile too."""
    old = {"type": "static", "active": False, "column_width": 80, "width": 1200}
    dashboard["dashboard_layouts"].append(
        layout(rng, number, dashboard["dashboard_elements"], index=3, title=None, **old)
    )


def add_deleted_layout(rng: random.Random, number: int, dashboard: Content) -> None:
    """Add a layout that is in the trash."""
    gone = layout(rng, number, [], index=4, title=None, active=False, deleted=True)
    gone["dashboard_id"] = dashboard["id"]
    dashboard["dashboard_layouts"].append(gone)


def clear(*keys: str) -> Callable[[random.Random, int, Content], None]:
    """Return an oddity that leaves these keys out."""

    def alter(_: random.Random, __: int, dashboard: Content) -> None:
        dashboard.update(dict.fromkeys(keys))

    return alter


def empty_out(_: random.Random, __: int, dashboard: Content) -> None:
    """Make a dashboard that positively has no tiles."""
    dashboard["dashboard_elements"] = []
    for place in dashboard["dashboard_layouts"]:
        place["dashboard_layout_components"] = []


def forget_filter_owner(_: random.Random, __: int, dashboard: Content) -> None:
    """Leave the dashboard's id out of its filters, as some genuine rows do."""
    for part in dashboard["dashboard_filters"]:
        part["dashboard_id"] = None


def link_to_lookml(_: random.Random, __: int, dashboard: Content) -> None:
    """Link the dashboard to a LookML one; it stays an ordinary dashboard."""
    dashboard["lookml_link_id"] = LOOKML_DASHBOARD


no_parts = clear("dashboard_elements", "dashboard_filters", "dashboard_layouts")
no_layouts = clear("dashboard_layouts")
# (every, offset, what it does): dashboards whose number is `offset` modulo `every`.
ODDITIES: tuple[tuple[int, int, Callable[[random.Random, int, Content], None]], ...] = (
    (7, 3, add_tabs),
    (11, 4, add_inactive_copy),
    (23, 8, forget_filter_owner),
    (29, 9, empty_out),
    (37, 12, link_to_lookml),
    (41, 2, add_deleted_layout),
    # Last, because the others look into what these leave out.
    (13, 5, clear("user_id")),
    (17, 6, no_parts),
    (19, 7, clear("dashboard_elements")),
    (31, 11, no_layouts),
)


def tab_ids(world: World, number: int) -> list[str]:
    """Return the ids of a dashboard's tabs, as far as its row holds them."""
    altered = {alter for every, offset, alter in ODDITIES if number % every == offset}
    shown = world.oddities and add_tabs in altered and not altered & {no_parts, no_layouts}
    return [layout_id(number, index) for index in range(len(TABS))] if shown else []
