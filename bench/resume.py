"""How soon a resume is at work when a session has very many done items, and how long `status` of it takes.

    python bench/resume.py --done 1000000

Builds a vault and a state file with that many done dashboards and a few that are left, which a sandbox has.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import apsw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from make_vault import write_vault  # noqa: E402 - the path is set above

from lvrestore.model import Calls, ContentType  # noqa: E402
from lvrestore.sandbox.looker import Looker  # noqa: E402
from lvrestore.sandbox.seeding.damage import damage  # noqa: E402
from lvrestore.sandbox.seeding.seed import from_vault  # noqa: E402
from lvrestore.sandbox.server import App, running  # noqa: E402
from lvrestore.settings import Policy, RestorationConfig, Selection  # noqa: E402
from lvrestore.state.store import StateStore  # noqa: E402
from lvrestore.vault import open_vault  # noqa: E402

FIRST_DONE = 10_000_000
OF_AN_ITEM = re.compile(r"/dashboards/\d+|/dashboards$")
AT = "2026-11-01T00:00:00.000+00:00"
DONE_ROWS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :done)
INSERT INTO content_items (id, content_type, name, created_at, updated_at, synced_at, content_size, content_data)
SELECT CAST(:first + i AS TEXT), 1, 'done', :at, :at, :at, 200, zeroblob(200) FROM n"""
JOURNAL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :done)
INSERT INTO restored_items (session_id, content_type, source_id, status, destination_id, attempts, duration_ms, calls,
    reason, warnings, finished_at)
SELECT :session, 1, CAST(:first + i AS TEXT), 'updated', CAST(:first + i AS TEXT), 1, 100,
    '{"by_method":{"GET":1,"PATCH":1},"retries":0,"rate_limited":0}', '', '[]', :at FROM n"""
MAPPINGS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :done)
INSERT INTO id_mappings (source_instance, destination_instance, content_type, source_id, destination_id, state,
    session_id)
SELECT :here, :here, 'dashboard', CAST(:first + i AS TEXT), CAST(:first + i AS TEXT), 'done', :session FROM n"""


class TimedLooker(Looker):
    """A stand-in Looker that notes when what was asked for."""

    def serve(self, method, path, *more):  # noqa: ANN001, ANN002, ANN201 - passes on
        """Note the time, then answer."""
        self.log.append((time.monotonic(), method, path))
        return super().serve(method, path, *more)


def main() -> None:
    """Build, resume, report one JSON line."""
    given = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, vault, state = folder / "small.db", folder / "vault.db", folder / "state.db"
        write_vault(small, dashboards=given.left, looks=20, folders=10, users=5)
        looker = TimedLooker()
        looker.log = []
        from_vault(looker, small)
        damage(looker, 0.2, 0.1, 0.3)
        grow(small, vault, given.done)
        with running(App(looker, None, None)) as url:
            pretend_done(state, vault, url, given.done)
            status_s = seconds(["status", "--json", "--state", str(state)], folder)
            looker.log.clear()
            began = time.monotonic()
            command = ["resume", "--force", "--json", "--db-path", str(vault), "--state", str(state)]
            more = ["--base-url", url, "--procs", str(given.procs)]
            summary = json.loads(run([*command, *more], folder))
            ended = time.monotonic()
        any_request = looker.log[0][0]
        of_an_item = next(at for at, _, path in looker.log if OF_AN_ITEM.search(path.partition("?")[0]))
    print(
        json.dumps(
            {
                "done": given.done,
                "left": given.left,
                "procs": given.procs,
                "status_s": round(status_s, 2),
                "first_request_s": round(any_request - began, 2),
                "first_request_for_an_item_s": round(of_an_item - began, 2),
                "whole_resume_s": round(ended - began, 2),
                "total_items": summary["summary"]["total_items"],
                "start_up_s": round(seconds(["--version"], folder), 2),
            }
        )
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--done", type=int, default=1_000_000, help="done items")
    parser.add_argument("--left", type=int, default=200, help="items that are left, at the end of the vault")
    parser.add_argument("--procs", type=int, default=8)
    return parser.parse_args()


def grow(small: Path, vault: Path, done: int) -> None:
    """Write a vault with so many rows before those of a small one."""
    with closing(apsw.Connection(str(small))) as db:
        schema = [
            sql
            for (sql,) in db.execute(
                "SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite%'"
            )
        ]
    with closing(apsw.Connection(str(vault))) as db:
        db.execute("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY")
        for sql in schema:
            db.execute(sql)
        db.execute("ATTACH ? AS small", (str(small),))
        with db:
            db.execute("INSERT INTO schema_version SELECT * FROM small.schema_version")
            db.execute(DONE_ROWS, {"done": done, "first": FIRST_DONE, "at": AT})
            db.execute("INSERT INTO content_items SELECT * FROM small.content_items")


def pretend_done(state: Path, vault: Path, url: str, done: int) -> None:
    """Write a session that was interrupted after so many items."""
    config = RestorationConfig(
        db_path=vault, selection=Selection(types=(ContentType.DASHBOARD,)), destination=None, policy=Policy()
    )
    with open_vault(vault) as opened, StateStore(state) as store:
        metadata = {"vault": str(vault), "vault_fingerprint": opened.fingerprint()}
        scope = store.begin_session(url, url, config.remembered(), metadata)
        with closing(apsw.Connection(str(state))) as db:
            given = {"done": done, "first": FIRST_DONE, "at": AT, "session": scope.session_id, "here": url}
            for sql in (JOURNAL, MAPPINGS):
                db.execute(sql, {name: value for name, value in given.items() if f":{name}" in sql})
        counts = {"total_items": done, "success_count": done, "error_count": 0}
        store.finish_session(scope, "interrupted", {"summary": counts}, Calls(), 130)


def run(arguments: list[str], folder: Path) -> str:
    """The output of a command, which may end with problems."""
    given = {"LOOKER_CLIENT_ID": "id", "LOOKER_CLIENT_SECRET": "secret", "XDG_STATE_HOME": str(folder)}
    command = [sys.executable, "-m", "lvrestore", *arguments]
    return subprocess.run(  # noqa: S603 - our own command
        command, env={**os.environ, **given}, check=False, capture_output=True, text=True
    ).stdout


def seconds(arguments: list[str], folder: Path) -> float:
    """How long a command takes."""
    began = time.monotonic()
    run(arguments, folder)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
