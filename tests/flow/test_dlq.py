"""`lvrestore dlq` and `status` on a state file, as a person and as a script see them; no instance is needed."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from lvrestore.cli import cli, run
from lvrestore.errors import NotFoundError, UsageError
from lvrestore.model import Calls, ContentType, ItemError, Operation, RestorationResult
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.lock import RunLock
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

HERE = "http://127.0.0.1:9"
D, L, P = ContentType.DASHBOARD, ContentType.LOOK, ContentType.SCHEDULED_PLAN


def failure(content_type, source_id, kind="validation", blob=b"{}", **error):
    return RestorationResult(
        seq=0,
        content_type=content_type,
        source_id=source_id,
        name="n" * 5000,
        operation=Operation.FAILED,
        error=ItemError(kind=kind, message="m" * 5000, **error),
        blob=blob,
        calls=Calls(by_method={"GET": 1}),
    )


@pytest.fixture(autouse=True)
def usual_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "usual"))
    for name in ("LOOKER_BASE_URL", "LOOKERVAULT_API_URL", "LOOKERSDK_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path):
    """A state file with two sessions: in the first three items failed, one of them again in the second."""
    path = tmp_path / "state.db"
    with StateStore(path) as store:
        first = store.begin_session("a", HERE, {}, {})
        store.write(first, [failure(D, "1"), failure(D, "2", "dependency"), failure(L, "1")])
        second = store.begin_session("a", HERE, {}, {})
        store.write(second, [failure(D, "2", "transient")])
    return path


@pytest.fixture
def invoke(path):
    def invoke(*arguments, input=None):  # noqa: A002 - click's own name
        result = CliRunner().invoke(cli, [*arguments, "--state", str(path)], input=input)
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    return invoke


def listed(invoke, *arguments):
    lines = invoke("dlq", "list", "--json", *arguments).stdout.splitlines()
    return [(one["content_type"], one["content_id"], one["error_kind"]) for one in map(json.loads, lines)]


def sessions(path):
    return [one.id for one in reversed(StateReader(path).sessions())]


def letters(path):
    return StateReader(path).dead_letters.find(LetterFilter())


def test_filters_are_all_to_fit(invoke, path):
    one, two, look = (
        ("dashboard", "1", "validation"),
        ("dashboard", "2", "transient"),
        ("look", "1", "validation"),
    )
    assert listed(invoke) == [one, two, look]
    assert listed(invoke, "--type", "dashboards") == [one, two]
    assert listed(invoke, "--kind", "validation") == [one, look]
    assert listed(invoke, "--kind", "validation", "--type", "look") == [look]
    assert listed(invoke, "--limit", "1", "--offset", "1") == [two]
    assert listed(invoke, "--kind", "no such kind") == []


def test_of_a_session_are_the_items_that_failed_in_it_wherever_they_failed_last(invoke, path):
    first, second = sessions(path)
    assert len(listed(invoke, "--session", first)) == 3
    assert listed(invoke, "--session", second) == [("dashboard", "2", "transient")]
    with pytest.raises(NotFoundError, match="session nope"):
        listed(invoke, "--session", "nope")


def test_an_item_that_fails_again_keeps_its_letter(path):
    before = letters(path)
    with StateStore(path) as store:
        scope = store.begin_session("a", HERE, {}, {})
        store.write(scope, [failure(D, "1", "conflict")])
    after = letters(path)
    assert [one.id for one in after] == [one.id for one in before]
    assert (after[0].error_kind, after[0].attempts, after[0].session_id) == ("conflict", 2, scope.session_id)


def test_a_letter_is_bounded(path):
    letter = letters(path)[0]
    assert len(letter.name) == 1000
    assert len(letter.message) == 2000


def test_no_item_fails_without_a_letter(path):
    with StateStore(path) as store:
        scope = store.begin_session("a", HERE, {}, {})
        bare = msgspec.structs.replace(failure(D, "7"), error=None, blob=None)
        store.write(scope, [bare])
    assert letters(path)[-1].error_kind == "internal"


@pytest.mark.parametrize("encode", [msgspec.msgpack.encode, msgspec.json.encode])
def test_secrets_are_neither_kept_nor_shown(encode, invoke, path):
    destinations = [
        {"type": "webhook", "address": "https://hooks.example.com/T0/KEY-1", "secret_parameters": "KEY-2"},
        {"type": "email", "address": "ann@example.com", "parameters": '{"k": "KEY-3"}'},
    ]
    plan = {"id": "1", "scheduled_plan_destination": destinations, "api_token": "KEY-4"}
    login = {"email": "ann@example.com", "password_reset_url": "https://here/KEY-5"}
    user = {"id": "2", "credentials_email": login}
    with StateStore(path) as store:
        scope = store.begin_session("a", HERE, {}, {})
        store.write(
            scope,
            [failure(P, "1", blob=encode(plan)), failure(ContentType.USER, "2", blob=encode(user))],
        )
    *_, of_plan, of_user = letters(path)
    reader = StateReader(path)
    kept = [reader.dead_letters.get(one.id).blob for one in (of_plan, of_user)]
    assert not any(key in blob for blob in kept for key in (b"KEY-2", b"KEY-5"))
    assert b"KEY-1" in kept[0]  # the plan cannot be made again without it
    for one in (of_plan, of_user):
        shown = invoke("dlq", "show", str(one.id), "--json").stdout
        assert "KEY" not in shown
        assert "ann@example.com" in shown


def test_show_of_what_is_not_there(invoke):
    with pytest.raises(NotFoundError, match="dead letter 99"):
        invoke("dlq", "show", "99")


@pytest.mark.parametrize("arguments", [(), ("--all", "1"), ("--all", "--type", "look")])
def test_clear_wants_to_know_exactly_what(arguments, invoke, path):
    with pytest.raises(UsageError):
        invoke("dlq", "clear", "--force", *arguments)
    assert len(letters(path)) == 3


@pytest.mark.parametrize(
    ("arguments", "left"),
    [(("1", "3"), 1), (("--type", "dashboard"), 1), (("--all",), 0), (("--type", "board"), 3)],
)
def test_clear_removes_what_is_chosen(arguments, left, invoke, path):
    said = json.loads(invoke("dlq", "clear", "--force", "--json", *arguments).stdout)
    assert said == {"type": "cleared", "count": 3 - left}
    assert len(letters(path)) == left


def test_clear_of_a_session(invoke, path):
    first, second = sessions(path)
    invoke("dlq", "clear", "--force", "--session", second)
    assert listed(invoke, "--session", first) == [
        ("dashboard", "1", "validation"),
        ("look", "1", "validation"),
    ]


def test_clear_of_an_unknown_id_removes_nothing(invoke, path):
    with pytest.raises(NotFoundError, match="dead letter 99, 100"):
        invoke("dlq", "clear", "--force", "1", "99", "100")
    assert len(letters(path)) == 3


def test_clear_asks_and_says_how_many(path, capfd):
    assert run(["dlq", "clear", "--all", "--state", str(path)]) == 64
    said = capfd.readouterr().err
    assert "Remove 3 failures" in said
    assert "--force" in said
    assert len(letters(path)) == 3


def test_clear_waits_for_nobody_who_writes(path, tmp_path, capfd):
    usual = tmp_path / "usual" / "lvrestore" / "127.0.0.1-9.db"
    lock = RunLock.acquire(path, usual, 0.0)
    try:
        assert run(["dlq", "clear", "--all", "--force", "--state", str(path)]) == 6
    finally:
        lock.release()
    assert len(letters(path)) == 3
    assert "another run" in capfd.readouterr().err


def test_status_of_a_session_that_runs_or_only_says_so(invoke, path, tmp_path):
    def newest():
        return json.loads(invoke("status", "--json").stdout)

    usual = tmp_path / "usual" / "lvrestore" / "127.0.0.1-9.db"
    lock = RunLock.acquire(path, usual, 0.0)
    running = newest()
    lock.release()
    assert running["status"] == "running"
    assert running["summary"]["duration_seconds"] > 0
    cut_off = newest()
    assert cut_off["status"] == "interrupted"
    assert cut_off["completed_at"] is running["completed_at"] is None
    assert cut_off["started_at"] == running["started_at"]
    both = [json.loads(line) for line in invoke("status", "--all", "--json").stdout.splitlines()]
    assert [one["status"] for one in both] == ["interrupted", "interrupted"]
    assert [one["summary"]["error_count"] for one in both] == [1, 3]


def test_the_list_of_sessions_counts_all_that_is_amiss(tmp_path):
    path = tmp_path / "amiss.db"
    with StateStore(path) as store:
        ended = [(failure(D, "1"), "failed"), (failure(D, "2"), "conflict"), (failure(D, "3"), "conflict")]
        ended += [(failure(D, str(n)), "partial") for n in (4, 5, 6)]
        session = store.begin_session("a", HERE, {}, {})
        store.write(session, [msgspec.structs.replace(one, operation=Operation(end)) for one, end in ended])
    listed = CliRunner().invoke(cli, ["status", "--all", "--state", str(path)]).stdout.splitlines()
    assert listed[0].split()[3:] == ["items", "partial", "conflict", "failed"]
    assert listed[1].split()[3:] == ["6", "3", "2", "1"]


def test_a_state_file_without_sessions_is_said_to_have_none(tmp_path):
    with StateStore(tmp_path / "fresh.db"):
        pass
    for command in ("status", "status --all", "report"):
        with pytest.raises(NotFoundError, match="a session is not in") as error:
            CliRunner().invoke(
                cli,
                [*command.split(), "--state", str(tmp_path / "fresh.db")],
                standalone_mode=False,
                catch_exceptions=False,
            )
        assert "no restore has used this state file yet" in error.value.hint


def test_status_of_a_session_that_was_resumed_counts_the_time_it_worked(invoke, path):
    first = sessions(path)[0]
    counts = {"total_items": 3, "success_count": 0, "error_count": 3}
    with StateStore(path) as store:
        scope = store.continue_session(StateReader(path).session(first))
        store.finish_session(scope, "stopped", {"summary": counts}, Calls(by_method={"POST": 1}), 7)
        stopped = json.loads(invoke("status", first, "--json").stdout)
        scope = store.continue_session(StateReader(path).session(first))
        store.finish_session(scope, "completed", {"summary": counts}, Calls(by_method={"POST": 2}), 1)
    done = json.loads(invoke("status", first, "--json").stdout)
    assert (stopped["status"], stopped["completed_at"]) == ("stopped", None)
    assert done["status"] == "completed"
    assert done["completed_at"] >= done["started_at"] == stopped["started_at"]
    assert done["calls"] == {"total": 6, "GET": 3, "POST": 3, "PATCH": 0, "PUT": 0, "DELETE": 0}
    assert done["summary"]["duration_seconds"] >= stopped["summary"]["duration_seconds"]
    assert StateReader(path).session(first).metadata["exit_code"] == 1


# -- what people see


def test_the_list_tells_when_and_how_often_an_item_failed(invoke, path):
    (again,) = [one for one in letters(path) if one.content_id == "2"]
    lines = [line.split() for line in invoke("failures", "list").stdout.splitlines()]
    header, *rows = lines
    assert header[:7] == ["id", "item", "name", "kind", "status", "attempts", "failed"]
    (row,) = [one for one in rows if one[1:3] == ["dashboard", "2"]]
    assert ["2", again.failed_at[:19]] == row[-3:-1]


def test_the_second_name_is_the_same(invoke):
    assert invoke("dlq", "list", "--json").stdout == invoke("failures", "list", "--json").stdout
    assert "dlq" not in invoke_plain("--help")


def invoke_plain(*arguments):
    return CliRunner().invoke(cli, arguments).stdout


def test_quiet_shows_nothing_and_verbose_cuts_nothing(invoke, path):
    assert invoke("dlq", "list", "-q").stdout == ""
    assert "n" * 1000 in invoke("dlq", "list", "-v").stdout
    assert "n" * 100 not in invoke("dlq", "list").stdout
    assert invoke("status", "-q").stdout == ""
    assert str(path) in invoke("status", "-v").stdout
    with pytest.raises(UsageError, match="contradict"):
        invoke("status", "-q", "-v")
    cleared = invoke("dlq", "clear", "--all", "--force", "-v")
    assert "1: dashboard 1: mmm" in cleared.stderr
