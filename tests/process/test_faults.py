"""A Looker that answers badly, over real connections: everything is restored, nothing twice."""

import re

import pytest
from processes import TIMEOUT_S

from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader

HTML = "<html><head><title>503 Service Unavailable</title></head></html>"
WRITES = "/dashboard**"
# Whether there is a layout to create, or anything to delete, is up to the generated backup.
ALWAYS_HIT = re.compile(r"\.\*|/dashboards|/dashboard_(elements|filters)")


def rate_limited(looker):
    looker.on("*", "**", skip=8).answer(429, {"message": "slow down"}, headers={"Retry-After": "1"}, times=4)


def rate_limited_without_a_hint(looker):
    looker.on("*", "**", skip=8).answer(429, {"message": "slow down"}, times=4)


def unavailable(looker):
    looker.on("*", "**", skip=8).answer(503, html=HTML, times=6)


def dropped_before(looker):
    for method in ("POST", "PATCH", "GET"):
        looker.on(method, WRITES, skip=3).drop_before(times=3)


def dropped_after(looker):
    looker.on("POST", "/dashboards").create_then_drop_connection(times=2)
    looker.on("POST", "/dashboard_elements", skip=1).create_then_drop_connection(times=3)
    looker.on("POST", "/dashboard_filters").create_then_drop_connection(times=2)
    looker.on("POST", "/dashboard_layouts").create_then_drop_connection()
    looker.on("PATCH", WRITES, skip=2).drop_after(times=2)
    looker.on("DELETE", WRITES).drop_after()


def truncated(looker):
    for method in ("GET", "POST", "PATCH"):
        looker.on(method, WRITES, skip=2).truncate(times=2)


def late(looker):
    for path in ("/dashboards", "/dashboard_elements", "/dashboard_filters", "/dashboard_layouts"):
        looker.on("POST", path).late_commit(TIMEOUT_S / 2, times=2)


def stalled(looker):
    """Carried out, but answered after the client has stopped waiting."""
    looker.on("POST", WRITES, skip=3).stall(TIMEOUT_S * 2, times=2)
    looker.on("PATCH", WRITES, skip=3).stall(TIMEOUT_S * 2)


FAULTS = (
    rate_limited,
    rate_limited_without_a_hint,
    unavailable,
    dropped_before,
    dropped_after,
    truncated,
    late,
    stalled,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_everything_is_restored_once(fault, site):
    fault(site.looker)
    ended = site.run(site.bulk())
    assert ended.code == 0, ended
    assert ended.summary["retries"] > 0
    assert ended.summary["rate_limited"] == (4 if "rate_limited" in fault.__name__ else 0)
    assert not [rule for rule in site.looker.faults.rules if ALWAYS_HIT.fullmatch(rule.path.pattern)]
    site.assert_restored()


def test_token_that_expires_in_mid_run(make_site):
    with make_site(latency="p50=40ms,p99=50ms", token_lifetime_s=1) as site:
        ended = site.run(site.bulk())
        assert ended.code == 0, ended
        logins = [r for r in site.looker.requests if r.path == "/login"]
        assert 2 <= len(logins) <= 1 + ended.counts["duration_seconds"] / 0.8
        site.assert_restored()


def test_token_that_is_revoked_in_mid_run(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(8)
    slow_site.looker.expire_tokens()
    ended = run.end()
    assert ended.code == 0, ended
    assert len([r for r in slow_site.looker.requests if r.path == "/login"]) == 2
    slow_site.assert_restored()


def test_credentials_that_are_revoked_in_mid_run(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(8)
    slow_site.looker.on("POST", "/login").answer(404, {"message": "Not found"}, times=1000)
    slow_site.looker.expire_tokens()
    ended = run.end()
    assert ended.code == 4, ended
    assert ended.summary["status"] == "failed"
    assert (
        len([r for r in slow_site.looker.requests if r.path == "/login"]) == 2
    )  # more would lock the account
    run.assert_gone()
    slow_site.looker.faults.rules.clear()
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    slow_site.assert_restored()


def test_an_outage_stops_the_run_and_a_resume_finishes_it(site):
    # Every item begins with this read, so that nothing gets through, however the processes take turns.
    site.looker.on("GET", "/dashboards/*").answer(503, html="<h1>down</h1>", times=100_000)
    ended = site.run([*site.bulk(), "--max-retries", "0"])
    assert ended.code == 7, ended
    assert ended.summary["status"] == "stopped"
    assert "in a row" in ended.err
    site.looker.faults.rules.clear()
    resumed = site.run(site.resume())
    assert resumed.code == 0, resumed
    assert StateReader(site.state).dead_letters.find(LetterFilter()) == []
    site.assert_restored()
