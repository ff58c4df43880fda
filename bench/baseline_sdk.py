"""What a user would write instead: looker-sdk and a thread pool, beside the command, on the same dashboards.

    python bench/baseline_sdk.py --dashboards 300 --profile typical

For each dashboard the script reads the live one, writes its fields, and updates or creates each tile and filter.
It compares nothing, places nothing, repeats nothing, and remembers nothing: it is the least that restores tiles.
The command runs twice: with as many requests under way as the script has threads, and with its defaults.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import apsw
import figures as fig
import msgspec
from looker_sdk import error, models40
from looker_sdk.rtl import api_settings, auth_session, requests_transport, serialize
from looker_sdk.sdk.api40 import methods
from measure import DASHBOARDS, MODES, PROFILES, Setup, Usage, restored, sandbox_arguments
from rig import observed_sandbox
from vaults import dashboards_vault

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob

SMOKE = {"dashboards": 24, "threads": 4, "profile": "none"}
DEFAULTS = (8, 4)
ROWS = "SELECT content_data FROM content_items WHERE content_type = ? AND id NOT LIKE '%::%'"
# What a body must not hold: of a tile's sources only one may be given, and folders are given by id.
NOT_SENT = {"query", "look", "result_maker", "result_maker_id", "folder"}


class Settings(api_settings.ApiSettings):
    """Settings of their own: the client would read the environment otherwise."""

    def __init__(self, url: str) -> None:
        self._given = {"base_url": url, "client_id": "id", "client_secret": "any", "verify_ssl": "false"}
        super().__init__()

    def read_config(self) -> dict[str, str]:
        """Give what was given."""
        return self._given


class Script:
    """The script: one client for all threads, as the SDK's examples have it."""

    def __init__(self, url: str) -> None:
        settings = Settings(url)
        settings.is_configured()
        transport = requests_transport.RequestsTransport.configure(settings)
        auth = auth_session.AuthSession(settings, transport, serialize.deserialize40, "4.0")
        self._sdk = methods.Looker40SDK(
            auth, serialize.deserialize40, serialize.serialize40, transport, "4.0"
        )
        self._lock = threading.Lock()
        self.calls = self.failed = 0

    def restore(self, content: dict[str, Any]) -> None:
        """Restore one dashboard, tiles and filters included."""
        sdk, dashboard_id = self._sdk, content["id"]
        live = self._call(sdk.dashboard, dashboard_id)
        if live is None:
            return
        self._call(sdk.update_dashboard, dashboard_id, as_body(content, models40.WriteDashboard))
        here = {tile.id for tile in live.dashboard_elements or ()}
        for tile in content.get("dashboard_elements", ()):
            body = as_body(tile, models40.WriteDashboardElement)
            if tile["id"] in here:
                self._call(sdk.update_dashboard_element, tile["id"], body)
            else:
                self._call(sdk.create_dashboard_element, body)
        filters = {one.id for one in live.dashboard_filters or ()}
        for one in content.get("dashboard_filters", ()):
            if one["id"] in filters:
                body = as_body(one, models40.WriteDashboardFilter)
                self._call(sdk.update_dashboard_filter, one["id"], body)
            else:
                self._call(sdk.create_dashboard_filter, as_body(one, models40.WriteCreateDashboardFilter))

    def _call(self, method: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - the SDK's
        failed, answer = 0, None
        try:
            answer = method(*arguments)
        except error.SDKError:
            failed = 1
        with self._lock:
            self.calls += 1
            self.failed += failed
        return answer


def as_body(content: dict[str, Any], model: type[Any]) -> Any:  # noqa: ANN401 - one of the SDK's
    """Make one of the SDK's bodies; what it does not know is dropped by its decoder."""
    known = {name: value for name, value in content.items() if name not in NOT_SENT}
    return serialize.deserialize40(data=msgspec.json.encode(known).decode(), structure=model)


class Outcome(msgspec.Struct, kw_only=True):
    """What one way of restoring took; `cpu_s` without the start of the interpreter."""

    items: int
    calls: int
    failed: int
    seconds: float
    cpu_s: float

    def shown(self) -> dict[str, float]:
        """Give the figures that can be compared."""
        return {
            "items": self.items,
            "calls": self.calls,
            "failed": self.failed,
            "calls_per_item": round(self.calls / self.items, 2),
            "seconds": round(self.seconds, 2),
            "items_per_s": round(self.items / self.seconds, 2),
            "cpu_ms_per_call": round(1000 * self.cpu_s / self.calls, 2),
            "cpu_ms_per_item": round(1000 * self.cpu_s / self.items, 2),
        }


def main() -> int:
    """Run all three, print them side by side."""
    given, facts = arguments(), fig.machine()
    equal = (max(1, given.threads // DEFAULTS[1]), min(given.threads, DEFAULTS[1]))
    with tempfile.TemporaryDirectory(prefix="lvrestore-bench.") as temporary:
        folder = Path(temporary)
        runs = {
            f"looker-sdk, {given.threads} threads": run_script(given, folder / "script"),
            f"lvrestore, {equal[0]} x {equal[1]}": run_command(given, *equal),
            f"lvrestore, {DEFAULTS[0]} x {DEFAULTS[1]}": run_command(given, *DEFAULTS),
        }
    found = {name: outcome.shown() for name, outcome in runs.items()}
    script, as_wide, _ = found.values()
    ratios = {
        "items_per_s": round(as_wide["items_per_s"] / script["items_per_s"], 2),
        "cpu_ms_per_call": round(script["cpu_ms_per_call"] / as_wide["cpu_ms_per_call"], 2),
        "cpu_ms_per_item": round(script["cpu_ms_per_item"] / as_wide["cpu_ms_per_item"], 2),
    }
    rows = [(name, *(one[name] for one in found.values())) for name in script]
    fig.table(f"{given.dashboards:,} dashboards, {given.mode}, {given.profile}", rows, ("", *found))
    fig.table("the script's as a multiple of the command's, with the same width", ratios.items())
    fig.publish("baseline_sdk", given, {"runs": found, "ratios": ratios}, facts)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="24 dashboards, a few seconds")
    parser.add_argument("--dashboards", type=int, default=300)
    parser.add_argument("--threads", type=int, default=8, help="of the script")
    parser.add_argument("--profile", choices=PROFILES, default="typical")
    parser.add_argument("--mode", choices=[mode for mode in MODES if mode != "empty"], default="changed")
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    return given


def run_script(given: argparse.Namespace, folder: Path) -> Outcome:
    """Let the script restore, in a process of its own."""
    folder.mkdir()
    vault, spawn = dashboards_vault(given.dashboards), multiprocessing.get_context("spawn")
    with observed_sandbox(folder, *sandbox_arguments(folder, vault, given.mode, given.profile)) as sandbox:
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=script_main, args=(sandbox.url, vault, given.threads, theirs))
        process.start()
        # With our end alone, the death of the process ends the wait as well.
        theirs.close()
        outcome: Outcome = ours.recv()
        process.join()
        return outcome


def script_main(url: str, vault: Path, threads: int, result: Connection) -> None:
    """Be the process of the script."""
    with closing(apsw.Connection(str(vault), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        contents = [decode_blob(blob) for (blob,) in db.execute(ROWS, (ContentType.DASHBOARD.value,))]
    script = Script(url)
    cpu, began = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(script.restore, contents))
    outcome = Outcome(
        items=len(contents),
        calls=script.calls,
        failed=script.failed,
        seconds=time.monotonic() - began,
        cpu_s=time.process_time() - cpu,
    )
    result.send(outcome)


def run_command(given: argparse.Namespace, procs: int, inflight: int) -> Outcome:
    """Let the command restore; its start and its reading of the instance count in full."""
    setup = Setup(
        vault=dashboards_vault(given.dashboards),
        mode=given.mode,
        profile=given.profile,
        procs=procs,
        inflight=inflight,
        what=DASHBOARDS,
    )
    usage, _ = restored(setup)
    return outcome_of(usage)


def outcome_of(usage: Usage) -> Outcome:
    """Return the figures of a run of the command."""
    return Outcome(
        items=usage.items,
        calls=usage.requests,
        failed=usage.said["summary"]["error_count"],
        seconds=usage.seconds,
        cpu_s=usage.client_cpu_s,
    )


if __name__ == "__main__":
    sys.exit(main())
