"""To another instance: references are found there by address, name and place; what is its own stays as it is."""

import json

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
