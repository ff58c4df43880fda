"""`lvrestore failures retry`: a restore of what failed."""

from __future__ import annotations

import os
from typing import Any

import click

from lvrestore.cli import options as opt
from lvrestore.cli.restore import code_of, given_db_path, reporter_of
from lvrestore.cli.state_file import reader_of, require_known
from lvrestore.engine.letter_choice import filter_of
from lvrestore.engine.letters import retry
from lvrestore.looker.credentials import resolve
from lvrestore.model import ContentType
from lvrestore.settings import Retry, Selection, default_state_path


@click.command("retry")
@opt.letters_argument
@opt.session_filter
@opt.one_type_option
@opt.kind_option
@opt.fix_dependencies_option
@opt.vault_option
@opt.state_option
@opt.destination_options
@opt.policy_options
@opt.dry_run_option
@opt.run_id_option
@opt.engine_options
@opt.limit_options
@opt.output_options
def retry_letters(
    ids: tuple[int, ...],
    session: str | None,
    content_type: ContentType | None,
    kind: str | None,
    *,
    fix_dependencies: bool,
    **options: Any,  # noqa: ANN401 - click passes by name
) -> int:
    """Retry what failed: the given ids, those of a session, type or kind, or all of this destination.

    The list keeps the item as it was in the backup when it failed: that is restored, even if the backup is newer now.
    Items that waited for it are retried after it.
    """
    wanted = Retry(
        ids=tuple(sorted(set(ids))),
        session_id=session,
        content_type=content_type,
        kind=kind,
        fix_dependencies=fix_dependencies,
    )
    config = opt.given_config(options, Selection(types=()), wanted)
    base_url = resolve(config.destination, os.environ).endpoint.base_url
    reader = reader_of(config.state_path or default_state_path(base_url))
    if config.run_id is None or reader.session(config.run_id) is None:
        require_known(reader, filter_of(wanted))
    return code_of(retry(config, given_db_path(config), reporter_of(options), dict(os.environ)))
