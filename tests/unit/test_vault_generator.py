"""The generator makes what lookervault makes: compared with a genuine vault, key by key."""

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from lvrestore.model import ContentType
from lvrestore.vault import check, decode_blob, open_vault
from lvrestore.vault.check import Dangling

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
make_vault = importlib.import_module("make_vault")

GENUINE = Path(os.environ.get("LVRESTORE_TEST_VAULTS", ROOT.parent / "shared" / "vaults")) / "small.db"
TYPES = (
    ContentType.DASHBOARD,
    ContentType.LOOK,
    ContentType.LOOKML_MODEL,
    ContentType.FOLDER,
    ContentType.USER,
)
# Looker leaves the keys of these to whoever writes them.
FREE = frozenset({"vis_config", "filters", "filter_config", "can", "ui_state", "options"})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "vault.db"
    make_vault.write_vault(path, dashboards=400, looks=60, folders=40, users=20)
    return path


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    if not GENUINE.exists():
        pytest.skip(f"no genuine vault at {GENUINE}; LVRESTORE_TEST_VAULTS names their folder")
    return Path(shutil.copy(GENUINE, tmp_path_factory.mktemp("genuine")))


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


def key_sets(path, content_type):
    found = {}
    for content in contents(path, content_type):
        for place, keys in nested(content, "$"):
            found.setdefault(place, set()).add(keys)
    return found


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_nested_objects_have_the_keys_of_genuine_ones_in_their_order(content_type, made, genuine):
    ours, theirs = key_sets(made, content_type), key_sets(genuine, content_type)
    for place in set(ours) - {"$"}:
        assert ours[place] <= theirs[place], place
    # Some kinds of logins are not made, and of a filter's field only what every field has.
    assert {place for place in theirs if "credentials_" not in place and ".field." not in place} <= set(ours)


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_top_level_keys_are_those_of_genuine_rows(content_type, made, genuine):
    ours = {key for keys in key_sets(made, content_type)["$"] for key in keys}
    theirs = {key for keys in key_sets(genuine, content_type)["$"] for key in keys}
    extra = {"external_id", "last_updater_name", "user_name", "credentials_saml", "service_account_name"}
    assert ours <= theirs
    assert theirs - ours <= extra
    assert not [keys for keys in key_sets(made, content_type)["$"] if None in keys]


@pytest.mark.parametrize("content_type", TYPES, ids=lambda t: t.label)
def test_values_have_the_types_of_genuine_ones(content_type, made, genuine):
    def types(path):
        found = {}
        for content in contents(path, content_type):
            for key, value in content.items():
                found.setdefault(key, set()).add(type(value))
        return found

    theirs = types(genuine)
    for key, kinds in types(made).items():
        assert kinds <= theirs[key], key


def test_columns_follow_the_content(made):
    with open_vault(made) as backup:
        for row in backup.rows(ContentType.DASHBOARD):
            content = decode_blob(row.blob)
            assert (row.name, row.folder_id) == (content["title"], content["folder_id"])
            assert row.updated_at == content["updated_at"].isoformat()
        assert backup.get(ContentType.USER, "1").name == "Untitled 1"


def test_every_reference_resolves(made):
    with open_vault(made) as backup:
        absent = [f for f in check(backup) if isinstance(f, Dangling) and f.state == "absent"]
    assert absent == []


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


def test_folders_are_six_deep(made):
    with open_vault(made) as backup:
        folders = backup.folder_tree.folders

        def depth(folder_id):
            parent_id = folders[folder_id].parent_id
            return 1 + (depth(parent_id) if parent_id else 0)

        assert max(map(depth, folders)) == 6


def test_the_same_seed_makes_the_same_rows(tmp_path):
    def blobs(name, **given):
        make_vault.write_vault(tmp_path / name, dashboards=20, **given)
        with open_vault(tmp_path / name) as backup:
            return [row.blob for row in backup.rows(ContentType.DASHBOARD, deleted="include")]

    assert blobs("a.db", seed=3) == blobs("b.db", seed=3)
    assert blobs("a.db", seed=3) != blobs("c.db", seed=4)


def test_without_oddities_everything_is_plain(tmp_path):
    path = tmp_path / "plain.db"
    make_vault.write_vault(path, dashboards=100, oddities=False)
    with open_vault(path) as backup:
        assert backup.count(ContentType.DASHBOARD) == 100
        rows = [decode_blob(row.blob) for row in backup.rows(ContentType.DASHBOARD)]
    assert all(
        len(row["dashboard_layouts"]) == 1 and row["user_id"] and row["dashboard_elements"] for row in rows
    )


@pytest.mark.parametrize("nothing", ["looks", "users", "folders"])
def test_a_vault_without_a_type(tmp_path, nothing):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, dashboards=30, **{nothing: 0})
    with open_vault(path) as backup:
        assert not [f for f in check(backup) if isinstance(f, Dangling) and f.state == "absent"]


def test_the_command_line(tmp_path, monkeypatch, capsys):
    out = tmp_path / "cli.db"
    given = ["--dashboards", "3", "--looks", "2", "--id-form", "composite", "--schema", "2", "--no-oddities"]
    monkeypatch.setattr(sys, "argv", ["make_vault.py", str(out), *given])
    make_vault.main()
    assert "3 dashboards, 2 looks" in capsys.readouterr().out
    with open_vault(out) as backup:
        assert (backup.info().schema_version, backup.info().id_form) == (2, "composite")
