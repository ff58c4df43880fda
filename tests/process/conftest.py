"""Real processes against a sandbox that listens on a socket of the test's own process."""

import pytest
from make_vault import write_vault
from nothing_runs import nothing_runs
from processes import Site, running_site


@pytest.fixture(scope="session")
def vault(tmp_path_factory):
    """A backup of some 25 dashboards with few parts."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    write_vault(path, dashboards=25, looks=10, folders=8, users=5, seed=3)
    return path


@pytest.fixture
def site(vault, tmp_path):
    """A damaged Looker, and the command that restores it."""
    with running_site(vault, tmp_path) as made:
        yield made
        made.end_all()


@pytest.fixture
def slow_site(vault, tmp_path):
    """The same with a Looker that takes its time, so that something is under way at any moment."""
    with running_site(vault, tmp_path, latency="p50=20ms,p99=30ms") as made:
        yield made
        made.end_all()


@pytest.fixture
def make_site(vault, tmp_path):
    """Give another start than the common one: `with make_site(token_lifetime_s=2) as site`."""

    def make(**options):
        return running_site(vault, tmp_path, **options)

    return make


__all__ = ["Site", "nothing_runs"]
