"""What people are told before a run and of its progress."""

from pathlib import Path

from lvrestore.model import ContentType, Operation, RestorationResult
from lvrestore.plan.identity import Evidence, judge
from lvrestore.report.progress import Progress
from lvrestore.report.reporter import Intent
from lvrestore.report.tally import Tally
from lvrestore.report.wording import intent_lines
from lvrestore.run.scan import Scanned

USER, BOARD, MODEL = ContentType.USER, ContentType.BOARD, ContentType.LOOKML_MODEL


def intent(counts, **given):
    return Intent(
        counts=counts,
        left_out_deleted=0,
        vault_path=Path("v.db"),
        vault_newest=None,
        instance="https://looker.example.com",
        verdict=judge(Evidence(3, 0)),
        session=None,
        **given,
    )


def test_types_without_items_are_not_spoken_of():
    first, *_ = intent_lines(intent({MODEL: 2, BOARD: 0, USER: 1}))
    assert first == "Restore 2 LookML models, 1 user into https://looker.example.com"


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
