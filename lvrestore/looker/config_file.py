"""The config file: defaults of options, how to reach the destination, and the instances that options name.

Its other tables belong to others: `lookervault.toml` is lookervault's own file too.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lvrestore.errors import ValidationError

NAMES = ("lvrestore.toml", "lookervault.toml")
IN_HOME = Path("lvrestore", "config.toml")
OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO
# Who may write a file beside ourselves: the administrator of this machine.
OWNERS_BELIEVED = {0}
# Both hold defaults of options; no option has the same name as another one, so that either may hold any.
DEFAULTS = ("restore", "looker")
TABLES = (*DEFAULTS, "instances")
ALIKE = 0.8


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


_DESCRIBING = ("base_url", "client_id", "client_secret", "client_secret_file", "client_secret_cmd", "ini")


class LookerTable(InstanceTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the file says of the destination itself, where neither an option nor the environment does.

    `api_url` is what lookervault calls the base URL.
    """

    instance: str | None = None
    api_url: str | None = None
    no_verify_ssl: bool | None = None

    @property
    def describes(self) -> bool:
        """Whether it says more of an instance than how to speak with any."""
        return any(getattr(self, field) is not None for field in (*_DESCRIBING, "instance"))

    def __repr__(self) -> str:
        return "LookerTable(***)"  # as above


T = TypeVar("T", bound=InstanceTable)


def find_config(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The file that was named, else the first of the usual ones that exists."""
    if given is not None:
        if not Path(given).is_file():
            wrong = "is not a regular file" if Path(given).exists() else "does not exist"
            raise ValidationError(f"the config file {given} {wrong}")
        return Path(given)
    return next((path for path in usual_places(environ) if path.is_file()), None)


def usual_places(environ: Mapping[str, str]) -> list[Path]:
    """Where a config file is looked for, in this order."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config")
    return [*map(Path, NAMES), home / IN_HOME]


def read_instance(path: Path, name: str, *, with_secret: bool = True) -> InstanceTable:
    """The table of an instance; ValidationError where there is none, or where it cannot be meant."""
    tables = _tables(path)["instances"]
    if name not in tables:
        listed = ", ".join(sorted(tables)) or "none"
        raise ValidationError(f"{path} has no [instances.{name}]; there are: {listed}")
    return _checked(f"{path} [instances.{name}]", tables[name], InstanceTable, path if with_secret else None)


def read_looker(path: Path, *, with_secret: bool = True) -> LookerTable:
    """What the file says of the destination; an empty text says nothing, as in lookervault's own sample."""
    tables, known = _tables(path), LookerTable.__struct_fields__
    found = {
        key.replace("-", "_"): value
        for table in DEFAULTS
        for key, value in tables[table].items()
        if key.replace("-", "_") in known and value != ""
    }
    label = f"{path} [looker]"
    table = _checked(label, found, LookerTable, path if with_secret else None)
    if table.api_url is not None and table.base_url is not None:
        raise ValidationError(f"{label} has both api_url and base_url, which mean the same")
    if table.no_verify_ssl is not None and table.verify_ssl is not None:
        raise ValidationError(f"{label} has both no_verify_ssl and verify_ssl, which mean the same")
    if table.instance is not None and any(getattr(table, field) is not None for field in _DESCRIBING):
        raise ValidationError(
            f"{label} names an instance, and describes one as well", "leave one of them out"
        )
    verify = table.verify_ssl if table.no_verify_ssl is None else not table.no_verify_ssl
    return msgspec.structs.replace(table, base_url=table.base_url or table.api_url, verify_ssl=verify)


def require_ours(path: Path) -> None:
    """Refuse a file that somebody else may have put where we look: it would say where our key is sent."""
    found = path.stat()
    if found.st_uid not in {os.geteuid(), *OWNERS_BELIEVED} or found.st_mode & stat.S_IWOTH:
        raise ValidationError(
            f"{path} [looker] says which instance gets the API key, and somebody else may have written the file",
            f"if it is meant, name it: --config {path}",
        )


def read_defaults(path: Path) -> dict[str, dict[str, Any]]:
    """The keys of `[restore]` and of `[looker]` as they are in the file; under "" what stands in no table."""
    tables, whole = _tables(path), _whole(path)
    outside = {name: value for name, value in whole.items() if not isinstance(value, dict)}
    return {"": outside, **{table: tables[table] for table in DEFAULTS}}


def _whole(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValidationError(f"{path} is not TOML: {error}") from None


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    """The tables that are ours, empty where the file has none; what is nearly called so is refused."""
    tables = _whole(path)
    for name in tables:
        if name not in TABLES and (meant := get_close_matches(name.lower(), TABLES, 1, ALIKE)):
            raise ValidationError(f"{path}: unknown table {name!r}", f"did you mean [{meant[0]}]?")
    found = {name: tables.get(name, {}) for name in TABLES}
    for name, table in found.items():
        if not isinstance(table, dict):
            written = "[instances.NAME]" if name == "instances" else f"[{name}]"
            raise ValidationError(f"{path}: {name} is not a table", f"write {written}")
    return found


def _checked(label: str, found: Any, kind: type[T], path: Path | None) -> T:  # noqa: ANN401 - a TOML value
    """The table, if it can be meant. `path` is the file if its secret is wanted: only then others must not read it."""
    try:
        table = msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise ValidationError(f"{label}: {error}", f"it may hold: {known}") from None
    places = ("client_secret_file", "client_secret_cmd", "client_secret", "ini")
    given = [place for place in places if getattr(table, place) is not None]
    if len(given) > 1:
        raise ValidationError(f"{label} says twice where the secret is: {' and '.join(given)}")
    if table.section is not None and table.ini is None:
        raise ValidationError(f"{label} has a section, and no ini that it is in")
    if table.client_secret is not None and path is not None and path.stat().st_mode & OTHERS_MAY:
        raise ValidationError(
            f"{label} holds a client_secret, and others may read the file",
            f"chmod 600 {path}, or give client_secret_file or client_secret_cmd instead",
        )
    return table
