"""What was read in bulk knows of an object that a killed process made: nobody else could tell."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from factory import backup, make_dashboard, make_looker
from harness import restore

from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import Index
from lvrestore.looker.client import LookerClient
from lvrestore.model import Operation
from lvrestore.play.known import KnownIds


@pytest.fixture
def index(tmp_path):
    """As of a moment at which there was no dashboard, alive or in the trash."""
    index = Index(tmp_path, 600.0)
    index.set_scanned("dashboard", time.monotonic(), complete=True, trash=True)
    yield index
    index.close()


def absent(looker, index, dashboard_id):
    client = IndexedClient(LookerClient(looker), index, same_instance=True)
    return KnownIds({}).absent("dashboard", (dashboard_id,), client)


def lost_dashboard(looker):
    """Its row in the backup, and what a process made of it that was killed before it could tell."""
    old = make_dashboard(looker)
    row = backup(looker, old)
    slug = looker.call("GET", f"/dashboards/{old}")["slug"]
    looker.call("DELETE", f"/dashboards/{old}")
    body = {"title": "Sales", "folder_id": looker.folder, "user_id": looker.owner, "slug": slug}
    return row, looker.call("POST", "/dashboards", body)["id"]


def test_an_object_that_was_made_by_a_killed_process_is_there_for_others(index):
    looker = make_looker()
    row, made = lost_dashboard(looker)
    assert absent(looker, index, made) == ((made,), ())
    began = datetime.now(UTC) - timedelta(seconds=5)
    (result,) = restore(looker, [row], uncertain_since=began, index=index)
    assert (result.operation, result.destination_id) == (Operation.UPDATED, made)
    assert absent(looker, index, made) == ((), ())


def test_parts_are_not_noted(index):
    index.note("dashboard_element", "7")
    assert index.ids("dashboard_element") == frozenset()
