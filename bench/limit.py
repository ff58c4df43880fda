"""How near a restore comes to the limit: the same requests from bare urllib3, sent to the same sandbox.

    python bench/limit.py --dashboards 2000 --procs 8 --inflight 16

Dashboards are restored and every request is recorded. Then as many processes with as many threads send the same
bodies to a fresh sandbox, and decode the answers with orjson: less cannot be done. Two restores of different size
tell what a request costs without the start of the processes. Budget: 1.5 x bare + 1 ms per dashboard.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import figures as fig
import msgspec
import orjson
import urllib3
from measure import MODES, PROFILES, Usage, measured, sandbox_arguments
from observed import Recorded, recorded
from rig import Command, observed_sandbox
from sandbox import log_in
from vaults import dashboards_vault

BARE_SHARE, PER_DASHBOARD_MS = 1.5, 1.0
START_S = 3.0
SMOKE = {"dashboards": 60, "procs": 2, "inflight": 2, "profile": "none"}
# The smaller restore: its cost is that of starting and of the first requests.
SMALL = 6


class Sent(msgspec.Struct):
    """What one process sent: how much, the CPU and wall seconds of it, how much was answered as recorded."""

    requests: int
    cpu_s: float
    seconds: float
    as_recorded: int


def main() -> int:
    """Restore, repeat, compare."""
    given, facts = arguments(), fig.machine()
    with tempfile.TemporaryDirectory(prefix="lvrestore-bench.") as temporary:
        folder = Path(temporary)
        small, _ = restore(given, folder / "small", max(2, given.dashboards // SMALL))
        whole, requests = restore(given, folder / "whole", given.dashboards)
        bare = repeat(given, folder / "bare", requests)
    found = compare(small, whole, bare)
    fig.table(f"{given.dashboards:,} dashboards, {given.procs} x {given.inflight}", found.items())
    fig.publish("limit", given, found, facts)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="60 dashboards, a few seconds")
    parser.add_argument("--dashboards", type=int, default=2000)
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--inflight", type=int, default=16)
    parser.add_argument("--profile", choices=PROFILES, default="fast")
    parser.add_argument("--mode", choices=[mode for mode in MODES if mode != "empty"], default="changed")
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    return given


def restore(given: argparse.Namespace, folder: Path, dashboards: int) -> tuple[Usage, list[Recorded]]:
    """Restore so many dashboards; return what it took and all requests."""
    folder.mkdir()
    vault, record = dashboards_vault(dashboards), folder / "requests"
    sandbox_is = sandbox_arguments(folder, vault, given.mode, given.profile)
    with observed_sandbox(folder, *sandbox_is, record=record) as sandbox:
        options = ("--procs", str(given.procs), "--inflight", str(given.inflight))
        command = Command(folder, vault, sandbox.url, *options)
        usage = measured(command.restore("bulk", "--type", "dashboard"), sandbox)
        return usage, recorded(record)


def repeat(given: argparse.Namespace, folder: Path, requests: list[Recorded]) -> list[Sent]:
    """Send recorded requests to a sandbox as it was before, from processes with threads."""
    folder.mkdir()
    spawn = multiprocessing.get_context("spawn")
    sandbox_is = sandbox_arguments(folder, dashboards_vault(given.dashboards), given.mode, given.profile)
    with observed_sandbox(folder, *sandbox_is) as sandbox:
        token, start, pipes = log_in(sandbox.url), time.monotonic() + START_S, []
        for number in range(given.procs):
            ours, theirs = spawn.Pipe(duplex=False)
            share = requests[number :: given.procs]
            work = (sandbox.url, token, share, given.inflight, start, theirs)
            spawn.Process(target=send_all, args=work, daemon=True).start()
            # With our end alone, the death of a process ends the wait as well.
            theirs.close()
            pipes.append(ours)
        return [pipe.recv() for pipe in pipes]


def send_all(
    url: str, token: str, requests: list[Recorded], threads: int, start: float, result: Connection
) -> None:
    """Be one process: send as fast as the threads can."""
    http = urllib3.PoolManager(maxsize=threads, retries=False)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    remaining = iter(requests)
    agreed: list[int] = []
    crew = [
        threading.Thread(target=send_some, args=(http, url, headers, remaining, agreed))
        for _ in range(threads)
    ]
    time.sleep(max(0.0, start - time.monotonic()))
    cpu, began = time.process_time(), time.monotonic()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    seconds = time.monotonic() - began
    result.send(Sent(len(requests), time.process_time() - cpu, seconds, sum(agreed)))


def send_some(
    http: urllib3.PoolManager,
    url: str,
    headers: dict[str, str],
    remaining: Iterator[Recorded],
    agreed: list[int],
) -> None:
    """Be one thread."""
    for one in remaining:
        reply = http.urlopen(one.method, url + one.target, body=one.body or None, headers=headers)
        if reply.data:
            orjson.loads(reply.data)
        agreed.append(reply.status == one.status)


def compare(small: Usage, whole: Usage, bare: list[Sent]) -> dict[str, Any]:
    """Return the figures of both, per request, and whether the budget holds."""
    requests = sum(one.requests for one in bare)
    bare_ms = 1000 * sum(one.cpu_s for one in bare) / requests
    more = whole.requests - small.requests
    client_ms = 1000 * (whole.client_cpu_s - small.client_cpu_s) / more
    per_dashboard = more / (whole.items - small.items)
    allowed_ms = BARE_SHARE * bare_ms + PER_DASHBOARD_MS / per_dashboard
    return {
        "items": whole.items,
        "requests": whole.requests,
        "requests_repeated": requests,
        "answered_as_recorded": round(sum(one.as_recorded for one in bare) / requests, 4),
        "calls_per_dashboard": round(per_dashboard, 3),
        "client_ms_per_request": round(client_ms, 3),
        "client_ms_per_request_with_start": round(1000 * whole.client_cpu_s / whole.requests, 3),
        "bare_ms_per_request": round(bare_ms, 3),
        "ratio": round(client_ms / bare_ms, 2),
        "allowed_ms_per_request": round(allowed_ms, 3),
        "within_budget": client_ms <= allowed_ms,
        "client_calls_per_s": round(whole.requests / whole.seconds, 1),
        "bare_calls_per_s": round(requests / max(one.seconds for one in bare), 1),
        "sandbox_cpu_s_under_client": round(whole.sandbox_cpu_s, 2),
        "client_cpu_s": whole.cpu_s,
    }


if __name__ == "__main__":
    sys.exit(main())
