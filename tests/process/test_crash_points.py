"""Kill the process at each named point, go on, and compare with the vault: nothing is lost or made twice."""

import signal

import pytest

from lvrestore.crashpoints import CRASH_POINTS

KILLED = -signal.SIGKILL
PARENT = {"before_claim", "after_claim", "between_waves", "before_finish"}
WORKER = {"before_send", "after_send", "after_reply"}
WRITER = {"before_commit", "in_commit", "after_commit"}
STOPPED = 7


def arm(site, point):
    return {"LVRESTORE_CRASH_AT": point, "LVRESTORE_CRASH_ONCE": str(site.folder / "crashed")}


def test_every_point_belongs_to_one_role():
    assert sorted(PARENT | WORKER | WRITER) == sorted(CRASH_POINTS)


@pytest.mark.parametrize("point", ["before_send:1", "after_send:1", "after_send:5", "after_reply:2"])
def test_a_run_survives_a_killed_worker(point, site):
    ended = site.run(site.bulk(), **arm(site, point))
    assert (site.folder / "crashed").exists()
    assert ended.code == 0, ended
    assert ended.summary["status"] == "completed"
    assert "are looked up and tried again" in ended.err
    site.assert_restored()


@pytest.mark.parametrize(
    ("point", "go_on"),
    [
        ("before_claim:1", "resume"),
        ("before_claim:2", "bulk"),
        ("after_claim:1", "bulk"),
        ("after_claim:2", "resume"),
        ("before_finish", "resume"),
    ],
)
def test_a_killed_parent_is_followed_by_a_run_that_ends_right(point, go_on, site):
    go_on_after_crash(site, point, go_on, KILLED)


@pytest.mark.parametrize(
    ("point", "go_on"),
    [
        ("before_commit:1", "bulk"),
        ("before_commit:3", "resume"),
        ("in_commit:1", "resume"),
        ("in_commit:3", "bulk"),
        ("after_commit:1", "bulk"),
        ("after_commit:3", "resume"),
    ],
)
def test_a_killed_writer_stops_the_run_in_a_state_that_can_be_continued(point, go_on, site):
    ended = go_on_after_crash(site, point, go_on, STOPPED)
    assert ended.summary["status"] == "stopped"


def go_on_after_crash(site, point, go_on, code):
    crashed = site.run(site.bulk(), **arm(site, point))
    assert crashed.code == code, crashed
    ended = site.run(getattr(site, go_on)())
    assert ended.code == 0, ended
    assert ended.summary["status"] == "completed"
    site.assert_restored()
    return crashed
