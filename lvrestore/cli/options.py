"""Options that several commands share; each has its environment twin `LVRESTORE_<OPTION>`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import msgspec
from click.core import ParameterSource

from lvrestore.cli.defaults import Option, note_keys, use_config
from lvrestore.cli.output import Output
from lvrestore.cli.remap_file import read_remap
from lvrestore.durations import parse_duration
from lvrestore.errors import UsageError
from lvrestore.looker.credentials import Given
from lvrestore.looker.retry import RetryPolicy
from lvrestore.model import ContentType, Operation, parse_content_type
from lvrestore.plan.identity import instance_name
from lvrestore.settings import (
    DEFAULT_CHECKPOINT_INTERVAL,
    DEFAULT_INFLIGHT,
    DEFAULT_OUTAGE_TIMEOUT_S,
    DEFAULT_PROCS,
    DEFAULT_RETRIES,
    DEFAULT_STALENESS_S,
    MOST_PROCS,
    Ceilings,
    OwnLimits,
    Policy,
    Remap,
    RestorationConfig,
    Retry,
    Selection,
)

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
MOST_INFLIGHT = 256
# The times of so many requests are kept; no instance serves as many.
MOST_PER_SECOND = 10_000
MOST_ID_CHARACTERS = 200


def option(
    *names: str,
    env: tuple[str, ...] = (),
    in_file: bool = True,
    **settings: Any,  # noqa: ANN401 - click's own
) -> Callable[[F], F]:
    """`click.option` with the environment twin of its long name, and a default in the config file.

    A flag has a contrary, which takes back what file or environment say. Without `in_file` the file cannot say it.
    """
    long_name = next(name for name in names if name.startswith("--")).partition("/")[0]
    twin = "LVRESTORE_" + long_name.lstrip("-").replace("-", "_").upper()
    if settings.get("is_flag") and in_file:
        names = tuple(f"{name}/{_contrary(name)}" if name == long_name else name for name in names)
    note_keys(names, in_file=in_file)
    return click.option(*names, envvar=[twin, *env], cls=Option, in_file=in_file, **settings)


def _contrary(flag: str) -> str:
    name = flag.removeprefix("--")
    return f"--{name.removeprefix('no-')}" if name.startswith("no-") else f"--no-{name}"


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, shown in this order."""

    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def _content_type(_ctx: click.Context, _param: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - click's own
    try:
        if isinstance(value, tuple):
            return tuple(parse_content_type(text) for text in value)
        return parse_content_type(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


content_type_argument = click.argument("content_type", metavar="TYPE", callback=_content_type)


def _listed_types(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Any:  # noqa: ANN401 - click's own
    if any(not text.replace(",", " ").split() for text in value):
        # A shell variable that is not set must not mean every type.
        raise click.BadParameter("it names no type")
    names = tuple(name for text in value for name in text.split(",") if name.strip())
    return _content_type(ctx, param, names)


def _duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    try:
        return parse_duration(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def instance(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The name of an instance out of its URL, as the state file has it."""
    if value is None:
        return None
    try:
        host = urlsplit(name := instance_name(value.strip())).hostname
    except ValueError:
        host = None
    if not host or " " in host:
        raise click.BadParameter("give the URL of the instance, like https://looker.example.com")
    return name


def _owner_policy(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value not in {"keep", "me"} and "@" not in value.strip("@"):
        raise click.BadParameter(f"{value!r} is neither keep, me nor an e-mail address")
    return value


all_types_options = together(
    option(
        "--only-types",
        against=("exclude_types",),
        multiple=True,
        metavar="TYPE,...",
        callback=_listed_types,
        help="Only these content types.",
    ),
    option(
        "--exclude-types",
        against=("only_types",),
        multiple=True,
        metavar="TYPE,...",
        callback=_listed_types,
        help="All but these content types.",
    ),
)
types_option = option(
    "--type",
    "types",
    multiple=True,
    required=True,
    metavar="TYPE",
    callback=_listed_types,
    help="Content type; several may be separated by commas.",
)
one_type_option = option(
    "--type", "content_type", metavar="TYPE", callback=_content_type, help="Content type.", in_file=False
)
letters_argument = click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1))
session_filter = option("--session", metavar="S", help="Only what failed in this session.", in_file=False)
kind_option = option("--kind", metavar="K", help="Only errors of this kind.", in_file=False)
limit_option = option("--limit", type=click.IntRange(1), metavar="N", help="Show at most N.")
offset_option = option(
    "--offset", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first so many."
)
fix_dependencies_option = option(
    "--fix-dependencies", is_flag=True, help="Restore first what the failed items need, if the backup has it."
)
parts_option = option("--parts", is_flag=True, help="Tiles, layouts, queries and such as well.")
format_option = option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    help="Form of the output.  [default: what the ending says, else csv]",
)
output_option = option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write to this file; - is stdout.",
)
report_filters = together(
    option(
        "--operation",
        "operations",
        multiple=True,
        type=click.Choice([one.value for one in Operation]),
        help="Only items with this outcome; may be given several times.",
        in_file=False,
    ),
    option("--warnings", is_flag=True, help="Only items with warnings.", in_file=False),
    option("--conflicts", is_flag=True, help="Only items in conflict.", in_file=False),
    option(
        "--failures",
        is_flag=True,
        help="Only items that failed, or were restored in part.",
        in_file=False,
    ),
)


def _note_json(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click's own
    """Let a fatal error be told in the same form, wherever the wish comes from."""
    if isinstance(ctx.obj, dict):
        ctx.obj["as_json"] = value
    return value


json_option = option(
    "--json", "as_json", is_flag=True, callback=_note_json, help="One JSON object per line on stdout."
)

vault_option = option(
    "--db-path",
    env=("LOOKERVAULT_DB_PATH",),
    type=click.Path(path_type=Path),
    default=Path("lookervault.db"),
    show_default=True,
    help="The lookervault backup.",
)
state_option = option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="State file of the destination.  [default: ~/.local/state/lvrestore/<host>-<port>.db]",
)
base_url_option = option("--base-url", metavar="URL", help="The Looker instance.")
ini_options = together(
    option("--ini", metavar="PATH", help="looker.ini that names the instance and the API key."),
    option("--section", metavar="NAME", help="Section of the looker.ini."),
    option("--instance", metavar="NAME", help="Named instance from the config file."),
)
config_option = option(
    "--config",
    metavar="PATH",
    is_eager=True,
    callback=use_config,
    in_file=False,
    help="The config file.  [default: ./lvrestore.toml, ./lookervault.toml, ~/.config/lvrestore/config.toml]",
)
destination_options = together(
    base_url_option,
    option("--client-id", help="API key id."),
    option("--client-secret-file", metavar="PATH", help="File that holds the API key secret."),
    option("--client-secret-cmd", metavar="CMD", help="Command that prints the API key secret."),
    ini_options,
    config_option,
    option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds to wait for an answer.  [default: 120]",
    ),
    option("--ca-bundle", metavar="PATH", help="Certificates to trust."),
    option("--no-verify-ssl", is_flag=True, default=None, help="Do not check the server's certificate."),
    option("--allow-insecure-http", is_flag=True, help="Allow http:// beyond this machine."),
    option(
        "--source-instance",
        metavar="URL",
        callback=instance,
        help=(
            "The instance that the backup was taken from. If that is not the destination, nothing is "
            "matched by id."
        ),
    ),
    option(
        "--same-instance",
        is_flag=True,
        in_file=False,
        help="Declare that the destination is the instance that was backed up, where that cannot be proved.",
    ),
    option(
        "--source",
        metavar="NAME",
        help=(
            "Named instance (config file) that the backup was taken from: query definitions that no "
            "backup has are read there."
        ),
    ),
    option(
        "--expect-host",
        metavar="HOST",
        help=(
            "Refuse any destination but HOST. Without a terminal this is also needed, beside --force, to "
            "create more than 20 items of a type of which the key sees almost none."
        ),
    ),
)
folder_options = together(
    option("--folder", metavar="ID_OR_PATH", help="Only what lies in this folder."),
    option("--recursive", is_flag=True, help="And in the folders below it."),
)
deleted_option = option(
    "--deleted",
    type=click.Choice(["exclude", "include", "only"]),
    default="exclude",
    show_default=True,
    help="Items deleted in Looker before the backup finished.",
)
selection_options = together(
    option("--ids", metavar="1,2,3", help="Only these ids.", against=("ids_file",)),
    option(
        "--ids-file",
        against=("ids",),
        type=click.File(encoding="utf-8-sig"),
        metavar="F",
        help="Only the ids in this file, one a line; - is stdin.",
    ),
    folder_options,
    deleted_option,
)
policy_options = together(
    option(
        "--access",
        type=click.Choice(["new", "restore", "skip"]),
        default="new",
        show_default=True,
        help=(
            "Who gets group memberships, roles and logins back: only users, groups and roles that this "
            "run creates (new), everyone (restore), nobody (skip)."
        ),
    ),
    option(
        "--assignments",
        type=click.Choice(["merge", "exact"]),
        default="merge",
        show_default=True,
        help=(
            "With --access restore: keep memberships and roles that the backup does not have (merge), or "
            "take them away (exact)."
        ),
    ),
    option(
        "--schedules",
        type=click.Choice(["disabled", "as-backup", "skip"]),
        default="disabled",
        show_default=True,
        help=(
            "Restore schedules switched off (disabled), as they were in the backup (as-backup), or not at all (skip). "
            "With disabled and skip, schedules and alerts on content that comes back from the trash are switched off."
        ),
    ),
    option(
        "--alerts",
        type=click.Choice(["keep", "delete"]),
        default="keep",
        show_default=True,
        help="A tile that was added after the backup and has alerts: keep it, or delete it with its alerts.",
    ),
    option(
        "--certification",
        type=click.Choice(["as-backup", "skip"]),
        default="as-backup",
        show_default=True,
        help="Certify dashboards, looks and tiles as in the backup, or leave certificates alone.",
    ),
    option(
        "--orphans-to",
        metavar="FOLDER",
        help="Put items whose folder is gone into this folder of the instance, by id or path.",
    ),
    option(
        "--target-folder",
        metavar="FOLDER",
        help="Put everything that is restored into this folder of another instance, by id or path.",
    ),
    option(
        "--adopt",
        is_flag=True,
        help=(
            "If the destination has an item of the same name in the same place, overwrite it instead of "
            "reporting a conflict."
        ),
    ),
    option(
        "--owner-policy",
        metavar="keep|me|EMAIL",
        default="keep",
        show_default=True,
        callback=_owner_policy,
        help=(
            "Owner of content whose owner is not on the destination: keep the owner that it has there "
            "(new content: the API key's account), the API key's account (me), or the user with this "
            "e-mail address."
        ),
    ),
    option(
        "--rewrite-links",
        type=click.Choice(["on", "off"]),
        default="on",
        show_default=True,
        help="Update links in texts when the content that they lead to gets a new id.",
    ),
    option(
        "--remap",
        "remap_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="TOML file that says what models, folders, users and so on are called on another instance.",
    ),
)
max_calls_option = option(
    "--max-calls",
    type=click.IntRange(1),
    metavar="N",
    help="Make at most N API calls in all, logins and lists included; `resume` continues later.",
)
engine_options = together(
    option(
        "--procs",
        "--workers",
        type=click.IntRange(1, MOST_PROCS),
        default=DEFAULT_PROCS,
        show_default=True,
        help="Worker processes.",
    ),
    option(
        "--inflight",
        type=click.IntRange(1, MOST_INFLIGHT),
        default=DEFAULT_INFLIGHT,
        show_default=True,
        help="Concurrent requests per process.",
    ),
    option(
        "--outage-timeout",
        "outage_timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        default=DEFAULT_OUTAGE_TIMEOUT_S,
        show_default=True,
        metavar="S",
        help=(
            "Seconds to wait for an instance that stopped answering; then the run stops, and `resume` "
            "continues later."
        ),
    ),
    option(
        "--max-errors",
        type=click.IntRange(1),
        metavar="N",
        help="Stop after N failed items; `resume` continues later.",
    ),
    max_calls_option,
    option(
        "--max-duration",
        "max_duration_s",
        callback=_duration,
        metavar="TIME",
        help="Stop after this time (2h, 1h30m, 90s); `resume` continues later.",
    ),
    option(
        "--checkpoint-interval",
        type=click.IntRange(1),
        default=DEFAULT_CHECKPOINT_INTERVAL,
        show_default=True,
        metavar="N",
        help="Items of a type after which the state file sums up what is done.",
        hidden=True,
    ),
    option(
        "--max-staleness",
        "max_staleness_s",
        type=click.FloatRange(min=0),
        default=DEFAULT_STALENESS_S,
        show_default=True,
        metavar="S",
        help="Seconds after which what was read in bulk is read again.",
        hidden=True,
    ),
)
lock_timeout_option = option(
    "--lock-timeout",
    "lock_timeout_s",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait for another run on the same destination to end.",
)
limit_options = together(
    option(
        "--rate-limit-per-second",
        "rate_per_second",
        type=click.IntRange(1, MOST_PER_SECOND),
        metavar="N",
        help="Ceiling of API calls in any second.",
    ),
    option(
        "--rate-limit-per-minute",
        "rate_per_minute",
        type=click.IntRange(1, 60 * MOST_PER_SECOND),
        metavar="N",
        help="Ceiling of API calls in any minute.",
    ),
    option(
        "--max-retries",
        type=click.IntRange(0),
        default=DEFAULT_RETRIES,
        show_default=True,
        help="How often to repeat a call that failed and may succeed later.",
    ),
    lock_timeout_option,
)


def shown(command: Callable[..., R]) -> Callable[..., R]:
    """Add `--json`, `-v` and `-q`; the command gets them as `out`."""

    @together(json_option, voice_options)
    @wraps(command)
    def with_output(*given: Any, as_json: bool, verbose: bool, quiet: bool, **others: Any) -> R:  # noqa: ANN401
        return command(*given, out=Output(as_json=as_json, verbose=verbose, quiet=quiet), **others)

    return with_output


class Whereabouts(msgspec.Struct, frozen=True):
    """Whose state file a command is about: the file, or what tells the destination."""

    state_path: Path | None
    destination: Given


def about_destination(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that tell whose state file is meant; the command gets them as `where`."""

    @together(state_option, base_url_option, ini_options, config_option)
    @wraps(command)
    def with_whereabouts(*given: Any, state_path: Path | None, **others: Any) -> R:  # noqa: ANN401
        said = {name: others.pop(name) for name in ("base_url", "ini", "section", "instance", "config")}
        return command(*given, where=Whereabouts(state_path, Given(**said)), **others)

    return with_whereabouts


def _run_id(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (
        not value.strip() or not value.isprintable() or len(value) > MOST_ID_CHARACTERS
    ):
        raise click.BadParameter(f"a name of at most {MOST_ID_CHARACTERS} printable characters is needed")
    return value


run_id_option = option(
    "--run-id",
    metavar="NAME",
    callback=_run_id,
    help=("Name this run. The same command continues the run; if it is finished, the command does nothing."),
)
dry_run_option = option("--dry-run", is_flag=True, help="Show what would be done; write nothing.")
force_option = option("--force", "--yes", "force", is_flag=True, help="Do not ask.", in_file=False)
voice_options = together(
    option("-v", "--verbose", is_flag=True, against=("quiet",), help="Show every warning, and nothing cut."),
    option("-q", "--quiet", is_flag=True, against=("verbose",), help="Show errors only."),
)
output_options = together(
    json_option,
    force_option,
    voice_options,
    option("--no-progress", is_flag=True, help="No progress bar or heartbeat."),
)


def is_default(name: str) -> bool:
    """Whether nobody has given an option for this call: it is the default, or that of the config file."""
    ctx = click.get_current_context(silent=True)
    source = ctx.get_parameter_source(name) if ctx is not None else None
    return source in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}


def given_destination(options: dict[str, Any]) -> Given:
    """What the options say about the destination."""
    return Given(
        base_url=options["base_url"],
        client_id=options["client_id"],
        client_secret_file=options["client_secret_file"],
        client_secret_cmd=options["client_secret_cmd"],
        ini=options["ini"],
        section=options["section"],
        instance=options["instance"],
        config=options["config"],
        timeout_s=options["timeout"],
        verify=None if options["no_verify_ssl"] is None else not options["no_verify_ssl"],
        ca_bundle=options["ca_bundle"],
        allow_insecure_http=options["allow_insecure_http"],
        expect_host=options["expect_host"],
    )


def given_config(
    options: dict[str, Any], selection: Selection, retry: Retry | None = None
) -> RestorationConfig:
    """A whole restore from the options of a command that has the shared groups."""
    if options.get("run_id") is not None and options["dry_run"]:
        raise UsageError("a dry run has no session: leave out --run-id or --dry-run")
    return RestorationConfig(
        db_path=options["db_path"],
        selection=selection,
        retry=retry,
        destination=given_destination(options),
        source_instance=options["source_instance"],
        same_instance=options["same_instance"],
        source=options["source"],
        policy=_given_policy(options),
        state_path=options["state_path"],
        run_id=options.get("run_id"),
        lock_timeout_s=options["lock_timeout_s"],
        procs=options.get("procs", 1),
        inflight=options.get("inflight", DEFAULT_INFLIGHT),
        ceilings=Ceilings(per_second=options["rate_per_second"], per_minute=options["rate_per_minute"]),
        retries=_given_retries(options),
        own_limits=OwnLimits(
            errors=options.get("max_errors"),
            calls=options.get("max_calls"),
            duration_s=options.get("max_duration_s"),
        ),
        outage_timeout_s=options.get("outage_timeout_s", 0.0),
        checkpoint_interval=options.get("checkpoint_interval", DEFAULT_CHECKPOINT_INTERVAL),
        max_staleness_s=options.get("max_staleness_s", DEFAULT_STALENESS_S),
        dry_run=options.get("dry_run", False),
    )


def _given_retries(options: dict[str, Any]) -> RetryPolicy:
    """An instance that asks to be left alone is waited for as long as one that is gone."""
    patience_s = options.get("outage_timeout_s")
    if patience_s is None:
        return RetryPolicy(max_retries=options["max_retries"])
    return RetryPolicy(max_retries=options["max_retries"], rate_limit_patience_s=patience_s)


def _given_policy(options: dict[str, Any]) -> Policy:
    """What the options say may be done; `resume` has none of them, its session knows."""
    if "access" not in options:
        return Policy()
    if options["assignments"] == "exact" and options["access"] != "restore":
        raise UsageError("--assignments exact takes access away, and needs --access restore")
    return Policy(
        access=options["access"],
        assignments=options["assignments"],
        schedules=options["schedules"],
        certification=options["certification"],
        alerts=options["alerts"],
        orphans_to=options["orphans_to"],
        target_folder=options["target_folder"],
        adopt=options["adopt"],
        owner_policy=options["owner_policy"],
        rewrite_links=options["rewrite_links"] == "on",
        remap=read_remap(options["remap_file"]) if options["remap_file"] is not None else Remap(),
    )


def types_of_all(only: tuple[ContentType, ...], excluded: tuple[ContentType, ...]) -> tuple[ContentType, ...]:
    """Every type, or those meant."""
    if only and excluded:
        raise UsageError("--only-types and --exclude-types cannot be combined")
    types = tuple(t for t in ContentType if (not only or t in only) and t not in excluded)
    if not types:
        raise UsageError("every type is excluded")
    return types


def given_selection(types: tuple[ContentType, ...], options: dict[str, Any]) -> Selection:
    """The selection of a bulk restore."""
    if options["recursive"] and options["folder"] is None and not is_default("recursive"):
        raise UsageError("--recursive needs --folder")
    return Selection(
        types=tuple(dict.fromkeys(types)),
        ids=_ids(options.get("ids"), options.get("ids_file")),
        folder=options["folder"],
        recursive=options["recursive"] and options["folder"] is not None,
        deleted=options["deleted"],
    )


def _ids(text: str | None, file: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - an open text file
    if text is not None and file is not None:
        raise UsageError("ids were given twice, by --ids and by --ids-file")
    if text is None and file is None:
        return None
    try:
        listed = text if text is not None else file.read()
    except UnicodeDecodeError as error:
        raise UsageError("the file of ids is not text in UTF-8") from error
    ids = tuple(dict.fromkeys(one for part in listed.split(",") for one in part.split()))
    if not ids:
        raise UsageError("the list of ids is empty")
    return ids
