"""A session under the caller's own id: begun, continued, said to be done; refused for what it was not begun with."""

import json
import signal

import pytest
from make_vault import write_vault
from test_exits import assert_refused, error_of, replaced

from lvrestore.state.reader import StateReader


def test_begun_continued_and_said_to_be_done(slow_site):
    arguments = slow_site.bulk("--run-id", "nightly")
    run = slow_site.start(arguments)
    slow_site.await_writes(10)
    run.signal(signal.SIGINT)
    first = run.end()
    assert (first.code, first.summary["session_id"]) == (130, "nightly")
    second = slow_site.run(arguments)
    assert second.code == 0, second
    assert second.summary["session_id"] == "nightly"
    assert second.counts["total_items"] > first.counts["total_items"]
    assert len(StateReader(slow_site.state).sessions()) == 1
    slow_site.looker.clear_log()
    third = slow_site.run(arguments)
    assert third.code == 0
    assert third.summary["summary"]["total_items"] == second.counts["total_items"]
    assert "finished" in third.err
    assert slow_site.looker.requests == []  # not even a login
    slow_site.assert_restored()


def test_the_exit_code_of_then_is_said_again(site):
    site.looker.on("POST", "/dashboards").answer(422, {"message": "no"}, times=1)
    arguments = site.bulk("--run-id", "x")
    assert site.run(arguments).code == 1
    assert site.run(arguments).code == 1
    plain = [word for word in arguments if word != "--json"]
    again = site.run(plain)
    assert again.code == 1
    assert "dashboard" in again.out


def test_refused_for_another_selection_or_policy(site):
    assert site.run(site.bulk("--run-id", "x", "--ids", "1,2")).code == 0
    site.looker.clear_log()
    for more, stored, given in (
        (("--ids", "1,3"), "1, 2", "1, 3"),
        (("--ids", "1,2", "--access", "skip"), "new", "skip"),
        (("--ids", "1,2", "--type", "look"), "dashboard", "dashboard, look"),
    ):
        ended = site.run(site.bulk("--run-id", "x", *more))
        assert_refused(ended, 6, site)
        assert stored in error_of(ended)["message"]
        assert given in error_of(ended)["message"]
    assert site.looker.requests == []


@pytest.mark.parametrize("finished", [True, False])
def test_refused_for_another_vault_or_destination(finished, site, tmp_path, make_site):
    arguments, killed = site.bulk("--run-id", "x"), {"LVRESTORE_CRASH_AT": "before_finish"}
    assert site.run(arguments, **({} if finished else killed)).code == (0 if finished else -9)
    site.looker.clear_log()
    other = tmp_path / "other.db"
    write_vault(other, dashboards=20, looks=10, folders=8, users=5, seed=4)
    ended = site.run(replaced(arguments, "--db-path", other))
    assert_refused(ended, 6, site)
    assert str(other) in error_of(ended)["message"]
    assert str(site.vault) in error_of(ended)["message"]
    with make_site() as elsewhere:
        ended = site.run(replaced(arguments, "--base-url", elsewhere.url))
        assert_refused(ended, 6, elsewhere)
        assert elsewhere.url in error_of(ended)["message"]
        assert site.url in error_of(ended)["message"]


def test_resume_is_refused_for_another_destination(site, make_site):
    assert site.run(site.bulk(), LVRESTORE_CRASH_AT="before_finish").code == -9
    with make_site() as elsewhere:
        ended = site.run(replaced(site.resume(), "--base-url", elsewhere.url))
        assert_refused(ended, 6, elsewhere)
        assert elsewhere.url in error_of(ended)["message"]
        assert site.url in error_of(ended)["message"]


@pytest.mark.parametrize("name", [" ", "a\nb", "x" * 201])
def test_names_that_are_none(name, site):
    assert_refused(site.run(site.bulk("--run-id", name)), 64, site)


def test_a_dry_run_has_no_session(site):
    assert_refused(site.run(site.bulk("--run-id", "x", "--dry-run")), 64, site)


def test_who_waited_for_the_same_id_finds_it_done(slow_site):
    arguments = slow_site.bulk("--run-id", "x")
    first = slow_site.start(arguments)
    slow_site.await_writes(3)
    second = slow_site.start([*arguments, "--lock-timeout", "30"])
    assert first.end().code == 0
    ended = second.end()
    assert ended.code == 0, ended
    assert "finished" in ended.err
    assert json.loads(ended.out)["session_id"] == "x"
    assert len(StateReader(slow_site.state).sessions()) == 1
