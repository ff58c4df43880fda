"""Where a list shows next to nothing of the backup, some items are asked for before any is made again."""

import pytest
from in_memory import Desk
from make_vault import write_vault

from lvrestore.catalog.listings import LISTINGS
from lvrestore.model import ContentType
from lvrestore.sandbox.faults import Answer
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.vault import open_vault

HOST = "looker.example.com"
PATHS = {kind: one.path for kind, one in LISTINGS.items() if kind != "folder"}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """A backup with more dashboards than are made again unasked."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    others = {"users": 4, "groups": 3, "roles": 5, "permission_sets": 9, "model_sets": 5}
    write_vault(path, dashboards=25, looks=4, folders=4, boards=3, plans=6, seed=4, oddities=False, **others)
    return path


@pytest.fixture
def desk(vault, tmp_path, capsys, monkeypatch):
    """An undamaged Looker."""
    looker = Looker(web_server_url=f"https://{HOST}")
    from_vault(looker, vault)
    return Desk(looker, vault, tmp_path, capsys, monkeypatch)


def dashboards(desk):
    with open_vault(desk.vault) as vault:
        return list(vault.ids(ContentType.DASHBOARD))


def destroy_dashboards(desk, left=0):
    ids = dashboards(desk)
    for one in ids[: len(ids) - left]:
        desk.looker.call("DELETE", f"/dashboards/{one}")
    desk.looker.clear_log()


def created(ended):
    """How many dashboards were made."""
    return ended.lines[-1]["content_type_breakdown"]["dashboard"]["created"]


@pytest.mark.parametrize("kind", PATHS)
def test_an_empty_list_is_not_believed_when_something_of_it_is_there(kind, desk):
    desk.looker.faults.add(Answer(method="GET", path=PATHS[kind], times=1_000, status=200, body=[]))
    ended = desk.all("--schedules", "as-backup", "--access", "restore")
    assert (desk.writes(), ended.code) == ([], 0), ended
    assert "there all the same" in ended.err


def test_nothing_is_asked_for_twice_where_the_lists_show_what_is_there(desk):
    assert desk.all().code == 0
    assert not [
        r for r in desk.looker.requests if r.path.startswith("/dashboards/") and r.path != PATHS["dashboard"]
    ]


@pytest.mark.parametrize("left", [0, 2])
def test_many_of_which_next_to_nothing_is_visible_are_not_made_again_unasked(left, desk):
    destroy_dashboards(desk, left=left)
    ended = desk.all()
    assert (desk.writes(), ended.code) == ([], 4), ended
    said = ended.lines[-1]
    assert f"{left} of 25 dashboards are visible to this key: is it an admin's?" in said["message"]
    assert f"--expect-host {HOST}" in said["hint"]


def test_they_are_made_again_for_who_says_which_instance_it_is(desk):
    destroy_dashboards(desk)
    ended = desk.all("--expect-host", HOST)
    assert created(ended) == 25, ended
    assert "0 of 25 dashboards are visible to this key: is it an admin's?" in ended.err


def test_a_dry_run_says_it_and_goes_on(desk):
    destroy_dashboards(desk)
    ended = desk.all("--dry-run")
    assert ended.lines[-1]["status"] == "planned"
    assert "0 of 25 dashboards are visible to this key: is it an admin's?" in ended.err


def test_what_is_made_again_beside_enough_that_is_there_needs_no_word(desk):
    destroy_dashboards(desk, left=5)
    ended = desk.all()
    assert created(ended) == 20
    assert "visible to this key" not in ended.err


def test_what_is_in_the_trash_is_visible(desk):
    for one in dashboards(desk):
        desk.looker.call("PATCH", f"/dashboards/{one}", {"deleted": True})
    desk.looker.clear_log()
    assert desk.all().lines[-1]["summary"]["undeleted_count"] == 25


@pytest.mark.parametrize(
    "answer", [{"status": 404, "body": {}}, {"status": 200, "body": []}], ids=["404", "empty"]
)
def test_of_a_damaged_instance_only_what_is_gone_is_made_again(answer, desk):
    destroy_dashboards(desk, left=20)
    desk.looker.faults.add(Answer(method="GET", path=PATHS["user"], times=1_000, **answer))
    ended = desk.all()
    assert created(ended) == 5
    assert not [one for one in desk.writes() if one.startswith("POST /users")]


def test_of_few_it_is_only_said(desk):
    """The boards are three."""
    for one in desk.looker.call("GET", "/boards"):
        desk.looker.call("DELETE", f"/boards/{one['id']}")
    desk.looker.clear_log()
    ended = desk.all()
    assert ended.lines[-1]["content_type_breakdown"]["board"]["created"] == 3
    assert (
        "0 of 3 boards are visible to this key: is it an admin's? If the others are gone, 3 are made again."
        in ended.err
    )
