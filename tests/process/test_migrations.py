"""A backup goes to an instance where much is called otherwise; what a file cannot mean is refused before a write."""

import json

import pytest
from make_vault import mixed, write_vault
from processes import running_site
from test_exits import assert_refused, error_of

from lvrestore.model import ContentType
from lvrestore.sandbox.faults import Faults
from lvrestore.vault import decode_blob, open_vault
from lvrestore.vault.foreign_keys import explores_of, palettes_of

APART = 50_000_000
ACME = ("acme", "acme-categorical-0")
FILE = """\
[models]
thelook = "shop"

[explores]
"marketing.{explore}" = "shop.campaigns"

[connections]
warehouse_1 = "lake"

[folders]
"{folder}" = "Shared/From A"

[users]
"@example.com" = "@b.example"

[groups]
"{group}" = "EMEA"

[palettes]
"acme/acme-categorical-0" = "corp/corp-1"
"""


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "a.db"
    sizes = {**mixed(150), "model_sets": 6, "permission_sets": 6, "roles": 4, "groups": 4}
    write_vault(path, **sizes, oddities=False)
    return path


def contents(vault, content_type):
    with open_vault(vault) as opened:
        return {row.source_id: decode_blob(row.blob) for row in opened.rows(content_type)}


class Backup:
    """What the file of this test is about."""

    def __init__(self, vault):
        folders = contents(vault, ContentType.FOLDER)
        parents = {one["parent_id"] for one in folders.values() if one.get("parent_id")}
        plain = {
            i: one for i, one in folders.items() if one.get("parent_id") == "1" and not one.get("is_personal")
        }
        self.folder = next(i for i in plain if i in parents)
        self.folders = folders
        groups = contents(vault, ContentType.GROUP).values()
        self.group = next(
            one["name"] for one in groups if not one.get("externally_managed") and not one.get("external_group_id")
            and not one.get("include_by_default")
        )  # fmt: skip
        self.models = contents(vault, ContentType.LOOKML_MODEL)
        self.explore = self.models["marketing"]["explores"][0]["name"]

    def file(self):
        return FILE.format(explore=self.explore, folder=self.folder, group=self.group)


@pytest.fixture
def destination(vault, tmp_path):
    backup = Backup(vault)
    with running_site(vault, tmp_path, empty=True, first_id=APART) as site:
        site.backup = backup
        for name in ("marketing", "finance_eu"):
            site.looker.add_model(name, [one["name"] for one in backup.models[name]["explores"]])
        explores = [one["name"] for one in backup.models["thelook"]["explores"]]
        site.looker.add_model("shop", [*explores, "campaigns"], project_name="of_b")
        for name in ("lake", "warehouse_2", "warehouse_3"):
            site.looker.add_connection(name)
        site.looker.add_palette("corp", "corp-1")
        shared = next(f["id"] for f in site.looker.call("GET", "/folders") if f["is_shared_root"])
        site.target = site.looker.call("POST", "/folders", {"name": "From A", "parent_id": shared})["id"]
        site.looker.clear_log()
        site.file = tmp_path / "remap.toml"
        site.file.write_text(backup.file())
        yield site


def everything(site, *more):
    return site.run(["all", "--procs", "2", *site.arguments("--remap", str(site.file), *more)], timeout_s=120)


def test_everything_gets_the_names_of_the_destination_and_a_second_run_writes_nothing(destination):
    first = everything(destination)
    assert set(first.summary["error_breakdown"]) <= {"dependency"}, first  # queries that are in no backup
    assert "is not on the destination" not in first.err
    dump, backup = destination.looker.dump(), destination.backup
    named = {pair for one in dump["dashboards"].values() for pair in explores_of(ContentType.DASHBOARD, one)}
    queries = {(one["model"], one["view"]) for one in dump["queries"].values()}
    assert not {model for model, _ in named | queries} & {"thelook"}
    assert ("marketing", backup.explore) not in named | queries
    assert ("shop", "campaigns") in named | queries
    colours = {
        pair for one in dump["queries"].values() for pair in palettes_of(ContentType.LOOK, {"query": one})
    }
    assert ("corp", "corp-1") in colours
    assert ACME not in colours
    folder = backup.folders[backup.folder]
    assert folder["name"] not in {one["name"] for one in dump["folders"].values()}
    below = [one["name"] for one in backup.folders.values() if one.get("parent_id") == backup.folder]
    assert {one["name"] for one in dump["folders"].values() if one["parent_id"] == destination.target} >= set(
        below
    )
    addresses = {one["email"] for one in dump["users"].values() if one["email"]}
    assert not [one for one in addresses if one.endswith("@example.com")]
    assert [one for one in addresses if one.endswith("@b.example")]
    groups = {one["name"] for one in dump["groups"].values()}
    assert "EMEA" in groups
    assert backup.group not in groups
    shop = dump["models"]["shop"]
    assert (shop["project_name"], shop["allowed_db_connection_names"]) == ("of_b", ["lake"])
    assert "thelook" not in dump["models"]
    destination.looker.clear_log()
    again = everything(destination)
    assert again.code == first.code, again
    assert destination.writes() == []


def test_with_a_corrected_file_content_moves_to_the_other_model(destination):
    first = everything(destination)
    assert first.counts["created"] > 50, first
    explores = [one["name"] for one in destination.backup.models["thelook"]["explores"]]
    destination.looker.add_model("store", explores, project_name="of_b")
    destination.file.write_text(destination.file.read_text().replace('thelook = "shop"', 'thelook = "store"'))
    shop = destination.looker.dump()["models"]["shop"]
    again = everything(destination)
    assert again.counts["created"] == 0, again
    dump = destination.looker.dump()
    assert dump["models"]["shop"] == shop
    assert dump["models"]["store"]["allowed_db_connection_names"] == ["lake"]
    shown = {tile["query_id"] for one in dump["dashboards"].values() for tile in one["dashboard_elements"]}
    shown |= {one["query_id"] for one in dump["looks"].values()}
    explores = {(one["model"], one["view"]) for query_id, one in dump["queries"].items() if query_id in shown}
    assert "store" in {model for model, _ in explores}
    assert {view for model, view in explores if model == "shop"} <= {"campaigns"}
    destination.looker.clear_log()
    assert everything(destination).code == first.code
    assert destination.writes() == []


def test_a_corrected_file_may_give_models_names_that_others_had_and_a_dry_run_tells_the_same(destination):
    models = destination.backup.models
    explores = sorted({one["name"] for model in models.values() for one in model["explores"]} | {"campaigns"})
    for name in (*models, "shop"):
        destination.looker.add_model(name, explores, project_name="of_b")
    text, wrong = destination.file.read_text(), 'thelook = "shop"'
    destination.file.write_text(text.replace(wrong, ""))
    first = everything(destination)
    right = 'thelook = "marketing"\nmarketing = "finance_eu"\nfinance_eu = "thelook"'
    destination.file.write_text(text.replace(wrong, right))
    foretold = json.loads(everything(destination, "--dry-run").out.splitlines()[-1])["summary"]
    again = everything(destination)
    for name in ("created_count", "updated_count", "unchanged_count", "error_count"):
        assert foretold[name] == again.summary["summary"][name], name
    assert again.counts["created"] == 0
    assert again.counts["error"] == first.counts["error"], again.summary["error_breakdown"]
    destination.looker.clear_log()
    assert everything(destination).code == first.code
    assert destination.writes() == []


def lines_of(ended):
    return error_of(ended)["message"]


def test_targets_that_are_not_there_are_all_named_before_a_write_in_a_dry_run_as_well(destination):
    text = destination.file.read_text()
    for name in ("shop.campaigns", "lake", "From A", "corp-1"):
        text = text.replace(name, f"{name}-x")
    destination.file.write_text(text.replace('"shop"', '"shop-x"'))
    for more in ((), ("--dry-run",)):
        ended = everything(destination, *more)
        assert_refused(ended, 3, destination)
        for what in (
            "model shop-x (", "explore shop.campaigns-x (", "connection lake-x (1 item)", "folder Shared/From A-x (",
            "palette corp/corp-1-x (",
        ):  # fmt: skip
            assert what in lines_of(ended)
    assert ", 0 items" not in lines_of(ended)


def test_without_a_file_palettes_and_connections_that_are_not_there_are_told_unless_they_are_unknown(
    destination,
):
    arguments = ["all", "--dry-run", *destination.arguments()]
    told = destination.run(arguments, timeout_s=120).err
    assert "palette acme/acme-categorical-0 is not on the destination: " in told
    assert "connection warehouse_1 is not on the destination: 1 item names it" in told
    destination.looker.on("GET", "/connections").answer(403, {"message": "no"}, times=9)
    destination.looker.on("GET", "/color_collections").answer(501, {"message": "no"}, times=99)
    told = destination.run([*arguments, "--max-retries", "0"], timeout_s=120).err
    assert "palette acme" not in told
    assert "connection warehouse" not in told


def test_entries_that_match_nothing_are_told_and_no_reason_to_stop(destination):
    destination.file.write_text('[models]\nnone = "nowhere"\n[folders]\n"Shared/None" = "Shared/Nowhere"\n')
    ended = destination.run(
        ["single", "permission_set", "1", *destination.arguments("--remap", str(destination.file))]
    )
    assert "[models] 'none' matches nothing that is selected: 0 items" in ended.err
    assert "[folders] 'Shared/None' matches nothing that is selected: 0 items" in ended.err
    assert ended.code == 0, ended


def test_people_who_would_become_one_are_refused(destination, vault):
    people = [one["email"] for one in contents(vault, ContentType.USER).values() if one.get("email")][:2]
    destination.file.write_text("[users]\n" + "".join(f'"{one}" = "x@b.example"\n' for one in people))
    ended = everything(destination)
    assert_refused(ended, 3, destination)
    assert "x@b.example (from " in lines_of(ended)


def test_a_file_that_is_no_toml_is_refused_with_its_line(destination):
    destination.file.write_text("[models]\nthelook = shop\n")
    ended = everything(destination)
    assert_refused(ended, 3, destination)
    assert "remap.toml" in lines_of(ended)
    assert "line 2" in lines_of(ended)
    assert destination.looker.requests == []


def test_refused_on_the_instance_of_the_backup(vault, tmp_path):
    with running_site(vault, tmp_path, damaged=False) as site:
        site.file = tmp_path / "remap.toml"
        site.file.write_text('[models]\nthelook = "shop"\n')
        ended = everything(site)
        assert_refused(ended, 3, site)
        assert "the one that was backed up" in lines_of(ended)
        assert "leave out --remap" in error_of(ended)["hint"]


def test_a_session_remembers_the_file_and_is_refused_with_another_one(destination, vault):
    small = ["bulk", "--type", "permission_set", "--type", "model_set", *destination.arguments()]
    named = [*small, "--run-id", "x", "--remap", str(destination.file)]
    assert destination.run([*named, "--max-calls", "9"]).code == 7
    text = destination.file.read_text()
    destination.file.write_text(text.replace("thelook", "finance_eu"))
    other = destination.run(named)
    assert other.code == 6, other
    assert "remap" in error_of(other)["message"]
    destination.file.unlink()
    resumed = destination.run(["resume", *destination.arguments()])
    assert resumed.code == 0, resumed
    sets = destination.looker.dump()["model_sets"].values()
    wanted = contents(vault, ContentType.MODEL_SET).values()
    assert [one for one in wanted if "thelook" in one["models"]]
    assert not [one for one in sets if "thelook" in one["models"]]
    assert [one for one in sets if "shop" in one["models"]]


def test_what_failed_is_tried_again_with_the_names_of_its_session(destination):
    destination.looker.on("POST", "/model_sets").answer(422, {"message": "no"}, times=9)
    arguments = destination.arguments("--remap", str(destination.file))
    assert destination.run(["bulk", "--type", "model_set", *arguments]).code == 1
    destination.looker.faults = Faults()
    retried = destination.run(["dlq", "retry", "--run-id", "again", *destination.arguments()])
    assert retried.code == 0, retried
    sets = destination.looker.dump()["model_sets"].values()
    assert not [one for one in sets if "thelook" in one["models"]]
    assert [one for one in sets if "shop" in one["models"]]
    assert json.loads(destination.run(["dlq", "retry", "--run-id", "again", *destination.arguments()]).out)


def test_letters_of_sessions_with_different_files_are_not_mixed(destination):
    for path, kind in (("/model_sets", "model_set"), ("/groups", "group")):
        destination.looker.on("POST", path).answer(422, {"message": "no"}, times=9)
        arguments = destination.arguments("--remap", str(destination.file))
        assert destination.run(["bulk", "--type", kind, *arguments]).code == 1
        destination.file.write_text(destination.file.read_text().replace('"EMEA"', '"APAC"'))
    destination.looker.faults = Faults()
    destination.looker.clear_log()
    mixed_up = destination.run(["dlq", "retry", *destination.arguments()])
    assert_refused(mixed_up, 64, destination)
    assert "different --remap files" in lines_of(mixed_up)
    retried = destination.run(["dlq", "retry", "--type", "group", *destination.arguments()])
    assert retried.counts["error"] == retried.counts["conflict"] == 0, (
        retried
    )  # people of it may not be there yet
    groups = {one["name"] for one in destination.looker.dump()["groups"].values()}
    assert "APAC" in groups
    assert destination.backup.group not in groups
