"""Run whole commands against an in-memory Looker: no socket, no process, no waiting."""

import json
from contextlib import contextmanager
from unittest.mock import patch

import orjson

from lvrestore.cli import run
from lvrestore.looker.protocol import Answered

URL = "https://looker.example.com"
WRITES = {"POST", "PATCH", "PUT", "DELETE"}


class Transport:
    """A Looker in the place of a connection."""

    def __init__(self, looker):
        self.send = looker.send

    def close(self):
        """There is nothing to close."""


@contextmanager
def reached(looker):
    """Within the block every connection of this process leads to the Looker."""
    login = Answered(200, {}, orjson.dumps({"access_token": "a-token", "expires_in": 3600}))
    with (
        patch("lvrestore.run.connection.HttpTransport", lambda *_, **__: Transport(looker)),
        patch("lvrestore.play.workbench.HttpTransport", lambda *_, **__: Transport(looker)),
        patch("lvrestore.looker.tokens.post_form", lambda *_: login),
        patch("lvrestore.play.driver.NOT_READY_WAITS_S", (0.0,)),
    ):
        yield


class Ended:
    """The exit code, and the JSON lines on stdout."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.lines = [json.loads(line) for line in out.splitlines()]

    def __repr__(self):
        return f"{self.code}\n{self.out}\n{self.err}"


class Desk:
    """A Looker, a backup and a state file, and the command with all three."""

    def __init__(self, looker, vault, folder, capsys, monkeypatch):
        self.looker, self.vault, self._folder, self._capsys = looker, vault, folder, capsys
        monkeypatch.setenv("LOOKER_CLIENT_ID", "id")
        monkeypatch.setenv("LOOKER_CLIENT_SECRET", "secret")
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))

    def run(self, *arguments):
        """Run a command that writes without being asked; return how it ended."""
        common = [
            *("--db-path", str(self.vault), "--state", str(self._folder / "state.db"), "--base-url", URL),
            *("--force", "--json", "--max-retries", "0"),
        ]
        self._capsys.readouterr()
        with reached(self.looker):
            code = run([*arguments, *common])
        return Ended(code, *self._capsys.readouterr())

    def all(self, *more):
        return self.run("all", "--procs", "1", *more)

    def writes(self):
        return [f"{r.method} {r.path}" for r in self.looker.requests if r.method in WRITES]
