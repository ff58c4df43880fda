"""How well processes that share a limiter use what an instance permits, and how soon they do so again.

    python bench/limiter.py                                    the instance and the limiter both say 50/s
    python bench/limiter.py --ceiling 0                        only the instance knows of its 50/s
    python bench/limiter.py --ceiling 0 --limit 0 --burst 20   no limit; at a third of the time 20 s of 429

Prints one JSON line. `used`: requests served after slow start, as a share of the limit (without a limit: of
what was served just before the burst). `limited`: share of the requests answered 429, `limited_in_start` of
those in the first seconds. With a burst, `recovered_after_s` is the time from the last 429 until as much is
served in a second as before, and `lowest_rate` what was served in the worst second after it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import statistics
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from sandbox import log_in

from lvrestore.looker.client import GaveUp, LookerClient
from lvrestore.looker.limiter import SharedLimiter
from lvrestore.looker.protocol import Answered, Request, Token
from lvrestore.looker.retry import RetryPolicy
from lvrestore.looker.transport import Endpoint, HttpTransport

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from lvrestore.looker.limiter import LimiterHandle
    from lvrestore.looker.protocol import NoAnswer

SLOW_START_S = 5.0
TOO_MANY = 429
REFUSED_AFTER_S = 0.05
RECOVERED_SHARE = 0.95
# As patient as the limiter needs: what is measured is the limiter, not when an item is given up.
PATIENT = RetryPolicy(max_retries=1000, cap_s=2.0)

Sending = tuple[float, int]  # when, by the system's monotonic clock, and how it was answered


def main() -> None:
    """Start a sandbox, load it through a shared limiter, print what came of it."""
    given = arguments()
    server = start_sandbox(given.limit, given.latency)
    try:
        url = server.stdout.readline().split()[1]
        start, sendings = load(url, given)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    print(json.dumps(summary(start, sorted(sendings), given)))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--limit", type=int, default=50, help="requests a second that the sandbox bears; 0: any"
    )
    parser.add_argument("--ceiling", type=int, default=50, help="requests a second for the limiter; 0: none")
    parser.add_argument("--latency", default="p50=80ms,p99=320ms")
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--inflight", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--burst", type=float, default=0.0, help="seconds of nothing but 429")
    return parser.parse_args()


def start_sandbox(limit: int, latency: str) -> subprocess.Popen[str]:
    """Start an empty sandbox."""
    command = [sys.executable, "-m", "lvrestore", "sandbox", "--latency", latency]
    if limit:
        command += ["--rate-limit", str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program


def load(url: str, given: argparse.Namespace) -> tuple[float, list[Sending]]:
    """Let processes send as much as they may; give the start and all that they sent."""
    limiter = SharedLimiter.create(given.ceiling or None)
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    token = log_in(url)
    # Starting processes takes a second or two, and all should begin at once.
    start = time.monotonic() + 3.0
    for _ in range(given.procs):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=send_all, args=(url, token, limiter.handle, start, given, theirs))
        process.start()
        pipes.append(mine)
        processes.append(process)
    sendings = [sending for pipe in pipes for sending in pipe.recv()]
    for process in processes:
        process.join()
    limiter.close()
    return start, sendings


class Tokens:
    """The one token of this benchmark."""

    def __init__(self, value: str) -> None:
        self._token = Token(value, 1, float("inf"))

    def current(self) -> Token:
        """Give it."""
        return self._token

    def renew(self, stale: Token) -> Token:
        """Fail: it is good for longer than the benchmark takes."""
        raise RuntimeError(f"{stale} was refused")


class Recording:
    """A transport that notes when it sends and how that is answered: during a burst with 429."""

    def __init__(self, transport: HttpTransport, burst: tuple[float, float]) -> None:
        self._transport, self._burst, self.sendings = transport, burst, []

    def send(self, request: Request) -> Answered | NoAnswer:
        """Send."""
        at = time.monotonic()
        begin, end = self._burst
        if begin <= at < end:
            time.sleep(REFUSED_AFTER_S)
            answer = Answered(TOO_MANY, {}, b"", REFUSED_AFTER_S)
        else:
            answer = self._transport.send(request)
        self.sendings.append((at, answer.status if isinstance(answer, Answered) else 0))
        return answer


def send_all(
    url: str,
    token: str,
    handle: LimiterHandle,
    start: float,
    given: argparse.Namespace,
    results: Connection,
) -> None:
    """Be one process of a run."""
    limiter, end = SharedLimiter.attach(handle), start + given.seconds
    burst_at = burst_begin(start, given)
    http = HttpTransport(Endpoint(url), inflight=given.inflight)
    transport = Recording(http, (burst_at, burst_at + given.burst))
    client = LookerClient(transport, tokens=Tokens(token), limiter=limiter, policy=PATIENT)
    time.sleep(max(0.0, start - time.monotonic()))
    threads = [threading.Thread(target=read_until, args=(client, end)) for _ in range(given.inflight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.send(transport.sendings)


def burst_begin(start: float, given: argparse.Namespace) -> float:
    """Tell when a burst begins."""
    return start + given.seconds / 3


def read_until(client: LookerClient, end: float) -> None:
    """Read one small thing over and over."""
    while time.monotonic() < end:
        try:
            client.call(Request("GET", "/user"))
        except GaveUp as error:
            print(f"gave up: {error}", file=sys.stderr)


def summary(start: float, sendings: list[Sending], given: argparse.Namespace) -> dict[str, object]:
    """Give the figures."""
    end = start + given.seconds
    begun = [s for s in sendings if s[0] < start + SLOW_START_S]
    steady = [s for s in sendings if start + SLOW_START_S <= s[0] < end]
    found: dict[str, object] = {
        "limit": given.limit,
        "ceiling": given.ceiling,
        "procs": given.procs,
        "inflight": given.inflight,
        "requests": len(sendings),
        "limited": round(limited(steady), 4),
        "limited_in_start": round(limited(begun), 4),
    }
    if given.limit and not given.burst:
        found["used"] = round(served(steady) / (given.limit * (given.seconds - SLOW_START_S)), 4)
    if given.burst:
        found |= recovery(start, sendings, given)
    return found


def recovery(start: float, sendings: list[Sending], given: argparse.Namespace) -> dict[str, object]:
    """Give what was served before a burst, and how soon that was so again."""
    burst_at = burst_begin(start, given)
    before = statistics.median(per_second(sendings, burst_at - 10.0, burst_at))
    last_refusal = max(at for at, status in sendings if status == TOO_MANY)
    after = per_second(sendings, last_refusal, start + given.seconds)
    fast = (second for second, rate in enumerate(after) if rate >= RECOVERED_SHARE * before)
    return {
        "rate_before": before,
        "refused_in_burst": sum(status == TOO_MANY for _, status in sendings),
        "lowest_rate": min(after),
        "rates_after": after[::5],
        "recovered_after_s": next(fast, None),
    }


def per_second(sendings: list[Sending], start: float, end: float) -> list[int]:
    """Count what was served in each whole second."""
    counts = [0] * int(end - start)
    for at, status in sendings:
        if start <= at < start + len(counts) and is_served(status):
            counts[int(at - start)] += 1
    return counts


def is_served(status: int) -> bool:
    """Whether it was answered with what was asked for."""
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers


def served(sendings: list[Sending]) -> int:
    """Count what was answered with what was asked for."""
    return sum(is_served(status) for _, status in sendings)


def limited(sendings: list[Sending]) -> float:
    """Give the share that was answered 429."""
    return sum(status == TOO_MANY for _, status in sendings) / max(len(sendings), 1)


if __name__ == "__main__":
    main()
