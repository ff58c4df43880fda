"""Items on an instance where things are called otherwise, in memory."""

import importlib
import sys
from pathlib import Path

import msgspec
import pytest
from factory import backup, make_dashboard, make_looker, new_query
from harness import Memory
from harness import restore as restore_any

from lvrestore.content.kinds import KINDS
from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.play.answers import StateReferences
from lvrestore.play.workbench import shaped
from lvrestore.settings import Policy, Remap
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.vault import Lookups, open_vault

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")


def restore(looker, kind, content, memory, source_id="777"):
    row = source_id, msgspec.msgpack.encode({**content, "id": source_id})
    looker.clear_log()
    (result,) = restore_any(looker, [row], memory, content_type=ContentType[kind.upper()])
    return result


def writes(looker):
    return [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]


def elsewhere(looker, **policy):
    """Another instance, whose model has another name, and what is known of the first one there."""
    there = make_looker()
    there.call("DELETE", "/lookml_models/thelook")
    there.add_model("shop", ["orders"])
    memory = Memory(same_instance=False, **policy)
    memory.mappings["folder", looker.folder] = MappedId(there.folder)
    memory.mappings["look", looker.look] = MappedId(there.look)
    memory.mappings["user", looker.owner] = MappedId(there.owner)
    return there, memory


def test_a_dashboard_is_restored_on_the_model_that_has_another_name_and_unchanged_then():
    looker = make_looker()
    source_id, blob = backup(looker, make_dashboard(looker))
    there, memory = elsewhere(looker, remap=Remap(models={"thelook": "shop"}))
    there.clear_log()
    (result,) = restore_any(there, [(source_id, blob)], memory)
    assert result.operation is Operation.CREATED, result
    sent = str([r.body for r in there.requests if r.method != "GET"])
    assert "'shop'" in sent
    assert "'thelook'" not in sent
    for known in (memory, Memory(same_instance=False, remap=memory.policy.remap)):
        known.mappings = {
            key: memory.mappings[key] for key in memory.mappings if known is memory or key[0] != "query"
        }
        there.clear_log()
        (again,) = restore_any(there, [(source_id, blob)], known)
        assert (again.operation, writes(there)) == (Operation.UNCHANGED, [])


def test_without_the_file_it_lacks_its_model():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))
    there, memory = elsewhere(looker)
    (result,) = restore_any(there, [row], memory)
    assert result.error.blockers == ("lookml_model thelook",)


def test_a_folder_that_another_stands_for_is_never_written_and_what_lies_in_it_goes_there():
    looker = make_looker()
    there, memory = elsewhere(looker)
    target = there.call("POST", "/folders", {"name": "EMEA", "parent_id": "1"})["id"]
    memory.policy = Policy(folders={"70": target, "1": target})
    for source_id, more in (("70", {"parent_id": "69"}), ("1", {"is_shared_root": True})):
        skipped = restore(there, "folder", {"name": "Sales", **more}, memory, source_id)
        assert (skipped.operation, skipped.destination_id) == (Operation.SKIPPED, target)
        assert skipped.reason == f"stands for folder {target} (remap)"
        assert there.requests == []
    assert ("folder", "70") not in memory.mappings
    below = restore(there, "folder", {"name": "North", "parent_id": "70"}, memory, "71")
    assert there.call("GET", f"/folders/{below.destination_id}")["parent_id"] == target
    query = {"model": "shop", "view": "orders", "fields": ["orders.count"]}
    look = {"title": "L", "folder_id": "1", "query_id": "5", "query": query}
    made = restore(there, "look", look, memory)
    assert there.call("GET", f"/looks/{made.destination_id}")["folder_id"] == target


def test_a_link_to_such_a_folder_leads_to_the_one_that_stands_for_it():
    looker = make_looker()
    dashboard_id = make_dashboard(looker, tiles=0, filters=0)
    text = {"dashboard_id": dashboard_id, "type": "text", "body_text": "see /folders/70"}
    looker.call("POST", "/dashboard_elements", text)
    there, memory = elsewhere(looker, folders={"70": "4711"})
    (result,) = restore_any(there, [backup(looker, dashboard_id)], memory)
    (tile,) = there.call("GET", f"/dashboards/{result.destination_id}")["dashboard_elements"]
    assert tile["body_text"] == "see /folders/4711"
    assert result.warnings == ()


def test_a_person_is_found_by_the_address_of_the_destination():
    looker = make_looker()
    there, memory = elsewhere(looker, remap=Remap(users={"@old.example": "@example.com"}))
    del memory.mappings["user", looker.owner]
    content = {"first_name": "Ann", "last_name": "B", "email": "Ann@old.example"}
    result = restore(there, "user", content, memory)
    assert (result.operation, result.destination_id, writes(there)) == (Operation.UNCHANGED, there.owner, [])


def test_a_renamed_model_keeps_the_project_of_the_destination_and_gets_its_connections():
    there, memory = elsewhere(make_looker(), remap=Remap(models={"old": "shop"}, connections={"a": "b"}))
    content = {"name": "old", "project_name": "old", "allowed_db_connection_names": ["a"]}
    result = restore(there, "lookml_model", content, memory, "old")
    assert (result.operation, result.destination_id) == (Operation.UPDATED, "shop")
    live = there.call("GET", "/lookml_models/shop")
    assert (live["project_name"], live["allowed_db_connection_names"]) == ("shop", ["b"])


def test_of_two_models_that_become_one_the_second_fails_and_nothing_is_doubled():
    there, memory = elsewhere(make_looker(), remap=Remap(models={"a": "shop", "b": "shop"}))
    models_of_backup(memory, {"a": "shop", "b": "shop"})
    ends = [restore(there, "lookml_model", {"name": name}, memory, name) for name in "ab"]
    assert [one.operation for one in ends] == [Operation.UNCHANGED, Operation.FAILED]
    assert "shop" in ends[1].error.message
    assert [one["name"] for one in there.call("GET", "/lookml_models")] == ["shop"]


def models_of_backup(memory, names):
    """Let the backup have these models, {its name: the name on the destination}."""
    memory.vault_ids = {("lookml_model", one) for one in names}
    memory.contents = {("lookml_model", one): {"name": to} for one, to in names.items()}


def test_models_take_the_names_that_a_corrected_file_gives_them_from_those_that_had_them_before():
    there, memory = elsewhere(make_looker(), remap=Remap(models={"a": "b", "b": "shop"}))
    there.call("POST", "/lookml_models", {"name": "b", "project_name": "p"})
    models_of_backup(memory, {"a": "b", "b": "shop"})
    for name, before in {"a": "shop", "b": "b", "gone": "shop"}.items():
        memory.note_known("lookml_model", name, before)
    ends = [restore(there, "lookml_model", {"name": name}, memory, name) for name in "ab"]
    assert [(one.operation, one.destination_id) for one in ends] == [
        (Operation.UNCHANGED, "b"),
        (Operation.UNCHANGED, "shop"),
    ]


@pytest.mark.parametrize("content", [{}, {"model_name": "thelook", "name": "orders"}])
def test_an_explore_is_looked_for_under_its_new_name(content):
    there, memory = elsewhere(make_looker(), remap=Remap(explores={"thelook.orders": "shop.orders"}))
    result = restore(there, "explore", content, memory, "thelook::orders")
    assert (result.operation, result.destination_id) == (Operation.UNCHANGED, "shop::orders")


def test_what_other_rows_say_has_the_new_names_too(tmp_path):
    looker = make_looker()
    new_query(looker, "orders.f9")
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, dashboards=3, looks=2, users=3, whole=True, oddities=False)
    remap = Remap(
        models=dict.fromkeys(("thelook", "marketing", "finance_eu"), "shop"), users={"@example.com": "@b.c"}
    )
    reader = StateReader(tmp_path / "state.db")
    lookups = Lookups(path, tmp_path)
    refs = StateReferences(
        reader, Scope("", 0, "a", "b"), lookups, {}, (), same_instance=False, policy=Policy(remap=remap)
    )
    tiles = [t for n in "123" for t in refs.content("dashboard", n)["dashboard_elements"] if t.get("query")]
    assert {tile["query"]["model"] for tile in tiles} == {"shop"}
    assert {refs.query(tile["query"]["id"])["model"] for tile in tiles} == {"shop"}
    assert all(refs.content("user", n)["email"].endswith("@b.c") for n in "123")
    assert refs.content("user", "none") is refs.query("none") is None
    lookups.close()


def test_rows_in_which_nothing_is_called_otherwise_have_the_same_content(tmp_path):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, **make_vault.mixed(150))
    remap = Remap(models={"none": "x"}, palettes={"none": "x"}, users={"@none": "@x"}, groups={"none": "x"})
    with open_vault(path) as vault:
        for content_type in vault.counts():
            shape = KINDS[content_type].shape
            for row in vault.rows(content_type):
                assert shaped(row, shape, remap) == shaped(row, shape, Remap())
