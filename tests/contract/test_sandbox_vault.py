"""A sandbox filled from a vault, damaged, dumped; and the command that does all that."""

import importlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import msgspec
import pytest
import urllib3
from click.testing import CliRunner

from lvrestore.cli.sandbox import sandbox
from lvrestore.errors import NotFoundError, UsageError, ValidationError
from lvrestore.model import ContentType
from lvrestore.sandbox.api.facts import FACTS, writable
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.damage import CHANGES, Vandal, damage
from lvrestore.sandbox.seeding.damage_others import KINDS, Breaker, candidates
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.server import listen
from lvrestore.vault import decode_blob, open_vault

REFERENCES = {"folder", "look", "query", "model", "result_maker"}
# What a sandbox cannot say as the vault does: nested objects, other people's times, what is never shown.
NOT_SAID = {"permission_set", "model_set", "permission_set_id", "model_set_id", "deleted_at"}
NOT_SAID |= {"scheduled_plan_destination", "credentials_email", "credentials_google", "ui_state"}
NOT_SAID |= {"custom_image_data_base64", "secret_parameters", "scheduled_plan_id"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    make_vault = importlib.import_module("make_vault")
    path = tmp_path_factory.mktemp("made") / "vault.db"
    counts = {"dashboards": 60, "looks": 20, "folders": 15, "users": 8}
    access = {"groups": 7, "roles": 9, "permission_sets": 12, "model_sets": 8}
    make_vault.write_vault(path, **counts, **access, boards=8, plans=20, whole=True)
    return path


@pytest.fixture(params=["made", "genuine_vault"])
def vault(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def filled(vault):
    looker = Looker(clock=lambda: 2_000_000_000.0)
    from_vault(looker, vault)
    return looker


def contents(path, content_type, deleted="exclude"):
    with open_vault(Path(path)) as opened:
        return {row.source_id: decode_blob(row.blob) for row in opened.rows(content_type, deleted=deleted)}


def told(type_name, content):
    """What a vault says about the writable fields of an object."""
    names = writable(type_name).keys() - REFERENCES - {"dashboard_id"}
    return {name: content[name] for name in names if content.get(name) is not None}


def assert_same(type_name, wanted, live):
    shown = told(type_name, wanted)
    assert {name: live[name] for name in shown} == {
        name: {**live[name], **value} if isinstance(value, dict) and name == "appearance" else value
        for name, value in shown.items()
    }


def test_dashboards_are_those_of_the_vault_part_by_part(filled, vault):
    live = filled.dump()["dashboards"]
    wanted = contents(vault, ContentType.DASHBOARD)
    assert live.keys() == wanted.keys()
    parts = {"dashboard_elements": "DashboardElement", "dashboard_filters": "DashboardFilter"}
    for dashboard_id, content in wanted.items():
        found = live[dashboard_id]
        assert_same("Dashboard", content, found)
        for name, type_name in parts.items():
            for part, live_part in zip(content.get(name) or [], found[name], strict=True):
                assert_same(type_name, part, live_part)
        for tile, live_tile in zip(
            content.get("dashboard_elements") or [], found["dashboard_elements"], strict=True
        ):
            assert_result_maker(tile, live_tile)
        for layout, live_layout in zip(
            content.get("dashboard_layouts") or [], found["dashboard_layouts"], strict=False
        ):
            assert_same("DashboardLayout", layout, live_layout)
            components = layout["dashboard_layout_components"], live_layout["dashboard_layout_components"]
            for component, live_component in zip(*components, strict=True):
                assert_same("DashboardLayoutComponent", component, live_component)


def assert_result_maker(tile, live):
    if tile["result_maker"] is not None:
        for name in ("filterables", "vis_config", "sorts", "dynamic_fields", "query_id", "merge_result_id"):
            assert live["result_maker"][name] == tile["result_maker"][name], (tile["id"], name)


@pytest.mark.parametrize(
    ("content_type", "kind", "type_name"),
    [(ContentType.LOOK, "looks", "Look"), (ContentType.FOLDER, "folders", "FolderBase")],
)
def test_looks_and_folders_keep_their_ids_and_fields(filled, vault, content_type, kind, type_name):
    live = filled.dump()[kind]
    for object_id, content in contents(vault, content_type).items():
        assert_same(type_name, content, live[object_id])


def test_users_and_models_are_shown_as_they_were(filled, vault):
    for user_id, content in contents(vault, ContentType.USER).items():
        shown = filled.call("GET", f"/users/{user_id}")
        assert (shown["display_name"], shown["email"]) == (content.get("display_name"), content.get("email"))
    for name in contents(vault, ContentType.LOOKML_MODEL):
        assert filled.call("GET", f"/lookml_models/{name}")["name"] == name


@pytest.mark.parametrize(
    ("content_type", "kind", "type_name"),
    [
        (ContentType.USER, "users", "User"),
        (ContentType.GROUP, "groups", "Group"),
        (ContentType.PERMISSION_SET, "permission_sets", "PermissionSet"),
        (ContentType.MODEL_SET, "model_sets", "ModelSet"),
        (ContentType.ROLE, "roles", "Role"),
        (ContentType.LOOKML_MODEL, "models", "LookmlModel"),
        (ContentType.BOARD, "boards", "Board"),
        (ContentType.SCHEDULED_PLAN, "scheduled_plans", "ScheduledPlan"),
    ],
)
def test_everything_else_is_that_of_the_vault(filled, vault, content_type, kind, type_name):
    live = filled.dump()[kind]
    for object_id, content in contents(vault, content_type).items():
        assert_same(type_name, without(content), live[object_id])


def without(content):
    return {name: value for name, value in content.items() if name not in NOT_SAID}


def test_parts_of_boards_and_plans_are_those_of_the_vault(filled, vault):
    dump = filled.dump()
    for board_id, content in contents(vault, ContentType.BOARD).items():
        sections = content.get("board_sections") or [], dump["boards"][board_id]["board_sections"]
        for section, live in zip(*sections, strict=True):
            assert_same("BoardSection", without(section), live)
            assert (section["deleted_at"] is None) == (live["deleted_at"] is None)
            for item, live_item in zip(section["board_items"], live["board_items"], strict=True):
                assert_same("BoardItem", without(item), live_item)
    for plan_id, content in contents(vault, ContentType.SCHEDULED_PLAN).items():
        name = "scheduled_plan_destination"
        for wanted, live in zip(content[name], dump["scheduled_plans"][plan_id][name], strict=True):
            assert_same("ScheduledPlanDestination", without(wanted), live)


def test_people_are_in_the_groups_and_roles_that_they_name(filled, vault):
    dump = filled.dump()
    everyone = filled.instance.store.access.everyone
    for user_id, content in contents(vault, ContentType.USER).items():
        live = dump["users"][user_id]
        assert set(live["group_ids"]) == {*(content.get("group_ids") or ()), everyone}
        assert set(live["role_ids"]) == set(content.get("role_ids") or ())
        assert live["personal_folder_id"] is None or live["personal_folder_id"] in dump["folders"]
    for role_id, content in contents(vault, ContentType.ROLE).items():
        for name in ("permission_set", "model_set"):
            assert dump["roles"][role_id][name]["id"] == content[name]["id"]


def test_built_ins_and_caller_are_not_doubled(filled):
    for kind in ("permission_sets", "model_sets"):
        assert len(filled.call("GET", f"/{kind}/search", params={"all_access": "true"})) == 1
    (admin,) = filled.call("GET", "/roles/search", params={"built_in": "true"})
    assert filled.call("GET", "/user")["role_ids"] == [admin["id"]]
    assert sum(group["include_by_default"] for group in filled.call("GET", "/groups")) == 1


def test_groups_roles_and_personal_folders_are_made_up_from_users_alone(tmp_path, genuine_vault):
    copy = tmp_path / "vault.db"
    copy.write_bytes(genuine_vault.read_bytes())
    with apsw.Connection(str(copy)) as db:
        db.execute("DELETE FROM content_items WHERE content_type <> 7")
    looker = Looker()
    from_vault(looker, copy)
    test_people_are_in_the_groups_and_roles_that_they_name(looker, copy)


def test_everything_that_is_referred_to_exists(filled):
    dump = filled.dump()
    store = filled.instance.store
    for dashboard in dump["dashboards"].values():
        assert dashboard["folder_id"] in dump["folders"]
        assert dashboard["user_id"] is None or dashboard["user_id"] in dump["users"]
        for tile in dashboard["dashboard_elements"]:
            assert tile["query_id"] is None or tile["query_id"] in dump["queries"]
            assert tile["look_id"] is None or tile["look_id"] in dump["looks"]
            assert tile["merge_result_id"] is None or tile["merge_result_id"] in dump["merge_queries"]
    for look in dump["looks"].values():
        assert look["query_id"] in dump["queries"]
    for merge in dump["merge_queries"].values():
        assert len(merge["source_queries"]) > 1
        assert all(one["query_id"] in dump["queries"] for one in merge["source_queries"])
    for query in dump["queries"].values():
        assert query["model"] in dump["models"]
    assert all(part["id"] == part_id for part_id, part in store.filters.items())


def test_what_the_vault_marks_deleted_is_not_there(filled, vault):
    gone = contents(vault, ContentType.DASHBOARD, deleted="only")
    assert not gone.keys() & filled.dump()["dashboards"].keys()
    highest = max(int(i) for i in (*gone, *filled.instance.store.dashboards))
    made = filled.call("POST", "/dashboards", {"title": "New", "folder_id": "1"})
    assert int(made["id"]) > highest


def test_roots_and_caller_are_not_doubled(filled):
    folders = filled.call("GET", "/folders")
    assert sum(folder["is_shared_root"] for folder in folders) == 1
    assert filled.call("GET", "/user")["display_name"] == "API User"


def test_seeded_query_is_found_again_by_its_content(filled):
    tile = next(t for t in filled.instance.store.tiles.values() if t.get("query_id"))
    shown = filled.call("GET", f"/queries/{tile['query_id']}")
    body = {name: shown[name] for name in writable("Query").keys() - {"client_id"} if shown[name] is not None}
    again = filled.call("POST", "/queries", body)
    assert {name: again[name] for name in body} == body
    assert again["id"] in filled.instance.store.queries


def test_unreadable_row_is_left_out(tmp_path, made):
    copy = tmp_path / "vault.db"
    copy.write_bytes(made.read_bytes())
    with apsw.Connection(str(copy)) as db:
        first = db.execute("SELECT id FROM content_items WHERE content_type = 1").fetchone()[0]
        db.execute(
            "UPDATE content_items SET content_data = x'c1' WHERE id = ? AND content_type = 1", (first,)
        )
    looker = Looker()
    from_vault(looker, copy)
    assert first not in looker.dump()["dashboards"]


def test_vault_without_anything_but_dashboards(tmp_path, made):
    copy = tmp_path / "vault.db"
    copy.write_bytes(made.read_bytes())
    with apsw.Connection(str(copy)) as db:
        db.execute("DELETE FROM content_items WHERE content_type <> 1")
    first, second = Looker(), Looker()
    for looker in (first, second):
        from_vault(looker, copy)
    test_everything_that_is_referred_to_exists(first)
    assert first.dump() == second.dump()


# Damage


def broken(vault, **shares):
    looker = Looker(clock=time.time)
    from_vault(looker, vault)
    before = looker.dump()
    return looker, before, damage(looker, **shares)


def test_damage_is_the_same_for_the_same_seed(vault):
    shares = {"drop": 0.3, "trash": 0.2, "change": 0.4}
    first, second = (broken(vault, **shares, seed=7) for _ in range(2))
    assert first[2] == second[2]
    assert first[0].dump() == second[0].dump()
    assert broken(vault, **shares, seed=8)[2] != first[2]


def test_damage_hits_disjoint_shares(vault):
    looker, before, done = broken(vault, drop=0.3, trash=0.2, change=0.2, seed=1)
    after, total = looker.dump()["dashboards"], len(before["dashboards"])
    assert after.keys() == before["dashboards"].keys() - set(done.dropped)
    assert {i for i, d in after.items() if d["deleted"]} == set(done.trashed)
    changed = {i for i, d in after.items() if not d["deleted"] and d != before["dashboards"][i]}
    assert changed == done.changed.keys()
    for kind, share in ((done.dropped, 0.3), (done.trashed, 0.2), (done.changed, 0.2)):
        assert abs(len(kind) - total * share) <= 1


def test_damage_mixes_every_kind_of_change_and_leaves_no_trace_in_the_log(vault):
    looker, _, done = broken(vault, change=1.0)
    assert {change for changes in done.changed.values() for change in changes} == set(CHANGES)
    assert looker.requests == []


@pytest.mark.parametrize("change", CHANGES)
def test_each_kind_of_change_changes_the_dashboard(made, change):
    looker = Looker()
    from_vault(looker, made)
    able = [
        i
        for i, d in looker.instance.store.dashboards.items()
        if d.tiles and d.filters and any((t.get("result_maker") or {}).get("filterables") for t in d.tiles)
    ]
    assert able
    before = looker.dump()["dashboards"]
    vandal = Vandal(looker, random.Random(1))
    done = [i for i in able if getattr(vandal, change)(looker.instance.store.dashboards[i])]
    assert done
    after = looker.dump()["dashboards"]
    assert {i for i in after if after[i] != before[i]} == set(done)


TABLES = {"scheduled_plan": "scheduled_plans", "lookml_model": "models"}


def table_of(name):
    return TABLES.get(name, f"{name}s")


def test_damage_of_all_types_hits_its_share_of_each(vault):
    looker, before, done = broken(vault, drop=0.3, trash=0.1, change=0.2, seed=3, types=("all",))
    after = looker.dump()
    fresh = Looker(clock=time.time)
    from_vault(fresh, vault)
    assert done.others.keys() == KINDS.keys()
    for name, one in done.others.items():
        total, table = len(candidates(fresh, name)), table_of(name)
        lost = set(one.dropped)
        if name == "folder":
            lost |= {before["users"][i]["personal_folder_id"] for i in done.others["user"].dropped}
        assert after[table].keys() == before[table].keys() - lost
        assert len({*one.dropped, *one.trashed, *one.changed}) == sum(
            map(len, (one.dropped, one.trashed, one.changed))
        )
        assert len(one.dropped) >= round(total * 0.3)
        assert len(one.changed) == round(total * 0.2)
        assert len(one.trashed) == (round(total * 0.1) if KINDS[name].trash else 0)
    assert looker.requests == []
    assert looker.runs == []


def test_damage_of_all_types_is_repeatable_and_spares_the_caller(vault):
    shares = {"drop": 0.3, "trash": 0.1, "change": 0.2, "seed": 3, "types": ("all",)}
    (first, before, done), (second, _, again) = (broken(vault, **shares) for _ in range(2))
    assert (done, first.dump()) == (again, second.dump())
    caller = first.instance.caller_id
    assert first.dump()["users"][caller] == before["users"][caller]
    store = first.instance.store
    assert store.access.everyone in store.groups
    for content in (*store.looks.values(), *(d.row for d in store.dashboards.values())):
        assert content["folder_id"] in store.folders
        assert content.get("user_id") is None or content["user_id"] in store.users


def test_dashboards_are_broken_the_same_whatever_else_is(vault):
    shares = {"drop": 0.3, "trash": 0.1, "change": 0.2, "seed": 3}
    alone, with_all = (broken(vault, **shares, types=types)[2] for types in (("dashboard",), ("all",)))
    assert broken(vault, **shares)[2] == alone
    for name in ("dropped", "trashed", "changed"):
        assert getattr(alone, name) == getattr(with_all, name)
    assert alone.others == {}
    assert broken(vault, drop=0.5, types=("look",))[2].dropped == []


@pytest.mark.parametrize("name", KINDS)
def test_each_change_of_each_type_is_possible_and_changes_the_dump(made, name):
    looker, kind = Looker(clock=time.time), KINDS[name]
    from_vault(looker, made)
    before, breaker = looker.dump(), Breaker(looker, random.Random(1))
    table = getattr(looker.instance.store, kind.table)
    for act in kind.changes:
        assert any([act(breaker, table[i]) for i in candidates(looker, name)]), act  # noqa: C419 - all of them
    assert looker.dump() != before


def test_damage_refused_for_an_unknown_type():
    with pytest.raises(UsageError, match="explore"):
        damage(Looker(), drop=0.5, types=("explore",))


def test_damage_refused_beyond_the_whole():
    with pytest.raises(UsageError):
        damage(Looker(), drop=0.6, trash=0.6)


def test_dump_is_valid_for_an_empty_sandbox():
    dump = Looker().dump()
    assert dump["dashboards"] == {}
    assert set(dump["folders"]) == {"1", "2", "3", "4", "lookml"}
    assert FACTS.types["FolderBase"].keys() == dump["folders"]["1"].keys()


# The command


class Running:
    """The command in a process of its own."""

    def __init__(self, *arguments):
        program = "from lvrestore.cli.sandbox import sandbox; sandbox()"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.line = self.process.stdout.readline()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        rest, self.errors = self.process.communicate(timeout=10)
        return self.process.returncode, rest


@pytest.fixture
def start():
    started = []

    def begin(*arguments):
        started.append(Running(*arguments))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


def test_command_says_where_it_is_and_dumps_on_usr1_and_at_the_end(start, made, tmp_path):
    dump = tmp_path / "dump.json"
    running = start("--from-vault", made, "--drop", 0.5, "--dump", dump, "--switch", "get_trashed=404")
    assert running.line.startswith("sandbox: http://127.0.0.1:")
    url = running.line.split()[1]
    pool = urllib3.PoolManager(timeout=5)
    form = {"client_id": "id", "client_secret": "secret"}
    reply = pool.request("POST", f"{url}/api/4.0/login", fields=form, encode_multipart=False).json()
    headers = {"authorization": f"Bearer {reply['access_token']}"}
    shown = pool.request("GET", f"{url}/api/4.0/dashboards?fields=id", headers=headers).json()
    assert pool.request("GET", f"{url}/api/4.0/versions", headers=headers).json()["web_server_url"] == url
    running.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 5
    while not dump.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert json.loads(dump.read_bytes())["dashboards"].keys() == {row["id"] for row in shown}
    dump.unlink()
    body = json.dumps({"title": "Last", "folder_id": "1"})
    pool.request("POST", f"{url}/api/4.0/dashboards", body=body, headers=headers)
    assert running.stop() == (0, "")
    titles = [row["title"] for row in json.loads(dump.read_bytes())["dashboards"].values()]
    assert "Last" in titles
    assert "filled from the vault" in running.errors
    assert list(tmp_path.iterdir()) == [dump]


def test_command_speaks_json(start, made):
    running = start("--from-vault", made, "--trash", 0.1, "--json", "--latency", "fast", "--rate-limit", 5)
    said = json.loads(running.line)
    assert said["type"] == "sandbox"
    assert said["dashboards"] == {
        "dropped": 0,
        "trashed": round(said["objects"]["dashboards"] * 0.1),
        "changed": 0,
    }
    assert said["broken"].keys() == {t.label for t in ContentType if t is not ContentType.EXPLORE}
    assert said["broken"]["dashboard"] == said["dashboards"]
    assert said["broken"]["look"]["trashed"] == round(said["objects"]["looks"] * 0.1)
    assert said["broken"]["user"]["trashed"] == 0  # there is no trash for people
    assert running.stop(signal.SIGINT) == (0, "")
    assert running.errors == ""


def test_command_gives_out_ids_from_a_number_on(start):
    running = start("--first-id", 5000)
    dump = urllib3.request("GET", running.line.split()[1] + "/_sandbox/dump").json()
    assert {int(one) for one in dump["folders"] if one.isdigit()} == {5000, 5001, 5002, 5003}
    assert running.stop() == (0, "")


def statuses(start, *arguments):
    """What calls are answered, one after the other, by a sandbox with these arguments."""
    running, pool = start(*arguments), urllib3.PoolManager()
    url = running.line.split()[1]
    seen = [pool.request("GET", f"{url}/api/4.0/versions").status for _ in range(60)]
    log = pool.request("GET", f"{url}/_sandbox/log").json()
    assert [entry["fault"] == "answer 503" for entry in log] == [status == 503 for status in seen]
    assert running.stop() == (0, "")
    return seen


def test_command_does_what_a_file_of_faults_says_and_repeats_it(start, tmp_path):
    file = tmp_path / "faults.toml"
    file.write_text("[[rules]]\nfault = 'answer'\nstatus = 503\nprobability = 0.5\n")
    first = statuses(start, "--faults", file)
    assert 10 < first.count(503) < 50
    assert statuses(start, "--faults", file, "--seed", 1) == first
    assert statuses(start, "--faults", file, "--seed", 2) != first


def test_command_refused_with_a_wrong_file_of_faults(tmp_path):
    file = tmp_path / "faults.toml"
    file.write_text("[[rules]]\nfault = 'explode'\n")
    result = CliRunner().invoke(sandbox, [], env={"LVRESTORE_FAULTS": str(file)})
    assert isinstance(result.exception, ValidationError)
    assert "faults.toml: rule 1: fault: there is no 'explode'; there are: refuse" in str(result.exception)
    assert result.output == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--drop", "0.5"], UsageError),
        (["--faults", "/nowhere/at/all.toml"], ValidationError),
        (["--switch", "get_trashed"], UsageError),
        (["--switch", "no_such=1"], UsageError),
        (["--switch", "get_trashed=maybe"], UsageError),
        (["--latency", "slow"], UsageError),
        (["--from-vault", "/nowhere/at/all.db"], NotFoundError),
    ],
)
def test_command_refused(arguments, error):
    result = CliRunner().invoke(sandbox, arguments)
    assert isinstance(result.exception, error)


def test_command_refused_when_the_port_is_taken():
    with listen(0) as held:
        held.listen()
        result = CliRunner().invoke(sandbox, ["--port", str(held.getsockname()[1])])
    assert isinstance(result.exception, ValidationError)
    assert "--port" in result.exception.hint


def test_command_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "lvrestore.sandbox.server")
    monkeypatch.delattr("lvrestore.sandbox.server")
    result = CliRunner().invoke(sandbox, [])
    assert isinstance(result.exception, ValidationError)
    assert result.exception.hint == "pip install 'lvrestore[sandbox]'"


def test_help_lists_the_options():
    shown = CliRunner().invoke(sandbox, ["-h"]).output
    for option in (
        "--port",
        "--from-vault",
        "--drop",
        "--switch",
        "--dump",
        "--faults",
        "--token-lifetime",
        "--rate-limit",
    ):
        assert option in shown


def test_json_content_is_read_as_well(tmp_path, made):
    copy = tmp_path / "vault.db"
    copy.write_bytes(made.read_bytes())
    with apsw.Connection(str(copy)) as db:
        rows = db.execute("SELECT rowid, content_data FROM content_items WHERE content_type = 1").fetchall()
        for row, blob in rows:
            text = msgspec.json.encode(msgspec.msgpack.decode(blob))
            db.execute("UPDATE content_items SET content_data = ? WHERE rowid = ?", (text, row))
    from_json, from_msgpack = Looker(), Looker()
    from_vault(from_json, copy)
    from_vault(from_msgpack, made)
    assert from_json.dump()["dashboards"] == from_msgpack.dump()["dashboards"]
