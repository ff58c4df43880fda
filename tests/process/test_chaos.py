"""The benchmark of storms and kills, small: its rules can be read, and it finds nothing wrong, and what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import chaos
import pytest

from lvrestore.sandbox.fault_file import read_fault_file

BENCH = Path(chaos.__file__).parent


@pytest.mark.parametrize("scale", [1.0, 0.02])
def test_weather_is_a_file_of_faults(tmp_path, scale):
    (tmp_path / "storm.toml").write_text(chaos.toml(chaos.weather(scale)))
    rules = read_fault_file(tmp_path / "storm.toml")
    assert {rule.label for rule in rules} >= {"refuse", "answer 429", "drop_after", "late_commit", "truncate"}
    windows = [(rule.from_s, rule.until_s) for rule in rules if rule.probability == 1]
    assert windows == sorted(windows)
    assert sum(until - since for since, until in windows) == pytest.approx(120 * scale)


def test_sums_that_do_not_add_up_are_said():
    wanted = {
        "content_type_breakdown": {"look": {"total": 3, "created": 3}, "board": {"total": 1, "failed": 1}}
    }
    assert chaos.wrong_sums(wanted, wanted) == []
    found = {"content_type_breakdown": {"look": {"total": 3, "created": 2}}}
    assert [one.partition(":")[0] for one in chaos.wrong_sums(found, wanted)] == ["look", "board"]


@pytest.mark.slow
def test_smoke_finds_nothing(tmp_path):
    out = tmp_path / "figures.json"
    command = [sys.executable, BENCH / "chaos.py", "--smoke", "--out", out]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    figures = json.loads(out.read_text())
    (storm,) = figures["storm"]
    assert storm["faults"]
    assert storm["transient_errors_made_good"] == 1.0
    assert figures["kills"]["kills"] >= 2
