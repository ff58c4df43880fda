"""Make a lookervault backup of any size from a seed, byte for byte shaped like one that lookervault wrote.

Every object follows from the seed, its type and its number alone, so the rows are written as they are
made and memory does not grow with the vault. Every reference between rows resolves.
"""

from __future__ import annotations

import argparse
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

Content = dict[str, Any]
IdForm = Literal["bare", "composite"]

HOST = "https://looker.example.com"
EXTRACTED_AT = datetime(2025, 11, 3, 4, tzinfo=UTC)
ROWS_PER_COMMIT = 1000
NEWEST_SCHEMA = 4
DEEPEST_FOLDER = 6
PERMITTED = ("index", "show", "update")


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


# The attributes of the SDK's classes, in their order: nested objects carry all of them, nulls included.
TILE = words(
    """can body_text body_text_as_html dashboard_id dashboard_layout_id edit_uri id look look_id
    lookml_link_id merge_result_id note_display note_state note_text note_text_as_html query query_id
    refresh_interval refresh_interval_to_i result_maker result_maker_id subtitle_text title title_hidden
    title_text type alert_count rich_content_json title_text_as_html subtitle_text_as_html extension_id
    aria_description"""
)
FILTER = words(
    """can id dashboard_id name title type default_value model explore dimension field row
    listens_to_filters allow_multiple_values required ui_config"""
)
FIELD = words(
    """align can_filter category default_filter_value description enumerations field_group_label fill_style
    fiscal_month_offset has_allowed_values hidden is_filter is_numeric label label_from_parameter label_short
    map_layer name strict_value_format requires_refresh_on_sort sortable suggestions tags type
    user_attribute_filter_types value_format view view_label dynamic week_start_day original_view
    dimension_group error field_group_variant measure parameter primary_key project_name scope
    suggest_dimension suggest_explore suggestable is_fiscal is_timeframe can_time_filter time_interval
    lookml_link permanent source_file source_file_path sql sql_case filters times_used"""
)
LAYOUT = words(
    """can id dashboard_id type active column_width width deleted dashboard_title
    dashboard_layout_components label description order"""
)
COMPONENT = words(
    """can id dashboard_layout_id dashboard_element_id row column width height deleted element_title
    element_title_hidden vis_type"""
)
QUERY = words(
    """model view can id fields pivots fill_fields filters filter_expression sorts limit column_limit total
    row_total subtotals vis_config filter_config visible_ui_sections slug dynamic_fields client_id
    share_url expanded_share_url url query_timezone has_table_calculations"""
)
RESULT_MAKER = words(
    """id dynamic_fields filterables sorts merge_result_id total query_id sql_query_id query vis_config"""
)
LOOK = words(
    """can content_metadata_id id title user_id certification_metadata content_favorite_id created_at
    deleted deleted_at deleter_id description embed_url excel_file_url favorite_count
    google_spreadsheet_formula image_embed_url is_run_on_load last_accessed_at last_updater_id
    last_viewed_at model public public_slug public_url query_id short_url folder folder_id updated_at
    user_name view_count query url"""
)
FOLDER = words(
    """name parent_id id content_metadata_id created_at creator_id child_count external_id is_embed
    is_embed_shared_root is_embed_users_root is_personal is_personal_descendant is_shared_root
    is_users_root can"""
)
EXPLORE = words("""name description label hidden group_label""")
CREDENTIALS_EMAIL = words(
    """can created_at email forced_password_reset_at_next_login user_id is_disabled logged_in_at
    password_reset_url account_setup_url password_reset_url_expired account_setup_url_expired type url
    user_url"""
)

WORDS = words(
    """campaign cohort cost revenue orders churn fleet fraud funnel headcount inventory latency margin
    payroll pipeline quota refunds renewals retention returns routes sessions shipping signups spend
    tickets uptime warehouse yield"""
)
REGIONS = ("EMEA", "APAC", "LATAM", "Nordics", "São Paulo", "Île-de-France", "Москва", "東京", "北京")
NAMES = ("Noor", "José", "Łucja", "Søren", "李", "Aoife", "محمد", "Zoë")
ODD_TITLES = (
    "📈 Weekly KPIs 🚀",
    "NOT NULL",
    "100% of _everything_, daily",
    "لوحة المبيعات",
    "לוח מכירות 2024",
    "売上ダッシュボード（月次）",  # noqa: RUF001 - as people type it
    "Sales / Finance / Q1",
    "<b>bold</b> & [red]markup[/red] {{ liquid }}",
    "bell \x07 escape \x1b[31m tab\t",
    "re\u0301sume\u0301 zero\u200bwidth \u202eturned",
    "0",
    "null",
    "'; DROP TABLE content_items; --",
    "-EMEA,APAC",
    "  spaces around  ",
    "a title that goes on and on, " * 68 + "to the twentieth hundred",
)
MODELS = ("thelook", "marketing", "finance_eu")
EXPLORES_PER_MODEL = 8
SHARED_QUERIES = 50
TEXT = "The numbers on this tile refresh nightly. Ask the owning team before you change the filters. "


def blank(keys: list[str], **given: object) -> Content:
    """Return a nested object: every attribute, null where not given."""
    return dict.fromkeys(keys) | given


def chance(rng: random.Random, share: float) -> bool:
    """Return True in this share of cases."""
    return rng.random() < share


def token(rng: random.Random, length: int) -> str:
    """Return a random token of letters and digits."""
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def moment(rng: random.Random, first_year: int = 2019, years: int = 5) -> datetime:
    """Return a time with milliseconds."""
    return datetime(first_year, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=rng.randrange(years * 31_536_000_000)
    )


def can(*actions: str) -> dict[str, bool]:
    """Return what the extracting account was permitted."""
    return dict.fromkeys(actions or PERMITTED, True)


class World:
    """All objects of one vault by number, counted from 1."""

    def __init__(
        self,
        *,
        dashboards: int = 100,
        looks: int = 50,
        folders: int = 40,
        users: int = 20,
        seed: int = 1,
        disjoint_ids: bool = False,
        oddities: bool = True,
    ) -> None:
        self.dashboards, self.looks, self.folders, self.users = dashboards, looks, folders, users
        self.seed, self.oddities = seed, oddities
        # One key for all types, as before schema 4, would let a look overwrite the dashboard with its number.
        step = 10_000_000 if disjoint_ids else 0
        self.base = {"dashboard": 0, "look": step, "folder": 2 * step, "user": 3 * step}
        self._parents, self._depths = self._folder_tree()
        self._children = Counter(self._parents.values())
        self.folder = lru_cache(maxsize=4096)(self._folder)
        self.look_with_query = lru_cache(maxsize=512)(self._look_with_query)
        self.shared_query = lru_cache(maxsize=SHARED_QUERIES)(self._shared_query)

    def rng(self, kind: str, number: int) -> random.Random:
        """Return the randomness of one object."""
        return random.Random(f"{self.seed}/{kind}/{number}")

    def id(self, kind: str, number: int) -> str:
        """Return an object's id."""
        return str(self.base[kind] + number)

    # -- folders and users --------------------------------------------------------------------------

    @property
    def folder_count(self) -> int:
        """Four roots, a personal folder for each user, the ordinary ones, and the one of LookML."""
        return len(ROOTS) + self.users + self.folders + 1

    def _folder_tree(self) -> tuple[dict[int, int], dict[int, int]]:
        parents, depths = dict.fromkeys(range(5, 5 + self.users), 2), {1: 1}
        rng, first = self.rng("tree", 0), len(ROOTS) + self.users + 1
        for number in range(first, first + self.folders):
            # The first ones go straight down, so that every vault has the deepest level.
            above = number - 1 if number < first + DEEPEST_FOLDER - 1 else rng.randrange(first, number)
            parent = above if number > first and depths[above] < DEEPEST_FOLDER else 1
            parents[number], depths[number] = parent, depths[parent] + 1
        return parents, depths

    def _folder(self, number: int) -> Content:
        """Return a folder as it is nested in dashboards and looks."""
        rng, parent = self.rng("folder", number), self._parents.get(number)
        folder_id = self.id("folder", number)
        flags = {key: False for key in FOLDER if key.startswith("is_")}
        return (
            blank(FOLDER)
            | flags
            | {
                "name": self._folder_name(rng, number),
                "parent_id": parent and self.id("folder", parent),
                "id": folder_id,
                "content_metadata_id": str(100 + number),
                "created_at": moment(rng) if parent else None,
                "creator_id": self._user_id(rng) if parent else None,
                "child_count": self._children[number],
                "is_personal": parent == 2,  # noqa: PLR2004 - the root of users
                "can": can("index", "show", "create", "edit_content", "move_content"),
                **ROOTS.get(number, {}),
                **(LOOKML_FOLDER if number == self.folder_count else {}),
            }
        )

    def _folder_name(self, rng: random.Random, number: int) -> str:
        if 0 < number - len(ROOTS) <= self.users:
            return self._user_name(number - len(ROOTS))
        return self._title(rng, number - len(ROOTS) - self.users, every=5)

    def folder_row(self, number: int) -> Content:
        """Return a folder as a row of its own."""
        return dict(self.folder(number))

    def _home(self, rng: random.Random) -> Content:
        """Return a folder that content may lie in: Shared, a personal or an ordinary one."""
        number = rng.randrange(len(ROOTS), self.folder_count)
        return self.folder(1 if number == len(ROOTS) else number)

    def _user_id(self, rng: random.Random) -> str | None:
        return self.id("user", rng.randint(1, self.users)) if self.users else None

    def _user_name(self, number: int) -> str:
        return f"{NAMES[number % len(NAMES)]} Example {number}"

    def user(self, number: int) -> Content:
        """Return a user; each eighth one has no e-mail login."""
        rng, user_id = self.rng("user", number), self.id("user", number)
        url, email = f"{HOST}/api/4.0/users/{user_id}", f"user{number}@example.com"
        has_email = number % 8 != 0
        first_name, last_name = self._user_name(number).split(" ", 1)
        credentials = blank(
            CREDENTIALS_EMAIL,
            created_at=moment(rng).isoformat(timespec="milliseconds"),
            email=email,
            forced_password_reset_at_next_login=False,
            user_id=user_id,
            is_disabled=False,
            logged_in_at=moment(rng, 2025, 1).isoformat(timespec="milliseconds"),
            type="email",
            url=f"{url}/credentials_email",
        )
        return {
            "can": can("show", "index", "show_details", "sudo"),
            "avatar_url": f"{HOST}/avatar/{user_id}.png",
            "credentials_api3": [],
            "credentials_email": credentials if has_email else None,
            "credentials_embed": [],
            "display_name": f"{first_name} {last_name}",
            "email": email if has_email else None,
            "first_name": first_name,
            "group_ids": [],
            "home_folder_id": self.id("folder", 1),
            "id": user_id,
            "is_disabled": number % 19 == 0,
            "last_name": last_name,
            "locale": rng.choice(("en", "fr", "ja", None)),
            "looker_versions": ["25.18.30"],
            "personal_folder_id": self.id("folder", len(ROOTS) + number),
            "presumed_looker_employee": False,
            "role_ids": [],
            "sessions": [],
            "ui_state": {
                "homepageViewMode": "grid",
                "dashboardsNext": True,
                "lastSeen": rng.randrange(10**12),
            },
            "verified_looker_employee": False,
            "roles_externally_managed": False,
            "allow_direct_roles": True,
            "allow_normal_group_membership": True,
            "allow_roles_from_normal_groups": True,
            "is_service_account": False,
            "url": url,
        }

    # -- models and queries -------------------------------------------------------------------------

    def model(self, number: int) -> Content:
        """Return a LookML model's configuration with its explores."""
        name = MODELS[number - 1]
        explores = [
            blank(EXPLORE, name=view, description=TEXT if i % 2 else None, label=view.title(), hidden=False)
            for i, view in enumerate(explores_of(name))
        ]
        return {
            "can": can("index", "show", "create"),
            "allowed_db_connection_names": [f"warehouse_{number}"],
            "explores": explores,
            "has_content": True,
            "label": name.title(),
            "name": name,
            "project_name": f"{name}_project",
            "unlimited_db_connections": False,
        }

    def query(self, rng: random.Random, query_id: int) -> Content:
        """Return a query on some explore of some model."""
        model = rng.choice(MODELS)
        view = rng.choice(explores_of(model))
        fields = [f"{view}.{word}" for word in rng.sample(WORDS, rng.randint(1, 6))]
        filters = {
            field: rng.choice(("30 days", "EMEA,APAC", "%a%,-b^_c", "[0,10)", "Yes")) for field in fields[1:3]
        }
        client_id, calculations = token(rng, 22), chance(rng, 0.15)
        path = f"/explore/{model}/{view}?fields={','.join(fields)}"
        return blank(
            QUERY,
            model=model,
            view=view,
            can=can("run", "see_results", "explore", "show", "download", "render"),
            id=str(query_id),
            fields=fields,
            pivots=rng.choice((None, None, None, fields[:1])),
            filters=filters or None,
            sorts=[f"{fields[0]} desc 0"],
            limit=rng.choice(("500", "5000", "-1", None)),
            column_limit=rng.choice(("50", None)),
            total=rng.choice((True, None, None)),
            row_total=rng.choice(("right", None)),
            vis_config=vis_config(rng, fields),
            filter_config={
                f: [{"type": "=", "values": [{"constant": v}], "id": i, "error": False}]
                for i, (f, v) in enumerate(filters.items())
            },
            slug=client_id[:7],
            dynamic_fields=CALCULATION if calculations else None,
            client_id=client_id,
            share_url=f"{HOST}/x/{client_id}",
            expanded_share_url=f"{HOST}{path}&origin=share-expanded",
            url=path,
            query_timezone=rng.choice(("UTC", "Europe/Paris", None)),
            has_table_calculations=calculations,
        )

    def _shared_query(self, number: int) -> Content:
        return self.query(self.rng("shared query", number), 3_000_000_000 + number)

    # -- looks --------------------------------------------------------------------------------------

    def _look_with_query(self, number: int) -> Content:
        """Return a look as it is nested in tiles."""
        rng, look_id = self.rng("look", number), self.id("look", number)
        query, folder = self.query(rng, 1_000_000_000 + number), self._home(rng)
        public_slug = token(rng, 32)
        public = f"{HOST}/looks/{public_slug}"
        return blank(
            LOOK,
            can=can("index", "show", "copy", "run", "explore", "move", "update", "destroy", "schedule"),
            content_metadata_id=str(200_000 + number),
            id=look_id,
            title=self._title(rng, number, every=6),
            user_id=self._user_id(rng),
            created_at=moment(rng),
            deleted=False,
            description=rng.choice((TEXT, "", None)),
            embed_url=f"{HOST}/embed/public/{public_slug}",
            excel_file_url=f"{public}.iqy",
            favorite_count=rng.randrange(10),
            google_spreadsheet_formula=f'=ImportXML("{public}.gsxml", "//row")',
            image_embed_url=f"{public}.png",
            is_run_on_load=True,
            last_accessed_at=moment(rng, 2025, 1),
            last_updater_id=self._user_id(rng),
            last_viewed_at=moment(rng, 2025, 1),
            model={"id": query["model"], "label": query["model"].title()},
            public=chance(rng, 0.1),
            public_slug=public_slug,
            public_url=f"{public}.txt",
            query_id=query["id"],
            short_url=f"/looks/{look_id}",
            folder=folder,
            folder_id=folder["id"],
            updated_at=moment(rng, 2024, 1),
            view_count=rng.randrange(5000),
            query=query,
            url=query["url"],
        )

    def look(self, number: int) -> Content:
        """Return a look as a row of its own: the search that lookervault uses does not carry the query."""
        nested = self.look_with_query(number)
        return {key: value for key, value in nested.items() if key not in ("query", "url")}

    # -- dashboards ---------------------------------------------------------------------------------

    def dashboard(self, number: int) -> Content:
        """Return a dashboard with filters, tiles and layouts."""
        rng, dashboard_id = self.rng("dashboard", number), self.id("dashboard", number)
        folder, url = self._home(rng), f"{HOST}/dashboards/{dashboard_id}"
        title = self._title(rng, number, every=4)
        filters = self._filters(rng, number)
        tiles = self._tiles(rng, number, filters)
        refresh = rng.choice((("1 hour", 3_600_000), (None, None), (None, None)))
        dashboard = {
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
            "user_id": self._user_id(rng),
            "slug": token(rng, 22),
            "preferred_viewer": "dashboards-next",
            "alert_sync_with_dashboard_filter_enabled": False,
            "background_color": rng.choice(("#f6f8fa", None)),
            "created_at": moment(rng),
            "crossfilter_enabled": chance(rng, 0.4),
            "dashboard_elements": tiles,
            "dashboard_filters": filters,
            "dashboard_layouts": [layout(rng, number, tiles, title=title)],
            "deleted": False,
            "enable_viz_full_screen": True,
            "favorite_count": rng.randrange(40),
            "filters_bar_collapsed": False,
            "filters_location_top": True,
            "last_accessed_at": moment(rng, 2025, 1),
            "last_viewed_at": moment(rng, 2025, 1),
            "updated_at": moment(rng, 2024, 1),
            "last_updater_id": self._user_id(rng),
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
            "url": url,
        }
        for every, offset, alter in ODDITIES if self.oddities else ():
            if number % every == offset:
                alter(rng, number, dashboard)
        return dashboard

    def _filters(self, rng: random.Random, number: int) -> list[Content]:
        model = rng.choice(MODELS)
        view = rng.choice(explores_of(model))
        return [
            blank(
                FILTER,
                can=can("create", "update", "destroy"),
                id=str(number * 1000 + row),
                dashboard_id=self.id("dashboard", number),
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

    def _tiles(self, rng: random.Random, number: int, filters: list[Content]) -> list[Content]:
        # The first dashboard has one tile of every kind.
        kinds = (
            list(TILE_KINDS)
            if number == 1
            else rng.choices(list(TILE_KINDS), TILE_SHARES, k=rng.randint(1, 8))
        )
        return [self._tile(rng, number, place, kind, filters) for place, kind in enumerate(kinds)]

    def _tile(
        self, rng: random.Random, number: int, place: int, kind: str, filters: list[Content]
    ) -> Content:
        tile = blank(
            TILE,
            can=can("create", "update", "destroy", "index", "show", "explore", "run"),
            dashboard_id=self.id("dashboard", number),
            id=str(number * 1000 + place),
            title_hidden=chance(rng, 0.1),
            alert_count=0,
            type="vis",
        )
        if kind == "look" and not self.looks:
            kind = "query"
        listens = [f["name"] for f in filters if chance(rng, 0.7)]
        tile.update(TILE_KINDS[kind](self, rng, number * 1000 + place, listens))
        if tile["result_maker"]:
            tile["result_maker_id"] = tile["result_maker"]["id"]
        return tile

    def _title(self, rng: random.Random, number: int, every: int) -> str:
        """Return a title that no other object of the type has; each `every`-th one is odd."""
        if self.oddities and number > 0 and number % every == 0:
            turn, which = divmod(number // every - 1, len(ODD_TITLES))
            return ODD_TITLES[which] + (f" #{number}" if turn else "")
        first, second = rng.sample(WORDS, 2)
        return f"{first.capitalize()} and {second} — {rng.choice(REGIONS)} #{number}"


ROOTS: dict[int, Content] = {
    1: {"name": "Shared", "is_shared_root": True},
    2: {"name": "Users", "is_users_root": True},
    3: {"name": "Embed Groups", "is_embed_shared_root": True},
    4: {"name": "Embed Users", "is_embed_users_root": True},
}
LOOKML_FOLDER: Content = {
    "name": "LookML Dashboards",
    "id": "lookml",
    "content_metadata_id": None,
    "can": {"index": True, "show": True},
}
FILTERS = (
    ("Date", "date_filter", "30 days"),
    ("Région", "string_filter", "EMEA,APAC"),
    ("Status", "field_filter", ""),
    ("Amount ≥", "number_filter", "[0,100]"),
    ("Owner", "field_filter", "{{ _user_attributes['email'] }}"),
    ("100%, really", "field_filter", None),
)
CALCULATION = (
    '[{"category": "table_calculation", "label": "% of total", "table_calculation": "of_total", '
    '"expression": "${a.b} / sum(${a.b})", "_kind_hint": "measure"}]'
)
RICH = '[{"type": "h1", "children": [{"text": "Rich \\u2728 text"}], "align": "center"}]'
BUTTON = (
    '{"text": "Open the runbook", "description": "", "newTab": true, "alignment": "center", '
    '"size": "medium", '
    '"style": "FILLED", "color": "#1A73E8", "href": "https://looker.example.com/dashboards/1"}'
)


def explores_of(model: str) -> list[str]:
    """Return the names of a model's explores."""
    first = MODELS.index(model) * EXPLORES_PER_MODEL
    return [f"{WORDS[(first + i) % len(WORDS)]}_{i}" for i in range(EXPLORES_PER_MODEL)]


def vis_config(rng: random.Random, fields: list[str]) -> Content:
    """Return a visualisation: free-form, as far as the API is concerned."""
    axis = {"axisId": fields[0], "id": fields[0], "name": fields[0].title()}
    return {
        "type": rng.choice(("looker_column", "looker_line", "looker_grid", "single_value", "looker_map")),
        "show_view_names": False,
        "stacking": rng.choice(("", "normal")),
        "hidden_fields": [],
        "series_types": {},
        "series_colors": {field: f"#{rng.randrange(2**24):06x}" for field in fields},
        "y_axes": [{"label": "", "orientation": "left", "series": [axis], "type": "linear"}],
        "conditional_formatting": [
            {"type": "greater than", "value": rng.randrange(1000), "bold": False, "fields": None}
        ],
        "defaults_version": 1,
    }


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


# -- tiles: what each kind sets --------------------------------------------------------------------


def listening(model: str, view: str, name: str, listens: list[str]) -> Content:
    """Return a filterables entry: which dashboard filters act on which field."""
    listen = [{"dashboard_filter_name": f, "field": f"{view}.{WORDS[i]}"} for i, f in enumerate(listens)]
    return {"model": model, "view": view, "name": name, "listen": listen}


def result_maker(number: int, query: Content, listens: list[str]) -> Content:
    """Return the wrapper of a tile's query."""
    return blank(
        RESULT_MAKER,
        id=str(5_000_000_000 + number),
        dynamic_fields=query["dynamic_fields"],
        filterables=[listening(query["model"], query["view"], "", listens)],
        sorts=query["sorts"],
        query_id=query["id"],
        query=query,
        vis_config=query["vis_config"],
    )


def query_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile with a query; some queries are used by many tiles."""
    shared = chance(rng, 0.2)
    query = (
        world.shared_query(rng.randrange(SHARED_QUERIES))
        if shared
        else world.query(rng, 2_000_000_000 + number)
    )
    return {
        "title": f"{query['view']} by {query['fields'][0]}",
        "query": query,
        "query_id": query["id"],
        "result_maker": result_maker(number, query, listens),
        **rng.choice(({}, {}, NOTE)),
    }


NOTE = {
    "note_display": "hover",
    "note_state": "collapsed",
    "note_text": TEXT,
    "note_text_as_html": f"<p>{TEXT}</p>",
}


def look_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile that shows a look."""
    look = world.look_with_query(rng.randint(1, world.looks))
    return {
        "title": look["title"],
        "look": look,
        "look_id": look["id"],
        "result_maker": result_maker(number, look["query"], listens),
    }


def merge_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a tile of merged results; the backup holds no definition of them, only their id."""
    sources = [world.shared_query(rng.randrange(SHARED_QUERIES)) for _ in range(rng.randint(2, 3))]
    merge_id = token(rng, 22)
    maker = blank(
        RESULT_MAKER,
        id=str(5_000_000_000 + number),
        dynamic_fields="[]",
        filterables=[
            listening(source["model"], source["view"], f"Source {i}", listens)
            for i, source in enumerate(sources)
        ],
        merge_result_id=merge_id,
        vis_config=vis_config(rng, sources[0]["fields"]),
    )
    return {"title": f"Merged {number}", "merge_result_id": merge_id, "result_maker": maker}


def text_tile(world: World, rng: random.Random, _: int, __: list[str]) -> Content:
    """Return a text tile, some with a link to another dashboard."""
    target = world.id("dashboard", rng.randint(1, world.dashboards))
    return {
        "type": "text",
        "title_text": rng.choice(("Notes", "📌", "")),
        "subtitle_text": rng.choice(("as of today", "")),
        "body_text": rng.choice((f"### Notes\n\n{TEXT}[link]({HOST}/dashboards/{target})", TEXT, "")),
        "body_text_as_html": f"<p>{TEXT}</p>",
    }


def rich_text_tile(world: World, rng: random.Random, number: int, listens: list[str]) -> Content:
    """Return a text tile of the newer editor."""
    return text_tile(world, rng, number, listens) | {"rich_content_json": RICH}


def button_tile(_: World, __: random.Random, ___: int, ____: list[str]) -> Content:
    """Return a button."""
    return {"type": "button", "rich_content_json": BUTTON}


def extension_tile(_: World, rng: random.Random, __: int, ___: list[str]) -> Content:
    """Return a tile that runs an extension."""
    return {
        "type": "extension",
        "title": "Planner",
        "extension_id": f"{rng.choice(MODELS)}_project::planner",
    }


TileKind = Callable[[World, random.Random, int, list[str]], Content]
TILE_KINDS: dict[str, TileKind] = {
    "query": query_tile,
    "look": look_tile,
    "merge": merge_tile,
    "text": text_tile,
    "rich text": rich_text_tile,
    "button": button_tile,
    "extension": extension_tile,
}
TILE_SHARES = (60, 15, 8, 8, 4, 3, 2)


# -- layouts ---------------------------------------------------------------------------------------


def layout(
    rng: random.Random,
    number: int,
    tiles: list[Content],
    *,
    index: int = 0,
    title: str | None,
    **given: object,
) -> Content:
    """Return a layout that places every tile."""
    layout_id = str(index * 10_000_000 + number)
    dashboard_id = tiles[0]["dashboard_id"] if tiles else str(number)
    empty = blank(
        LAYOUT,
        can=can(),
        id=layout_id,
        dashboard_id=dashboard_id,
        type="newspaper",
        active=True,
        deleted=False,
        dashboard_title=title,
    )
    placed = [component(rng, layout_id, index, row, tile) for row, tile in enumerate(tiles)]
    return empty | {"dashboard_layout_components": placed} | given


def component(rng: random.Random, layout_id: str, index: int, row: int, tile: Content) -> Content:
    """Return one tile's rectangle in one layout."""
    return blank(
        COMPONENT,
        can=can("index", "show"),
        id=str(index * 1_000_000_000 + int(tile["id"])),
        dashboard_layout_id=layout_id,
        dashboard_element_id=tile["id"],
        row=row // 2 * 6,
        column=row % 2 * 12,
        width=rng.choice((6, 8, 12)),
        height=rng.choice((4, 6)),
        deleted=False,
        element_title=tile["title"],
        element_title_hidden=tile["title_hidden"],
        vis_type=tile["type"],
    )


# -- oddities: what real backups hold as well -------------------------------------------------------


def add_tabs(rng: random.Random, number: int, dashboard: Content) -> None:
    """Make three tabs: one labelled layout each."""
    tiles = dashboard["dashboard_elements"]
    dashboard["dashboard_layouts"] = [
        layout(rng, number, tiles, index=i, title=dashboard["title"], label=label, order=i, active=i == 0)
        for i, label in enumerate(("Overview", "Détails", "数字"))
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
    dashboard["lookml_link_id"] = f"{MODELS[0]}::business_pulse"


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
    (17, 6, clear("dashboard_elements", "dashboard_filters", "dashboard_layouts")),
    (19, 7, clear("dashboard_elements")),
    (31, 11, clear("dashboard_layouts")),
)
# Dashboards and looks with such numbers are marked deleted by the vault.
DELETED = (43, 10)


# -- the file --------------------------------------------------------------------------------------


class Kind(msgspec.Struct, frozen=True):
    """A content type: its number in the file, its name in composite ids, how many, and what makes one."""

    number: int
    label: str
    count: Callable[[World], int]
    make: Callable[[World, int], Content]


KINDS = (
    Kind(1, "dashboard", lambda world: world.dashboards, World.dashboard),
    Kind(2, "look", lambda world: world.looks, World.look),
    Kind(3, "lookml_model", lambda _: len(MODELS), World.model),
    Kind(5, "folder", lambda world: world.folder_count, World.folder_row),
    Kind(7, "user", lambda world: world.users, World.user),
)

ITEM_COLUMNS = """
    name TEXT NOT NULL, owner_id INTEGER, owner_email TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, synced_at TEXT NOT NULL, deleted_at TEXT DEFAULT NULL,
    content_size INTEGER NOT NULL, content_data BLOB NOT NULL"""
CHECKPOINT_COLUMNS = """id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content_type INTEGER NOT NULL,
    checkpoint_data TEXT NOT NULL, started_at TEXT NOT NULL, completed_at TEXT DEFAULT NULL,
    item_count INTEGER DEFAULT 0"""
SESSION_COLUMNS = """id TEXT PRIMARY KEY NOT NULL, started_at TEXT NOT NULL, completed_at TEXT DEFAULT NULL,
    status TEXT NOT NULL, total_items INTEGER DEFAULT 0, error_count INTEGER DEFAULT 0,
    config TEXT, metadata TEXT"""
COMMON_TABLES = f"""
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL, description TEXT);
CREATE TABLE extraction_sessions ({SESSION_COLUMNS});
CREATE INDEX idx_content_type ON content_items(content_type) WHERE deleted_at IS NULL;
CREATE INDEX idx_owner_id ON content_items(owner_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_updated_at ON content_items(updated_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_deleted_at ON content_items(deleted_at) WHERE deleted_at IS NOT NULL;
"""
FOLDER_INDEX = """
CREATE INDEX idx_folder_id ON content_items(folder_id)
    WHERE deleted_at IS NULL AND folder_id IS NOT NULL AND content_type IN (1, 2, 6, 5);
"""
RESTORE_TABLES = f"""
CREATE TABLE restoration_sessions ({SESSION_COLUMNS}, success_count INTEGER DEFAULT 0, source_instance TEXT,
    destination_instance TEXT NOT NULL);
CREATE TABLE id_mappings (source_instance TEXT NOT NULL, content_type INTEGER NOT NULL,
    source_id TEXT NOT NULL, destination_id TEXT NOT NULL, created_at TEXT NOT NULL, session_id TEXT,
    PRIMARY KEY (source_instance, content_type, source_id));
CREATE TABLE restoration_checkpoints ({CHECKPOINT_COLUMNS},
    error_count INTEGER DEFAULT 0 {{unique_checkpoint}});
CREATE TABLE dead_letter_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL,
    content_id TEXT NOT NULL, content_type INTEGER NOT NULL, content_data BLOB NOT NULL,
    error_message TEXT NOT NULL, error_type TEXT NOT NULL, stack_trace TEXT, retry_count INTEGER NOT NULL,
    failed_at TEXT NOT NULL, metadata TEXT
    {{unique_letter}});
"""
# What each schema version records of itself: migrations did not always leave a row.
VERSION_ROWS = {1: (1,), 2: (1,), 3: (1, 3), 4: (3, 4)}


def schema_sql(version: int) -> str:
    """Return the tables of one schema version."""
    key = (
        "id TEXT NOT NULL, content_type INTEGER NOT NULL"
        if version == NEWEST_SCHEMA
        else "id TEXT PRIMARY KEY, content_type INTEGER NOT NULL"
    )
    folder = ", folder_id TEXT DEFAULT NULL" if version > 1 else ""
    both = ", PRIMARY KEY (id, content_type)" if version == NEWEST_SCHEMA else ""
    unique = ", UNIQUE(session_id, content_type, started_at)" if version in (3, 4) else ""
    letter = ", UNIQUE(session_id, content_id, content_type, retry_count)" if unique else ""
    restore = RESTORE_TABLES.format(unique_checkpoint=unique, unique_letter=letter) if version > 1 else ""
    return (
        f"CREATE TABLE content_items ({key}, {ITEM_COLUMNS}{folder}{both});"
        f"CREATE TABLE sync_checkpoints ({CHECKPOINT_COLUMNS}, error_message TEXT DEFAULT NULL{unique});"
        + COMMON_TABLES
        + (FOLDER_INDEX if version > 1 else "")
        + restore
    )


def write_vault(
    path: Path,
    *,
    id_form: IdForm = "bare",
    schema: int = NEWEST_SCHEMA,
    **world: Any,  # noqa: ANN401 - World's
) -> dict[str, int]:
    """Write a new vault and return the number of rows per type; see `World` for what can be chosen."""
    made = World(disjoint_ids=schema < NEWEST_SCHEMA and id_form == "bare", **world)
    path.unlink(missing_ok=True)
    with closing(apsw.Connection(str(path))) as db:
        for setting in ("page_size = 16384", "journal_mode = OFF", "synchronous = OFF"):
            db.execute(f"PRAGMA {setting}")
        db.execute(schema_sql(schema))
        counts = {kind.label: _write_kind(db, made, kind, id_form, schema) for kind in KINDS}
        _write_history(db, counts, schema)
        # lookervault leaves its files in this mode.
        db.execute("PRAGMA journal_mode = WAL").fetchall()
    return counts


def _write_kind(db: apsw.Connection, world: World, kind: Kind, id_form: IdForm, schema: int) -> int:
    marks = ", ".join("?" * (12 if schema > 1 else 11))
    # S608: the statement is put together from this file's own text.
    statement = f"INSERT INTO content_items VALUES ({marks})"  # noqa: S608
    total = kind.count(world)
    for start in range(1, total + 1, ROWS_PER_COMMIT):
        numbers = range(start, min(start + ROWS_PER_COMMIT, total + 1))
        with db:
            db.executemany(statement, _rows(world, kind, numbers, id_form, schema))
    return total


def _rows(
    world: World, kind: Kind, numbers: range, id_form: IdForm, schema: int
) -> Iterator[tuple[apsw.SQLiteValue, ...]]:
    for number in numbers:
        row = item_row(kind, number, kind.make(world, number), id_form)
        if world.oddities and kind.label in ("dashboard", "look") and number % DELETED[0] == DELETED[1]:
            row = (*row[:8], EXTRACTED_AT.isoformat(), *row[9:])
        yield row if schema > 1 else row[:-1]


def item_row(
    kind: Kind, number: int, content: Content, id_form: IdForm = "bare"
) -> tuple[apsw.SQLiteValue, ...]:
    """Return a row of content_items as lookervault derives it from the content."""
    content = {key: value for key, value in content.items() if value is not None}
    blob = msgspec.msgpack.encode(content)
    source_id = content.get("id") or content["name"]
    synced_at = EXTRACTED_AT + timedelta(milliseconds=7 * number)
    # Extracted by one worker: composite ids, the id for want of a name, and naive local time.
    alone = id_form == "composite"
    owned = kind.label in ("dashboard", "look")
    return (
        f"{kind.label}::{source_id}" if alone else source_id,
        kind.number,
        content.get("title") or content.get("name") or (source_id if alone else f"Untitled {source_id}"),
        int(content["user_id"]) if owned and "user_id" in content else None,
        None,
        content.get("created_at", synced_at).isoformat(),
        content.get("updated_at", synced_at).isoformat(),
        (synced_at.replace(tzinfo=None) if alone else synced_at).isoformat(),
        None,
        len(blob),
        blob,
        content["folder_id"] if owned else None,
    )


def _write_history(db: apsw.Connection, counts: dict[str, int], schema: int) -> None:
    at = EXTRACTED_AT.isoformat()
    session_id = "71e114eb-9e77-52c9-b029-5dcd82fab582"
    config = msgspec.json.encode(
        {"content_types": [kind.number for kind in KINDS], "batch_size": 100}
    ).decode()
    with db:
        for version in VERSION_ROWS[schema]:
            db.execute("INSERT INTO schema_version VALUES (?, ?, ?)", (version, at, "schema"))
        db.execute(
            "INSERT INTO extraction_sessions VALUES (?, ?, ?, 'completed', ?, 0, ?, NULL)",
            (session_id, at, at, sum(counts.values()), config),
        )
        for kind in KINDS:
            db.execute(
                "INSERT INTO sync_checkpoints VALUES (NULL, ?, ?, '{}', ?, ?, ?, NULL)",
                (session_id, kind.number, at, at, counts[kind.label]),
            )


def main() -> None:
    """Write a vault as the arguments say, and tell what is in it."""
    parser = argparse.ArgumentParser(description="Make a lookervault backup from a seed.")
    parser.add_argument("out", type=Path, metavar="OUT.db")
    for name, default in (("dashboards", 100), ("looks", 50), ("folders", 40), ("users", 20), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default {default}")
    parser.add_argument("--id-form", choices=("bare", "composite"), default="bare")
    parser.add_argument("--schema", type=int, choices=sorted(VERSION_ROWS), default=NEWEST_SCHEMA)
    parser.add_argument("--oddities", action=argparse.BooleanOptionalAction, default=True)
    given = vars(parser.parse_args())
    out = given.pop("out")
    counts = write_vault(out, **given)
    print(f"{out}: " + ", ".join(f"{count:,} {label}s" for label, count in counts.items()))


if __name__ == "__main__":
    main()
