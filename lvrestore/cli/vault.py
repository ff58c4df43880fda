"""`lvrestore vault`: look into a backup without an instance."""

from __future__ import annotations

from functools import wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvrestore.cli import options as opt
from lvrestore.errors import ExitCode, NotFoundError
from lvrestore.model import ContentType, parse_content_type
from lvrestore.plan.validation import require_usable
from lvrestore.vault import ContentDeserializer, Vault, bare_id, check, open_vault, references_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lvrestore.cli.output import Output
    from lvrestore.model import VaultRow
    from lvrestore.report.vault import VaultOutput
    from lvrestore.vault import Deleted

DELETED_CHOICES = ("exclude", "include", "only")


def content_type_named(text: str) -> ContentType:
    """Return the type in any of its spellings, or fail with the list of valid ones."""
    try:
        return parse_content_type(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def vault_command(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--db-path` and how much is shown; the command gets an opened vault and the chosen output."""

    @opt.vault_option
    @opt.config_option
    @opt.shown
    @wraps(command)
    def opened(db_path: Path, config: str | None, out: Output, **given: Any) -> None:  # noqa: ANN401, ARG001 - click passes options by name
        # Tables take long to import, and `--help` must not wait for them.
        from lvrestore.report.vault import output_for  # noqa: PLC0415

        with open_vault(db_path) as backup:
            chosen = output_for(as_json=out.as_json, verbose=out.verbose, quiet=out.quiet)
            command(backup, chosen, **given)

    return opened


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def vault() -> None:
    """Look into a backup without an instance."""


@vault.command()
@vault_command
def info(backup: Vault, output: VaultOutput) -> None:
    """Show what is in the backup, what is missing and what cannot be restored."""
    output.info(backup.path, backup.info())


@vault.command("list")
@opt.option(
    "--type",
    "types",
    type=content_type_named,
    multiple=True,
    metavar="TYPE",
    in_file=False,
    help="Only these types.",
)
@opt.option("--folder", in_file=False, help="Only what lies in this folder: id, or path of names.")
@opt.option("--recursive", is_flag=True, in_file=False, help="And in the folders below it.")
@opt.option(
    "--deleted",
    type=click.Choice(DELETED_CHOICES),
    default="exclude",
    show_default=True,
    in_file=False,
    help="Items deleted in Looker before the backup finished.",
)
@opt.limit_option
@vault_command
def list_rows(
    backup: Vault,
    output: VaultOutput,
    *,
    types: tuple[ContentType, ...],
    folder: str | None,
    limit: int | None,
    deleted: Deleted,
    recursive: bool,
) -> None:
    """List the items of the backup."""
    wanted = types or tuple(backup.counts())
    folder_ids = _folder_ids(backup, folder, recursive=recursive)
    rows = (row for t in wanted for row in backup.rows(t, deleted=deleted, folder_ids=folder_ids))
    output.rows(islice(rows, limit))
    if deleted == "exclude":
        output.left_out(sum(backup.count(t, deleted="only", folder_ids=folder_ids) for t in wanted))


@vault.command()
@click.argument("content_type", metavar="TYPE", type=content_type_named)
@click.argument("source_id", metavar="ID")
@vault_command
def show(backup: Vault, output: VaultOutput, content_type: ContentType, source_id: str) -> None:
    """Show one item: its tiles, filters, layouts and references; all of it with --json."""
    row = _row(backup, content_type, source_id)
    content: dict[str, Any] = ContentDeserializer().deserialize(row, dict)
    output.item(row, content, references_of(content_type, content))


@vault.command("check")
@vault_command
def check_rows(backup: Vault, output: VaultOutput) -> None:
    """Decode every row and follow every reference; exit 3 when a row is bad."""
    bad = output.findings(check(backup, require_usable))
    if bad:
        raise SystemExit(ExitCode.VALIDATION)


def _folder_ids(backup: Vault, folder: str | None, *, recursive: bool) -> set[str] | None:
    if folder is None:
        return None
    folder_id = backup.find_folder(folder)
    return {folder_id} | (backup.subfolders(folder_id) if recursive else set())


def _row(backup: Vault, content_type: ContentType, source_id: str) -> VaultRow:
    row = backup.get(content_type, source_id)
    if row is None:
        raise NotFoundError(
            f"{content_type.label} {bare_id(content_type, source_id)}",
            f"the vault {backup.path}",
            hint=f"`lvrestore vault list --type {content_type.label}` shows what is",
        )
    return row
