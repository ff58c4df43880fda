"""What items are told of each other: the double in memory, and a state file over a backup, say the same."""

from contextlib import closing
from datetime import UTC, datetime

import apsw
import msgspec
import pytest
from harness import Memory, note_end
from make_vault import write_vault

from lvrestore.model import (
    ContentType,
    ItemError,
    MappingNote,
    MatchRule,
    Operation,
    OwnWrite,
    RestorationResult,
    Waits,
)
from lvrestore.play.answers import StateReferences
from lvrestore.settings import Policy, Remap
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.vault import Definitions, Lookups

QUERY = {"id": "70", "model": "shop", "view": "orders", "fields": ["orders.count"]}
WHOLE = {**QUERY, "vis_config": {"type": "looker_bar"}}
TILES = [
    {"id": "1", "query": None, "result_maker": {"query": QUERY}},
    {"id": "2", "query": WHOLE},
    {"id": "3", "look": {"query": {**WHOLE, "id": "71"}}},
    {"id": "4", "query": None, "look": None, "result_maker": {"query": {**QUERY, "id": "72"}}},
]
ANN = {"first_name": "Ann", "last_name": "B"}
HOLDS = {"role_ids": ["1", "2"], "group_ids": ["5"]}
ROWS = {
    ("dashboard", "1"): {"title": "Sales", "dashboard_elements": TILES},
    ("dashboard", "2"): {"title": "In the trash", "deleted": True, "dashboard_elements": []},
    ("dashboard", "3"): {"title": "Marked"},
    ("look", "1"): {"title": "Look"},
    ("look", "2"): {"title": "In the trash", "deleted": True},
    ("board", "1"): {"title": "Board"},
    ("board", "2"): {"title": "In the trash", "deleted_at": datetime(2024, 1, 1, tzinfo=UTC)},
    ("folder", "9"): {"name": "Dev", "parent_id": "1"},
    ("folder", "10"): {"name": "Dev", "parent_id": "1", "creator_id": "3"},
    ("folder", "11"): {"name": "Dev", "parent_id": "9"},
    ("folder", "12"): {"name": "Dev", "parent_id": "1"},
    ("folder", "20"): {"name": "Ann B", "parent_id": "2", "is_personal": True, "creator_id": "1"},
    ("folder", "21"): {"name": "Cy D", "parent_id": "2", "is_personal": True, "creator_id": "2"},
    ("user", "1"): {**ANN, **HOLDS, "personal_folder_id": "20"},
    ("user", "2"): {"first_name": "Cy", "last_name": "D", **HOLDS, "roles_externally_managed": True},
    ("user", "3"): {**ANN, **HOLDS, "is_service_account": True},
    ("user", "4"): {**ANN, **HOLDS, "credentials_embed": [{"id": "1"}]},
    ("user", "5"): {**ANN, **HOLDS, "personal_folder_id": "12"},
    ("user", "6"): {**ANN, "role_ids": None},
    ("user", "7"): {"first_name": "Eve", "last_name": None},
    ("user", "8"): {"first_name": "Eve", "last_name": ""},
}
MARKED = {("dashboard", "3"), ("folder", "12"), ("user", "5")}
FETCHED = {"80": {**QUERY, "id": "80"}, "70": {**QUERY, "id": "70", "fields": []}}
MERGED = {"90": {"id": "90", "source_queries": [{"query_id": "80"}]}}
REFUSED, WITHHELD = {("query", "81"): "no such field"}, {("merge_query", "91"): "not found"}
KINDS = ("dashboard", "look", "board", "folder", "user", "group")
IDS = [str(n) for n in range(25)]


def note(kind, source_id, destination_id, rule=MatchRule.CREATED, **more):
    return MappingNote(kind=kind, source_id=source_id, destination_id=destination_id, rule=rule, **more)


def ended(kind, source_id, operation, destination_id=None, **more):
    failed = operation in {Operation.FAILED, Operation.CONFLICT, Operation.PARTIAL}
    return RestorationResult(
        seq=0,
        content_type=ContentType[kind.upper()],
        source_id=source_id,
        name="name",
        operation=operation,
        destination_id=destination_id,
        error=ItemError(kind="validation", message="no") if failed else None,
        blob=b"" if failed else None,
        **more,
    )


UNTIL = "2024-01-01T10:00:00.000+00:00"
EARLIER = "2024-01-01T09:00:00.000+00:00"
NOTES = [
    note("dashboard", "1", "101", created_at="2024-01-01T09:00:00Z"),
    note("made_dashboard", "1", "101", settled=True),
    note("dashboard_element", "2", "202", MatchRule.TITLE_IN_FOLDER, settled=True),
    note("look", "1", "301", MatchRule.SLUG),
    note("folder", "9", "409", MatchRule.NAME, referred=True),
    note("folder", "20", "420", MatchRule.PERSONAL_FOLDER, settled=True),
    note("user", "1", "501", MatchRule.EMAIL),
    note("board", "1", "601"),
    note("query", "70", "700", settled=True),
]
ENDS = [
    ended("dashboard", "1", Operation.CREATED, "101", own_write=OwnWrite("dashboard", "101", UNTIL)),
    ended("look", "1", Operation.FAILED),
    ended("board", "1", Operation.PARTIAL, "601", done=Operation.CREATED),
    ended("board", "2", Operation.PARTIAL, "602", done=Operation.UPDATED),
    ended("folder", "9", Operation.UNCHANGED, "409"),
    ended("folder", "10", Operation.CONFLICT),
    ended("folder", "11", Operation.CONFLICT, waits=Waits.FOR_NAME),
    ended("user", "1", Operation.UPDATED, "501", own_write=OwnWrite("user", "501", UNTIL)),
    ended("user", "1", Operation.UPDATED, "501", own_write=OwnWrite("user", "501", EARLIER)),
    ended("user", "2", Operation.CONFLICT, waits=Waits.FOR_NAME),
    ended("user", "3", Operation.SKIPPED),
]
POLICIES = {
    "names as they are": Policy(),
    "other names": Policy(remap=Remap(models={"shop": "store"})),
}


class InMemory:
    """The double, with the world in it."""

    def __init__(self, policy, *, same_instance):
        self.refs = Memory(same_instance=same_instance, **msgspec.structs.asdict(policy))
        self.refs.contents, self.refs.deleted, self.refs.vault_ids = dict(ROWS), set(MARKED), set(ROWS)
        self.refs.queries, self.refs.merges = dict(FETCHED), dict(MERGED)
        self.refs.refusals, self.refs.withheld_definitions = dict(REFUSED), dict(WITHHELD)
        self.store(*NOTES, *ENDS)

    def store(self, *messages):
        for one in messages:
            if isinstance(one, MappingNote):
                self.refs.note(one)
            else:
                note_end(self.refs, one.content_type, one)
                self.refs.wrote(one.own_write)


class OnDisk:
    """A backup, a state file and what the run has learned of queries, with the world in them."""

    def __init__(self, policy, folder, state, *, same_instance):
        vault = folder / "vault.db"
        fill_vault(vault)
        fill_definitions(folder)
        self._state, self._scope = state, state.begin_session("source", "https://there", {}, {})
        self.lookups = Lookups(vault, folder)
        reader = StateReader(state.path)
        self.refs = StateReferences(
            reader, self._scope, self.lookups, {}, {}, same_instance=same_instance, policy=policy
        )
        self.store(*NOTES, *ENDS)

    def store(self, *messages):
        self._state.write(self._scope, messages)


def fill_vault(path):
    write_vault(path, dashboards=1, looks=1, folders=1, users=1)
    with closing(apsw.Connection(str(path))) as db:
        db.execute("DELETE FROM content_items")
        for (kind, source_id), content in ROWS.items():
            blob = msgspec.msgpack.encode(content)
            marked = "2024-01-01" if (kind, source_id) in MARKED else None
            db.execute(
                "INSERT INTO content_items VALUES (?, ?, 'name', NULL, NULL, '', '', '', ?, ?, ?, NULL)",
                (source_id, int(ContentType[kind.upper()]), marked, len(blob), blob),
            )


def fill_definitions(folder):
    with closing(Definitions(folder)) as learned:
        for kind, known in (("query", FETCHED), ("merge_query", MERGED)):
            for source_id, definition in known.items():
                learned.keep(kind, source_id, definition)
        for who, refused in (("destination", REFUSED), ("source", WITHHELD)):
            for (kind, source_id), why in refused.items():
                learned.refuse(kind, [source_id], who, why)


@pytest.fixture(params=POLICIES)
def policy(request):
    return POLICIES[request.param]


@pytest.fixture(params=[True, False], ids=["same", "other"])
def worlds(request, policy, tmp_path):
    """The world twice: in memory and on disk."""
    with StateStore(tmp_path / "state.db") as state:
        on_disk = OnDisk(policy, tmp_path, state, same_instance=request.param)
        with closing(on_disk.lookups):
            yield InMemory(policy, same_instance=request.param), on_disk


def asked(method, refs):
    """What the method says of everything that it can be asked about."""
    kinds = KINDS
    ids = [*IDS, "70", "101", "501", "601", "999"]
    if method in {"query", "merge_query", "personal_folder", "owner_of"}:
        ids = [*ids, *(str(n) for n in range(70, 95))]
        return {one: getattr(refs, method)(one) for one in ids}
    if method in {"mapped", "mapped_from", "own_write", "marked_deleted", "refusal", "withheld"}:
        kinds = (*KINDS, "query", "merge_query", "dashboard_element", "made_dashboard")
        ids = [*ids, "81", "91", "202", "301", "409", "420", "602", "700"]
    if method == "holders":
        cases = [
            (kind, one, managed) for kind in ("role", "group") for one in IDS for managed in (False, True)
        ]
        return {case: refs.holders(*case[:2], managed=case[2]) for case in cases}
    if method == "namesakes":
        # Who is not in the backup has no name to share.
        return {one: refs.namesakes(*one) for one in ROWS if one[0] in {"folder", "user"}}
    return {(kind, one): getattr(refs, method)(kind, one) for kind in kinds for one in ids}


METHODS = (
    "mapped",
    "mapped_from",
    "own_write",
    "in_vault",
    "has_row",
    "marked_deleted",
    "made_now",
    "ended",
    "lost",
    "content",
    "query",
    "merge_query",
    "refusal",
    "withheld",
    "holders",
    "personal_folder",
    "owner_of",
    "namesakes",
)


@pytest.mark.parametrize("method", METHODS)
def test_both_say_the_same(worlds, method):
    in_memory, on_disk = (asked(method, world.refs) for world in worlds)
    differ = {key: (in_memory[key], said) for key, said in on_disk.items() if in_memory[key] != said}
    assert differ == {}
    # A question to which there is one answer for all would show nothing.
    assert len({repr(said) for said in on_disk.values()}) > 1


def test_both_know_the_same_of_the_run(worlds):
    in_memory, on_disk = (world.refs for world in worlds)
    for name in ("same_instance", "policy", "not_here"):
        assert getattr(in_memory, name) == getattr(on_disk, name)


def told(refs):
    found = refs.mapped("look", "2"), refs.mapped("look", "1")
    return [one and one.destination_id for one in found] + [refs.lost("look", "2")]


@pytest.mark.parametrize("which", [0, 1], ids=["in memory", "on disk"])
def test_an_item_is_told_the_same_each_time_and_the_next_one_what_is_so_by_now(worlds, which):
    world = worlds[which]
    assert told(world.refs) == [None, "301", False]
    world.refs.begin_item()
    assert told(world.refs) == [None, "301", False]
    again = note("look", "2", "302"), note("look", "1", "303"), ended("look", "2", Operation.FAILED)
    world.store(*again)
    assert told(world.refs) == [None, "301", False]
    world.refs.forget("look", "1")
    assert told(world.refs) == [None, "303", False]
    world.refs.begin_item()
    assert told(world.refs) == ["302", "303", True]
