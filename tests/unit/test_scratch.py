"""Temporary folders, and what is left of processes that were killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lvrestore import scratch

MAKE_AND_DIE = """
import os, signal, sys
from lvrestore.scratch import make_folder
print(make_folder(sys.argv[1]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def left_over(tmp_path):
    """A folder of a process that was killed, a while ago."""
    command = [sys.executable, "-c", MAKE_AND_DIE, tmp_path]
    made = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    folder = Path(made.stdout.strip())
    (folder / "index.db").write_text("x")
    age(folder)
    return folder


def age(folder):
    os.utime(folder, (0, time.time() - 2 * scratch.SETTLED_S))


def test_what_a_killed_process_has_left_is_removed(left_over, tmp_path):
    scratch.sweep(tmp_path)
    assert not left_over.exists()


def test_what_somebody_uses_or_has_just_made_or_did_not_make_so_is_left(tmp_path):
    used, young, foreign = (scratch.make_folder(str(tmp_path)) for _ in range(3))
    for folder in (young, foreign):
        os.close(scratch._locks.pop(folder))
    (foreign / scratch.IN_USE).unlink()
    for folder in (used, foreign):
        age(folder)
    scratch.sweep(tmp_path)
    assert {used, young, foreign} == set(tmp_path.iterdir())
    scratch.remove_folder(used)
    assert not used.exists()


def test_who_may_not_look_into_a_folder_leaves_it(left_over, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: -1)
    scratch.sweep(tmp_path)
    assert left_over.exists()
