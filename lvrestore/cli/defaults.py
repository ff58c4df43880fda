"""Defaults of options from the config file, by click's own default map; what cannot be meant there is refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from lvrestore.errors import ValidationError
from lvrestore.looker.config_file import LookerTable, find_config, read_defaults, read_looker

# What the file may not say, with the reason.
REFUSED = {
    "force": "a file cannot answer a question",
    "yes": "a file cannot answer a question",
    "same_instance": "which instance it is is declared for one run",
    "config": "a config file cannot name another one",
}
# Keys of the file, in the order of the options; those of them that only commands can say are in the other one.
KNOWN: dict[str, None] = {}
SAID_EACH_TIME: dict[str, None] = {}
# How to reach the destination is settled with the environment and a looker.ini, not by an option's default.
OF_DESTINATION = frozenset(LookerTable.__struct_fields__)


class Option(click.Option):
    """An option that the config file may give a default.

    `in_file` is off where the file's value is not meant for this command. `against` are the options that it excludes:
    the file's value gives way to theirs.
    """

    def __init__(self, *args: Any, in_file: bool = True, against: tuple[str, ...] = (), **more: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **more)
        self.in_file, self._against = in_file, against

    @property
    def keys(self) -> Mapping[str, bool]:
        """What the file may call it, with whether that name means it, or the contrary of it."""
        names = {_key(name): True for name in self.opts if name.startswith("--")}
        return names | {_key(name): False for name in self.secondary_opts if name.startswith("--")}

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Take the value from the first place that has one."""
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.DEFAULT_MAP and ctx.default_map and any(self._others_said(ctx, opts)):
            ctx.default_map = {name: one for name, one in ctx.default_map.items() if name != self.name}
            return super().consume_value(ctx, opts)
        return value, source

    def _others_said(self, ctx: click.Context, opts: Mapping[str, Any]) -> Iterator[bool]:
        for other in ctx.command.params:
            if other.name in self._against:
                yield opts.get(other.name) is not None or other.value_from_envvar(ctx) is not None


def note_keys(names: Iterable[str], *, in_file: bool) -> None:
    """Remember what an option is called, for files that name the options of other commands as well."""
    long_names = (one for name in names for one in name.split("/") if one.startswith("--"))
    (KNOWN if in_file else SAID_EACH_TIME).update(dict.fromkeys(map(_key, long_names)))


def _key(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


class _Said(msgspec.Struct, frozen=True):
    """A value of the file, and where it stands."""

    path: Path
    table: str
    key: str
    value: Any

    def refused(self, reason: str, hint: str = "") -> ValidationError:
        return ValidationError(f"{self.path} [{self.table}] {self.key}: {reason}", hint)


def use_config(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Let the config file give defaults to the options of this command. Every key and value is looked at."""
    if ctx.resilient_parsing:
        return value
    path = find_config(value, os.environ)
    if path is not None:
        settings = _settings(path)
        read_looker(path, with_secret=False)
        ctx.default_map = {**(ctx.default_map or {}), **dict(_found(ctx, settings))}
    return value


def _settings(path: Path) -> dict[str, _Said]:
    """What both tables say, by key."""
    settings: dict[str, _Said] = {}
    tables = read_defaults(path)
    for name in tables.pop(""):
        if name.replace("-", "_") in {*KNOWN, *OF_DESTINATION}:
            raise ValidationError(f"{path}: {name} stands in no table", "write [restore] above it")
    for table, values in tables.items():
        for name, value in values.items():
            said = _Said(path, table, name, value)
            key = name.replace("-", "_")
            _require_known(said, key)
            if key in settings:
                other = settings[key]
                raise said.refused(f"it is said twice, by [{other.table}] {other.key} as well")
            settings[key] = said
    return settings


def _require_known(said: _Said, key: str) -> None:
    if key in REFUSED:
        raise said.refused(f"it cannot be said here: {REFUSED[key]}")
    known = {*KNOWN, *OF_DESTINATION}
    if key in SAID_EACH_TIME and key not in known:
        raise said.refused("it cannot be said here: it is said with each command")
    if key not in known:
        close = get_close_matches(key, sorted(known), 1)
        raise said.refused(
            "unknown key", f"did you mean {close[0]}?" if close else "see `lvrestore bulk --help`"
        )


def _found(ctx: click.Context, settings: Mapping[str, _Said]) -> Iterator[tuple[str, Any]]:
    for param in ctx.command.params:
        if isinstance(param, Option) and param.in_file:
            said = [settings[key] for key in param.keys if key in settings]
            if len(said) > 1:
                raise said[1].refused(f"it is said twice, by [{said[0].table}] {said[0].key} as well")
            if said and param.name is not None and not OF_DESTINATION.issuperset(param.keys):
                yield param.name, _value(ctx, param, said[0])


def _value(ctx: click.Context, param: Option, said: _Said) -> Any:  # noqa: ANN401 - of the option's type
    expected, fits = _expected(param)
    expected = f"{expected}, or a list of it" if param.multiple else expected
    values = said.value if param.multiple and isinstance(said.value, list) else [said.value]
    if not values:
        raise said.refused("the list is empty", "leave the key out")
    if not all(fits(one) for one in values):
        raise said.refused(f"{said.value!r} is not {expected}")
    if param.is_flag:
        return said.value is param.keys[said.key.replace("-", "_")]
    given = [_located(param, said.path, one) for one in values]
    try:
        param.process_value(ctx, given if param.multiple else given[0])
    except click.BadParameter as error:
        close = get_close_matches(str(said.value), getattr(param.type, "choices", ()), 1)
        raise said.refused(error.message, f"did you mean {close[0]}?" if close else "") from None
    return given if param.multiple else given[0]


def _expected(param: Option) -> tuple[str, Callable[[Any], bool]]:
    """What a value of the file must be, in words and as a test; numbers are no booleans, as they are in Python."""
    if param.is_flag:
        return "true or false", lambda value: isinstance(value, bool)
    if isinstance(param.type, click.types.IntParamType):
        return "a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)
    if isinstance(param.type, click.types.FloatParamType):
        return "a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    return "text", lambda value: isinstance(value, int | str) and not isinstance(value, bool)


def _located(param: Option, path: Path, value: Any) -> Any:  # noqa: ANN401 - a TOML value
    """A path is from where the file lies; text may be a number."""
    if isinstance(param.type, click.Path | click.File) and value != "-":
        return str(path.parent / Path(str(value)).expanduser())
    return str(value) if isinstance(value, int) and param.type is click.STRING else value
