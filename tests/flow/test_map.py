"""`lvrestore map list`, `export` and `clear` on a state file; no instance is needed."""

import csv
import io
import json

import msgspec
import pytest
from click.testing import CliRunner
from make_vault import write_vault

from lvrestore.cli import cli, run
from lvrestore.errors import LockedError, NotFoundError, UsageError
from lvrestore.model import ContentType
from lvrestore.state.lock import RunLock
from lvrestore.state.mapping_file import read_mappings
from lvrestore.state.mappings import CONTENT_TYPES, PARTS, Group, imported
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.vault import open_vault
from lvrestore.vault.parts import part_ids

THERE, ELSEWHERE, HERE = "https://there", "https://elsewhere", "http://127.0.0.1:9"
AT = "2026-11-01T00:00:00.000+00:00"


@pytest.fixture(autouse=True)
def usual_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "usual"))
    monkeypatch.setenv("LVRESTORE_DB_PATH", str(tmp_path / "vault.db"))
    for name in ("LOOKER_BASE_URL", "LOOKERVAULT_API_URL", "LOOKERSDK_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def row(kind, source_id, destination_id, source=THERE):
    return imported(Group(source, HERE, kind), source_id, destination_id, AT)


@pytest.fixture
def path(tmp_path):
    """A state file with mappings of two sources."""
    path = tmp_path / "state.db"
    rows = [row("dashboard", str(n), str(900 + n)) for n in (1, 2)]
    rows += [row("user", "1", "7"), row("made_user", "1", "7"), row("dashboard_element", "55", "66")]
    rows += [row("user", "1", "8", ELSEWHERE), row("look", 'x, "y"\n', "9", ELSEWHERE)]
    with StateStore(path) as store:
        store.put_mappings(rows)
    return path


@pytest.fixture
def invoke(path):
    def invoke(*arguments, input=None):  # noqa: A002 - click's own name
        result = CliRunner().invoke(cli, ["map", *arguments, "--state", str(path)], input=input)
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    return invoke


def left(path):
    found = StateReader(path).mappings.find((*CONTENT_TYPES, *PARTS, "made_user"))
    return [(m.source_instance, m.content_type, m.source_id) for m in found]


def listed(invoke, *arguments):
    lines = invoke("list", "--json", *arguments).stdout.splitlines()
    return [(one["content_type"], one["source_id"], one["destination_id"]) for one in map(json.loads, lines)]


def test_items_are_listed_and_parts_when_asked_for(invoke):
    items = [("look", 'x, "y"\n', "9"), ("user", "1", "8")]
    items += [("dashboard", "1", "901"), ("dashboard", "2", "902"), ("user", "1", "7")]
    assert listed(invoke) == items
    assert listed(invoke, "--limit", "2", "--offset", "1") == items[1:3]
    assert listed(invoke, "--type", "Dashboards") == items[2:4]
    assert listed(invoke, "--source-instance", "HTTPS://elsewhere/") == items[:2]
    assert listed(invoke, "--type", "dashboard-elements") == [("dashboard_element", "55", "66")]
    assert set(listed(invoke, "--parts")) == {*items, ("dashboard_element", "55", "66")}


def test_people_see_a_table(invoke):
    shown = invoke("list", "--type", "user").stdout.splitlines()
    assert shown[0].split() == ["type", "source", "destination", "rule", "state", "mapped", "of"]
    assert len(shown) == 3
    assert 'x, "y"\\n' in invoke("list", "--type", "look").stdout
    assert invoke("list", "--type", "board").stdout == "no mappings\n"


@pytest.mark.parametrize("arguments", [["list", "--type", "tile"], ["clear", "tile:1"]])
def test_an_unknown_type_lists_the_valid_ones(arguments, path, capsys):
    assert run(["map", *arguments, "--state", str(path)]) == 64
    said = " ".join(capsys.readouterr().err.split())
    assert "scheduled_plan" in said
    assert "dashboard_element" in said


@pytest.mark.parametrize("item", ["dashboard", "dashboard:", ":42", "42"])
def test_what_is_no_item_is_a_usage_error(item, path, capsys):
    assert run(["map", "clear", item, "--state", str(path)]) == 64
    assert "TYPE:ID" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.jsonl"])
def test_what_is_exported_can_be_read_again(name, invoke, tmp_path):
    invoke("export", "-o", str(tmp_path / name))
    with (tmp_path / name).open(newline="") as file:
        rows, problems = read_mappings(file)
    assert problems == []
    ids = {(one.content_type, one.source_instance, one.source_id.strip(), one.destination_id) for one in rows}
    assert ("look", ELSEWHERE, 'x, "y"', "9") in ids
    assert len(ids) == len(rows) == 5
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_an_export_goes_to_stdout_as_csv_or_as_json(invoke):
    rows = list(csv.DictReader(io.StringIO(invoke("export", "--type", "dashboard").stdout)))
    assert [one["destination_id"] for one in rows] == ["901", "902"]
    lines = invoke("export", "--type", "dashboard", "--format", "json").stdout.splitlines()
    expected = {"type": "mapping", "source_instance": THERE, "destination_instance": HERE, "rule": "import"}
    assert json.loads(lines[0]).items() >= expected.items()


def test_a_file_stays_as_it_is_where_the_export_fails(path, tmp_path, capsys):
    (tmp_path / "out.csv").mkdir()
    assert run(["map", "export", "--state", str(path), "-o", str(tmp_path / "no" / "out.csv")]) == 3
    assert "cannot write" in capsys.readouterr().err


def test_an_item_is_forgotten_with_what_says_that_it_was_made_here(invoke, path):
    invoke("clear", "user:1", "--source-instance", THERE, "--force")
    assert [one for one in left(path) if "user" in one[1]] == [(ELSEWHERE, "user", "1")]
    assert len(left(path)) == 5


def test_an_item_of_several_sources_is_not_guessed(invoke, path):
    with pytest.raises(UsageError, match="is mapped from https://elsewhere and https://there"):
        invoke("clear", "user:1", "--force")
    with pytest.raises(NotFoundError, match="a mapping of board 1"):
        invoke("clear", "board:1", "--force")
    assert len(left(path)) == 7


def test_a_type_is_forgotten_with_its_parts(invoke, path):
    result = invoke("clear", "--type", "dashboard", "--force", "--json")
    assert json.loads(result.stdout) == {"type": "cleared", "count": 3}
    assert "2 of dashboard, 1 of dashboard_element" in result.stderr
    assert {kind for _, kind, _ in left(path)} == {"user", "made_user", "look"}


def test_a_source_is_forgotten_and_then_all(invoke, path):
    invoke("clear", "--source-instance", ELSEWHERE, "--force")
    assert {source for source, _, _ in left(path)} == {THERE}
    invoke("clear", "--all", "--force")
    assert left(path) == []
    assert "no mappings to remove" in invoke("clear", "--all").stderr


@pytest.mark.parametrize(
    "arguments", [[], ["--all", "--type", "look"], ["--all", "look:1"], ["--type", "look", "look:1"]]
)
def test_it_must_be_said_which(arguments, invoke, path):
    with pytest.raises(UsageError, match="say which mappings"):
        invoke("clear", *arguments, "--force")
    assert len(left(path)) == 7


def test_nobody_to_ask_is_a_refusal(invoke, path):
    with pytest.raises(UsageError, match="no terminal to ask on"):
        invoke("clear", "--all")
    assert len(left(path)) == 7


def test_nothing_is_forgotten_while_a_run_is_at_work(invoke, path, tmp_path):
    usual = tmp_path / "usual" / "lvrestore" / "127.0.0.1-9.db"
    lock = RunLock.acquire(usual, usual, 0)
    try:
        with pytest.raises(LockedError):
            invoke("clear", "--all", "--force")
    finally:
        lock.release()
    assert len(left(path)) == 7


def test_the_parts_that_the_backup_tells_go_with_their_dashboard(invoke, path, tmp_path):
    write_vault(tmp_path / "vault.db", dashboards=5, looks=3, folders=3, users=3)
    with open_vault(tmp_path / "vault.db") as vault:
        one, other, *_ = vault.rows(ContentType.DASHBOARD)
    mine = [row(kind, i, f"9{i}") for kind, i in part_ids(ContentType.DASHBOARD, one.blob)]
    with StateStore(path) as store:
        store.clear_mappings({Group(THERE, HERE, "dashboard"): None})
        store.put_mappings(
            [*mine, row("dashboard", one.source_id, "1"), row("dashboard", other.source_id, "2")]
        )
    assert len(mine) > 1
    result = invoke("clear", f"dashboard:{one.source_id}", "--force")
    assert "stay" not in result.stderr
    gone = {(THERE, m.content_type, m.source_id) for m in mine} | {(THERE, "dashboard", one.source_id)}
    assert gone.isdisjoint(left(path))
    assert (THERE, "dashboard", other.source_id) in left(path)
    assert (THERE, "dashboard_element", "55") in left(path)


def test_parts_of_which_nobody_knows_stay_and_it_is_said_how_they_go(invoke, path, tmp_path):
    assert "map clear --type dashboard_element" in invoke("clear", "dashboard:1", "--force").stderr
    write_vault(tmp_path / "vault.db", dashboards=1, looks=1, folders=1, users=1)
    assert "has it not" in invoke("clear", "dashboard:2", "--force").stderr
    assert (THERE, "dashboard_element", "55") in left(path)


def test_parts_of_a_board_are_found_in_its_sections():
    board = {"board_sections": [{"id": "5", "board_items": [{"id": "6"}, {"id": None}]}, {"id": 7}]}
    found = set(part_ids(ContentType.BOARD, msgspec.msgpack.encode(board)))
    assert found == {("board_section", "5"), ("board_item", "6"), ("board_section", "7")}
    assert list(part_ids(ContentType.BOARD, b"\xff")) == list(part_ids(ContentType.LOOK, b"{}")) == []


def test_a_dash_is_stdout(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("export", "-o", "-").stdout == invoke("export").stdout
    assert not (tmp_path / "-").exists()


def test_what_is_of_nobody_knows_whom_can_be_chosen(invoke, path):
    with StateStore(path) as store:
        store.put_mappings([row("look", "5", "6", "unknown")])
    assert listed(invoke, "--source-instance", "unknown") == [("look", "5", "6")]
