"""What people are told before a run and of its progress."""

import io
import sys
from pathlib import Path

import msgspec
import pytest

from lvrestore.looker.classify import Failure, FailureKind
from lvrestore.looker.client import GaveUp
from lvrestore.model import (
    SUCCESSES,
    ContentType,
    ItemError,
    Operation,
    RestorationResult,
    Scanned,
    VaultRow,
    Waits,
)
from lvrestore.plan.identity import Evidence, declared_same, judge
from lvrestore.rehearsal.in_order import Rehearsal
from lvrestore.report.jsonl import JsonLines
from lvrestore.report.progress import Progress
from lvrestore.report.reporter import Intent
from lvrestore.report.tally import Frame, Tally, summary
from lvrestore.report.terminal import Terminal, narrowed, summary_lines, type_lines
from lvrestore.report.wording import api_calls, intent_lines

USER, BOARD, MODEL = ContentType.USER, ContentType.BOARD, ContentType.LOOKML_MODEL


def intent(counts, **given):
    given.setdefault("verdict", judge(Evidence(3, 0)))
    return Intent(
        counts=counts,
        left_out_deleted=0,
        vault_path=Path("v.db"),
        vault_newest=None,
        instance="https://looker.example.com",
        source="https://looker.example.com",
        session=None,
        **given,
    )


def test_types_without_items_are_not_spoken_of():
    first, *_ = intent_lines(intent({MODEL: 2, BOARD: 0, USER: 1}))
    assert first == "Restore 2 LookML models, 1 user into https://looker.example.com"


def test_a_backup_that_does_not_name_its_instance_is_not_of_an_instance_called_unknown():
    elsewhere = msgspec.structs.replace(
        intent({BOARD: 1}, verdict=judge(Evidence(0, 0, 9))), source="unknown"
    )
    said = "\n".join(intent_lines(elsewhere))
    assert "of unknown" not in said
    assert "does not say which instance it is of; no object is matched by its number" in said


def test_it_is_said_how_an_instance_is_known_and_how_to_declare_it():
    unproved = judge(Evidence(0, 0, 490))
    for verdict, words in (
        (judge(Evidence(141, 0, 150)), ("141 of 150 objects",)),
        (judge(Evidence(6, 0, 490)), ("Only 6 of 490 objects are there",)),
        (unproved, ("not proved", "0 of 490 objects", "add --same-instance")),
        (
            declared_same(unproved),
            ("declared, not proved", "Ids of the backup count", "Only 0 of 490 objects"),
        ),
    ):
        said = "\n".join(intent_lines(intent({BOARD: 1}, verdict=verdict)))
        assert all(word in said for word in words), said
        assert ("--same-instance" in said) is (verdict is unproved)


@pytest.mark.parametrize(
    ("answers", "agreed", "asked"), [("y y", True, 2), ("n", False, 1), ("y n", False, 2)]
)
def test_a_declaration_has_a_question_of_its_own(monkeypatch, answers, agreed, asked):
    questions, replies = [], answers.split()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def confirm(question, **_):
        questions.append(question)
        return replies[len(questions) - 1] == "y"

    monkeypatch.setattr("click.confirm", confirm)
    about = intent({BOARD: 1}, verdict=declared_same(judge(Evidence(0, 0, 9))), asks_identity=True)
    assert Terminal(force=False, quiet=True, verbose=False, progress=False).confirm(about) is agreed
    assert len(questions) == asked
    assert "the instance this backup was taken from" in questions[0]
    assert questions[1:] == ["Restore 1 item to https://looker.example.com?"][: asked - 1]


def test_programs_are_warned_of_an_instance_that_is_not_proved(capsys):
    JsonLines(force=True).begin(intent({BOARD: 1}, verdict=judge(Evidence())), dry_run=False)
    assert "--same-instance" in capsys.readouterr().err
    JsonLines(force=True).begin(intent({BOARD: 1}), dry_run=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verbose", [True, False])
def test_programs_get_each_warning_on_stderr_if_they_want_to_know_more(verbose, capsys):
    result = RestorationResult(
        seq=0,
        content_type=BOARD,
        source_id="7",
        name="b",
        operation=Operation.UPDATED,
        warnings=(("image_lost", "of item 3\x1b[2J"),),
    )
    JsonLines(force=True, verbose=verbose).result(result, Tally())
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == ("board 7: image_lost: of item 3\\x1b[2J\n" if verbose else "")


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_programs_get_warnings_about_the_run_alone(quiet, capsys):
    lines = JsonLines(force=True, quiet=quiet)
    lines.say("something of no consequence")
    lines.warn("something that matters")
    said = capsys.readouterr().err.splitlines()
    assert said == [*([] if quiet else ["something of no consequence"]), "warning: something that matters"]


def test_how_the_destination_is_read_is_said():
    scanned = (
        Scanned("user", 1200, 3, complete=True),
        Scanned("lookml_model", 5, 2, complete=False),
        Scanned("folder", 0, 1, complete=True),
    )
    lines = intent_lines(intent({MODEL: 5, USER: 1200, BOARD: 4}, scanned=scanned))
    assert "Read in bulk, 3 calls: 1,200 users." in lines
    assert "Asked for one by one: 5 LookML models, 4 boards." in lines


def test_nothing_is_said_of_reading_when_all_is_asked_for():
    assert not [line for line in intent_lines(intent({BOARD: 4})) if "bulk" in line or "one by one" in line]


def test_each_type_has_a_line_and_the_names_stand_below_each_other():
    said = []
    totals = dict.fromkeys(ContentType, 1)
    totals[ContentType.EXPLORE] = 0
    progress, tally = Progress(totals, (ContentType.EXPLORE,), said.append), Tally()
    for content_type in ContentType:
        if totals[content_type]:
            result = RestorationResult(
                seq=1, content_type=content_type, source_id="1", name="One", operation=Operation.CREATED
            )
            tally.add(result)
            progress.result(result, tally)
    progress.close(tally, completed=True)
    assert len(said) == len(ContentType)
    assert said[0].startswith("[1/12] Dashboards ")
    assert said[2].startswith("[3/12] LookML models ")
    assert said[3].split("  ", 1)[1].strip() == "none in this backup"
    assert len({line.index(" 1/1 ") for line in said if " 1/1 " in line}) == 1


def overwriting(counts, there):
    return [line for line in intent_lines(intent(counts, there=there)) if "overwritten" in line]


def test_how_much_may_be_overwritten_is_said_as_far_as_it_is_known():
    counts = {MODEL: 5, USER: 1200, BOARD: 4}
    assert overwriting(counts, {}) == [
        "Objects that exist and differ from the backup are overwritten, newer edits included (--dry-run shows them)."
    ]
    assert overwriting(counts, {USER: 1100, MODEL: 0}) == [
        "Already there, and overwritten where they differ from the backup: 1,100 users.",
        "Boards that exist and differ from the backup are overwritten, newer edits included (--dry-run shows them).",
    ]
    assert overwriting({USER: 2}, {USER: 0}) == [
        "Nothing of it is there yet, so that nothing is overwritten."
    ]


def test_one_call_is_not_plural():
    assert [api_calls(n) for n in (0, 1, 1234)] == ["0 API calls", "1 API call", "1,234 API calls"]


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def test_a_dry_run_writes_no_line_beside_a_bar_and_leaves_none_unfinished(monkeypatch):
    screen = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    terminal = Terminal(force=True, quiet=False, verbose=False, progress=True)
    tally = Tally()
    rehearsal = Rehearsal(
        lambda result: (tally.add(result), terminal.result(result, tally)), lambda r: terminal.seen(r, tally)
    )
    terminal.begin(intent({USER: 2, BOARD: 1}), dry_run=True)
    made = {"name": "One", "operation": Operation.UPDATED}
    rehearsal.take(RestorationResult(seq=0, content_type=USER, source_id="1", waits=True, **made))
    rehearsal.take(RestorationResult(seq=1, content_type=USER, source_id="2", **made))
    rehearsal.take(RestorationResult(seq=2, content_type=BOARD, source_id="3", **made))
    assert [one.operation for one in rehearsal.waiting(same_instance=True)] == [Operation.UPDATED]
    again = RestorationResult(seq=3, content_type=USER, source_id="1", earlier=Operation.UPDATED, **made)
    rehearsal.take(again)
    terminal.end({"status": "planned", "summary": {"total_items": 0}})
    said = screen.getvalue()
    assert "50% 1/2" not in said.rsplit("100% 2/2", 1)[1]
    for at in (i for i in range(len(said)) if said.startswith("would be updated", i)):
        assert said[at - 1] in "\r\n"
    assert said.count("would be updated") == 3


@pytest.mark.parametrize("healed", [False, True])
def test_what_is_wrong_with_an_item_is_said_once(healed, capsys):
    terminal = Terminal(force=True, quiet=False, verbose=False, progress=False)
    item = {"content_type": BOARD, "source_id": "1", "name": "One"}
    error = ItemError(kind="dependency", message="look 7 is missing")
    first = RestorationResult(seq=1, operation=Operation.FAILED, error=error, waits=Waits.FOR_OTHERS, **item)
    second = {"operation": Operation.CREATED} if healed else {"operation": Operation.FAILED, "error": error}
    terminal.result(first, Tally())
    terminal.result(RestorationResult(seq=2, earlier=Operation.FAILED, **second, **item), Tally())
    said = capsys.readouterr().err
    assert said.count("look 7 is missing") == 1
    assert ('created after all: board 1 "One"' in said) is healed


def test_a_dry_run_that_is_stopped_has_nothing_to_resume():
    frame = Frame(
        session_id=None, source="a", destination="a", same_instance=True, identity={}, left_out_deleted=0
    )
    said = "\n".join(summary_lines(summary(Tally(), frame, status="stopped", duration_s=1)))
    assert "0 calls, 0 retries" in said
    assert "stopped: nothing was written, and what else would be done is not shown" in said
    assert "resume" not in said


def test_a_change_is_told_where_it_is():
    before = {"x": [1, {"y": None, "z": 2}], "not sent": 1}
    assert [*narrowed("a", before, {"x": [1, {"y": "", "z": 2}]})] == [("a.x[1].y", None, "")]
    assert [*narrowed("b", [1], [1, 2])] == [("b", [1], [1, 2])]
    assert [*narrowed("c", {"x": 1, "y": 2}, {"x": 1})] == [("c", {"x": 1, "y": 2}, {"x": 1})]


def test_a_terminal_without_room_for_the_table_gets_lines():
    counts = dict.fromkeys([*Operation, "total"], 0)
    summary = {"content_type_breakdown": {"look": counts | {"total": 1200, "created": 1199, "failed": 1}}}
    assert [*type_lines(summary)] == ["look 1,200: 1,199 created, 1 failed"]


def test_a_single_item_is_named_by_id_and_title():
    row = VaultRow(content_type=BOARD, source_id="42", name="Sales " * 40, blob=b"")
    first, *_ = intent_lines(intent({BOARD: 1}, only=row))
    assert first.startswith("Restore board 42 'Sales Sales ")
    assert first.endswith("…' into https://looker.example.com")
    assert len(first) < 120


def test_a_type_whose_counts_a_second_look_changed_is_told_again():
    said = []
    progress, tally = Progress({USER: 2, BOARD: 1}, (), said.append), Tally()
    held = RestorationResult(seq=1, content_type=USER, source_id="1", name="A", operation=Operation.FAILED)
    for one in (
        held,
        msgspec.structs.replace(held, source_id="2", operation=Operation.CREATED),
        msgspec.structs.replace(held, content_type=BOARD, operation=Operation.CREATED),
        msgspec.structs.replace(held, operation=Operation.UPDATED, earlier=Operation.FAILED),
    ):
        tally.add(one)
        progress.result(one, tally)
    progress.close(tally, completed=True)
    counts = [line.split("  ", 1)[1].strip() for line in said if "Users" in line]
    assert counts == [
        "2/2  created 1  failed 1",
        "2/2  created 1  updated 1  failed 0  (after a second look)",
    ]


@pytest.mark.parametrize(("attempts", "told"), [(1, "503 busy"), (3, "503 busy (after 3 attempts)")])
def test_attempts_are_told_only_where_there_were_several(attempts, told):
    failure = Failure(kind=FailureKind.TRANSIENT, message="busy", status=503)
    assert str(GaveUp(failure, attempts)) == told


def test_a_dry_run_shows_where_two_long_values_differ(capsys):
    terminal = Terminal(force=False, quiet=False, verbose=False, progress=False)
    terminal.begin(intent({BOARD: 1}), dry_run=True)
    change = ("description", "x" * 2000 + "then", "x" * 2000 + "now")
    terminal.result(
        RestorationResult(
            seq=1,
            content_type=BOARD,
            source_id="1",
            name="N" * 2000,
            operation=Operation.UPDATED,
            changes=(change,),
        ),
        Tally(),
    )
    shown = capsys.readouterr().out
    assert 'then"' in shown
    assert 'now"' in shown
    assert max(map(len, shown.splitlines())) < 160


@pytest.mark.parametrize("operation", Operation)
def test_quiet_people_see_of_a_dry_run_what_goes_wrong(operation, capsys):
    terminal = Terminal(force=True, quiet=True, verbose=False, progress=False)
    terminal.begin(intent({BOARD: 1}), dry_run=True)
    result = RestorationResult(seq=0, content_type=BOARD, source_id="1", name="Sales", operation=operation)
    terminal.result(result, Tally())
    goes_well = operation in {*SUCCESSES, Operation.SKIPPED}
    assert ("Sales" in capsys.readouterr().out) is not goes_well
