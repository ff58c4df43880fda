"""`lvrestore vault` as a person and as a script sees it."""

import importlib
import json
import sys
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest
from click.testing import CliRunner

from lvrestore.cli.vault import vault as vault_command
from lvrestore.errors import NotFoundError, VaultError

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "lookervault.db"
    make_vault.write_vault(path, dashboards=60, looks=20, folders=15, users=5)
    return path


@pytest.fixture
def run(path):
    def run(*arguments, code=0, env=None):
        given = [*arguments, "--db-path", str(path)] if env is None else list(arguments)
        result = CliRunner().invoke(vault_command, given, env=env)
        if isinstance(result.exception, Exception):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def change(path, sql):
    with closing(apsw.Connection(str(path))) as db:
        db.execute(sql)


def test_info_as_json(run, path):
    (info,) = lines(run("info", "--json"))
    assert info["type"] == "vault"
    assert (info["schema_version"], info["id_form"]) == (4, "bare")
    assert info["counts"]["dashboard"] == {"rows": 60, "deleted": 2}
    assert {"explore", "board", "role"} <= set(info["missing_types"])
    assert info["oldest"] < info["newest"]
    assert info["size_bytes"] == path.stat().st_size
    assert {"what", "why"} == set(info["not_restorable"][0])


def test_info_for_people_names_what_is_missing_and_why_it_matters(run):
    shown = run("info").stdout
    assert "schema version 4, bare ids" in shown
    assert "no board can be restored" in shown
    assert "merge definitions" in shown


@pytest.mark.parametrize("name", ["LVRESTORE_DB_PATH", "LOOKERVAULT_DB_PATH"])
def test_the_vault_comes_from_the_environment_too(run, path, name):
    (info,) = lines(run("info", env={name: str(path), "LVRESTORE_JSON": "1"}))
    assert info["path"] == str(path)


def test_list_is_a_line_per_row_and_says_what_it_leaves_out(run):
    result = run("list", "--type", "dashboards", "--json")
    rows = lines(result)
    assert len(rows) == 58
    assert {row["type"] for row in rows} == {"row"}
    assert rows[0]["content_type"] == "dashboard"
    assert {"content_id", "name", "owner_id", "folder_id", "updated_at", "deleted_at", "size"} <= set(rows[0])
    assert "2 left out" in result.stderr


@pytest.mark.parametrize(("deleted", "count"), [("exclude", 58), ("include", 60), ("only", 2)])
def test_list_of_deleted_rows(run, deleted, count):
    assert len(lines(run("list", "--type", "dashboard", "--deleted", deleted, "--json"))) == count


def test_list_of_all_types_with_a_limit(run):
    rows = lines(run("list", "--limit", "70", "--json"))
    assert len(rows) == 70
    assert {row["content_type"] for row in rows} == {"dashboard", "look"}


def test_list_of_a_folder_by_path(run):
    inside = lines(run("list", "--type", "dashboard", "--folder", "Shared", "--json"))
    below = lines(run("list", "--type", "dashboard", "--folder", "Shared", "--recursive", "--json"))
    assert {row["folder_id"] for row in inside} <= {"1"}
    assert len(inside) < len(below) < 58


def test_names_are_shown_with_control_characters_escaped(run):
    shown = run("list", "--type", "dashboard").stdout
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown
    assert "[red]markup[/red]" in shown


def test_an_unknown_type_lists_the_valid_ones(run):
    assert "permission_set, model_set" in run("list", "--type", "tile", code=2).output


def test_show_for_people(run):
    shown = run("show", "dashboard", "1").stdout
    for heading in ("Tiles", "Layout 1 newspaper", "Refers to"):
        assert heading in shown
    assert "button" in shown


@pytest.mark.parametrize("source_id", ["1", "dashboard::1"])
def test_show_as_json_holds_all_of_the_content_with_iso_times(run, source_id):
    (item,) = lines(run("show", "DASHBOARD", source_id, "--json"))
    assert (item["type"], item["content_id"]) == ("item", "1")
    assert item["content"]["created_at"].endswith("Z")
    assert item["content"]["dashboard_elements"][0]["query"]["fields"]
    assert f"folder:{item['folder_id']}" in item["references"]


@pytest.mark.parametrize("content_type", ["look", "folder", "user", "lookml_model"])
def test_show_of_every_type(run, content_type):
    (row, *_) = lines(run("list", "--type", content_type, "--json"))
    assert row["name"] in run("show", content_type, row["content_id"]).stdout


def test_show_of_what_is_not_there_is_not_found(run):
    with pytest.raises(NotFoundError, match="look 4711 is not in the vault"):
        run("show", "look", "4711")


def test_check_of_a_sound_vault(run):
    *warnings, last = lines(run("check", "--json"))
    assert last["type"] == "checked"
    assert (last["bad"], last["warnings"]) == (0, len(warnings))
    assert {warning["state"] for warning in warnings} <= {"deleted"}


def test_check_names_every_bad_row_and_exits_3(run, path):
    change(path, "UPDATE content_items SET content_data = x'ff' WHERE id IN ('3', '4') AND content_type = 1")
    found = lines(run("check", "--json", code=3))
    bad = [line for line in found if line["type"] == "bad_row"]
    assert [(line["content_type"], line["content_id"]) for line in bad] == [
        ("dashboard", "3"),
        ("dashboard", "4"),
    ]
    assert all(line["reason"] for line in bad)
    assert found[-1]["bad"] == 2
    assert "bad: dashboard 3" in run("check", code=3).stdout


def test_check_warns_of_references_to_nothing(run, path):
    change(path, "DELETE FROM content_items WHERE content_type = 7 AND id = '2'")
    found = lines(run("check", "--json"))
    assert {("user:2", "absent")} <= {(line.get("refers_to"), line.get("state")) for line in found}


def test_check_finds_damage_to_the_file(run, path):
    change(path, "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'idx_owner_id'")
    found = lines(run("check", "--json", code=3))
    assert found[0]["type"] == "damage"


def test_errors_reach_the_caller_as_they_are(tmp_path):
    (tmp_path / "vault.db").write_bytes(b"")
    result = CliRunner().invoke(vault_command, ["info", "--db-path", str(tmp_path / "vault.db")])
    assert isinstance(result.exception, VaultError)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("folder_id", None, "has no folder_id, which Looker requires"),
        ("created_at", 12345, "Expected `datetime | null`, got `int`"),
        ("hidden", "yes", "Expected `bool | null`, got `str`"),
    ],
)
def test_check_names_rows_that_no_dashboard_can_be_made_of(field, value, said, run, path):
    with closing(apsw.Connection(str(path))) as db:
        where = "WHERE content_type = 1 AND id = '3'"
        content = msgspec.msgpack.decode(db.execute(f"SELECT content_data FROM content_items {where}").get)
        blob = msgspec.msgpack.encode({**content, field: value})
        db.execute(f"UPDATE content_items SET content_data = ? {where}", (blob,))
    (bad,) = (one for one in lines(run("check", "--json", code=3)) if one["type"] == "bad_row")
    assert (bad["content_type"], bad["content_id"]) == ("dashboard", "3")
    assert said in bad["reason"]
