"""`lvrestore report`, and `status` of a session that is not finished: what the state file says of each item."""

import json

import apsw
import pytest
from click.testing import CliRunner

from lvrestore.cli import cli
from lvrestore.errors import NotFoundError
from lvrestore.model import Calls, ContentType, ItemError, Operation, RestorationResult
from lvrestore.report.urls import web_url
from lvrestore.state.journal import PAGE, JournalFilter
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

THERE, HERE = "https://a.example.com", "https://b.example.com:19999"
D, L = ContentType.DASHBOARD, ContentType.LOOK
IS_ERROR = {Operation.FAILED, Operation.PARTIAL}


def result(source_id, operation=Operation.UPDATED, content_type=D, **more):
    return RestorationResult(
        **{
            "seq": 0,
            "content_type": content_type,
            "source_id": source_id,
            "name": f"Sales {source_id}",
            "operation": operation,
            "destination_id": f"9{source_id}",
            "calls": Calls(by_method={"GET": 1, "PATCH": 2}),
            "duration_ms": 7,
            "blob": b"{}",
            **more,
        }
    )


def everything():
    """An item for each way to end, and one with warnings."""
    error = ItemError(kind="validation", message="too dull", http_status=422, field="title")
    for number, operation in enumerate(Operation, 1):
        more = {"error": error, "destination_id": None} if operation in IS_ERROR else {"reason": "because"}
        more |= {"done": Operation.UPDATED} if operation is Operation.PARTIAL else {}
        yield result(str(number), operation, **more)
    yield result("50", warnings=(("owner_missing", "nobody is x@y"), ("owner_missing", "nor z@y")))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "state.db"
    with StateStore(path) as store:
        scope = store.begin_session(THERE, HERE, {}, {"selected": {"look": 3, "dashboard": 20}})
        store.write(scope, list(everything()))
    return path


@pytest.fixture
def invoke(path, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "usual"))

    def invoke(*arguments):
        done = CliRunner().invoke(cli, [*arguments, "--state", str(path)])
        if isinstance(done.exception, Exception):
            raise done.exception
        return done.stdout

    return invoke


def lines(invoke, *arguments):
    return [json.loads(one) for one in invoke("report", "--json", *arguments).splitlines()]


def test_every_item_is_a_line(invoke):
    found = lines(invoke)
    assert {(one["type"], one["content_type"]) for one in found} == {("item", "dashboard")}
    assert sorted(one["operation"] for one in found) == sorted([*Operation, "updated"])
    (updated,) = [one for one in found if one["content_id"] == "2"]
    assert (updated["name"], updated["calls"], updated["duration_ms"]) == ("Sales 2", 3, 7)
    assert updated["old_url"] == "https://a.example.com/dashboards/2"
    assert updated["url"] == "https://b.example.com/dashboards/92"
    assert updated["error"] is None
    (failed,) = [one for one in found if one["operation"] == "failed"]
    assert failed["url"] is None
    assert failed["error"] == {
        "kind": "validation", "message": "too dull", "http_status": 422, "field": "title", "dead_letter_id": 2,
    }  # fmt: skip
    (partial,) = [one for one in found if one["operation"] == "partial"]
    assert (partial["done"], failed["done"], partial["error"]["dead_letter_id"]) == ("updated", None, 1)
    (conflict,) = [one for one in found if one["operation"] == "conflict"]
    assert (conflict["error"]["kind"], conflict["error"]["message"]) == ("conflict", "because")


@pytest.mark.parametrize("operation", Operation)
def test_only_items_that_ended_so(operation, invoke):
    found = lines(invoke, "--operation", operation.value)
    assert {one["operation"] for one in found} == {operation}


def test_filters_add_up(invoke):
    assert [one["operation"] for one in lines(invoke, "--conflicts")] == ["conflict"]
    assert {one["operation"] for one in lines(invoke, "--failures")} == IS_ERROR
    (warned,) = lines(invoke, "--warnings")
    assert [one["message"] for one in warned["warnings"]] == ["nobody is x@y", "nor z@y"]
    both = lines(invoke, "--failures", "--conflicts", "--operation", "created")
    assert {one["operation"] for one in both} == {*IS_ERROR, "conflict", "created"}


def test_an_error_is_still_told_when_a_later_session_made_it_good(invoke, path):
    first = StateReader(path).newest_session().id
    with StateStore(path) as store:
        scope = store.begin_session(THERE, HERE, {}, {})
        store.write(scope, [result("8")])
        assert store.dead_letters.get(2) is None
    _, failed = lines(invoke, first, "--failures")
    assert (failed["error"]["message"], failed["error"]["dead_letter_id"]) == ("too dull", None)
    (newest,) = lines(invoke)
    assert newest["content_id"] == "8"


def test_people_get_a_table_that_names_are_cut_in(invoke, path):
    with StateStore(path) as store:
        scope = store.begin_session(THERE, HERE, {}, {})
        store.write(scope, [result("1", name="n" * 300 + "\n"), result("2", warnings=(("kind", "m" * 100),))])
    said = invoke("report")
    assert "n" * 59 + "…" in said
    assert "n" * 60 not in said
    assert "https://b.example.com/dashboards/91" in said
    assert "m" * 100 not in said
    whole = invoke("report", "-v")
    assert "n" * 300 + "\\n" in whole
    assert "kind: " + "m" * 100 in whole
    assert "no such items" in invoke("report", "--conflicts")


def test_the_session_must_be_there(invoke):
    with pytest.raises(NotFoundError, match="session none"):
        invoke("report", "none")


def test_more_items_than_a_page(path):
    count = 2 * PAGE + 1
    with StateStore(path) as store:
        scope = store.begin_session(THERE, HERE, {}, {})
        store.write(scope, [result(str(n), content_type=t) for t in (D, L) for n in range(count)])
    reader = StateReader(path)
    found = [
        (one.content_type, one.source_id) for one in reader.journal(reader.newest_session(), JournalFilter())
    ]
    assert len(found) == len(set(found)) == 2 * count


def test_a_session_of_an_older_version_has_ids_for_names(invoke, path):
    with apsw.Connection(str(path)) as db:
        db.execute("UPDATE restored_items SET name = '', error = NULL")
    found = lines(invoke)
    assert all(one["name"] == one["content_id"] for one in found)
    (failed,) = [one for one in found if one["operation"] == "failed"]
    assert failed["error"]["message"] == "too dull"  # its dead letter says so


def test_pages_of_objects():
    assert web_url(HERE, ContentType.FOLDER, "5") == "https://b.example.com/folders/5"
    assert web_url(HERE, ContentType.BOARD, "3") == "https://b.example.com/boards/3"
    assert web_url(HERE, ContentType.EXPLORE, "m::e") == "https://b.example.com/explore/m/e"
    assert web_url(HERE, D, "m::a b") == "https://b.example.com/dashboards/m::a%20b"
    assert web_url(HERE, ContentType.ROLE, "5") is None
    assert web_url("unknown", D, "5") is None


# -- status


def test_status_of_a_session_that_was_cut_off_tells_how_far_it_came(invoke):
    done = len(list(everything()))
    (summary,) = map(json.loads, invoke("status", "--json").splitlines())
    assert summary["status"] == "interrupted"
    assert summary["progress"] == {
        "done": done,
        "total": 23,
        "types": {"look": {"done": 0, "total": 3}, "dashboard": {"done": done, "total": 20}},
    }
    said = [line.split() for line in invoke("status").splitlines()]
    assert ["look", "0", "3"] in said
    assert ["dashboard", str(done), "20"] in said
    assert f"{done} of 23" in invoke("status", "--all")


def test_status_cuts_no_column_of_a_narrow_terminal(invoke, monkeypatch):
    monkeypatch.setattr("lvrestore.report.console.UNWRAPPED", 60)
    assert all(f"1 {operation}" in invoke("status") for operation in Operation if operation != "updated")


def test_status_of_an_older_session_says_nothing_of_what_was_selected(invoke, path):
    with StateStore(path) as store:
        store.begin_session(THERE, HERE, {}, {})
    (summary,) = map(json.loads, invoke("status", "--json").splitlines())
    assert summary["progress"] is None
    assert "done" not in invoke("status")
