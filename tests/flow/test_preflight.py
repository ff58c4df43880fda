"""Looking ahead at a destination in memory: what is found, and how few calls it takes."""

import importlib
import sys
from pathlib import Path

import pytest
from factory import make_looker, requests

from lvrestore.looker.client import LookerClient
from lvrestore.looker.retry import RetryPolicy
from lvrestore.model import ContentType
from lvrestore.plan.chosen import Chosen
from lvrestore.preflight.problems import CALLS, SelectedRows, look_ahead
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.vault import decode_blob, open_vault

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")

DASHBOARD, LOOK, FOLDER, USER = ContentType.DASHBOARD, ContentType.LOOK, ContentType.FOLDER, ContentType.USER
SIZES = {"dashboards": 20, "looks": 10, "folders": 8, "users": 6, "groups": 4, "roles": 4}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    make_vault.write_vault(
        path, **SIZES, permission_sets=4, model_sets=4, boards=4, plans=6, oddities=False, whole=True
    )
    with open_vault(path) as opened:
        yield opened


@pytest.fixture
def looker(vault):
    looker = Looker(clock=lambda: 2_000_000_000.0)
    from_vault(looker, vault.path)
    looker.clear_log()
    return looker


def backup_of(vault, *types, ids=None, **chosen):
    chosen = Chosen(types=types or tuple(vault.counts()), ids=ids, **chosen)
    return SelectedRows(vault, chosen, {t: vault.count(t, **chosen.rows()) for t in chosen.in_order})


def ahead(looker, backup, *, versions=None, caller_id="", listed=None, translate=lambda _kind, one: one):
    client = LookerClient(looker, policy=RetryPolicy(max_retries=1), sleep=lambda _s: None)
    return look_ahead(
        client, backup, versions=versions or {}, caller_id=caller_id, listed=listed or {}, translate=translate
    )


def what(found):
    return {problem.what for problem in found.problems}


def look_ids(content):
    return {tile["look_id"] for tile in content.get("dashboard_elements", ())} - {None}


def contents(vault, content_type):
    return [(r.source_id, decode_blob(r.blob)) for r in vault.rows(content_type)]


def row(vault, content_type, number=0):
    """An ordinary row of the vault: id and content."""
    return contents(vault, content_type)[number]


def test_nothing_is_wrong_with_the_instance_that_was_backed_up(vault, looker):
    assert ahead(looker, backup_of(vault)).problems == []
    # Everything is selected, so nothing of it need be looked for.
    assert requests(looker) == [
        "GET /lookml_models",
        "GET /user",
        f"GET /users/{looker.instance.caller_id}/roles",
    ]


def test_a_type_alone_is_looked_at_in_few_calls(vault, looker):
    found = ahead(looker, backup_of(vault, DASHBOARD))
    assert found.problems == []
    assert len(requests(looker)) <= CALLS


def test_a_single_item_asks_for_what_it_needs_alone(vault, looker):
    source_id, content = row(vault, DASHBOARD)
    found = ahead(looker, backup_of(vault, DASHBOARD, ids=(source_id,)), caller_id=looker.instance.caller_id)
    said = requests(looker)
    assert found.problems == []
    assert {f"GET /users/{content['user_id']}", f"GET /folders/{content['folder_id']}"} <= set(said)
    assert len(said) <= CALLS


def test_what_was_listed_is_not_asked_for(vault, looker):
    source_id, content = row(vault, DASHBOARD)
    listed = {"folder": {content["folder_id"]}.intersection, "user": set().intersection}
    found = ahead(looker, backup_of(vault, DASHBOARD, ids=(source_id,)), listed=listed)
    assert what(found) >= {f"user {content['user_id']}"}
    assert not [said for said in requests(looker) if said.startswith(("GET /folders", "GET /users?"))]


def test_lost_owners_folders_looks_and_models_are_found(vault, looker):
    content = next(content for _, content in contents(vault, DASHBOARD) if look_ids(content))
    look_id, owner = min(look_ids(content)), content["user_id"]
    looker.call("DELETE", f"/looks/{look_id}")
    del looker.instance.store.users[owner]
    del looker.instance.store.models["thelook"]
    found = ahead(looker, backup_of(vault, DASHBOARD))
    assert what(found) >= {f"look {look_id}", f"user {owner}", "model thelook"}
    (line,) = (p for p in found.problems if p.what == f"user {owner}")
    owned = sum(content["user_id"] == owner for _, content in contents(vault, DASHBOARD))
    assert (line.kind, line.items) == ("owner", owned)
    assert len(requests(looker)) <= 1 + CALLS


@pytest.mark.parametrize("answers", ["answers", "404"])
@pytest.mark.parametrize("many", [False, True], ids=["one", "all"])
def test_what_is_in_the_trash_is_not_gone(vault, looker, many, answers):
    looker.switches["get_trashed"] = answers
    shown = {source_id: look_ids(content) for source_id, content in contents(vault, DASHBOARD)}
    for look_id in set().union(*shown.values()):
        looker.call("PATCH", f"/looks/{look_id}", {"deleted": True})
    looker.clear_log()
    ids = [source_id for source_id, looks in shown.items() if looks]
    found = ahead(looker, backup_of(vault, DASHBOARD, ids=tuple(ids if many else ids[:1])))
    assert not [one for one in what(found) if one.startswith("look")]


def test_elsewhere_nothing_is_there_that_has_no_mapping(vault, looker):
    source_id, content = row(vault, DASHBOARD)
    mapped = {("folder", content["folder_id"]): content["folder_id"]}
    found = ahead(
        looker,
        backup_of(vault, DASHBOARD, ids=(source_id,)),
        translate=lambda kind, one: mapped.get((kind, one)),
    )
    assert f"user {content['user_id']}" in what(found)
    assert f"folder {content['folder_id']}" not in what(found)


def test_an_account_without_admin_is_named(vault, looker):
    caller = looker.instance.caller_id
    role = next(r for r in looker.instance.store.roles.values() if r["name"] != "Admin")
    looker.call("PUT", f"/users/{caller}/roles", [role["id"]])
    found = ahead(looker, backup_of(vault, USER))
    assert [p.kind for p in found.problems] == ["permission"]
    assert "(needs Admin)" in found.problems[0].message


@pytest.mark.parametrize("path", ["/user", "/users/{id}/roles", "/lookml_models", "/users", "/looks/search"])
def test_what_may_not_be_read_is_no_problem(vault, looker, path):
    looker.on("GET", path.format(id=looker.instance.caller_id)).answer(403)
    assert ahead(looker, backup_of(vault, DASHBOARD)).problems == []


def test_an_instance_that_does_not_answer_is_asked_no_more(vault, looker):
    looker.on("GET", "/lookml_models").answer(503, times=99)
    looker.clear_log()
    found = ahead(looker, backup_of(vault, DASHBOARD))
    assert not [p for p in found.problems if p.kind in {"model", "explore", "permission"}]
    assert {r.path for r in looker.requests} == {"/lookml_models"}


def test_a_caller_that_is_shown_no_models_knows_nothing_of_them(vault):
    looker = make_looker()
    looker.instance.store.models.clear()
    found = ahead(looker, backup_of(vault, DASHBOARD), translate=lambda _kind, _one: None)
    assert not [p for p in found.problems if p.kind in {"model", "explore"}]
    assert found.models == frozenset()


def test_versions_are_those_that_were_read(vault, looker):
    versions = {"supported_versions": [{"version": "3.1"}]}
    assert ahead(looker, backup_of(vault), versions=versions).problems[0].kind == "api_version"
    assert ahead(looker, backup_of(vault), versions=looker.call("GET", "/versions")).problems == []


def test_large_lists_are_given_up_for_calls_saved(vault, looker, monkeypatch):
    monkeypatch.setattr("lvrestore.preflight.problems.PAGE", 2)
    found = ahead(looker, backup_of(vault, DASHBOARD))
    assert found.problems == []
    assert len(requests(looker)) == CALLS


def test_selected_rows_are_those_of_the_run(vault):
    (first, content), (second, _) = row(vault, DASHBOARD), row(vault, DASHBOARD, 1)
    one = backup_of(vault, DASHBOARD, ids=(f"dashboard::{first}",))
    assert [r.source_id for r in one.rows()] == [first]
    assert one.selected(DASHBOARD, first)
    assert not one.selected(DASHBOARD, second)
    assert not one.selected(FOLDER, content["folder_id"])
    assert one.has(FOLDER, content["folder_id"])
    within = backup_of(vault, DASHBOARD, folder_ids={content["folder_id"]})
    assert within.selected(DASHBOARD, first)
    assert all(within.selected(DASHBOARD, r.source_id) for r in within.rows())
    assert not backup_of(vault, DASHBOARD, folder_ids={"none"}).selected(DASHBOARD, first)
