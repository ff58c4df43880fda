"""A run waits for an instance that is out, goes on by itself, and stops at limits of its own."""

import time

import pytest
from comparison import vault_dashboards
from processes import eventually

from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader

HTML = "<html><head><title>502 Bad Gateway</title></head></html>"


def go_down(looker, status=502):
    looker.on("*", "**").answer(status, html=HTML, times=1_000_000)


def refuse(looker):
    looker.on("*", "**").drop_before(times=1_000_000)


def throttle(looker):
    looker.on("*", "**").answer(429, {"message": "slow down"}, times=1_000_000)


def come_back(looker):
    looker.faults.rules.clear()


@pytest.mark.parametrize(
    "how",
    # After so many refusals the rate is low, and takes its time to recover.
    [go_down, refuse, pytest.param(throttle, marks=pytest.mark.slow)],
    ids=lambda how: how.__name__,
)
def test_an_outage_is_outlasted(how, slow_site):
    run = slow_site.start(slow_site.bulk("--max-retries", "1"))
    slow_site.await_writes(8)
    how(slow_site.looker)
    eventually(lambda: "nothing gets through" in run.said())
    slow_site.looker.clear_log()
    time.sleep(2.0)  # long enough for every attempt of every item, if they were not held back
    assert len(slow_site.looker.requests) < 12
    come_back(slow_site.looker)
    ended = run.end(60)
    assert ended.code == 0, ended
    assert "answers again after" in ended.err
    assert StateReader(slow_site.state).dead_letters.find(LetterFilter()) == []
    slow_site.assert_restored()


def test_a_token_that_ends_in_an_outage_is_renewed_after_it(make_site):
    with make_site(latency="p50=20ms,p99=30ms", token_lifetime_s=2) as site:
        run = site.start(site.bulk())
        site.await_writes(8)
        go_down(site.looker)
        eventually(lambda: "nothing gets through" in run.said())
        site.looker.expire_tokens()
        come_back(site.looker)
        ended = run.end(60)
        assert ended.code == 0, ended
        site.assert_restored()


@pytest.mark.parametrize("procs", ["1", "2"])
def test_an_outage_that_does_not_end_stops_the_run(procs, slow_site):
    run = slow_site.start(slow_site.bulk("--procs", procs, "--outage-timeout", "4"))
    slow_site.await_writes(8)
    go_down(slow_site.looker)
    ended = run.end(60)
    assert ended.code == 7, ended
    assert ended.summary["status"] == "stopped"
    assert "for 4 s" in ended.err
    assert StateReader(slow_site.state).dead_letters.find(LetterFilter()) == []
    come_back(slow_site.looker)
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    slow_site.assert_restored()


def test_a_signal_in_an_outage_is_obeyed_at_once(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(8)
    go_down(slow_site.looker)
    eventually(lambda: "nothing gets through" in run.said())
    asked_at = time.monotonic()
    run.signal(15)
    ended = run.end()
    assert ended.code == 143, ended
    assert time.monotonic() - asked_at < 10.0
    run.assert_gone()
    come_back(slow_site.looker)
    assert slow_site.run(slow_site.resume()).code == 0
    slow_site.assert_restored()


def finish(site, stopped):
    """It stopped by itself; a resume does the rest, and only the rest."""
    assert stopped.code == 7, stopped
    assert stopped.summary["status"] == "stopped"
    assert "resume" in stopped.err
    done = stopped.counts["total_items"]
    site.looker.clear_log()
    resumed = site.run(site.resume())
    assert resumed.code in {0, 1}, resumed
    assert resumed.summary["status"] == "completed"
    assert 0 < done < resumed.counts["total_items"]
    return resumed


@pytest.mark.parametrize("procs", ["1", "2"])
def test_calls_are_a_budget(procs, site):
    stopped = site.run(site.bulk("--max-calls", "60", "--procs", procs))
    assert stopped.summary["calls"]["total"] <= 90  # items in hand are finished
    assert finish(site, stopped).code == 0
    site.assert_restored()


def test_what_needs_fewer_calls_is_not_stopped(site):
    assert site.run(site.bulk("--max-calls", "5000")).code == 0


@pytest.mark.parametrize("procs", ["1", "2"])
def test_many_errors_stop_it(procs, site):
    site.looker.on("POST", "/dashboards").answer(422, {"message": "Validation Failed"}, times=100)
    stopped = site.run(site.bulk("--max-errors", "2", "--procs", procs))
    assert stopped.summary["error_breakdown"]["validation"] >= 2
    come_back(site.looker)
    finish(site, stopped)
    assert site.run(site.bulk()).code == 0  # what had failed is no dead end
    site.assert_restored()


def test_time_is_a_budget(slow_site):
    slow_site.looker.on("PATCH", "**").stall(0.3, times=1000)
    stopped = slow_site.run(slow_site.bulk("--max-duration", "2s"))
    come_back(slow_site.looker)
    assert finish(slow_site, stopped).code == 0
    slow_site.assert_restored()


def test_no_length_of_time(site):
    ended = site.run(site.bulk("--max-duration", "soon"))
    assert ended.code == 64
    assert "1h30m" in ended.err + ended.out


def test_an_item_that_kills_its_worker_is_given_up_alone(site):
    """Each worker dies that begins it; all others are restored."""
    victim = next(iter(vault_dashboards(site.vault)))
    ended = site.run(site.bulk(), LVRESTORE_CRASH_AT=f"dashboard/{victim}")
    assert ended.code == 1, ended
    assert ended.counts["error"] == 1
    (letter,) = StateReader(site.state).dead_letters.find(LetterFilter())
    assert (letter.content_id, letter.error_kind) == (victim, "internal")
    assert "worker processes died" in letter.message
    assert site.run(site.bulk()).code == 0
    site.assert_restored()
