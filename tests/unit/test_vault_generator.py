"""The generator makes what lookervault makes: compared with a genuine vault, key by key."""

import hashlib
import re
import sys
from collections import Counter

import make_vault
import pytest

from lvrestore.model import ContentType
from lvrestore.vault import check, decode_blob, open_vault
from lvrestore.vault.check import BadRow, Dangling

TYPES = tuple(t for t in ContentType if t is not ContentType.EXPLORE)
# Named, listed and recognised by other fields than the rest.
TITLED = (ContentType.DASHBOARD, ContentType.LOOK, ContentType.BOARD)
# Looker leaves the keys of these to whoever writes them.
FREE = frozenset({"vis_config", "filters", "filter_config", "can", "ui_state", "options"})
# Attributes that the genuine rows happen to have no value for, and those of newer releases of the SDK.
RARE = {
    ContentType.BOARD: {"deleted_at"},
    ContentType.GROUP: {"external_group_id"},
    ContentType.SCHEDULED_PLAN: {
        "title",
        "lookml_dashboard_id",
        "query_id",
        "tab_ids",
        "custom_url_base",
        "custom_url_label",
        "show_custom_url",
    },
}
NOT_MADE = {"last_updater_name", "user_name"}
COUNTS = {
    "boards": 90,
    "groups": 80,
    "roles": 80,
    "permission_sets": 80,
    "model_sets": 80,
    "plans": 200,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "vault.db"
    make_vault.write_vault(path, dashboards=400, looks=60, folders=40, users=20)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "vault.db"
    make_vault.write_vault(path, dashboards=300, looks=200, folders=160, users=170, whole=True, **COUNTS)
    return path


def contents(path, content_type):
    with open_vault(path) as backup:
        return [decode_blob(row.blob) for row in backup.rows(content_type, deleted="include")]


def nested(value, place):
    """Yield the place and the keys of every object inside."""
    if isinstance(value, dict):
        yield place, tuple(value)
        for key, inner in value.items():
            if key not in FREE:
                yield from nested(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from nested(inner, f"{place}[]")


def leaves(value, place):
    """Yield the place and the value of everything inside."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{place}.{key}", inner
            if key not in FREE:
                yield from leaves(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{place}[]")


def key_sets(path, content_type):
    found = {}
    for content in contents(path, content_type):
        for place, keys in nested(content, "$"):
            found.setdefault(place, set()).add(keys)
    return found


def names(path, content_type):
    key = "title" if content_type in TITLED else "name"
    return [row[key] for row in contents(path, content_type)]


# -- like genuine ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_nested_objects_have_the_keys_of_genuine_ones_in_their_order(content_type, whole, genuine_vault):
    ours, theirs = key_sets(whole, content_type), key_sets(genuine_vault, content_type)
    for place in set(ours) - {"$"}:
        assert ours[place] <= theirs[place], place
    # Of a filter's field only what every field has.
    assert {place for place in theirs if ".field." not in place} <= set(ours)


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_top_level_keys_are_those_of_genuine_rows(content_type, whole, genuine_vault):
    ours = {key for keys in key_sets(whole, content_type)["$"] for key in keys}
    theirs = {key for keys in key_sets(genuine_vault, content_type)["$"] for key in keys}
    assert ours - theirs == RARE.get(content_type, set())
    assert theirs - ours <= NOT_MADE
    assert all(value is not None for row in contents(whole, content_type) for value in row.values())


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_top_level_keys_stand_in_the_order_of_genuine_rows(content_type, whole, genuine_vault):
    later = {}
    for keys in key_sets(genuine_vault, content_type)["$"]:
        for place, key in enumerate(keys):
            later.setdefault(key, set()).update(keys[place + 1 :])
    for keys in key_sets(whole, content_type)["$"]:
        for place, key in enumerate(keys):
            assert not {k for k in keys[:place] if k in later.get(key, ())}, key


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_values_have_the_types_of_genuine_ones(content_type, whole, genuine_vault):
    def types(path):
        found = {}
        for content in contents(path, content_type):
            for place, value in leaves(content, "$"):
                found.setdefault(place, set()).add(type(value))
        return found

    theirs = types(genuine_vault)
    for place, kinds in types(whole).items():
        # Genuine rows tell nothing about fields that are null in all of them.
        if ".field." not in place and theirs.get(place, {type(None)}) != {type(None)}:
            assert kinds <= theirs[place], place


@pytest.mark.parametrize("vault", ["made", "whole"])
def test_every_reference_resolves(vault, request):
    with open_vault(request.getfixturevalue(vault)) as backup:
        findings = list(check(backup))
    assert [f for f in findings if isinstance(f, Dangling) and f.state == "absent"] == []
    assert [f for f in findings if isinstance(f, BadRow)] == []


def test_columns_follow_the_content(whole):
    with open_vault(whole) as backup:
        for row in backup.rows(ContentType.DASHBOARD):
            content = decode_blob(row.blob)
            assert (row.name, row.folder_id) == (content["title"], content["folder_id"])
            assert row.updated_at == content["updated_at"].isoformat()
        for content_type in (ContentType.BOARD, ContentType.SCHEDULED_PLAN):
            for row in backup.rows(content_type):
                content = decode_blob(row.blob)
                assert (str(row.owner_id), row.folder_id) == (content["user_id"], None)
                assert row.name == (content.get("title") or content["name"])
        assert backup.get(ContentType.USER, "1").name == "José Example 1 <user1@example.com>"


def test_the_vault_marks_rows_of_some_types_deleted(whole):
    with open_vault(whole) as backup:
        deleted = {t.label for t in TYPES if backup.count(t, deleted="only")}
    assert deleted == {"dashboard", "look", "folder", "user", "board", "scheduled_plan"}


# -- dashboards ------------------------------------------------------------------------------------------


def test_titles_are_unique_in_their_folder_and_slugs_everywhere(made):
    for content_type in (ContentType.DASHBOARD, ContentType.LOOK, ContentType.FOLDER):
        rows = contents(made, content_type)
        places = [
            (r.get("folder_id", r.get("parent_id")), (r.get("title") or r["name"]).casefold()) for r in rows
        ]
        assert len(set(places)) == len(places)
    slugs = [content["slug"] for content in contents(made, ContentType.DASHBOARD)]
    assert len(set(slugs)) == len(slugs)


def test_every_kind_of_tile_and_every_oddity_is_there(made):
    rows = contents(made, ContentType.DASHBOARD)
    tiles = [tile for row in rows for tile in row.get("dashboard_elements", [])]
    assert {tile["type"] for tile in tiles} == {"vis", "text", "button", "extension"}
    for source in (
        "query_id",
        "look_id",
        "merge_result_id",
        "extension_id",
        "rich_content_json",
        "note_text",
    ):
        assert any(tile[source] for tile in tiles), source
    layouts = [row.get("dashboard_layouts", []) for row in rows]
    assert any(len({place["label"] for place in places}) == 3 for places in layouts)
    assert any(len(places) == 2 and not places[1]["active"] for places in layouts)
    for key in ("dashboard_elements", "dashboard_layouts", "user_id", "appearance", "show_title"):
        assert 0 < sum(key in row for row in rows) < len(rows), key
    filters = [part for row in rows for part in row.get("dashboard_filters", [])]
    assert any(part["listens_to_filters"] for part in filters)
    assert any(len(row["title"]) > 1900 for row in rows)
    assert {"NOT NULL", "Sales / Finance / Q1"} <= {row["title"] for row in rows}


def test_tiles_and_components_belong_together(made):
    for row in contents(made, ContentType.DASHBOARD):
        tiles = {tile["id"] for tile in row.get("dashboard_elements", [])}
        names = {part["name"] for part in row.get("dashboard_filters", [])}
        for place in row.get("dashboard_layouts", []):
            placed = [part["dashboard_element_id"] for part in place["dashboard_layout_components"]]
            assert len(set(placed)) == len(placed)
            if "dashboard_elements" in row and not place["deleted"]:
                assert set(placed) == tiles
        for tile in row.get("dashboard_elements", []) if "dashboard_filters" in row else []:
            for entry in (tile["result_maker"] or {}).get("filterables", []):
                assert {listen["dashboard_filter_name"] for listen in entry["listen"]} <= names


def test_part_ids_are_unique(made):
    rows = contents(made, ContentType.DASHBOARD)
    layouts = [place for row in rows for place in row.get("dashboard_layouts", [])]
    components = [part["id"] for place in layouts for part in place["dashboard_layout_components"]]
    for ids in (components, [place["id"] for place in layouts]):
        assert len(set(ids)) == len(ids)


def test_content_links_to_content_in_every_place(whole):
    rows = contents(whole, ContentType.DASHBOARD)
    tiles = [tile for row in rows for tile in row.get("dashboard_elements", [])]
    plans, boards = contents(whole, ContentType.SCHEDULED_PLAN), contents(whole, ContentType.BOARD)
    items = [i for board in boards for section in board["board_sections"] for i in section["board_items"]]
    places = {
        "description": [row.get("description") for row in rows],
        "text": [tile["body_text"] for tile in tiles],
        "note": [tile["note_text"] for tile in tiles],
        "rich": [tile["rich_content_json"] for tile in tiles],
        "visualisation": [str((tile["query"] or {}).get("vis_config")) for tile in tiles],
        "item": [item["custom_url"] for item in items],
        "message": [way["message"] for plan in plans for way in plan["scheduled_plan_destination"]],
    }
    for place, texts in places.items():
        for kind in ("dashboards", "looks", "folders"):
            assert any(re.search(rf"/{kind}/\d+", text or "") for text in texts), (place, kind)


def test_links_lead_to_rows(whole):
    linked = (ContentType.DASHBOARD, ContentType.LOOK, ContentType.FOLDER)
    ids = {t.label: {row["id"] for row in contents(whole, t)} for t in linked}
    for row in contents(whole, ContentType.DASHBOARD):
        text = str([leaf for _, leaf in leaves(row, "$")]).replace("elsewhere.example.org/dashboards", "")
        for kind, source_id in re.findall(r"/(dashboard|look|folder)s/(\d+)\b", text):
            assert source_id in ids[kind]


def test_a_query_is_the_same_wherever_it_stands(whole):
    seen = {}
    for row in contents(whole, ContentType.DASHBOARD):
        for tile in row.get("dashboard_elements", []):
            maker = tile["result_maker"] or {}
            for query in filter(None, (tile["query"], (tile["look"] or {}).get("query"), maker.get("query"))):
                assert seen.setdefault(query["id"], query) == query
            assert not maker.get("query") or maker["vis_config"] == maker["query"]["vis_config"]


# -- folders and people ----------------------------------------------------------------------------------


def test_folders_are_six_deep(whole):
    with open_vault(whole) as backup:
        folders = backup.folder_tree.folders

        def depth(folder_id):
            parent_id = folders[folder_id].parent_id
            return 1 + (depth(parent_id) if parent_id else 0)

        assert max(map(depth, folders)) == 6


def test_folders_of_every_sort(whole):
    rows = {row["id"]: row for row in contents(whole, ContentType.FOLDER)}
    children = Counter(row.get("parent_id") for row in rows.values())
    assert all(row["child_count"] == children[folder_id] for folder_id, row in rows.items())
    for flag in ("is_shared_root", "is_users_root", "is_embed_shared_root", "is_embed_users_root"):
        assert sum(row[flag] for row in rows.values()) == 1
    inside = [row for row in rows.values() if row["is_personal_descendant"]]
    assert inside
    for row in inside:
        parent = rows[row["parent_id"]]
        assert parent["is_personal"] or parent["is_personal_descendant"]
    embedded = [row for row in rows.values() if row["is_embed"]]
    assert {row["parent_id"] for row in embedded} >= {"3", "4"}


def test_a_personal_folder_belongs_to_one_user(whole):
    folders = {row["id"]: row for row in contents(whole, ContentType.FOLDER)}
    users = contents(whole, ContentType.USER)
    personal = {folder_id for folder_id, row in folders.items() if row["is_personal"]}
    assert {folders[folder_id]["creator_id"] for folder_id in personal} == {user["id"] for user in users}
    named = [user["personal_folder_id"] for user in users if "personal_folder_id" in user]
    assert set(named) < personal
    assert len(named) == len(set(named)) < len(users)
    external = {entry["external_user_id"] for user in users for entry in user.get("credentials_embed", [])}
    assert external == {folders[i]["external_id"] for i in personal if folders[i]["is_embed"]}


def test_users_of_every_sort(whole):
    users = contents(whole, ContentType.USER)
    for field in ("credentials_embed", "credentials_api3", "credentials_email", "credentials_saml"):
        assert 0 < sum(bool(user.get(field)) for user in users) < len(users), field
    assert any(user.get("service_account_name") for user in users)
    assert any(user["is_disabled"] for user in users)
    assert any(len(user) == 8 for user in users)
    assert len({user.get("home_folder_id") for user in users}) > 10
    assert len({user["display_name"] for user in users}) < len(users)
    emails = [user["email"] for user in users if "email" in user]
    assert len({email.casefold() for email in emails}) == len(emails)
    assert any(email != email.casefold() for email in emails)


# -- access ----------------------------------------------------------------------------------------------


def test_group_sizes_are_those_of_the_users(whole):
    members = Counter(group for user in contents(whole, ContentType.USER) for group in user["group_ids"])
    groups = contents(whole, ContentType.GROUP)
    assert {group["id"]: group["user_count"] for group in groups} == {
        g["id"]: members[g["id"]] for g in groups
    }
    assert (groups[0]["name"], groups[0]["include_by_default"]) == ("All Users", True)
    assert any(group["externally_managed"] for group in groups)


def test_roles_hold_their_sets_as_they_are(whole):
    sets = {
        kind: {row["id"]: row for row in contents(whole, content_type)}
        for kind, content_type in (
            ("permission_set", ContentType.PERMISSION_SET),
            ("model_set", ContentType.MODEL_SET),
        )
    }
    roles = contents(whole, ContentType.ROLE)
    for role in roles:
        for kind, rows in sets.items():
            assert role[kind] == rows[role[f"{kind}_id"]]
    assert (roles[0]["name"], roles[0]["permission_set"]["all_access"]) == ("Admin", True)
    for rows in sets.values():
        assert sum(row["all_access"] for row in rows.values()) == 1
        assert 0 < sum(row["built_in"] for row in rows.values()) < len(rows)


# -- boards and plans ------------------------------------------------------------------------------------


def test_orders_of_boards_name_what_is_shown(whole):
    boards = contents(whole, ContentType.BOARD)
    sections = [section for board in boards for section in board["board_sections"]]
    for board in boards:
        shown = [section["id"] for section in board["board_sections"] if not section["deleted_at"]]
        assert sorted(board["section_order"]) == sorted(shown)
    for section in sections:
        assert sorted(section["item_order"]) == sorted(item["id"] for item in section["board_items"])
    assert any(section["deleted_at"] for section in sections)
    assert any("deleted_at" in board for board in boards)
    assert any(board["section_order"] != sorted(board["section_order"]) for board in boards)


def test_items_of_every_sort(whole):
    sections = [part for board in contents(whole, ContentType.BOARD) for part in board["board_sections"]]
    items = [item for section in sections for item in section["board_items"]]
    assert len({item["id"] for item in items}) == len(items)
    targets = ("dashboard_id", "look_id", "lookml_dashboard_id", "custom_url")
    assert all(sum(item[target] is not None for target in targets) == 1 for item in items)
    for key in (*targets, "use_custom_title", "use_custom_description", "use_custom_url"):
        assert any(item[key] for item in items), key


def test_plans_of_every_sort(whole):
    plans = contents(whole, ContentType.SCHEDULED_PLAN)
    targets = ("dashboard_id", "look_id", "lookml_dashboard_id", "query_id")
    for plan in plans:
        assert sum(target in plan for target in targets) == 1
        assert ("crontab" in plan) != ("datagroup" in plan)
        assert 1 <= len(plan["scheduled_plan_destination"]) <= 3
        assert plan["user"]["id"] == plan["user_id"]
    for target in targets:
        assert any(target in plan for plan in plans), target
    for flag in ("enabled", "run_once", "run_as_recipient"):
        assert {plan[flag] for plan in plans} == {True, False}
    ways = {way["type"] for plan in plans for way in plan["scheduled_plan_destination"]}
    assert ways == {"email", "webhook", "s3", "sftp", "looker-integration::slack"}


def test_tabs_of_plans_are_layouts_of_their_dashboards(whole):
    rows = {row["id"]: row for row in contents(whole, ContentType.DASHBOARD)}
    tabbed = [plan for plan in contents(whole, ContentType.SCHEDULED_PLAN) if "tab_ids" in plan]
    assert tabbed
    for plan in tabbed:
        layouts = {layout["id"] for layout in rows[plan["dashboard_id"]]["dashboard_layouts"]}
        assert set(plan["tab_ids"]) <= layouts


def test_a_plan_may_carry_the_title_of_its_content(whole):
    titles = {
        f"{t.label}_id": {row["id"]: row["title"] for row in contents(whole, t)}
        for t in (ContentType.DASHBOARD, ContentType.LOOK)
    }
    titled = [plan for plan in contents(whole, ContentType.SCHEDULED_PLAN) if "title" in plan]
    assert {key for plan in titled for key in titles if key in plan} == set(titles)
    for plan in titled:
        for key in titles.keys() & plan.keys():
            assert plan["title"] == titles[key][plan[key]]


# -- all types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", [t for t in TYPES if t is not ContentType.LOOKML_MODEL], ids=lambda t: t.label
)
def test_every_type_has_odd_names(content_type, whole):
    if content_type is ContentType.USER:
        found = [row["last_name"] for row in contents(whole, content_type)]
    else:
        found = names(whole, content_type)
    assert {"NOT NULL", "Sales / Finance / Q1", "100% of _everything_, daily", "-EMEA,APAC"} <= set(found)
    assert any("🚀" in name for name in found)
    assert any("لوحة" in name for name in found)
    assert any(1900 < len(name) <= 2100 for name in found)


@pytest.mark.parametrize("total", [22, 500, 5000])
def test_a_mixed_vault_has_exactly_so_many_rows(tmp_path, total):
    counts = make_vault.write_vault(tmp_path / "vault.db", **make_vault.mixed(total))
    assert sum(counts.values()) == total
    assert set(counts) == {t.label for t in TYPES}
    assert all(counts.values())
    if total == 5000:
        shares = {kind: count / total for kind, count in counts.items()}
        expected = {"dashboard": 0.55, "look": 0.2, "folder": 0.1, "user": 0.05}
        assert {kind: pytest.approx(shares[kind], abs=0.005) for kind in expected} == expected


def test_a_mixed_vault_cannot_be_too_small():
    with pytest.raises(ValueError, match="5 rows are too few"):
        make_vault.mixed(5)


def digest(path, *content_types):
    found = hashlib.sha256()
    with open_vault(path) as backup:
        for content_type in content_types:
            for row in backup.rows(content_type, deleted="include"):
                found.update(repr(row).encode())
    return found.hexdigest()


def test_the_same_seed_makes_the_same_rows(tmp_path):
    def made(name, seed):
        make_vault.write_vault(tmp_path / name, **make_vault.mixed(300), seed=seed)
        return {t.label: digest(tmp_path / name, t) for t in TYPES}

    first, again, other = made("a.db", 3), made("b.db", 3), made("c.db", 4)
    assert first == again
    assert {label for label in first if first[label] == other[label]} == {"lookml_model"}


def test_further_types_leave_the_rows_of_others_alone(tmp_path):
    make_vault.write_vault(tmp_path / "few.db")
    make_vault.write_vault(tmp_path / "all.db", **COUNTS)
    same = (ContentType.DASHBOARD, ContentType.LOOK, ContentType.LOOKML_MODEL, ContentType.FOLDER)
    assert digest(tmp_path / "few.db", *same) == digest(tmp_path / "all.db", *same)
    # Users of course say which groups and roles they are in.
    few, every = (contents(tmp_path / name, ContentType.USER) for name in ("few.db", "all.db"))
    assert [user | {"group_ids": [], "role_ids": []} for user in every] == few


def test_types_that_were_not_asked_for_leave_no_trace(made):
    with open_vault(made) as backup:
        assert {t.label for t in TYPES if backup.has_type(t)} == {
            "dashboard",
            "look",
            "lookml_model",
            "folder",
            "user",
        }


def test_without_oddities_everything_is_plain(tmp_path):
    path = tmp_path / "plain.db"
    make_vault.write_vault(path, oddities=False, whole=True, **COUNTS)
    with open_vault(path) as backup:
        assert backup.count(ContentType.DASHBOARD) == 100
        rows = [decode_blob(row.blob) for row in backup.rows(ContentType.DASHBOARD)]
    assert all(
        len(row["dashboard_layouts"]) == 1 and row["user_id"] and row["dashboard_elements"] for row in rows
    )
    assert not [user for user in contents(path, ContentType.USER) if user["is_service_account"]]
    assert not [group for group in contents(path, ContentType.GROUP) if group["externally_managed"]]
    assert all(plan["enabled"] for plan in contents(path, ContentType.SCHEDULED_PLAN))


@pytest.mark.parametrize("nothing", ["looks", "users", "folders", *COUNTS])
def test_a_vault_without_a_type(tmp_path, nothing):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, dashboards=30, whole=True, **(COUNTS | {nothing: 0}))
    with open_vault(path) as backup:
        assert not [f for f in check(backup) if isinstance(f, Dangling) and f.state == "absent"]


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_ids_before_schema_4_are_of_one_type_only(tmp_path, schema):
    path = tmp_path / "vault.db"
    counts = make_vault.write_vault(path, schema=schema, **make_vault.mixed(300))
    with open_vault(path) as backup:
        assert sum(found.rows for found in backup.counts().values()) == sum(counts.values()) == 300
        assert not [f for f in check(backup) if isinstance(f, Dangling) and f.state == "absent"]


def run(monkeypatch, *given):
    monkeypatch.setattr(sys, "argv", ["make_vault.py", *map(str, given)])
    make_vault.main()


def test_the_command_line(tmp_path, monkeypatch, capsys):
    out = tmp_path / "cli.db"
    given = ["--dashboards", "3", "--looks", "2", "--id-form", "composite", "--schema", "2", "--no-oddities"]
    run(monkeypatch, out, *given, "--permission-sets", "7")
    assert "3 dashboards, 2 looks" in capsys.readouterr().out
    with open_vault(out) as backup:
        assert (backup.info().schema_version, backup.info().id_form) == (2, "composite")
        assert backup.count(ContentType.PERMISSION_SET) == 7


def test_the_command_line_for_a_whole_instance(tmp_path, monkeypatch, capsys):
    run(monkeypatch, tmp_path / "cli.db", "--items", 200, "--plans", 3)
    assert "3 scheduled_plans" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path / "cli.db", "--items", 10)
    assert "10 rows are too few" in capsys.readouterr().err


def test_every_dashboard_can_have_the_same_number_of_tiles(tmp_path):
    make_vault.write_vault(tmp_path / "vault.db", dashboards=9, tiles=30, oddities=False)
    with open_vault(tmp_path / "vault.db") as backup:
        rows = backup.rows(ContentType.DASHBOARD)
        assert [len(decode_blob(row.blob)["dashboard_elements"]) for row in rows] == [30] * 9
