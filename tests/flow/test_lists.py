"""What is no list is never an empty list: nothing is made again because a list was not given."""

import pytest
from in_memory import Desk
from make_vault import write_vault

from lvrestore.catalog.listings import LISTINGS
from lvrestore.model import ContentType
from lvrestore.sandbox.faults import Answer
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.vault import open_vault

ANSWERS = {
    "404": {"status": 404, "body": {"message": "Not found"}},
    "204": {"status": 204},
    "null": {"status": 200, "body": None},
    "empty object": {"status": 200, "body": {}},
    "wrapped list": {"status": 200, "body": {"data": []}},
    "403": {"status": 403, "body": {"message": "Not allowed"}},
}
# The lists that all items of a type are looked for in.
WHOLE = (
    *("/folders", "/dashboards/search", "/looks/search", "/users", "/users/search", "/groups", "/roles"),
    *("/permission_sets", "/model_sets", "/boards", "/scheduled_plans", "/lookml_models"),
)
# Those of what lies in an object.
OF_ONE = (
    *("/folders/*/children", "/folders/*/dashboards", "/folders/*/looks"),
    *("/scheduled_plans/dashboard/*", "/scheduled_plans/look/*"),
    *("/users/*/roles", "/roles/*/users", "/groups/*/users"),
    *("/dashboards/*/dashboard_layouts", "/dashboards/*/dashboard_elements"),
    "/dashboards/*/dashboard_filters",
)
# Without it there is no proof of what instance it is.
PROOF = "/folders"
COLLECTIONS = {one: f"/{listing.collection}" for one, listing in LISTINGS.items()}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """A small backup of all types."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    people = {"users": 4, "groups": 3, "roles": 5, "permission_sets": 9, "model_sets": 5}
    write_vault(path, dashboards=6, looks=4, folders=4, boards=3, plans=6, seed=4, oddities=False, **people)
    return path


@pytest.fixture
def desk(vault, tmp_path, capsys, monkeypatch):
    """An undamaged Looker."""
    looker = Looker(web_server_url="https://looker.example.com")
    from_vault(looker, vault)
    return Desk(looker, vault, tmp_path, capsys, monkeypatch)


def refuse(looker, paths, answer):
    for path in paths:
        looker.faults.add(Answer(method="GET", path=path, times=1_000, **answer))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("path", WHOLE)
def test_nothing_is_written_to_an_undamaged_instance_that_does_not_give_a_list(path, answer, desk):
    refuse(desk.looker, [path], answer)
    ended = desk.all("--schedules", "as-backup", "--access", "restore")
    assert (desk.writes(), ended.code) == ([], 4 if path == PROOF else 0), ended


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_nothing_is_written_to_an_undamaged_instance_that_gives_no_list_at_all(answer, desk):
    refuse(desk.looker, {*WHOLE, *OF_ONE} - {PROOF}, answer)
    ended = desk.all("--schedules", "as-backup", "--access", "restore")
    assert desk.writes() == []
    assert ended.code in {0, 1}
    assert "Traceback" not in ended.err


def an_item(desk, kind):
    """The id of an item that a restore does not skip."""
    for ended in (desk.run("single", kind, one) for one in ids(desk.vault, kind)):
        if ended.lines[0]["operation"] == "unchanged":
            desk.looker.clear_log()
            return ended.lines[0]["content_id"]
    raise AssertionError(kind)


def ids(vault, kind):
    with open_vault(vault) as opened:
        return [row.source_id for row in opened.rows(ContentType[kind.upper()])]


@pytest.mark.parametrize("kind", COLLECTIONS)
@pytest.mark.parametrize("answer", ["404", "204", "null", "403"])
def test_one_item_is_not_made_again_because_it_alone_is_not_given(answer, kind, desk):
    item_id = an_item(desk, kind)
    refuse(desk.looker, [f"{COLLECTIONS[kind]}/{item_id}"], ANSWERS[answer])
    ended = desk.run("single", kind, item_id, "--schedules", "as-backup", "--access", "restore")
    assert (desk.writes(), ended.code, ended.lines[-1]["status"]) == ([], 4, "failed"), ended


@pytest.mark.parametrize("kind", COLLECTIONS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_one_item_is_not_made_again_where_no_list_is_given_either(answer, kind, desk):
    item_id = an_item(desk, kind)
    refuse(desk.looker, [f"{COLLECTIONS[kind]}/{item_id}"], ANSWERS["404"])
    refuse(desk.looker, {*WHOLE, *OF_ONE} - {PROOF}, answer)
    ended = desk.run("single", kind, item_id, "--schedules", "as-backup", "--access", "restore")
    assert (desk.writes(), ended.code, ended.lines[-1]["status"]) == ([], 4, "failed"), ended


# --- what only serves a warning


ODD = {
    "/color_collections": [
        [{"label": "no id"}],
        [{"id": "brand", "categoricalPalettes": [{"label": "no id"}]}],
        [{"id": "brand", "sequentialPalettes": {}}],
        [7],
        {"message": "Not found"},
    ],
    "/connections": [[{"host": "no name"}], None],
    "/lookml_models": [[{"name": "thelook", "explores": [{}]}], [{"name": "thelook", "explores": 7}]],
    "/users/*/roles": [
        [{"id": "1", "permission_set": 7}],
        [{"id": "1", "permission_set": {"permissions": [7]}}],
    ],
}


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in ODD.items() for body in bodies])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_what_only_serves_a_warning_ends_no_run(elsewhere, path, body, desk):
    refuse(desk.looker, [path], {"status": 200, "body": body})
    more = ["--source-instance", "https://other.example.com"] if elsewhere else []
    ended = desk.all("--dry-run", *more)
    assert ended.lines[-1]["status"] == "planned", ended
