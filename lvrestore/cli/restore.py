"""`lvrestore single`, `bulk` and `resume`: build the settings, call the engine, hand back its exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from lvrestore.cli import options as opt
from lvrestore.cli.output import require_one_voice
from lvrestore.engine.ended import Ending
from lvrestore.engine.letters import retry
from lvrestore.engine.story import restore
from lvrestore.engine.story import resume as resume_session
from lvrestore.errors import ExitCode, UsageError
from lvrestore.looker.credentials import resolve
from lvrestore.model import ContentType, Operation, RestorationResult
from lvrestore.report.jsonl import JsonLines, result_object, write_line
from lvrestore.report.reporter import Reporter
from lvrestore.report.terminal import Terminal
from lvrestore.report.wording import api_calls
from lvrestore.settings import RestorationConfig, Selection, default_state_path
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import SessionRow
from lvrestore.vault import bare_id, open_vault

# Of a single item its own cause decides.
CODE_OF_ERROR = {
    "validation": ExitCode.VALIDATION,
    "dependency": ExitCode.VALIDATION,
    "conflict": ExitCode.ITEMS_FAILED,
    "internal": ExitCode.INTERNAL,
}


@click.command()
@opt.content_type_argument
@click.argument("source_id", metavar="ID")
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.policy_options
@opt.dry_run_option
@opt.max_calls_option
@opt.limit_options
@opt.output_options
def single(content_type: ContentType, source_id: str, **options: Any) -> int:  # noqa: ANN401 - click passes by name
    """Restore one item: TYPE ID, as in `dashboard 42`."""
    if not source_id.strip():
        raise UsageError(f"which {content_type.label}? the id is empty")
    selection = Selection(types=(content_type,), ids=(bare_id(content_type, source_id),))
    config = opt.given_config(options, selection)
    reporter = reporter_of(options, summary=False)
    with open_vault(config.db_path) as vault:
        ending = restore(config, vault, reporter, dict(os.environ))
    if not ending.results:
        if ending.fatal is not None and options["as_json"]:
            raise ending.fatal
        return code_of(ending)
    if options["as_json"]:
        write_line(_with_dead_letter(config, ending))
    elif not config.dry_run and not options["quiet"]:
        click.echo(_sentence(ending.results[0]))
    return _code_of_single(ending)


@click.command()
@opt.types_option
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.selection_options
@opt.policy_options
@opt.dry_run_option
@opt.run_id_option
@opt.engine_options
@opt.limit_options
@opt.output_options
def bulk(types: tuple[ContentType, ...], **options: Any) -> int:  # noqa: ANN401 - click passes by name
    """Restore all items of one or more types."""
    return _restore(types, options)


@click.command("all")
@opt.all_types_options
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.folder_options
@opt.deleted_option
@opt.policy_options
@opt.dry_run_option
@opt.run_id_option
@opt.engine_options
@opt.limit_options
@opt.output_options
def everything(
    only_types: tuple[ContentType, ...],
    exclude_types: tuple[ContentType, ...],
    **options: Any,  # noqa: ANN401 - click passes by name
) -> int:
    """Restore everything, in dependency order."""
    return _restore(opt.types_of_all(only_types, exclude_types), options)


def _restore(types: tuple[ContentType, ...], options: dict[str, Any]) -> int:
    config = opt.given_config(options, opt.given_selection(types, options))
    with open_vault(config.db_path) as vault:
        return code_of(restore(config, vault, reporter_of(options), dict(os.environ)))


@click.command()
@click.argument("session", required=False)
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.dry_run_option
@opt.engine_options
@opt.limit_options
@opt.output_options
def resume(session: str | None, **options: Any) -> int:  # noqa: ANN401 - click passes by name
    """Continue the newest unfinished session, or the one named. It cannot be a dry run."""
    if options["dry_run"]:
        raise UsageError(
            "a resume cannot be a dry run", "--no-dry-run continues the session, whatever says otherwise"
        )
    config = opt.given_config(options, Selection(types=()))
    found = _session_to_continue(session, config)
    db_path = given_db_path(config)
    if found is not None and "retry" in found.config:
        return code_of(retry(config, db_path, reporter_of(options), dict(os.environ), session_id=found.id))
    if db_path is None:
        db_path = Path(found.metadata["vault"]) if found is not None else config.db_path
    with open_vault(db_path) as vault:
        return code_of(resume_session(config, session, vault, reporter_of(options), dict(os.environ)))


def _session_to_continue(session: str | None, config: RestorationConfig) -> SessionRow | None:
    """The session that is meant, as far as the state file can be found by the URL alone."""
    base_url = resolve(config.destination, os.environ).endpoint.base_url
    reader = StateReader(config.state_path or default_state_path(base_url))
    return next((one for one in reader.sessions() if session in {None, one.id} and not one.is_finished), None)


def given_db_path(config: RestorationConfig) -> Path | None:
    """The backup that was named for this call: a session knows its own."""
    return None if opt.is_default("db_path") else config.db_path


def reporter_of(options: dict[str, Any], *, summary: bool = True) -> Reporter:
    """Whoever shows the run, as the output options say."""
    require_one_voice(verbose=options["verbose"], quiet=options["quiet"])
    if options["as_json"]:
        return JsonLines(
            force=options["force"],
            summary=summary,
            verbose=options["verbose"],
            quiet=options["quiet"],
        )
    return Terminal(
        force=options["force"],
        quiet=options["quiet"],
        verbose=options["verbose"] or not summary,
        progress=not options["no_progress"],
        summary=summary,
    )


def code_of(ending: Ending) -> int:
    """The exit code of a run."""
    return int(ending.exit_code)


def _code_of_single(ending: Ending) -> int:
    result = ending.results[0]
    if result.error is None or result.operation is Operation.PARTIAL:
        return int(ending.exit_code)
    return int(CODE_OF_ERROR.get(result.error.kind, ExitCode.API))


def _with_dead_letter(config: RestorationConfig, ending: Ending) -> dict[str, Any]:
    result = ending.results[0]
    letter = None
    if result.error is not None and ending.state_path is not None and not config.dry_run:
        wanted = LetterFilter(session_id=ending.summary["session_id"])
        found = StateReader(ending.state_path).dead_letters.find(wanted)
        letter = found[-1].id if found else None
    return result_object(result, letter, dry_run=config.dry_run)


def _sentence(result: RestorationResult) -> str:
    what = f"{result.content_type.label} {result.source_id}"
    if result.operation is Operation.FAILED:
        return f"{what} failed: see `lvrestore failures list`"
    if result.operation is Operation.PARTIAL:
        return f"{what} is only partly restored: see `lvrestore failures list`"
    here = f", here {result.destination_id}," if result.destination_id not in {None, result.source_id} else ""
    seconds = result.duration_ms / 1000
    return f"{what}{here} is {result.operation} ({api_calls(result.calls.total)}, {seconds:.1f} s)"
