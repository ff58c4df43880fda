"""Whether, and after what wait, a failed call is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from lvrestore.looker.classify import Failure


class Rng(Protocol):
    """The part of `random.Random` that backing off needs."""

    def uniform(self, a: float, b: float) -> float:
        """Draw a number between a and b."""
        ...


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently to repeat."""

    max_retries: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0

    def backoff_s(self, attempt: int) -> float:
        """Give the longest wait after this attempt, the first being 1: doubling, up to the cap."""
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Send it again after this time."""

    seconds: float


class GiveUp(msgspec.Struct, frozen=True, tag=True):
    """Do not send it again."""

    reason: str


def after_failure(failure: Failure, attempt: int, policy: RetryPolicy, rng: Rng) -> Wait | GiveUp:
    """Decide on the next attempt; the wait is drawn with full jitter, but never below `Retry-After`."""
    if not failure.repeatable:
        return GiveUp(failure.kind.value)
    if attempt > policy.max_retries:
        return GiveUp("attempts used up")
    return Wait(max(failure.retry_after_s or 0.0, rng.uniform(0.0, policy.backoff_s(attempt))))
