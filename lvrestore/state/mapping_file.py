"""Files of mappings, CSV or JSON: written by `map export`, read by `map import`."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any, Literal, TextIO

import msgspec
import orjson

from lvrestore.errors import IDMappingError, ValidationError
from lvrestore.model import Json
from lvrestore.state.mappings import IDMapping

Format = Literal["csv", "json"]
NEEDED = ("content_type", "source_id", "destination_id")
OPTIONAL = ("source_instance",)
COLUMNS = (*NEEDED, *OPTIONAL, "destination_instance", "state", "rule", "mapped_at", "session_id")


class MappingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a file, as text, by its place there."""

    line: int
    content_type: str
    source_id: str
    destination_id: str
    source_instance: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """What keeps a row from being imported. `line` counts from 1; of a JSON array, it is the number of the entry."""

    line: int
    message: str


def format_of(path: Path | None) -> Format:
    """The format that the ending of a file tells; CSV without one."""
    return "json" if path is not None and path.suffix.lower() in {".json", ".jsonl"} else "csv"


def mapping_object(mapping: IDMapping) -> dict[str, Json]:
    """The JSON line of a mapping."""
    return {"type": "mapping", **msgspec.structs.asdict(mapping)}


def write_mappings(rows: Iterable[IDMapping], form: Format, file: IO[bytes]) -> int:
    """Write all rows one after the other; return how many there were."""
    count = 0
    lines = _csv_lines(rows) if form == "csv" else _json_lines(rows)
    for line in lines:
        file.write(line)
        count += 1
    return count - 1 if form == "csv" else count


def _json_lines(rows: Iterable[IDMapping]) -> Iterator[bytes]:
    return (orjson.dumps(mapping_object(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)


class _Line:
    """Takes what a `csv.writer` writes: one row at a time."""

    def write(self, text: str) -> bytes:
        return text.encode()


def _csv_lines(rows: Iterable[IDMapping]) -> Iterator[bytes]:
    write = csv.writer(_Line(), lineterminator="\n").writerow
    yield write(COLUMNS)
    for row in rows:
        values = msgspec.structs.asdict(row)
        yield write([values[name] for name in COLUMNS])


@contextmanager
def replaced(path: Path) -> Generator[IO[bytes]]:
    """A file to write that takes the place of `path` when it is complete, and never before."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise ValidationError(
            f"cannot write {path}: {error.strerror}", "give another --output FILE"
        ) from error


# -- reading


def read_mappings(file: TextIO) -> tuple[list[MappingRow], list[Problem]]:
    """The rows of a file, and what is wrong with those that are none.

    A file that begins with `[` or `{` is JSON: an array, or an object on each line. Any other is CSV with a header.
    """
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise IDMappingError("the file of mappings is not text in UTF-8") from error
    entries = _json_entries(text) if text.lstrip()[:1] in {"[", "{"} else _csv_entries(text)
    rows: list[MappingRow] = []
    problems: list[Problem] = []
    for line, entry in entries:
        if isinstance(one := _row(line, entry), Problem):
            problems.append(one)
        else:
            rows.append(one)
    return rows, problems


def _csv_entries(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(StringIO(text, newline=""), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    if missing := [name for name in NEEDED if name not in header]:
        raise IDMappingError(
            f"the file of mappings has no column {' or '.join(missing)}",
            f"its first line must name the columns: {','.join(NEEDED)}",
        )
    reader.fieldnames = header
    try:
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise IDMappingError(
            f"after line {reader.line_num} the file of mappings is no CSV: {error}"
        ) from error


def _json_entries(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(orjson.loads(text), 1)
        except orjson.JSONDecodeError as error:
            raise IDMappingError(f"the file of mappings is no JSON: {error}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, Problem(number, f"it is no JSON object: {error}")


def _row(line: int, entry: Any) -> MappingRow | Problem:  # noqa: ANN401 - whatever the file holds
    if isinstance(entry, Problem):
        return entry
    if not isinstance(entry, Mapping):
        return Problem(line, "it is no JSON object")
    values = {name: _text(entry.get(name)) for name in (*NEEDED, *OPTIONAL)}
    if missing := [name for name in NEEDED if not values[name]]:
        return Problem(line, f"{' and '.join(missing)} missing: say it")
    return MappingRow(line=line, **values)


def _text(value: Any) -> Any:  # noqa: ANN401 - as above; ids may be written as numbers
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None
