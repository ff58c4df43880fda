"""Ctrl-C and SIGTERM: finish what is in hand, say so, and leave a session that can be continued."""

import os
import pty
import re
import signal
import time

import pytest
from processes import ORPHANS_LEAVE_S, eventually

from lvrestore.state.reader import StateReader


def done_in(reader):
    """Items that the newest session has ended."""
    return sum(one.items for one in reader.counts(reader.newest_session().id).values())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_finishes_what_is_in_hand(number, code, slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(10)
    run.signal(number)
    ended = run.end()
    assert ended.code == code, ended
    assert ended.summary["status"] == "interrupted"
    run.assert_gone()
    assert "Traceback" not in ended.err
    done = ended.counts["total_items"]
    assert 0 < done < 24
    reader = StateReader(slow_site.state)
    assert [session.status for session in reader.sessions()] == ["interrupted"]
    assert claims(slow_site) == []  # every item is done or was not begun
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    # What was done before counts as well: the summary is that of the whole session.
    assert resumed.counts["total_items"] == done_in(reader) > done
    # So its time is: all items over the seconds of the last run alone would be a speed that nobody saw.
    assert resumed.counts["duration_seconds"] > ended.counts["duration_seconds"]
    assert resumed.summary["calls"]["total"] > ended.summary["calls"]["total"]
    slow_site.assert_restored()


def test_failures_before_the_signal_count_in_the_resumed_session(slow_site):
    slow_site.looker.on("PATCH", "/dashboards/*").answer(422, {"message": "too dull", "errors": []}, times=1)
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(10)
    run.signal(signal.SIGINT)
    first = run.end()
    resumed = slow_site.run(slow_site.resume())
    assert (first.counts["error"], resumed.counts["error"]) == (1, 1)
    assert resumed.code == 1, resumed


def test_an_interrupted_dry_run_is_no_plan(slow_site):
    run = slow_site.start(slow_site.bulk("--dry-run", "--max-staleness", "0"))
    eventually(lambda: any(re.fullmatch(r"/dashboards/\d+", r.path) for r in slow_site.looker.requests))
    run.signal(signal.SIGINT)
    ended = run.end()
    assert ended.code == 130, ended
    assert '"status":"interrupted"' in ended.out
    assert not slow_site.writes()


def claims(site):
    return StateReader(site.state)._db.execute("SELECT * FROM claims").fetchall()


def test_second_signal_leaves_at_once(site):
    site.looker.on("POST", "/dashboard**").stall(20.0, times=99)
    run = site.start([*site.bulk(), "--timeout", "30"])
    site.await_writes(2)
    run.signal(signal.SIGINT)
    eventually(lambda: "stopping" in run.said())
    asked_at = time.monotonic()
    run.signal(signal.SIGINT)
    ended = run.end()
    assert time.monotonic() - asked_at < 1.0
    assert ended.code == 130
    assert ended.out == ""
    eventually(lambda: not run.group(), ORPHANS_LEAVE_S)


def test_signal_while_the_processes_start(slow_site):
    run = slow_site.start(slow_site.bulk())
    run.child("worker")
    run.signal(signal.SIGINT)
    ended = run.end()
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err
    assert claims(slow_site) == []


def test_signal_before_anything_is_begun(site):
    site.looker.on("GET", "/versions").stall(0.5)
    run = site.start(site.bulk())
    eventually(lambda: any(r.path == "/versions" for r in site.looker.requests))
    run.signal(signal.SIGINT)
    ended = run.end()
    assert ended.code == 130, ended
    assert site.writes() == []


def test_signal_in_a_run_of_one_process(slow_site):
    run = slow_site.start([*slow_site.bulk(), "--procs", "1"])
    slow_site.await_writes(5)
    run.signal(signal.SIGINT)
    ended = run.end()
    assert ended.code == 130, ended
    assert ended.summary["status"] == "interrupted"
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    slow_site.assert_restored()


def test_ctrl_c_at_the_question(site):
    keyboard, terminal = pty.openpty()
    arguments = [word for word in site.bulk() if word != "--force"]
    run = site.start(arguments, stdin=terminal)
    os.close(terminal)
    eventually(lambda: "[y/N]" in run.said())
    run.signal(signal.SIGINT)
    ended = run.end()
    os.close(keyboard)
    assert ended.code == 130, ended
    assert ended.out == ""
    assert "nothing was done" in ended.err
    assert site.writes() == []


def test_what_only_waits_for_requests_of_a_killed_run_is_left_at_once(make_site):
    """All are to be made again: whatever the killed run had in hand waits."""
    with make_site(latency="p50=50ms,p99=60ms", shares=(1.0, 0.0, 0.0)) as site:
        named = ("--timeout", "30", "--expect-host", "127.0.0.1")
        first = site.start(site.bulk(*named))
        site.await_writes(5)
        os.killpg(first.pid, signal.SIGKILL)
        first.end()
        resumed = site.start(site.resume(*named))
        eventually(lambda: "waits up to" in resumed.said())
        time.sleep(1)  # by then some are waiting
        began = time.monotonic()
        resumed.signal(signal.SIGINT)
        assert resumed.end().code == 130
        assert time.monotonic() - began < 10
