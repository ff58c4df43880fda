"""The benchmarks of whole runs, small: what they count is right. Times are never asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rig

BENCH = Path(rig.__file__).parent


@pytest.fixture
def smoke(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(name):
        out = tmp_path / f"{name}.json"
        command = [sys.executable, BENCH / f"{name}.py", "--smoke", "--out", out]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        figures = json.loads(out.read_text())
        assert figures["machine"]["cores"] >= 1
        return figures

    return run


def test_whole_run_counts_items_calls_and_processes(smoke):
    figures = smoke("run_50k")
    assert figures["items"] == sum(one["items"] for one in figures["types"].values()) > 100
    assert sum(one["calls"] for one in figures["types"].values()) <= figures["requests"]
    assert sum(figures["statuses"].values()) == figures["requests"]
    assert list(figures["peak_pss_mib"]) == ["parent", "writer", "worker 1", "worker 2"]
    assert figures["resume"]["as_whole"]
    assert figures["resume"]["done_when_killed"] < figures["resume"]["done_in_the_end"] == figures["items"]


@pytest.mark.slow
def test_bare_requests_are_those_of_the_restore(smoke):
    figures = smoke("limit")
    assert figures["items"] == 60
    # All but the login.
    assert figures["requests_repeated"] == figures["requests"] - 1
    assert figures["answered_as_recorded"] > 0.9


@pytest.mark.slow
def test_script_and_command_restore_the_same_dashboards(smoke):
    script, *commands = smoke("baseline_sdk")["runs"].values()
    assert script["failed"] == 0
    assert [one["items"] for one in commands] == [script["items"]] * 2
    assert all(one["calls"] < script["calls"] for one in commands)
