"""`--max-calls` is never exceeded by one call, whatever a run does, in whatever process; and nothing is lost by it."""

from collections import Counter

import pytest
from comparison import Backup, compare
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader

PROCS = ("1", "2")


@pytest.fixture(scope="module")
def whole_vault(tmp_path_factory):
    """A backup of all types, all of which an instance can take."""
    path = tmp_path_factory.mktemp("vault") / "whole.db"
    write_vault(path, **mixed(150), oddities=False)
    return path


def everything(site, procs, *more):
    return ["all", "--procs", procs, "--inflight", "2", *site.arguments(*more)]


def letters(site):
    return [*StateReader(site.state).dead_letters.find(LetterFilter())] if site.state.exists() else []


def findings(site):
    """How many objects of each kind are not as in the backup; what is made anew has its id by chance."""
    return Counter(one.kind for one in compare(Backup(site.vault), site.looker.dump()))


def assert_no_letter_for_want_of_calls(site):
    assert {one.error_kind for one in letters(site)} <= {"dependency", "validation"}


@pytest.mark.parametrize("procs", PROCS)
def test_a_run_that_could_only_read_is_refused_before_the_login(procs, whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        ended = site.run(everything(site, procs, "--max-calls", "3"))
        assert ended.code == 7, ended
        assert "--max-calls 3" in ended.out
        assert list(site.looker.requests) == []
        assert not site.state.exists()


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("procs", PROCS)
@pytest.mark.parametrize("limit", [14, 17, 19, 20, 21, 23, 26, 30, 41, 60, 97])
def test_the_limit_is_never_exceeded(limit, procs, dry_run, whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        more = ["--dry-run"] if dry_run else []
        ended = site.run(everything(site, procs, "--max-calls", str(limit), *more))
        assert ended.code == 7 or (dry_run and len(site.looker.requests) < limit), ended
        assert len(site.looker.requests) <= limit, Counter(
            f"{r.method} {r.path}" for r in site.looker.requests
        )
        assert_no_letter_for_want_of_calls(site)
        assert not dry_run or site.writes() == []
        assert not dry_run or "lvrestore resume" not in ended.err


@pytest.mark.parametrize("procs", PROCS)
def test_what_was_stopped_is_carried_on_until_all_is_done(procs, whole_vault, tmp_path):
    once = tmp_path / "once"
    once.mkdir()
    with running_site(whole_vault, once, types=("all",)) as site:
        site.run(everything(site, procs))
        expected = findings(site)
        letters_of_one_run = {(one.content_type, one.content_id) for one in letters(site)}
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        ended = site.run(everything(site, procs, "--max-calls", "70"))
        for _ in range(30):
            assert len(site.looker.requests) <= 70
            if ended.code != 7:
                break
            site.looker.clear_log()
            ended = site.run(
                ["resume", "--procs", procs, "--inflight", "2", *site.arguments("--max-calls", "70")]
            )
        assert ended.code in {0, 1}, ended
        assert findings(site) == expected
        assert {(one.content_type, one.content_id) for one in letters(site)} == letters_of_one_run


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 6, 8])
def test_one_item_keeps_to_the_limit_too(limit, site):
    site.looker.handle("DELETE", "/dashboards/1")
    site.looker.clear_log()
    arguments = ["single", "dashboard", "1", *site.arguments("--max-calls", str(limit))]
    ended = site.run(arguments)
    assert len(site.looker.requests) <= limit
    assert ended.code == 7, ended
    assert letters(site) == []
    if limit < 3:
        assert list(site.looker.requests) == []


def test_repeats_count(site):
    site.looker.on("*", "/dashboards/**").answer(503, {"message": "later"}, times=5)
    ended = site.run(site.bulk("--max-calls", "25"))
    assert ended.code == 7, ended
    assert len(site.looker.requests) <= 25
    assert_no_letter_for_want_of_calls(site)
