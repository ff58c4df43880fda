"""The whole promise, with real processes: what is restored is what the backup says, whatever was lost before.

After each run an independent comparison looks at every restorable field of all types. Whatever it finds must be among
what the run itself reported: nothing is missing in silence.
"""

import json
import random
from collections import Counter

import apsw
import msgspec
import orjson
import pytest
from comparison import GONE, Backup, compare
from make_vault import mixed, write_vault
from processes import running_site
from same_content import differences as differing

from lvrestore.model import ContentType

AS_IT_WAS = ("--access", "restore", "--schedules", "as-backup")
# Shares that are destroyed, in the trash, changed.
LOST = (0.3, 0.1, 0.2)
MEDIUM, LARGE = 220, 5000
PATIENCE_S = 300.0
# No id of the backup, so that a text that names one means nothing here.
APART = 50_000_000
# Beliefs about Looker that matter for more than dashboards, turned round.
TURNED = (
    {"name_taken": "allowed", "folder_name_taken": "409", "model_taken": "409", "email_taken": "422"},
    {"role_ids": "with_inherited", "group_cycle": "allowed", "unknown_permission": "accepted"},
    {"trashed_boards": "listed", "board_undelete": "ignored", "items_of_destroyed": "stay"},
    {"get_trashed": "404", "trashed_title_blocks": "yes", "undelete_moves": "no", "look_title": "free"},
    {"not_found_just_after_create": "once", "order_arrays": "unchecked", "tab_ids": "unchecked"},
    {"inline_credentials": "honoured", "inline_query": "honoured", "unknown_fields": "ignored"},
    {
        "unknown_query": "404",
        "unsorted_pages": "shifting",
        "source_swap": "explicit",
        "new_dashboard": "empty",
    },
    {"component_placement": "named_or_active", "active_layout": "keeps", "patch_nested": "replaces"},
)
pytestmark = [pytest.mark.enables_plans, pytest.mark.widens_access]


@pytest.fixture(scope="module")
def medium(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "medium.db"
    write_vault(path, **mixed(MEDIUM))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "large.db"
    write_vault(path, **mixed(LARGE))
    return path


@pytest.fixture(params=["small", "medium", pytest.param("large", marks=pytest.mark.slow)])
def vault(request):
    """A genuine backup, and generated ones of all types."""
    return request.getfixturevalue("genuine_vault" if request.param == "small" else request.param)


def everything(site):
    """Run `all` so that everything is as in the backup."""
    arguments = ["all", "--procs", "2", "--inflight", "4", *site.arguments(*AS_IT_WAS)]
    return site.run(arguments, timeout_s=PATIENCE_S)


def reported(site, ended):
    """{(type, id)} that failed, are partial or in conflict, with the reason in `status` or the log."""
    listed = site.run(["dlq", "list", "--json", "--limit", "100000", "--state", str(site.state)]).out
    letters = {(one["content_type"], one["content_id"]): one for one in map(json.loads, listed.splitlines())}
    assert all(one["message"] for one in letters.values())
    assert len(letters) == ended.counts["error"] + ended.counts["partial"]
    return set(letters)


def conflicts(site):
    """{(type, id)} of what the last run found in conflict."""
    with apsw.Connection(str(site.state), flags=apsw.SQLITE_OPEN_READONLY) as db:
        rows = db.execute("SELECT content_type, source_id FROM restored_items WHERE status = 'conflict'")
        return {(ContentType(number).label, source_id) for number, source_id in rows}


def found(site, before):
    """What the comparison says is not as in the backup, by type and id."""
    items = {}
    for one in compare(Backup(site.vault), site.looker.dump(), before):
        items.setdefault((one.kind, one.object_id), []).append(one.what)
    return items


def assert_sums(ended):
    for counts in ended.summary["content_type_breakdown"].values():
        assert counts["total"] == sum(n for name, n in counts.items() if name != "total")


def assert_again_nothing(site, first, before):
    """Two further runs, one with the state and one without: nothing is written, nothing has become different."""
    wrong = found(site, before)
    for remembers in (True, False):
        if not remembers:
            site.state.unlink()
        site.looker.clear_log()
        again = everything(site)
        assert [f"{r.method} {r.path}" for r in site.writes()] == [], again
        assert again.counts["created"] == again.counts["updated"] == again.counts["undeleted"] == 0, again
        assert again.counts["error"] == first.counts["error"], again
        assert again.counts["conflict"] == first.counts["conflict"], again
        assert found(site, before) == wrong


@pytest.mark.timeout(900)
def test_what_was_lost_and_changed_is_as_in_the_backup(vault, tmp_path):
    with running_site(vault, tmp_path, types=("all",), shares=LOST) as site:
        before = site.looker.dump()
        assert len(found(site, {})) > 100
        first = everything(site)
        assert_sums(first)
        assert set(found(site, before)) <= reported(site, first), first
        assert first.counts["conflict"] == 0
        assert set(first.summary["error_breakdown"]) <= {"dependency"}
        assert_again_nothing(site, first, before)


@pytest.mark.timeout(900)
def test_onto_an_empty_instance_all_that_can_be_is_there(vault, tmp_path):
    with running_site(vault, tmp_path, empty=True) as site:
        before = site.looker.dump()
        first = everything(site)
        assert_sums(first)
        assert not first.summary["same_instance"]
        wrong = found(site, before)
        assert set(wrong) <= reported(site, first) | conflicts(site)
        # What is not there at all is a part; the rest lacks what the backup itself does not have.
        restorable = sum(map(len, Backup(vault).items.values()))
        assert sum(GONE in what for what in wrong.values()) < restorable / 2
        assert_again_nothing(site, first, before)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("empty", [False, True], ids=["damaged", "empty"])
@pytest.mark.parametrize("switches", TURNED, ids=lambda switches: next(iter(switches)))
def test_it_holds_where_looker_is_otherwise(medium, tmp_path, switches, empty):
    with running_site(medium, tmp_path, types=("all",), shares=LOST, empty=empty, switches=switches) as site:
        before = site.looker.dump()
        first = everything(site)
        assert_sums(first)
        assert set(found(site, before)) <= reported(site, first) | conflicts(site)
        assert_again_nothing(site, first, before)


def shuffled(vault, path, seed):
    """A copy of a vault with its rows in another order."""
    with apsw.Connection(str(vault), flags=apsw.SQLITE_OPEN_READONLY) as db:
        path.write_bytes(db.serialize("main"))
    with apsw.Connection(str(path)) as db:
        rows = db.execute("SELECT * FROM content_items").fetchall()
        random.Random(seed).shuffle(rows)
        places = ", ".join("?" * len(rows[0]))
        db.execute("DELETE FROM content_items")
        with db:
            db.executemany(f"INSERT INTO content_items VALUES ({places})", rows)
    return path


@pytest.fixture(scope="module")
def tidy(tmp_path_factory):
    """A backup of all types, small enough to be restored again and again."""
    path = tmp_path_factory.mktemp("vault") / "tidy.db"
    write_vault(path, **mixed(120))
    return path


@pytest.fixture(scope="module")
def in_order(tidy, tmp_path_factory):
    """What an empty instance holds when the rows come as they are."""
    with running_site(tidy, tmp_path_factory.mktemp("site"), empty=True, first_id=APART) as site:
        everything(site)
        return content_of(site)


def content_of(site):
    """What is there, with links that do not say at which port this sandbox listens."""
    return orjson.loads(orjson.dumps(site.looker.dump()).replace(site.url.encode(), b"https://here"))


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_does_not_matter(tidy, in_order, tmp_path, seed):
    vault = shuffled(tidy, tmp_path / "vault.db", seed)
    with running_site(vault, tmp_path, empty=True, first_id=APART) as site:
        everything(site)
        assert [str(one) for one in differing(in_order, content_of(site))] == []


FOLDER_COLUMNS = "'Odd', NULL, NULL, '2024-01-01', '2024-01-01', '2024-01-01', NULL"


def with_folders(vault, path, parents):
    """A copy of a vault with these further folders: {id: parent}."""
    shuffled(vault, path, 0)
    with apsw.Connection(str(path)) as db:
        for folder_id, parent_id in parents.items():
            blob = msgspec.msgpack.encode(
                {"id": folder_id, "name": f"Odd {folder_id}", "parent_id": parent_id}
            )
            db.execute(
                f"INSERT INTO content_items VALUES (?, 5, {FOLDER_COLUMNS}, ?, ?, NULL)",
                (folder_id, len(blob), blob),
            )
    return path


@pytest.mark.parametrize("empty", [False, True], ids=["same", "empty"])
def test_folders_in_a_circle_fail_by_name_and_nothing_hangs(tidy, tmp_path, empty):
    circle = {"9001": "9002", "9002": "9003", "9003": "9001", "9009": "9009"}
    vault = with_folders(tidy, tmp_path / "vault.db", circle | {"9004": "9003"})
    with running_site(tidy, tmp_path, types=("all",), damaged=False, empty=empty) as site:
        site.vault = vault
        ended = everything(site)
        assert ended.code == 1, ended
        assert "lie in each other" in ended.err
        listed = site.run(["dlq", "list", "--json", "--type", "folder", "--state", str(site.state)]).out
        letters = {one["content_id"]: one for one in map(json.loads, listed.splitlines())}
        assert {*circle, "9004"} <= letters.keys()
        for folder_id, parent_id in (circle | {"9004": "9003"}).items():
            assert letters[folder_id]["error_kind"] == "dependency"
            assert f"folder {parent_id}" in letters[folder_id]["message"]
        assert not [r for r in site.writes() if "Odd" in str(r.body)]


def test_where_logins_are_left_to_others_nobody_is_made_twice(tidy, tmp_path):
    with running_site(tidy, tmp_path, empty=True, switches={"email_credentials": "forbidden"}) as site:
        everything(site)
        people = Counter(user["display_name"] for user in site.looker.dump()["users"].values())
        site.state.unlink()
        again = everything(site)
        assert again.counts["created"] == 0, again
        assert Counter(u["display_name"] for u in site.looker.dump()["users"].values()) == people


def test_a_comparison_that_finds_nothing_wrong_could_find_it(tidy, tmp_path):
    """Each type is damaged in turn, and the comparison says so."""
    with running_site(tidy, tmp_path, types=("all",), damaged=False) as site:
        assert not found(site, site.looker.dump())
    for content_type in ("user", "look", "folder", "board", "scheduled_plan", "dashboard", "lookml_model"):
        with running_site(tidy, tmp_path, types=(content_type,), shares=(0.0, 0.0, 0.9)) as site:
            assert content_type in {kind for kind, _ in found(site, {})}, content_type
