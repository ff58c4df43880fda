"""What was edited on the instance after the backup: in the question, in a plan, as warnings. Nothing of ours is."""

import json
from datetime import datetime

import pytest
from make_vault import write_vault
from processes import running_site

LINE = "Edited on the instance after the backup"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    write_vault(path, dashboards=60, looks=20, folders=8, users=5, oddities=False)
    return path


@pytest.fixture
def site(vault, tmp_path):
    """Of all dashboards some were destroyed, some lie in the trash, and some were edited."""
    with running_site(vault, tmp_path, latency="p50=5ms,p99=20ms") as site:
        yield site


def asked(site):
    """What is said before the question, which nobody answers here."""
    ended = site.run([word for word in site.bulk() if word != "--force"])
    assert ended.code == 64, ended
    return [line for line in ended.err.splitlines() if LINE in line]


def plan(site):
    ended = site.run(site.bulk("--dry-run"))
    *lines, summary = map(json.loads, ended.out.splitlines())
    return {line["content_id"]: line for line in lines}, overwritten(summary)


def overwritten(summary):
    return sum(one["count"] for one in summary["warnings"] if one["kind"] == "newer_overwritten")


def edits(lines):
    return {one for one, line in lines.items() if line["edited_after_backup"]}


def test_they_are_counted_marked_and_warned_of_once(site):
    lines, would_be = plan(site)
    # Others are updated as well, where a link must lead to what is made again.
    updated = {one for one in edits(lines) if lines[one]["operation"] == "updated"}
    assert len(updated) == round(0.2 * len(lines))
    for line in lines.values():
        there = line["operation"] != "created"
        assert (line["edited_after_backup"] is None, line["live_updated_at"] is None) == (
            not there,
            not there,
        )
        assert line["operation"] != "unchanged" or line["edited_after_backup"] is False
    assert {lines[one]["live_updated_by"] for one in updated} == {"API User"}
    assert all(datetime.fromisoformat(lines[one]["live_updated_at"]).tzinfo for one in updated)
    assert asked(site) == [f"{LINE} were: {len(updated)} dashboards."]
    ended = site.run(site.bulk())
    assert ended.code == 0, ended
    assert overwritten(ended.summary) == would_be == len(updated)
    site.assert_restored()
    assert asked(site) == []
    lines, would_be = plan(site)
    assert (edits(lines), would_be) == (set(), 0)


def test_one_alone_says_so_too(site):
    lines, _ = plan(site)
    one = next(i for i in edits(lines) if lines[i]["operation"] == "updated")
    shown = site.run(["single", "dashboard", one, *site.arguments("--dry-run")]).summary
    assert (shown["edited_after_backup"], shown["live_updated_by"]) == (True, "API User")
    text = [word for word in site.arguments("--dry-run") if word != "--json"]
    assert "edited after the backup: 20" in site.run(["single", "dashboard", one, *text]).out
    for times in (1, 0):
        done = site.run(["single", "dashboard", one, *site.arguments()]).summary
        assert [w["kind"] for w in done["warnings"]].count("newer_overwritten") == times


@pytest.mark.parametrize("writes", [1, 7, 20])
def test_a_run_that_was_killed_has_edited_nothing(site, writes):
    lines, would_be = plan(site)
    run = site.start(site.bulk())
    site.await_writes(writes)
    run.kill()
    run.end()
    run.assert_gone()
    # What the run had begun and not finished may look edited, and is not.
    left, _ = plan(site)
    assert edits(left) <= edits(lines)
    resumed = site.run(site.resume())
    assert resumed.code == 0, resumed
    assert overwritten(resumed.summary) <= would_be
    site.assert_restored()
    assert asked(site) == []
    assert edits(plan(site)[0]) == set()
