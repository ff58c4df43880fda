"""Restore a large generated backup with the real command, and measure everything about it.

    python bench/run_50k.py --profile typical --procs 8 --inflight 16
    python bench/run_50k.py --items 5000 --profile fast --mode dropped --resume-check
    python bench/run_50k.py --items 5000 --command bulk --rate-limit-per-second 100

The sandbox has a process of its own, but not a machine of its own: how much CPU it took is said, so that one can
see what bounds a figure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import figures as fig
from measure import (
    DASHBOARDS,
    EVERYTHING,
    FINISHED,
    MODES,
    POLICY,
    PROFILES,
    Usage,
    Wave,
    journaled,
    kill_half_way,
    measured,
    sandbox_arguments,
    waves,
)
from rig import Command, Running, Sandbox, observed_sandbox
from vaults import mixed_vault

SMOKE = {"items": 120, "procs": 2, "inflight": 2, "profile": "none", "resume_check": True}


def main() -> int:
    """Do what the arguments say; print and write the figures."""
    given, facts = arguments(), fig.machine()
    vault = mixed_vault(given.items, given.seed)
    with tempfile.TemporaryDirectory(prefix="lvrestore-bench.") as temporary:
        folder = Path(temporary)
        found = whole_run(given, vault, folder / "whole")
        if given.resume_check:
            found["resume"] = resumed_run(given, vault, folder / "resumed", found)
    fig.publish("run_50k", given, found, facts)
    fine = found["exit_code"] in FINISHED and found.get("resume", {}).get("as_whole", True)
    return 0 if fine else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = fig.parser(__doc__, smoke="120 items, killed once and resumed; a few seconds")
    parser.add_argument("--items", type=int, default=50_000, help="rows of the backup")
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--inflight", type=int, default=16, help="requests under way per process")
    parser.add_argument("--profile", choices=PROFILES, default="typical", help="how slow the sandbox is")
    parser.add_argument("--mode", choices=MODES, default="changed", help="what is wrong with the instance")
    parser.add_argument("--command", choices=("all", "bulk"), default="all", help="bulk: dashboards alone")
    parser.add_argument("--rate-limit-per-second", type=int, help="a ceiling for the tool")
    parser.add_argument("--rate-limit-per-minute", type=int, help="as above")
    parser.add_argument("--sandbox-rate-limit", type=int, help="what the sandbox bears in a second, else 429")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--resume-check", action="store_true", help="kill a second run half way, and resume it"
    )
    given = parser.parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    if given.mode == "empty" and given.command == "bulk":
        parser.error("on an empty instance there are no folders for dashboards: use --command all")
    return given


def sandbox_of(given: argparse.Namespace, vault: Path, folder: Path) -> list[str]:
    """Return the arguments of the sandbox."""
    folder.mkdir()
    more = ["--rate-limit", str(given.sandbox_rate_limit)] if given.sandbox_rate_limit else []
    return sandbox_arguments(folder, vault, given.mode, given.profile, given.seed) + more


def command_of(given: argparse.Namespace, vault: Path, folder: Path, sandbox: Sandbox) -> Command:
    """Return the command with its engine's options."""
    options = ["--procs", str(given.procs), "--inflight", str(given.inflight)]
    for unit, limit in (("second", given.rate_limit_per_second), ("minute", given.rate_limit_per_minute)):
        options += [f"--rate-limit-per-{unit}", str(limit)] if limit else []
    return Command(folder, vault, sandbox.url, *options)


def start(command: Command, given: argparse.Namespace) -> Running:
    """Start the restore."""
    return command.restore(*(EVERYTHING if given.command == "all" else (*DASHBOARDS, *POLICY)))


def whole_run(given: argparse.Namespace, vault: Path, folder: Path) -> dict[str, Any]:
    """Restore once, undisturbed."""
    with observed_sandbox(folder.parent, *sandbox_of(given, vault, folder)) as sandbox:
        command, began_at = command_of(given, vault, folder, sandbox), time.time()
        usage = measured(start(command, given), sandbox)
        by_type = waves(command.state, began_at)
    found = figures_of(usage, by_type)
    show(found, by_type, given)
    return found


def figures_of(usage: Usage, by_type: list[Wave]) -> dict[str, Any]:
    """Return the figures of a run."""
    said, seen, requests = usage.said, usage.seen, max(1, usage.requests)
    return {
        "exit_code": usage.exit_code,
        "items": usage.items,
        "seconds": round(usage.seconds, 2),
        "items_per_s": round(usage.items / usage.seconds, 1),
        "requests": usage.requests,
        "calls_per_s": round(usage.requests / usage.seconds, 1),
        "calls_per_item": round(usage.requests / max(1, usage.items), 3),
        "retries": said["retries"],
        "share_429": round(seen["statuses"].get("429", 0) / requests, 5),
        "statuses": seen["statuses"],
        "reads": seen["reads"],
        "writes": seen["writes"],
        "client_cpu_ms_per_request": round(1000 * usage.client_cpu_s / requests, 3),
        "client_cpu_s": round(usage.client_cpu_s, 2),
        "sandbox_cpu_s": round(usage.sandbox_cpu_s, 2),
        "sandbox_cpu_share": round(usage.sandbox_cpu_s / usage.seconds, 3),
        "cpu_s": usage.cpu_s,
        "peak_pss_mib": {role: round(peak / fig.MIB, 1) for role, peak in usage.pss.items()},
        "peak_pss_sum_mib": round(usage.pss_sum / fig.MIB, 1),
        "types": {
            wave.content_type: {
                "items": wave.items,
                "operations": dict(wave.operations),
                "calls": wave.calls,
                "calls_per_item": round(wave.calls / wave.items, 3),
                "retries": wave.retries,
                "seconds": round(wave.seconds, 2),
            }
            for wave in by_type
        },
        "objects": seen["objects"],
    }


def resumed_run(
    given: argparse.Namespace, vault: Path, folder: Path, whole: dict[str, Any]
) -> dict[str, Any]:
    """Kill a run half way, resume it, and hold what is there against the undisturbed run."""
    with observed_sandbox(folder.parent, *sandbox_of(given, vault, folder)) as sandbox:
        command = command_of(given, vault, folder, sandbox)
        done = kill_half_way(start(command, given), command, whole["items"] // 2)
        sandbox.forget()
        began = time.monotonic()
        usage = measured(command.resume(), sandbox)
        objects, ended = sandbox.seen()["objects"], journaled(command.state)
    first = usage.seen["first_at"]
    found = {
        "done_when_killed": done,
        "done_in_the_end": ended,
        "exit_code": usage.exit_code,
        "first_request_s": round(first["request"] - began, 2) if first else None,
        "first_write_s": round(first["write"] - began, 2) if "write" in first else None,
        "seconds": round(usage.seconds, 2),
        "requests": usage.requests,
        "objects_too_many_or_few": {
            name: count - whole["objects"][name]
            for name, count in objects.items()
            if count != whole["objects"][name]
        },
    }
    found["as_whole"] = ended == whole["items"] and not found["objects_too_many_or_few"]
    fig.table("killed half way and resumed", found.items())
    return found


def show(found: dict[str, Any], by_type: list[Wave], given: argparse.Namespace) -> None:
    """Print the figures of a run."""
    title = f"{given.command}, {given.items:,} rows, {given.mode}, {given.profile}"
    shown = {key: value for key, value in found.items() if not isinstance(value, dict)}
    shown |= {
        f"{kind}_{n}_ms": found[kind][f"{n}_ms"] for kind in ("reads", "writes") for n in ("p50", "p99")
    }
    fig.table(f"{title}, {given.procs} x {given.inflight}", shown.items())
    rows = [
        (wave.content_type, wave.items, wave.calls, wave.calls / wave.items, wave.retries, wave.seconds)
        for wave in by_type
    ]
    fig.table("by type", rows, ("type", "items", "calls", "calls/item", "retries", "seconds"))
    mib = found["peak_pss_mib"]
    processes = [(role, mib[role], cpu) for role, cpu in found["cpu_s"].items()]
    processes.append(("sandbox", "", found["sandbox_cpu_s"]))
    fig.table("processes", processes, ("process", "peak PSS, MiB", "CPU, s"))


if __name__ == "__main__":
    sys.exit(main())
