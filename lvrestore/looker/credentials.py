"""Which Looker, and with which API key: found in options, the environment, the config file or a looker.ini."""

from __future__ import annotations

import configparser
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lvrestore.errors import ValidationError
from lvrestore.looker.config_file import (
    InstanceTable,
    LookerTable,
    find_config,
    read_instance,
    read_looker,
    require_ours,
    usual_places,
)
from lvrestore.looker.transport import Endpoint, normalise_base_url

DEFAULT_INI = "looker.ini"
COMMAND_TIMEOUT_S = 60.0
OPTION = "option"

# Variable names by field. The first family of which anything is set is the one that counts.
ENVIRONMENT: tuple[dict[str, str], ...] = (
    {
        "base_url": "LOOKER_BASE_URL",
        "client_id": "LOOKER_CLIENT_ID",
        "client_secret": "LOOKER_CLIENT_SECRET",
    },
    {
        "base_url": "LOOKERVAULT_API_URL",
        "client_id": "LOOKERVAULT_CLIENT_ID",
        "client_secret": "LOOKERVAULT_CLIENT_SECRET",
    },
    {
        "base_url": "LOOKERSDK_BASE_URL",
        "client_id": "LOOKERSDK_CLIENT_ID",
        "client_secret": "LOOKERSDK_CLIENT_SECRET",
        "verify_ssl": "LOOKERSDK_VERIFY_SSL",
        "timeout": "LOOKERSDK_TIMEOUT",
    },
)
CREDENTIALS = ("base_url", "client_id", "client_secret")
INI_FIELDS = (*CREDENTIALS, "verify_ssl", "timeout")
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
MISSING_HINT = (
    "give --base-url, --client-id and --client-secret-file (or --client-secret-cmd); or set LOOKER_BASE_URL, "
    "LOOKER_CLIENT_ID and LOOKER_CLIENT_SECRET (also LOOKERVAULT_API_URL, ... or LOOKERSDK_BASE_URL, ...); "
    "or give --ini PATH --section NAME, or --instance NAME of the config file; or fill [looker] of that file, or "
    "have a looker.ini here"
)


class Secret:
    """A text that does not show itself: not in tracebacks, logs or reports."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller says about the destination; None is "not said"."""

    base_url: str | None = None
    client_id: str | None = None
    client_secret_file: str | None = None
    client_secret_cmd: str | None = None
    ini: str | None = None
    section: str | None = None
    instance: str | None = None
    config: str | None = None
    timeout_s: float | None = None
    verify: bool | None = None
    ca_bundle: str | None = None
    allow_insecure_http: bool = False
    expect_host: str | None = None


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """An instance and the key to it. `origins` tells for each setting where it came from."""

    endpoint: Endpoint
    client_id: str
    client_secret: Secret
    origins: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()


class _Found(msgspec.Struct, frozen=True):
    """Settings from one place, by field, with the name of each for people."""

    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"_Found({', '.join(self.values)})"  # values hold a secret

    def over(self, below: _Found) -> _Found:
        return _Found(
            below.values | self.values, below.origins | self.origins, self.warnings + below.warnings
        )


def resolve(given: Given, environ: Mapping[str, str]) -> Destination:
    """Find the destination, or raise a ValidationError that says what is missing and how to give it."""
    said = _said(given)
    stored = _stored(given, environ, with_secret="client_secret" not in said.values)
    _refuse_mixture(said, stored)
    found = said.over(stored).over(_ca_bundle(environ))
    _refuse_gaps(found)
    if given.expect_host is not None:
        _require_host(given.expect_host, found.values["base_url"], found.origins["base_url"])
    return _destination(found, allow_insecure=given.allow_insecure_http)


def base_url_of(given: Given, environ: Mapping[str, str]) -> str | None:
    """Where the destination is, as far as anything says; no secret is read, and no command run."""
    said = _Found({"base_url": given.base_url}) if given.base_url else _Found()
    return said.over(_stored(given, environ, with_secret=False)).values.get("base_url")


def resolve_source(
    name: str, config: str | None, environ: Mapping[str, str], *, allow_insecure: bool = False
) -> Destination:
    """The instance that was backed up, as the config file alone describes it."""
    found = _from_config(name, config, environ).over(_ca_bundle(environ))
    _refuse_gaps(found, f"[instances.{name}]")
    return _destination(found, allow_insecure=allow_insecure)


def _destination(found: _Found, *, allow_insecure: bool) -> Destination:
    values = found.values
    endpoint = Endpoint(
        normalise_base_url(values["base_url"], allow_insecure=allow_insecure),
        timeout_s=_seconds(values.get("timeout", "120"), found.origins.get("timeout", "")),
        verify=_flag(values.get("verify_ssl", "true"), found.origins.get("verify_ssl", "")),
        ca_bundle=_existing_file(values.get("ca_bundle"), found.origins.get("ca_bundle", "")),
    )
    return Destination(
        endpoint=endpoint,
        client_id=values["client_id"],
        client_secret=Secret(values["client_secret"]),
        origins=found.origins,
        warnings=found.warnings,
    )


def _said(given: Given) -> _Found:
    secret = _given_secret(given)
    values = {
        "base_url": given.base_url,
        "client_id": given.client_id,
        "timeout": None if given.timeout_s is None else str(given.timeout_s),
        "verify_ssl": None if given.verify is None else str(given.verify),
        "ca_bundle": given.ca_bundle,
    }
    said = {name: value for name, value in values.items() if value}
    return secret.over(_Found(said, dict.fromkeys(said, OPTION)))


def _refuse_mixture(said: _Found, stored: _Found) -> None:
    """Refuse an id from the caller with a secret that is stored for another id."""
    given_id, stored_id = said.values.get("client_id"), stored.values.get("client_id")
    alone = given_id is not None and "client_secret" not in said.values
    if alone and stored_id is not None and stored_id != given_id and "client_secret" in stored.values:
        raise ValidationError(
            f"the client id {given_id} was given without its secret; "
            f"{stored.origins['client_secret']} holds that of {stored_id}",
            "give --client-secret-file or --client-secret-cmd as well",
        )


def _require_host(expected: str, base_url: str, origin: str) -> None:
    """Refuse any destination but the expected one, before anything is sent to it. The port counts if it is given."""
    wanted, host = (urlsplit(one if "//" in one else f"//{one}") for one in (expected, base_url))
    try:
        same = wanted.hostname == host.hostname and wanted.port in {None, host.port}
    except ValueError:  # a port that is no number
        same = False
    if not same or wanted.hostname is None:
        raise ValidationError(
            f"the destination is {base_url} ({origin}), not the expected host {expected}",
            "correct the destination or --expect-host; nothing was sent to it",
        )


def _refuse_gaps(found: _Found, what: str = "") -> None:
    missing = [name for name in CREDENTIALS if name not in found.values]
    if missing:
        names = ", ".join(name.replace("_", " ").replace("url", "URL") for name in missing)
        have = sorted({found.origins[name] for name in CREDENTIALS if name in found.origins})
        given = f" (found: {', '.join(have)})" if have else ""
        hint = f"say it in {what}" if what else MISSING_HINT
        raise ValidationError(f"how to reach Looker is not known: {names} missing{given}", hint)


# --- places ---


def _stored(given: Given, environ: Mapping[str, str], *, with_secret: bool = True) -> _Found:
    """What is known besides what the caller says. Without `with_secret` no secret is looked for."""
    if given.ini is not None and given.instance is not None:
        raise ValidationError(
            "--ini and --instance both say where the instance is described", "give one of them"
        )
    file = find_config(given.config, environ)
    table = LookerTable() if file is None else read_looker(file, with_secret=False)
    general = LookerTable(timeout=table.timeout, verify_ssl=table.verify_ssl, ca_bundle=table.ca_bundle)
    found = _described(given, environ, table, with_secret=with_secret)
    return found if file is None else found.over(_of_table(file, "[looker]", general))


def _described(given: Given, environ: Mapping[str, str], table: LookerTable, *, with_secret: bool) -> _Found:
    """The first place that describes an instance."""
    environment = _from_environment(environ)
    if given.ini is not None:
        return _from_ini(Path(given.ini), given.section)
    if given.instance is not None:
        named = _from_config(given.instance, given.config, environ, with_secret=with_secret)
        return named.over(_secret_for(named, environment))
    if table.describes and (environment.values or given.section is None or table.ini is not None):
        return _completed(environment, given, environ, with_secret=with_secret)
    if environment.values:
        return environment
    if given.section is not None or Path(DEFAULT_INI).is_file():
        return _from_ini(Path(DEFAULT_INI), given.section)
    return _Found()


def _completed(environment: _Found, given: Given, environ: Mapping[str, str], *, with_secret: bool) -> _Found:
    """The environment, and what it lacks from `[looker]`, unless that is about another instance or key."""
    if all(field in environment.values for field in CREDENTIALS):
        return environment
    in_file = _from_looker(given, environ, with_secret=False)
    if not _agree(in_file, environment):
        return environment
    if with_secret and "client_secret" not in environment.values:
        in_file = _from_looker(given, environ, with_secret=True)
    return environment.over(in_file)


def _from_looker(given: Given, environ: Mapping[str, str], *, with_secret: bool) -> _Found:
    file = find_config(given.config, environ)
    if file is None:
        return _Found()
    if given.config is None:
        require_ours(file)
    table = read_looker(file, with_secret=with_secret)
    if table.instance is not None:
        return _from_config(table.instance, str(file), environ, with_secret=with_secret)
    if given.section is not None:
        table = msgspec.structs.replace(table, section=given.section)
    return _of_table(file, "[looker]", table, with_secret=with_secret)


def _from_environment(environ: Mapping[str, str]) -> _Found:
    for family in ENVIRONMENT:
        names = {field: name for field, name in family.items() if environ.get(name)}
        if any(field in names for field in CREDENTIALS):
            return _Found({field: environ[name] for field, name in names.items()}, names)
    return _Found()


def _secret_for(named: _Found, environment: _Found) -> _Found:
    """The secret of the environment, unless that is about another instance or key than the one that was named."""
    if not _agree(named, environment) or "client_secret" not in environment.values:
        return _Found()
    return _Found(
        {"client_secret": environment.values["client_secret"]},
        {"client_secret": environment.origins["client_secret"]},
    )


def _agree(stored: _Found, environment: _Found) -> bool:
    """Whether the environment is not about another instance or key."""
    return all(
        stored.values.get(field, value) == value
        for field, value in environment.values.items()
        if field in {"base_url", "client_id"}
    )


def _from_config(
    name: str, config: str | None, environ: Mapping[str, str], *, with_secret: bool = True
) -> _Found:
    """What the config file says of an instance."""
    path = find_config(config, environ)
    if path is None:
        places = ", ".join(map(str, usual_places(environ)))
        raise ValidationError(f"there is no config file with [instances.{name}]", f"looked for: {places}")
    table = read_instance(path, name, with_secret=with_secret)
    return _of_table(path, f"[instances.{name}]", table, with_secret=with_secret)


def _of_table(path: Path, name: str, table: InstanceTable, *, with_secret: bool = False) -> _Found:
    """What a table of the config file says; paths are from where the file lies."""
    values = {
        "base_url": table.base_url,
        "client_id": table.client_id,
        "client_secret": table.client_secret,
        "timeout": None if table.timeout is None else str(table.timeout),
        "verify_ssl": None if table.verify_ssl is None else str(table.verify_ssl),
        "ca_bundle": None if table.ca_bundle is None else _beside(path, table.ca_bundle),
    }
    said = {field: value for field, value in values.items() if value}
    below = _Found() if table.ini is None else _from_ini(Path(_beside(path, table.ini)), table.section)
    found = _Found(said, dict.fromkeys(said, f"{path} {name}")).over(below)
    if not with_secret:
        return found
    file = None if table.client_secret_file is None else _beside(path, table.client_secret_file)
    return _given_secret(Given(client_secret_file=file, client_secret_cmd=table.client_secret_cmd)).over(
        found
    )


def _beside(path: Path, named: str) -> str:
    return str(path.parent / Path(named).expanduser())


def _from_ini(path: Path, section: str | None) -> _Found:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error.strerror}") from None
    except (configparser.Error, UnicodeDecodeError):
        # Not the parser's message: it quotes the line, which may be the secret.
        raise ValidationError(f"{path} is not an ini file") from None
    name = _section_of(parser, path, section)
    values = {field: parser[name].get(field, "").strip().strip("\"'") for field in INI_FIELDS}
    values = {field: value for field, value in values.items() if value}
    return _Found(values, dict.fromkeys(values, f"{path} [{name}]"), _readable_by_all(path))


def _section_of(parser: configparser.ConfigParser, path: Path, section: str | None) -> str:
    names = parser.sections()
    if section is None and len(names) == 1:
        return names[0]
    wanted = section if section is not None else "Looker"
    if wanted not in names:
        listed = ", ".join(names) or "none"
        raise ValidationError(f"{path} has no section [{wanted}]; there are: {listed}", "give --section NAME")
    return wanted


def _given_secret(given: Given) -> _Found:
    path, command = given.client_secret_file, given.client_secret_cmd
    if path and command:
        raise ValidationError("the client secret was given twice, by a file and by a command")
    if path:
        secret = _from_file(Path(path))
        return _Found({"client_secret": secret}, {"client_secret": path}, _readable_by_all(Path(path)))
    if command:
        return _Found({"client_secret": _from_command(command)}, {"client_secret": "secret command"})
    return _Found()


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        raise ValidationError(f"cannot read the secret file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValidationError(f"the secret file {path} is not text") from None
    return _one_line(text, f"the secret file {path}")


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the person's own command, without a shell
            shlex.split(command), stdout=subprocess.PIPE, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = type(error).__name__ if not isinstance(error, OSError) else error.strerror
        raise ValidationError(f"the command for the client secret did not run: {reason}") from None
    if done.returncode != 0:
        raise ValidationError(f"the command for the client secret ended with exit code {done.returncode}")
    return _one_line(done.stdout.decode("utf-8", "replace").strip("\r\n"), "the command's output")


def _one_line(text: str, what: str) -> str:
    if not text or "\n" in text:
        raise ValidationError(f"{what} must hold the client secret on one line")
    return text


def _readable_by_all(path: Path) -> tuple[str, ...]:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        return (f"{path} holds a secret and can be read by every user of this machine: chmod 600 it",)
    return ()


def _ca_bundle(environ: Mapping[str, str]) -> _Found:
    for name in CA_VARIABLES:
        if environ.get(name):
            return _Found({"ca_bundle": environ[name]}, {"ca_bundle": name})
    return _Found()


# --- values ---


def _seconds(text: str, origin: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValidationError(f"the timeout {text!r} ({origin}) is not a number of seconds above 0")
    return seconds


def _flag(text: str, origin: str) -> bool:
    if text.lower() in {"yes", "y", "true", "t", "1"}:
        return True
    if text.lower() in {"no", "n", "false", "f", "0"}:
        return False
    raise ValidationError(f"verify_ssl {text!r} ({origin}) is neither true nor false")


def _existing_file(path: str | None, origin: str) -> str | None:
    if path is not None and not Path(path).is_file():
        raise ValidationError(f"the certificate file {path} ({origin}) does not exist")
    return path
