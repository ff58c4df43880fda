"""Items that are there but for some parts: what the state file keeps of them, and how they are counted."""

import pytest

from lvrestore.model import (
    Calls,
    ContentType,
    ItemError,
    MappingNote,
    MatchRule,
    Operation,
    RestorationResult,
    Waits,
)
from lvrestore.report.jsonl import change_object, result_object
from lvrestore.report.session import journal_tally, session_summary
from lvrestore.report.tally import Tally
from lvrestore.report.terminal import summary_lines, summary_table
from lvrestore.settings import OwnLimits
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.tasks.budget import Budget

D = ContentType.DASHBOARD
MISSING = ItemError(
    kind="dependency", message="partly restored, without tile 5 (look 7)", blockers=("look 7",)
)
ENDS = ("created", "updated", "undeleted", "unchanged", "partial", "skipped", "conflict", "error")


def result(operation, source_id="1", **more):
    given = {"seq": 0, "content_type": D, "source_id": source_id, "name": "n", "destination_id": "9"}
    return RestorationResult(**given | more, operation=operation)


def partial(done=Operation.CREATED, **more):
    return result(Operation.PARTIAL, done=done, error=MISSING, blob=b"{}", **more)


def partial_no_more(**more):
    return result(Operation.CREATED, **more)


@pytest.fixture
def store(tmp_path):
    with StateStore(tmp_path / "state.db", checkpoint_interval=2) as opened:
        opened.scope = opened.begin_session("a", "a", {}, {})
        yield opened


def test_a_partial_item_has_a_letter_until_it_is_whole_and_can_be_referred_to(store):
    reader = StateReader(store.path)
    store.write(
        store.scope,
        [MappingNote(kind="dashboard", source_id="1", destination_id="9", rule=MatchRule.CREATED)],
    )
    store.write(store.scope, [partial()])
    (letter,) = reader.dead_letters.find(LetterFilter(session_id=store.scope.session_id, kind="dependency"))
    assert (letter.blocker, letter.attempts) == ('["look 7"]', 1)
    mapped = reader.mapper(store.scope).get("dashboard", "1")
    assert (mapped.destination_id, mapped.is_begun, mapped.is_lacking) == ("9", False, True)
    store.write(store.scope, [result(Operation.UPDATED)])
    assert reader.dead_letters.find(LetterFilter()) == []
    assert not reader.mapper(store.scope).get("dashboard", "1").is_lacking


def test_the_journal_says_what_was_done_and_a_second_look_hears_of_it(store):
    reader = StateReader(store.path)
    store.write(store.scope, [partial(waits=Waits.FOR_OTHERS)])
    assert reader.status(store.scope, D, "1") is Operation.PARTIAL
    assert reader.became(store.scope, D, "1") is Operation.CREATED
    (waiting,) = reader.waiting(store.scope, D, for_name=False)
    assert (waiting.operation, waiting.done, waiting.error_kind) == (
        Operation.PARTIAL,
        Operation.CREATED,
        "dependency",
    )


@pytest.mark.parametrize("make", [partial, partial_no_more], ids=["again", "no_more"])
def test_tally_and_journal_agree_and_the_sums_add_up(store, make):
    tally, second = Tally(), make(earlier=Operation.PARTIAL, earlier_error="dependency")
    failed = result(Operation.FAILED, "3", error=ItemError(kind="dependency", message=""), blob=b"{}")
    for one in (partial(), result(Operation.UPDATED, "2"), failed, second):
        store.write(store.scope, [one])
        tally.add(one)
    session = StateReader(store.path).session(store.scope.session_id)
    journal = journal_tally(StateReader(store.path), session)
    assert journal.by_type[D] == {op: n for op, n in tally.by_type[D].items() if n}
    assert {kind: n for kind, n in tally.errors.items() if n} == journal.errors == {"dependency": 1}
    summary = session_summary(StateReader(store.path), session)
    counts = summary["summary"]
    assert counts["total_items"] == sum(counts[f"{end}_count"] for end in ENDS) == 3
    assert counts["partial_count"] == summary["content_type_breakdown"]["dashboard"]["partial"]
    assert (counts["partial_count"], counts["error_count"]) == (int(second.operation is Operation.PARTIAL), 1)
    assert counts["success_count"] == 2 - counts["partial_count"]


def test_the_table_has_a_column_and_the_end_says_where_to_look(store):
    store.write(store.scope, [partial()])
    session = StateReader(store.path).session(store.scope.session_id)
    summary = session_summary(StateReader(store.path), session)
    assert "partial" in [column.header for column in summary_table(summary).columns]
    lines = summary_lines({**summary, "status": "completed"})
    assert "partly restored: 1 item, without what is named" in lines
    assert any("failures list" in line for line in lines)
    assert not any(line.startswith("errors:") for line in lines)


def test_programs_are_told_what_was_done_beside_it():
    told = result_object(partial(), 4, dry_run=False)
    assert (told["status"], told["operation"], told["done"]) == ("partial", "partial", "created")
    assert (told["error"]["kind"], told["error"]["dead_letter_id"]) == ("dependency", 4)
    planned = change_object(partial(Operation.UPDATED))
    assert (planned["operation"], planned["done"]) == ("partial", "updated")
    assert planned["reason"] == MISSING.message
    assert change_object(result(Operation.CREATED))["done"] is None


def test_a_partial_item_does_not_count_against_max_errors():
    said = []
    budget = Budget(OwnLimits(errors=1, calls=None, duration_s=None), lambda: 0, said.append)
    budget.note(partial(calls=Calls(by_method={"POST": 1})))
    assert budget.room(0) > 0
    assert said == []
