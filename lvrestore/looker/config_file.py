"""The config file: the instances that `--instance` and `--source` name. Its other tables belong to others."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lvrestore.errors import ValidationError

NAMES = ("lvrestore.toml", "lookervault.toml")
IN_HOME = Path("lvrestore", "config.toml")
OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO


class InstanceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[instances.NAME]`. The secret comes from one place: a file, a command, an ini section, or itself."""

    base_url: str | None = None
    client_id: str | None = None
    client_secret_file: str | None = None
    client_secret_cmd: str | None = None
    client_secret: str | None = None
    ini: str | None = None
    section: str | None = None
    ca_bundle: str | None = None
    verify_ssl: bool | None = None
    timeout: float | None = None

    def __repr__(self) -> str:
        return "InstanceTable(***)"  # it may hold a secret


def find_config(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The file that was named, else the first of the usual ones that exists."""
    if given is not None:
        if not Path(given).is_file():
            raise ValidationError(f"the config file {given} does not exist")
        return Path(given)
    return next((path for path in usual_places(environ) if path.is_file()), None)


def usual_places(environ: Mapping[str, str]) -> list[Path]:
    """Where a config file is looked for, in this order."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config")
    return [*map(Path, NAMES), home / IN_HOME]


def read_instance(path: Path, name: str) -> InstanceTable:
    """The table of an instance; ValidationError where there is none, or where it cannot be meant."""
    tables = _instances(path)
    if name not in tables:
        listed = ", ".join(sorted(tables)) or "none"
        raise ValidationError(f"{path} has no [instances.{name}]; there are: {listed}")
    try:
        table = msgspec.convert(tables[name], InstanceTable)
    except msgspec.ValidationError as error:
        known = ", ".join(InstanceTable.__struct_fields__)
        raise ValidationError(f"{path} [instances.{name}]: {error}", f"it may hold: {known}") from None
    _check_secret(path, name, table)
    return table


def _instances(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file).get("instances", {})
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValidationError(f"{path} is not TOML: {error}") from None
    if not isinstance(tables, dict):
        raise ValidationError(f"{path}: instances is not a table", "write [instances.NAME]")
    return tables


def _check_secret(path: Path, name: str, table: InstanceTable) -> None:
    places = ("client_secret_file", "client_secret_cmd", "client_secret", "ini")
    given = [place for place in places if getattr(table, place) is not None]
    if len(given) > 1:
        raise ValidationError(
            f"{path} [instances.{name}] says twice where the secret is: {' and '.join(given)}"
        )
    if table.section is not None and table.ini is None:
        raise ValidationError(f"{path} [instances.{name}] has a section, and no ini that it is in")
    if table.client_secret is not None and path.stat().st_mode & OTHERS_MAY:
        raise ValidationError(
            f"{path} [instances.{name}] holds a client_secret, and others may read the file",
            f"chmod 600 {path}, or give client_secret_file or client_secret_cmd instead",
        )
