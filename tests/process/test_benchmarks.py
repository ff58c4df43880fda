"""The benchmarks, small: what they count is right. Times are never asserted."""

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

    def run(name, *options):
        out = tmp_path / f"{name}.json"
        command = [sys.executable, BENCH / f"{name}.py", "--smoke", "--out", out, *options]
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


def test_start_is_that_of_the_command_and_its_imports_are_listed(smoke):
    figures = smoke("startup")
    assert [one["runs"] for one in figures["programs"].values()] == [2] * 4
    top, bulk = (
        [one["name"] for one in modules] for modules in map(figures["imports"].get, figures["imports"])
    )
    assert len(top) == len(bulk) == 10
    # What takes long to import waits until a command needs it.
    assert not [name for name in top if name.startswith(("urllib3", "rich", "lvrestore.engine"))]
    assert [name for name in bulk if name.startswith(("urllib3", "rich", "lvrestore."))]


def test_a_lost_dashboard_is_made_again_in_every_run(smoke):
    (figures,) = [one for name, one in smoke("single").items() if name.endswith(" ms")]
    assert figures["calls"] > 3
    assert figures["is_within"] is None  # there is a budget for other latencies alone


@pytest.mark.slow
def test_memory_is_that_of_all_processes(smoke, tmp_path):
    figures = smoke("memory", "--plots", tmp_path / "plots")
    alone, beside = figures["points"][:2], figures["points"][2:]
    assert [one["items"] for one in alone] == [one["items"] for one in beside]
    assert all(list(one["by_role_mib"]) == ["parent"] for one in alone)
    for one in beside:
        assert list(one["by_role_mib"]) == ["parent", "writer", "worker 1", "worker 2"]
        assert max(one["by_role_mib"].values()) < one["all_mib"] <= sum(one["by_role_mib"].values()) + 1
    assert (tmp_path / "plots" / "memory-changed.svg").exists()


@pytest.mark.slow
def test_scale_restores_the_same_with_every_width(smoke, tmp_path):
    runs = smoke("scale", "--part", "grid", "--plots", tmp_path / "plots")["grid"]["runs"]
    assert [(one["procs"], one["inflight"], one["items"]) for one in runs] == [(1, 2, 20), (2, 2, 20)]
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["scale-grid.svg"]


@pytest.mark.slow
def test_scale_restores_dashboards_of_so_many_tiles(smoke, tmp_path):
    few, many = smoke("scale", "--part", "tiles", "--plots", tmp_path / "plots")["tiles"]["runs"]
    assert (few["tiles"], many["tiles"], few["items"], many["items"]) == (1, 5, 12, 12)
    # What is wrong with more tiles takes more calls to mend.
    assert few["calls_per_item"] < many["calls_per_item"]
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"scale-tiles-cpu.svg", "scale-tiles-pace.svg"}


@pytest.mark.slow
def test_scale_restores_backups_of_so_many_rows(smoke, tmp_path):
    found = smoke("scale", "--part", "items", "--plots", tmp_path / "plots")["items"]
    small, large = found["runs"]
    assert 0.9 * small["rows"] < small["items"] <= small["rows"] < large["items"] <= large["rows"]
    assert found["is_flat"] == (found["last_to_first"] <= 1.15)
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["scale-items.svg"]


@pytest.mark.slow
def test_writer_takes_every_load_and_has_its_share_of_a_restore(smoke, tmp_path):
    figures = smoke("writer", "--plots", tmp_path / "plots")
    loads = [(one["kind"], one["rate"], one["outcomes"]) for one in figures["alone"]]
    kinds = ("updated", "created", "failed")
    assert loads == [(kind, *load) for kind in kinds for load in ((0, 60), (200, 40))]
    assert 0 < figures["in_a_run"]["share_of_writer"] < 1
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["writer-latency.svg"]
