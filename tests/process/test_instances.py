"""Which instance a backup is of, and which one is written to: judged by evidence, and by what the caller says."""

import json
from contextlib import closing

import apsw
import pytest
from make_vault import write_vault
from processes import running_site

from lvrestore.model import ContentType

STRANGER = "https://another.example.com"


def everything(site, *more):
    return site.run(["all", "--procs", "1", *site.arguments(*more)])


def error(ended):
    """The last line, which is the error."""
    return json.loads(ended.out.splitlines()[-1])


@pytest.fixture
def elsewhere(vault, tmp_path):
    """An instance that has nothing of the backup."""
    with running_site(vault, tmp_path, empty=True, first_id=50_000_000) as site:
        yield site


@pytest.fixture
def another_vault(tmp_path):
    """A backup of an instance of its own, whose ids are the same numbers."""
    path = tmp_path / "another.db"
    write_vault(path, dashboards=25, looks=10, folders=8, users=5, seed=8)
    return path


def test_the_evidence_is_in_the_summary(site):
    ended = site.run(site.bulk())
    assert ended.summary["identity"]["same"]
    assert ended.summary["identity"]["matches"] >= 3
    shown = site.run(["status", "--json", "--state", str(site.state)])
    assert json.loads(shown.out)["identity"] == ended.summary["identity"]


def test_what_is_said_to_be_another_instance_is_not_matched_by_number(site):
    before = site.looker.dump()
    ended = everything(site, "--source-instance", STRANGER, "--dry-run")
    summary = json.loads(ended.out.splitlines()[-1])
    assert summary["identity"]["matches"] >= 3
    assert not summary["same_instance"]
    assert summary["source_instance"] == STRANGER
    assert site.looker.dump() == before


def test_the_destination_is_no_source_of_a_backup_that_contradicts_it(site, another_vault):
    site.vault = another_vault
    ended = everything(site, "--source-instance", site.url)
    assert ended.code == 3
    assert "another creation time" in error(ended)["message"]
    assert site.writes() == []


def test_a_name_of_mappings_is_not_another_instance_by_and_by(elsewhere, vault, another_vault):
    """Object 42 of one source is not object 42 of another, whatever both are called."""
    assert everything(elsewhere, "--source-instance", STRANGER).counts["created"]
    before = elsewhere.looker.dump()
    elsewhere.vault = another_vault
    refused = everything(elsewhere, "--source-instance", STRANGER)
    assert refused.code == 3
    assert "--source-instance" in error(refused)["hint"]
    assert elsewhere.looker.dump() == before
    assert everything(elsewhere, "--source-instance", "https://a-third.example.com").counts["created"]
    elsewhere.vault = vault
    assert everything(elsewhere, "--source-instance", STRANGER).counts["created"] == 0


def test_a_backup_whose_instance_is_known_by_another_name_is_refused_before_it_is_doubled(elsewhere, vault):
    assert everything(elsewhere, "--source-instance", STRANGER).counts["created"]
    before = elsewhere.looker.dump()
    for forgotten in ((), ("--source-instance", "https://anotther.example.com")):
        for more in ((), ("--dry-run",)):
            refused = everything(elsewhere, *forgotten, *more)
            assert refused.code == 3
            assert STRANGER in error(refused)["message"]
            assert f"--source-instance {STRANGER}" in error(refused)["hint"]
            assert (forgotten or ("https://looker.example.com",))[-1] in error(refused)["message"]
    assert elsewhere.looker.dump() == before
    cleared = ["map", "clear", "--source-instance", STRANGER, "--force", "--state", str(elsewhere.state)]
    assert elsewhere.run(cleared).code == 0
    assert everything(elsewhere).code != 3


def test_mappings_of_no_name_get_one_by_a_file(elsewhere, vault, tmp_path):
    elsewhere.vault = tmp_path / "folders.db"
    elsewhere.vault.write_bytes(vault.read_bytes())
    with closing(apsw.Connection(str(elsewhere.vault))) as db:  # folders do not tell where they come from
        db.execute("DELETE FROM content_items WHERE content_type <> ?", (ContentType.FOLDER,))
    first = everything(elsewhere)
    assert first.summary["source_instance"] == "unknown"
    refused = everything(elsewhere, "--source-instance", STRANGER)
    assert refused.code == 3
    assert "map import" in error(refused)["hint"]
    exported = elsewhere.run(["map", "export", "--state", str(elsewhere.state)])
    mappings = tmp_path / "mappings.csv"
    mappings.write_text(exported.out.replace("unknown", STRANGER))
    given = elsewhere.arguments("--source-instance", STRANGER)
    assert elsewhere.run(["map", "import", str(mappings), *given]).code == 0
    again = everything(elsewhere, "--source-instance", STRANGER)
    assert again.counts["created"] == 0


def test_mappings_outlive_the_backup_file(elsewhere, vault, tmp_path):
    first = everything(elsewhere)
    elsewhere.vault = tmp_path / "tonight.db"
    elsewhere.vault.write_bytes(vault.read_bytes())
    elsewhere.looker.clear_log()
    again = everything(elsewhere)
    assert again.summary["source_instance"] == first.summary["source_instance"]
    assert elsewhere.writes() == []


@pytest.fixture
def destroyed(tmp_path):
    """The instance of a backup of dashboards and looks, after all of these were destroyed."""
    path = tmp_path / "content.db"
    write_vault(path, dashboards=6, looks=4, folders=3, users=2)
    with running_site(path, tmp_path, damaged=False) as site:
        with closing(apsw.Connection(str(path))) as db:
            kinds = (ContentType.DASHBOARD, ContentType.LOOK)
            db.execute("DELETE FROM content_items WHERE content_type NOT IN (?, ?)", kinds)
        for kind in ("dashboards", "looks"):
            for one in site.looker.dump()[kind]:
                site.looker.call("DELETE", f"/{kind}/{one}")
        site.looker.clear_log()
        yield site


def test_where_nothing_is_left_that_could_prove_it_the_instance_can_be_declared(destroyed):
    """At a first or any later run, and those after it know."""
    plan = everything(destroyed, "--dry-run")
    assert "--same-instance" in plan.err
    unproved = everything(destroyed)
    assert not unproved.summary["same_instance"]
    listed = destroyed.run(["dlq", "list", "--json", "--state", str(destroyed.state)]).out
    assert any("--same-instance" in json.loads(line)["message"] for line in listed.splitlines())
    made = len(destroyed.looker.dump()["dashboards"])
    declared = everything(destroyed, "--same-instance")
    assert declared.code == 0, declared
    assert declared.summary["identity"] == {**declared.summary["identity"], "same": True, "declared": True}
    assert declared.summary["source_instance"] == declared.summary["destination_instance"]
    assert declared.counts["created"] + made == 10
    tables = destroyed.looker.dump()
    assert (len(tables["dashboards"]), len(tables["looks"])) == (6, 4)
    assert destroyed.run(["dlq", "list", "--json", "--state", str(destroyed.state)]).out == ""
    destroyed.looker.clear_log()
    again = everything(destroyed)
    assert (again.code, again.counts["unchanged"]) == (0, 10)
    assert again.summary["identity"]["declared"]
    assert destroyed.writes() == []
    explaining = [one for one in destroyed.arguments() if one != "--force"]
    explained = destroyed.run(["map", "explain", "dashboard:1", *explaining])
    assert json.loads(explained.out)["identity"]["declared"]


def test_a_declared_session_stays_so_when_it_goes_on(destroyed):
    name = ("--run-id", "tonight")
    stopped = everything(destroyed, "--same-instance", "--max-calls", "30", *name)
    assert stopped.code == 7, stopped
    ended = everything(destroyed, *name)
    assert (ended.code, ended.summary["identity"]["declared"]) == (0, True)
    assert (len(destroyed.looker.dump()["dashboards"]), ended.counts["created"]) == (6, 10)


def test_failures_of_an_unproved_run_are_tried_again_as_of_this_instance(destroyed):
    assert everything(destroyed).code == 1
    given = [*destroyed.arguments("--same-instance"), "--procs", "1"]
    retried = destroyed.run(["dlq", "retry", *given])
    assert (retried.code, retried.counts["error"]) == (0, 0)
    assert retried.summary["identity"]["declared"]
    assert len(destroyed.looker.dump()["dashboards"]) == 6


def test_a_run_that_took_the_backup_for_another_instances_does_not_become_a_declared_one(destroyed):
    stopped = everything(destroyed, "--max-calls", "20")
    assert stopped.code == 7, stopped
    refused = destroyed.run(destroyed.resume("--same-instance"))
    assert refused.code == 6


def test_two_declarations_that_contradict_each_other_are_a_usage_error(destroyed):
    assert everything(destroyed, "--same-instance", "--source-instance", STRANGER).code == 64
    assert destroyed.writes() == []


@pytest.mark.parametrize("expected", ["looker.example.com", "127.0.0.1:1", "127.0.0.2", "", "::"])
def test_another_host_than_the_expected_one_is_refused_before_anything_is_sent(site, expected):
    ended = site.run(site.bulk("--expect-host", expected))
    assert ended.code == 3
    assert site.url in error(ended)["message"]
    assert site.looker.requests == []


def test_the_expected_host_is_accepted_with_and_without_its_port(site):
    port = site.url.rpartition(":")[2]
    for expected in ("127.0.0.1", f"127.0.0.1:{port}", site.url):
        assert site.run(site.bulk("--expect-host", expected)).code == 0


@pytest.mark.parametrize("said", ["", "  ", "https://", "two words"])
def test_a_source_without_a_host_is_a_usage_error(site, said):
    assert site.run(site.bulk("--source-instance", said)).code == 64


def test_a_session_goes_on_with_the_source_that_it_was_begun_with(elsewhere):
    stopped = everything(elsewhere, "--source-instance", STRANGER, "--max-errors", "1", "--max-calls", "60")
    assert stopped.code == 7
    wrong = elsewhere.run(elsewhere.resume("--source-instance", "https://a-third.example.com"))
    assert wrong.code == 6
    assert STRANGER in error(wrong)["message"]
    ended = elsewhere.run(elsewhere.resume())
    assert ended.summary["source_instance"] == STRANGER
