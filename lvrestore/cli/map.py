"""`lvrestore map`: which object of the destination stands for which item of the backup."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec
from rich.table import Table

from lvrestore.cli import options as opt
from lvrestore.cli.output import Output
from lvrestore.cli.restore import reporter_of
from lvrestore.cli.state_file import state_reader
from lvrestore.engine.explain import explain, explanation_object
from lvrestore.engine.map_import import ProblemsError, counts_of, import_mappings
from lvrestore.engine.story import request_of
from lvrestore.errors import CancelledError, ExitCode, NotFoundError, UsageError
from lvrestore.model import ContentType, parse_content_type
from lvrestore.plan.identity import UNKNOWN
from lvrestore.report.explanation import explanation_lines
from lvrestore.report.jsonl import JsonLines, write_line
from lvrestore.report.terminal import ask
from lvrestore.report.wording import counted
from lvrestore.settings import Selection, default_state_path
from lvrestore.state.lock import RunLock
from lvrestore.state.mapping_file import (
    Format,
    Problem,
    format_of,
    mapping_object,
    read_mappings,
    replaced,
    write_mappings,
)
from lvrestore.state.mappings import BELONGS_TO, CONTENT_TYPES, PARTS, Group
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.text import NAME_LIMIT, printable
from lvrestore.vault import Vault, bare_id, open_vault
from lvrestore.vault.parts import part_ids

Item = tuple[str, str]


def _kind(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A content type, or a part of one."""
    return None if value is None else _parse_kind(value)


def _parse_kind(text: str) -> str:
    name = text.strip().lower().replace("-", "_")
    found = next((one for one in PARTS if name in {one, f"{one}s"}), None)
    if found is not None:
        return found
    try:
        return parse_content_type(text).label
    except ValueError as error:
        raise click.BadParameter(f"{error}; and of parts {', '.join(PARTS)}") from error


def _source(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The name of an instance; a backup that does not say its own is of an unknown one."""
    return UNKNOWN if value == UNKNOWN else opt.instance(ctx, param, value)


def _items(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(dict.fromkeys(parse_item(one) for one in values))


def _item(_ctx: click.Context, _param: click.Parameter, value: str) -> Item:
    return parse_item(value)


def parse_item(text: str) -> Item:
    """The kind and the backup's id out of `dashboard:42`."""
    name, colon, source_id = text.partition(":")
    if not colon or not name.strip() or not source_id.strip():
        raise click.BadParameter(f"{text!r} is not TYPE:ID, like dashboard:42")
    kind = _parse_kind(name)
    if kind in PARTS:
        return kind, source_id.strip()
    return kind, bare_id(ContentType[kind.upper()], source_id.strip())


kind_option = opt.option(
    "--type", "kind", metavar="T", callback=_kind, help="Only this type, or part.", in_file=False
)
source_option = opt.option(
    "--source-instance",
    metavar="URL",
    callback=_source,
    in_file=False,
    help="Only what is of this instance; `unknown` where the backup did not say.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def mappings() -> None:
    """Show, export, import or forget the id map: backup id -> Looker id."""


@mappings.command("list")
@kind_option
@source_option
@opt.parts_option
@opt.limit_option
@opt.offset_option
@opt.about_destination
@opt.shown
def list_mappings(
    kind: str | None,
    source_instance: str | None,
    limit: int | None,
    offset: int,
    where: opt.Whereabouts,
    out: Output,
    *,
    parts: bool,
) -> None:
    """List the mappings; with -v the session that met each last."""
    kinds = (kind,) if kind else (*CONTENT_TYPES, *PARTS) if parts else CONTENT_TYPES
    found = state_reader(where).mappings.find(kinds, source_instance, limit=limit, offset=offset)
    if out.as_json:
        for one in found:
            out.line(mapping_object(one))
        return
    columns = ("type", "source", "destination", "rule", "state", "mapped", "of")
    table = Table(*columns, *(["session"] if out.verbose else []), box=None, padding=(0, 2, 0, 0))
    for one in found:
        ids = (printable(id_, out.cut(NAME_LIMIT)) for id_ in (one.source_id, one.destination_id))
        at, session = (one.mapped_at or "")[:19], [one.session_id] if out.verbose else []
        table.add_row(one.content_type, *ids, one.rule, one.state, at, one.source_instance, *session)
    if table.row_count:
        out.console.print(table)
    else:
        out.say("no mappings")


@mappings.command("export")
@kind_option
@source_option
@opt.format_option
@opt.output_option
@opt.about_destination
@opt.voice_options
def export_mappings(
    kind: str | None,
    source_instance: str | None,
    form: Format | None,
    output: Path | None,
    where: opt.Whereabouts,
    *,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write the mappings of items to a file or to stdout, in the form that `map import` reads."""
    out = Output(as_json=False, verbose=verbose, quiet=quiet)
    reader = state_reader(where)
    for one in reader.mappings.groups() if verbose else ():
        out.details(f"{_named(one)}: {reader.mappings.count(one):,}")
    rows = reader.mappings.find((kind,) if kind else CONTENT_TYPES, source_instance)
    form = form or format_of(output)
    if output in {None, Path("-")}:
        write_mappings(rows, form, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with replaced(output) as file:
        count = write_mappings(rows, form, file)
    out.say(f"{count:,} mappings written to {output}", err=True)


def _named(group: Group) -> str:
    return f"{group.content_type} of {group.source_instance} on {group.destination_instance}"


@mappings.command("import")
@click.argument("file", metavar="FILE", type=click.File(encoding="utf-8-sig"))
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.dry_run_option
@opt.limit_options
@opt.output_options
def import_file(file: TextIO, **options: Any) -> None:  # noqa: ANN401 - click passes by name
    """Store the mappings of a file: CSV or JSON with content_type, source_id and destination_id; - is stdin.

    Each item must be in the backup, and each object on the instance. If one is not, nothing is written.
    """
    config = opt.given_config(options, Selection(types=()))
    rows, problems = read_mappings(file)
    request = request_of(config, reporter_of(options, summary=False), os.environ)
    with open_vault(config.db_path) as vault:
        try:
            confirmed = partial(_confirmed, force=options["force"])
            found = import_mappings(request, vault, rows, problems, confirmed)
        except ProblemsError as error:
            _show_problems(error.problems, as_json=options["as_json"])
            raise
    counts = counts_of(found)
    if options["as_json"]:
        write_line({"type": "imported", **counts, "dry_run": config.dry_run})
    else:
        would_be = "would be " if config.dry_run else ""
        listed = f"{counts['new']:,} new, {counts['replaced']:,} replaced, {counts['same']:,} as they were"
        click.echo(f"{would_be}imported: {listed}")


def _confirmed(question: str, *, force: bool) -> bool:
    click.echo(question, err=True)
    return force or ask()


def _show_problems(problems: Collection[Problem], *, as_json: bool) -> None:
    for one in problems:
        if as_json:
            write_line({"type": "problem", **msgspec.structs.asdict(one)})
        else:
            click.echo(f"line {one.line}: {printable(one.message)}", err=True)


@mappings.command("explain")
@click.argument("item", metavar="TYPE:ID", callback=_item)
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.policy_options
@opt.limit_options
@opt.shown
def explain_item(item: Item, out: Output, **options: Any) -> int:  # noqa: ANN401 - click passes by name
    """Show how an item of the backup would be found: every rule that is tried, what it finds, the result."""
    kind, source_id = item
    if kind in PARTS:
        raise UsageError(f"a {kind} is found within its item", "explain that: dashboard:42, for one")
    selection = Selection(types=(ContentType[kind.upper()],), ids=(source_id,))
    config = opt.given_config({**options, "dry_run": True}, selection)
    with open_vault(config.db_path) as vault:
        found = explain(config, vault, JsonLines(force=True, summary=False), os.environ)
    if found is None:
        return ExitCode.INTERRUPTED
    if out.as_json:
        out.line(explanation_object(found))
    for line in () if out.as_json else explanation_lines(found, verbose=out.verbose):
        out.say(line)
    return ExitCode.OK


@mappings.command("clear")
@click.argument("items", metavar="[TYPE:ID]...", nargs=-1, callback=_items)
@kind_option
@source_option
@opt.option("--all", "everything", is_flag=True, help="All of them.", in_file=False)
@opt.vault_option
@opt.about_destination
@opt.lock_timeout_option
@opt.force_option
@opt.shown
def clear_mappings(
    items: tuple[Item, ...],
    kind: str | None,
    source_instance: str | None,
    db_path: Path,
    where: opt.Whereabouts,
    lock_timeout_s: float,
    out: Output,
    *,
    everything: bool,
    force: bool,
) -> None:
    """Forget mappings: those of the given items, of a type, of a source instance, or all.

    Nothing changes on the instance. The next run searches for these items again, as if for the first time. With a
    dashboard or board, the mappings of its parts are forgotten too; the backup (--db-path) says which parts it has.
    """
    if sum(map(bool, (items, kind, everything))) > 1 or not (items or kind or everything or source_instance):
        raise UsageError("say which mappings: TYPE:ID, --type, --source-instance or --all")
    reader = state_reader(where)
    groups = [one for one in reader.mappings.groups() if source_instance in {None, one.source_instance}]
    if items:
        chosen = _of_items(items, groups, reader, db_path)
    else:
        kinds = {kind, *BELONGS_TO.get(kind, ())} if kind else {one.content_type for one in groups}
        chosen = {one: None for one in groups if one.content_type in kinds}
    counts = {group: reader.mappings.count(group, ids) for group, ids in chosen.items()}
    total = sum(counts.values())
    for group, count in counts.items():
        out.details(f"{_named(group)}: {count:,}")
    click.echo(_what_is_cleared(counts, reader.path), err=True)
    if total and not force and not ask():
        raise CancelledError
    if total:
        _clear(reader.path, chosen, lock_timeout_s)
    if out.as_json:
        out.line({"type": "cleared", "count": total})
    elif total:
        out.say(f"{counted(total, 'mapping')} removed")


def _of_items(
    items: Collection[Item], groups: Collection[Group], reader: StateReader, db_path: Path
) -> dict[Group, Collection[str] | None]:
    """The mappings of items and of what belongs to them."""
    chosen: dict[Group, list[str]] = {}
    for kind, source_id in items:
        group = _group_of(kind, source_id, groups, reader)
        chosen.setdefault(group, []).append(source_id)
        for part in BELONGS_TO.get(kind, ()):
            if part.startswith("made_"):
                chosen.setdefault(msgspec.structs.replace(group, content_type=part), []).append(source_id)
    holders = {group: ids for group, ids in chosen.items() if group.content_type in {"dashboard", "board"}}
    for group, parts in _parts_of(holders, db_path):
        chosen.setdefault(group, []).extend(parts)
    return dict(chosen)


def _group_of(kind: str, source_id: str, groups: Collection[Group], reader: StateReader) -> Group:
    """Between which instances an item is mapped."""
    found = [
        one for one in groups if one.content_type == kind and reader.mappings.get(one, source_id) is not None
    ]
    if not found:
        hint = f"`lvrestore map list --type {kind}` shows them"
        raise NotFoundError(f"a mapping of {kind} {source_id}", f"the state file {reader.path}", hint)
    if len(found) > 1:
        sources = " and ".join(one.source_instance for one in found)
        raise UsageError(f"{kind} {source_id} is mapped from {sources}", "say which: --source-instance URL")
    return found[0]


def _parts_of(holders: Mapping[Group, Collection[str]], db_path: Path) -> list[tuple[Group, Collection[str]]]:
    """The parts of these dashboards and boards that the backup tells; those it does not tell are said to stay."""
    if not holders:
        return []
    try:
        vault = open_vault(db_path)
    except NotFoundError:
        for group, ids in holders.items():
            _say_that_parts_stay(group.content_type, ids, f"the backup {db_path} is not there")
        return []
    with closing(vault):
        return [
            (msgspec.structs.replace(group, content_type=part), ids)
            for group, held in holders.items()
            for part, ids in _told_by(vault, group.content_type, held).items()
        ]


def _told_by(vault: Vault, kind: str, ids: Collection[str]) -> dict[str, list[str]]:
    content_type = ContentType[kind.upper()]
    if absent := vault.absent(content_type, list(ids)):
        _say_that_parts_stay(kind, absent, f"the backup {vault.path} has it not")
    found: dict[str, list[str]] = {}
    for row in vault.rows(content_type, ids=list(ids), deleted="include"):
        for part, part_id in part_ids(content_type, row.blob):
            found.setdefault(part, []).append(part_id)
    return found


def _say_that_parts_stay(kind: str, ids: Collection[str], why: str) -> None:
    names = ", ".join(f"{kind} {one}" for one in ids)
    commands = " and ".join(f"`lvrestore map clear --type {part}`" for part in BELONGS_TO[kind])
    click.echo(
        f"warning: the mappings of the parts of {names} stay, as {why}: {commands} forget those of all",
        err=True,
    )


def _what_is_cleared(counts: Mapping[Group, int], path: Path) -> str:
    total = sum(counts.values())
    if not total:
        return "no mappings to remove"
    kinds: dict[str, int] = {}
    for group, count in counts.items():
        kinds[group.content_type] = kinds.get(group.content_type, 0) + count
    listed = ", ".join(f"{count:,} of {kind}" for kind, count in kinds.items() if count)
    return (
        f"Forget {counted(total, 'mapping')} in {path} ({listed}): the next run looks for these objects anew."
    )


def _clear(path: Path, chosen: Mapping[Group, Collection[str] | None], lock_timeout_s: float) -> None:
    """Only one process writes the state file: a run that is under way is waited for, or in the way."""
    usual = default_state_path(next(iter(chosen)).destination_instance)
    lock = RunLock.acquire(path, usual, lock_timeout_s)
    try:
        with StateStore(path) as store:
            store.clear_mappings(chosen)
    finally:
        lock.release()
