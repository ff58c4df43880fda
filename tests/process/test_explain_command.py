"""`lvrestore map explain`, against a backup and an instance."""

import json

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.state.mappings import BELONGS_TO, Group
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.vault import open_vault

THERE = "https://there.example.com"


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    path = tmp_path_factory.mktemp("backup") / "vault.db"
    write_vault(path, **mixed(150), seed=3)
    return path


@pytest.fixture
def elsewhere(backup, tmp_path):
    """Another instance, which has what a first run made of the backup."""
    with running_site(backup, tmp_path, empty=True, first_id=50_000) as site:
        assert site.run(["all", "--procs", "1", *site.arguments("--source-instance", THERE)]).counts[
            "created"
        ]
        site.looker.clear_log()
        yield site
        site.end_all()


def explain(site, item, *more, as_json=True):
    given = [one for one in site.arguments("--source-instance", THERE, *more) if one != "--force"]
    ended = site.run(["map", "explain", item, *[one for one in given if as_json or one != "--json"]])
    return (json.loads(ended.out) if as_json and ended.code == 0 else ended), ended


def first_ids(vault):
    with open_vault(vault) as opened:
        return {t.label: next(opened.ids(t)) for t in ContentType if opened.has_type(t)}


def test_an_item_that_is_mapped_is_found_by_its_mapping_and_nothing_is_written(elsewhere):
    state = elsewhere.state.read_bytes()
    source_id = first_ids(elsewhere.vault)["dashboard"]
    found, _ = explain(elsewhere, f"dashboards:{source_id}")
    mapping = StateReader(elsewhere.state).mappings.get(
        Group(THERE, found["destination_instance"], "dashboard"), source_id
    )
    assert found["mapping"]["rule"] == mapping.rule == "created"
    assert found["mapping"]["session_id"] == mapping.session_id
    assert [note["rule"] for note in found["tried"]] == ["mapping"]
    assert (found["outcome"].split(",")[0], found["destination_id"]) == ("matched", mapping.destination_id)
    assert (found["source_instance"], found["same_instance"]) == (THERE, False)
    assert elsewhere.writes() == []
    assert elsewhere.state.read_bytes() == state


def test_what_is_explained_is_what_a_run_does(elsewhere):
    """Without its mapping each is found by the rule that the run then stores, or ends as the run says."""
    ids = first_ids(elsewhere.vault)
    group = Group(THERE, StateReader(elsewhere.state).sessions()[0].destination_instance, "")
    with StateStore(elsewhere.state) as store:
        kinds = {
            Group(group.source_instance, group.destination_instance, one): [i]
            for kind, i in ids.items()
            for one in (kind, *BELONGS_TO.get(kind, ()))
        }
        store.clear_mappings(kinds)
    for kind, source_id in ids.items():
        found, ended = explain(elsewhere, f"{kind}:{source_id}")
        assert ended.code == 0, ended
        single = ["single", kind, source_id, *elsewhere.arguments("--source-instance", THERE)]
        really = json.loads(elsewhere.run(single).out)
        assert found["operation"] == really["operation"], kind
        stored = StateReader(elsewhere.state).mappings.get(
            Group(THERE, group.destination_instance, kind), source_id
        )
        if found["outcome"] == "matched":
            assert found["destination_id"] == really["destination_id"]
            assert stored.rule == found["tried"][-1]["rule"], kind


def test_people_see_the_rules_in_order(elsewhere):
    source_id = next(StateReader(elsewhere.state).mappings.find(["look"])).source_id
    elsewhere.run(["map", "clear", f"look:{source_id}", "--force", "--state", str(elsewhere.state)])
    _, ended = explain(elsewhere, f"look:{source_id}", as_json=False)
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"look {source_id} ")
    assert lines[2] == "mapping: none"
    rules = [line.split()[1] for line in lines if line[:1].isdigit()]
    assert rules == ["mapping:", "id:", "title_in_folder:"]
    assert lines[-1].startswith("result: matched 5")


@pytest.mark.parametrize(
    ("item", "code"), [("dashboard:987654", 2), ("dashboard_element:1", 64), ("tile:1", 64)]
)
def test_what_cannot_be_explained(elsewhere, item, code):
    _, ended = explain(elsewhere, item)
    assert (ended.code, json.loads(ended.out)["code"]) == (code, code)
    assert elsewhere.writes() == []


def test_what_the_rehearsal_itself_would_make_is_not_found(backup, tmp_path):
    with running_site(backup, tmp_path, damaged=False) as site:
        lost = next(
            one.row["id"]
            for one in site.looker.instance.store.dashboards.values()
            if any("/dashboards/" in str(tile.get("body_text")) for tile in one.tiles)
            and not one.row.get("deleted")
        )
        site.looker.call("DELETE", f"/dashboards/{lost}")
        given = [one for one in site.arguments() if one != "--force"]
        ended = site.run(["map", "explain", f"dashboard:{lost}", *given])
        found = json.loads(ended.out)
        assert (found["operation"], found["destination_id"]) == ("created", None)
        assert "new-" not in ended.out
