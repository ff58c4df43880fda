"""Kill processes at any moment: nothing stays behind, nothing is lost, nothing is made twice."""

import os
import random
import signal
from contextlib import suppress

import pytest
from comparison import vault_dashboards
from processes import ORPHANS_LEAVE_S, eventually


def kill(pid):
    with suppress(ProcessLookupError):  # it may just have ended
        os.kill(pid, signal.SIGKILL)


def moment(site, seed):
    """Wait until a random share of the work is done."""
    site.await_writes(random.Random(seed).randrange(1, 60))


@pytest.mark.parametrize("seed", range(2))
def test_parent_killed_then_started_again_at_once(seed, slow_site):
    run = slow_site.start(slow_site.bulk())
    moment(slow_site, seed)
    run.kill()
    run.end()
    again = slow_site.run(slow_site.bulk())
    assert again.code == 0, again
    run.assert_gone()
    slow_site.assert_restored()


def test_orphans_leave_on_their_own(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(5)
    run.kill()
    run.end()
    eventually(lambda: not run.group(), ORPHANS_LEAVE_S)
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    slow_site.assert_restored()


@pytest.mark.parametrize("seed", range(2))
def test_worker_killed_while_requests_are_under_way(seed, slow_site):
    run = slow_site.start(slow_site.bulk())
    moment(slow_site, seed)
    kill(run.child("worker"))
    ended = run.end()
    assert ended.code == 0, ended
    assert ended.counts["total_items"] == len(vault_dashboards(slow_site.vault))
    run.assert_gone()
    slow_site.assert_restored()


@pytest.mark.parametrize("seed", range(2))
def test_writer_killed(seed, slow_site):
    run = slow_site.start(slow_site.bulk())
    moment(slow_site, seed)
    kill(run.child("writer"))
    ended = run.end()
    assert ended.code == 7, ended
    run.assert_gone()
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    slow_site.assert_restored()


def test_everything_killed_at_once(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(20)
    run.signal(signal.SIGKILL)
    run.end()
    again = slow_site.run(slow_site.bulk())
    assert again.code == 0, again
    slow_site.assert_restored()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(seed, slow_site):
    rng = random.Random(seed)
    for go_on in ("bulk", "resume", "bulk"):
        slow_site.looker.clear_log()
        run = slow_site.start(getattr(slow_site, go_on)())
        writes = rng.randrange(1, 25)
        eventually(lambda run=run, n=writes: run.over or len(slow_site.writes()) >= n)
        if rng.random() < 0.5:
            run.signal(signal.SIGKILL)
        else:
            run.kill()
        run.end()
    ended = slow_site.run(slow_site.bulk())
    assert ended.code == 0, ended
    slow_site.assert_restored()


LATE_S = 2.0  # when others have taken over; the tile could not be told from one that is made then


@pytest.mark.parametrize("path", ["/dashboard_elements", pytest.param("/dashboards", marks=pytest.mark.slow)])
def test_a_request_that_lands_after_its_worker_was_killed_is_not_repeated(path, site):
    site.looker.on("POST", path, skip=2).late_commit(LATE_S)
    run = site.start(site.bulk("--timeout", "2.5"))
    eventually(lambda: site.looker.faults.rules == [])
    for worker in run.workers():
        kill(worker)
    ended = run.end()
    assert ended.code == 0, ended
    site.await_landed()
    site.assert_restored()


def test_a_request_that_lands_after_its_run_was_killed_is_not_repeated(site):
    site.looker.on("POST", "/dashboard_elements", skip=2).late_commit(LATE_S)
    run = site.start(site.bulk("--timeout", "2.5"))
    eventually(lambda: site.looker.faults.rules == [])
    run.signal(signal.SIGKILL)
    run.end()
    ended = site.run(site.bulk("--timeout", "2.5"))
    assert ended.code == 0, ended
    site.await_landed()
    site.assert_restored()
