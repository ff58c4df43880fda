"""Rows whose content was in the trash when the backup was made, through the command."""

import json
from contextlib import closing

import apsw
import msgspec
import pytest
from make_vault import write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob, open_vault

D = ContentType.DASHBOARD
TRASHED = ("3", "4", "8")


@pytest.fixture
def site(tmp_path):
    """Three dashboards were in the trash; one of them lives again, one is in the trash, one is destroyed."""
    vault = tmp_path / "vault.db"
    write_vault(vault, dashboards=30, looks=10, folders=5, users=3, oddities=False)
    with running_site(vault, tmp_path, damaged=False) as site, closing(apsw.Connection(str(vault))) as db:
        for one in TRASHED:
            blob = db.execute(
                "SELECT content_data FROM content_items WHERE content_type = 1 AND id = ?", (one,)
            ).get
            content = {**decode_blob(blob), "deleted": True}
            for layout in content["dashboard_layouts"]:
                layout["deleted"] = True
            db.execute(
                "UPDATE content_items SET content_data = ? WHERE content_type = 1 AND id = ?",
                (msgspec.msgpack.encode(content), one),
            )
        site.looker.call("PATCH", "/dashboards/4", {"deleted": True})
        site.looker.call("DELETE", "/dashboards/8")
        site.looker.clear_log()
        yield site


def living(site):
    return {i for i, one in site.looker.dump()["dashboards"].items() if not one["deleted"]}


def places(site, dashboard_id):
    layouts = site.looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_layouts")
    shown = (c for layout in layouts for c in layout["dashboard_layout_components"])
    return sorted((c["row"], c["column"], c["width"], c["height"]) for c in shown)


def test_they_are_left_out_and_counted(site):
    before = living(site)
    ended = site.run(site.bulk())
    with open_vault(site.vault) as backup:
        marked = backup.count(D, deleted="only")
    assert ended.code == 0, ended
    assert ended.counts["left_out_deleted"] == marked >= len(TRASHED)
    assert (living(site), site.writes()) == (before, [])
    listed = site.run(["vault", "list", "--db-path", str(site.vault), "--deleted", "only", "--json"])
    rows = [json.loads(line) for line in listed.out.splitlines()]
    assert {row["content_id"] for row in rows if row["content_type"] == "dashboard"} >= set(TRASHED)
    assert all(row["deleted"] for row in rows)


@pytest.mark.parametrize("how", ["single", "ids", "include", "only"])
def test_who_asks_for_them_gets_them_alive(site, how):
    chosen = {
        "single": ["single", "dashboard", "8", *site.arguments()],
        "ids": site.bulk("--ids", ",".join(TRASHED)),
        "include": site.bulk("--deleted", "include"),
        "only": site.bulk("--deleted", "only"),
    }
    with open_vault(site.vault) as backup:
        wanted = decode_blob(backup.get(D, "8").blob)
    ended = site.run(chosen[how])
    assert ended.code == 0, ended
    new = max(living(site), key=int)
    assert new not in TRASHED
    assert living(site) >= ({"3"} if how == "single" else {"3", "4"})
    rectangles = [c for one in wanted["dashboard_layouts"] for c in one["dashboard_layout_components"]]
    assert places(site, new) == sorted((c["row"], c["column"], c["width"], c["height"]) for c in rectangles)
    if how != "single":
        assert ended.counts["left_out_deleted"] == 0
        assert site.run(chosen[how]).counts["unchanged"] == ended.counts["total_items"]


def test_one_that_failed_is_tried_again(site):
    site.looker.on("POST", "/dashboards").answer(422, {"message": "no"}, times=1)
    assert site.run(site.bulk("--ids", "8")).code == 1
    again = site.run(["dlq", "retry", *site.arguments()])
    assert again.code == 0, again
    assert again.counts["created"] == 1
