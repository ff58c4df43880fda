"""What comes back from the trash sends nothing, also where processes die; alerts are searched for once in a run."""

import json

import pytest
from comparison import Backup, compare
from make_vault import mixed, write_vault
from processes import running_site

EMAIL = {"type": "email", "format": "wysiwyg_pdf", "address": "ann@example.com"}
LISTED, UNLISTED = {}, {"trashed_plans": "unlisted", "trashed_alerts": "unlisted"}
REFUSED = {"trashed_plan_patch": "404", "trashed_alert_patch": "404"}


@pytest.fixture
def vault(tmp_path):
    """A small backup of dashboards and what they need."""
    path = tmp_path / "vault.db"
    write_vault(path, **mixed(70))
    return path


def put_into_trash(looker, n):
    """Give dashboards a schedule and an alert that are on, and trash them; return their ids."""
    living = [
        one for one in looker.instance.store.dashboards.values() if not one.row.get("deleted") and one.tiles
    ]
    for dashboard in living[:n]:
        content = {"dashboard_id": dashboard.row["id"], "scheduled_plan_destination": [EMAIL]}
        looker.call(
            "POST", "/scheduled_plans", {"name": "Daily", "crontab": "0 6 * * *", "enabled": True, **content}
        )
        looker.add_alert(dashboard.tiles[0]["id"], custom_title="Margin low")
        looker.call("PATCH", f"/dashboards/{dashboard.row['id']}", {"deleted": True})
    looker.clear_log()
    return [one.row["id"] for one in living[:n]]


def searches(looker):
    return sum(request.path == "/alerts/search" for request in looker.requests)


def assert_silent(site, before):
    found = compare(Backup(site.vault), site.looker.dump(), before, asleep=True)
    assert [one for one in found if one.kind in {"dashboard", "look", "alert", "scheduled_plan"}] == []


@pytest.mark.parametrize("switches", [LISTED, UNLISTED, REFUSED])
def test_all_processes_of_a_run_share_one_search(switches, vault, tmp_path):
    with running_site(vault, tmp_path, damaged=False, switches=switches) as site:
        trashed = put_into_trash(site.looker, 12)
        before = site.looker.dump()
        ended = site.run(["all", "--procs", "2", "--inflight", "2", *site.arguments()])
        assert ended.code in {0, 1}, ended
        assert ended.counts["undeleted"] >= len(trashed)
        # Where the search does not show alerts of what is in the trash, it is done again for what is back.
        assert searches(site.looker) == 1 if switches is not UNLISTED else searches(site.looker) >= 1
        assert_silent(site, before)
        site.looker.clear_log()
        again = site.run(["all", "--procs", "2", "--inflight", "2", *site.arguments()])
        assert (site.writes(), searches(site.looker)) == ([], 0), again


@pytest.mark.parametrize("switches", [LISTED, UNLISTED, REFUSED])
def test_schedules_of_the_backup_are_neither_doubled_nor_on(switches, tmp_path):
    """A list that was read while their content was in the trash may lack them."""
    vault = tmp_path / "vault.db"
    write_vault(vault, **mixed(200))
    with running_site(vault, tmp_path, types=("all",), shares=(0, 0.9, 0), switches=switches) as site:
        before = site.looker.dump()
        on = [one for one in before["scheduled_plans"].values() if one["enabled"] and one["dashboard_id"]]
        assert any(before["dashboards"][one["dashboard_id"]]["deleted"] for one in on)
        ended = site.run(["all", "--procs", "2", "--inflight", "2", *site.arguments()])
        assert ended.counts["undeleted"], ended
        assert site.looker.dump()["scheduled_plans"].keys() == before["scheduled_plans"].keys()
        assert_silent(site, before)


@pytest.mark.parametrize("point", ["before_send", "after_send"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("switches", [LISTED, UNLISTED, REFUSED])
def test_killed_in_between_a_resume_makes_it_good(switches, n, point, vault, tmp_path):
    with running_site(vault, tmp_path, damaged=False, switches=switches) as site:
        (dashboard_id,) = put_into_trash(site.looker, 1)
        before = site.looker.dump()
        one = ["bulk", "--type", "dashboard", "--ids", dashboard_id, "--procs", "1", *site.arguments()]
        crashed = site.run(one, LVRESTORE_CRASH_AT=f"{point}:{n}")
        assert crashed.code in {0, -9}, crashed
        if crashed.code:
            ended = site.run(site.resume())
            assert ended.code == 0, ended
        assert not site.looker.call("GET", f"/dashboards/{dashboard_id}")["deleted"]
        assert_silent(site, before)
        site.looker.clear_log()
        assert site.run(one).counts["unchanged"] == 1
        assert site.writes() == []


def test_question_and_dry_run_say_what_would_send(vault, tmp_path):
    with running_site(vault, tmp_path, damaged=False) as site:
        put_into_trash(site.looker, 3)
        watched = next(
            one for one in site.looker.instance.store.dashboards.values() if not one.row.get("deleted")
        )
        body = {"dashboard_id": watched.row["id"], "type": "text", "title_text": "Margin"}
        tile = site.looker.call("POST", "/dashboard_elements", body)["id"]
        site.looker.add_alert(tile, custom_title="Margin low")
        site.looker.clear_log()
        arguments = [one for one in site.arguments() if one != "--json"]
        said = site.run(["bulk", "--type", "dashboard", "--dry-run", *arguments])
        assert (
            "3 schedules and 3 alerts on 3 items that come back from the trash would become active"
            in said.err
        )
        assert f"tile {tile} 'Margin' of dashboard {watched.row['id']} (alert 4 'Margin low'" in said.err
        assert said.out.count("! schedule ") == said.out.count("! alert ") == 3
        assert f"! tile {tile} 'Margin' was added after the backup and has alert 4 'Margin low'" in said.out
        lines = map(
            json.loads,
            site.run(["bulk", "--type", "dashboard", "--dry-run", *site.arguments()]).out.splitlines(),
        )
        told = [one["kind"] for line in lines if line["type"] == "change" for one in line["warnings"]]
        assert (told.count("part_kept"), told.count("switched_off")) == (1, 6)
        assert site.writes() == []


@pytest.mark.parametrize(
    ("dashboards", "looks", "where"), [(1, 0, "content"), (2, 1, "content"), (3, 1, "other content")]
)
def test_what_too_few_are_lost_of_to_list_the_trash_is_spoken_of_too(
    dashboards, looks, where, vault, tmp_path
):
    with running_site(vault, tmp_path, damaged=False) as site:
        put_into_trash(site.looker, dashboards)
        for look_id in [*site.looker.instance.store.looks][:looks]:
            site.looker.call("PATCH", f"/looks/{look_id}", {"deleted": True})
        arguments = [one for one in site.arguments() if one != "--json"]
        said = site.run(["bulk", "--type", "dashboard,look", "--dry-run", *arguments]).err
        assert f"A schedule or alert on {where} that comes back from the trash is switched off." in said


@pytest.mark.parametrize(("alerts", "is_said"), [("delete", True), ("keep", False)])
def test_what_nobody_has_read_yet_is_not_deleted_without_a_word(alerts, is_said, site):
    arguments = [one for one in site.arguments("--alerts", alerts) if one != "--json"]
    said = site.run(["single", "dashboard", "1", "--dry-run", *arguments]).err
    assert ("is deleted with its alerts (--alerts delete)." in said) is is_said
