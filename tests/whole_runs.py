"""Whole commands in the test's own process, against a sandbox that listens on a socket of it."""

import json
import zlib
from contextlib import closing, contextmanager

import apsw
from click.testing import CliRunner

from lvrestore.cli import cli
from lvrestore.model import ContentType
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.server import App, running

WRITES = {"POST", "PATCH", "PUT", "DELETE"}
CREDENTIALS = {"LOOKER_CLIENT_ID": "id", "LOOKER_CLIENT_SECRET": "secret"}


class Place:
    """A Looker and a state file, and what a command did with both."""

    def __init__(self, looker, url, folder):
        self.looker, self.url, self.folder = looker, url, folder
        self.state = folder / "state.db"
        self.lines = []

    def run(self, *arguments, vault):
        """Run a command to its end; its last line as it was read, with the exit code as `code`."""
        self.looker.clear_log()
        given = ["--db-path", str(vault), "--state", str(self.state), "--base-url", self.url]
        environment = {**CREDENTIALS, "XDG_STATE_HOME": str(self.folder), "TMPDIR": str(self.folder)}
        ended = CliRunner().invoke(
            cli, [*arguments, *given, "--procs", "1", "--force", "--json"], env=environment
        )
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        self.lines = [json.loads(line) for line in ended.stdout.splitlines()]
        return {**(self.lines[-1] if self.lines else {}), "code": ended.exit_code, "said": ended.stderr}

    def writes(self):
        """What the last command wrote, as (method, path)."""
        return [
            (one.method, one.path)
            for one in self.looker.requests
            if one.method in WRITES and one.path != "/login"
        ]

    def ended(self):
        """How items have ended in the state file: (type, id) to operation; of several sessions the last."""
        rows = self._ask(
            "SELECT content_type, source_id, status FROM restored_items NATURAL JOIN"
            " (SELECT id AS session_id, started_at FROM restoration_sessions) ORDER BY started_at"
        )
        return {(ContentType(number).label, source_id): status for number, source_id, status in rows}

    def sent_creates(self):
        """The items whose making was sent, and nobody knows how that ended."""
        rows = self._ask("SELECT content_type, source_id FROM claims WHERE create_sent_at IS NOT NULL")
        return {(ContentType(number).label, source_id) for number, source_id in rows}

    def before_images(self):
        """What writes have replaced, by (type, id)."""
        rows = self._ask("SELECT content_type, destination_id, body FROM before_images")
        return {(kind, one): json.loads(zlib.decompress(body)) for kind, one, body in rows}

    def forget_that_they_ended(self, items):
        """Leave the last session as if the run had been cut off before it came to these items."""
        with closing(apsw.Connection(str(self.state))) as db:
            for kind, source_id in items:
                db.execute(
                    "DELETE FROM restored_items WHERE content_type = ? AND source_id = ?",
                    (int(ContentType[kind.upper()]), source_id),
                )
            db.execute("DELETE FROM restoration_checkpoints")
            db.execute("UPDATE restored_items SET counted = 0")
            db.execute("UPDATE restoration_sessions SET status = 'interrupted', completed_at = NULL")

    def _ask(self, sql):
        with closing(apsw.Connection(str(self.state))) as db:
            return db.execute(sql).fetchall()


@contextmanager
def looker_of(vault, folder, **options):
    """A Looker with what a backup holds, and no history."""
    looker = Looker(**options)
    from_vault(looker, vault)
    with running(App(looker)) as url:
        yield Place(looker, url, folder)
