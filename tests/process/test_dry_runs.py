"""A dry run of everything, held against the run that follows it."""

import json

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.state.reader import StateReader

AS_IT_WAS = ("--access", "restore", "--schedules", "as-backup")
COUNTS = ("created", "updated", "undeleted", "unchanged", "partial", "skipped", "conflict", "error")


@pytest.fixture(scope="module")
def small_vault(tmp_path_factory):
    """A backup of all types, some of which no instance can take."""
    path = tmp_path_factory.mktemp("vault") / "small.db"
    write_vault(path, **mixed(120))
    return path


def everything(site, *more):
    return ["all", "--procs", "2", "--inflight", "2", *AS_IT_WAS, *site.arguments(*more)]


@pytest.mark.enables_plans
@pytest.mark.widens_access
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_predicted_is_what_happens(empty, small_vault, tmp_path):
    with running_site(small_vault, tmp_path, empty=empty, types=("all",)) as site:
        dry = site.run(everything(site, "--dry-run"))
        assert site.writes() == []
        *lines, planned = map(json.loads, dry.out.splitlines())
        done = site.run(everything(site))
        assert dry.code == done.code == bool(done.counts["error"])
        assert {n: planned["summary"][f"{n}_count"] for n in COUNTS} == {n: done.counts[n] for n in COUNTS}
        assert planned["error_breakdown"] == done.summary["error_breakdown"]
        # Two workers that need one query at the same moment may both ask for it, which makes one.
        assert empty or planned["calls"]["POST"] == done.summary["calls"]["POST"]
        assert planned["calls"]["total"] >= done.summary["calls"]["total"]
        assert {(line["content_type"], line["content_id"]): line["operation"] for line in lines} == ended(
            site
        )


def ended(site):
    """How each item ended in the newest session, by type and id."""
    reader = StateReader(site.state)
    rows = reader._db.execute("SELECT content_type, source_id, status FROM restored_items")
    return {(ContentType(number).label, source_id): status for number, source_id, status in rows}
