"""Start the command, watch its processes, kill them, and compare what is left with the vault."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from comparison import Backup, compare, vault_dashboards

from lvrestore.sandbox.latency import parse_latency
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.damage import damage
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.server import App, running

SECRET = "a-secret-that-nobody-may-see"
PATIENCE_S = 30.0
ORPHANS_LEAVE_S = 8.0
# Short, so that the grace for requests that land late is short as well.
TIMEOUT_S = 1.0
WRITES = {"POST", "PATCH", "PUT", "DELETE"}
STAT_AFTER_NAME = re.compile(r".*\) (\S) (\d+)", re.DOTALL)


class Ended:
    """How a command ended and what it said."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def summary(self):
        """The one JSON line on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def counts(self):
        return {name.removesuffix("_count"): n for name, n in self.summary["summary"].items()}

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Running:
    """A command under way, in a process group of its own."""

    def __init__(self, popen, folder):
        self.popen, self._folder = popen, folder
        self.pid = popen.pid

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def signal(self, number):
        """Send a signal as a terminal does: to the whole group."""
        os.killpg(self.pid, number)

    def said(self):
        """What it has said on stderr so far."""
        return (self._folder / f"err.{self.pid}").read_text()

    def end(self, timeout_s=PATIENCE_S):
        code = self.popen.wait(timeout_s)
        return Ended(code, *((self._folder / f"{name}.{self.pid}").read_text() for name in ("out", "err")))

    def group(self):
        """All processes of the command that live: {pid: command line}."""
        return group_of(self.pid)

    def child(self, role):
        """Pid of the first writer or worker to be seen."""
        wanted = {"writer": 0, "worker": 1}[role]
        return eventually(lambda: self._children()[wanted] if len(self._children()) > wanted else None)

    def workers(self):
        return self._children()[1:]

    def _children(self):
        # The writer is started first, and is ready before the first worker is started.
        return sorted(pid for pid, line in self.group().items() if "spawn_main" in line)

    def assert_gone(self):
        """No process is left; the one that Python starts to clean up after a parent may take a moment."""
        eventually(lambda: not self.group(), 2.0)

    @property
    def over(self):
        return self.popen.poll() is not None


class Site:
    """A Looker, a vault, a state file, and the command with all three."""

    def __init__(self, vault, folder, looker, url):
        self.vault, self.folder, self.looker, self.url = vault, folder, looker, url
        self.state = folder / "state.db"
        self._started = []

    # -- running

    def arguments(self, *more):
        return [
            "--db-path", str(self.vault), "--state", str(self.state), "--base-url", self.url,
            "--timeout", str(TIMEOUT_S), "--force", "--json", *more,
        ]  # fmt: skip

    def bulk(self, *more):
        return ["bulk", "--type", "dashboard", "--procs", "2", "--inflight", "2", *self.arguments(*more)]

    def resume(self, *more):
        return ["resume", "--procs", "2", "--inflight", "2", *self.arguments(*more)]

    def start(self, arguments, stdin=subprocess.DEVNULL, before=(), **environment):
        """Start the command; variables of the caller's shell do not reach it."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ
        }
        given = {"LOOKER_CLIENT_ID": "id", "LOOKER_CLIENT_SECRET": SECRET, "TMPDIR": str(self.folder)}
        given["XDG_STATE_HOME"] = str(self.folder / "usual")
        out, err = self.folder / "out", self.folder / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                [*before, sys.executable, "-m", "lvrestore", *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=kept | given | environment,
                cwd=self.folder,
                start_new_session=True,
            )
        for path in (out, err):
            path.rename(f"{path}.{popen.pid}")
        self._started.append(popen)
        return Running(popen, self.folder)

    def end_all(self):
        """Whatever a failed test left running."""
        for popen in self._started:
            with suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()

    # -- what came of it

    def run(self, arguments, timeout_s=PATIENCE_S, **options):
        return self.start(arguments, **options).end(timeout_s)

    def wrong(self):
        """What of the dashboards is not as in the vault, those and tiles that are there twice included."""
        found = compare(Backup(self.vault), self.looker.dump())
        return [one for one in found if one.kind == "dashboard"]

    def writes(self):
        """What the tool wrote so far; damage and reads do not count."""
        return [r for r in self.looker.requests if r.method in WRITES and r.path != "/login"]

    def await_writes(self, n):
        eventually(lambda: len(self.writes()) >= n)

    def await_landed(self):
        """Until what the Looker is to carry out late has been carried out."""
        eventually(lambda: self.looker.dump() and not self.looker._late)

    def assert_restored(self):
        """Everything is back, once, and a further run finds nothing to write."""
        assert self.wrong() == []
        self.looker.clear_log()
        again = self.run(["bulk", "--type", "dashboard", "--procs", "1", *self.arguments()])
        assert again.code == 0, again
        assert again.counts["unchanged"] == again.counts["total_items"] == len(vault_dashboards(self.vault))
        assert self.writes() == []

    def assert_no_secret(self, *ended):
        """The secret is in no output, and in none of the files that a run leaves."""
        texts = [one.out + one.err for one in ended]
        files = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        assert not any(SECRET in text for text in texts)
        assert not any(SECRET.encode() in content for content in files)


@contextmanager
def running_site(
    vault,
    folder,
    *,
    latency=None,
    rate_limit=None,
    damaged=True,
    empty=False,
    types=("dashboard",),
    shares=(0.4, 0.2, 0.2),
    **looker_options,
):
    looker = Looker(**looker_options)
    if not empty:
        from_vault(looker, vault)
    if damaged and not empty:
        damage(looker, *shares, seed=5, types=types)
    looker.clear_log()
    app = App(looker, parse_latency(latency) if latency else None, rate_limit)
    with running(app) as url:
        yield Site(vault, folder, looker, url)


def eventually(what, timeout_s=PATIENCE_S):
    """Wait until `what()` is true, and return it; there is no event to wait for in another process."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
    return found


def group_of(group):
    """{pid: command line} of the processes of a group that are alive: zombies are not."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            state, _parent = STAT_AFTER_NAME.match((entry / "stat").read_text()).groups()
            if state != "Z" and os.getpgid(int(entry.name)) == group:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found
