"""Queries on another instance: made once each, before what shows them; what no backup has comes from the source."""

import json
from contextlib import contextmanager

import pytest
from make_vault import write_vault
from processes import running_site

from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.server import App, running

SECRET = "source-secret-that-nobody-may-see"


@pytest.fixture
def elsewhere(vault, tmp_path):
    """An instance that has nothing of the backup."""
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        yield site
        site.end_all()


@contextmanager
def live_source(site, *, vault=None, **looker_options):
    """The instance that the backup was taken from, named `prod` in a config file where the command runs."""
    looker = Looker(**looker_options)
    from_vault(looker, vault or site.vault)
    looker.clear_log()
    with running(App(looker)) as url:
        config = site.folder / "lvrestore.toml"
        config.write_text(
            f'[instances.prod]\nbase_url = "{url}"\nclient_id = "a"\nclient_secret = "{SECRET}"\n'
        )
        config.chmod(0o600)
        looker.url = url
        yield looker


def everything(site, *more, procs="2"):
    return site.run(["all", "--procs", procs, "--inflight", "2", *site.arguments(*more)])


def posted(looker, path="/queries"):
    """The bodies that were POSTed there."""
    return [r.body for r in looker.requests if (r.method, r.path) == ("POST", path)]


def asked_singly(looker):
    """What was read item by item, though the lists have shown it."""
    collections = (
        "dashboards",
        "looks",
        "folders",
        "users",
        "groups",
        "scheduled_plans",
        "queries",
        "merge_queries",
    )
    found = (r.path for r in looker.requests if r.method == "GET")
    return [
        one
        for one in found
        if one.count("/") == 2 and one.split("/")[1] in collections and "search" not in one
    ]


def letters(site):
    listed = site.run(["dlq", "list", "--json", "--limit", "1000", "--state", str(site.state)]).out
    return [json.loads(line) for line in listed.splitlines()]


def undefined(site):
    """The letters that are about definitions."""
    return [one for one in letters(site) if "definition" in one["message"]]


def test_without_the_source_the_letters_say_how_to_supply_it(elsewhere):
    ended = everything(elsewhere)
    assert ended.summary["source"] is None
    lacking = undefined(elsewhere)
    assert {one["content_type"] for one in lacking} >= {"dashboard"}
    assert all("--source NAME" in one["message"] for one in lacking)


@pytest.mark.parametrize("procs", ["1", "2"])
def test_each_content_is_made_once_and_a_second_run_writes_nothing(elsewhere, procs):
    with live_source(elsewhere) as source:
        first = everything(elsewhere, "--source", "prod", procs=procs)
        assert first.summary["source_instance"] == source.url
        assert first.summary["source"]["fetched"]["merge_query"] > 0
        bodies = [json.dumps(one, sort_keys=True) for one in posted(elsewhere.looker)]
        assert len(bodies) == len(set(bodies)) > 10
        made = first.summary["queries"]
        assert made["merge_query"]["made"] == len(posted(elsewhere.looker, "/merge_queries")) > 0
        assert undefined(elsewhere) == []
        assert not any("merge_query" in one["message"] for one in letters(elsewhere))
        assert {r.method for r in source.requests if r.path != "/login"} == {"GET"}

        elsewhere.looker.clear_log()
        again = everything(elsewhere, "--source", "prod", procs=procs)
        assert elsewhere.writes() == []
        assert again.summary["source"]["fetched"] == {"query": 0, "merge_query": 0}
        assert asked_singly(elsewhere.looker) == []

        elsewhere.state.unlink()
        third = everything(elsewhere, "--source", "prod", procs=procs)
        assert elsewhere.writes() == []
        assert third.summary["queries"]["merge_query"]["found"] > 0
        assert not any(SECRET in one.out + one.err for one in (first, again, third))


def test_where_lists_leave_out_what_tiles_show_each_dashboard_recognises_its_own(vault, tmp_path):
    with running_site(
        vault, tmp_path, empty=True, first_id=50_000_000, switches={"search_has_elements": "no"}
    ) as site:
        everything(site)
        assert len(posted(site.looker)) > 10
        site.state.unlink()
        site.looker.clear_log()
        again = everything(site)
        assert site.writes() == []
        assert again.summary["queries"]["query"] == {"made": 0, "found": 0, "refused": 0}
        assert again.counts["unchanged"] > 30


def test_a_dry_run_asks_the_source_and_counts_what_would_be_made(elsewhere):
    with live_source(elsewhere):
        planned = everything(elsewhere, "--source", "prod", "--dry-run")
        assert elsewhere.writes() == []
        summary = json.loads(planned.out.splitlines()[-1])
        done = everything(elsewhere, "--source", "prod").summary
        assert summary["queries"] == done["queries"]
        assert summary["queries"]["merge_query"]["made"] > 0


@pytest.mark.parametrize(
    "point", ["query:3", "merge_query:2", "after_send:20", "between_waves:6", "between_waves:7"]
)
def test_killed_among_the_queries_and_resumed_it_is_as_if_it_had_not_been(elsewhere, point):
    with live_source(elsewhere):
        killed = elsewhere.start(
            ["all", "--procs", "2", "--inflight", "2", *elsewhere.arguments("--source", "prod")],
            LVRESTORE_CRASH_AT=point,
            LVRESTORE_CRASH_ONCE=str(elsewhere.folder / "crashed"),
        )
        killed.end(60)
        ended = elsewhere.run(elsewhere.resume(), timeout_s=60)
        assert ended.code in {1, 2}, ended  # 2: a worker died alone, and the run ended
        assert undefined(elsewhere) == []
        bodies = [json.dumps(one, sort_keys=True) for one in posted(elsewhere.looker)]
        assert len(set(bodies)) > 10
        elsewhere.looker.clear_log()
        again = everything(elsewhere, "--source", "prod")
        assert elsewhere.writes() == []
        assert again.counts["unchanged"] > 30


def test_letters_are_completed_by_a_retry_that_has_the_source(elsewhere):
    everything(elsewhere)
    assert undefined(elsewhere)
    with live_source(elsewhere):
        retried = elsewhere.run(["dlq", "retry", *elsewhere.arguments("--source", "prod")])
        assert retried.counts["success"] > 0, retried
        assert undefined(elsewhere) == []
        elsewhere.looker.clear_log()
        everything(elsewhere, "--source-instance", retried.summary["source_instance"])
        assert elsewhere.writes() == []


def test_letters_are_completed_also_when_the_backup_is_gone(elsewhere, tmp_path):
    backup, elsewhere.vault = elsewhere.vault, tmp_path / "tonight.db"
    elsewhere.vault.write_bytes(backup.read_bytes())
    everything(elsewhere)
    assert undefined(elsewhere)
    with live_source(elsewhere):
        elsewhere.vault.unlink()
        arguments = [one for one in elsewhere.arguments("--source", "prod") if one != str(elsewhere.vault)]
        retried = elsewhere.run(["dlq", "retry", *(one for one in arguments if one != "--db-path")])
        assert retried.summary["source"]["fetched"]["merge_query"] > 0, retried
        assert undefined(elsewhere) == []


def test_a_source_that_the_backup_is_not_of_is_refused(elsewhere, tmp_path):
    another = tmp_path / "another.db"
    write_vault(another, dashboards=25, looks=10, folders=8, users=5, seed=8)
    with live_source(elsewhere, vault=another):
        ended = everything(elsewhere, "--source", "prod")
        assert ended.code == 3
        error = json.loads(ended.out.splitlines()[-1])
        assert "is not proved to be the instance this backup was taken from" in error["message"]
        assert "[instances.prod]" in error["hint"]
        assert elsewhere.writes() == []


@pytest.mark.parametrize("path", ["/merge_queries/*", "/queries/**"])
@pytest.mark.parametrize("status", [403, 404])
def test_what_the_source_does_not_give_is_named_with_what_it_said(elsewhere, status, path):
    with live_source(elsewhere) as source:
        source.on("GET", path).answer(status, {"message": "not for you"}, times=1000)
        ended = everything(elsewhere, "--source", "prod")
        assert ended.summary["source"]["withheld"] > 0
        lacking = undefined(elsewhere)
        assert lacking
        assert [one["message"] for one in lacking if "the source does not give" not in one["message"]] == []
        assert all(str(status) in one["message"] for one in lacking)


@pytest.mark.parametrize("status", [403, 404])
def test_where_numbers_are_not_answered_queries_come_from_what_shows_them(elsewhere, status):
    with live_source(elsewhere) as source:
        source.on("GET", "/queries/*").answer(status, {"message": "not by number"}, times=1000)
        ended = everything(elsewhere, "--source", "prod")
        assert undefined(elsewhere) == []
        told = ended.summary["source"]
        assert told["fetched"]["query"] > 10, told
        assert told["withheld"] == 0
        asked = [r.path for r in source.requests if "/queries/" in r.path or r.path.startswith("/looks/")]
        by_number = [one for one in asked if one.count("/") == 2 and one.startswith("/queries/")]
        assert len(by_number) <= 4  # then it is known that they are not answered
        assert len(asked) == len(set(asked))
        assert {r.method for r in source.requests if r.path != "/login"} == {"GET"}


def test_a_query_that_the_destination_refuses_is_asked_for_once_and_named(elsewhere):
    refusal = {"message": "Validation Failed", "errors": [{"field": "fields", "message": "are odd"}]}
    elsewhere.looker.on("POST", "/queries", skip=12).answer(422, refusal, times=2)
    ended = everything(elsewhere, procs="1")
    assert ended.summary["queries"]["query"]["refused"] == 2
    refused = [one for one in letters(elsewhere) if "are odd" in one["message"]]
    assert refused
    assert all(one["error_kind"] == "dependency" for one in refused)
    bodies = [json.dumps(one, sort_keys=True) for one in posted(elsewhere.looker)]
    assert len(bodies) == len(set(bodies))


def test_a_look_and_a_dashboard_alone_get_what_they_show(elsewhere):
    first = everything(elsewhere, "--exclude-types", "look,dashboard,board,scheduled_plan")
    given = ["--source", "prod", "--source-instance", first.summary["source_instance"]]
    with live_source(elsewhere) as source:
        elsewhere.looker.clear_log()
        single = elsewhere.run(["single", "look", "2", *elsewhere.arguments(*given)])
        assert json.loads(single.out)["operation"] == "created", single
        assert len([r for r in source.requests if r.path.startswith("/queries/")]) <= 1
