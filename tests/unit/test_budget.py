"""A run stops at its own limits, between items."""

from lvrestore.model import Calls, ContentType, ItemError, Operation, RestorationResult
from lvrestore.settings import OwnLimits
from lvrestore.tasks.budget import Budget


class Run:
    def __init__(self, **limits):
        self.sent, self.now, self.reasons = 0, 0.0, []
        self.budget = Budget(
            OwnLimits(**limits), lambda: self.sent, self.reasons.append, clock=lambda: self.now
        )

    def ended(self, *, calls=0, failed=None):
        self.sent += calls
        error = ItemError(kind=failed, message="") if failed else None
        self.budget.note(
            RestorationResult(
                seq=0,
                content_type=ContentType.LOOK,
                source_id="1",
                name="",
                operation=Operation.FAILED if failed else Operation.UPDATED,
                calls=Calls({"GET": calls}),
                error=error,
            )
        )


def test_without_limits_there_is_always_room():
    run = Run()
    run.ended(calls=1_000_000, failed="validation")
    assert run.budget.room(100) > 100
    assert run.reasons == []


def test_items_that_wait_for_a_failed_one_are_no_errors_of_their_own():
    run = Run(errors=2)
    for kind in ("validation", "dependency", "dependency"):
        run.ended(failed=kind)
    assert run.budget.room(0)
    run.ended(failed="forbidden")
    assert run.budget.room(5) == 0
    assert "--max-errors 2" in run.reasons[0]


def test_no_item_is_begun_that_would_need_more_calls_than_are_left():
    run = Run(calls=200)
    for _ in range(10):
        run.ended(calls=10)
    assert run.budget.room(0) == 3  # a third of what would do for ten: some may cost far more
    assert run.budget.room(3) == 0
    assert run.reasons == []  # those in hand may turn out cheaper
    for _ in range(9):
        run.ended(calls=10)
    assert run.budget.room(0) == 1
    run.ended(calls=5)
    assert run.budget.room(0) == 0
    assert "--max-calls 200" in run.reasons[0]


def test_calls_of_the_preparation_count():
    run = Run(calls=10)
    run.sent = 11
    assert run.budget.room(0) == 0
    assert run.reasons == ["11 API calls were made (--max-calls 10)"]


def test_time_is_over():
    run = Run(duration_s=5400)
    assert run.budget.room(0)
    run.now = 5400
    assert run.budget.room(3) == 0
    assert run.reasons == ["1 h 30 min are over (--max-duration)"]
