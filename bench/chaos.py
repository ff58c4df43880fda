"""Restore through a storm of faults, and through kills at random moments; compare with an undisturbed run.

Starts real sandboxes and the real command on generated backups of all content types. Prints figures, writes
them as JSON with --out, and exits with 1 when anything is not as after an undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rig import Command, Ended, Running, Sandbox, instance, running_sandbox

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from make_vault import mixed, write_vault
from same_content import differences

INSTANCES = ("damaged", "empty")
VICTIMS = ("parent", "worker", "writer", "group")
LATE_S = 2.0
TOKEN_S = 20
# Seconds of the storm: two bursts of 429, and an outage between them.
BURST_S, OUTAGE_S, PAUSE_S = 30.0, 60.0, 12.0
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
FINISHED = {0, 1}
NOTHING_TO_RESUME = 2
AT_ONCE = 2
KILL_ITEMS = 120
# A request that a killed process has left behind can land for as long as --timeout says.
SHORT_TIMEOUT = ("--timeout", "2", "--inflight", "2", "--lock-timeout", "30")
MOST_COMMANDS = 10
# Answers take a moment, so that requests are under way when their sender is killed.
KILL_LATENCY = ("--latency", "p50=10ms,p99=40ms")
PATIENCE_S, STORM_PATIENCE_S = 120.0, 3600.0
SHOWN = 10


def main() -> int:
    """Do what the arguments say; print and write the figures."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="lvrestore-chaos.") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures: dict[str, Any] = {"seed": given.seed, "procs": given.procs}
        if given.mode in {"storm", "all"}:
            figures["storm"] = [storm(given, folder / f"storm-{kind}", kind) for kind in given.instance]
        if given.mode in {"kills", "all"}:
            figures["kills"] = kills(given, folder)
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1))
    wrong = [
        one for one in (*figures.get("storm", ()), figures.get("kills")) if one and not one["as_undisturbed"]
    ]
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mode", choices=("storm", "kills", "all"), default="all")
    parser.add_argument("--instance", choices=INSTANCES, action="append", help="default: one after the other")
    parser.add_argument(
        "--items", type=int, default=2000, help="rows of the backup that goes through the storm"
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--latency", default="p50=100ms,p99=500ms", help="of the sandbox in the storm")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--folder", type=Path, help="keep vaults, states, dumps and logs there")
    parser.add_argument("--smoke", action="store_true", help="a breeze and three kills, in less than 20 s")
    given = parser.parse_args()
    given.instance = given.instance or list(INSTANCES)
    given.scale, given.timeout = 1.0, 120
    if given.smoke:
        given.items, given.kills, given.procs = 60, 2, 2
        given.scale, given.timeout, given.instance = 0.02, 1, given.instance[:1]
        given.latency = "p50=10ms,p99=50ms"
    return given


# -- what both have in common


class Reference:
    """What an undisturbed run leaves behind, and how long it takes."""

    def __init__(
        self, folder: Path, vault: Path, kind: str, options: tuple[str, ...], latency: tuple[str, ...] = ()
    ) -> None:
        folder.mkdir(parents=True)
        self.vault, self.options = vault, options
        self.kind, self.sandbox = kind, (*instance(kind, vault), *latency)
        with running_sandbox(folder, *self.sandbox) as sandbox:
            command = Command(folder, vault, sandbox.url, *options)
            self.ended = command.everything().end(STORM_PATIENCE_S)
            if self.ended.code not in FINISHED:
                raise RuntimeError(f"the undisturbed run ended with {self.ended.code}; see {folder}")
            self.dump, self.status = sandbox.dump(), command.status()
            self.dead_letters = command.dead_letters()

    def flaws(self, ended: Ended, sandbox: Sandbox, command: Command) -> dict[str, Any]:
        """Return what is not as here, in numbers and with examples; all is empty where nothing is."""
        dump = sandbox.dump()
        for name, content in (("undisturbed", self.dump), ("disturbed", dump)):
            (command.folder / f"{name}.json").write_text(json.dumps(content))
        found = list(differences(self.dump, dump))
        counted, letters = Counter(one.how for one in found), command.dead_letters()
        return {
            "exit_code_instead": [] if ended.code == self.ended.code else [ended.code, ended.said],
            "surplus": counted["surplus"],
            "missing": counted["missing"],
            "differing_fields": counted["differs"],
            "dead_letters_more": sorted(letters - self.dead_letters),
            "dead_letters_less": sorted(self.dead_letters - letters),
            "wrong_sums": wrong_sums(command.status(), self.status),
            "examples": [str(one) for one in found[:SHOWN]],
        }


def wrong_sums(status: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return the types whose outcomes do not add up to what was selected."""
    wrong = []
    for name, counts in wanted["content_type_breakdown"].items():
        found = status.get("content_type_breakdown", {}).get(name, {"total": 0})
        parts = sum(count for outcome, count in found.items() if outcome != "total")
        if not found["total"] == parts == counts["total"]:
            wrong.append(f"{name}: {parts} outcomes of {found['total']}, not {counts['total']}")
    return wrong


def make_vault(path: Path, items: int, seed: int) -> Path:
    """Write a backup of all content types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_vault(path, seed=seed, **mixed(items))
    return path


# -- the storm


def weather(scale: float) -> Iterator[dict[str, Any]]:
    """Yield the rules of the storm: windows in seconds times `scale`, shares of all calls otherwise."""
    start = PAUSE_S * scale
    windows = [
        (BURST_S, {"fault": "answer", "status": 429, "retry_after": max(1, round(5 * scale))}),
        (OUTAGE_S, {"fault": "refuse"}),
        (BURST_S, {"fault": "answer", "status": 429}),
    ]
    for length_s, rule in windows:
        end = start + length_s * scale
        yield {**rule, "from": start, "until": end}
        start = end + PAUSE_S * scale
    for status, reason, when in (
        (500, "500 Internal Server Error", "before"),
        (502, "502 Bad Gateway", "before"),
        (503, "503 Service Unavailable", "before"),
        (504, "504 Gateway Time-out", "after"),
    ):
        html = HTML.format(reason)
        yield {"fault": "answer", "status": status, "html": html, "when": when, "probability": 0.005}
    yield {"fault": "drop_before", "probability": 0.01}
    yield {"fault": "drop_after", "probability": 0.01}
    yield {"fault": "late_commit", "seconds": LATE_S * min(1, scale * 10), "probability": 0.005}
    yield {"fault": "truncate", "probability": 0.005}
    signed_out = HTML.format("Signed out")
    yield {"fault": "answer", "status": 200, "html": signed_out, "when": "after", "probability": 0.001}


def toml(rules: Iterator[dict[str, Any]]) -> str:
    """Write rules as a file of faults; JSON's texts and numbers are TOML's as well."""
    tables = ("\n".join(f"{key} = {json.dumps(value)}" for key, value in rule.items()) for rule in rules)
    return "\n\n".join(f"[[rules]]\n{table}" for table in tables) + "\n"


def storm(given: argparse.Namespace, folder: Path, kind: str) -> dict[str, Any]:
    """Restore through the storm, and hold the result against an undisturbed run."""
    vault = make_vault(folder / "vault.db", given.items, given.seed)
    options = ("--procs", str(given.procs), "--timeout", str(given.timeout))
    reference = Reference(folder / "undisturbed", vault, kind, options)
    faults = folder / "storm.toml"
    faults.write_text(toml(weather(given.scale)))
    more = ("--faults", str(faults), "--seed", str(given.seed), "--latency", given.latency)
    with running_sandbox(folder, *reference.sandbox, *more, "--token-lifetime", str(TOKEN_S)) as sandbox:
        command = Command(folder, vault, sandbox.url, *reference.options)
        ended = command.everything().end(STORM_PATIENCE_S)
        time.sleep(LATE_S)
        flaws = reference.flaws(ended, sandbox, command)
        figures = {"instance": kind, **figures_of(ended, sandbox.log(), reference)}
    figures |= flaws | {"as_undisturbed": not any(flaws.values())}
    show(f"storm on a {kind} instance", figures)
    return figures


def figures_of(ended: Ended, log: list[dict[str, Any]], reference: Reference) -> dict[str, Any]:
    """Return what the run took: calls, retries, faults it met, and how many of them ended well."""
    said, usual = ended.said, reference.ended
    hit = Counter(one["fault"] for one in log if one["fault"])
    lost = said.get("summary", {}).get("error_count", 0) - len(reference.dead_letters)
    return {
        "exit_code": ended.code,
        "status": said.get("status"),
        "items": said.get("summary", {}).get("total_items"),
        "restored": said.get("summary", {}).get("success_count"),
        "calls": said.get("calls", {}).get("total"),
        "calls_undisturbed": usual.said["calls"]["total"],
        "retries": said.get("retries"),
        "share_429": round(hit["answer 429"] / max(1, len(log)), 4),
        "seconds": round(ended.seconds, 1),
        "seconds_undisturbed_without_latency": round(usual.seconds, 1),
        "logins": sum(one["path"] == "/login" for one in log),
        "faults": dict(hit.most_common()),
        # An item that ends as a dead letter more than without the storm is one error that nothing made good.
        "transient_errors_made_good": round(1 - max(0, lost) / max(1, hit.total()), 5),
    }


# -- kills


class Score:
    """How many kills are still to be done; two threads share it."""

    def __init__(self, wanted: int) -> None:
        self._lock, self._left, self._rounds = threading.Lock(), wanted, 0
        self.killed: Counter[str] = Counter()

    def next_round(self) -> int | None:
        """Return the number of the next round, None when there were kills enough."""
        with self._lock:
            if self._left <= 0:
                return None
            self._rounds += 1
            return self._rounds

    def count(self, victim: str) -> None:
        """Count one kill."""
        with self._lock:
            self._left -= 1
            self.killed[victim] += 1


def kills(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Kill runs at random moments, resume them, and hold each result against an undisturbed run."""
    vault = make_vault(folder / "kills.db", min(given.items, KILL_ITEMS), given.seed)
    options = ("--procs", str(min(given.procs, 3)), *SHORT_TIMEOUT)
    references = [
        Reference(folder / f"kills-{kind}", vault, kind, options, KILL_LATENCY) for kind in given.instance
    ]
    started, score = time.monotonic(), Score(given.kills)

    def rounds() -> list[dict[str, Any]]:
        done = []
        while (number := score.next_round()) is not None:
            reference, rng = references[number % len(references)], random.Random(f"{given.seed}/{number}")
            done.append(kill_round(folder / f"round-{number}", reference, rng, score))
        return done

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = [one for batch in [pool.submit(rounds) for _ in range(AT_ONCE)] for one in batch.result()]
    flawed = [one for one in results if not one["as_undisturbed"]]
    figures = {
        "kills": score.killed.total(),
        "victims": dict(score.killed),
        "rounds": len(results),
        "commands": sum(one["commands"] for one in results),
        "seconds": round(time.monotonic() - started, 1),
        **{name: sum(one[name] for one in results) for name in ("surplus", "missing", "differing_fields")},
        "flawed_rounds": flawed,
        "as_undisturbed": not flawed,
    }
    show("kills", figures)
    return figures


def kill_round(folder: Path, reference: Reference, rng: random.Random, score: Score) -> dict[str, Any]:
    """Kill one restore up to four times, and let it end."""
    folder.mkdir()
    with running_sandbox(folder, *reference.sandbox) as sandbox:
        command = Command(folder, reference.vault, sandbox.url, *reference.options)
        killed, ended = disturb(command, reference.ended.seconds, rng, score)
        flaws = reference.flaws(ended, sandbox, command)
    return {
        "round": folder.name,
        "instance": reference.kind,
        "killed": killed,
        "commands": command.number,
        **flaws,
        "as_undisturbed": not any(flaws.values()),
    }


def disturb(command: Command, usual_s: float, rng: random.Random, score: Score) -> tuple[list[str], Ended]:
    """Restore, kill and resume until it has ended; return who was killed when, and how the last command ended."""
    victims = rng.sample(VICTIMS, rng.randint(1, len(VICTIMS)))
    killed: list[str] = []
    run = command.everything()
    while True:
        if len(killed) < len(victims):
            killed += strike(run, rng.uniform(0, usual_s), victims[len(killed)], score)
        ended = run.end(PATIENCE_S)
        if ended.code in {*FINISHED, None} or command.number >= MOST_COMMANDS:
            return killed, ended
        # Killed before there was a session, or after its end, there is nothing to resume.
        run = command.everything() if ended.code == NOTHING_TO_RESUME else command.resume()


def strike(run: Running, after_s: float, victim: str, score: Score) -> list[str]:
    """Kill somebody after so many seconds, if the run still lasts; return whom and when."""
    run.wait(after_s)
    who = run.kill(victim)
    if who is None:
        return []
    score.count(who)
    return [f"{who} after {after_s:.2f} s"]


def show(title: str, figures: dict[str, Any]) -> None:
    """Print figures, one a line."""
    print(f"\n{title}")
    for name, value in figures.items():
        if name == "flawed_rounds":
            for one in value:
                print(f"  {one['round']}: {json.dumps(one, ensure_ascii=False)[:2000]}")
        else:
            print(f"  {name:36} {json.dumps(value, ensure_ascii=False)}")


if __name__ == "__main__":
    sys.exit(main())
