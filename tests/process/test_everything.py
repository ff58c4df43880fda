"""Everything at once: all types, damaged or gone, with real processes."""

import json
from collections import Counter

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob, open_vault


@pytest.fixture(scope="module")
def whole_vault(tmp_path_factory):
    """A small backup of all types."""
    path = tmp_path_factory.mktemp("vault") / "whole.db"
    write_vault(path, **mixed(220))
    return path


def everything(site, *more):
    return ["all", "--procs", "2", "--inflight", "2", *site.arguments(*more)]


def ties(looker):
    """Who is in which group, who has which role: (kind, user, group or role)."""
    dump = looker.dump()
    return {
        (kind, user, other)
        for kind in ("memberships", "grants")
        for other, held in dump[kind].items()
        for user in held["user_ids"]
    }


def a_membership(path, looker):
    """A user and a group that belong together in the backup and still do."""
    with open_vault(path) as vault:
        users = [(row.source_id, decode_blob(row.blob)) for row in vault.rows(ContentType.USER)]
    contents = {source_id: user for source_id, user in users if not user.get("credentials_embed")}
    return next(
        (user, group)
        for kind, user, group in sorted(ties(looker))
        if kind == "memberships" and group != "1" and group in contents.get(user, {}).get("group_ids", ())
    )


def test_by_default_nobody_gets_more_access_and_no_plan_is_enabled(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        user, group = a_membership(whole_vault, site.looker)
        site.looker.handle("DELETE", f"/groups/{group}/users/{user}")
        before, users = ties(site.looker), set(site.looker.dump()["users"])
        groups, roles = (set(site.looker.dump()[kind]) for kind in ("groups", "roles"))
        ended = site.run(everything(site))
        assert ended.counts["created"] > 20, ended
        old = {
            (kind, user, other)
            for kind, user, other in ties(site.looker)
            if user in users and other in (groups if kind == "memberships" else roles)
        }
        assert old <= before
        plans = [r for r in site.writes() if r.path.startswith("/scheduled_plans")]
        assert plans
        assert not [r for r in plans if (r.body or {}).get("enabled")]
        warned = Counter({one["kind"]: one["count"] for one in ended.summary["warnings"]})
        assert warned["access_differs"]


def test_types_can_be_chosen(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        only = site.run(everything(site, "--only-types", "groups,PERMISSION-SETS", "--dry-run"))
        kinds = {one["content_type"] for one in map(json.loads, only.out.splitlines()[:-1])}
        assert kinds == {"group", "permission_set"}
        both = site.run(everything(site, "--only-types", "group", "--exclude-types", "role"))
        assert both.code == 64
        unknown = site.run(everything(site, "--only-types", "tile"))
        assert unknown.code == 64
        assert site.writes() == []


def test_what_lay_nowhere_is_put_where_it_is_said(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, damaged=False) as site:
        arguments = ["bulk", "--type", "folder", "--orphans-to", "Nowhere/At all", *site.arguments()]
        assert site.run(arguments).code == 2
        assert site.writes() == []


@pytest.mark.parametrize("procs", ["1", "2"])
def test_what_was_listed_long_ago_is_listed_again_before_its_items_begin(procs, whole_vault, tmp_path):
    lists, wrong = {}, {}
    for staleness in ("600", "1"):
        folder = tmp_path / staleness
        folder.mkdir()
        with running_site(whole_vault, folder, types=("all",), latency="p50=25ms,p99=30ms") as site:
            arguments = [
                *everything(site, "--max-staleness", staleness, "--access", "restore"),
                "--procs",
                procs,
            ]
            assert site.run(arguments).code in {0, 1}
            lists[staleness] = Counter(
                r.params["offset"]
                for r in site.looker.requests
                if r.path == "/dashboards/search" and "offset" in r.params and "deleted" not in r.params
            )
            wrong[staleness] = [(one.kind, one.object_id) for one in site.wrong()]  # new tiles have new ids
    assert wrong["1"] == wrong["600"]
    assert set(lists["600"].values()) == {1}
    assert min(lists["1"].values()) > 1
