"""How long it takes to put one lost dashboard back, validation included, against an instance that is near or far.

    python bench/single.py --tiles 3 --latency 20 300 --runs 5

The dashboard is destroyed before each run, so that all of it is made again. Budget for up to 25 calls: 1.5 s where
every call takes 20 ms, 10 s where it takes 300 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import figures as fig
import urllib3
from measure import LONGEST_S
from rig import Command, observed_sandbox
from sandbox import log_in
from vaults import dashboards_vault

from lvrestore.looker.transport import API_PATH

BUDGET_S = {20: 1.5, 300: 10.0}
BUDGET_CALLS = 25
SMOKE = {"tiles": 3, "latency": [1], "runs": 1}
DASHBOARD = "1"


def main() -> int:
    """Restore one dashboard, again and again."""
    given, facts = arguments(), fig.machine()
    found = {f"{ms} ms": against(ms, given) for ms in given.latency}
    rows = [
        (name, one["calls"], one["median_s"], one["slowest_s"], one["budget_s"])
        for name, one in found.items()
    ]
    header = ("a call takes", "calls", "median, s", "slowest, s", "budget, s")
    fig.table(f"one dashboard of {given.tiles} tiles, {given.runs} runs each", rows, header)
    fig.publish("single", given, found, facts)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="one run; a few seconds")
    parser.add_argument("--tiles", type=int, default=3)
    parser.add_argument(
        "--latency", type=int, nargs="+", default=list(BUDGET_S), help="ms that every call takes"
    )
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    return given


def against(ms: int, given: argparse.Namespace) -> dict[str, Any]:
    """Restore a dashboard so often into an instance of which every call takes so long."""
    vault, seconds, calls = dashboards_vault(1, tiles=given.tiles), [], 0
    with tempfile.TemporaryDirectory(prefix="lvrestore-bench.") as temporary:
        slow = ("--from-vault", str(vault), "--latency", f"p50={ms}ms,p99={ms}ms")
        with observed_sandbox(Path(temporary), *slow) as sandbox:
            for number in range(given.runs):
                folder = Path(temporary, str(number))
                folder.mkdir()
                destroy(sandbox.url)
                sandbox.forget()
                command = Command(folder, vault, sandbox.url)
                ended = command.restore("single", "dashboard", DASHBOARD).end(LONGEST_S)
                if ended.code:
                    raise RuntimeError(f"the run ended with {ended.code}: {ended.said}")
                seconds.append(ended.seconds)
                calls = sandbox.seen()["requests"]
    median = statistics.median(seconds)
    budget_s = BUDGET_S.get(ms) if calls <= BUDGET_CALLS else None
    return {
        "calls": calls,
        "median_s": round(median, 3),
        "slowest_s": round(max(seconds), 3),
        "budget_s": budget_s,
        "is_within": None if budget_s is None else median < budget_s,
    }


def destroy(url: str) -> None:
    """Destroy all dashboards of a sandbox, under whatever id the one is there by now."""
    http = urllib3.PoolManager(headers={"Authorization": f"Bearer {log_in(url)}"})
    for one in http.request("GET", f"{url}{API_PATH}/dashboards", fields={"fields": "id"}).json():
        http.request("DELETE", f"{url}{API_PATH}/dashboards/{one['id']}")


if __name__ == "__main__":
    sys.exit(main())
