"""`lvrestore dlq retry`: what failed once is restored, what waited for it as well, and nothing is lost on the way."""

import json
import shutil
import signal

import apsw
import msgspec
import pytest
from make_vault import write_vault
from processes import running_site
from test_exits import assert_refused, error_of, replaced

from lvrestore.model import ContentType
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader
from lvrestore.vault import decode_blob, open_vault

TREE = [word for name in ("folder", "look", "dashboard") for word in ("--type", name)]
MANY = 10_000


@pytest.fixture
def own_vault(vault, tmp_path):
    """A copy that a test may change or remove."""
    return shutil.copy(vault, tmp_path / "own.db")


@pytest.fixture
def own_site(own_vault, tmp_path):
    with running_site(own_vault, tmp_path) as made:
        made.vault = own_vault
        yield made
        made.end_all()


def retry(site, *more, without_vault=False):
    arguments = site.arguments(*more)
    return [
        "dlq",
        "retry",
        "--procs",
        "2",
        "--inflight",
        "2",
        *(arguments[2:] if without_vault else arguments),
    ]


def letters(site, **wanted):
    return StateReader(site.state).dead_letters.find(LetterFilter(**wanted))


def fail_dashboards(site, *, times):
    """Let so many dashboards that are made be refused."""
    site.looker.on("POST", "/dashboards").answer(422, {"message": "not now"}, times=times)


def assert_all_back(site):
    """Nothing is missing or there twice. Links to what got a new id by a retry follow in the next run."""
    links = site.run(site.bulk())
    assert (links.code, links.counts["created"]) == (0, 0), links
    site.assert_restored()


def tree_of(site):
    """Destroy the folders below the first one, and let the first of them be refused."""
    with open_vault(site.vault) as vault:
        below = [one for one in vault.folder_tree.folders.values() if one.parent_id == "1"]
    for folder in below:
        site.looker.handle("DELETE", f"/folders/{folder.source_id}")


def test_what_works_now_is_removed_and_what_does_not_is_counted(site):
    fail_dashboards(site, times=3)
    first = site.run(site.bulk())
    assert first.code == 1, first
    before = letters(site)
    assert len(before) == first.counts["error"] > 0
    fail_dashboards(site, times=1)
    second = site.run(retry(site))
    assert second.code == 1, second
    assert second.counts["total_items"] == len(before)
    assert second.counts["error"] == len(letters(site)) == 1
    (left,) = letters(site)
    assert left.attempts == 2
    assert left.id in {one.id for one in before}
    assert left.session_id == second.summary["session_id"]
    assert site.run(retry(site, "--session", first.summary["session_id"])).code == 0
    assert letters(site) == []
    assert_all_back(site)


def test_only_those_that_are_chosen_are_tried(site):
    fail_dashboards(site, times=4)
    site.run(site.bulk())
    first, second, *rest = letters(site)
    ended = site.run(retry(site, str(first.id), str(second.id)))
    assert (ended.code, ended.counts["total_items"]) == (0, 2), ended
    assert letters(site) == rest
    assert site.run(retry(site, "--kind", "transient")).counts["total_items"] == 0
    assert site.run(retry(site, "--type", "look")).counts["total_items"] == 0
    assert site.run(retry(site, "--type", "dashboard", "--kind", "validation")).code == 0
    assert letters(site) == []


def test_what_waited_is_tried_after_what_it_waited_for(site):
    tree_of(site)
    site.looker.on("POST", "/folders").answer(422, {"message": "not now"}, times=MANY)
    bulk = ["bulk", *TREE, "--procs", "2", "--inflight", "2", *site.arguments()]
    first = site.run(bulk)
    assert set(first.summary["error_breakdown"]) == {"validation", "dependency"}, first
    folders = letters(site, kind="validation")
    behind = {one.id: one.attempts for one in letters(site, kind="dependency")}
    assert len(behind) > len(folders) > 0
    ids = [str(one.id) for one in folders]

    still = site.run(retry(site, *ids))
    assert still.code == 1, still
    assert still.counts["total_items"] == still.counts["error"] == len(folders)
    assert {one.id: one.attempts for one in letters(site, kind="dependency")} == behind
    assert "still wait" in still.err

    site.looker.faults.rules.clear()
    ended = site.run(retry(site, *ids))
    assert ended.counts["total_items"] == len(folders) + len(behind), ended
    # The backup marks a look deleted that a dashboard shows: it went with its folder.
    (left,) = letters(site)
    assert (left.content_type, left.blocker, left.attempts) == ("dashboard", '["look 10"]', 2)
    fixed = site.run(retry(site, "--fix-dependencies"))
    assert (fixed.code, fixed.counts["total_items"]) == (0, 2), fixed
    assert letters(site) == []
    again = site.run(bulk)
    assert (again.code, again.counts["created"]) == (0, 0), again


def test_what_is_missing_is_restored_first_when_asked_for(site):
    tree_of(site)
    for look in list(site.looker.dump()["looks"]):
        site.looker.handle("DELETE", f"/looks/{look}")
    assert site.run(site.bulk()).code == 1
    blocked = letters(site)
    assert {one.error_kind for one in blocked} == {"dependency"}
    assert site.run(retry(site)).code == 1
    there = set(site.looker.dump()["folders"])
    shown = site.run(retry(site, "--fix-dependencies", "--dry-run"))
    assert shown.code == 0, shown
    kinds = {json.loads(line).get("content_type") for line in shown.out.splitlines()}
    assert {"folder", "look", "dashboard"} <= kinds
    assert set(site.looker.dump()["folders"]) == there
    ended = site.run(retry(site, "--fix-dependencies"))
    assert ended.code == 0, ended
    breakdown = ended.summary["content_type_breakdown"]
    assert breakdown["dashboard"]["total"] == len(blocked)
    # What is there already is left alone, whether it is as in the backup or not.
    assert breakdown["folder"]["created"] == breakdown["folder"]["total"] > 0
    assert breakdown["look"]["created"] == breakdown["look"]["total"] > 0
    assert letters(site) == []
    again = site.run(site.bulk())
    assert (again.code, again.counts["created"]) == (0, 0), again


@pytest.mark.parametrize("way", ["orphans", "account", "both"])
def test_content_of_an_account_that_is_gone_comes_back_in_each_way_that_its_letter_names(own_site, way):
    """Into another folder; or with the account, which is made again only where its folder is wanted."""
    site = own_site
    people, before = site.looker.dump()["users"], site.looker.dump()["dashboards"]
    leaver = next(i for i, one in people.items() if one["email"] == "user5@example.com")
    place = people[leaver]["personal_folder_id"]
    lost = {i for i, one in before.items() if one["folder_id"] == place}
    site.looker.handle("DELETE", f"/users/{leaver}")
    ended = site.run(site.bulk())
    assert (ended.code, len(letters(site))) == (1, ended.counts["error"])
    assert lost
    for letter in letters(site):
        assert "the personal folder of Aoife Example 5 <user5@example.com>" in letter.message
        assert "--fix-dependencies" in letter.message
        assert "--orphans-to FOLDER" in letter.message
    given = {"orphans": ["--orphans-to", "Shared"], "account": ["--fix-dependencies"]}
    options = given.get(way) or [*given["orphans"], *given["account"]]
    shown = site.run(retry(site, *options, "--dry-run"))
    retried = site.run(retry(site, *options))
    assert (shown.code, retried.code, letters(site)) == (0, 0, []), retried
    after = site.looker.dump()
    again = [one for one in after["users"].values() if one["email"] == "user5@example.com"]
    home = again[0]["personal_folder_id"] if again else "1"
    assert len(again) == (way == "account")
    titles = {before[i]["title"] for i in lost}
    assert titles <= {one["title"] for one in after["dashboards"].values() if one["folder_id"] == home}


def test_without_the_backup(own_site):
    fail_dashboards(own_site, times=3)
    own_site.run(own_site.bulk())
    saved = own_site.vault.rename(own_site.vault.with_suffix(".away"))
    shown = own_site.run(retry(own_site, "--dry-run", without_vault=True))
    assert shown.code == 0, shown
    assert len(letters(own_site)) > 0
    ended = own_site.run(retry(own_site, without_vault=True))
    assert ended.code == 0, ended
    assert ended.summary["same_instance"]
    assert letters(own_site) == []
    saved.rename(own_site.vault)
    assert_all_back(own_site)


def test_a_backup_that_is_named_must_be_there(site):
    fail_dashboards(site, times=1)
    site.run(site.bulk())
    assert site.run(replaced(retry(site), "--db-path", site.folder / "absent.db")).code == 2
    assert len(letters(site)) == 1


def test_the_letter_wins_over_a_newer_backup(own_site):
    fail_dashboards(own_site, times=1)
    own_site.run(own_site.bulk())
    (letter,) = letters(own_site)
    title = decode_blob(StateReader(own_site.state).dead_letters.get(letter.id).blob)["title"]
    with apsw.Connection(str(own_site.vault)) as db:
        wanted = "content_type = 1 AND id = ?"
        blob = db.execute(f"SELECT content_data FROM content_items WHERE {wanted}", (letter.content_id,)).get
        newer = msgspec.msgpack.encode(decode_blob(blob) | {"title": "newer"})
        db.execute(f"UPDATE content_items SET content_data = ? WHERE {wanted}", (newer, letter.content_id))
    assert own_site.run(retry(own_site)).code == 0
    titles = {one["title"] for one in own_site.looker.dump()["dashboards"].values()}
    assert title in titles
    assert "newer" not in titles


@pytest.mark.parametrize("how", ["killed", "interrupted"])
@pytest.mark.parametrize("named", [True, False])
def test_a_retry_that_is_cut_off_is_resumed(how, named, slow_site):
    fail_dashboards(slow_site, times=MANY)
    first = slow_site.run(slow_site.bulk())
    failed = first.counts["error"]
    slow_site.looker.faults.rules.clear()
    slow_site.looker.clear_log()
    more = ["--run-id", "again"] if named else []
    run = slow_site.start(retry(slow_site, *more))
    slow_site.await_writes(8)
    run.signal(signal.SIGKILL if how == "killed" else signal.SIGINT)
    run.end()
    run.assert_gone()
    assert letters(slow_site)
    ended = slow_site.run(retry(slow_site, *more) if named else slow_site.resume())
    assert ended.code == 0, ended
    assert ended.counts["total_items"] == failed
    assert letters(slow_site) == []
    if named:
        again = slow_site.run(retry(slow_site, *more))
        assert (again.code, again.counts["total_items"]) == (0, failed)
    assert_all_back(slow_site)


def test_an_outage_loses_no_letter(site):
    fail_dashboards(site, times=MANY)
    site.run(site.bulk())
    before = {one.id for one in letters(site)}
    site.looker.faults.rules.clear()
    down = [site.looker.on(one, "/*").answer(503, {"message": "no"}, times=MANY) for one in ("POST", "PATCH")]
    assert down
    ended = site.run(retry(site, "--max-retries", "0", "--outage-timeout", "2"))
    assert ended.code in {1, 4, 7}, ended
    assert {one.id for one in letters(site)} == before
    site.looker.faults.rules.clear()
    assert site.run(retry(site)).code == 0
    assert letters(site) == []
    assert_all_back(site)


def test_refusals_leave_everything_as_it_is(site, make_site):
    fail_dashboards(site, times=2)
    site.run(site.bulk())
    site.looker.clear_log()
    before = letters(site)
    assert_refused(site.run(retry(site, str(before[0].id), "9999")), 2, site)
    assert_refused(site.run(retry(site, "--session", "nope")), 2, site)
    assert_refused(site.run([word for word in retry(site) if word != "--force"]), 64, site)
    assert_refused(site.run(retry(site, "--run-id", "x", "--dry-run")), 64, site)
    assert_refused(site.run(retry(site, "--assignments", "exact")), 64, site)
    with make_site() as elsewhere:
        ended = site.run(replaced(retry(site, str(before[0].id)), "--base-url", elsewhere.url))
        assert_refused(ended, 6, elsewhere)
        assert site.url in error_of(ended)["message"]
        none = site.run(replaced(retry(site), "--base-url", elsewhere.url))
        assert (none.code, none.counts["total_items"]) == (0, 0)
    assert letters(site) == before


def test_a_finished_id_is_refused_for_another_choice(site):
    fail_dashboards(site, times=2)
    site.run(site.bulk())
    one, two = (str(letter.id) for letter in letters(site))
    assert site.run(retry(site, one, "--run-id", "x")).code == 0
    site.looker.clear_log()
    assert site.run(retry(site, one, "--run-id", "x")).code == 0
    assert_refused(site.run(retry(site, two, "--run-id", "x")), 6, site)
    assert site.looker.requests == []


def test_people_are_told_what_is_tried_again(site):
    fail_dashboards(site, times=2)
    site.run(site.bulk())
    plain = site.run([word for word in retry(site) if word != "--json"])
    assert "2 dead letters" in plain.err
    assert "as they were when they failed" in plain.err
    assert plain.code == 0


def test_all_types_are_tried_in_order(tmp_path):
    path = tmp_path / "whole.db"
    write_vault(path, dashboards=12, looks=10, folders=8, users=5, boards=4, groups=3)
    with running_site(path, tmp_path, damaged=False) as site:
        tree_of(site)
        site.looker.on("POST", "/folders").answer(422, {"message": "not now"}, times=MANY)
        first = site.run(["all", "--procs", "2", *site.arguments()])
        assert first.code == 1, first
        site.looker.faults.rules.clear()
        ended = site.run(retry(site))
        assert ended.code == 0, ended
        order = [ContentType[t.upper()] for t in ended.summary["content_type_breakdown"]]
        assert {ContentType.FOLDER, ContentType.DASHBOARD} <= set(order)
        assert letters(site) == []
