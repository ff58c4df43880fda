"""At each named point, kill each of the processes, over all content types; a resume ends as an undisturbed run."""

import os
import signal
from contextlib import contextmanager, suppress

import pytest
from make_vault import mixed, write_vault
from processes import eventually, running_site
from test_crash_points import PARENT, WORKER, WRITER

ROLES = ("parent", "worker", "writer")
OWNER = dict.fromkeys(PARENT, "parent") | dict.fromkeys(WORKER, "worker") | dict.fromkeys(WRITER, "writer")
# One of each kind in every run of the tests; the rest is for those who wait longer.
SOON = {("between_waves", "worker"), ("after_send", "writer"), ("in_commit", "parent")}
GONE_BY_THEN = {("before_finish", "worker"), ("before_finish", "writer")}
PAIRS = [
    pytest.param(point, role, marks=() if (point, role) in SOON else pytest.mark.slow)
    for point in sorted(OWNER)
    for role in ROLES
    if (point, role) not in GONE_BY_THEN
]
TOTALS = ("total_items", "success", "skipped", "conflict", "error")


@pytest.fixture(scope="module")
def whole_vault(tmp_path_factory):
    """A small backup of all types."""
    path = tmp_path_factory.mktemp("vault") / "whole.db"
    write_vault(path, **mixed(70))
    return path


def everything(site):
    return ["all", "--procs", "2", "--inflight", "2", *site.arguments("--access", "restore")]


def contents(looker):
    """What is there, without what tells when and in which order it was made."""
    dump = looker.dump()
    return {kind: len(objects) for kind, objects in dump.items() if isinstance(objects, dict)}


@pytest.fixture(scope="module")
def undisturbed(whole_vault, tmp_path_factory):
    with running_site(whole_vault, tmp_path_factory.mktemp("calm"), types=("all",)) as site:
        ended = site.run(everything(site))
        assert ended.code in {0, 1}, ended
        return ended, contents(site.looker)


def hold_and_kill(site, point, role):
    """Have a process stop at the point, kill one (perhaps that one), and let the other go on."""
    held = site.folder / "held"
    environment = {
        "LVRESTORE_CRASH_AT": f"{point}:1",
        "LVRESTORE_CRASH_ONCE": str(held),
        "LVRESTORE_CRASH_SIGNAL": "STOP",
    }
    run = site.start(everything(site), **environment)
    stopped = int(eventually(lambda: held.exists() and held.read_text()))
    victim = stopped if role == OWNER[point] else run.pid if role == "parent" else run.child(role)
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
        os.kill(stopped, signal.SIGCONT)
    return run


@contextmanager
def closing_all(site):
    """A process that is held must not outlive a test that failed."""
    try:
        yield
    finally:
        site.end_all()


@pytest.mark.parametrize(("point", "role"), PAIRS)
def test_whoever_dies_there_the_end_is_the_same(point, role, whole_vault, undisturbed, tmp_path):
    calm, wanted = undisturbed
    with running_site(whole_vault, tmp_path, types=("all",)) as site, closing_all(site):
        run = hold_and_kill(site, point, role)
        ended = run.end(60)
        run.assert_gone()
        if ended.code not in {0, 1}:
            assert ended.code in {7, -signal.SIGKILL}, ended
            ended = site.run(site.resume())
        assert ended.summary["status"] == "completed", ended
        assert [ended.counts[name] for name in TOTALS] == [calm.counts[name] for name in TOTALS], ended
        site.await_landed()
        assert contents(site.looker) == wanted
        site.looker.clear_log()
        again = site.run(everything(site))
        assert again.counts["created"] == again.counts["updated"] == again.counts["undeleted"] == 0, again
        assert site.writes() == []
