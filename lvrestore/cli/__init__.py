"""The command line: commands are imported when they are called, errors become exit codes here."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from lvrestore import __version__
from lvrestore.errors import CancelledError, ExitCode, RestorationError

# name -> module and attribute. `--help` must not wait for HTTP, tables or processes to be imported.
COMMANDS = {
    "single": "restore:single",
    "bulk": "restore:bulk",
    "all": "restore:everything",
    "resume": "restore:resume",
    "status": "status:status",
    "report": "report:report",
    "failures": "dlq:dlq",
    "map": "map:mappings",
    "vault": "vault:vault",
    "sandbox": "sandbox:sandbox",
}
SECOND_NAMES = {"dlq": "failures"}
SUMMARIES = {
    "single": "Restore one item.",
    "bulk": "Restore all items of one or more types.",
    "all": "Restore everything, in dependency order.",
    "resume": "Continue an unfinished session.",
    "status": "Show what a session did.",
    "report": "Show what a session did, item by item.",
    "failures": "List what failed, retry it, or remove it from the list.",
    "map": "Show or correct the id map: backup id -> Looker id.",
    "vault": "Look into a backup without an instance.",
    "sandbox": "Run the stand-in Looker on 127.0.0.1.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import and return one command."""
        name = SECOND_NAMES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"lvrestore.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lvrestore")
def cli() -> None:
    """Restore Looker content from a lookervault backup.

    Every option can be given as LVRESTORE_<OPTION> in the environment. The API key comes from
    LOOKER_BASE_URL, LOOKER_CLIENT_ID and LOOKER_CLIENT_SECRET, a looker.ini or a secret file, never from an
    argument.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of `ExitCode`."""
    _make_streams_usable()
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def _make_streams_usable() -> None:
    """Let a stream that was closed, as daemons do, be the null device; what stdout cannot encode is escaped."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)  # noqa: FBT003 - worker processes have it as well
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return for each way to end
    """Run one command; return its exit code."""
    said = {"as_json": "--json" in arguments or bool(os.environ.get("LVRESTORE_JSON"))}
    try:
        code: Any = cli.main(list(arguments), prog_name="lvrestore", standalone_mode=False, obj=said)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("nothing was done", err=True)
        return ExitCode.INTERRUPTED
    except CancelledError as no:
        click.echo(str(no), err=True)
        return ExitCode.OK
    except click.ClickException as error:
        return _usage(error, as_json=said["as_json"])
    except RestorationError as error:
        return _fail(error.exit_code, error.kind, str(error), error.hint, as_json=said["as_json"])
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not complain about it when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - whatever it is, schedulers must see that it is a bug
        traceback.print_exc()
        hint = "this is a bug: please report it with the lines above; nothing that was stored is lost"
        return _fail(ExitCode.INTERNAL, "internal", repr(bug), hint, as_json=said["as_json"])
    return code if isinstance(code, int) else ExitCode.OK


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        return _fail(ExitCode.USAGE, "usage", error.format_message(), "", as_json=True)
    error.show()
    return ExitCode.USAGE


def _fail(code: int, kind: str, message: str, hint: str, *, as_json: bool) -> int:
    if as_json:
        from lvrestore.report.jsonl import write_line  # noqa: PLC0415 - only where it is needed

        write_line({"type": "error", "code": int(code), "kind": kind, "message": message, "hint": hint})
        return code
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return code
