"""To another instance: references are found there by address, name and place; what is its own stays as it is."""

import json

import apsw
import pytest
from processes import running_site


@pytest.fixture
def moved(vault, tmp_path):
    """An instance that has got everything of the backup by an earlier run, of which no mapping is left."""
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        assert site.run(["all", "--procs", "1", *site.arguments()]).counts["created"] > 30
        site.state.unlink()
        site.looker.clear_log()
        yield site


def letters(site):
    """{(type, id): message} of what failed."""
    listed = site.run(["dlq", "list", "--json", "--state", str(site.state)]).out
    found = map(json.loads, listed.splitlines())
    return {(one["content_type"], one["content_id"]): one["message"] for one in found}


def test_folders_owners_and_looks_that_are_not_in_the_run_are_found(moved):
    ended = moved.run(["bulk", "--type", "dashboard", "--procs", "2", *moved.arguments()])
    assert moved.writes() == []
    assert ended.counts["unchanged"] > ended.counts["total_items"] / 2
    # Merged results are what no backup defines, and what it marks deleted is left out.
    assert [m for m in letters(moved).values() if "merge_query" not in m and "marks" not in m] == [], (
        ended.err
    )
    assert "not selected" not in ended.err
    assert "owner_missing" not in {one["kind"] for one in ended.summary["warnings"]}


def test_one_dashboard_alone_finds_its_folder_with_few_calls(moved):
    ended = moved.run(["single", "dashboard", "4", *moved.arguments()])
    result = json.loads(ended.out)
    assert result["operation"] == "unchanged", ended
    assert result["calls"] < 15
    assert moved.writes() == []


def without(vault, path, *items):
    """A newer backup, in which these (type number, id) are gone."""
    path.write_bytes(vault.read_bytes())
    with apsw.Connection(str(path)) as db:
        db.executemany("DELETE FROM content_items WHERE content_type = ? AND id = ?", items)
    return path


def test_what_was_deleted_on_the_source_is_named_and_stays(vault, tmp_path):
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        arguments = ["all", "--procs", "1", *site.arguments()]
        first = site.run(arguments)
        assert "deleted_on_source" not in {one["kind"] for one in first.summary["warnings"]}
        before = site.looker.dump()
        site.vault = without(vault, tmp_path / "tonight.db", (1, "3"), (1, "4"), (2, "1"))
        again = site.run(["all", "--procs", "1", *site.arguments()])
        assert {"kind": "deleted_on_source", "count": 3} in again.summary["warnings"]
        assert "2 dashboards of earlier runs left the source since: 3 (here " in again.err
        assert site.looker.dump() == before
        only = site.run(["bulk", "--type", "dashboard", "--ids", "5", "--procs", "1", *site.arguments()])
        assert "left the source" not in only.err  # nothing was said of the others
