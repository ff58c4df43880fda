"""The state file: what a batch says is there or not, journals, mappings, dead letters, query plans."""

import stat
import zlib
from datetime import UTC, datetime

import apsw
import pytest
from statements import switched_off

from lvrestore.errors import ValidationError
from lvrestore.model import (
    BeforeImage,
    Calls,
    ContentType,
    CreateSent,
    ItemError,
    MappingNote,
    MatchRule,
    Operation,
    RestorationResult,
    UndeleteSent,
)
from lvrestore.report.session import session_summary
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

D = ContentType.DASHBOARD


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "host-443.db"


@pytest.fixture
def store(path):
    with StateStore(path) as opened:
        yield opened


def begin(store):
    return store.begin_session("source", "https://there", {"types": [1]}, {"vault": "v"})


def result(source_id="1", operation=Operation.CREATED, **more):
    given = {"seq": 0, "content_type": D, "source_id": source_id, "name": "n", "operation": operation}
    return RestorationResult(**given, **more)


def test_only_the_owner_can_read_it(store, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_done_and_mapping_come_together_and_end_the_claim(store, path):
    scope = begin(store)
    store.claim(scope, [(D, "1"), (D, "2")])
    note = mapping("900", MatchRule.CREATED, created_at="2024", slug="s")
    store.write(scope, [note, result("1", destination_id="900", calls=Calls(by_method={"POST": 3}))])
    mapper = StateReader(path).mapper(scope)
    assert mapper.get("dashboard", "1").destination_id == "900"
    assert mapper.get("dashboard", "1").created_at == "2024"
    assert mapper.source_of("dashboard", "900") == "1"
    assert mapper.source_of("look", "900") is mapper.source_of("dashboard", "1") is None
    later = store.begin_session("source", "https://there", {}, {})
    assert set(store.uncertain(later)) == {(D, "2")}


def mapping(destination_id, rule, **more):
    return MappingNote(kind="dashboard", source_id="1", destination_id=destination_id, rule=rule, **more)


def found(path):
    """How and when the dashboard was found, and whether its restore came to its end."""
    with apsw.Connection(str(path)) as db:
        return db.execute("SELECT destination_id, rule, state, mapped_at FROM id_mappings").fetchall()[0]


def test_a_mapping_that_is_confirmed_keeps_its_rule_and_its_time(store, path):
    scope = begin(store)
    store.write(scope, [mapping("900", MatchRule.CREATED)])
    *_, at = found(path)
    assert at is not None
    store.write(scope, [mapping("900", MatchRule.SLUG), result("1", destination_id="900")])
    assert found(path) == ("900", "created", "done", at)


def test_a_mapping_to_another_object_has_its_own_rule(store, path):
    scope = begin(store)
    store.write(scope, [mapping("900", MatchRule.CREATED), result("1", destination_id="900")])
    store.write(scope, [mapping("901", MatchRule.SLUG)])
    assert found(path)[:3] == ("901", "slug", "begun")


def test_a_mapping_of_an_older_version_gets_its_rule_when_it_is_confirmed(store, path):
    scope = begin(store)
    store.write(scope, [result("1", destination_id="900")])
    assert found(path)[:2] == ("900", "")
    store.write(scope, [mapping("900", MatchRule.SLUG)])
    assert found(path)[:2] == ("900", "slug")


def test_a_create_sent_in_an_earlier_attempt_is_remembered_by_the_next_claim(store, path):
    first = begin(store)
    store.claim(first, [(D, "1")])
    store.write(first, [CreateSent(content_type=D, source_id="1", ticket=0)])
    before = StateReader(path).create_sent_at(first, D, "1")
    store.claim(begin(store), [(D, "1")])
    assert StateReader(path).create_sent_at(first, D, "1") == before is not None
    assert store.uncertain(begin(store)) == {(D, "1")}


def test_a_failure_is_a_dead_letter_until_the_item_succeeds(store, path):
    scope, reader = begin(store), StateReader(path)
    error = ItemError(kind="validation", message="no", http_status=422, field="title", blockers=("folder 7",))
    failed = result("1", Operation.FAILED, error=error, blob=b"blob", attempts=2)
    store.write(scope, [failed])
    store.write(scope, [failed])
    (letter,) = reader.dead_letters.find(LetterFilter())
    assert (letter.error_kind, letter.http_status, letter.attempts, letter.content_type) == (
        "validation",
        422,
        4,
        "dashboard",
    )  # fmt: skip
    assert reader.dead_letters.get(letter.id).blob == b"blob"
    assert reader.dead_letters.find(LetterFilter(kind="other")) == []
    wanted = LetterFilter(session_id=scope.session_id, content_type=D)
    assert reader.dead_letters.find(wanted, limit=1) == [letter]
    store.write(scope, [result("1", destination_id="1")])
    assert reader.dead_letters.find(LetterFilter()) == []


def test_an_unknown_outcome_leaves_the_item_uncertain(store):
    scope = begin(store)
    store.claim(scope, [(D, "1"), (D, "2"), (D, "3")])
    sent = [CreateSent(content_type=D, source_id=one, ticket=0) for one in "12"]
    store.write(scope, sent)
    for source_id, kind in (("1", "unknown_outcome"), ("2", "validation"), ("3", "transient")):
        error = ItemError(kind=kind, message="")
        store.write(scope, [result(source_id, Operation.FAILED, error=error)])
    assert set(store.uncertain(begin(store))) == {(D, "1")}
    assert StateReader(store.path).create_sent_at(scope, D, "1") is not None
    assert StateReader(store.path).create_sent_at(scope, D, "3") is None


@pytest.mark.parametrize("ends", [Operation.FAILED, Operation.UNDELETED, None])
def test_what_was_about_to_come_back_from_the_trash_is_remembered_until_it_has(store, path, ends):
    scope, reader = begin(store), StateReader(path)
    store.claim(scope, [(D, "1")])
    store.write(scope, [UndeleteSent(content_type=D, source_id="1", destination_id="5", ticket=0)])
    if ends is not None:
        error = ItemError(kind="forbidden", message="") if ends is Operation.FAILED else None
        store.write(scope, [result("1", ends, error=error, destination_id="5")])
    kept = None if ends is Operation.UNDELETED else "5"
    assert reader.history(scope, D, "1").undeletes == kept
    assert store.uncertain(begin(store)) == ({(D, "1")} if kept else set())


def test_what_is_switched_off_is_kept_as_it_was_the_first_time(store):
    scope = begin(store)
    store.write(scope, [switched_off("9", b"as it was"), switched_off("9", b"off by now"), switched_off("7")])
    with apsw.Connection(str(store.path)) as db:
        rows = db.execute("SELECT session_id, destination_id, body FROM switched_off ORDER BY 2").fetchall()
    assert [(session, i) for session, i, _ in rows] == [(scope.session_id, i) for i in "79"]
    assert zlib.decompress(rows[1][2]) == b"as it was"
    # To switch it off is our own edit, also if the run is killed right after that.
    own = StateReader(store.path).own_write(scope.destination_instance, "scheduled_plan", "9")
    assert own > datetime.now(UTC)


def test_a_vault_is_not_taken_for_a_state_file(tmp_path):
    vault = tmp_path / "vault.db"
    apsw.Connection(str(vault)).execute("CREATE TABLE content_items (id TEXT)")
    before = vault.read_bytes()
    with pytest.raises(ValidationError, match="not a state file"):
        StateStore(vault)
    assert vault.read_bytes() == before


def test_accepted_fingerprints_are_those_of_the_last_result_that_had_them(store, path):
    scope, reader = begin(store), StateReader(path)
    assert reader.accepted(scope, "dashboard", "1") is None
    store.write(scope, [result("1", destination_id="1", vault_fingerprint=b"v", live_fingerprint=b"x")])
    assert reader.accepted(scope, "dashboard", "1") == (b"v", b"x")
    store.write(scope, [result("1", Operation.UNCHANGED, destination_id="1", vault_fingerprint=b"v")])
    assert reader.accepted(scope, "dashboard", "1") == (b"v", b"x")


def test_a_batch_is_stored_whole_or_not_at_all(store, path):
    scope = begin(store)
    image = BeforeImage(kind="dashboard", destination_id="1", body=b"{}", ticket=1)
    broken = result("1", destination_id=object())
    with pytest.raises(TypeError):
        store.write(scope, [image, broken])
    assert apsw.Connection(str(path)).execute("SELECT count(*) FROM before_images").get == 0


def test_a_session_that_was_cut_off_is_summed_up_from_its_journal(store, path):
    scope = begin(store)
    warned = result("1", destination_id="5", warnings=(("not_kept", "x"),), calls=Calls(by_method={"GET": 2}))
    store.write(scope, [warned, result("2", Operation.FAILED, error=ItemError(kind="conflict", message=""))])
    begin(store)
    newest, cut = StateReader(path).sessions()
    summary = session_summary(StateReader(path), cut)
    assert (newest.status, summary["status"]) == ("running", "interrupted")
    assert summary["summary"]["total_items"] == 2
    assert summary["error_breakdown"] == {"conflict": 1}
    assert summary["calls"]["total"] == 2


def test_what_is_only_referred_to_has_not_come_to_its_end(store, path):
    scope = begin(store)
    note = mapping("900", MatchRule.SLUG, referred=True)
    store.write(scope, [note])
    mapper = StateReader(path).mapper(scope)
    assert mapper.get(note.kind, note.source_id).state == "referred"
    store.write(scope, [result(note.source_id, Operation.UNCHANGED, destination_id="900")])
    assert mapper.get(note.kind, note.source_id).is_done
