"""What a driver knows of one task: nothing of the task before it, and what was sent since the task began."""

from datetime import UTC, datetime, timedelta

import pytest

from lvrestore.looker.client import CallCounts
from lvrestore.model import Calls, ContentType, Operation, QueryTask, RestorationTask
from lvrestore.play.attempt import Attempt


class Counting:
    """A client that has sent what the test says."""

    rehearses = False
    last_response = None

    def __init__(self):
        self.counts = CallCounts({"GET": 5}, 2, 1)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def task(**fields):
    what = {"seq": 1, "content_type": ContentType.LOOK, "source_id": "7", "name": "a look", "blob": b"{}"}
    return RestorationTask(**(what | fields))


def attempt_at(one, clock=None):
    return Attempt(one, Counting(), clock or Clock())


QUERIES = QueryTask(seq=1, kind="query", source_ids=("1",))


@pytest.mark.parametrize("one", [task(), QUERIES], ids=["item", "queries"])
def test_a_new_attempt_knows_nothing(one):
    attempt = attempt_at(one)
    assert (attempt.warnings, attempt.checked, attempt.repeats) == ([], [], 0)
    assert [attempt.begun, attempt.is_uncertain, attempt.only_server_knows] == [False] * 3
    assert attempt.landing_s < 0
    assert attempt.calls == Calls(by_method={}, retries=0, rate_limited=0)


def test_two_attempts_share_nothing():
    first, second = attempt_at(task()), attempt_at(task())
    first.warnings.append(("in_trash", "look 7 is in the trash"))
    first.checked.append("look:7")
    assert (second.warnings, second.checked) == ([], [])


def test_calls_are_those_since_the_attempt_began_with_the_posts_that_were_sent_again():
    attempt = attempt_at(task())
    attempt.client.counts = CallCounts({"GET": 5, "POST": 2}, 3, 1)
    attempt.repeats += 1
    assert attempt.calls == Calls(by_method={"POST": 2}, retries=2, rate_limited=0)


def test_the_duration_is_told_in_milliseconds():
    clock = Clock()
    attempt = attempt_at(task(), clock)
    clock.now += 1.25
    assert attempt.duration_ms == 1250


def test_starting_over_forgets_what_is_said_again_and_keeps_what_was_learned():
    attempt = attempt_at(task())
    attempt.warnings.append(("in_trash", ""))
    attempt.checked.append("look:7")
    attempt.only_server_knows, attempt.repeats = True, 1
    attempt.start_over()
    assert (attempt.warnings, attempt.checked) == ([], [])
    assert (attempt.only_server_knows, attempt.repeats) == (True, 1)


def test_an_uncertain_item_is_known_to_the_server_alone():
    attempt = attempt_at(task(uncertain=True))
    assert attempt.is_uncertain
    assert attempt.only_server_knows


@pytest.mark.parametrize(
    ("earlier", "error", "expected"),
    [
        (None, None, False),
        (Operation.UNCHANGED, None, False),
        (Operation.UPDATED, None, True),
        (Operation.FAILED, "VALIDATION", True),
        (Operation.FAILED, "dependency", False),
    ],
)
def test_what_this_run_may_have_written_is_known_to_the_server_alone(earlier, error, expected):
    assert attempt_at(task(earlier=earlier, earlier_error=error)).only_server_knows is expected


def test_a_request_of_an_earlier_attempt_may_land_until_the_time_of_the_task():
    clock = Clock()
    attempt = attempt_at(task(lands_until=datetime.now(UTC) + timedelta(seconds=30)), clock)
    assert 29 < attempt.landing_s <= 30
    clock.now += 31
    assert attempt.landing_s < 0


def test_a_query_is_no_item():
    assert attempt_at(task()).item == task()
    with pytest.raises(TypeError):
        attempt_at(QUERIES).item  # noqa: B018
