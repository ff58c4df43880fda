"""Looking mappings up, listing, storing and forgetting them."""

import msgspec
import pytest

from lvrestore.model import (
    ContentType,
    MappedId,
    MappingNote,
    MappingState,
    MatchRule,
    Operation,
    RestorationResult,
)
from lvrestore.state.mappings import CONTENT_TYPES, PAGE, Group, imported
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore

THERE, HERE = "https://there", "https://here"
AT = "2026-11-01T00:00:00.000+00:00"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def store(path):
    with StateStore(path) as opened:
        yield opened


def note(source_id, destination_id, kind="dashboard", **more):
    return MappingNote(
        kind=kind, source_id=source_id, destination_id=destination_id, rule=MatchRule.SLUG, **more
    )


def begin(store, source=THERE):
    return store.begin_session(source, HERE, {}, {})


def mapper(path, source=THERE):
    return StateReader(path).mapper(Scope("", 0, source, HERE))


def test_a_mapping_is_partial_until_its_item_is_done(store, path):
    scope, look = begin(store), mapper(path)
    assert look.get("dashboard", "1") is None
    store.write(scope, [note("1", "900", created_at=AT)])
    assert look.get("dashboard", "1") == MappedId("900", AT, MappingState.BEGUN, MatchRule.SLUG)
    done = RestorationResult(
        seq=0,
        content_type=ContentType.DASHBOARD,
        source_id="1",
        name="n",
        operation=Operation.CREATED,
        destination_id="900",
    )
    store.write(scope, [done])
    assert look.get("dashboard", "1") == MappedId("900", AT, rule=MatchRule.SLUG)
    assert look.source_of("dashboard", "900") == "1"
    assert look.get("look", "1") is look.source_of("look", "900") is None


def test_mappings_of_another_source_are_not_seen(store, path):
    store.write(begin(store), [note("1", "900")])
    other = mapper(path, "https://elsewhere")
    assert other.get("dashboard", "1") is other.source_of("dashboard", "900") is None
    assert other.get_many("dashboard", ["1"]) == {}


def test_a_batch_has_no_limit_and_leaves_out_what_is_not_mapped(store, path):
    ids = [str(n) for n in range(40_000)]
    store.write(begin(store), [note(i, f"9{i}") for i in ids[::2]])
    found = mapper(path).get_many("dashboard", (i for i in ids))
    assert {i: one.destination_id for i, one in found.items()} == {i: f"9{i}" for i in ids[::2]}
    assert mapper(path).get_many("dashboard", []) == {}


def test_ids_that_look_like_numbers_or_json_are_texts(store, path):
    ids = ["007", "7", "1e3", '"', "thelook::orders", "ä\x00b"]
    store.write(begin(store), [note(i, f"to {i}") for i in ids])
    found = mapper(path).get_many("dashboard", ids)
    assert [found[i].destination_id for i in ids] == [f"to {i}" for i in ids]


def test_all_are_listed_in_order_however_many(store, path):
    scope, other = begin(store), begin(store, "https://elsewhere")
    store.write(scope, [note(f"{n:05}", "9") for n in range(PAGE * 2 + 1)])
    store.write(scope, [note("1", "2", "dashboard_element"), note("1", "2", "look")])
    store.write(other, [note("1", "2", "look")])
    mappings = StateReader(path).mappings
    assert len(list(mappings.find(CONTENT_TYPES))) == PAGE * 2 + 3
    assert [m.source_id for m in mappings.find(["dashboard"], THERE, limit=2, offset=PAGE)] == [
        f"{PAGE:05}",
        f"{PAGE + 1:05}",
    ]
    assert [m.source_instance for m in mappings.find(["look"])] == ["https://elsewhere", THERE]
    assert [m.rule for m in mappings.find(["dashboard_element"])] == ["slug"]
    assert list(mappings.find(["board"])) == []


def test_what_somebody_says_replaces_what_was_known(store, path):
    group = Group(THERE, HERE, "dashboard")
    store.write(begin(store), [note("1", "900", created_at=AT)])
    store.put_mappings([imported(group, "1", "901", AT), imported(group, "2", "902", AT)])
    assert mapper(path).get("dashboard", "1") == MappedId("901", rule=MatchRule.IMPORT)
    found = StateReader(path).mappings.get(group, "1")
    assert (found.rule, found.state, found.mapped_at) == ("import", "done", AT)


def test_only_what_is_named_is_forgotten(store, path):
    dashboards, looks = Group(THERE, HERE, "dashboard"), Group(THERE, HERE, "look")
    rows = [imported(group, i, f"9{i}", AT) for group in (dashboards, looks) for i in "123"]
    store.put_mappings([*rows, imported(Group("https://elsewhere", HERE, "look"), "1", "2", AT)])
    mappings = StateReader(path).mappings
    assert mappings.count(dashboards, ["1", "7"]) == 1
    store.clear_mappings({dashboards: ["1", "7"], looks: None})
    left = [(m.content_type, m.source_id) for m in mappings.find(CONTENT_TYPES)]
    assert left == [("look", "1"), ("dashboard", "2"), ("dashboard", "3")]
    assert (mappings.count(dashboards), mappings.count(looks)) == (2, 0)


def test_what_was_mapped_under_another_name_of_the_source_counts_and_is_taken_over(store, path):
    """A first run may have taken the backup for another instance's; of two mappings the newer one counts."""
    own, other = Group(HERE, HERE, "dashboard"), Group("unknown", HERE, "dashboard")
    queries = msgspec.structs.replace(other, content_type="query")
    store.put_mappings(
        [
            imported(own, "1", "old", "2026-11-01"),
            imported(other, "1", "900", "2026-11-02"),
            imported(other, "2", "901", "2026-11-02"),
            imported(own, "2", "902", "2026-11-03"),
            imported(queries, "7", "70", "2026-11-02"),
        ]
    )
    both = Scope("", 0, HERE, HERE, ("unknown",))

    def found():
        look = StateReader(path).mapper(both)
        assert look.get("query", "7") is look.source_of("query", "70") is None
        assert look.source_of("dashboard", "900") == "1"
        return [look.get("dashboard", i).destination_id for i in ("1", "2")]

    assert found() == ["900", "902"]
    store.take_over(both)
    assert found() == ["900", "902"]
    assert mapper(path, HERE).get("dashboard", "1").destination_id == "900"
    assert mapper(path, "unknown").get("dashboard", "1") is None
    assert mapper(path, "unknown").get("query", "7").destination_id == "70"
