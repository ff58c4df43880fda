"""Everything at once: all types, damaged or gone, with real processes."""

import json
from collections import Counter

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob, open_vault

AS_IT_WAS = ("--access", "restore", "--schedules", "as-backup")


@pytest.fixture(scope="module")
def whole_vault(tmp_path_factory):
    """A small backup of all types."""
    path = tmp_path_factory.mktemp("vault") / "whole.db"
    write_vault(path, **mixed(220))
    return path


def everything(site, *more):
    return ["all", "--procs", "2", "--inflight", "2", *site.arguments(*more)]


def rows(path):
    with open_vault(path) as vault:
        counts = {t: vault.count(t) for t in ContentType if vault.has_type(t)}
    return {t.label: n for t, n in counts.items() if n}


def ties(looker):
    """Who is in which group, who has which role: (kind, user, group or role)."""
    dump = looker.dump()
    return {
        (kind, user, other)
        for kind in ("memberships", "grants")
        for other, held in dump[kind].items()
        for user in held["user_ids"]
    }


def test_the_sums_add_up_and_a_second_run_writes_nothing(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, types=("all",)) as site:
        first = site.run(everything(site, *AS_IT_WAS))
        breakdown = first.summary["content_type_breakdown"]
        assert {name: counts["total"] for name, counts in breakdown.items()} == rows(whole_vault)
        for counts in breakdown.values():
            assert counts["total"] == sum(n for name, n in counts.items() if name != "total")
        assert first.counts["created"] > 20, first
        assert first.counts["updated"] > 20, first
        assert set(first.summary["error_breakdown"]) <= {"dependency"}, first
        site.looker.clear_log()
        for remembers in (True, False):
            again = once_more(site, remembers=remembers)
            assert again.counts["error"] == first.counts["error"], again
            assert again.counts["created"] == again.counts["updated"] == again.counts["conflict"] == 0, again
            assert site.writes() == []


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


def once_more(site, *, remembers):
    """The same run again, by a tool that remembers what it did, or nothing."""
    if not remembers:
        site.state.unlink()
    return site.run(everything(site, *AS_IT_WAS))


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


def test_onto_an_empty_instance_everything_gets_new_ids(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, empty=True) as site:
        first = site.run(everything(site, *AS_IT_WAS))
        assert not first.summary["same_instance"]
        assert first.counts["conflict"] == 0, first
        assert set(first.summary["error_breakdown"]) <= {"dependency"}, first
        site.looker.clear_log()
        for remembers in (True, False):
            again = once_more(site, remembers=remembers)
            assert again.counts["error"] == first.counts["error"], again
            assert again.counts["created"] == again.counts["updated"] == again.counts["conflict"] == 0, again
            assert [r for r in site.writes() if r.path != "/queries"] == []


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
