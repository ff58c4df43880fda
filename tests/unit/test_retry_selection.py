"""Which letters and items a retry takes, in which order they count, and what is held back."""

import pytest

from lvrestore.engine.letter_choice import (
    Gate,
    Selector,
    chosen_letters,
    filter_of,
    source_of,
    vaults_of,
    witnesses,
)
from lvrestore.errors import SessionMismatchError, UsageError
from lvrestore.model import ContentType, ItemError, MappingNote, MatchRule, Operation, RestorationResult
from lvrestore.settings import Retry
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.state.store import StateStore

F, L, D, B = ContentType.FOLDER, ContentType.LOOK, ContentType.DASHBOARD, ContentType.BOARD
HERE = "https://there"
SCOPE = Scope("", 0, "source", HERE)


def failed(content_type, source_id, *blockers):
    error = ItemError(kind="dependency" if blockers else "validation", message="", blockers=blockers)
    item = {"seq": 0, "content_type": content_type, "source_id": source_id, "name": "n"}
    return RestorationResult(**item, operation=Operation.FAILED, error=error, blob=b"{}")


@pytest.fixture
def store(tmp_path):
    with StateStore(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def reader(store):
    return StateReader(store.path)


def bury(store, *results, source="source", destination=HERE):
    scope = store.begin_session(source, destination, {}, {"vault": "/v.db"})
    store.write(scope, list(results))
    return scope


def items(letters):
    return [one.item for one in letters]


def chosen(reader, *ids):
    return chosen_letters(reader, Retry(ids=ids), None, HERE)


def test_what_waits_is_found_through_others_and_circles_end(store, reader):
    bury(
        store,
        failed(F, "1"),
        failed(F, "2", "folder 1"),
        failed(L, "3", "folder 2", "user 9"),
        failed(D, "4", "look 3"),
        failed(B, "5", "dashboard 4", "board 6"),
        failed(B, "6", "board 5"),
        failed(D, "7", "folder 8"),
    )
    selected = Selector(reader, SCOPE).select(chosen(reader, 1), None)
    assert items(selected.chosen) == [(F, "1")]
    assert items(selected.waiting) == [(F, "2"), (L, "3"), (D, "4"), (B, "5"), (B, "6")]


def test_what_waits_may_name_the_destinations_id(store, reader):
    scope = bury(store, failed(F, "1"), failed(D, "4", "folder 100"))
    note = MappingNote(kind="folder", source_id="1", destination_id="100", rule=MatchRule.CREATED)
    store.write(scope, [note])
    selected = Selector(reader, SCOPE).select(chosen(reader, 1), None)
    assert items(selected.waiting) == [(D, "4")]


def test_letters_of_another_source_do_not_wait_for_these(store, reader):
    bury(store, failed(F, "1"))
    bury(store, failed(D, "4", "folder 1"), source="another")
    assert Selector(reader, SCOPE).select(chosen(reader, 1), None).waiting == ()


class Backup:
    """What is missing, and what it refers to."""

    def __init__(self, **refers_to):
        self.refers_to = {
            (ContentType[k.split("_")[0].upper()], k.split("_")[1]): v for k, v in refers_to.items()
        }

    def maker_of(self, item):
        return item

    def is_lacking(self, item):
        return item in self.refers_to

    def references(self, item):
        return self.refers_to[item]


def test_what_is_lacking_is_found_with_what_that_lacks(store, reader):
    bury(store, failed(D, "4", "look 3", "query 8", "folder 1"), failed(L, "3", "folder 2"))
    backup = Backup(look_3=[(F, "2")], folder_2=[(F, "1")], folder_1=[(F, "2")])
    selected = Selector(reader, SCOPE).select(chosen(reader, 1), backup)
    # The look has failed itself: it is tried as it was then.
    assert items(selected.chosen) == [(D, "4"), (L, "3")]
    assert set(selected.missing) == {(F, "1"), (F, "2")}
    assert selected.waiting == ()


def test_a_session_goes_on_with_what_is_left_of_it(store, reader):
    bury(store, failed(F, "1"), failed(L, "2"), failed(D, "4", "folder 1"))
    scope = store.begin_session("source", HERE, {}, {}, letters=[1, 2])
    session = reader.session(scope.session_id)
    assert items(chosen_letters(reader, Retry(), session, HERE)) == [(F, "1"), (L, "2")]
    done = {"seq": 0, "content_type": F, "source_id": "1", "name": "n", "operation": Operation.CREATED}
    store.write(scope, [RestorationResult(**done, destination_id="100")])
    left = chosen_letters(reader, Retry(), session, HERE)
    assert items(left) == [(L, "2")]
    # What waited for the folder is let go, although its letter is gone.
    selector = Selector(reader, scope)
    assert items(selector.select(left, None).waiting) == [(D, "4")]
    assert selector.is_there("folder 1")
    assert selector.is_there("folder 100")
    assert not selector.is_there("folder 2")
    assert not selector.is_there("query 1")
    store.write(scope, [failed(L, "2")])
    assert chosen_letters(reader, Retry(), session, HERE) == ()


def test_an_outage_hands_letters_back(store, reader):
    bury(store, failed(F, "1"))
    scope = store.begin_session("source", HERE, {}, {}, letters=[1])
    lost = ItemError(kind="transient", message="")
    again = {"seq": 0, "name": "n", "operation": Operation.FAILED, "error": lost}
    new = RestorationResult(content_type=L, source_id="9", **again)
    store.write(scope, [RestorationResult(content_type=F, source_id="1", **again), new])
    store.reopen(scope, ["transient"])
    session = reader.session(scope.session_id)
    assert items(chosen_letters(reader, Retry(), session, HERE)) == [(F, "1")]
    assert items(chosen_letters(reader, Retry(), None, HERE)) == [(F, "1")]
    assert reader.counts(scope.session_id) == {} or not any(
        one.items for one in reader.counts(scope.session_id).values()
    )


def test_letters_of_another_destination(store, reader):
    bury(store, failed(F, "1"))
    bury(store, failed(L, "1"), destination="https://elsewhere")
    assert items(chosen_letters(reader, Retry(), None, HERE)) == [(F, "1")]
    with pytest.raises(SessionMismatchError, match="elsewhere"):
        chosen_letters(reader, Retry(ids=(1, 2)), None, HERE)


def test_letters_of_several_sources_are_not_mixed(store, reader):
    bury(store, failed(F, "1"))
    bury(store, failed(L, "1"), source="another")
    letters = chosen_letters(reader, Retry(), None, HERE)
    with pytest.raises(UsageError, match="another, source"):
        source_of(letters)
    assert source_of(letters[:1]) == "source"
    assert source_of([]) == ""


def test_the_filter_of_a_retry():
    assert filter_of(Retry()).is_empty
    assert filter_of(Retry(ids=(1,), kind="x")).ids == (1,)


def test_what_sessions_remember(store, reader):
    seen = {"vault": "/a.db", "witnesses": [["folder", "5", "2024-01-01T00:00:00+00:00"]]}
    store.begin_session("a", HERE, {}, seen)
    store.begin_session("a", HERE, {}, {"vault": None})
    sessions = reader.sessions()
    assert [str(path) for path in vaults_of(sessions)] == ["/a.db"]
    (row,) = witnesses(sessions)
    assert (row.content_type, row.source_id) == (F, "5")
    assert b"2024-01-01" in row.blob


def test_the_gate_lets_through_what_has_what_it_waits_for(store, reader):
    bury(store, failed(D, "1", "folder 1", "folder 2"), failed(D, "2", "folder 3"))
    there = set()
    gate = Gate(chosen(reader), there.__contains__)
    assert gate.passes((F, "1"))
    assert not gate.passes((D, "1"))
    assert not gate.passes((D, "2"))
    there.add("folder 2")
    assert gate.passes((D, "1"))
    assert gate.held_back == {(D, "2")}
