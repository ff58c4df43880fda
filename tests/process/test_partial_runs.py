"""Dashboards of which a tile cannot come: everything else is there, and a retry adds the rest."""

import json

import pytest
from comparison import vault_dashboards
from processes import running_site

from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader

OK = 200
ENDS = ("created", "updated", "undeleted", "unchanged", "partial", "skipped", "conflict", "error")


def look_of_tiles(site):
    """A look that tiles show, with the ids of the dashboards that have them."""
    shows = {}
    for content in vault_dashboards(site.vault).values():
        for tile in content.get("dashboard_elements") or ():
            if tile.get("look_id"):
                shows.setdefault(tile["look_id"], set()).add(content["id"])
    alive = {look: ids for look, ids in shows.items() if site.looker.handle("GET", f"/looks/{look}")[0] == OK}
    return max(alive.items(), key=lambda one: len(one[1]))


@pytest.fixture
def site(vault, tmp_path):
    """A Looker that has lost a look, and the dashboards that show it."""
    with running_site(vault, tmp_path, damaged=False) as made:
        made.look, made.lost = look_of_tiles(made)
        for path in (*(f"/dashboards/{one}" for one in made.lost), f"/looks/{made.look}"):
            made.looker.handle("DELETE", path)
        made.looker.clear_log()
        yield made
        made.end_all()


def retry(site, *more):
    return ["failures", "retry", "--procs", "2", "--inflight", "2", *site.arguments(*more)]


def letters(site):
    return StateReader(site.state).dead_letters.find(LetterFilter())


def assert_sums(ended):
    assert ended.counts["total_items"] == sum(ended.counts[end] for end in ENDS)
    assert ended.counts["success"] == sum(ended.counts[end] for end in ENDS[:4])
    for counts in ended.summary["content_type_breakdown"].values():
        assert counts["total"] == sum(n for end, n in counts.items() if end != "total")


def test_all_else_is_there_until_a_retry_brings_the_rest(site):
    first = site.run(site.bulk("--max-errors", "1"))
    assert (first.code, first.summary["status"]) == (1, "completed"), first
    assert first.counts["partial"] == len(site.lost)
    assert first.counts["error"] == 0
    assert first.summary["error_breakdown"] == {}
    assert_sums(first)
    assert {one.blocker for one in letters(site)} == {json.dumps([f"look {site.look}"])}

    site.looker.clear_log()
    second = site.run(site.bulk())
    assert (second.code, second.counts["partial"]) == (1, len(site.lost)), second
    assert second.counts["unchanged"] == second.counts["total_items"] - len(site.lost)
    assert site.writes() == []
    assert_sums(second)

    site.looker.clear_log()
    still = site.run(retry(site))
    assert (still.code, still.counts["partial"], site.writes()) == (1, len(site.lost), []), still
    assert len(letters(site)) == len(site.lost)

    rest = site.run(retry(site, "--fix-dependencies"))
    assert (rest.code, rest.counts["partial"], rest.counts["error"]) == (0, 0, 0), rest
    assert rest.counts["updated"] == len(site.lost)
    assert rest.counts["created"] == 1
    assert letters(site) == []
    site.assert_restored()


def test_one_alone_says_what_was_done_and_what_is_missing(site):
    one = min(site.lost)
    arguments = ["single", "dashboard", one, *site.arguments()]
    planned = site.run([*arguments, "--dry-run"])
    assert (planned.code, planned.summary["status"], planned.summary["done"]) == (1, "partial", "created"), (
        planned
    )
    assert site.writes() == []
    for done in ("created", "unchanged"):
        ended = site.run(arguments)
        told = ended.summary
        assert (ended.code, told["status"], told["operation"], told["done"]) == (
            1,
            "partial",
            "partial",
            done,
        ), ended
        assert told["error"]["kind"] == "dependency"
        assert f"look {site.look}" in told["error"]["message"]
        assert told["error"]["dead_letter_id"] == letters(site)[0].id
    report = site.run(["report", "--json", "--state", str(site.state), "--base-url", site.url, "--failures"])
    (item,) = map(json.loads, report.out.splitlines())
    assert (item["operation"], item["done"]) == ("partial", "unchanged")
