"""Whether, and after what wait, a failed call is sent again."""

from __future__ import annotations

from typing import Protocol

import msgspec

from lvrestore.looker.classify import Failure, FailureKind


class Rng(Protocol):
    """The part of `random.Random` that backing off needs."""

    def uniform(self, a: float, b: float) -> float:
        """Draw a number between a and b."""
        ...


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently to repeat.

    "Too many requests" says nothing about the one that met it: it is repeated for `rate_limit_patience_s`,
    however often that is.
    """

    max_retries: int = 5
    rate_limit_patience_s: float = 120.0
    base_s: float = 0.5
    cap_s: float = 30.0
    # The limiter already slows everybody down; who waits much longer than that only leaves the rate unused.
    rate_limit_cap_s: float = 4.0

    def backoff_s(self, failure: Failure, attempt: int) -> float:
        """Give the longest wait after this attempt, the first being 1: doubling, up to the cap."""
        cap_s = self.rate_limit_cap_s if failure.kind is FailureKind.RATE_LIMITED else self.cap_s
        return min(cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Send it again after this time."""

    seconds: float


class GiveUp(msgspec.Struct, frozen=True, tag=True):
    """Do not send it again."""

    reason: str


def after_failure(
    failure: Failure, attempt: int, policy: RetryPolicy, rng: Rng, tried_for_s: float = 0.0
) -> Wait | GiveUp:
    """Decide on the next attempt; the wait is drawn with full jitter, but never below `Retry-After`.

    `tried_for_s` is the time since the first attempt.
    """
    if not failure.repeatable:
        return GiveUp(failure.kind.value)
    patient = failure.kind is FailureKind.RATE_LIMITED and tried_for_s < policy.rate_limit_patience_s
    if attempt > policy.max_retries and not (patient and policy.max_retries):
        return GiveUp("attempts used up")
    return Wait(max(failure.retry_after_s or 0.0, rng.uniform(0.0, policy.backoff_s(failure, attempt))))
