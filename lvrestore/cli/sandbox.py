"""`lvrestore sandbox`: run the stand-in Looker on 127.0.0.1."""

from __future__ import annotations

import gc
import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvrestore.cli import options as opt
from lvrestore.cli.output import require_one_voice
from lvrestore.errors import UsageError, ValidationError

if TYPE_CHECKING:
    from lvrestore.sandbox.looker import Looker

# A rehearsal of any size must not fill the memory with its own past.
LOG_LIMIT = 100_000

SHARE = click.FloatRange(0, 1)


def _write_dump(looker: Looker, path: Path) -> None:
    """Write the dump whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.writelines(looker.dump_chunks())
    partial.replace(path)


def _fill(looker: Looker, given: dict[str, Any]) -> dict[str, Any]:
    """Fill the sandbox from a vault and break a share of it; return what was done, for people and JSON."""
    # Reading a vault takes imports that an empty sandbox does not need.
    from lvrestore.sandbox.seeding.damage import damage  # noqa: PLC0415
    from lvrestore.sandbox.seeding.seed import from_vault  # noqa: PLC0415

    objects = from_vault(looker, given["from_vault"])
    shares = (given["drop"], given["trash"], given["change"])
    broken = damage(looker, *shares, given["seed"], types=("all",))
    # Millions of objects that stay: the collector need not look at them again.
    gc.collect()
    gc.freeze()
    by_type = {"dashboard": broken, **broken.others}
    counts = {
        content_type: {how: len(getattr(one, how)) for how in ("dropped", "trashed", "changed")}
        for content_type, one in by_type.items()
    }
    return {"objects": objects, "dashboards": counts["dashboard"], "broken": counts}


def _say_filled(done: dict[str, Any]) -> None:
    objects = ", ".join(f"{count:,} {kind}" for kind, count in done["objects"].items())
    broken = (
        f"{content_type} ({', '.join(f'{count:,} {how}' for how, count in counts.items() if count)})"
        for content_type, counts in done["broken"].items()
        if any(counts.values())
    )
    click.echo(f"filled from the vault: {objects}; broken: {', '.join(broken) or 'nothing'}", err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", envvar="LVRESTORE_PORT"
)
@click.option(
    "--from-vault",
    type=click.Path(path_type=Path),
    envvar="LVRESTORE_FROM_VAULT",
    help="Fill it with this backup's content, under the same ids.",
)
@click.option(
    "--first-id",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    envvar="LVRESTORE_FIRST_ID",
    help="The first id that an empty sandbox gives out.",
)
@click.option(
    "--drop", type=SHARE, default=0.0, envvar="LVRESTORE_DROP", help="Destroy this share of every type."
)
@click.option(
    "--trash",
    type=SHARE,
    default=0.0,
    envvar="LVRESTORE_TRASH",
    help="Put this share into the trash, where a type has one.",
)
@click.option("--change", type=SHARE, default=0.0, envvar="LVRESTORE_CHANGE", help="Change this share.")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    envvar="LVRESTORE_SEED",
    help="Same seed, same damage and faults.",
)
@click.option(
    "--latency",
    envvar="LVRESTORE_LATENCY",
    help="Answer as slowly as typical, fast, strained or p50=150ms,p99=1s.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(1),
    envvar="LVRESTORE_RATE_LIMIT",
    help="Answer 429 above so many requests a second.",
)
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    envvar="LVRESTORE_FAULTS",
    help="Let calls go wrong as this file says (TOML, see docs/sandbox.md).",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    envvar="LVRESTORE_SWITCH",
    help="Switch a behaviour of Looker that no source confirms; a wrong name lists all switches.",
)
@click.option(
    "--dump",
    type=click.Path(path_type=Path),
    envvar="LVRESTORE_DUMP",
    help="Write the content to this file at the end, and on SIGUSR1.",
)
@click.option(
    "--token-lifetime",
    type=click.FloatRange(0, min_open=True),
    default=3600.0,
    show_default=True,
    envvar="LVRESTORE_TOKEN_LIFETIME",
    help="Seconds that a login is good for.",
)
@click.option(
    "--json", "as_json", is_flag=True, envvar="LVRESTORE_JSON", help="Say where it listens as JSON."
)
@opt.voice_options
def sandbox(*, as_json: bool, verbose: bool, quiet: bool, **given: Any) -> None:  # noqa: ANN401 - click passes options by name
    """Run a stand-in Looker on 127.0.0.1.

    Any client id and secret log in, except the secret "wrong". With -v each request is a line on stderr, with -q
    only the URL is shown.
    """
    require_one_voice(verbose=verbose, quiet=quiet)
    server = _server_module()
    from lvrestore.sandbox.fault_file import read_fault_file  # noqa: PLC0415 - as below
    from lvrestore.sandbox.latency import parse_latency  # noqa: PLC0415 - needs no extra, but time
    from lvrestore.sandbox.looker import Looker  # noqa: PLC0415 - as above
    from lvrestore.sandbox.switches import parse_switch  # noqa: PLC0415 - as above

    if given["from_vault"] is None and (given["drop"] or given["trash"] or given["change"]):
        raise UsageError("there is nothing to break in an empty sandbox", "give --from-vault too")
    latency = parse_latency(given["latency"]) if given["latency"] else None
    switches = dict(parse_switch(text) for text in given["switches"])
    faults = read_fault_file(given["faults"]) if given["faults"] else []
    looker = Looker(
        switches,
        token_lifetime_s=given["token_lifetime"],
        log_limit=LOG_LIMIT,
        first_id=given["first_id"],
        seed=given["seed"],
    )
    with server.listen(given["port"]) as listener:
        done = _fill(looker, given) if given["from_vault"] else {}
        if done and not as_json and not quiet:
            _say_filled(done)

        for rule in faults:
            looker.faults.add(rule)

        def say_ready() -> None:
            url = server.url_of(listener)
            click.echo(json.dumps({"type": "sandbox", "url": url, **done}) if as_json else f"sandbox: {url}")

        def dump() -> None:
            if given["dump"]:
                _write_dump(looker, given["dump"])

        app = server.App(looker, latency, given["rate_limit"], given["seed"])
        if verbose:
            app.heard = partial(click.echo, err=True)
        server.run(app, listener, say_ready, dump)
        dump()


def _server_module() -> Any:  # noqa: ANN401 - a module, imported only here
    try:
        from lvrestore.sandbox import server  # noqa: PLC0415 - an extra that the tool itself does without
    except ImportError as error:
        missing = f"the sandbox needs a web server that is not installed ({error.name})"
        raise ValidationError(missing, "pip install 'lvrestore[sandbox]'") from None
    return server
