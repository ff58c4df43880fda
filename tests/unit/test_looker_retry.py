"""When a failed call is sent again."""

import pytest

from lvrestore.looker.classify import Failure, FailureKind
from lvrestore.looker.retry import GiveUp, RetryPolicy, Wait, after_failure


class Highest:
    def uniform(self, a, b):
        return b


class Lowest:
    def uniform(self, a, b):
        return a


def failure(**given):
    return Failure(
        **{"kind": FailureKind.TRANSIENT, "status": 503, "message": "", "repeatable": True} | given
    )


def test_the_wait_doubles_up_to_the_cap():
    policy = RetryPolicy(max_retries=9, base_s=1.0, cap_s=5.0)
    waits = [after_failure(failure(), attempt, policy, Highest()) for attempt in range(1, 6)]
    assert waits == [Wait(1.0), Wait(2.0), Wait(4.0), Wait(5.0), Wait(5.0)]
    assert policy.backoff_s(failure(), 10_000) == 5.0


def test_jitter_is_full_but_respects_retry_after():
    assert after_failure(failure(), 3, RetryPolicy(), Lowest()) == Wait(0.0)
    assert after_failure(failure(retry_after_s=4.0), 1, RetryPolicy(), Lowest()) == Wait(4.0)


@pytest.mark.parametrize(("attempt", "last"), [(5, False), (6, True)])
def test_attempts_are_used_up(attempt, last):
    decision = after_failure(failure(), attempt, RetryPolicy(max_retries=5), Highest())
    assert isinstance(decision, GiveUp) == last


LIMITED = {"kind": FailureKind.RATE_LIMITED, "status": 429}


def test_too_many_requests_is_no_fault_of_the_one_that_met_it():
    policy = RetryPolicy(max_retries=2, rate_limit_patience_s=60.0)
    assert after_failure(failure(**LIMITED), 50, policy, Highest(), 59.0) == Wait(policy.rate_limit_cap_s)
    assert isinstance(after_failure(failure(**LIMITED), 50, policy, Highest(), 60.0), GiveUp)
    assert isinstance(after_failure(failure(), 50, policy, Highest(), 1.0), GiveUp)


def test_no_repeats_means_none():
    policy = RetryPolicy(max_retries=0)
    assert isinstance(after_failure(failure(**LIMITED), 1, policy, Highest(), 0.0), GiveUp)


def test_a_refusal_is_not_repeated():
    refusal = failure(kind=FailureKind.VALIDATION, repeatable=False)
    assert after_failure(refusal, 1, RetryPolicy(), Highest()) == GiveUp("validation")
