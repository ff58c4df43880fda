"""Read the file of `--remap`: TOML tables of names in the backup and names on the destination."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from lvrestore.errors import ValidationError
from lvrestore.model import Json
from lvrestore.settings import Remap

HINT = "docs/remap.md has a whole file as an example"
QUOTE = 'names with a dot, an @, a / or a blank must be in quotes, as in "thelook.orders" = "shop.orders"'


def read_remap(path: Path) -> Remap:
    """Return what the file says; raise `ValidationError` with file and line when it cannot be meant."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ValidationError(f"--remap: cannot read {path}: {reason}", HINT) from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValidationError(f"--remap: {path} is no TOML: {error}", QUOTE) from error
    return _File(path, text).read(tables)


class _File:
    """One file, whose lines are named in what is wrong with it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def read(self, tables: Mapping[str, Json]) -> Remap:
        for table, entries in tables.items():
            if table not in Remap.__struct_fields__:
                known = ", ".join(f"[{one}]" for one in Remap.__struct_fields__)
                raise self._wrong(f"[{table}] is unknown; known are {known}", table)
            if not isinstance(entries, dict):
                raise self._wrong(f'{table} must be a table, [{table}], with lines like "old" = "new"', table)
        return msgspec.convert({table: dict(self._entries(table, tables[table])) for table in tables}, Remap)

    def _entries(self, table: str, entries: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for name, to in entries.items():
            if not isinstance(to, str):
                raise self._wrong(f"[{table}] {name}: the new name must be a text in quotes", table, name)
            if not name.strip() or not to.strip():
                raise self._wrong(f"[{table}] {name!r} = {to!r}: a name is empty", table, name)
            if reason := FORMS.get(table, _any_form)(name, to):
                raise self._wrong(f"[{table}] {name!r} = {to!r}: {reason}", table, name)
            key = name.casefold() if table == "users" else name
            if key in seen:
                raise self._wrong(f"[{table}] {name!r} is there twice, whatever its case", table, name)
            seen.add(key)
            yield key, to

    def _wrong(self, what: str, table: str, name: str | None = None) -> ValidationError:
        line = self._line_of(table, name)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return ValidationError(f"--remap: {where}: {what}", QUOTE if name is not None else HINT)

    def _line_of(self, table: str, name: str | None) -> int | None:
        """The line that a table or an entry of it begins in; the parser does not say."""
        header = re.compile(rf"\s*\[?\s*[\"']?{re.escape(table)}[\"']?\s*[\]=.]")
        first = next((n for n, line in enumerate(self._lines, 1) if header.match(line)), None)
        if name is None or first is None:
            return first
        entry = re.compile(rf"[\s\[\"']*{re.escape(name)}[\"']?\s*[=.\]]")
        below = range(first, len(self._lines) + 1)
        return next((n for n in below if n > first and entry.match(self._lines[n - 1])), first)


def _any_form(_name: str, _to: str) -> str | None:
    return None


def _explore_form(name: str, to: str) -> str | None:
    whole = all(all(one.partition(".")[::2]) for one in (name, to))
    return None if whole else "both sides must be model.explore"


def _user_form(name: str, to: str) -> str | None:
    if not all("@" in one and not one.endswith("@") for one in (name, to)):
        return "both sides must be an e-mail address, or both @domain"
    return (
        None if name.startswith("@") == to.startswith("@") else "one side is a domain, the other an address"
    )


def _palette_form(name: str, to: str) -> str | None:
    shapes = [one.count("/") if all(one.split("/")) else None for one in (name, to)]
    same = shapes[0] == shapes[1] and shapes[0] in {0, 1}
    return None if same else "both sides must be collection, or both collection/palette"


FORMS: Mapping[str, Callable[[str, str], str | None]] = {
    "explores": _explore_form,
    "users": _user_form,
    "palettes": _palette_form,
}
