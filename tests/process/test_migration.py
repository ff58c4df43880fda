"""To another instance: references are found there by address, name and place; what is its own stays as it is."""

import json
import os
import random
import signal

import apsw
import pytest
from make_vault import mixed, write_vault
from migrating import changed_vault, inhabited_site, letters, said_of_items, touched, wrong
from processes import eventually, running_site
from same_content import differences

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob, open_vault

MEDIUM, LARGE = 220, 5000
PATIENCE_S = 600.0


@pytest.fixture
def moved(vault, tmp_path):
    """An instance that has got everything of the backup by an earlier run, of which no mapping is left."""
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        assert site.run(["all", "--procs", "1", *site.arguments()]).counts["created"] > 30
        site.state.unlink()
        site.looker.clear_log()
        yield site


def test_folders_owners_and_looks_that_are_not_in_the_run_are_found(moved):
    ended = moved.run(["bulk", "--type", "dashboard", "--procs", "2", *moved.arguments()])
    assert moved.writes() == []
    assert ended.counts["unchanged"] > ended.counts["total_items"] / 2
    # Merged results are what no backup defines, and what it marks deleted is left out.
    assert [
        m for m in letters(moved).values() if "merge_query" not in m and "is deleted in" not in m
    ] == [], ended.err
    absent = {line.partition(" is not")[0] for line in ended.err.splitlines() if "not selected" in line}
    assert absent == {"warning: look 10"}  # which the backup marks deleted
    assert "owner_missing" not in {one["kind"] for one in ended.summary["warnings"]}


def test_one_dashboard_alone_finds_its_folder_with_few_calls(moved):
    ended = moved.run(["single", "dashboard", "4", *moved.arguments()])
    result = json.loads(ended.out)
    assert result["operation"] == "unchanged", ended
    assert result["calls"] < 15
    assert moved.writes() == []


# A dashboard whose texts link to these two.
LINKING, LINKED = "11", ("1", "18")


def test_links_of_one_dashboard_alone_lead_to_what_an_earlier_run_brought(moved):
    said = moved.looker.dump()
    for more in (["--dry-run"], []):
        ended = moved.run(["single", "dashboard", LINKING, *moved.arguments(*more)])
        assert '"unchanged"' in ended.out, ended
        assert "link_not_followed" not in ended.out
        assert "cannot be followed" not in ended.err
    assert moved.looker.dump() == said


def test_links_to_what_nothing_recognises_keep_the_numbers_that_they_have_there(moved):
    slugs = slugs_of(moved.vault)
    for dashboard_id, one in moved.looker.dump()["dashboards"].items():
        if one["slug"] in {slugs[source_id] for source_id in LINKED}:
            moved.looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": f"Renamed {dashboard_id}"})
    said = moved.looker.dump()
    ended = moved.run(["bulk", "--type", "dashboard", "--ids", LINKING, *moved.arguments()])
    assert ended.counts["unchanged"] == 1, ended
    assert {"kind": "link_not_followed", "count": 1} in ended.summary["warnings"]
    assert moved.looker.dump() == said


def slugs_of(vault):
    """The slug of each dashboard of a backup, by its id."""
    with open_vault(vault) as opened:
        return {r.source_id: decode_blob(r.blob)["slug"] for r in opened.rows(ContentType.DASHBOARD)}


def without(vault, path, *items):
    """A newer backup, in which these (type number, id) are gone."""
    path.write_bytes(vault.read_bytes())
    with apsw.Connection(str(path)) as db:
        db.executemany("DELETE FROM content_items WHERE content_type = ? AND id = ?", items)
    return path


def test_what_was_deleted_on_the_source_is_named_and_stays(vault, tmp_path):
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        arguments = ["all", "--procs", "1", *site.arguments()]
        first = site.run(arguments)
        assert "deleted_on_source" not in {one["kind"] for one in first.summary["warnings"]}
        before = site.looker.dump()
        site.vault = without(vault, tmp_path / "tonight.db", (1, "3"), (1, "4"), (2, "1"))
        again = site.run(["all", "--procs", "1", *site.arguments()])
        assert {"kind": "deleted_on_source", "count": 3} in again.summary["warnings"]
        assert "2 dashboards of earlier runs left the source since: 3 (here " in again.err
        assert site.looker.dump() == before
        only = site.run(["bulk", "--type", "dashboard", "--ids", "5", "--procs", "1", *site.arguments()])
        assert "left the source" not in only.err  # nothing was said of the others


def move(site, *more):
    """Everything of the backup into the other instance."""
    arguments = ["all", "--procs", "2", "--inflight", "4", *site.arguments(*more)]
    return site.run(arguments, timeout_s=PATIENCE_S)


def dump(site):
    """The state of an instance, with links to itself as they are on every instance."""
    return json.loads(json.dumps(site.looker.dump()).replace(site.url, "http://here"))


def assert_moved(site, before):
    """The backup is there or it is said what is not; what is not of it is as it was."""
    assert touched(before, site.looker.dump()) == {}
    assert {one: what for one, what in wrong(site, before).items() if one not in said_of_items(site)} == {}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rows", [MEDIUM, pytest.param(LARGE, marks=pytest.mark.slow)])
def test_into_an_instance_with_content_of_its_own_and_again_every_week(tmp_path, rows):
    with inhabited_site(tmp_path, rows) as site:
        before = site.looker.dump()
        first = move(site)
        assert first.counts["created"] > rows / 3, first
        assert_moved(site, before)

        site.looker.clear_log()
        again = move(site)
        assert [f"{r.method} {r.path}" for r in site.writes()] == []
        assert again.counts["created"] == again.counts["updated"] == 0

        newer = tmp_path / "newer.db"
        changed = changed_vault(site.vault, newer, 0.05)
        site.vault = newer
        third = move(site)
        failed = changed & letters(site).keys()
        assert third.counts["updated"] == len(changed - failed) > 0, third
        assert third.counts["created"] == 0
        assert_moved(site, before)


@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(tmp_path):
    vault = tmp_path / "source.db"
    write_vault(vault, **mixed(MEDIUM))
    (tmp_path / "one").mkdir()
    with running_site(vault, tmp_path / "one", empty=True, first_id=50_000_000) as site:
        move(site)
        expected = dump(site)
    chance = random.Random(3)
    (tmp_path / "two").mkdir()
    with running_site(vault, tmp_path / "two", empty=True, first_id=70_000_000) as site:
        for _ in range(4):
            running = site.start(["all", "--procs", "2", "--inflight", "4", *site.arguments()])
            wanted = len(site.writes()) + chance.randrange(20, 150)
            eventually(lambda wanted=wanted, one=running: one.over or len(site.writes()) >= wanted)
            victims = [running.pid, *running.workers()]
            if not running.over:
                os.kill(chance.choice(victims), signal.SIGKILL)
                if chance.random() < 0.7:
                    running.kill()
            running.end(PATIENCE_S)
            running.assert_gone()
        move(site)
        assert [str(one) for one in differences(expected, dump(site))] == []


def below(looker, folder_id):
    """{path below a folder: titles in it}, with the folder's own titles under the empty path."""
    content = looker.dump()
    titles = {
        one["title"]
        for t in ("dashboards", "looks")
        for one in content[t].values()
        if one["folder_id"] == folder_id
    }
    found = {"": titles}
    for child in content["folders"].values():
        if child.get("parent_id") == folder_id:
            found |= {f"/{child['name']}{rest}": names for rest, names in below(looker, child["id"]).items()}
    return found


@pytest.fixture
def target(vault, tmp_path):
    """An empty instance with a folder for what comes from elsewhere."""
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        shared = next(i for i, one in site.looker.dump()["folders"].items() if one.get("is_shared_root"))
        site.target = site.looker.call("POST", "/folders", {"name": "From A", "parent_id": shared})["id"]
        site.shared = shared
        site.looker.clear_log()
        yield site


def test_a_whole_tree_goes_into_a_folder(target, vault, tmp_path):
    reference = tmp_path / "reference"
    reference.mkdir()
    with running_site(vault, reference, empty=True) as site:
        move(site)
        shared = next(i for i, one in site.looker.dump()["folders"].items() if one.get("is_shared_root"))
        expected = below(site.looker, shared)
    move(target, "--target-folder", "Shared/From A")
    assert below(target.looker, target.target) == expected
    assert set(below(target.looker, target.shared)) == {"", *(f"/From A{path}" for path in expected)}
    target.looker.clear_log()
    again = move(target, "--target-folder", target.target)
    assert [f"{r.method} {r.path}" for r in target.writes()] == [], again


def test_single_items_go_right_into_it(target):
    target.run(["bulk", "--type", "lookml_model", *target.arguments()])
    ended = target.run(
        ["bulk", "--type", "dashboard", "--ids", "4,5,6", *target.arguments("--target-folder", target.target)]
    )
    made = below(target.looker, target.target)
    assert list(made) == [""]
    assert len(made[""]) == 3, ended


def test_a_folder_of_the_backup_goes_into_it_with_its_name(target, vault):
    with open_vault(vault) as opened:
        tree = opened.folder_tree
        name = next(
            f.name for f in tree.folders.values() if f.parent_id == "1" and tree.descendants(f.source_id)
        )
        ids = tree.find(f"Shared/{name}")
    arguments = target.arguments("--folder", ids[0], "--recursive", "--target-folder", target.target)
    target.run(["bulk", "--type", "folder", "--type", "dashboard", "--procs", "1", *arguments])
    assert [path for path in below(target.looker, target.target) if path.count("/") == 1] == [f"/{name}"]


def test_a_target_is_for_another_instance_and_must_be_there(site, target):
    here = site.run(site.bulk("--target-folder", "1"))
    assert here.code == 3
    assert site.writes() == []
    nowhere = move(target, "--target-folder", "Shared/Nowhere")
    assert nowhere.code == 2
    assert target.writes() == []
