"""Rewriting names, which touches nothing else; what a remap comes to for some items."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.content.moved.renaming import entries_used, remapped, remapped_address, remapped_query
from lvrestore.model import ContentType
from lvrestore.plan.remapping import Survey, There, entries_by_row, merged_groups, merged_users
from lvrestore.settings import Remap

DASHBOARD, LOOK, PLAN = ContentType.DASHBOARD, ContentType.LOOK, ContentType.SCHEDULED_PLAN
MODELS = Remap(models={"thelook": "shop", "shop": "thelook"})
ORDERS = Remap(models={"thelook": "shop"}, explores={"thelook.orders": "sales.deals"})


def query(model="thelook", view="orders", **more):
    return {"model": model, "view": view, "fields": ["orders.count", "thelook.orders"], **more}


def dashboard():
    return {
        "title": "thelook",
        "lookml_link_id": "thelook::overview",
        "dashboard_elements": [
            {
                "query": query(),
                "result_maker": {"filterables": [{"model": "thelook", "view": "orders", "listen": []}]},
            },
            {"body_text": "/explore/thelook/orders", "query": None, "result_maker": None},
        ],
        "dashboard_filters": [{"name": "thelook", "model": "thelook", "explore": "users"}],
        "dashboard_layouts": [{"lookml_link_id": "thelook::overview", "label": "thelook"}],
    }


def test_everything_that_names_an_explore_is_given_its_new_name_and_nothing_else():
    content = dashboard()
    kept = copy.deepcopy(content)
    found = remapped(DASHBOARD, content, ORDERS)
    assert content == kept
    tile, text = found["dashboard_elements"]
    assert tile["query"] == query("sales", "deals")
    assert tile["result_maker"]["filterables"] == [{"model": "sales", "view": "deals", "listen": []}]
    assert text == kept["dashboard_elements"][1]
    assert found["dashboard_filters"] == [{"name": "thelook", "model": "shop", "explore": "users"}]
    assert found["lookml_link_id"] == "shop::overview"
    assert found["dashboard_layouts"] == [{"lookml_link_id": "shop::overview", "label": "thelook"}]
    assert found["title"] == "thelook"


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        (LOOK, {"query": query(), "model": {"id": "thelook", "label": "thelook"}},
         {"query": query("shop"), "model": {"id": "shop", "label": "thelook"}}),
        (ContentType.MODEL_SET, {"name": "thelook", "models": ["thelook", "a"]},
         {"name": "thelook", "models": ["shop", "a"]}),
        (ContentType.BOARD, {"board_sections": [{"board_items": [{"lookml_dashboard_id": "thelook::x::y"}]}]},
         {"board_sections": [{"board_items": [{"lookml_dashboard_id": "shop::x::y"}]}]}),
        (PLAN, {"datagroup": "thelook::daily", "lookml_dashboard_id": "thelook::x"},
         {"datagroup": "shop::daily", "lookml_dashboard_id": "shop::x"}),
        (PLAN, {"datagroup": "thelook"}, {"datagroup": "thelook"}),
        (ContentType.EXPLORE, {"id": "thelook::orders"},
         {"id": "thelook::orders", "model_name": "shop", "name": "orders"}),
        (ContentType.EXPLORE, {"model_name": "thelook", "name": "a"}, {"model_name": "shop", "name": "a"}),
        (ContentType.LOOKML_MODEL, {"name": "thelook", "project_name": "thelook", "label": "thelook"},
         {"name": "shop", "label": "thelook"}),
        (ContentType.LOOKML_MODEL, {"name": "a", "project_name": "thelook"}, {"name": "a", "project_name": "thelook"}),
    ],
)  # fmt: skip
def test_models_are_renamed_wherever_a_type_names_them(content_type, content, expected):
    assert remapped(content_type, content, Remap(models={"thelook": "shop"})) == expected


def test_names_can_be_exchanged_as_each_place_is_translated_once():
    content = {"models": ["thelook", "shop"]}
    assert remapped(ContentType.MODEL_SET, content, MODELS) == {"models": ["shop", "thelook"]}
    found = remapped(DASHBOARD, dashboard(), MODELS)
    assert found["dashboard_elements"][0]["query"]["model"] == "shop"
    assert found["dashboard_filters"][0]["model"] == "shop"


def test_names_that_become_one_stand_in_a_set_once():
    both = Remap(models={"a": "c", "b": "c"})
    assert remapped(ContentType.MODEL_SET, {"models": ["a", "b", "d"]}, both) == {"models": ["c", "d"]}


def test_connections_of_a_model_are_renamed():
    content = {"name": "m", "allowed_db_connection_names": ["old", "other"]}
    found = remapped(ContentType.LOOKML_MODEL, content, Remap(connections={"old": "new"}))
    assert found == {"name": "m", "allowed_db_connection_names": ["new", "other"]}


def test_groups_are_renamed_and_nothing_that_is_called_like_one():
    remap = Remap(groups={"Sales": "EMEA Sales"})
    assert remapped(ContentType.GROUP, {"name": "Sales"}, remap) == {"name": "EMEA Sales"}
    assert remapped(ContentType.ROLE, {"name": "Sales"}, remap) == {"name": "Sales"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Ann@Old.example", "anna@new.example"),
        ("Bob@OLD.example", "Bob@new.example"),
        ("bob@older.example", "bob@older.example"),
        ("old.example", "old.example"),
    ],
)
def test_an_exact_address_wins_over_its_domain_in_any_case(address, expected):
    remap = Remap(users={"@old.example": "@new.example", "ann@old.example": "anna@new.example"})
    assert remapped_address(address, remap) == expected
    content = {"email": address, "credentials_email": {"email": address}, "first_name": "ann@old.example"}
    found = remapped(ContentType.USER, content, remap)
    assert found == content | {"email": expected, "credentials_email": {"email": expected}}


def test_recipients_of_a_plan_stay():
    content = {"scheduled_plan_destination": [{"address": "ann@old.example"}]}
    assert remapped(PLAN, content, Remap(users={"@old.example": "@new.example"})) == content


def test_palettes_are_renamed_at_any_depth_the_exact_one_first():
    remap = Remap(palettes={"acme": "acme2", "acme/p1": "corp/q1"})
    config = {
        "color_application": {"collection_id": "acme", "palette_id": "p1", "options": {"steps": 5}},
        "series_cell_visualizations": {"a.b": {"palette": {"collection_id": "acme", "palette_id": "p2"}}},
        "conditional_formatting": [{"color_application": {"collection_id": "acme", "custom": {"id": "x"}}}],
    }
    expected = {
        "color_application": {"collection_id": "corp", "palette_id": "q1", "options": {"steps": 5}},
        "series_cell_visualizations": {"a.b": {"palette": {"collection_id": "acme2", "palette_id": "p2"}}},
        "conditional_formatting": [{"color_application": {"collection_id": "acme2", "custom": {"id": "x"}}}],
    }
    content = {
        "dashboard_elements": [{"query": query(vis_config=config), "result_maker": {"vis_config": config}}]
    }
    (tile,) = remapped(DASHBOARD, content, remap)["dashboard_elements"]
    assert tile["query"]["vis_config"] == tile["result_maker"]["vis_config"] == expected
    assert remapped_query(query(vis_config=config), remap)["vis_config"] == expected


KEYS = [
    "model", "view", "query", "vis_config", "models", "collection_id", "palette_id",
    "email", "dashboard_elements", "dashboard_filters", "name", "datagroup", "result_maker", "explore",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@given(st.sampled_from(list(ContentType)), st.dictionaries(st.text(max_size=5), JSON) | JSON)
def test_content_without_matching_names_is_what_it_was(content_type, content):
    content = content if isinstance(content, dict) else {"dashboard_elements": content, "name": content}
    absent = "a name that is nowhere"
    remap = Remap(
        models={absent: "x"}, explores={f"{absent}.a": "x.y"}, connections={absent: "x"}, groups={absent: "x"},
        users={absent: "x", f"@{absent}": "@x"}, palettes={absent: "x", f"{absent}/p": "x/y"},
    )  # fmt: skip
    kept = copy.deepcopy(content)
    found = remapped(content_type, content, remap)
    assert found == kept == content
    assert repr(found) == repr(kept)  # the order of keys as well
    assert entries_used(content_type, content, remap) == set()


# --- counting, and what is missing


def survey_of(remap, *items, entry_of=None):
    survey = Survey(remap, entry_of or {})
    for content_type, source_id, content in items:
        survey.add(content_type, source_id, content)
    return survey


def test_entries_are_counted_by_item_and_those_that_match_nothing_are_told():
    remap = Remap(models={"thelook": "shop", "none": "x"}, groups={"Nobody": "x"})
    survey = survey_of(remap, (DASHBOARD, "1", dashboard()), (DASHBOARD, "2", dashboard()))
    assert survey.used == {("models", "thelook"): 2}
    assert survey.unmatched() == [
        "--remap: [models] 'none' matches nothing that is selected: 0 items",
        "--remap: [groups] 'Nobody' matches nothing that is selected: 0 items",
    ]


def test_missing_targets_are_named_with_their_items_and_what_is_unknown_is_not_missing():
    survey = survey_of(
        ORDERS, (DASHBOARD, "1", dashboard()), (DASHBOARD, "2", {**dashboard(), "dashboard_elements": []})
    )
    assert [str(one) for one in survey.missing(There(models={"x": frozenset()}))] == [
        "model shop (2 items)",
        "explore sales.deals (1 item)",
    ]
    assert survey.missing(There(models=None)) == []
    there = There(models={"shop": frozenset({"a"}), "sales": frozenset({"deals"})})
    assert survey.missing(there) == []
    lacking = There(models={"shop": frozenset({"a"}), "sales": frozenset({"other"})})
    assert [one.what for one in survey.missing(lacking)] == ["explore sales.deals"]
    unlisted = There(models={"shop": frozenset(), "sales": frozenset()})
    assert survey.missing(unlisted) == []


def test_an_owner_counts_for_the_entry_of_a_user_who_must_be_there_unless_restored():
    remap = Remap(users={"ann@old.example": "ann@new.example", "@other.example": "@new.example"})
    people = [("3", "Ann@old.example"), ("4", "bob@other.example")]
    entry_of = entries_by_row(remap, people, (), {})
    owned = [(DASHBOARD, "1", {"user_id": "3"}), (LOOK, "1", {"user_id": "4"})]
    survey = survey_of(remap, *owned, entry_of=entry_of)
    there = There(users=frozenset({"carl@new.example"}))
    assert [str(one) for one in survey.missing(there)] == ["user ann@new.example (1 item)"]
    assert survey.missing(There(users=frozenset({"ann@new.example"}))) == survey.missing(There()) == []
    row = (ContentType.USER, "3", {"email": "ann@old.example"})
    assert survey_of(remap, *owned, row, entry_of=entry_of).missing(there) == []


def test_what_lies_in_a_folder_and_who_is_in_a_group_count_for_their_entries():
    remap = Remap(folders={"Shared/A": "Shared/B"}, groups={"Sales": "EMEA"})
    entry_of = entries_by_row(remap, (), [("8", "Sales"), ("9", "Other")], {"5": "Shared/A"})
    items = [(LOOK, "1", {"folder_id": "5"}), (ContentType.FOLDER, "6", {"parent_id": "5"}),
             (ContentType.USER, "2", {"group_ids": ["8", "9"]})]  # fmt: skip
    survey = survey_of(remap, *items, entry_of=entry_of)
    assert survey.used == {("folders", "Shared/A"): 2, ("groups", "Sales"): 1}
    found = survey.missing(There(folders=frozenset(), groups=frozenset({"Sales"})))
    assert [str(one) for one in found] == ["folder Shared/B (2 items)", "group EMEA (1 item)"]


def test_groups_that_would_share_a_name_are_named():
    groups = [("1", "Sales"), ("2", "EMEA"), ("3", "Other"), ("4", "Other")]
    assert merged_groups(groups, Remap(groups={"Sales": "EMEA"})) == ["EMEA (from EMEA, Sales)"]
    assert merged_groups(groups, Remap(groups={"Sales": "EMEA", "EMEA": "Sales"})) == []


def test_people_who_would_share_an_address_are_named():
    remap = Remap(users={"@old.example": "@new.example"})
    people = [
        ("1", "Ann@old.example"),
        ("2", "ann@New.example"),
        ("3", "bob@old.example"),
        ("4", "bob@OLD.example"),
    ]
    assert merged_users(people, remap) == ["ann@new.example (from ann@new.example, ann@old.example)"]


def test_palettes_and_connections_that_are_not_there_are_told_once_each():
    vis = {"color_application": {"collection_id": "acme", "palette_id": "p1"}}
    tiles = {"dashboard_elements": [{"query": query(vis_config=vis)}, {"result_maker": {"vis_config": vis}}]}
    model = {"name": "m", "allowed_db_connection_names": ["old"]}
    items = [(DASHBOARD, "1", tiles), (DASHBOARD, "2", tiles), (ContentType.LOOKML_MODEL, "m", model)]
    there = There(palettes={"acme": frozenset({"p2"}), "corp": frozenset()}, connections=frozenset({"new"}))
    assert survey_of(Remap(), *items).left_behind(there) == [
        "palette acme/p1 is not on the destination: 2 items keep it, and may show other colours",
        "connection old is not on the destination: 1 item names it",
    ]
    assert survey_of(Remap(), *items).left_behind(There()) == []
    remap = Remap(palettes={"acme/p1": "acme/p2"}, connections={"old": "new"})
    assert survey_of(remap, *items).left_behind(there) == []
    assert survey_of(remap, *items).missing(there) == []
    gone = Remap(palettes={"acme/p1": "corp/p2"}, connections={"old": "newer"})
    assert [one.what for one in survey_of(gone, *items).missing(there)] == [
        "palette corp/p2",
        "connection newer",
    ]
