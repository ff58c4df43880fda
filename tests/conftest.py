"""What all tests share: scripts and benchmarks are importable, the genuine vault is found or its tests are skipped."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# A busy machine is no reason for a failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts", "tests", "bench")]


@pytest.fixture(scope="session")
def genuine_vault(tmp_path_factory):
    """A private copy of a genuine backup with real dashboards."""
    folder = Path(os.environ.get("LVRESTORE_TEST_VAULTS") or ROOT.parent / "shared" / "vaults")
    if not (folder / "small.db").exists():
        pytest.skip("the genuine backup is not on this machine")
    return Path(shutil.copy(folder / "small.db", tmp_path_factory.mktemp("vault") / "small.db"))
