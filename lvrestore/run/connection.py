"""How a run reaches the instance: one login, one limiter and one view of its health, for all processes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import msgspec

from lvrestore.catalog.scan import AT_ONCE
from lvrestore.looker.client import LookerClient
from lvrestore.looker.credentials import Destination
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import LocalLimiter, SharedLimiter
from lvrestore.looker.retry import RetryPolicy
from lvrestore.looker.tokens import LoginTokens
from lvrestore.looker.transport import Endpoint, HttpTransport
from lvrestore.model import Calls
from lvrestore.run.messages import SharedNumbers
from lvrestore.run.outage import OutageWatch, probe
from lvrestore.run.signals import StopFlag
from lvrestore.settings import Ceilings

# Whether an instance answers at all, it need not be given two minutes to tell.
PROBE_TIMEOUT_S = 10.0


class Connection:
    """Made by the parent; `client` is for its own calls."""

    def __init__(
        self,
        destination: Destination,
        ceilings: Ceilings,
        retries: RetryPolicy,
        stop: StopFlag,
        *,
        calls: int | None,
        shared: bool,
    ) -> None:
        """With `shared`, other processes can join by what `numbers` says. All of them make `calls` calls at most."""
        self._stop, self._endpoint = stop, destination.endpoint
        self.limiter: LocalLimiter | SharedLimiter
        if shared:
            self.limiter = SharedLimiter.create(ceilings.per_second, ceilings.per_minute)
            self.health = Health.create()
        else:
            self.limiter, self.health = LocalLimiter(ceilings.per_second, ceilings.per_minute), Health()
        self.limiter.permit(calls)
        stop.in_vain = lambda: self.health.is_out or self.limiter.is_shut()
        self.tokens = LoginTokens(destination, limiter=self.limiter, stop=stop.cut_waits)
        self.client = self._make_client(self._endpoint, retries)
        quick = msgspec.structs.replace(
            self._endpoint, timeout_s=min(self._endpoint.timeout_s, PROBE_TIMEOUT_S)
        )
        self._prober = self._make_client(quick, RetryPolicy(max_retries=0))

    def _make_client(self, endpoint: Endpoint, policy: RetryPolicy) -> LookerClient:
        return LookerClient(
            HttpTransport(endpoint, inflight=AT_ONCE),
            tokens=self.tokens,
            limiter=self.limiter,
            policy=policy,
            stop=self._stop.cut_waits,
        )

    def close(self) -> None:
        """Remove the shared numbers."""
        self.health.close()
        if isinstance(self.limiter, SharedLimiter):
            self.limiter.close()

    def numbers(self) -> SharedNumbers:
        """What other processes need to share limiter and health; only of a shared connection."""
        assert isinstance(self.limiter, SharedLimiter)  # noqa: S101 - see `shared`
        assert self.health.handle is not None  # noqa: S101 - as above
        return SharedNumbers(self.limiter.handle, self.health.handle)

    def sent(self) -> int:
        """Calls that the whole run has made so far, those of its other processes included."""
        return self.limiter.counts().permitted

    def own_calls(self) -> Calls:
        """Calls of the parent that belong to no item: logins, probes, and what it reads before."""
        own = Calls(by_method={"POST": self.tokens.logins})
        for client in (self.client, self._prober):
            counts = client.counts
            own.add(
                Calls(by_method=counts.by_method, retries=counts.retries, rate_limited=counts.rate_limited)
            )
        return own

    @contextmanager
    def watched(self, timeout_s: float, give_up: Callable[[str], None]) -> Generator[Callable[[], list[str]]]:
        """While the block runs, an outage pauses everybody; one that lasts longer is given up.

        The value gives what there is to say about it since it was last asked.
        """
        watch = OutageWatch(
            self.health, partial(probe, self._prober), give_up, host=self._endpoint.host, timeout_s=timeout_s
        )
        with watch.watching():
            yield watch.news
